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
