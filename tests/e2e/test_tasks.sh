# shellcheck shell=bash
# tasks: the list, its groups, what would be asked.

check "tasks fits 80 columns" bash -c "$JEOUL tasks | awk 'length(\$0) > 80 {exit 1} END {exit NR < 40}'"
check "a group's tasks fit 80 columns, long names on a line of their own" bash -c "$JEOUL tasks kmmlu | awk 'length(\$0) > 80 {exit 1} END {exit NR < 46}'"
check "tasks --json has every task with its set, kind, metric and licence" bash -c "$JEOUL tasks --json |
    jq -e '.tasks | length > 440 and all((.task | length > 0) and (.licence | length > 0) and (.kind | length > 0) and (.metric | length > 0) and (.items != null or .items_reason != null))'"
check "tasks NAME shows one" bash -c "$JEOUL tasks mmlu_anatomy --json | jq -e '.tasks | length == 1 and .[0].items == 135 and .[0].groups == [\"mmlu_stem\", \"mmlu\"]'"
refuse 2 'nearest are mmlu_anatomy' "$JEOUL" tasks mmlu_anatom
refuse 2 'nearest are mmlu_anatomy' "$JEOUL" tasks render mmlu_anatom
refuse 2 'name one task or group' "$JEOUL" tasks render
refuse 2 'name one task or group' "$JEOUL" tasks kmmlu mmlu
refuse 2 "'jeoul fetch gsm8k' gets it" "$JEOUL" tasks render gsm8k
check "tasks render shows items" bash -c "$JEOUL tasks render builtin_ko_particles --limit 2 | grep -c '^--- builtin_ko_particles, item' | grep -qx 2"
check "tasks render --json is a line for each item" bash -c "$JEOUL tasks render builtin_ko_particles --json --limit 3 |
    jq -s -e 'length == 3 and all(.output_type == \"multiple_choice\" and (.continuations | length == 2) and .gold < 2) and ([.[].doc_index] == [0, 1, 2])'"
refuse 2 'has no few-shot examples' "$JEOUL" tasks render builtin_ko_particles --shots 1

mkdir -p sets/gsm8k
printf '{"question": "How many?", "answer": "#### 2"}\n{"question": "And now?"}\n' >sets/gsm8k/test.jsonl
refuse 2 'sets/gsm8k/test.jsonl, record 2: the field "answer" is missing' "$JEOUL" tasks render gsm8k --data sets
printf '{"question": "How many?", "answer": "#### 2"}\n' >sets/gsm8k/test.jsonl
refuse 2 'few-shot examples: gsm8k: the split train is not there' "$JEOUL" tasks render gsm8k --data sets
check "fixed examples need no training set" bash -c "$JEOUL tasks render gsm8k_cot --data sets --json | jq -e '.fewshot_indices == [0,1,2,3,4,5,6,7] and .target == \"2\"'"

# MMLU as its authors publish it (no header line, letters) and as an export (a header line, numbers)
mkdir -p letters/mmlu/data/test letters/mmlu/data/dev numbers/mmlu/test numbers/mmlu/dev
for part in test dev; do
    printf '"What, if anything, weighs?",scales,rulers,clocks,maps,A\nWhat tells time?,scales,rulers,clocks,maps,C\n' >letters/mmlu/data/$part/anatomy_$part.csv
    printf 'question,choice0,choice1,choice2,choice3,answer\n"What, if anything, weighs?",scales,rulers,clocks,maps,0\nWhat tells time?,scales,rulers,clocks,maps,2\n' \
        >numbers/mmlu/$part/anatomy_$part.csv
done
for name in mmlu_anatomy mmlu_anatomy_continuation mmlu_anatomy_generative; do
    check "$name is the same from both forms of MMLU" bash -c "$JEOUL tasks render $name --data letters --shots 1 --json >letters.json && $JEOUL tasks render $name --data numbers --shots 1 --json >numbers.json &&
        test -s letters.json && cmp letters.json numbers.json"
done

if [ -d "$shared/evalsets/rendered" ]; then
    for name in kobest_copa.5shot winogrande.0shot lambada_openai.0shot mmlu_anatomy_generative.0shot truthfulqa_mc2.0shot; do
        shots=${name##*.}
        check "tasks render ${name%.*} --shots ${shots%shot} is equal" bash -c "keys='{doc_index, context, contexts, continuations, continuation, target, gold, labels}'
            cmp <(jq -S -c \"\$keys\" $shared/evalsets/rendered/$name.jsonl) <($JEOUL tasks render ${name%.*} --data $shared/evalsets --shots ${shots%shot} \
                --limit \$(wc -l <$shared/evalsets/rendered/$name.jsonl) --json | jq -S -c \"\$keys\")"
    done
else
    skip "rendered items are equal" "no evaluation sets beside the repository"
fi
