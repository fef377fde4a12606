# shellcheck shell=bash
# Fetching through the real program: a mirror that is served on loopback, models by URL and by repository, offline, and manners.

SERVE=${SERVE:-$root/build/release/tests/serve}
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY HF_TOKEN HF_ENDPOINT JEOUL_MIRROR
hub=$work/fetch-served # what the server has
mkdir -p "$hub/mirror/data/set" "$hub/api/models/own/repo/tree" "$hub/own/repo/resolve/main" sources-only/datasets/sources
mkfifo fetch-stdin
coproc SERVER { exec "$SERVE" "$hub" <fetch-stdin; }
exec 9>fetch-stdin # the server ends with this
server=$SERVER_PID # bash forgets it when the server has ended
read -r port <&"${SERVER[0]}"
base=http://127.0.0.1:$port

printf '{"a": "x"}\n' >"$hub/mirror/data/set/dev.jsonl"
sum=$(sha256sum "$hub/mirror/data/set/dev.jsonl" | cut -d' ' -f1)
jq -n --arg base "$base" --arg sum "$sum" '{name: "set", licence: "CC-BY-ND-4.0", redistributable: false,
    files: [{path: "set/dev.jsonl", split: "dev", format: "jsonl", url: ($base + "/cut"), sha256: $sum, bytes: 11}]}' \
    >sources-only/datasets/sources/set.json
in_sources() { JEOUL_DATA=$PWD/sources-only "$@"; }

check "fetch --list lists what is shipped" bash -c "$JEOUL fetch --list | grep -Eq '^kobest +CC-BY-SA-4.0 .* 0/15'"
check "fetch --list --json is JSON" bash -c "$JEOUL fetch --list --json | jq -e '[.sets[] | select(.name == \"gsm8k\")][0].bytes_known == 4915944'"
refuse 2 'no set is named' "$JEOUL" fetch
refuse 2 'there is no set "hellaswga"; there are: arc, ' "$JEOUL" fetch hellaswga
refuse 2 'an address that begins with http' "$JEOUL" fetch arc --mirror ftp://x
refuse 2 '--offline' in_sources "$JEOUL" fetch set --offline
check "--offline made nothing" bash -c '! test -e "$XDG_CACHE_HOME/jeoul/data/set"'
refuse 2 'the server has 300000 bytes, 11 are wanted' in_sources "$JEOUL" fetch set
check "nothing of another file is kept" bash -c '! ls "$XDG_CACHE_HOME"/jeoul/data/set/dev.jsonl*'
check "fetch from a mirror, and the licence is printed" in_sources bash -c "$JEOUL fetch set --mirror $base/files/mirror | grep -q '^set: licence CC-BY-ND-4.0 (not to be passed on'"
check "the file is whole" cmp "$hub/mirror/data/set/dev.jsonl" "$XDG_CACHE_HOME/jeoul/data/set/dev.jsonl"
check "its licence is beside it" grep -q 'may not be passed on' "$XDG_CACHE_HOME/jeoul/data/set/LICENCE.txt"
check "then --offline is content" in_sources "$JEOUL" fetch set --offline
check "the mirror may be in the environment" env JEOUL_MIRROR="$base/files/mirror" JEOUL_DATA="$PWD/sources-only" "$JEOUL" fetch set

check "through a proxy, to a host that only it knows" in_sources env XDG_CACHE_HOME="$PWD/proxied" http_proxy="$base" "$JEOUL" fetch set --mirror http://sets.invalid/files/mirror
check "that came" cmp "$hub/mirror/data/set/dev.jsonl" proxied/jeoul/data/set/dev.jsonl
check "into a directory of one's own" in_sources bash -c "$JEOUL fetch set --mirror $base/files/mirror --data own-sets && cmp own-sets/set/dev.jsonl $hub/mirror/data/set/dev.jsonl && test -s own-sets/set/LICENCE.txt"
check "which is listed" in_sources bash -c "$JEOUL fetch --list --data own-sets --json | jq -e '.sets[0].cached == 1' && $JEOUL fetch set --data own-sets --offline"
jq '.files[0] |= (.url |= sub("/cut$"; "/until-closed") | .sha256 = null | .sha256_reason = "made here" | .bytes = null) | .name = "endless"' \
    sources-only/datasets/sources/set.json >sources-only/datasets/sources/endless.json
check "progress of what has no known size is told in bytes" in_sources bash -c "script -qec '$JEOUL fetch endless --data terminal' /dev/null </dev/null | tr '\r' '\n' | grep -Eq 'set/dev.jsonl [0-9.]+ kB'"

# eval reads what was fetched
mkdir -p sources-only/datasets/tasks sources-only/datasets/builtin "$hub/mirror/data/quiz"
printf '{"q": "1+1=", "right": 1}\n{"q": "저울은", "right": 0}\n' >"$hub/mirror/data/quiz/test.jsonl"
jq '.name = "quiz" | .files[0] |= (.path = "quiz/test.jsonl" | .split = "test" | .url = "http://127.0.0.1:1/x" | .sha256 = $sum | .bytes = $bytes)' \
    --arg sum "$(sha256sum "$hub/mirror/data/quiz/test.jsonl" | cut -d' ' -f1)" --argjson bytes "$(stat -c %s "$hub/mirror/data/quiz/test.jsonl")" \
    sources-only/datasets/sources/set.json >sources-only/datasets/sources/quiz.json
