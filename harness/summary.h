/* A run's figures as tables on the terminal. */
#ifndef JEOUL_SUMMARY_H
#define JEOUL_SUMMARY_H

#include <cjson/cJSON.h>

void summary_print(const cJSON *figures);

#endif
