/* GPU drivers and their devices, for the system object. */
#ifndef JEOUL_DRIVERS_H
#define JEOUL_DRIVERS_H

#include <cjson/cJSON.h>

/* An array of objects: driver, available, reason, devices. Each driver is asked in a child process: one that crashes or hangs (a broken
 * vendor's library) is said to, and this process never has a driver's threads and contexts in it. */
cJSON *drivers_describe(void);

#endif
