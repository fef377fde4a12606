/* What the tests of the GPU backend share: the OpenCL device that they run on, device 0 (of Debian's pocl-opencl-icd, a CPU). */
#ifndef JEOUL_TESTS_GPU_H
#define JEOUL_TESTS_GPU_H

#include "tests/support.h"

#include "engine/engine.h"
#include "engine/gpu/driver.h"

enum { GPU_TEST_DEVICE = 0 };

/* Skips the running test, saying why, where there is no OpenCL device. */
#define NEEDS_OPENCL()                                                                                                                     \
    do {                                                                                                                                   \
        struct error why = {0};                                                                                                            \
        int devices = gpu_opencl.count(&gpu_opencl, &why);                                                                                 \
        if (devices < 1)                                                                                                                   \
            cr_skip_test("skipped: no OpenCL device: %s", devices < 0 ? why.message : "none is registered");                               \
    } while (0)

#endif
