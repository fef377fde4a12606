# shellcheck shell=bash
# bench/agree-peer beside programs that take and leave what llama-debug and llama-completion do. They compute with jeoul itself, so they agree;
# each of the others goes wrong in one way.

model=$root/bench/models/jeoul-student.gguf
agree=$root/bench/agree-peer
peer() { # DIRECTORY: its llama-debug spoils tokens and logits by the directory's name, its llama-completion the text
    mkdir -p "$1"
    cat >"$1/llama-debug" <<'END'
#!/bin/bash
[ "$1" != --version ] || { echo 'version: 0.1 (build 1, commit abcdef123)' >&2 && exit 0; }
set -eu
here=$(dirname "$0")
echo "$@" >"$here/debug_arguments"
while [ $# -gt 0 ]; do
    case $1 in
    -m) model=$2 ;;
    -p) prompt=$2 ;;
    --logits-output-dir) out=$2/llamacpp-$(basename "$model" .gguf) ;;
    esac
    shift
done
[ "${here##*/}" != fails ] || { echo 'no such model' >&2 && exit 1; }
[ "${here##*/}" != mute ] || exit 0
printf %s "$prompt" | "$JEOUL" tokenize -m "$model" | tr -s ' ' '\n' >"$here/tokens"
[ "${here##*/}" != tokens ] || sed -i 1d "$here/tokens"
"$JEOUL" logits -m "$model" --tokens "$here/tokens" --kv f32 -t 1 -o "$here/all"
size=$(($(wc -c <"$here/all") / $(wc -l <"$here/tokens")))
case ${here##*/} in
logits) head -c $size "$here/all" >"$out.bin" ;;                                          # of the first position
nan) { printf '\0\0\300\177' && tail -c $((size - 4)) "$here/all"; } >"$out.bin" ;;        # its first logit is NaN
short) tail -c $((size - 4)) "$here/all" >"$out.bin" ;;
*) tail -c $size "$here/all" >"$out.bin" ;;
esac
while read -r id; do
    # shellcheck disable=SC2059
    printf "$(printf '\\x%02x\\x%02x\\0\\0' $((id & 255)) $((id >> 8)))"
done <"$here/tokens" >"$out-tokens.bin"
END
    cat >"$1/llama-completion" <<'END'
#!/bin/bash
set -eu
here=$(dirname "$0")
echo "$@" >"$here/completion_arguments"
while [ $# -gt 0 ]; do
    case $1 in
    -m) model=$2 ;;
    -p) prompt=$2 ;;
    -n) count=$2 ;;
    esac
    shift
done
text=$("$JEOUL" generate -m "$model" -p "$prompt" -n "$count" --kv f32 -t 1 $([ "${here##*/}" != exact ] || echo --exact))
[ "${here##*/}" != text ] || text="${text%.}!"
[ "${here##*/}" != mumbles ] || { printf '%s' "$text" && exit 0; }
if [ "${here##*/}" = hasty ] && [ ! -e "$here/asked" ]; then
    touch "$here/asked"
    exit 0
fi
printf '%s [end of text]\n\n\n' "$text"
END
    chmod +x "$1"/llama-*
}
for name in llama tokens logits nan short text exact hasty mumbles fails mute alone; do
    peer "$name"
done
rm alone/llama-completion
cp "$model" second.gguf

check "agree-peer's table fits 80 columns" bash -c "
    $agree -t 1 -n 4 --json same.json llama/llama-debug $model >table && [ \$(LC_ALL=C.UTF-8 wc -L <table) -le 80 ]"
check "a peer that agrees: every prompt has its figures, in both languages" jq -e '
    .schema == "jeoul/agree/1" and .peer == "0.1 (build 1, commit abcdef123)" and .max_nmse == 0.01 and .disagreements == 0
    and ([.rows[].prompt | test("[가-힣]")] | sort == ([range(10) | . > 4]))
    and all(.rows[]; .agrees and .tokens_same and .text.same and .text.jeoul == .text.peer and .tokens > 1)' same.json
