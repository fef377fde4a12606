/* What the room's own files share about sources. */
#ifndef JEOUL_DATASETS_SOURCE_H
#define JEOUL_DATASETS_SOURCE_H

#include "datasets/datasets.h"

/* The path of a file of the source at its place into `out`. False when it is too long. */
bool source_path(const struct data_places *places, const struct source_file *file, char *out, size_t n, struct error *err) MUST_CHECK;

/* A relative path that stays below the directory it is appended to: no root, no "..", no empty part, no control characters. */
bool path_stays_below(const char *path);

#endif
