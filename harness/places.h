/* Where the product's own data lie: $JEOUL_DATA, else beside the program (a checkout), else PREFIX/share/jeoul beside PREFIX/bin. */
#ifndef JEOUL_PLACES_H
#define JEOUL_PLACES_H

#include "base/error.h"

/* The path of "datasets/tasks" or another piece into out. */
bool places_find(const char *piece, char *out, unsigned long n, struct error *err) MUST_CHECK;

#endif
