/* Agreement of logits on hand-computed values. */
#include "tests/support.h"

#include "eval/eval.h"

Test(agreement, figures_by_hand)
{
    struct eval_agreement a = {0};
    /* p = (1/2, 1/4, 1/4) as the reference, q = (1/4, 1/2, 1/4): KL = 1/2 ln 2 − 1/4 ln 2 = 1/4 ln 2 */
    const float ln2 = 0.69314718f, reference[] = {ln2, 0, 0}, logits[] = {0, ln2, 0};
    eval_agreement_add(&a, logits, reference, 3);
    struct eval_agreement_figures f = eval_agreement_figures(&a);
    cr_expect_float_eq(f.mean_kl, 0.25 * 0.69314718, 1e-7);
    cr_expect_float_eq(f.nmse, 2, 1e-6);
    cr_expect_eq(f.top1, 0);
    eval_agreement_add(&a, reference, reference, 3);
    f = eval_agreement_figures(&a);
    cr_expect_float_eq(f.mean_kl, 0.125 * 0.69314718, 1e-7);
    cr_expect_float_eq(f.nmse, 1, 1e-6);
    cr_expect_eq(f.top1, 0.5);
    struct eval_agreement nothing = {0};
    cr_expect(isnan(eval_agreement_figures(&nothing).nmse));
}

Test(agreement, divergence_by_hand)
{
    /* p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4); logits may be shifted, which changes no probability */
    const float ln2 = 0.69314718f, reference[] = {100 + ln2, 100, 100}, logits[] = {-7, -7 + ln2, -7};
    struct eval_divergence d = eval_divergence_of(logits, reference, 3, 1);
    cr_expect_float_eq(d.kl, 0.25 * 0.69314718, 1e-5);
    cr_expect_not(d.same_best);
    cr_expect_float_eq(d.log_p, log(0.5), 1e-6);
    cr_expect_float_eq(d.log_p_reference, log(0.25), 1e-5);
    /* the other way round it is the same here; against a uniform q it is ln 3 − H(p) = ln 3 − 3/2 ln 2 */
    const float uniform[] = {5, 5, 5};
    cr_expect_float_eq(eval_divergence_of(uniform, reference, 3, 0).kl, log(3) - 1.5 * log(2), 1e-5);
    cr_expect_float_eq(eval_divergence_of(reference, uniform, 3, 0).kl, (log(2. / 3) + 2 * log(4. / 3)) / 3, 1e-5);
}

Test(agreement, equal_logits_diverge_by_nothing)
{
    const float logits[] = {88, -300, 12.5f, 88};
    struct eval_divergence d = eval_divergence_of(logits, logits, 4, 2);
    cr_expect_eq(d.kl, 0);
    cr_expect(d.same_best);
    cr_expect_eq(d.log_p, d.log_p_reference);
}

Test(agreement, what_is_no_number_stays_none)
{
    const float logits[] = {1, NAN}, reference[] = {1, 2};
    cr_expect(isnan(eval_divergence_of(logits, reference, 2, 0).kl));
}
