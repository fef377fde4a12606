# shellcheck shell=bash
# Every verb on small models; bad input; help.

for verb in run bench roofline eval kl tasks fetch nightly compare report results system inspect synth corpus train distill quantize generate tokenize logits help; do
    check "$verb --help ends with an example" bash -c "$JEOUL $verb --help | tail -2 | grep -q 'jeoul'"
    check "$verb --help fits 100 columns and a screen" bash -c "$JEOUL $verb --help | awk 'length(\$0) > 100 {exit 1} END {exit NR > 35}'"
done
check "help lists every verb" bash -c "$JEOUL --help | grep -q tokenize"
check "the completion is valid bash" bash -c "$JEOUL help --bash-completion | bash -n"
check "the man page has every verb" bash -c "$JEOUL help --man | grep -q '^.SS logits'"
refuse 2 'there is no verb' "$JEOUL" nothing
refuse 2 'there is no option' "$JEOUL" bench --nothing
refuse 2 'whole number' "$JEOUL" bench -m "$goldens/olmoe/model.gguf" -t x

# logits: the reference, in one batch and token by token
for model in olmoe qwen3moe; do
    for chunk in 1 40; do
        check "logits of $model in steps of $chunk" "$JEOUL" logits -m "$goldens/$model/model.gguf" --tokens "$goldens/$model/tokens.txt" --chunk "$chunk" \
            -t 2 -o "l.$chunk.f32"
    done
    check "logits of $model are the same bits however they are cut" cmp l.1.f32 l.40.f32
done
refuse 2 'line 2' "$JEOUL" logits -m "$goldens/olmoe/model.gguf" --tokens <(printf '1\nx\n') -o bad.f32
refuse 2 'out of range' "$JEOUL" logits -m "$goldens/olmoe/model.gguf" --tokens <(echo 320) -o bad.f32
check "a failure leaves no file" bash -c '! test -e bad.f32'

# synth: deterministic, atomic
check "synth writes" "$JEOUL" synth --shape tiny --quant q4_k_m -o tiny.gguf
check "synth writes again with one thread" "$JEOUL" synth --shape tiny --quant q4_k_m -t 1 -o tiny1.gguf
check "synth gives the same bytes" cmp tiny.gguf tiny1.gguf
for quant in f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs mxfp4; do
    check "synth $quant" "$JEOUL" synth --shape tiny-qwen3 --quant $quant -o t.gguf
    check "bench $quant" "$JEOUL" bench -m t.gguf -p 33 -n 3 -b 1,3 -t 1,2 -r 2 --no-limits
done
refuse 2 'no shape' "$JEOUL" synth --shape huge -o x.gguf
refuse 2 'no quantisation' "$JEOUL" synth --quant q9 -o x.gguf
refuse 2 'is a directory' "$JEOUL" synth -o "$work"
refuse 2 'cannot be written' "$JEOUL" synth -o /nowhere/x.gguf

# quantize: every type opens, is what it says, and is as near to the source as its bits allow (at most a little beyond ggml's own encoder)
nmse_below() { # LIMIT A B: normalised mean squared error of two files of floats
    paste <(od -An -v -tf4 -w4 "$2") <(od -An -v -tf4 -w4 "$3") |
        awk -v limit="$1" '{d += ($1 - $2) ^ 2; r += $2 ^ 2} END {print d / r; exit !(NR > 1000 && d / r <= limit)}'
}
source_model=$goldens/q256_f16
while read -r type limit; do
    check "quantize to $type" "$JEOUL" quantize "$source_model/model.gguf" "q.$type.gguf" --type "$type"
    check "inspect shows $type" bash -c "$JEOUL inspect q.$type.gguf --json | jq -e '([.tensors[] | select(.name | test(\"_norm|ffn_gate_inp\")).type] | unique) == [\"F32\"] and (.quantisation | ascii_downcase) == \"${type%_m}\" and .metadata[\"general.quantization_version\"] == \"2\"'"
    check "logits of $type" "$JEOUL" logits -m "q.$type.gguf" --tokens "$source_model/tokens.txt" -o "q.f32"
    check "logits of $type are within $limit of the source's" nmse_below "$limit" q.f32 "$source_model/logits_dq.f32"
    check "--exact on $type" "$JEOUL" logits -m "q.$type.gguf" --tokens "$source_model/tokens.txt" --exact -o "q.f32"
    check "exact logits of $type are within $limit of the source's" nmse_below "$limit" q.f32 "$source_model/logits_dq.f32"
