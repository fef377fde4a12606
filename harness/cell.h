/* Cells: one measurement in a child process of its own, with its own time and memory limits. It may crash, hang or be killed: its row says
 * so. */
#ifndef JEOUL_CELL_H
#define JEOUL_CELL_H

#include "harness/plan.h"

/* Runs a cell in a child (this program, verb "cell") and returns its row as store_add_cell wants it; the row's state tells how it went.
 * NULL only when this process itself failed. */
cJSON *cell_run(const struct plan *plan, const struct plan_cell *cell, const char *model_path, struct error *err) MUST_CHECK;

#endif
