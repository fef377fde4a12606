# shellcheck shell=bash
# Models from source: corpus, training that is cut and goes on, distillation, the speed of training; bad input.

check "corpus writes" "$JEOUL" corpus --seed 4 --bytes 20000 -o a.txt
check "corpus writes again" "$JEOUL" corpus --seed 4 --bytes 20000 -o b.txt
check "corpus gives the same bytes" cmp a.txt b.txt
refuse 2 'is needed' "$JEOUL" corpus
refuse 2 'cannot be opened' "$JEOUL" corpus --grammar nowhere.json -o c.txt
printf '{"documents": {"x": 1}, "rules": {"x": ["{y}"]}}' >grammar.json
refuse 2 'rules.x[0]: {y}: there is no rule "y"' "$JEOUL" corpus --grammar grammar.json -o c.txt
check "a failure leaves no corpus" bash -c '! test -e c.txt'

config() { # NAME ARCH EXPERTS STEPS MORE: a training of seconds
    printf '{"name": "%s", "corpus": {"bytes": 60000}, "vocabulary": {"pre": "qwen2", "tokens": 400, "longest_bytes": 4, "bytes": 60000},
        "model": {"arch": "%s", "layers": 1, "embedding": 32, "heads": 1, "kv_heads": 1, "head_dim": 32, %s "width": 32, "context": 64, "deviation": 0.1},
        "train": {"steps": %d, "warmup_steps": 2, "tokens_per_step": 128, "rate": 0.01, "last_rate": 0.001, "weight_decay": 0.1, "clip": 1,
                  "load_balance": 0.01, "router_z": 0.001}%s}\n' "$1" "$2" "$3" "$4" "$5" >"$1.json"
}
experts='"experts": 4, "top_k": 2,'
config moe qwen3moe "$experts" 12 ''
check "train at once" "$JEOUL" train moe.json --out whole -t 1
check "train in parts: the first" "$JEOUL" train moe.json --out parts --steps 5 -t 2
check "train in parts: the rest" "$JEOUL" train moe.json --out parts -t 2
for file in checkpoint loss.csv model.gguf vocabulary.gguf; do
    check "a training in parts on other threads gives the same $file" cmp whole/moe/$file parts/moe/$file
done
check "the loss curve is a picture" grep -q '<svg' whole/moe/loss.svg
check "the loss curve has every step" bash -c '[ "$(wc -l <whole/moe/loss.csv)" -eq 13 ]'
check "train says what came of it" bash -c "$JEOUL train moe.json --out whole -t 1 --json | jq -e '.step == 12 and .tok_per_s == null and .tok_per_s_reason == \"every step was made before\" and .tokens > 1000 and .cross_entropy > 0 and (.corpus_sha256 | length) == 64'"
check "the model is evaluated" "$JEOUL" eval -m whole/moe/model.gguf --tasks builtin_ko_particles --limit 4 -t 1
check "the model is quantised" "$JEOUL" quantize whole/moe/model.gguf moe.q8_0.gguf --type q8_0
check "the quantised model generates" "$JEOUL" generate -m moe.q8_0.gguf -p '우리는' -n 4

config student qwen3 '' 8 ', "distill": {"teacher": "moe/model.gguf", "temperature": 2, "mix": 0.5}'
check "distill" "$JEOUL" distill student.json --out whole -t 1
check "train takes a file with a teacher too" "$JEOUL" train student.json --out whole -t 1
check "the divergence from the teacher is noted" bash -c "tail -1 whole/student/loss.csv | cut -d, -f5 | grep -q '[1-9]'"
refuse 2 'distill is missing' "$JEOUL" distill moe.json --out whole
refuse 2 'distill.teacher' "$JEOUL" distill student.json --out nowhere
sed 's/"tokens": 400/"tokens": 300/' student.json >other.json
refuse 2 "teacher's vocabulary is another" "$JEOUL" distill other.json --out whole

config moe qwen3moe "$experts" 13 ''
refuse 2 'belongs to another training' "$JEOUL" train moe.json --out whole
config moe qwen3moe "$experts" 12 ''
head -c 5000 whole/moe/checkpoint >parts/moe/checkpoint
refuse 2 'is damaged' "$JEOUL" train moe.json --out parts
cp whole/moe/checkpoint parts/moe/checkpoint
head -3 whole/moe/loss.csv >parts/moe/loss.csv
refuse 2 'ends before the checkpoint' "$JEOUL" train moe.json --out parts
refuse 2 'cannot be opened' "$JEOUL" train nowhere.json
printf '{"name": "x"' >broken.json
refuse 2 'broken.json' "$JEOUL" train broken.json
broken() { # FILTER WORDS: the file with one thing changed is refused
    jq "$1" moe.json >broken.json
    refuse 2 "$2" "$JEOUL" train broken.json --out broken
}
broken '.train.rates = 1' 'broken.json: train: unknown key "rates"'
broken '.train.rate = "fast"' 'train.rate'
broken '.train.warmup_steps = 12' 'warm-up'
broken '.name = "../x"' 'is not a name'
broken '.model.arch = "mamba"' 'cannot be trained'
broken '.vocabulary.pre = "nothing"' 'nothing'

check "the speed of training" bash -c "$JEOUL bench --train moe.json -t 1,2 -r 3 | grep -q 'of peak'"
check "the speed of training as JSON" bash -c "$JEOUL bench --train moe.json -t 1,2 -r 1 --json | jq -e '
    . as \$b | [.results[].threads] == [1, 2] and .sequence_tokens == 32 and .operations_per_token == 6 * (4 * 32 * 32 + 4 * 32 + 2 * 3 * 32 * 32 + 400 * 32)
    and all(.results[]; .tok_per_s.n == 1 and .mfu > 0 and .limit_f32_gop_per_s.n == 1 and .limit_reason == null
        and (.operations_per_s / (.tok_per_s.median * \$b.operations_per_token) - 1 | fabs) < 1e-9
        and (.operations_per_s / (.limit_f32_gop_per_s.median * 1e9) / .mfu - 1 | fabs) < 1e-9)'"
check "without limits there is no share of them, and a reason" bash -c "$JEOUL bench --train moe.json -t 1 -r 2 --no-limits --json | jq -e '
    .results[0] | .mfu == null and .limit_f32_gop_per_s.median == null and (.limit_reason | test(\"no-limits\")) and .tok_per_s.median > 0'"
refuse 2 '--backend does not go with --train' "$JEOUL" bench --train moe.json --backend cuda
refuse 2 '--prompt does not go with --train' "$JEOUL" bench --train moe.json -p 64
refuse 2 'cannot be opened' "$JEOUL" bench --train nowhere.json
