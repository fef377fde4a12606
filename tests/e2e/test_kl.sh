# shellcheck shell=bash
# jeoul kl: both ways give the same figures, a model against itself gives none, figures are those of `jeoul logits`; bad input.

big=$goldens/q256_bf16/model.gguf small=$goldens/q256_q4_k/model.gguf
short=(--window 200 --limit 900)
check "kl compares two files" bash -c "$JEOUL kl -r $big -m $small ${short[*]} --json >kl.json"
check "kl has both languages, with intervals around their means" jq -e '([.languages[].language] == ["ko", "en"]) and
    all(.languages[]; .tokens == 900 and .blocks > 2 and .kl_nats.ci95_low < .kl_nats.mean and .kl_nats.mean < .kl_nats.ci95_high and
        .kl_nats.median < .kl_nats.p90 and .kl_nats.p90 < .kl_nats.p99 and .kl_nats.p99 <= .kl_nats.max and
        .kl_nats.p99_9 == null and .kl_nats.p99_9_reason and .top1_agreement.ci95_low < .top1_agreement.value and .kl_nats.mean > 0.01 and
        ((.perplexity.model / .perplexity.reference) / .perplexity.ratio - 1 | fabs) < 1e-12)' kl.json
check "kl keeps a reference" "$JEOUL" kl -r "$big" --save kl.ref "${short[@]}"
check "kl against a kept reference" bash -c "$JEOUL kl -m $small --against kl.ref --json >kl.against.json"
check "both ways give the same figures to the last digit" cmp kl.json kl.against.json
check "threads change no figure" bash -c "$JEOUL kl -m $small --against kl.ref -t 1 --json | cmp - kl.json"
check "a model against itself differs by nothing" bash -c "$JEOUL kl -r $small -m $small --exact --kv f32 --window 100 --limit 200 --json |
    jq -e 'all(.languages[]; .kl_nats.max == 0 and .top1_agreement.value == 1 and .perplexity.ratio == 1)'"
check "kl shows a table" bash -c "$JEOUL kl -m $small --against kl.ref >kl.table && grep -q '^mean KL' kl.table"
check "the table fits 80 columns" test "$(LC_ALL=C.UTF-8 wc -L <kl.table)" -le 80

# The same by another way: logits of one window, and the divergence by awk.
head -c 150 "$root/datasets/builtin/texts_ko.jsonl" >kl.txt
check "tokens of the text" bash -c "$JEOUL tokenize -m $big kl.txt | tr ' ' '\n' >kl.tokens"
check "the reference's logits" "$JEOUL" logits -m "$big" --tokens kl.tokens --exact -o kl.r.f32
check "the model's logits" "$JEOUL" logits -m "$small" --tokens kl.tokens --kv bf16 -o kl.m.f32
by_awk() { # the mean over all positions but the last
    paste <(od -An -v -tf4 -w4 kl.r.f32) <(od -An -v -tf4 -w4 kl.m.f32) | awk -v vocabulary=288 -v positions="$(($(wc -l <kl.tokens) - 1))" '
        {i = (NR - 1) % vocabulary; r[i] = $1; m[i] = $2}
        i == vocabulary - 1 && n < positions {
            zr = zm = s = 0
            for (k = 0; k < vocabulary; k++) {zr += exp(r[k]); zm += exp(m[k])}
            for (k = 0; k < vocabulary; k++) s += exp(r[k]) / zr * ((r[k] - log(zr)) - (m[k] - log(zm)))
            sum += s; n++
        }
        END {printf "%.9f\n", sum / n}'
}
check "the mean divergence is the one of the logits" bash -c "$(declare -f by_awk)
    $JEOUL kl -r $big -m $small ko=kl.txt --json | jq -e --argjson wanted \"\$(by_awk)\" '.languages[0].tokens == ($(wc -l <kl.tokens) - 1) and (.languages[0].kl_nats.mean - \$wanted | fabs) < 1e-5'"

printf '{"text": "하나 둘 셋 넷"}\n{"text": "다섯 여섯 일곱"}\n' >two.jsonl
check "JSON Lines are a text a line" bash -c "$JEOUL kl -r $big -m $small ko=two.jsonl xx=kl.txt --json | jq -e '[.languages[] | [.language, .blocks, .sources[0]]] == [[\"ko\", 2, \"two.jsonl\"], [\"xx\", 1, \"kl.txt\"]]'"
if [ -d "$shared/evalsets/wikitext2_raw" ]; then
    check "WikiText-2 is the English text of --data" bash -c "$JEOUL kl -r $big -m $small --data $shared/evalsets --limit 300 --json | jq -e '.languages[1] | .language == \"en\" and .sources == [\"WikiText-2 raw, test\"] and .tokens == 300'"
else
    skip "WikiText-2 is the English text of --data" "no evaluation sets beside the repository"
fi

refuse 2 'a reference is needed' "$JEOUL" kl -m "$small"
refuse 2 'give --model to compare' "$JEOUL" kl -r "$big"
refuse 2 '--window goes with --save' "$JEOUL" kl -m "$small" --against kl.ref --window 100
refuse 2 'texts go with --save' "$JEOUL" kl -m "$small" --against kl.ref ko=kl.txt
refuse 2 'a vocabulary of 320 tokens, the reference' "$JEOUL" kl -r "$big" -m "$goldens/olmoe/model.gguf"
refuse 2 'a vocabulary of 320 tokens, the reference' "$JEOUL" kl --against kl.ref -m "$goldens/olmoe/model.gguf"
LC_ALL=C sed 's/<|endoftext|>/<|endofbook|>/' "$small" >other-words.gguf
refuse 2 'have vocabularies of 288 tokens that differ' "$JEOUL" kl -r "$big" -m other-words.gguf
refuse 2 'have vocabularies of 288 tokens that differ' "$JEOUL" kl --against kl.ref -m other-words.gguf
refuse 2 'such as ko=news.txt' "$JEOUL" kl -r "$big" -m "$small" kl.txt
refuse 2 'is no file that' "$JEOUL" kl -m "$small" --against kl.txt
printf "{\"text\": 5}\n" >kl.jsonl
refuse 2 "[0].text: is a number" "$JEOUL" kl -r "$big" -m "$small" ko=kl.jsonl
refuse 2 '--window 99999' "$JEOUL" kl -r "$big" -m "$small" --window 99999
refuse 1 'cannot be written' bash -c "trap '' XFSZ; ulimit -f 64; $JEOUL kl -r $big --save cut.ref ${short[*]}"
check "a failure leaves no file" bash -c '! ls cut.ref* 2>/dev/null'
head -c 100000 kl.ref >cut.ref
refuse 2 "doesn't come to" "$JEOUL" kl -m "$small" --against cut.ref
