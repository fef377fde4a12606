/* Where the product's own data lie: see places.h. */
#include "harness/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool places_find(const char *piece, char *out, unsigned long n, struct error *err)
{
    char program[3072] = "";
    const char *given = getenv("JEOUL_DATA");
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    const char *const patterns[] = {"%s/%s", "%s/../share/jeoul/%s", "%s/../../%s"};
    for (int i = given ? -1 : 0; i < 3; i++) {
        snprintf(out, n, i < 0 ? "%s/%s" : patterns[i], i < 0 ? given : program, piece);
        if (access(out, R_OK) == 0)
            return true;
        if (i < 0)
            break;
    }
    return error_set(err, ERROR_INPUT, "%s is not found beside the program; name its directory in the environment variable JEOUL_DATA",
                     piece);
}
