/* The kernels' source, as text in the program: engine/gpu/kernels/. */
#ifndef JEOUL_GPU_SOURCE_H
#define JEOUL_GPU_SOURCE_H

extern const char gpu_source_dialect[], gpu_source_common[], gpu_source_single[], gpu_source_rows[], gpu_source_router[],
    gpu_source_formats[], gpu_source_dot[], gpu_source_matrix[], gpu_source_mma[], gpu_source_attention[], gpu_source_attend[],
    gpu_source_flash[]; // NUL-terminated

#endif
