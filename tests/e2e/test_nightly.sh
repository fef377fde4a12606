# shellcheck shell=bash
# Nights: too little history, a regression that is found, another machine's runs, the lock.

cat >night.json <<'JSON'
{"schema": "jeoul/plan/1", "name": "night", "limits": false, "models": [{"id": "t", "synth": {"shape": "tiny", "quant": "q8_0"}}],
 "bench": [{"models": ["t"], "prompt": 64, "generate": 8, "threads": 1}], "eval": [{"models": ["t"], "tasks": ["builtin_ko_particles"]}],
 "nightly": {"minimum_effect": 0.1, "rerun_wait_s": 0}}
JSON
check "the first night has no verdict" bash -c "$JEOUL nightly night.json --out nights --json | jq -e '.series | length == 3 and all(.state == \"no-data\" and .ratio == null)'"
"$JEOUL" results export latest --store nights/jeoul.db >night-run.json

# Five nights that were a thousand times as fast (no neighbour's noise is as much) and a little different from each other, brought in as if they
# had been run here.
earlier_nights() { # STORE SYSTEM
    for i in 1 2 3 4 5; do
        jq --argjson i "$i" --arg system "$2" '.run_id = "2020010\($i)T000000Z-00000\($i)" | (if $system != "" then .system.id = $system else . end) |
            (.measurements[] | select(.metric | endswith("_throughput")) | .value) |= (. * (1000 + $i))' night-run.json >earlier.json
        "$JEOUL" results import earlier.json --store "$1" >/dev/null || return 1
    done
}
check "earlier nights are imported" earlier_nights slower.db ""
"$JEOUL" nightly night.json --out slower --store slower.db >slower.txt 2>slower.err
check "a confirmed regression makes exit code 3" test $? -eq 3
check "its series are named" grep -q 'confirmed *bench/t/p64-n8-b1-t1-kv_bf16 *decode_throughput' slower.txt
check "accuracy that did not change is ok" grep -q 'ok *eval/t/builtin_ko_particles *acc' slower.txt
check "it was measured three times more" bash -c "$JEOUL results list --store slower.db --json | jq -e '[.[] | select(.rerun_of)] | length == 3'"
check "reruns have the suspect cells only" bash -c "$JEOUL results export latest --store slower.db | jq -e '.cells | all(.kind == \"bench\")'"
for language in ko en; do
    check "the $language nightly page has a chart for each series" bash -c "test \$(grep -c '<svg role' slower/nightly.$language.html) -eq 3"
done
check "nights of another machine are imported" earlier_nights other-machine.db ffffffffffffffff
check "nights of another machine give no verdict" bash -c "$JEOUL nightly night.json --out other-machine --store other-machine.db --json | jq -e '.series | all(.state == \"no-data\")'"

exec 9>nights/nightly.lock && flock 9
refuse 1 'another night is still running' "$JEOUL" nightly night.json --out nights
exec 9>&-
sed 's/0.1,/7,/' night.json >bad-night.json
refuse 2 'nightly.minimum_effect' "$JEOUL" nightly bad-night.json --out bad-night
