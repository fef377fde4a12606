# shellcheck shell=bash
# eval through an endpoint: a server on loopback whose answers our own engine makes, so that scores must be equal to the last bit.

COMPLETIONS=${COMPLETIONS:-$root/build/release/tests/completions}
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY JEOUL_API_KEY JEOUL_API_KEY_FILE
"$JEOUL" synth --shape tiny --quant q8_0 -o served.gguf 2>/dev/null
mkfifo endpoint-stdin
coproc ANSWERER { exec "$COMPLETIONS" served.gguf <endpoint-stdin; }
exec 8>endpoint-stdin # the server ends with this
answerer=$ANSWERER_PID
read -r port <&"${ANSWERER[0]}"
base=http://127.0.0.1:$port

mkdir -p ends/lambada_openai ends/wikitext2_raw ends/mmlu/test ends/mmlu/dev
printf '{"text": "He put the apple on the scales and read the weight"}\n{"text": "저울 위에 사과를 올려 놓았다"}\n' >ends/lambada_openai/lambada_test.jsonl
printf ' = Scales = \n \n A balance weighs what lies on it against what is known , and a spring tells by how far it gives way . \n\n = 저울 = \n \n 무게를 잰다 . \n' >ends/wikitext2_raw/wiki.test.raw
printf 'question,choice0,choice1,choice2,choice3,answer\nWhat weighs?,scales,rulers,clocks,maps,0\nWhat tells time?,scales,rulers,clocks,maps,2\n' \
    >ends/mmlu/test/anatomy_test.csv
tasks=builtin_ko_particles,lambada_openai,wikitext,mmlu_anatomy,mmlu_anatomy_generative
ours() { "$JEOUL" eval -m served.gguf --data ends --limit 8 "$@"; }
theirs() { local kind=$1; shift; "$JEOUL" eval --endpoint "$base/$kind/v1" --data ends --limit 8 "$@"; }
row() { jq -e ".results[] | select(.task == \"$1\") | $2"; }

check "eval by the engine, to compare with" bash -c "$(declare -f ours); ours --tasks $tasks --samples engine.jsonl --json >engine.json"
check "through an endpoint by token ids" bash -c "base=$base; $(declare -f theirs); theirs plain --tokenizer served.gguf --tasks $tasks --samples ids.jsonl --json >ids.json"
check "every item is equal to the last bit" cmp engine.jsonl ids.jsonl
check "and so are scores, groups and fertility" cmp <(jq -S '[.results[] | del(.seconds, .computed_tokens, .computed_tokens_reason, .prompt_tokens, .distinct_tokens, .distinct_tokens_reason)], .groups, .fertility' engine.json) \
    <(jq -S '[.results[] | del(.seconds, .computed_tokens, .computed_tokens_reason, .prompt_tokens, .distinct_tokens, .distinct_tokens_reason)], .groups, .fertility' ids.json)
check "what a server can't tell is null with a reason" jq -e '.expert_load == null and (.expert_load_reason | length > 0) and (.results | all(.computed_tokens == null and (.computed_tokens_reason | length > 0) and .distinct_tokens == null and (.distinct_tokens_reason | length > 0)))' ids.json
check "the record says how it was asked" jq -e '.model == "small" and .endpoint.asked_by == "token ids" and .endpoint.scores_texts' ids.json
check "through an endpoint by texts" bash -c "base=$base; $(declare -f theirs); theirs plain --tasks $tasks --samples texts.jsonl --json >texts.json"
check "by texts, items are equal to the last bit, too" cmp <(grep -v '"task":"wikitext"' engine.jsonl) texts.jsonl
check "rolling windows are left out, and why" bash -c "$(declare -f row); row wikitext '.scores == null and (.scores_reason | test(\"--tokenizer\"))' <texts.json"
check "fertility isn't guessed" bash -c "$(declare -f row); row mmlu_anatomy '.tokens == null and .tokens_per_1000_characters == null and (.tokens_reason | length > 0)' <texts.json"
check "nor by language" jq -e '.fertility | length == 2 and all(.tokens == null and .tokens_per_word == null and (.tokens_reason | test("tokenizer")))' texts.json
check "the table says that tokens are unknown" bash -c "base=$base; $(declare -f theirs); theirs plain --tasks builtin_ko_particles --limit 1 | grep -q '^ko  *unknown: .*tokenizer'"