done <<'TYPES'
f32 1e-9
f16 1e-9
bf16 1e-4
q8_0 1e-3
q4_0 0.12
q4_1 0.1
q5_0 0.035
q5_1 0.025
q2_k 0.9
q3_k 0.35
q4_k 0.1
q5_k 0.025
q6_k 0.007
iq4_nl 0.1
iq4_xs 0.1
mxfp4 0.2
q4_k_m 0.06
TYPES
check "quantize says what does not fit a block" bash -c "$JEOUL quantize $goldens/olmoe/model.gguf q.gguf --type q6_k 2>&1 | grep -q 'in Q8_0: rows such as the 64 values of'"
refuse 2 'no quantisation' "$JEOUL" quantize "$source_model/model.gguf" bad.gguf --type q9
refuse 2 '--type' "$JEOUL" quantize "$source_model/model.gguf" bad.gguf
refuse 2 'is the input itself' "$JEOUL" quantize q.gguf q.gguf --type q8_0
refuse 2 'cannot be opened' "$JEOUL" quantize nothing.gguf bad.gguf --type q8_0
refuse 2 'not a GGUF file' "$JEOUL" quantize "$goldens/olmoe/tokens.txt" bad.gguf --type q8_0
refuse 2 'cannot be written' "$JEOUL" quantize q.gguf /nowhere/bad.gguf --type q8_0
refuse 2 '(IQ1_S) is not supported' "$JEOUL" quantize "$goldens/quants/quants.gguf" bad.gguf --type q8_0
refuse 1 'jeoul: ' bash -c "trap '' XFSZ; ulimit -f 64; $JEOUL quantize q.gguf bad.gguf --type q8_0"
check "a quantisation that failed leaves nothing" bash -c '! ls bad.gguf* 2>/dev/null'

check "bench --json has medians" bash -c "$JEOUL bench -m tiny.gguf -p 64 -n 8 -b 1 -t 1,2 -r 5 --json | jq -e '.results | length == 4 and all(.tok_per_s.n == 5 and .tok_per_s.ci95_low <= .tok_per_s.median)'"
check "inspect --json" bash -c "$JEOUL inspect tiny.gguf --json | jq -e '.random_weights and .n_experts == 16'"
check "system --json gives every counter a value or a reason" bash -c "$JEOUL system --json | jq -e '.counters | all(.available or (.reason | length > 0))'"
check "tokenize --json" bash -c "printf '저울 abc' | $JEOUL tokenize -m tiny.gguf --json | jq -e '.ids | length > 2'"

# chat: messages become the family's text, and that the ids
echo '[{"role": "system", "content": "S"}, {"role": "user", "content": "수도는?"}]' >messages.json
check "tokenize --chat --text renders" bash -c "cmp <($JEOUL tokenize -m tiny.gguf --chat llama3 --text messages.json) <(printf '<|start_header_id|>system<|end_header_id|>\\n\\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\\n\\n수도는?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\\n\\n')"
check "tokenize --chat gives the ids of that text" bash -c "cmp <($JEOUL tokenize -m tiny.gguf --chat llama3 messages.json) <($JEOUL tokenize -m tiny.gguf --chat llama3 --text messages.json | $JEOUL tokenize -m tiny.gguf --special)"
check "gpt-oss is told the day" bash -c "$JEOUL tokenize -m tiny.gguf --chat gpt-oss --date 2026-11-24 --text messages.json | grep -q '^Current date: 2026-11-24$'"
refuse 2 'no chat template' "$JEOUL" tokenize -m tiny.gguf --chat auto messages.json
refuse 2 '"vicuna": no such chat family; known are: qwen2.5' "$JEOUL" tokenize -m tiny.gguf --chat vicuna messages.json
refuse 2 'is no day' "$JEOUL" tokenize -m tiny.gguf --chat gpt-oss --date 2026-11-31x messages.json
echo '[{"role": "user", "content": "a"}, {"role": "assistant"}]' >bad.json
refuse 2 'bad.json: [1].content: is missing' "$JEOUL" tokenize -m tiny.gguf --chat chatml bad.json
printf '[{"role": "user", "content": "a\\u0000b"}]' >bad.json
refuse 2 'a NUL' "$JEOUL" tokenize -m tiny.gguf --chat chatml bad.json
check "generate" "$JEOUL" generate -m tiny.gguf -p '저울' -n 4
check "generate draws the same text from the same seed" bash -c "cmp <($JEOUL generate -m tiny.gguf -n 8 --temperature 0.8 --seed 3) <($JEOUL generate -m tiny.gguf -n 8 --temperature 0.8 --seed 3)"
refuse 2 'JEOUL_WAIT: "busy"' env JEOUL_WAIT=busy "$JEOUL" generate -m tiny.gguf -n 1
check "generate by threads that spin" env JEOUL_WAIT=active "$JEOUL" generate -m tiny.gguf -n 1 -t 2
check "generate answers a message" "$JEOUL" generate -m tiny.gguf --chat chatml --system '너는 저울이다.' -p '수도는?' -n 4
refuse 2 'a number from 0 to 10' "$JEOUL" generate -m tiny.gguf --temperature warm
refuse 2 'a number from 0 to 10' "$JEOUL" generate -m tiny.gguf --temperature 1.2.3

