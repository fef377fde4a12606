# shellcheck shell=bash
# Plans: a run from beginning to end, killed in the middle, and bad plans.

cat >plan.json <<'JSON'
{"schema": "jeoul/plan/1", "name": "small", "limits": false,
 "models": [{"id": "t", "synth": {"shape": "tiny", "quant": "q8_0"}}, {"id": "missing", "file": "nothing.gguf"}],
 "bench": [{"models": ["t"], "prompt": 32, "generate": 4, "batch": [1, 2], "threads": 1}, {"models": ["missing"], "prompt": 8, "generate": 1}],
 "eval": [{"models": ["t"], "tasks": ["builtin_ko_particles", "builtin_en_articles"]}],
 "price": {"book": "default", "system": "cloud-vm-2vcpu"}}
JSON
"$JEOUL" run plan.json --out out >run.txt 2>run.err
check "a failed cell makes exit code 1" test $? -eq 1
check "the failed cells are named with their reason" grep -q 'nothing.gguf: cannot be opened' run.err
check "the rest of the run is there" bash -c "jq -e '([.cells[] | select(.state == \"ok\")] | length == 12) and .state == \"partial\"' out/run.json"
check "every measurement is a value or null with a reason" bash -c "jq -e '.measurements | all(.value != null or (.reason | length > 0))' out/run.json"
check "no figure is made from failed cells" bash -c "jq -e '(.throughput | all(.model == \"t\")) and (.failed | length == 5)' out/figures.json"
for language in ko en; do
    check "the $language page needs no script and no network" bash -c "! grep -qiE '<script|src=|href=\"http' out/report.$language.html"
    check "the $language page has its charts" bash -c "test \$(grep -c '<svg role' out/report.$language.html) -eq 4"
done
check "expert load is in the cells, the figures and both pages" bash -c "jq -e '[.cells[] | select(.kind == \"eval\" and .state == \"ok\").expert_load | .experts == 16] == [true, true]' out/run.json &&
    jq -e '.expert_load | length == 1 and (.[0].languages | map(.language) == [\"ko\", \"en\"]) and (.[0].layers | length == 4 and all(.bits > .p95_bits))' out/figures.json &&
    grep -q 'JS divergence (bits)' out/report.en.html && grep -q 'JS 발산 (비트)' out/report.ko.html"
check "fertility is by character, word and byte" bash -c "jq -e '.accuracy | length == 2 and all((.fertility - 1000 * .tokens / .characters | fabs) < 1e-9 and (.fertility_words - .tokens / .words | fabs) < 1e-9 and (.fertility_bytes - .tokens / .bytes | fabs) < 1e-9)' out/figures.json"
check "imbalance and entropy are measurements of each language" bash -c "jq -e '[.measurements[] | select(.metric == \"routing_entropy\" or .metric == \"expert_imbalance\")] | length == 4 and all(.value > 0 and (.labels.language | length == 2))' out/run.json"
check "the Korean page says what it is" grep -q '무작위 가중치' out/report.ko.html
check "the report can be made again, byte for byte" bash -c "$JEOUL report latest --store out/jeoul.db --out again && cmp out/report.ko.html again/report.ko.html && cmp out/report.en.html again/report.en.html"
check "results export gives the run document" bash -c "$JEOUL results export latest --store out/jeoul.db | jq -e '.schema == \"jeoul/run/1\"'"

check "without pairs of models there is no section on them" bash -c "! grep -q '6\.1\.' out/report.en.html && jq -e '.pairs == []' out/figures.json"

# models that come with jeoul, as they lie and in another type, and what pairs of them differ by
cat >pairs.json <<'JSON'
{"schema": "jeoul/plan/1", "name": "pairs", "limits": false,
 "models": [{"id": "s", "builtin": "jeoul-student"}, {"id": "p", "builtin": "jeoul-student-plain"}, {"id": "s4", "builtin": "jeoul-student", "quant": "q4_0"}],
 "bench": [{"models": ["s", "p"], "prompt": 16, "generate": 2, "threads": 1}],
 "eval": [{"models": ["s", "p"], "tasks": ["builtin_en_arithmetic", "confirm_en_arithmetic"], "threads": 1}, {"models": ["s4"], "tasks": ["builtin_ko_spacing"], "threads": 1}],
 "compare": [{"what": "distillation", "model": "s", "against": "p"}, {"what": "experts", "model": "s4", "against": "p"}],
 "price": {"book": "default", "system": "cloud-vm-2vcpu"}}
