/* The parent's side of a cell: start, feed, wait within limits, and make a row of whatever happened. */
#include "harness/cell.h"
#include "harness/child.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void become_cell(int in, int out, int64_t memory_bytes, bool on_gpu)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (memory_bytes > 0) { // of the address space, of which GPU drivers reserve terabytes that nothing is in: of data there
        struct rlimit limit = {(rlim_t)memory_bytes, (rlim_t)memory_bytes};
        setrlimit(on_gpu ? RLIMIT_DATA : RLIMIT_AS, &limit);
    }
    execl("/proc/self/exe", "jeoul", "cell", (char *)NULL);
    _exit(127);
}

struct child {
    pid_t pid;
    int out;
};

static bool start_child(const char *specification, int64_t memory_bytes, bool on_gpu, struct child *child, struct error *err)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return error_set_errno(err, "a pipe cannot be made");
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return error_set_errno(err, "a pipe cannot be made");
    }
    child->pid = fork();
    if (child->pid == 0)
        become_cell(in[0], out[1], memory_bytes, on_gpu);
    close(in[0]);
    close(out[1]);
    child->out = out[0];
    bool ok = child->pid > 0 || error_set_errno(err, "a process cannot be started");
    size_t n = strlen(specification), done = 0; // a specification is far below a pipe's buffer
    while (ok && done < n) {
        ssize_t wrote = write(in[1], specification + done, n - done);
        if (wrote < 0 && errno != EINTR)
            break; // the child is gone; its state tells
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    close(in[1]);
    if (!ok)
        close(child->out);
    return ok;
}

/* How a child that ended tells its story; an empty reason is success. */
static const char *judge(int status, bool in_time, int64_t seconds, char *reason, size_t n)
{
    reason[0] = '\0';
    if (!in_time) {
        snprintf(reason, n, "ran longer than its limit of %lld s", (long long)seconds);
        return "timeout";
    }
    if (WIFSIGNALED(status)) {
        snprintf(reason, n, "ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        return "killed";
    }
    if (WEXITSTATUS(status) != 0) {
        snprintf(reason, n, "exit code %d", WEXITSTATUS(status));
        return "failed";
    }
    return "ok";
}

static cJSON *make_row(const struct plan *plan, const struct plan_cell *cell)
{
    cJSON *row = cJSON_CreateObject();
    char started[21];
    clock_iso8601(started);
    cJSON_AddStringToObject(row, "id", cell->id);
    cJSON_AddStringToObject(row, "kind", cell->kind);
    cJSON_AddItemToObject(row, "model", cell->model >= 0 ? cJSON_CreateString(plan->models[cell->model].id) : cJSON_CreateNull());
    cJSON_AddItemToObject(row, "repeat", cell->repeat ? cJSON_CreateNumber(cell->repeat) : cJSON_CreateNull());
    cJSON_AddItemToObject(row, "config", cJSON_Duplicate(cell->config, true));
    cJSON_AddStringToObject(row, "started", started);
    return row;
}

cJSON *cell_run(const struct plan *plan, const struct plan_cell *cell, const char *model_path, struct error *err)
{
    cJSON *row = make_row(plan, cell), *specification = cJSON_Duplicate(row, true);
    struct child child;
    struct text said = {0};
    char at[48];
    if (model_path)
        cJSON_AddStringToObject(specification, "path", model_path);
    if (cell->model >= 0 && plan->models[cell->model].endpoint) {
        snprintf(at, sizeof at, "models[%d].endpoint", cell->model);
        cJSON_AddItemToObject(specification, "endpoint", cJSON_Duplicate(plan->models[cell->model].endpoint, true));
        cJSON_AddStringToObject(specification, "endpoint_at", at);
    }
    char *text = cJSON_PrintUnformatted(specification);
    cJSON_Delete(specification);
    signal(SIGPIPE, SIG_IGN);
    bool ok = text && start_child(text, plan->cell_memory_bytes, cJSON_HasObjectItem(cell->config, "backend"), &child, err);
    free(text);
    if (!ok) {
        cJSON_Delete(row);
        return NULL;
    }
    uint64_t began = clock_ns();
    bool in_time = child_read(child.out, began + (uint64_t)plan->cell_seconds * 1000000000u, &said);
    if (!in_time)
        kill(child.pid, SIGKILL);
    close(child.out);
    int status = 0;
    while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR)
        ;
    char reason[1200];
    const char *state = judge(status, in_time, plan->cell_seconds, reason, sizeof reason);
    struct error parsing = {0};
    cJSON *result = said.length ? json_parse("the cell's result", said.bytes, said.length, &parsing) : NULL;
    const char *failure = cJSON_GetStringValue(cJSON_GetObjectItem(result, "error"));
    if (failure)
        snprintf(reason, sizeof reason, "%s", failure);
    if (strcmp(state, "ok") == 0 && (!result || failure)) {
        state = "failed";
        if (!failure)
            snprintf(reason, sizeof reason, "no result: %s", parsing.message);
    }
    cJSON_AddStringToObject(row, "state", state);
    cJSON_AddItemToObject(row, "reason", reason[0] ? cJSON_CreateString(reason) : cJSON_CreateNull());
    cJSON_AddNumberToObject(row, "seconds", (double)(clock_ns() - began) * 1e-9);
    if (strcmp(state, "ok") == 0)
        for (const char *const *key = (const char *const[]){"measurements", "model_info", "tasks", "expert_load", NULL}; *key; key++)
            if (cJSON_HasObjectItem(result, *key))
                cJSON_AddItemToObject(row, *key, cJSON_DetachItemFromObject(result, *key));
    cJSON_Delete(result);
    text_free(&said);
    return row;
}
