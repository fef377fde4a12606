# shellcheck shell=bash
# The reference models that come with jeoul: they are what their recipes say, and as right as the documents say.

declare -A corpora # the hash of each corpus that a recipe asks for
for name in jeoul-moe jeoul-dense jeoul-student jeoul-student-plain; do
    recipe=$root/bench/models/$name
    if [ ! -e "$recipe.gguf" ]; then
        skip "$name" "not trained yet: make models"
        continue
    fi
    arguments=$(jq -r '.corpus | "--seed \(.seed) --bytes \(.bytes)"' "$recipe.json")
    if [ -z "${corpora[$arguments]:-}" ]; then
        # shellcheck disable=SC2086
        check "the corpus of $name is made" "$JEOUL" corpus $arguments -o corpus.txt
        corpora[$arguments]=$(sha256sum <corpus.txt | cut -d' ' -f1)
        rm -f corpus.txt
    fi
    check "$name was trained on the corpus of its recipe" [ "${corpora[$arguments]}" = "$(jq -r .corpus_sha256 "$recipe.card.json")" ]
    "$JEOUL" inspect "$recipe.gguf" --json >inspected.json
    check "$name is the size of its card" jq -e --slurpfile card "$recipe.card.json" '.parameters == $card[0].parameters' inspected.json
    "$JEOUL" eval -m "$recipe.gguf" --tasks builtin_ko,builtin_en,confirm_ko,confirm_en -t 1 --json >evaluated.json
    for group in builtin_ko builtin_en confirm_ko confirm_en; do # other instruction sets round otherwise: an item or two may turn
        check "$name is as right in $group as its card says" jq -e --arg group $group --slurpfile card "$recipe.card.json" '
            .groups[] | select(.group == $group) | (.scores.acc.value - $card[0].accuracy[$group].value | fabs) * .n < 2.5' evaluated.json
    done
    [ $name != jeoul-moe ] || for group in builtin_ko builtin_en; do
        check "jeoul-moe has at least 85 % of $group" jq -e --arg group $group '
            .groups[] | select(.group == $group) | .scores.acc.value >= 0.85' evaluated.json
    done
done