JSON
check "a run of models that come with jeoul" env XDG_CACHE_HOME="$PWD/cache" "$JEOUL" run pairs.json --out pairs
check "another type is made once, beside the synthetic models" bash -c "ls cache/jeoul/models/jeoul-student-q4_0-*.gguf | wc -l | grep -qx 1 && jq -e '[.models[] | .quantisation] == [\"Q8_0\", \"Q8_0\", \"Q4_0\"]' pairs/run.json"
check "the run says which items are right" bash -c "jq -e '[.measurements[] | select(.metric == \"acc\")] | length == 5 and all((.labels.right | length) == .labels.n and ([.labels.right | scan(\"1\")] | length) == .labels.correct)' pairs/run.json"
check "why there is no cost is said in the language of the page" bash -c "grep -q '속도를 재지 않음' pairs/report.ko.html && grep -q 'the speed was not measured' pairs/report.en.html && ! grep -q 'the speed was not measured' pairs/report.ko.html"
check "a model without experts is called dense" bash -c "grep -q 'qwen3, Q8_0, dense' pairs/report.en.html && grep -q 'qwen3, Q8_0, 전문가 없음' pairs/report.ko.html"
check "distillation is weighed item by item, by set and over all" bash -c "jq -e '.pairs[0] | .reason == null and [.rows[] | [.set, .n]] == [[\"builtin\", 40], [\"confirm\", 28], [null, 68]] and all(.rows[]; .difference.low > 0 and .only_model_right > .only_against_right and .mcnemar_p < 0.01)' pairs/figures.json"
check "models that answered nothing in common have a reason" bash -c "jq -e '.pairs[1] | .rows == [] and (.reason | length > 0)' pairs/figures.json"
check "a correct answer has its price, or a reason" bash -c "jq -e '[.cost[] | select(.kind == \"correct_answers\")] | (.[0].krw | .low < .value and .value < .high and .low > 0) and .[2].krw == null and (.[2].reason | length > 0)' pairs/figures.json"
check "the pages tell it" bash -c "grep -q '6.1. MoE and distillation' pairs/report.en.html && grep -q '<b>shown to be higher</b>' pairs/report.en.html && grep -q '6.1. 전문가 혼합(MoE)과 증류' pairs/report.ko.html && grep -q '<b>더 높음이 확인됨</b>' pairs/report.ko.html && test \$(grep -c '<svg role' pairs/report.ko.html) -eq 5"
jq '(.measurements[] | select(.metric == "acc").labels.right) |= sub("1"; "x")' pairs/run.json >bad-run.json
check "a document whose answers are no ones and zeros is kept" "$JEOUL" results import bad-run.json --store right.db
refuse 2 'are no text of 0 and 1' "$JEOUL" report latest --store right.db --out right
check "a run's scores are those of jeoul eval" bash -c "$JEOUL eval -m $root/bench/models/jeoul-student.gguf --tasks builtin_en_arithmetic,confirm_en_arithmetic --json |
    jq -e --slurpfile run pairs/run.json '[.results[].scores.acc.value] == [\$run[0].measurements[] | select(.metric == \"acc\" and (.cell | startswith(\"eval/s/\"))).value]'"
mkdir -p installed/bin installed/share
cp "$JEOUL" installed/bin/jeoul
ln -s "$root" installed/share/jeoul
jq '.eval = [] | .compare = [] | .models |= [.[0], .[2]] | .bench[0].models = ["s", "s4"]' pairs.json >installed.json
check "an installed program finds the models in its share directory" env -u JEOUL_DATA installed/bin/jeoul run installed.json --out installed/out
check "the plan that comes with jeoul is one of its own models" bash -c "jq -e 'all(.models[]; .builtin) and (.compare | length == 4)' $root/plans/demo.json"

# a run brought in from another machine
"$JEOUL" results export latest --store out/jeoul.db >exported.json
check "results import takes what export gave" "$JEOUL" results import exported.json --store other.db
check "the imported run is the same document" bash -c "cmp <(jq -S . exported.json) <($JEOUL results export latest --store other.db | jq -S .)"
refuse 2 'already' "$JEOUL" results import exported.json --store other.db
check "of two runs of one second the one stored later is the latest" bash -c "
    for id in 20300101T000000Z-ffffff 20300101T000000Z-000000; do jq --arg id \$id '.run_id = \$id' exported.json >second.json && $JEOUL results import second.json --store other.db || exit 1; done
    $JEOUL results export latest --store other.db | jq -e '.run_id == \"20300101T000000Z-000000\"' &&
    $JEOUL results list --store other.db --json | jq -e '[.[].run_id][-2:] == [\"20300101T000000Z-ffffff\", \"20300101T000000Z-000000\"]'"
