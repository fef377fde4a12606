/* Large numbers as people read them: 조 and 억 in Korean, trillion and billion in English, three significant digits. Private to reports. */
#ifndef JEOUL_WORDS_H
#define JEOUL_WORDS_H

#include "base/text.h"
#include "reports/reports.h"

enum word { WORD_PLAIN, WORD_COUNT, WORD_WON, WORD_PERCENT };

/* Appends 5279e9 as "5조 2,800억" or "5.28 trillion", won with "원" or "won" behind, a share as "14.2 %"; "–" for what isn't finite. */
void words_add(struct text *out, enum report_language language, enum word word, double value);

/* The same with all digits that somebody wrote down: 0.4173 stays "0.4173", 111,070,000 is "1억 1,107만 원". For inputs, not for results.
 */
void words_add_exact(struct text *out, enum report_language language, enum word word, double value);

/* A number for a table of measurements: whole digits by comma, three significant ones at least ("1,908", "19.6", "0.042"). */
void words_number(struct text *out, double value);

/* A count, all its digits by comma ("4,320", "12"). */
void words_count(struct text *out, double value);

#endif
