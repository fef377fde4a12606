/* Why a figure is missing, in two languages: figures carry the English words, pages say them in theirs. Private to reports. */
#ifndef JEOUL_REASONS_H
#define JEOUL_REASONS_H

/* The reasons that figures themselves give, and that measurements of servers bring. */
enum reason {
    REASON_NO_PRICE,
    REASON_NO_SPEED,
    REASON_NO_KOREAN,
    REASON_NO_ACCURACY,
    REASON_NONE_RIGHT,
    REASON_TOKENS_UNTOLD,
    REASON_NO_COMMON_ITEM,
    REASON_NO_COST,
    REASON_TOKENS_UNCOUNTED,
    REASON_FEW_REQUESTS,
    REASON_COUNT
};
const char *reason_words(enum reason reason);

/* The Korean of a figure's reason, NULL where there is none. Reasons that a run's record brings begin with a known word ("no_sensor: …"):
 * that is said in Korean, *rest is where the detail begins, which stays as it was recorded; "" of a reason that is ours as a whole. */
const char *reason_korean(const char *words, const char **rest);

#endif
