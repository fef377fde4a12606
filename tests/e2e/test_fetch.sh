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
