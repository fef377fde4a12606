# shellcheck shell=bash
# roofline, and bench with the machine's limits beside its samples.

check "synth for bench" "$JEOUL" synth --shape tiny --quant q8_0 -o b.gguf
"$JEOUL" roofline -t 1,2 --rounds 3 --seconds 0.003 --json >roofline.json
check "roofline has every unit, place and thread count, and a reason for each null" jq -e '
    .schema == "jeoul/roofline/1" and (.isas | index("scalar")) and .rounds == 3
    and ([.limits[].place] | unique == ["l2", "l3", "memory", "registers"])
    and ([.limits[] | select(.metric == "read_bandwidth" and .place == "memory").threads] == [1, 2])
    and all(.limits[]; if .reason then .median == null and .min == null else .min > 0 and .min <= .median and .median <= .max and .n == 3 end)
    and any(.limits[]; .isa == "scalar" and .metric == "bf16_peak" and .reason == "this instruction set has no such unit")' roofline.json
check "roofline tells two threads from one" jq -e '.int8_two_threads_per_one | .median > 0 and .reason == null' roofline.json
check "without 1 and 2 threads there is no ratio, and a reason" bash -c "$JEOUL roofline -t 1 --rounds 1 --seconds 0.001 --json |
    jq -e '.int8_two_threads_per_one | .median == null and (.reason | test(\"1 and 2 threads\"))'"
check "roofline's table fits 80 columns" bash -c "$JEOUL roofline -t 1,2 --rounds 1 --seconds 0.001 | LC_ALL=C.UTF-8 awk 'length(\$0) > 80 {exit 1} END {exit NR < 30}'"
check "roofline --short has what a run records" bash -c "$JEOUL roofline --short --rounds 1 --seconds 0.001 --json |
    jq -e '[.limits[].metric] | unique == [\"bf16_peak\", \"f32_peak\", \"int8_peak\", \"read_bandwidth\"]'"
refuse 2 'whole number' "$JEOUL" roofline -t 0,x
refuse 2 '--seconds' "$JEOUL" roofline --seconds 0
refuse 2 '--rounds' "$JEOUL" roofline --rounds 0

"$JEOUL" bench -m b.gguf -p 64 -n 4 -b 1,3 -t 2 --depth 0,100 -r 2 --apart --json >bench.json
check "prefill carries its MFU, decode its MBU, each with the limits beside it" jq -e '
    (.results | length) == 8
    and all(.results[]; .limit_read_gb_per_s.n == 2 and .limit_int8_gop_per_s.median > 0 and .limit_reason == null and (.samples | length) == 2)
    and all(.results[] | select(.phase == "prefill"); .mfu > 0 and (has("mbu") | not))
    and all(.results[] | select(.phase == "decode"); .mbu > 0 and .roofline.tok_per_s > 0 and .roofline.reached > 0
        and (.roofline.bound | IN("read", "operations")))' bench.json
check "apart, decode and prefill begin at the same depths" jq -e '
    [.results[] | select(.batch == 3) | [.phase, .depth, .tokens]] | sort == [["decode", 0, 4], ["decode", 100, 4], ["prefill", 0, 64], ["prefill", 100, 64]]' bench.json
"$JEOUL" bench -m b.gguf -p 8,16 -n 2 -b 1,2,3 --prompt-batch 1,4 --apart -r 1 --no-limits --json >batches.json
check "apart, prompts have batches of their own" jq -e '
    [.results[] | [.phase, .tokens, .batch]] == [["prefill", 8, 1], ["prefill", 8, 4], ["prefill", 16, 1], ["prefill", 16, 4],
        ["decode", 2, 1], ["decode", 2, 2], ["decode", 2, 3]]' batches.json
refuse 2 'measured --apart' "$JEOUL" bench -m b.gguf --prompt-batch 1
# Which limit binds differs from sample to sample where two CPUs may share a core, so each is set beside its own two.
check "a decode sample's MBU and share of the roofline are of its own limits" jq -e '
    def near($a; $b): ($a - $b) | fabs < 1e-9 * $b;
    all(.results[] | select(.phase == "decode"); . as $row | all(.samples[];
        (.tok_per_s * $row.bytes_per_token / (.limit_read_gb_per_s * 1e9)) as $of_read
        | (.tok_per_s * $row.operations_per_token / (.limit_int8_gop_per_s * 1e9)) as $of_peak
        | near(.mbu; $of_read) and near(.reached; [$of_read, $of_peak] | max)))' bench.json
check "limits that were not probed are null with a reason" bash -c "$JEOUL bench -m b.gguf -p 8 -n 1 -r 1 --no-limits --json | jq -e '
    all(.results[]; .limit_read_gb_per_s.median == null and .limit_int8_gop_per_s.median == null and (.limit_reason | test(\"no-limits\")))
    and (.results[1] | .mbu == null and .roofline.bound == null)'"
check "depth may pass the model's context" bash -c "$JEOUL bench -m $goldens/olmoe/model.gguf -p 0 -n 1 -r 1 --depth 5000 --no-limits --json | jq -e '.results[0].depth == 5000'"
check "bench's table fits 80 columns" bash -c "$JEOUL bench -m b.gguf -p 64 -n 4 -b 1,3 --depth 0,100 -r 2 | LC_ALL=C.UTF-8 awk 'length(\$0) > 80 {exit 1}'"
refuse 2 'nothing to measure' "$JEOUL" bench -m b.gguf -p 0 -n 0
refuse 2 'whole number' "$JEOUL" bench -m b.gguf --depth 8k
