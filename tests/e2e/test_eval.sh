# shellcheck shell=bash
# jeoul eval: what a score doesn't depend on, fertility, expert load, the table.

"$JEOUL" synth --shape tiny --quant q4_k_m -o eval.gguf >/dev/null 2>&1
both=builtin_ko_particles,builtin_en_articles,builtin_ko_numerals
# Tasks of every kind: choices, and where the sets are, generated text, a last word, whole pages.
data=() more=
if [ -d "$shared/evalsets" ]; then
    data=(--data "$shared/evalsets") more=,gsm8k_cot,lambada_openai,kobest_copa
else
    skip "generated text and last words depend on nothing" "no evaluation sets beside the repository"
fi
items() { # FILE OPTIONS…: the items of a run, sorted by task and number
    local file=$1
    shift
    "$JEOUL" eval -m eval.gguf --limit 2 --max-length 600 "${data[@]}" --samples "$file.unsorted" "$@" >"$file.table" && jq -S -s -c 'sort_by(.task, .doc_index)[]' "$file.unsorted" >"$file"
}
check "a run" items run.jsonl --tasks "$both$more"
check "a run has an item for each record" bash -c "test \$(wc -l <run.jsonl) -eq $((6 + $([ -n "$more" ] && echo 6 || echo 0)))"
for options in "-t 1" "--rows 7" "--cache 1500" "--alone --rows 3 -t 1" "--no-pack"; do # more ways, and --rows 1: tests/eval/test_schedule.c
    # shellcheck disable=SC2086
    check "no item depends on $options" bash -c "$(declare -f items); $(declare -p data); items other.jsonl --tasks $both$more $options && cmp run.jsonl other.jsonl"
done
reversed=$(tr ',' '\n' <<<"$both$more" | tac | paste -sd,)
check "no item depends on the order of tasks" bash -c "$(declare -f items); $(declare -p data); items other.jsonl --tasks $reversed && cmp run.jsonl other.jsonl"

# Ended in the middle of a line, again and again: the journal has what was answered, and the end is the same.
whole=(-m eval.gguf --tasks builtin_ko,builtin_en)
check "a run without a break has scores and groups" bash -c "$JEOUL eval ${whole[*]} --samples whole.jsonl --json |
    jq -e '(.groups | length == 2 and all(.n >= 200)) and (.results | all(.scores.acc | .ci95_low <= .value and .value <= .ci95_high and .stderr > 0))'"
check "samples have a line for each item" test "$(wc -l <whole.jsonl)" -eq 456
ended() { # KIB OPTIONS…: by the signal for a file of more than that, 25
    local kib=$1
    shift
    bash -c 'ulimit -c 0; ulimit -f "$0"; exec "$@"' "$kib" "$JEOUL" eval "${whole[@]}" --resume kill.journal "$@"
    [ $? -eq $((128 + 25)) ] && [ "$(wc -c <kill.journal)" -eq $((kib * 1024)) ]
}
check "a run ends with its journal's last line torn off" ended 8 --alone
check "and again, in other steps" ended 24 --rows 7
check "and a third time" ended 48 -t 1
check "items are left to be done" test "$(wc -l <kill.journal)" -lt 456
check "it goes on to the end" bash -c "$JEOUL eval ${whole[*]} --resume kill.journal --samples resumed.jsonl --json >resumed.json"
check "items were taken from the journal" jq -e '[.results[].resumed_items] | add >= 100' resumed.json
check "a killed run's items are those of one without a break" cmp whole.jsonl resumed.jsonl
check "what the journal had is not in the expert load, and said so" jq -e '.expert_load.items_left_out >= 100' resumed.json

# Fertility: the amounts are those of the texts.
"$JEOUL" eval -m eval.gguf --tasks "$both" --json --samples f.jsonl >f.json
check "characters, words and bytes are those of the texts" bash -c "jq -s -e --slurpfile result f.json '
    [.[] | select(.language == \"ko\") | (.contexts // [.context]) + .continuations | .[]] as \$texts | \$result[0].fertility[] | select(.language == \"ko\") |
    .characters == (\$texts | map(length) | add) and .bytes == (\$texts | map(utf8bytelength) | add) and
    .words == (\$texts | map([scan(\"[^ \\\\n]+\")] | length) | add)' f.jsonl"
check "tokens are those of contexts and continuations" bash -c "jq -s -e --slurpfile result f.json '
    ([.[] | select(.language == \"en\") | .context_tokens + (.continuation_tokens | add)] | add) == (\$result[0].fertility[] | select(.language == \"en\") | .tokens)' f.jsonl"
check "fertility is by character, word and byte" jq -e '.fertility | length == 2 and all((.tokens_per_1000_characters - 1000 * .tokens / .characters | fabs) < 1e-9 and
    (.tokens_per_word - .tokens / .words | fabs) < 1e-9 and (.tokens_per_byte - .tokens / .bytes | fabs) < 1e-9)' f.json

check "what is computed is what has different beginnings" jq -e '.results | length == 3 and all(.distinct_tokens < .prompt_tokens and .computed_tokens == .distinct_tokens)' f.json
check "one by one, nothing is shared, and so said" bash -c "$JEOUL eval -m eval.gguf --tasks builtin_ko_particles --limit 3 --alone --json |
    jq -e '.results[0] | .computed_tokens == .prompt_tokens and .distinct_tokens == null and (.distinct_tokens_reason | length > 0)'"

# Expert load: every computed token goes to as many experts as the model says, in every layer.
check "expert load counts the computed tokens" bash -c "jq -e '([.results[] | select(.language == \"ko\").computed_tokens] | add) as \$n |
    .expert_load | .layers == 4 and .experts == 16 and (.languages[] | select(.language == \"ko\").layers | length == 4 and all((.tokens | add) == 4 * \$n and
        .imbalance >= 1 and .entropy <= 1))' f.json"
check "both languages' divergence stands beside what chance gives" jq -e '.expert_load.divergence | length == 4 and
    all(.bits > .p95_bits and .p95_bits > .expected_bits and .expected_bits > 0)' f.json
check "one language has no divergence, and a reason" bash -c "$JEOUL eval -m eval.gguf --tasks builtin_ko_particles --limit 3 --json |
    jq -e '.expert_load.divergence == null and (.expert_load.divergence_reason | length > 0)'"
check "a dense model has no expert load, and a reason" bash -c "$JEOUL eval -m $goldens/llama_q8_0/model.gguf --tasks builtin_ko_particles --limit 3 --json |
    jq -e '.expert_load == null and .expert_load_reason == \"the model has no experts\"'"

check "the table fits 80 columns" bash -c "$JEOUL eval -m eval.gguf --limit 2 >eval.table && test \$(LC_ALL=C.UTF-8 wc -L <eval.table) -le 80 && grep -q '^builtin_ko_particles ' eval.table"
