/* jeoul system: what this machine is. */
#include "harness/verbs.h"

#include "harness/system.h"

#include <stdio.h>
#include <stdlib.h>

static void print_list(const char *title, const cJSON *list, const char *name)
{
    const cJSON *item;
    printf("\n%s:\n", title);
    cJSON_ArrayForEach(item, list) {
        const char *reason = cJSON_GetStringValue(cJSON_GetObjectItem(item, "reason"));
        printf("  %-24s %s\n", cJSON_GetStringValue(cJSON_GetObjectItem(item, name)), reason ? reason : "available");
    }
}

/* Where kernels come from; OpenCL's compiler is its driver. */
static void print_kernels(const cJSON *drivers)
{
    const cJSON *driver;
    cJSON_ArrayForEach(driver, drivers) {
        const char *compiler = cJSON_GetStringValue(cJSON_GetObjectItem(driver, "compiler"));
        int built_in = cJSON_GetObjectItem(driver, "programs_built_in")->valueint;
        if (compiler || built_in)
            printf("  kernels of %-13s %d programs built in, compiler: %s\n", cJSON_GetStringValue(cJSON_GetObjectItem(driver, "driver")),
                   built_in, compiler ? compiler : cJSON_GetStringValue(cJSON_GetObjectItem(driver, "compiler_reason")));
    }
}

static void print_devices(const cJSON *drivers)
{
    const cJSON *driver, *device;
    cJSON_ArrayForEach(driver, drivers)
        cJSON_ArrayForEach(device, cJSON_GetObjectItem(driver, "devices")) {
            const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(device, "name"));
            const cJSON *memory = cJSON_GetObjectItem(device, "memory_bytes");
            printf("  --backend %s --device %d: %s%s%s\n", cJSON_GetStringValue(cJSON_GetObjectItem(driver, "driver")),
                   cJSON_GetObjectItem(device, "device")->valueint,
                   name ? name : cJSON_GetStringValue(cJSON_GetObjectItem(device, "reason")), name ? ", " : "",
                   !name                    ? ""
                   : cJSON_IsNumber(memory) ? bytes_for_people(memory->valuedouble)
                                            : "memory not told");
        }
}

static void print_text(const cJSON *system)
{
    const cJSON *cpu = cJSON_GetObjectItem(system, "cpu");
    printf("system        %s\n", cJSON_GetStringValue(cJSON_GetObjectItem(system, "id")));
    printf("CPU           %s, %d cores, %d threads, %s\n", cJSON_GetStringValue(cJSON_GetObjectItem(cpu, "model")),
           cJSON_GetObjectItem(cpu, "cores")->valueint, cJSON_GetObjectItem(cpu, "threads")->valueint,
           cJSON_GetStringValue(cJSON_GetObjectItem(cpu, "isa")));
    printf("memory        %s, %d NUMA nodes\n", bytes_for_people(cJSON_GetObjectItem(system, "memory_bytes")->valuedouble),
           cJSON_GetObjectItem(system, "numa_nodes")->valueint);
    printf("OS            %s, kernel %s%s\n", cJSON_GetStringValue(cJSON_GetObjectItem(system, "os")),
           cJSON_GetStringValue(cJSON_GetObjectItem(system, "kernel")),
           cJSON_IsTrue(cJSON_GetObjectItem(system, "virtual_machine")) ? ", virtual machine" : "");
    print_list("Counters", cJSON_GetObjectItem(system, "counters"), "name");
    print_list("Energy", cJSON_GetObjectItem(system, "energy"), "source");
    print_list("GPU drivers", cJSON_GetObjectItem(system, "drivers"), "driver");
    print_kernels(cJSON_GetObjectItem(system, "drivers"));
    print_devices(cJSON_GetObjectItem(system, "drivers"));
}

static int run(struct cli *cli, struct error *err)
{
    cJSON *system = system_describe(err);
    if (system && cli_flag(cli, "json"))
        (void)(cli_print_json(system, err) || error_prefix(err, "system"));
    else if (system)
        print_text(system);
    cJSON_Delete(system);
    return 0;
}

const struct cli_verb verb_system = {
    .name = "system",
    .arguments = "",
    .summary = "Describe this machine: processor, memory, counters, energy, drivers",
    .text = "Counters are tried by starting them; what isn't there is shown with its reason.",
    .example = "jeoul system --json",
    .run = run,
    .options = {{"json", 0, NULL, "as JSON"}},
};
