# shellcheck shell=bash
# Options of runs from two stores side by side.

for quant in q8_0 q4_0; do
    cat >option.json <<JSON
{"schema": "jeoul/plan/1", "name": "$quant", "limits": false, "models": [{"id": "t", "synth": {"shape": "tiny", "quant": "$quant"}}],
 "bench": [{"models": ["t"], "prompt": 64, "generate": 8, "threads": [1, 2]}], "eval": [{"models": ["t"], "tasks": ["builtin_ko_particles"]}],
 "price": {"book": "default", "system": "cloud-vm-2vcpu"}}
JSON
    check "a run of $quant to compare" "$JEOUL" run option.json --out "option-$quant"
done
echo '{"schema": "jeoul/demand/1", "input_tokens_per_day": 1e9, "output_tokens_per_day": 1e8, "utilisation": 0.5}' >demand.json
options=(option-q8_0/jeoul.db:latest option-q4_0/jeoul.db:latest)
"$JEOUL" compare "${options[@]}" --demand demand.json --json >compared.json
check "compare has an option for each configuration" jq -e '.options | length == 4 and all(.cost_output.low <= .cost_output.value and .machines.value >= 1)' compared.json
check "another model is said to be another" jq -e '[.options[].same_model] == [true, true, false, false]' compared.json
check "the table says it too" bash -c "$JEOUL compare ${options[*]} | grep -q 'another model than A'"
check "each option says what limits it and what memory it took" jq -e '.options | all(has("limit") and .peak_rss > 1e6)' compared.json
check "the table says the memory" bash -c "$JEOUL compare ${options[*]} | grep -q 'memory '"
jq '.stale_after_days = 1' "$root/reports/prices/default.json" >old-prices.json
check "a stale price is flagged" bash -c "$JEOUL compare ${options[*]} --prices old-prices.json --out stale | grep -q 'price stale' && grep -q 'The price is stale' stale/compare.en.html"
check "a fresh one is not" bash -c "! $JEOUL compare ${options[*]} | grep -q stale"
check "compare writes its page" "$JEOUL" compare "${options[@]}" --demand demand.json --out page
for language in ko en; do
    check "the $language comparison has its charts" bash -c "test \$(grep -c '<svg role' page/compare.$language.html) -eq 2"
done
refuse 2 'there is no store' "$JEOUL" compare nothing.db:latest
refuse 2 'there is no run' "$JEOUL" compare option-q8_0/jeoul.db:1999
sqlite3 future.db 'PRAGMA user_version = 99'
refuse 2 'schema 99' "$JEOUL" compare future.db:latest
echo '{"schema": "jeoul/demand/1", "input_tokens_per_day": -1, "output_tokens_per_day": 1, "utilisation": 0.5}' >bad-demand.json
refuse 2 'input_tokens_per_day' "$JEOUL" compare "${options[@]}" --demand bad-demand.json
jq '.systems[0].per_hour.value = -1' "$root/reports/prices/default.json" >bad-prices.json
refuse 2 'systems[0].per_hour.value' "$JEOUL" compare "${options[@]}" --prices bad-prices.json
jq 'del(.fx)' "$root/reports/prices/default.json" >bad-prices.json
refuse 2 'there is no rate from USD' "$JEOUL" compare "${options[@]}" --prices bad-prices.json
jq 'del(.systems[0].date)' "$root/reports/prices/default.json" >bad-prices.json
refuse 2 'systems[0].date' "$JEOUL" compare "${options[@]}" --prices bad-prices.json
"$JEOUL" results list --store nobody.db 2>/dev/null
check "a store that is only read is not made" bash -c '! test -e nobody.db'
sed 's/"value": 0.0816/"value": 1e999/' "$root/reports/prices/default.json" >bad-prices.json
refuse 2 'systems[0].per_hour.value' "$JEOUL" compare "${options[@]}" --prices bad-prices.json
cp option-q8_0/jeoul.db empty.db && sqlite3 empty.db 'DELETE FROM measurements; DELETE FROM cells; DELETE FROM runs'
refuse 2 'there is no run' "$JEOUL" compare empty.db:latest
: >nothing-in-it.db
refuse 2 'nothing-in-it.db' "$JEOUL" compare nothing-in-it.db:latest