check "a server without echo answers generation alone" bash -c "base=$base; $(declare -f theirs); theirs refuses-echo --tasks $tasks --json >written.json"
check "and each task that is left out says why" jq -e '[.results[] | select(.scores == null)] | length == 4 and all(.scores_reason | test("Only no echo is supported"))' written.json
check "what it wrote has the scores of the engine" bash -c "$(declare -f row); cmp <(row mmlu_anatomy_generative .scores <engine.json) <(row mmlu_anatomy_generative .scores <written.json)"
check "groups have what was scored alone" jq -e '[.groups[].group] == ["mmlu_stem_generative", "mmlu_generative"]' written.json
check "the table says what was left out" bash -c "base=$base; $(declare -f theirs); theirs refuses-echo --tasks mmlu_anatomy | grep -q 'left out: .*Only no echo'"
check "by chat" bash -c "base=$base; $(declare -f theirs row); theirs chat-only --chat --tasks mmlu_anatomy_generative --json | jq -e '.endpoint.generation == \"chat/completions\" and .results[0].scores[\"exact_match,get_response\"].n == 2'"

check "what is cut for a server leaves room for the last token and for one that is written" bash -c "base=$base; $(declare -f ours theirs); theirs narrow --tokenizer served.gguf --tasks lambada_openai,wikitext --samples narrow.jsonl && ours --max-length 46 --tasks lambada_openai,wikitext --samples cut.jsonl && cmp narrow.jsonl cut.jsonl && ! cmp -s cut.jsonl <(grep -e lambada -e wikitext engine.jsonl)"
check "a server whose log-probabilities are one token late answers generation alone" bash -c "base=$base; $(declare -f theirs row); theirs llama-cpp-python --tasks $tasks --json >late.json && jq -e '[.results[] | select(.scores == null)] | length == 4 and all(.scores_reason | test(\"one token late\"))' late.json && cmp <(row mmlu_anatomy_generative .scores <engine.json) <(row mmlu_anatomy_generative .scores <late.json)"

for kind in busy@10 broken@10 cut@10 garbage@10; do
    # Retry-After is 7 s: once is enough
    few=$([ "$kind" = busy@10 ] && echo 1 || echo 4)
    check "trouble that passes ($kind) changes nothing" bash -c "base=$base; $(declare -f theirs); theirs $kind --tokenizer served.gguf --tasks builtin_ko_particles --limit $few --samples t.jsonl && cmp t.jsonl <(grep particles engine.jsonl | head -$few)"