# eval
check "eval on a built-in set" "$JEOUL" eval -m tiny.gguf --tasks builtin_ko_particles --samples a.jsonl
cp tiny.gguf other.gguf && printf x >>other.gguf
check "a journal is gone on with, and the scores are those of one run" bash -c "$JEOUL eval -m tiny.gguf --tasks builtin_ko_particles --limit 9 --resume j.jsonl && printf '{\"task\": \"torn' >>j.jsonl && $JEOUL eval -m tiny.gguf --tasks builtin_ko_particles --resume j.jsonl --samples c.jsonl --json | jq -e '.results[0].resumed_items == 9' && cmp a.jsonl c.jsonl"
check "one request after the other gives the same scores" bash -c "$JEOUL eval -m tiny.gguf --tasks builtin_ko_particles --alone --samples d.jsonl && cmp a.jsonl d.jsonl"
refuse 2 'another model, data or options' "$JEOUL" eval -m other.gguf --tasks builtin_ko_particles --resume j.jsonl --json
refuse 2 'another model, data or options' "$JEOUL" eval -m tiny.gguf --tasks builtin_ko_particles --resume j.jsonl --kv f32 --json
refuse 2 'is no item of a journal' bash -c "echo '{}' >k.jsonl; $JEOUL eval -m tiny.gguf --tasks builtin_ko_particles --resume k.jsonl --json"
refuse 2 'no task or group' "$JEOUL" eval -m tiny.gguf --tasks kobest_cop --json
refuse 2 '--data DIR' "$JEOUL" eval -m tiny.gguf --tasks kobest_copa --json
if [ -d "$shared/evalsets" ]; then
    check "eval on KoBEST and HellaSwag" bash -c "$JEOUL eval -m tiny.gguf --tasks kobest_copa,hellaswag --data $shared/evalsets --limit 20 --json | jq -e '[.results[].n] == [20, 20]'"
    mkdir -p data/kobest/COPA && head -4 "$shared/evalsets/kobest/COPA/test.tsv" >data/kobest/COPA/test.tsv && printf '9\tshort\n' >>data/kobest/COPA/test.tsv
    refuse 2 'line 5: 2 cells, the header has 6' "$JEOUL" eval -m tiny.gguf --tasks kobest_copa --data data --json
else
    skip "eval on KoBEST and HellaSwag" "no evaluation sets beside the repository"
fi

# bad models
: >empty.gguf
refuse 2 'empty' "$JEOUL" inspect empty.gguf
printf 'GGML and more text so that it is long enough' >foreign.gguf
refuse 2 'not a GGUF file' "$JEOUL" inspect foreign.gguf
refuse 2 'is a directory' "$JEOUL" inspect "$work"
refuse 2 'cannot be opened' "$JEOUL" inspect nothing.gguf
head -c 400000 "$goldens/olmoe/model.gguf" >cut.gguf
refuse 2 'truncated or damaged' "$JEOUL" bench -m cut.gguf

