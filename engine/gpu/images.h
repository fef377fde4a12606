/* Programs of kernels that nvcc compiled when this program was made, for CUDA: engine/gpu/kernels/embedded.list has which. */
#ifndef JEOUL_GPU_IMAGES_H
#define JEOUL_GPU_IMAGES_H

#include <stdint.h>

/* A fatbin: machine code for some devices, PTX for those to come. It serves the program of that name with these very definitions, if the
 * text has the checksum of what it was made of. */
struct gpu_image {
    const char *program, *options; // "product", "-DFORMAT=12"; options are parted by single spaces
    uint64_t source_sum;
    const char *bytes, *end;
};
extern const struct gpu_image gpu_images[]; // up to an entry whose program is NULL

#endif
