/* jeoul bench --train: how fast a shape is trained. */
#ifndef JEOUL_BENCH_TRAIN_H
#define JEOUL_BENCH_TRAIN_H

#include "harness/cli.h"

bool bench_train(const struct cli *cli, struct error *err) MUST_CHECK;

#endif
