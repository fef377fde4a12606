/* The losses of a training, drawn: see reports.h. */
#include "reports/reports.h"

#include "base/file.h"
#include "reports/chart.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 16, SMOOTHED_OVER = 50, MOST_POINTS = 400 };

/* Which columns of the CSV are drawn. */
struct columns {
    int tokens, cross_entropy, divergence;
};

static bool find_columns(const char *csv, struct columns *out, struct error *err)
{
    *out = (struct columns){-1, -1, -1};
    int index = 0;
    for (const char *at = csv; *at && *at != '\n'; index++) {
        size_t n = strcspn(at, ",\n");
        if (n == 6 && memcmp(at, "tokens", n) == 0)
            out->tokens = index;
        if (n == 13 && memcmp(at, "cross_entropy", n) == 0)
            out->cross_entropy = index;
        if (n == 10 && memcmp(at, "divergence", n) == 0)
            out->divergence = index;
        at += n + (at[n] == ',');
    }
    return (out->tokens >= 0 && out->cross_entropy >= 0 && out->divergence >= 0 && index <= MAX_COLUMNS) ||
           error_set(err, ERROR_INPUT, "a loss curve needs the columns tokens, cross_entropy and divergence");
}

static int count_lines(const char *csv)
{
    int n = 0;
    for (const char *line = strchr(csv, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
        n++;
    return n;
}

/* "millions of tokens, loss, the mean of the last losses" of every line of the CSV, or of so many that MOST_POINTS remain; returns how many
 * lines there are. */
static int add_data(struct text *script, const char *csv, int x, int y, bool *any)
{
    double sum = 0, last[SMOOTHED_OVER] = {0};
    int n = 0, every = 1 + count_lines(csv) / MOST_POINTS;
    for (const char *line = strchr(csv, '\n'); line && line[1]; line = strchr(line + 1, '\n'), n++) {
        double values[MAX_COLUMNS] = {0};
        char *at = (char *)(uintptr_t)(line + 1);
        for (int i = 0; i < MAX_COLUMNS && *at && *at != '\n'; i++) {
            values[i] = strtod(at, &at);
            at += *at == ',';
        }
        sum += values[y] - last[n % SMOOTHED_OVER];
        last[n % SMOOTHED_OVER] = values[y];
        *any |= values[y] != 0;
        if (n % every == 0)
            text_format(script, "%.6g %.6g %.6g\n", values[x] * 1e-6, values[y], sum / (n < SMOOTHED_OVER ? n + 1 : SMOOTHED_OVER));
    }
    return n;
}

bool report_loss_curve(const char *csv, const char *title, const char *path, struct error *err)
{
    struct columns columns;
    struct text script = {0}, svg = {0};
    bool any = false, taught = false;
    if (!find_columns(csv, &columns, err))
        return false;
    chart_begin(&script, 800, 420);
    text_add_string(&script, "$loss << EOD\n");
    int n = add_data(&script, csv, columns.tokens, columns.cross_entropy, &any);
    text_add_string(&script, "EOD\n$divergence << EOD\n");
    add_data(&script, csv, columns.tokens, columns.divergence, &taught);
    text_add_string(&script, "EOD\nset title ");
    chart_quote(&script, title);
    text_add_string(&script, "\nset xlabel 'million tokens'\nset ylabel 'loss, nats per token'\nset grid\nset yrange [0:*]\n"
                             "plot $loss using 1:2 with dots lc rgb '#bbbbbb' notitle, "
                             "$loss using 1:3 with lines lw 2 lc rgb '#0072b2' title 'cross-entropy, mean of 50 steps'");
    if (taught)
        text_add_string(&script,
                        ", $divergence using 1:3 with lines lw 2 lc rgb '#d55e00' title 'divergence from the teacher, mean of 50 steps'");
    text_add_string(&script, "\n");
    bool ok = (n > 0 && any) || error_set(err, ERROR_INPUT, "a loss curve without losses");
    ok = ok && text_ok(&script, err) && chart_draw(script.bytes, "loss", "loss over tokens", &svg, err) &&
         file_write(path, svg.bytes, svg.length, err);
    text_free(&script);
    text_free(&svg);
    return ok;
}