done
check "a journal is gone on with" bash -c "base=$base; $(declare -f theirs); theirs plain --tokenizer served.gguf --tasks builtin_ko_particles --limit 5 --resume e.jsonl && theirs plain --tokenizer served.gguf --tasks builtin_ko_particles --resume e.jsonl --samples r.jsonl --json | jq -e '.results[0].resumed_items == 5' && cmp r.jsonl <(grep particles engine.jsonl)"
refuse 2 'another model, data or options' theirs plain --tasks builtin_ko_particles --resume e.jsonl --json
refuse 2 'task builtin_ko_particles: record 1: ' theirs counts@9 --tokenizer served.gguf --tasks builtin_ko_particles --parallel 1 --json
refuse 2 'web page (HTML)' theirs html --tasks builtin_ko_particles --json
refuse 2 'it wants a key in the environment variable JEOUL_API_KEY' theirs key --tasks builtin_ko_particles --json
check "a key from the environment" env JEOUL_API_KEY=sesame "$JEOUL" eval --endpoint "$base/key/v1" --tasks builtin_ko_particles --limit 1 --json
cp .stdout keyed.json
printf 'sesame\n' >key-file
check "a key from a file" env JEOUL_API_KEY_FILE=key-file "$JEOUL" eval --endpoint "$base/key/v1" --tasks builtin_ko_particles --limit 1 --resume keyed.jsonl --json
check "a key is nowhere in what is written" bash -c '! grep -q sesame keyed.json keyed.jsonl .stdout .stderr'
refuse 2 'JEOUL_API_KEY has a space' env JEOUL_API_KEY='sesame open' "$JEOUL" eval --endpoint "$base/key/v1" --tasks builtin_ko_particles
refuse 2 'one of them is wanted' "$JEOUL" eval -m served.gguf --endpoint "$base/plain/v1" --tasks builtin_ko_particles
refuse 2 'http:// or https:// is wanted' "$JEOUL" eval --endpoint localhost:1 --tasks builtin_ko_particles
refuse 2 'name one in --endpoint-model' theirs two --tasks builtin_ko_particles
check "a model that is named" bash -c "base=$base; $(declare -f theirs); theirs two --endpoint-model large --tasks builtin_ko_particles --limit 1 --json | jq -e '.model == \"large\"'"
refuse 2 'is not its own' theirs plain --tokenizer "$goldens/olmoe_q8_0/model.gguf" --tasks builtin_ko_particles --json
refuse 2 'cannot be opened' theirs plain --tokenizer nothing.gguf --tasks builtin_ko_particles --json

# a plan whose models are servers, beside the same one here
cat >served.json <<JSON
{"schema": "jeoul/plan/1", "name": "served", "limits": false,
 "models": [{"id": "here", "file": "served.gguf"}, {"id": "ids", "endpoint": {"url": "$base/plain/v1", "tokenizer": "served.gguf"}},
            {"id": "texts", "endpoint": {"url": "$base/plain/v1", "parallel": 2}}, {"id": "written", "endpoint": {"url": "$base/refuses-echo/v1"}},
            {"id": "keyed", "endpoint": {"url": "$base/key/v1"}}, {"id": "page", "endpoint": {"url": "$base/html/v1"}}],
 "bench": [{"prompt": 4, "generate": 1, "threads": 1}],
 "eval": [{"tasks": ["builtin_ko_particles", "mmlu_anatomy_generative"], "data": "ends", "limit": 4}],
 "compare": [{"what": "experts", "model": "ids", "against": "here"}]}
JSON
JEOUL_API_KEY=sesame "$JEOUL" run served.json --out served >served.out 2>served.err
check "a server that fails makes exit code 1" test $? -eq 1
check "the cells of the server that fails say why, the others are there" jq -e '[.cells[] | select(.state == "failed") | [.model, (.reason | test("web page"))]] == [["page", true], ["page", true]] and ([.cells[] | select(.state == "ok")] | length) == 15' served/run.json
check "a server's scores are those of the engine, item by item" jq -e '[.measurements[] | select(.metric == "acc" and .value != null)] | map(.labels.right) | length == 4 and (unique | length == 1)' served/run.json
check "and so is what it writes" jq -e '[.measurements[] | select(.metric == "exact_match") | .value] | length == 5 and (unique | length == 1)' served/run.json
check "its tokens are known by ids, and null by texts" jq -e '[.measurements[] | select(.metric == "fertility" and .labels.task == "builtin_ko_particles") | [(.cell | split("/")[1]), .value != null, (.reason // "" | test("tokenizer is its own"))]] == [["here", true, false], ["ids", true, false], ["texts", false, true], ["keyed", false, true]]' served/run.json
check "what it can't do is null, with its words" jq -e '[.measurements[] | select(.metric == "acc" and .value == null) | [.cell, (.reason | test("Only no echo"))]] == [["eval/written/builtin_ko_particles", true]]' served/run.json
check "the record says where its models are" jq -e '[.models[] | .endpoint.asked_by] == [null, "token ids", "text", "text", "text"] and all(.models[1:][]; .name == "small")' served/run.json
check "only the model here is benched" jq -e '[.cells[] | select(.kind == "bench") | .model] | unique == ["here"]' served/run.json
check "figures guess nothing of what is missing" jq -e '(.accuracy | map(select(.language == "ko") | [.model, .fertility == null])) == [["here", false], ["ids", false], ["texts", true], ["keyed", true]] and
    (.left_out | length == 1) and (.weighed | map([.model, .active_bytes == null]) == [["ids", true], ["here", false]]) and (.pairs[0].rows[0].difference.value == 0)' served/figures.json