# A disk that is full: a limit on the size of files stands for it, and a small file system where one may be mounted. Nothing is left behind.
refuse 1 'jeoul: ' bash -c "trap '' XFSZ; ulimit -f 64; $JEOUL synth --shape tiny -o big.gguf"
check "a file that could not be written whole is not there" bash -c '! ls big.gguf* 2>/dev/null'
refuse 1 'jeoul: ' bash -c "trap '' XFSZ; ulimit -f 4; $JEOUL eval -m tiny.gguf --tasks builtin_ko_particles --samples big.jsonl"
check "samples that could not be written whole are not there" bash -c '! ls big.jsonl* 2>/dev/null'
cat >plan-for-places.json <<'JSON'
{"schema": "jeoul/plan/1", "name": "places", "limits": false, "models": [{"id": "t", "synth": {"shape": "tiny", "quant": "q8_0"}}],
 "bench": [{"models": ["t"], "prompt": 8, "generate": 1, "threads": 1}]}
JSON
mkdir small
if mount -t tmpfs -o size=512k tmpfs small 2>/dev/null; then
    refuse 1 'No space left' "$JEOUL" synth --shape tiny -o small/big.gguf
    check "a full disk keeps no half of a file" bash -c '! ls small/* 2>/dev/null'
    head -c 440000 /dev/zero >small/filler
    refuse 1 'full' "$JEOUL" run plan-for-places.json --out small
    mount -o remount,ro small
    refuse 2 'Read-only file system' "$JEOUL" synth --shape tiny -o small/x.gguf
    refuse 2 'Read-only file system' "$JEOUL" run plan-for-places.json --out small/out
    umount small
else
    skip "a full and a read-only file system" "none can be mounted here"
fi

verified=$goldens/ds3_q8_0
verify() {
    "$JEOUL" verify -m "$verified/model.gguf" --tokens "$verified/tokens.txt" --reference "$@"
}
check "exact logits agree with the reference to 1e-9" verify "$verified/logits_dq.f32" --exact
check "quantised ones agree loosely, in numbers" bash -c "$JEOUL verify -m $verified/model.gguf --tokens $verified/tokens.txt --reference $verified/logits_dq.f32 --json |
    jq -e '.verdict == \"agrees\" and .positions == 40 and .nmse > 1e-5 and .mean_kl_nats > 0 and .top1_agreement > 0.9'"
verify "$verified/logits_dq.f32" --max-nmse 1e-9 >/dev/null
check "what differs makes exit code 3" test $? -eq 3
refuse 2 'as float32 are' verify "$verified/tokens.txt"
refuse 2 'cannot be opened' verify nothing.f32

# Packed weights: from a cache that is sound, built again when it isn't, and at every use.
cp "$goldens/qwen3moe_q8_0/model.gguf" packing.gguf
logits() { "$JEOUL" logits -m packing.gguf --tokens "$goldens/qwen3moe_q8_0/tokens.txt" "$@"; }
if [ -r packing.gguf ]; then
    check "logits without a cache" logits -o plain.f32
    check "a cache of packed weights is built" logits -o built.f32 --pack-cache packed
    check "and there is one file of it" test "$(find packed -name '*.pack' | wc -l)" = 1
    check "the next start uses it" bash -c "$JEOUL bench -m packing.gguf -p 4 -n 0 -r 1 --no-limits --pack-cache packed | grep -q 'found packed'"
    check "with it" logits -o cached.f32 --pack-cache packed
    check "packed at every use" logits -o unpacked.f32 --no-pack
    for other in built cached unpacked; do
        check "$other weights give the same bits" cmp plain.f32 "$other.f32"
    done
    printf 'x' | dd of="$(find packed -name '*.pack')" bs=1 seek=5000 conv=notrunc 2>/dev/null
    check "a damaged cache is said" bash -c "$JEOUL logits -m packing.gguf --tokens '$goldens/qwen3moe_q8_0/tokens.txt' -o again.f32 --pack-cache packed 2>&1 | grep -q 'packed weights:'"
    check "and not believed" cmp plain.f32 again.f32
    check "it was built again" bash -c "$JEOUL bench -m packing.gguf -p 4 -n 0 -r 1 --no-limits --pack-cache packed | grep -q 'found packed'"
    head -c 3000 "$(find packed -name '*.pack')" >cut && cp cut "$(find packed -name '*.pack')"
    check "one that is cut short is not believed" logits -o again.f32 --pack-cache packed
    check "the bits stay" cmp plain.f32 again.f32
    check "a directory that cannot be made is no obstacle" logits -o again.f32 --pack-cache packing.gguf/below
else
    skip "packed weights" "no golden model"
fi
