/* What the sides of a pipe to a child process share. */
#ifndef JEOUL_CHILD_H
#define JEOUL_CHILD_H

#include "base/text.h"

#include <stdint.h>

/* Reads what the child says until it closes or the deadline passes, or it says more than 64 MiB (false). */
bool child_read(int fd, uint64_t deadline_ns, struct text *out) MUST_CHECK;

#endif
