/* Charts by gnuplot: a script on its standard input, SVG on its standard output. Private to reports. */
#ifndef JEOUL_CHART_H
#define JEOUL_CHART_H

#include "base/text.h"

/* Runs gnuplot on a script and appends the SVG element, ready to stand in a page. `id` makes its inner names unique, `label` describes it
 * to readers who can't see it. gnuplot that is missing, fails or takes longer than 20 s is ERROR_MACHINE. */
bool chart_draw(const char *script, const char *id, const char *label, struct text *out, struct error *err) MUST_CHECK;

/* Line types of the palette, 1 … */
enum { CHART_COLOURS = 8 };

/* What every chart begins with: terminal of the given size, fonts, a palette that colour-blind readers tell apart (Okabe and Ito 2008). */
void chart_begin(struct text *script, int width, int height);

/* A string for a gnuplot script: in single quotes, with what would end it doubled. */
void chart_quote(struct text *script, const char *string);

#endif
