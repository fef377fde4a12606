/* Matrices on their way to a device that is an array: threads leave what one leaves, and the first write that fails is the one that is
 * told. What planes hold has its test in test_gpu.c. */
#include "tests/support.h"

#include "engine/gguf.h"
#include "engine/gpu/gpu.h"

#include <string.h>

/* The device: its writes are counted, and one of them may fail. */
static struct {
    uint8_t *bytes;
    int writes, fails_at; // 0: none does
} device;

static bool write_to_array(struct gpu_context *c, uint64_t to, size_t at, const void *from, size_t bytes, struct error *err)
{
    (void)c, (void)to;
    if (++device.writes == device.fails_at)
        return error_set(err, ERROR_MACHINE, "write %d fails", device.writes);
    memcpy(device.bytes + at, from, bytes);
    return true;
}

static const struct gpu_driver array = {.name = "array", .write = write_to_array};

/* Rows of the format's golden blocks, over and over. */
struct made {
    struct tensor tensor;
    struct gpu_weight weight;
    uint8_t *bytes;
};

static struct made make(const struct tensor_format *format, int64_t experts, int64_t rows, int64_t cols)
{
    struct error err = {0};
    char name[64];
    struct made m = {.tensor = {.format = format, .shape = {cols, rows, experts, 1}}};
    struct model_file *file = model_file_open("tests/data/goldens/quants/quants.gguf", &err);
    cr_assert_not_null(file, "%s", err.message);
    snprintf(name, sizeof name, format->type == TENSOR_F32 ? "source" : "q.%s", format->name);
    const struct tensor *from = gguf_tensor(file, name);
    m.tensor.bytes = (uint64_t)(experts * rows * (cols / format->block_values)) * (uint64_t)format->block_bytes;
    m.bytes = malloc(m.tensor.bytes);
    for (uint64_t i = 0; i < m.tensor.bytes; i++)
        m.bytes[i] = ((const uint8_t *)from->data)[i % from->bytes];
    model_file_close(file);
    m.tensor.data = m.bytes;
    m.weight = (struct gpu_weight){.rows = rows, .cols = cols, .experts = experts, .memory = 1};
    return m;
}

static bool upload(struct made *m, int threads, int fails_at, struct error *err)
{
    struct gpu gpu = {.driver = &array, .upload_threads = threads};
    m->weight.tensor = &m->tensor;
    gpu_planes(&m->weight);
    device.bytes = realloc(device.bytes, m->weight.bytes);
    memset(device.bytes, 0x5A, m->weight.bytes); // what nobody writes, between planes, is the same too
    device.writes = 0;
    device.fails_at = fails_at;
    return gpu_upload(&gpu, &m->weight, err);
}

static void free_device(void)
{
    free(device.bytes);
    device.bytes = NULL;
}

Test(gpu_upload, threads_leave_what_one_leaves, .fini = free_device)
{
    static const struct {
        int64_t experts, rows, cols;
    } shapes[] = {
        {1, 1, 256}, {1, 4099, 2304}, {3, 1367, 2048}, {1, 3, 1 << 21}}; // one piece; odd numbers of rows; rows of a piece and more
    const struct tensor_format *format;
    for (size_t f = 0; (format = tensor_format_at(f)); f++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            struct error err = {0};
            struct made m = make(format, shapes[i].experts, shapes[i].rows, shapes[i].cols);
            cr_assert(upload(&m, 1, 0, &err), "%s", err.message);
            uint8_t *one = malloc(m.weight.bytes);
            memcpy(one, device.bytes, m.weight.bytes);
            int writes = device.writes;
            cr_assert(upload(&m, 5, 0, &err), "%s", err.message);
            cr_expect(memcmp(one, device.bytes, m.weight.bytes) == 0, "%s, shape %zu", format->name, i);
            cr_expect_eq(device.writes, writes, "%s, shape %zu: %d writes, with one thread %d", format->name, i, device.writes, writes);
            free(one);
            free(m.bytes);
        }
}

Test(gpu_upload, a_matrix_in_pieces_is_that_in_one, .fini = free_device)
{
    enum { ROWS = 4099, COLS = 2304 };
    struct error err = {0};
    struct made m = make(tensor_format(TENSOR_Q5_K), 1, ROWS, COLS);
    size_t row[GPU_PLANES];
    cr_assert(upload(&m, 3, 0, &err), "%s", err.message);
    cr_expect_gt(device.writes, GPU_PLANES);
    gpu_plane_bytes(&m.weight, row);
    const uint64_t begins[GPU_PLANES] = {0, m.weight.high, m.weight.scales, m.weight.steps};
    uint8_t *planes[GPU_PLANES];
    for (int i = 0; i < GPU_PLANES; i++)
        planes[i] = malloc(ROWS * row[i]);
    gpu_take_rows(&m.weight, 0, ROWS, planes);
    for (int i = 0; i < GPU_PLANES; i++) {
        cr_expect(memcmp(planes[i], device.bytes + begins[i], ROWS * row[i]) == 0, "plane %d", i);
        free(planes[i]);
    }
    free(m.bytes);
}

Test(gpu_upload, the_first_write_that_fails_ends_all_and_is_told, .fini = free_device)
{
    struct made m = make(tensor_format(TENSOR_Q4_K), 1, 20001, 2048);
    for (int threads = 1; threads <= 5; threads += 2)
        for (int fails_at = 1; fails_at <= 7; fails_at += 3) {
            struct error err = {0};
            char wanted[32];
            snprintf(wanted, sizeof wanted, "write %d fails", fails_at);
            cr_expect_not(upload(&m, threads, fails_at, &err));
            cr_expect_str_eq(err.message, wanted);
            cr_expect_eq(err.code, ERROR_MACHINE);
            cr_expect_eq(device.writes, fails_at, "%d threads: %d writes after the one that failed", threads, device.writes - fails_at);
        }
    free(m.bytes);
}
