# shellcheck shell=bash
# bench/compare-peer beside programs that print what llama-bench and llama-batched-bench of both families print.

mkdir -p llama ik broken
peer_entry() { # PROMPT GENERATE DEPTH TOK_PER_S MORE
    printf '{"model_type": "x", "n_threads": 2, "n_prompt": %d, "n_gen": %d%s, "avg_ts": 1, "samples_ns": [1, 1], "samples_ts": [0.5, %s]}' "$1" "$2" "$3" "$4"
}
{
    echo '#!/bin/bash'
    echo 'echo "$@" >>"$(dirname "$0")/arguments"'
    echo "case \$1 in --help) echo '  -d, --n-depth <n>  (default: 0)'; exit 0 ;; esac"
    printf "echo '[%s, %s, %s, %s]'\n" "$(peer_entry 16 0 ', "n_depth": 0' 1000)" "$(peer_entry 0 4 ', "n_depth": 0' 100)" \
        "$(peer_entry 16 0 ', "n_depth": 64' 500)" "$(peer_entry 0 4 ', "n_depth": 64' 50)"
} >llama/llama-bench
# ik's: no depth, decode behind a prompt instead; more of its own fields; talk on stdout's other side
{
    echo '#!/bin/bash'
    echo 'echo "$@" >>"$(dirname "$0")/arguments"'
    echo "case \$1 in --help) echo '  -gp <pp,tg>  (default: )'; exit 1 ;; esac"
    printf "echo '[%s, %s, %s]'; echo talk >&2\n" "$(peer_entry 16 0 ', "muge": true, "test": "pp16"' 1000)" "$(peer_entry 0 4 ', "test": "tg4"' 100)" \
        "$(peer_entry 64 4 ', "test": "tg4@pp64"' 50)"
} >ik/llama-bench
# The table of the one is on stdout, of the other on stderr; the first row of a number of sequences is cold.
table='|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |
|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|
|    32 |      4 |    2 |     72 |    0.001 |  5547.85 |    0.005 |     1.00 |    0.007 |  1752.85 |
|    32 |      4 |    2 |     72 |    0.001 |  5547.85 |    0.005 |   200.00 |    0.007 |  1752.85 |
|    32 |      4 |    3 |    108 |    0.011 |  2152.27 |    0.022 |   300.00 |    0.034 |  1071.24 |'
printf '#!/bin/bash\necho "$@" >"$(dirname "$0")/batched_arguments"\necho "%s"\n' "$table" >llama/llama-batched-bench
printf '#!/bin/bash\necho "%s" >&2\n' "$table" >ik/llama-batched-bench
printf '#!/bin/bash\necho "no such model" >&2\nexit 1\n' >broken/llama-bench
chmod +x llama/* ik/* broken/*
"$JEOUL" synth --shape tiny --quant q8_0 -o c.gguf 2>/dev/null
compare=$root/bench/compare-peer

for family in llama ik; do
    check "compare-peer runs beside $family" "$compare" -p 16 -n 4 -d 0,64 -b 2,3 -r 3 -t 2 --json "$family.json" "$family/llama-bench" c.gguf -rtr 1
    check "$family: warm samples only, all workloads, both limits" jq -e '
        [.workloads[] | select(.ratio.n > 0) | [.phase, .tokens, .depth, .batch, .peer.tok_per_s.median]] |
        (index([["prefill", 16, 0, 1, 1000]]) and index([["decode", 4, 0, 1, 100]]) and index([["decode", 4, 64, 1, 50]])
         and index([["decode", 4, 32, 2, 200]]) and index([["decode", 4, 32, 3, 300]]))' "$family.json"
    check "$family: every sample has its probe, every side its share" jq -e '
        .schema == "jeoul/beside/1" and all(.workloads[] | select(.ratio.n > 0); .ratio.n == 3 and .reason == null
            and all((.jeoul, .peer); .mbu > 0 and .mfu > 0 and (.samples | length) == 3 and all(.samples[]; .read_gb_per_s > 0 and .unit_gop_per_s > 0)))' "$family.json"
    check "$family: ratios are of jeoul over the peer" jq -e '
        all(.workloads[] | select(.ratio.n > 0); . as $w | [range(3) | $w.jeoul.samples[.].tok_per_s / $w.peer.samples[.].tok_per_s] | sort as $s |
            ($s[1] / $w.ratio.median - 1 | fabs) < 1e-9 and ($s[2] / $w.ratio.max - 1 | fabs) < 1e-9)' "$family.json"
done
decode_bytes=$("$JEOUL" bench -m c.gguf -p 0 -n 4 -r 1 --no-limits --json | jq '.results[0].bytes_per_token')
check "the peer's share is of its own speed and probes, by jeoul's bytes" jq -e --argjson bytes "$decode_bytes" '
    .workloads[] | select(.phase == "decode" and .batch == 1 and .depth == 0) | .bytes_per_token == $bytes
    and (([.peer.samples[] | 100 * $bytes / 1e9 / .read_gb_per_s] | sort[1]) / .peer.mbu - 1 | fabs) < 1e-9' llama.json
check "the depths and flags reach llama.cpp's" grep -q -- '-d 0,64 *$\|-rtr 1.*-d 0,64\|-d 0,64.*-rtr 1' llama/arguments
check "ik's decodes behind a prompt" grep -q -- '-gp 64,4' ik/arguments
check "ik's prefill at a depth is missing with a reason" jq -e '.workloads[] | select(.phase == "prefill" and .depth == 64) | .ratio.median == null and .reason == "the peer has no such workload"' ik.json
check "llama.cpp's prefill at a depth is there" jq -e '.workloads[] | select(.phase == "prefill" and .depth == 64) | .peer.tok_per_s.median == 500' llama.json
check "batches have room in the peer's cache" grep -q -- '-npl 2,2,3 -c 108' llama/batched_arguments
check "compare-peer's table fits 80 columns" bash -c "$compare -p 16 -n 4 -r 1 llama/llama-bench c.gguf | LC_ALL=C.UTF-8 awk 'length(\$0) > 82 {exit 1}'"
refuse 2 'no program of that name' "$compare" nothing c.gguf
refuse 2 'cannot be read' "$compare" llama/llama-bench nothing.gguf
refuse 2 'whole number' "$compare" -r x llama/llama-bench c.gguf
refuse 2 'no option -q' "$compare" -q llama/llama-bench c.gguf
refuse 2 '-n 0 is given' "$compare" -n 0 -b 2 llama/llama-bench c.gguf
check "a peer that fails is named with what it said" bash -c "! $compare -p 16 -n 4 -r 1 broken/llama-bench c.gguf 2>said && grep -q 'no such model' said && grep -q 'broken/llama-bench failed' said"