jq -n '{name: "quiz", language: "ko", version: "1", licence: "CC0-1.0", source: "here", summary_ko: "문제", summary_en: "questions",
    data: {source: "quiz", split: "test"}, context: "{q}", choices: ["0", "2"], gold: "{right}", metrics: ["acc"]}' >sources-only/datasets/tasks/quiz.json
"$JEOUL" synth --shape tiny --quant q8_0 -o fetched.gguf 2>/dev/null
quiz() { in_sources "$JEOUL" eval -m fetched.gguf --tasks quiz --json "$@"; }
refuse 2 "'jeoul fetch quiz' gets it" quiz
check "what eval misses is fetched" in_sources "$JEOUL" fetch quiz --mirror "$base/files/mirror"
check "and read from the cache, without --data" bash -c "$(declare -f in_sources quiz); JEOUL=$JEOUL; quiz | jq -e '.results[0].n == 2 and (.results[0].data_sha256 | length == 64) and .results[0].warning == null'"
refuse 2 "'jeoul fetch quiz' gets it" quiz --data own-sets
printf 'x' >>"$XDG_CACHE_HOME/jeoul/data/quiz/test.jsonl"
refuse 2 'it was changed after it was fetched' quiz
mkdir -p spoilt/quiz
printf '{"q": "1+1=", "right": 1}\n{"q": "저울은"}\n' >spoilt/quiz/test.jsonl
refuse 2 'spoilt/quiz/test.jsonl, record 2: the field "right" is missing' quiz --data spoilt
printf '{"q": "1+1=", "right": 1}\n{"q": "저울은", "right": null}\n' >spoilt/quiz/test.jsonl
refuse 2 'spoilt/quiz/test.jsonl, record 2:' quiz --data spoilt
printf '{"q": "1+1=", "right": ""}\n' >spoilt/quiz/test.jsonl
refuse 2 'spoilt/quiz/test.jsonl, record 1: has no gold label' quiz --data spoilt
printf '{"q": "1+1=", "right": 1}\n{"q": "저울은", "right": 7}\n' >spoilt/quiz/test.jsonl
check "an answer that is none of the choices is said, and counts as wrong" bash -c "$(declare -f in_sources quiz); JEOUL=$JEOUL; quiz --data spoilt 2>said | jq -e '.results[0].warning | test(\"record 2: its answer is none of its choices\")' && grep -q 'spoilt/quiz/test.jsonl, record 2' said"

# a disk that is full: a limit on the size of files stands for it, and a small file system where one may be mounted
jq '.files[0] |= (.url |= sub("/cut$"; "/whole") | .sha256 = null | .sha256_reason = "made here" | .bytes = 300000) | .name = "full"' \
    sources-only/datasets/sources/set.json >sources-only/datasets/sources/full.json
refuse 1 'the disk is full at byte' in_sources bash -c "trap '' XFSZ; ulimit -f 64; $JEOUL fetch full --data full"
check "nothing is under its name" test ! -e full/set/dev.jsonl
check "what came is kept, and gone on with when there is room" in_sources bash -c "test -s full/set/dev.jsonl.part && $JEOUL fetch full --data full && test \$(stat -c %s full/set/dev.jsonl) = 300000"
mkdir small-disk
if mount -t tmpfs -o size=128k tmpfs small-disk 2>/dev/null; then
    refuse 1 'the disk is full' in_sources "$JEOUL" fetch full --data small-disk
    check "a full disk keeps no half of a file under its name" test ! -e small-disk/set/dev.jsonl
    umount small-disk
else
    skip "fetch onto a full disk" "none can be mounted here"
fi

printf 'GGUF1' >"$hub/own/repo/resolve/main/x-00001-of-00002.gguf"
printf 'GGUF2' >"$hub/own/repo/resolve/main/x-00002-of-00002.gguf"
printf '[{"path": "x-00001-of-00002.gguf"}, {"path": "x-00002-of-00002.gguf"}]' >"$hub/api/models/own/repo/tree/main.json"
mv "$hub/api/models/own/repo/tree/main.json" "$hub/api/models/own/repo/tree/main"
check "a split model by its repository, and its path is printed" bash -c "HF_ENDPOINT=$base/files $JEOUL fetch model own/repo |
    grep -qx '$XDG_CACHE_HOME/jeoul/models/own/repo/x-00001-of-00002.gguf'"
check "its second part is there" cmp "$hub/own/repo/resolve/main/x-00002-of-00002.gguf" "$XDG_CACHE_HOME/jeoul/models/own/repo/x-00002-of-00002.gguf"
refuse 2 'one is wanted' "$JEOUL" fetch model
refuse 2 '64 digits' "$JEOUL" fetch model own/repo --sha256 12
refuse 2 'is no model' "$JEOUL" fetch model own
refuse 2 'HF_TOKEN has a space' env HF_TOKEN='hf secret' "$JEOUL" fetch model own/repo
refuse 2 'the server answers 404' "$JEOUL" fetch model "$base/files/nothing.gguf?signature=secret"
check "no message shows what is signed, nor a token" bash -c "HF_TOKEN=hf_secret HF_ENDPOINT=$base/files $JEOUL fetch model own/other:x.gguf 2>&1 | grep 404 | grep -vq secret"

exec 9>&- # the server ends
wait "$server" 2>/dev/null || true
