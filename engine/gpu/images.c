/* What kernels/embed.c wrote into $(BUILD)/nvcc, in a build that has nvcc; else nothing. */
#include "engine/gpu/images.h"

#include <stddef.h>

#ifdef GPU_IMAGES
#include GPU_IMAGES
#else
const struct gpu_image gpu_images[] = {{.program = NULL}};
#endif