check "the reference is exact: what rounds alike is as far from it" jq -e 'all(.rows[]; .nmse == .nmse_of_rounding and .nmse > 1e-9 and .nmse < 1e-2)' same.json
check "agree-peer: two models" "$agree" -t 1 -p 'Seven plus two is' --json two.json -x '-nr -v' llama/llama-debug "$model" second.gguf
check "each has its row" jq -e '[.rows[] | [(.model | split("/")[-1]), .agrees]] == [["jeoul-student.gguf", true], ["second.gguf", true]]' two.json
check "the text is what jeoul generates" bash -c "[ \"\$($JEOUL generate -m $model -p 'Seven plus two is' -n 32 -t 1 --kv f32)\" = \"\$(jq -r '.rows[0].text.jeoul' two.json)\" ]"
check "flags reach llama-debug" grep -q -- '-nr -v$' llama/debug_arguments
check "flags reach llama-completion, whose text is greedy with the same cache" grep -q -- '-ctk f32 -ctv f32 .*-n 32 --temp 0 .*-nr -v$' llama/completion_arguments

differs() { # DIRECTORY WORDS FILTER: exit code 1, the words on stdout, the filter true of the JSON
    "$agree" -t 1 -p 'Seven plus two is' --json differs.json "$1/llama-debug" "$model" >said 2>errors
    [ $? -eq 1 ] && [ ! -s errors ] && grep -q "$2" said && jq -e ".disagreements == 1 and (.rows[0].agrees | not) and ($3)" differs.json
}
check "other logits are a disagreement" differs logits '1 comparisons, 1 beyond' '.rows[0] | .nmse > 0.01 and .tokens_same and .text.same'
check "a logit that is no number is one" differs nan none '.rows[0].nmse == null'
check "other tokens are one" differs tokens differ '.rows[0] | (.tokens_same | not) and .nmse < 0.01'
check "other text is one, and both are printed" differs text 'peer: .*!"$' '.rows[0] | .nmse < 0.01 and (.text | .verdict == "differs" and .shortfall > 4)'
check "-n 0 compares logits alone, without llama-completion" bash -c "
    $agree -t 1 -n 0 -p 'a %d \\n' --json logits.json alone/llama-debug $model && jq -e '.rows == [.rows[0] | select(.text == null and .agrees)]' logits.json"
check "a bound of its own" bash -c "! $agree -t 1 -n 0 -e 1e-9 -p Seven --json bound.json llama/llama-debug $model && jq -e '.disagreements == 1 and .max_nmse == 1e-9' bound.json"
check "an F32 copy agrees within 1e-9" bash -c "$JEOUL quantize $model f32.gguf --type f32 && $agree -t 1 -e 1e-9 -p 'Seven plus two is' llama/llama-debug f32.gguf"
# Two tokens are nearly as likely behind this prompt, and rounding may turn them round (which way, the instruction set decides).
check "a text that parts where rounding decides is a tie" bash -c "
    $agree -t 1 -p '할머니께서 방에서' --json tie.json exact/llama-debug $model && jq -e '.rows[0] | .text | .same or (.verdict == \"tie\" and .shortfall <= 4)' tie.json"

check "a text that breaks off is asked for again" bash -c "$agree -t 1 -n 4 -p 'The cow' hasty/llama-debug $model && [ -e hasty/asked ]"
refuse 1 'broke off' "$agree" -t 1 -n 1 -p 'The cow' mumbles/llama-debug "$model"

refuse 2 'nothing: no program of that name' "$agree" nothing "$model"
refuse 2 'llama-completion: no program of that name' "$agree" alone/llama-debug "$model"
refuse 2 'nothing.gguf: cannot be read' "$agree" llama/llama-debug "$model" nothing.gguf
refuse 2 'whole number' "$agree" -n x llama/llama-debug "$model"
refuse 2 'whole number' "$agree" -t 0 llama/llama-debug "$model"
refuse 2 'a number such as' "$agree" -e little llama/llama-debug "$model"
refuse 2 'empty prompt' "$agree" -p '' llama/llama-debug "$model"
refuse 2 'no option -q' "$agree" -q llama/llama-debug "$model"
refuse 1 'left no logits' "$agree" mute/llama-debug "$model"
refuse 1 'logits here' "$agree" short/llama-debug "$model"
check "agree-peer without a model shows its use" bash -c "$agree llama/llama-debug 2>said; [ \$? -eq 2 ] && grep -q '^usage: bench/agree-peer' said"
check "a peer that fails is named with what it said" bash -c "! $agree fails/llama-debug $model 2>said && grep -q 'no such model' said && grep -q 'fails/llama-debug failed' said"
