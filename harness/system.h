/* What this machine is: the "system" object of a run document. Every value or null with a reason; no host, user or serial number. */
#ifndef JEOUL_SYSTEM_H
#define JEOUL_SYSTEM_H

#include "base/error.h"

#include <cjson/cJSON.h>

/* NULL on failure. "id" is the first 16 digits of the SHA-256 of the facts that decide comparability: CPU model, cores, instruction set,
 * memory in GiB, kernel release, governor, compiler. */
cJSON *system_describe(struct error *err) MUST_CHECK;

#endif