check "what models write is accuracy without a chance of guessing" jq -e '[.accuracy[] | select(.language == "en") | [.model, .n, .chance, (.chance_reason | length > 0)]] == (["here", "ids", "texts", "written", "keyed"] | map([., 2, null, true]))' served/figures.json
check "both pages say what was left out, and whose models they are" bash -c 'for l in ko en; do grep -q "eval/written/builtin_ko_particles</code>, acc: .*Only no echo" served/report.$l.html || exit 1; done
    grep -q "small, server http://127.0.0.1" served/report.en.html && ! grep -qw nan served/report.*.html'
check "a key is nowhere in a run" bash -c '! grep -rq sesame served served.out served.err'
# errors name the plan's keys, where the command line's name options
cat >keys.json <<JSON
{"schema": "jeoul/plan/1", "name": "keys", "limits": false,
 "models": [{"id": "two", "endpoint": {"url": "$base/two/v1"}}, {"id": "foreign", "endpoint": {"url": "$base/plain/v1", "tokenizer": "$goldens/olmoe_q8_0/model.gguf"}},
            {"id": "away", "endpoint": {"url": "$base/elsewhere/v1"}}, {"id": "none", "endpoint": {"url": "$base/plain/v1", "tokenizer": "nothing.gguf"}},
            {"id": "texts", "endpoint": {"url": "$base/plain/v1"}}, {"id": "bare", "endpoint": {"url": "$base/no-offsets/v1"}}],
 "eval": [{"tasks": ["wikitext"], "data": "ends"}, {"models": ["bare"], "tasks": ["builtin_ko_particles"]}]}
JSON
"$JEOUL" run keys.json --out keys >keys.out 2>keys.err
check "errors of a plan's servers name its keys" jq -e '[.cells[] | select(.state == "failed") | . as $c | [.model, (.reason | test({"two": "name one in models\\[0\\].endpoint.model$", "foreign": "models\\[1\\].endpoint.tokenizer is not its own",
    "away": "name it in models\\[2\\].endpoint.url$", "none": "^models\\[3\\].endpoint.tokenizer: .*cannot be opened"}[$c.model]))]] == [["two", true], ["foreign", true], ["away", true], ["none", true]]' keys/run.json
check "and so do reasons for what is left out" jq -e '[.measurements[] | select(.value == null and (.labels.task == "wikitext" or .metric == "acc")) | [(.cell | split("/")[1]), .reason]] | length > 1 and all(.[1] | test("in models\\[[45]\\].endpoint.tokenizer"))' keys/run.json
check "no option of the command line is named" bash -c '! grep -q -- "--[a-z]*tokenizer\|--endpoint" keys/run.json keys.out keys.err'
refuse 2 '--tokenizer: nothing.gguf' theirs plain --tokenizer nothing.gguf --tasks builtin_ko_particles --json
# a plan that loads servers
cat >load.json <<JSON
{"schema": "jeoul/plan/1", "name": "load", "limits": false,
 "models": [{"id": "counts", "endpoint": {"url": "$base/plain/v1"}}, {"id": "silent", "endpoint": {"url": "$base/no-usage/v1", "chat": true}},
            {"id": "mute", "endpoint": {"url": "$base/says-nothing/v1"}}, {"id": "still", "endpoint": {"url": "$base/never-streams/v1"}}, {"id": "here", "file": "served.gguf"}],
 "load": [{"models": ["counts"], "prompt": 4, "generate": 2, "concurrency": 3, "requests": 64}, {"models": ["silent"], "prompt": 4, "generate": 3, "concurrency": [1, 2], "requests": 2}, {"models": ["mute", "still"], "prompt": 4, "generate": 3, "requests": 2}]}