jq 'del(.measurements[0].reason) | .measurements[0].value = null' exported.json >bad-run.json
refuse 2 'measurements[0].reason' "$JEOUL" results import bad-run.json --store empty.db
jq '.measurements[2].value = "fast"' exported.json >bad-run.json
refuse 2 'measurements[2].value' "$JEOUL" results import bad-run.json --store empty.db
jq '(.cells[] | select(.kind == "eval").expert_load.languages[0].layers[0].tokens) |= .[1:]' exported.json >bad-run.json
check "a document is imported without its expert load being added up" "$JEOUL" results import bad-run.json --store load.db
refuse 2 'has 15 numbers, the model has 16 experts' "$JEOUL" report latest --store load.db --out load
jq '.schema = "jeoul/run/9"' exported.json >bad-run.json
refuse 2 'reads jeoul/run/1' "$JEOUL" results import bad-run.json --store empty.db
check "a refused run leaves nothing" bash -c "$JEOUL results list --store empty.db --json | jq -e 'length == 0'"

# SIGKILL in the middle: what is done stays, and is not done again
sed 's/"missing", "file": "nothing.gguf"/"u", "synth": {"shape": "tiny", "quant": "q4_0"}/; s/"missing"/"u"/' plan.json >long.json
"$JEOUL" run long.json --out killed >/dev/null 2>&1 &
pid=$!
for _ in $(seq 200); do
    n=$(sqlite3 killed/jeoul.db 'SELECT count(*) FROM cells' 2>/dev/null || echo 0)
    [ "${n:-0}" -ge 4 ] && break
    sleep 0.05
done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
before=$(sqlite3 killed/jeoul.db "SELECT group_concat(id || json_extract(document, '\$.started'), ' ') FROM (SELECT * FROM cells ORDER BY rowid LIMIT 4)")
check "a killed run goes on" "$JEOUL" run long.json --out killed
after=$(sqlite3 killed/jeoul.db "SELECT group_concat(id || json_extract(document, '\$.started'), ' ') FROM (SELECT * FROM cells ORDER BY rowid LIMIT 4)")
check "finished cells are not repeated" test "$before" = "$after"
check "it is one run" test "$(sqlite3 killed/jeoul.db 'SELECT count(*) FROM runs')" -eq 1

# bad plans, stores and places
bad_plan() {
    printf '%s' "$2" >bad.json
    refuse 2 "$1" "$JEOUL" run bad.json --out bad
}
bad_plan 'did you mean "models"?' '{"schema": "jeoul/plan/1", "model": []}'
bad_plan 'a "file", a "builtin", a "synth" or an "endpoint"' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "file": "x", "builtin": "jeoul-moe"}]}'
bad_plan 'is for a "builtin" model' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "file": "x", "quant": "q4_0"}]}'
bad_plan 'is not the name of a model' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "builtin": "../x"}]}'
bad_plan 'bench/models/jeoul-none.gguf is not found' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "builtin": "jeoul-none"}]}'
bad_plan 'no quantisation "q9"' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "builtin": "jeoul-student", "quant": "q9"}]}'
bad_plan 'compare[0].against: there is no model "b"' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "file": "x"}], "compare": [{"what": "experts", "model": "a", "against": "b"}]}'
bad_plan 'compare[0].against: a model cannot be compared with itself' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "file": "x"}], "compare": [{"what": "experts", "model": "a", "against": "a"}]}'
bad_plan 'neither "experts" nor "distillation"' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "file": "x"}, {"id": "b", "file": "y"}], "compare": [{"what": "size", "model": "a", "against": "b"}]}'
bad_plan 'models[0]: a model is either' '{"schema": "jeoul/plan/1", "models": [{"id": "a"}]}'
bad_plan 'bench[0].repeats: 3 is outside' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "file": "x"}], "bench": [{"repeats": 3}]}'
bad_plan 'line 1: not valid JSON' '{"schema": '
bad_plan 'there is no model "b"' '{"schema": "jeoul/plan/1", "models": [{"id": "a", "file": "x"}], "bench": [{"models": ["b"]}]}'
refuse 2 'is a file, a directory is wanted' "$JEOUL" run plan.json --out plan.json
sqlite3 newer.db 'PRAGMA user_version = 99'
refuse 2 'schema 99' "$JEOUL" results list --store newer.db
sqlite3 foreign.db 'CREATE TABLE t (x)'
refuse 2 'something else' "$JEOUL" results list --store foreign.db
printf 'not a database, but long enough to be looked at by SQLite as one of its own files' >text.db
refuse 2 'store cannot be used' "$JEOUL" results list --store text.db
refuse 2 'there is no run' "$JEOUL" results export 1999 --store out/jeoul.db
