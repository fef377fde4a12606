/* Golden models and the forty tokens that their logits are of. */
#ifndef JEOUL_TESTS_GOLDEN_H
#define JEOUL_TESTS_GOLDEN_H

#include "tests/support.h"

#include <stdint.h>

enum { TOKENS = 40 };

/* A golden's file: of the repository, else of the shared folder. In a static buffer. */
static inline const char *golden_path(const char *model, const char *file)
{
    static char path[512];
    snprintf(path, sizeof path, "tests/data/goldens/%s/%s", model, file);
    if (access(path, R_OK) == 0)
        return path;
    char relative[256];
    snprintf(relative, sizeof relative, "goldens/%s/%s", model, file);
    return shared_path(relative);
}

static inline void read_tokens(const char *model, int32_t tokens[TOKENS])
{
    FILE *stream = fopen(golden_path(model, "tokens.txt"), "r");
    cr_assert_not_null(stream);
    for (int i = 0; i < TOKENS; i++)
        cr_assert_eq(fscanf(stream, "%d", &tokens[i]), 1);
    fclose(stream);
}

#endif
