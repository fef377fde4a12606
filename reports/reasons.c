/* Reasons in two languages: see reasons.h. */
#include "reports/reasons.h"

#include <stddef.h>
#include <string.h>

struct pair {
    const char *en, *ko;
};

static const struct pair whole[REASON_COUNT] = {
    [REASON_NO_PRICE] = {"the plan names no price of this system", "계획이 이 시스템의 가격을 정하지 않음"},
    [REASON_NO_SPEED] = {"the speed was not measured", "속도를 재지 않음"},
    [REASON_NO_KOREAN] = {"no Korean text was tokenized", "토큰으로 나눈 한국어 글이 없음"},
    [REASON_NO_ACCURACY] = {"no accuracy was evaluated", "정확도를 평가하지 않음"},
    [REASON_NONE_RIGHT] = {"no answer was right", "맞힌 문항이 없음"},
    [REASON_TOKENS_UNTOLD] = {"the run doesn't tell how many tokens were asked", "물은 토큰 수가 기록에 없음"},
    [REASON_NO_COMMON_ITEM] = {"the two answered no item in common", "둘이 함께 푼 문항이 없음"},
    [REASON_TOKENS_UNCOUNTED] = {"the server doesn't tell how many tokens that were", "서버가 토큰 수를 알려 주지 않음"},
    [REASON_FEW_REQUESTS] = {"n too small: 64 requests are the floor", "요청이 64개보다 적어 값을 내지 않음"},
    [REASON_NO_COST] = {"no cost", "비용 없음"},
};

/* What reasons of sensors and counters begin with (docs/measurement.md). */
static const struct pair beginnings[] = {{"no_sensor: ", "센서 없음: "},
                                         {"permission: ", "권한 없음: "},
                                         {"gap: ", "값이 끊김: "},
                                         {"no PMU: ", "하드웨어 카운터 없음: "},
                                         {"not counted here: ", "이 기계에서 셀 수 없음: "}};

const char *reason_words(enum reason reason)
{
    return whole[reason].en;
}

const char *reason_korean(const char *words, const char **rest)
{
    *rest = "";
    for (int i = 0; i < REASON_COUNT; i++)
        if (strcmp(words, whole[i].en) == 0)
            return whole[i].ko;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        size_t n = strlen(beginnings[i].en);
        if (strncmp(words, beginnings[i].en, n) == 0) {
            *rest = words + n;
            return beginnings[i].ko;
        }
    }
    return NULL;
}
