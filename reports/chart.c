/* Charts: see chart.h. */
#include "reports/chart.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 20, MAX_SVG_BYTES = 16 << 20 };

void chart_begin(struct text *script, int width, int height)
{
    text_format(
        script,
        "set terminal svg size %d,%d dynamic enhanced font 'Noto Sans CJK KR,Noto Sans KR,NanumGothic,sans-serif,13' background '#ffffff'\n"
        "set encoding utf8\nset border 3 lc rgb '#555555'\nset tics nomirror out scale 0.5 textcolor rgb '#333333'\n"
        "set grid y lc rgb '#dddddd' lw 1 lt 1\nset style fill solid 0.9 noborder\nset boxwidth 0.8 relative\n"
        "set pointintervalbox 0.001\n" // else error bars are blanked around their middle; 0 is taken for the default
        "set linetype 1 lc rgb '#0072B2' lw 2\nset linetype 2 lc rgb '#E69F00' lw 2\nset linetype 3 lc rgb '#009E73' lw 2\n"
        "set linetype 4 lc rgb '#CC79A7' lw 2\nset linetype 5 lc rgb '#56B4E9' lw 2\nset linetype 6 lc rgb '#D55E00' lw 2\n"
        "set linetype 7 lc rgb '#F0E442' lw 2\nset linetype 8 lc rgb '#666666' lw 2\n",
        width, height);
}

void chart_quote(struct text *script, const char *string)
{
    text_add_string(script, "'");
    for (; *string; string++)
        if (*string == '\'')
            text_add_string(script, "''");
        else if (strchr("_^@&~{}\\", *string)) // of gnuplot's enhanced text
            text_format(script, "\\%c", *string);
        else if (*string != '\n')
            text_add(script, string, 1);
    text_add_string(script, "'");
}

static _Noreturn void become_gnuplot(int in, int out)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    if (null >= 0)
        dup2(null, STDERR_FILENO);
    setenv("LC_ALL", "C.UTF-8", 1);
    execlp("gnuplot", "gnuplot", "-", (char *)NULL);
    _exit(127);
}

/* Writes the script and reads what comes back, side by side, until both are done; false when the time is up. */
static bool converse(int in, int out, const char *script, size_t n, struct text *said)
{
    uint64_t deadline = clock_ns() + (uint64_t)SECONDS * 1000000000u;
    size_t done = 0;
    char chunk[65536];
    while (clock_ns() < deadline && said->length < MAX_SVG_BYTES) {
        struct pollfd waits[2] = {{.fd = out, .events = POLLIN}, {.fd = in, .events = POLLOUT}};
        if (poll(waits, in >= 0 ? 2 : 1, 200) < 0 && errno != EINTR)
            break;
        if (in >= 0 && (waits[1].revents & (POLLOUT | POLLERR))) {
            ssize_t wrote = write(in, script + done, n - done);
            done += wrote > 0 ? (size_t)wrote : 0;
            if (done == n || (wrote < 0 && errno != EINTR && errno != EAGAIN)) {
                close(in);
                in = -1;
            }
        }
        if (waits[0].revents & (POLLIN | POLLHUP)) {
            ssize_t got = read(out, chunk, sizeof chunk);
            if (got == 0) {
                if (in >= 0)
                    close(in);
                return true;
            }
            if (got > 0)
                text_add(said, chunk, (size_t)got);
        }
    }
    if (in >= 0)
        close(in);
    return false;
}

static bool run_gnuplot(const char *script, struct text *said, struct error *err)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return error_set_errno(err, "a pipe cannot be made");
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return error_set_errno(err, "a pipe cannot be made");
    }
    signal(SIGPIPE, SIG_IGN);
    pid_t child = fork();
    if (child == 0)
        become_gnuplot(in[0], out[1]);
    close(in[0]);
    close(out[1]);
    bool in_time = false;
    if (child > 0)
        in_time = converse(in[1], out[0], script, strlen(script), said);
    else
        close(in[1]);
    close(out[0]);
    if (child < 0)
        return error_set_errno(err, "gnuplot cannot be started");
    if (!in_time)
        kill(child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!in_time)
        return error_set(err, ERROR_MACHINE, "gnuplot took longer than %d s for a chart", SECONDS);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return error_set(err, ERROR_MACHINE, "gnuplot is not installed; Debian's package is gnuplot-nox");
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           error_set(err, ERROR_MACHINE, "gnuplot failed on a chart (status %d)", status);
}

/* Appends with every "gnuplot_" (names of definitions in an SVG) made this chart's own. */
static void add_renamed(struct text *out, const char *from, size_t n, const char *id)
{
    static const char name[] = "gnuplot_";
    const char *end = from + n;
    while (from < end) {
        const char *at = memmem(from, (size_t)(end - from), name, sizeof name - 1);
        text_add(out, from, (size_t)((at ? at : end) - from));
        if (!at)
            return;
        text_format(out, "%s_", id);
        from = at + sizeof name - 1;
    }
}

bool chart_draw(const char *script, const char *id, const char *label, struct text *out, struct error *err)
{
    struct text svg = {0};
    if (!run_gnuplot(script, &svg, err)) {
        text_free(&svg);
        return false;
    }
    const char *begin = svg.bytes ? strstr(svg.bytes, "<svg") : NULL, *behind = begin ? strchr(begin, '>') : NULL;
    const char *title = behind ? strstr(behind, "<title>") : NULL, *after = title ? strstr(title, "</title>") : NULL;
    if (!behind)
        error_record(err, ERROR_MACHINE, "gnuplot gave no picture");
    else {
        text_format(out, "<svg role=\"img\" aria-label=\"%s\"", label);
        add_renamed(out, begin + 4, (size_t)(behind - begin) - 4, id);
        text_format(out, "><title>%s</title>", label);
        const char *rest = after ? after + strlen("</title>") : behind + 1; // gnuplot's own title names the program
        add_renamed(out, rest, strlen(rest), id);
    }
    text_free(&svg);
    return behind && text_ok(out, err);
}
