/* The list of drivers, and opening their libraries: see driver.h. */
#include "engine/gpu/driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static const struct gpu_driver *const drivers[] = {&gpu_cuda, &gpu_hip, &gpu_opencl};

const struct gpu_driver *gpu_driver_at(size_t index)
{
    return index < sizeof drivers / sizeof *drivers ? drivers[index] : NULL;
}

const struct gpu_driver *gpu_driver_named(const char *name)
{
    const struct gpu_driver *driver;
    for (size_t i = 0; (driver = gpu_driver_at(i)) != NULL; i++)
        if (strcmp(driver->name, name) == 0)
            return driver;
    return NULL;
}

void *gpu_library_open(const char *const *names, const struct gpu_symbol *symbols, size_t n_symbols, struct error *err)
{
    void *library = NULL;
    const char *name = names[0]; // there is at least one
    char why[400] = "not found";
    for (size_t i = 0; !library && (i == 0 || names[i]); i++) {
        const char *said;
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library)
            name = names[i];
        else if ((said = dlerror()) != NULL && i == 0) // the first name is the one to install
            snprintf(why, sizeof why, "%s", said);
    }
    if (!library) {
        if (strncmp(why, name, strlen(name)) == 0)
            error_set(err, ERROR_INPUT, "%s", why);
        else
            error_set(err, ERROR_INPUT, "%s: %s", name, why);
        return NULL;
    }
    for (size_t i = 0; i < n_symbols; i++) {
        bool optional = symbols[i].name[0] == '?';
        if (!(*symbols[i].function = dlsym(library, symbols[i].name + optional)) && !optional) {
            error_set(err, ERROR_INPUT, "%s has no %s: it is too old, or no driver", name, symbols[i].name);
            dlclose(library);
            return NULL;
        }
    }
    return library;
}