JSON
"$JEOUL" run load.json --out load >load.out 2>load.err
check "a server that doesn't stream fails in its own cells" jq -e '[.cells[] | select(.state == "failed") | .model == "still" and (.reason | test("nothing was streamed"))] | length == 5 and all' load/run.json
check "repeats of a load are interleaved, and each is a cell" jq -e '[.cells[].id][:4] == ["load/counts/w4-n2-c3-q64/r1", "load/silent/w4-n3-c1-q2/r1", "load/silent/w4-n3-c2-q2/r1", "load/mute/w4-n3-c1-q2/r1"] and (.cells | length == 25)' load/run.json
check "tokens and times of a load are measured" jq -e '[.measurements[] | select(.cell == "load/counts/w4-n2-c3-q64/r1")] | length == 9 and all(.value > 0 or (.metric == "served_tpot" and (.reason | length > 0))) and (map(select(.metric == "served_output") | .labels.tokens) | .[0] >= 64 and .[0] <= 128)' load/run.json
check "what isn't told or is too little is null with a reason" jq -e '[.measurements[] | select(.cell == "load/silent/w4-n3-c1-q2/r1" and .value == null) | [.metric, .labels.statistic, (.reason | length > 0)]] == [["served_input", null, true], ["served_output", null, true], ["served_ttft", "p90", true], ["served_e2el", "p90", true], ["served_tpot", "median", true], ["served_tpot", "p90", true]]' load/run.json
check "a load in which nothing is written has no figure, and reasons" jq -e '[.measurements[] | select(.cell == "load/mute/w4-n3-c1-q2/r1")] | length == 9 and all(.value == null and (.reason | length > 0))' load/run.json
check "figures have a row for each load, with intervals over its repeats" jq -e '[.served[] | [.model, .concurrency, .repeats, (.output_tok_per_s | type), (.ttft_p90_ns | type)]] == [["counts", 3, 5, "object", "object"], ["silent", 1, 5, "null", "null"], ["silent", 2, 5, "null", "null"], ["mute", 1, 5, "null", "null"]] and
    all(.served[:3][]; .ttft_ns.low <= .ttft_ns.value and .ttft_ns.value <= .ttft_ns.high and .ttft_ns.value <= .e2el_ns.value)' load/figures.json
check "both pages have the loads, and why a figure is missing" bash -c "grep -q '4.1. Servers under load' load/report.en.html && grep -q 'how many tokens that were' load/report.en.html &&
    grep -q '4.1. 서버 부하' load/report.ko.html && grep -q '서버가 토큰 수를 알려 주지 않음' load/report.ko.html && ! grep -q 'how many tokens' load/report.ko.html && ! grep -qw nan load/report.*.html"
bad_served() { # WORDS ENDPOINT MORE
    printf '{"schema": "jeoul/plan/1", "models": [{"id": "s", "endpoint": %s}]%s}' "$2" "$3" >bad.json
    refuse 2 "$1" "$JEOUL" run bad.json --out bad
}
bad_served 'models[0].endpoint.url: an address' '{"url": "http://me:sesame@host/v1"}' ''
bad_served 'models[0].endpoint.url: an address' '{"url": "host:8000"}' ''
bad_served 'did you mean "model"?' '{"url": "http://host", "modell": "x"}' ''
bad_served 'bench[0].models: "s" is an endpoint' '{"url": "http://host"}' ', "bench": [{"models": ["s"]}]'
bad_served 'load[0].repeats: 3 is outside' '{"url": "http://host"}' ', "load": [{"repeats": 3}]'
printf '{"schema": "jeoul/plan/1", "models": [{"id": "t", "synth": {}}], "load": [{"models": ["t"]}]}' >bad.json
refuse 2 'load[0].models: "t" is no endpoint' "$JEOUL" run bad.json --out bad
bad_served "threads and backend are its server's" '{"url": "http://host"}' ', "eval": [{"tasks": ["x"], "threads": 2}]'

exec 8>&- # the server ends
wait "$answerer" 2>/dev/null || true
