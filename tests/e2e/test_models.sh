# shellcheck shell=bash
# The reference models that come with jeoul: they are what their recipes say, and as right as the documents say.

accuracy() { # MODEL GROUP PERCENT: at least
    "$JEOUL" eval -m "$root/bench/models/$1.gguf" --tasks "$2" --json |
        jq -e --argjson least "$3" '.groups[0].scores.acc.value * 100 >= $least'
}
for name in jeoul-moe jeoul-dense jeoul-student jeoul-student-plain; do
    if [ ! -e "$root/bench/models/$name.gguf" ]; then
        skip "$name" "not trained yet: make models"
        continue
    fi
    check "$name is the size of its card" bash -c "[ \"\$($JEOUL inspect $root/bench/models/$name.gguf --json | jq .parameters)\" = \"\$(jq .parameters $root/bench/models/$name.card.json)\" ]"
    check "$name was trained on the corpus of its recipe" bash -c "
        $JEOUL corpus --seed \$(jq .corpus.seed $root/bench/models/$name.json) --bytes \$(jq .corpus.bytes $root/bench/models/$name.json) -o corpus.txt &&
        [ \"\$(sha256sum <corpus.txt | cut -d' ' -f1)\" = \"\$(jq -r .corpus_sha256 $root/bench/models/$name.card.json)\" ]"
    rm -f corpus.txt
    for group in builtin_ko builtin_en confirm_ko confirm_en; do
        check "$name is as right in $group as its card says" bash -c "
            $JEOUL eval -m $root/bench/models/$name.gguf --tasks $group --json | jq -e --slurpfile card $root/bench/models/$name.card.json '
                (.groups[0].scores.acc.value - \$card[0].accuracy.$group.value | fabs) * .groups[0].n < 2.5'"
    done
done # other instruction sets round otherwise: an item or two may turn
[ ! -e "$root/bench/models/jeoul-moe.gguf" ] || for group in builtin_ko builtin_en; do
    check "jeoul-moe has at least 85 % of $group" accuracy jeoul-moe $group 85
done
