/* Asking GPU drivers what they have: see drivers.h. */
#include "harness/drivers.h"

#include "base/clock.h"
#include "engine/engine.h"
#include "harness/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A driver's devices; one that doesn't tell what it is has the reason instead. */
static void add_devices(cJSON *driver, size_t index, int count)
{
    cJSON *devices = cJSON_AddArrayToObject(driver, "devices");
    for (int i = 0; i < count; i++) {
        struct engine_gpu_device device;
        struct error err = {0};
        cJSON *object = cJSON_CreateObject();
        bool ok = engine_gpu_device(index, i, &device, &err);
        cJSON_AddNumberToObject(object, "device", i);
        cJSON_AddItemToObject(object, "name", ok ? cJSON_CreateString(device.name) : cJSON_CreateNull());
        cJSON_AddItemToObject(object, "version", ok ? cJSON_CreateString(device.version) : cJSON_CreateNull());
        cJSON_AddItemToObject(object, "bus", ok && *device.bus ? cJSON_CreateString(device.bus) : cJSON_CreateNull());
        cJSON_AddItemToObject(object, "memory_bytes",
                              ok && device.memory_bytes ? cJSON_CreateNumber((double)device.memory_bytes) : cJSON_CreateNull());
        cJSON_AddItemToObject(object, "units", ok && device.units ? cJSON_CreateNumber(device.units) : cJSON_CreateNull());
        cJSON_AddItemToObject(object, "tensor_cores", ok ? cJSON_CreateBool(device.tensor_cores) : cJSON_CreateNull());
        cJSON_AddItemToObject(object, "reason", ok ? cJSON_CreateNull() : cJSON_CreateString(err.message));
        cJSON_AddItemToArray(devices, object);
    }
}

static cJSON *driver_json(size_t index, const char *name, const char *reason)
{
    cJSON *driver = cJSON_CreateObject();
    cJSON_AddStringToObject(driver, "driver", name);
    cJSON_AddBoolToObject(driver, "available", !*reason);
    cJSON_AddItemToObject(driver, "reason", *reason ? cJSON_CreateString(reason) : cJSON_CreateNull());
    cJSON_AddNumberToObject(driver, "programs_built_in", (double)engine_gpu_driver_built_in(index));
    return driver;
}

static _Noreturn void answer(size_t index, int out)
{
    struct engine_gpu_driver found;
    int quiet = open("/dev/null", O_WRONLY);
    if (quiet >= 0) // what a vendor's library says on its own account is for nobody
        dup2(quiet, STDERR_FILENO);
    if (!engine_gpu_driver(index, &found))
        _exit(1);
    cJSON *driver = driver_json(index, found.name, found.reason);
    cJSON_AddItemToObject(driver, "compiler", *found.compiler ? cJSON_CreateString(found.compiler) : cJSON_CreateNull());
    cJSON_AddItemToObject(driver, "compiler_reason", *found.compiler ? cJSON_CreateNull() : cJSON_CreateString(found.compiler_reason));
    add_devices(driver, index, found.devices);
    char *text = cJSON_PrintUnformatted(driver);
    for (size_t n = text ? strlen(text) : 0, done = 0; done < n;) {
        ssize_t wrote = write(out, text + done, n - done);
        if (wrote <= 0)
            _exit(1);
        done += (size_t)wrote;
    }
    _exit(text ? 0 : 1);
}

static cJSON *ask(size_t index, const char *name)
{
    enum { SECONDS = 30 };
    int ends[2], status = 0;
    char reason[128] = "a process cannot be started to ask it";
    struct text said = {0};
    pid_t pid = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid == 0)
        answer(index, ends[1]);
    if (pid > 0) {
        close(ends[1]);
        bool in_time = child_read(ends[0], clock_ns() + SECONDS * 1000000000ull, &said);
        close(ends[0]);
        if (!in_time)
            kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        if (!in_time)
            snprintf(reason, sizeof reason, "the driver did not answer within %d s", SECONDS);
        else if (WIFSIGNALED(status))
            snprintf(reason, sizeof reason, "the driver ended the process that asked it by signal %d (%s)", WTERMSIG(status),
                     strsignal(WTERMSIG(status)));
        else
            snprintf(reason, sizeof reason, "the driver ended the process that asked it with exit code %d", WEXITSTATUS(status));
    }
    cJSON *driver = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && text_ok(&said, NULL) ? cJSON_Parse(said.bytes) : NULL;
    text_free(&said);
    if (driver)
        return driver;
    driver = driver_json(index, name, reason);
    cJSON_AddNullToObject(driver, "compiler");
    cJSON_AddStringToObject(driver, "compiler_reason", reason);
    cJSON_AddArrayToObject(driver, "devices");
    return driver;
}

cJSON *drivers_describe(void)
{
    cJSON *drivers = cJSON_CreateArray();
    const char *name;
    for (size_t i = 0; (name = engine_gpu_driver_name(i)) != NULL; i++)
        cJSON_AddItemToArray(drivers, ask(i, name));
    return drivers;
}
