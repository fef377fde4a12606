# shellcheck shell=bash
# Policy reports from the scenarios that come with jeoul, with and without measured runs, and bad input.

for scenario in policy-30k policy-national; do
    check "$scenario is written in both languages" "$JEOUL" policy "$root/plans/$scenario.json" --out "$scenario"
    for language in ko en; do
        page=$scenario/policy.$language.html
        check "$page has its four charts" bash -c "test \$(grep -c '<svg role' $page) -eq 4"
        check "$page has all twelve sections" bash -c "test \$(grep -o '<h2>[0-9]*\.' $page | sort -u | wc -l) -eq 12"
        check "every footnote of $page leads somewhere" bash -c "
            for id in \$(grep -o 'href=\"#[AF][0-9]*' $page | sed 's/.*#//' | sort -u); do grep -q \"id=\$id[ >]\" $page || exit 1; done"
        check "$page sets projected and assumed figures apart" bash -c "grep -q '<span class=projected>' $page && grep -q '<span class=assumed>' $page"
        check "$page has no figure that is not a number" bash -c "! grep -qiE '>(-?nan|-?inf)[ <]' $page"
    done
    check "the English page of $scenario has no Hangul" bash -c "! sed 's/font[^;]*;//g' $scenario/policy.en.html | grep -qP '\p{Hangul}'"
    check "every fact has a date and a source, every assumption a reason in both languages" jq -e '
        .inputs | all((.date | length > 3) and (if .basis == "assumed" then (.note_ko | length > 3) and (.note_en | length > 3)
                       else (.source | length > 3) end))' "$scenario/policy.json"
done
check "30,000 devices, their power, and ranges around the figures" jq -e '
    .totals | .devices == 30000 and .mw > 20 and .mw < 120 and
    ([.tokens_per_day, .blended_krw, .investment_krw, .year_krw] | all(.low <= .value and .value <= .high and .low > 0))' policy-30k/policy.json
check "an unpriced fleet has tokens, no cost, and a reason" jq -e '
    .fleets[] | select(.id == "kisti-6") | .hour_krw == null and .price_krw == null and .tokens_per_day.value > 0 and (.price_reason_en | length > 3)' policy-national/policy.json
"$JEOUL" policy "$root/plans/policy-30k.json" --out policy-again >/dev/null
check "the report is the same, byte for byte, when it is made again" diff -r policy-30k policy-again
check "one language alone" bash -c "$JEOUL policy $root/plans/policy-30k.json --lang ko --out only && test -e only/policy.ko.html && ! test -e only/policy.en.html"

cat >measured.json <<'JSON'
{"schema": "jeoul/plan/1", "name": "measured", "limits": false, "models": [{"id": "t", "synth": {"shape": "tiny", "quant": "q8_0"}}],
 "bench": [{"models": ["t"], "prompt": 64, "generate": 8, "threads": 1}], "eval": [{"models": ["t"], "tasks": ["builtin_ko_particles"]}]}
JSON
check "a run to show beside the projections" "$JEOUL" run measured.json --out measured
check "a run on the command line is shown as measured" bash -c "$JEOUL policy $root/plans/policy-30k.json measured/jeoul.db:latest --lang en --out with-run &&
    grep -q '<span class=measured>' with-run/policy.en.html && grep -q 'accuracy is chance by construction' with-run/policy.en.html"
jq '.fleets[0].run = "latest"' "$root/plans/policy-30k.json" >with-run.json
check "a fleet takes its throughput from the run that it names" bash -c "$JEOUL policy with-run.json --store measured/jeoul.db --json |
    jq -e '.fleets[0].basis == \"measured\" and .fleets[1].basis == \"projected\" and .fleets[0].decode_tok_per_s.low > 0'"
refuse 2 'fleets[0].run' "$JEOUL" policy with-run.json --store nowhere.db

refuse 2 'allowed are ko, en and both' "$JEOUL" policy "$root/plans/policy-30k.json" --lang fr
jq 'del(.fleets[0].price)' "$root/plans/policy-30k.json" >bad-policy.json
refuse 2 'has neither "price" nor "rent_per_hour"' "$JEOUL" policy bad-policy.json
jq '.fleets[0].price = {"value": 1, "date": "2026-01-01", "note_ko": "a", "note_en": "a"}' "$root/plans/policy-30k.json" >bad-policy.json
refuse 2 'a price is never assumed' "$JEOUL" policy bad-policy.json
jq '.fleets[0].price = {"value": 1, "source": "a"}' "$root/plans/policy-30k.json" >bad-policy.json
refuse 2 'fleets[0].price.date: is missing' "$JEOUL" policy bad-policy.json
jq '.fleets[0].price.low = -5' "$root/plans/policy-30k.json" >bad-policy.json
refuse 2 'fleets[0].price.low' "$JEOUL" policy bad-policy.json
jq '.fleets[0].currency = "EUR"' "$root/plans/policy-30k.json" >bad-policy.json
refuse 2 'there is no rate from EUR to KRW' "$JEOUL" policy bad-policy.json
jq '.inputs.pue.value = "much"' "$root/plans/policy-30k.json" >bad-policy.json
refuse 2 'inputs.pue' "$JEOUL" policy bad-policy.json
refuse 2 'not/there' "$JEOUL" policy "$root/plans/policy-30k.json" --catalog not/there
jq 'del(.fleets[0].price) | .fleets[0].rent_per_hour = {"value": 4000, "date": "2026-01-01", "source": "an offer"}' "$root/plans/policy-30k.json" >rented.json
check "a rented fleet costs its rent and no investment" bash -c "$JEOUL policy rented.json --json |
    jq -e '.fleets[0] | .rented and .hour_krw.value == 4000 and .investment_krw.value == 0 and .hour_parts_krw.electricity == 0'"
check "its page is written too" "$JEOUL" policy rented.json --out rented
