# shellcheck shell=bash
# GPU drivers: what is missing is named; a stub, no devices and a lost device are told; kernels are found again. A mock stands for CUDA.

gpu=$goldens/qwen3moe_q8_0
driver() { # NAME FIELD: of jeoul system
    "$JEOUL" system --json | jq -r ".drivers[] | select(.driver == \"$1\") | .$2"
}
says() { # WORDS COMMAND…: on standard output
    local words=$1
    shift
    "$@" | grep -qF -- "$words"
}
if [ "$(driver cuda available)" = false ]; then
    check "a library that is not there is named" says "libcuda.so.1" driver cuda reason
    refuse 2 'libcuda.so.1' "$JEOUL" generate -m "$gpu/model.gguf" -p a --backend cuda
fi
if [ "$(driver hip available)" = false ]; then
    check "that of HIP too" says "libamdhip64.so" driver hip reason
fi
refuse 2 'nothing is measured: cuda, device 77' "$root/bench/gpu-selftest" --device 77 --quick
refuse 2 'cpu, cuda, hip and opencl are there' "$JEOUL" generate -m "$gpu/model.gguf" -p a --backend tpu
stub=$(find /usr/local/cuda*/lib64/stubs /usr/lib/*/stubs -name libcuda.so 2>/dev/null | head -1)
if [ -n "$stub" ]; then
    mkdir stub && cp "$stub" stub/libcuda.so.1
    check "the toolkit's real stub is told from a driver" bash -c 'LD_LIBRARY_PATH=$PWD/stub "$JEOUL" system --json | jq -e ".drivers[] | select(.driver == \"cuda\") | .available == false and (.reason | contains(\"34\") and contains(\"stub for linking\"))"'
else
    skip "the toolkit's real stub" "there is no CUDA toolkit here"
fi
real_nvrtc() { # only the driver is a mock; without NVRTC the reason names it
    mkdir -p driver && cp mock/libcuda.so.1 driver/
    MOCK_CUDA=ok LD_LIBRARY_PATH=$PWD/driver:${LD_LIBRARY_PATH:-} XDG_CACHE_HOME=$PWD/nvrtc ASAN_OPTIONS=detect_leaks=0 \
        "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" -o x.f32 --backend cuda 2>nvrtc.err || grep -q 'libnvrtc.so.13: ' nvrtc.err
}
mkdir mock
if gcc -shared -fPIC -w -o mock/libcuda.so.1 "$root/tests/mock/cuda.c"; then
    cp mock/libcuda.so.1 mock/libnvrtc.so.13
    mock() { # MODE COMMAND…
        local mode=$1
        shift
        MOCK_CUDA=$mode LD_LIBRARY_PATH=$PWD/mock "$@"
    }
    export -f mock
    export MOCK_CUDA_LOG=$PWD/mock.log
    check "the toolkit's stub is told from a driver" says 'stub' mock stub driver cuda reason
    refuse 2 "the toolkit's stub" mock stub "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" -o x.f32 --backend cuda
    check "a library that does not belong to the kernel's module is told" says 'of different versions' mock mismatch driver cuda reason
    check "a driver without devices is told" says 'no devices' mock none driver cuda reason
    refuse 2 'has no devices' mock none "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" -o x.f32 --backend cuda
    check "a driver that crashes is told, and the others are asked" bash -c 'mock crash "$JEOUL" system --json | jq -e "(.drivers | length == 3) and (.drivers[] | select(.driver == \"cuda\") | .available == false and (.reason | contains(\"signal 6\")))"'
    check "a device is listed" says 'Mock GPU' mock ok "$JEOUL" system
    refuse 2 'counted from 0' mock ok "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" -o x.f32 --backend cuda --device 3
    refuse 1 'CUDA_ERROR_ILLEGAL_ADDRESS' mock lost "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" -o x.f32 --backend cuda
    refuse 1 'writing to the device failed with 719, CUDA_ERROR_LAUNCH_FAILED' mock unwritten "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" -o x.f32 --backend cuda
    refuse 2 'are free: leave the experts' env MOCK_CUDA_FREE=200000 bash -c 'mock ok "$JEOUL" logits -m "$0/model.gguf" --tokens "$0/tokens.txt" -o x.f32 --backend cuda' "$gpu"
    check "a lost device leaves no file" bash -c '! test -e x.f32'
    check "a model runs on the mock, token by token" mock ok "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" --chunk 1 -o x.f32 --backend cuda
    kernels() { # MODEL TOKENS: how many the mock runs, token by token
        MOCK_CUDA_LOG=$PWD/kernels.log mock ok "$JEOUL" logits -m "$1" --tokens "$2" --chunk 1 -o x.f32 --backend cuda &&
            sed -n 's/^kernels //p' kernels.log
    }
    with_layers() { # LAYERS: kernels of twenty tokens of a made-up Qwen3-MoE
        printf '{"name": "t", "arch": "qwen3moe", "layers": %d, "embedding": 64, "heads": 4, "kv_heads": 2, "head_dim": 32, "experts": 8, "top_k": 2,
                 "expert_width": 64, "vocabulary": 320, "context": 128}' "$1" >shape.json
        "$JEOUL" synth --shape shape.json --quant q8_0 -o counted.gguf >made 2>&1 && seq 1 20 >counted.txt && kernels counted.gguf counted.txt
    }
    check "another layer of Qwen3-MoE is eight launches more a token" bash -c '[ $(($2 - $1)) -eq $((20 * 8)) ]' _ "$(with_layers 2)" "$(with_layers 3)"
    oss=$goldens/gptoss_mxfp4 # three layers with biases and sinks; four launches for the logits
    check "a token of gpt-oss is eight launches a layer" bash -c '[ "$1" -eq $((40 * (3 * 8 + 4))) ]' _ "$(kernels "$oss/model.gguf" "$oss/tokens.txt")"
    flash() { # OPTIONS…: launches of attention on matrix units, of a prompt in two steps
        MOCK_CUDA_LOG=$PWD/flash.log mock ok "$JEOUL" logits -m counted.gguf --tokens counted.txt --chunk 10 -o x.f32 --backend cuda "$@" &&
            sed -n 's/^flash //p' flash.log
    }
    check "a prompt's attention is on matrix units" [ "$(flash --kv bf16)" -eq 6 ]
    check "floats are not" [ "$(flash --kv bf16 --exact)$(flash --kv f32)" = 00 ]
    check "steps of decoding are launched as graphs" bash -c 'read -r _ n < <(grep graph_launches mock.log) && [ "$n" -ge 36 ]'
    check "few graphs serve all of them" bash -c 'read -r _ n < <(grep ^graphs mock.log) && [ "$n" -le 3 ]'
    check "all memory of the device is freed" grep -qx 'left 0' mock.log
    check "compiled kernels are kept" bash -c 'ls "$XDG_CACHE_HOME"/jeoul/kernels/*.bin'
    check "another release of the compiler has kernels of its own" bash -c 'n() { ls "$XDG_CACHE_HOME"/jeoul/kernels | wc -l; }; before=$(n); logits() { mock ok "$JEOUL" logits -m "$1/model.gguf" --tokens "$1/tokens.txt" -o x.f32 --backend cuda; }; logits "$0" && [ "$(n)" -eq "$before" ] && MOCK_NVRTC_MINOR=1 logits "$0" && [ "$(n)" -gt "$before" ]' "$gpu"
    check "a damaged file of kernels is compiled again" bash -c 'for f in "$XDG_CACHE_HOME"/jeoul/kernels/*.bin; do printf x >>"$f"; done; mock ok "$JEOUL" logits -m "$0/model.gguf" --tokens "$0/tokens.txt" -o x.f32 --backend cuda' "$gpu"
    # kernels that nvcc compiled into the program; NVRTC is hidden behind a library that has nothing in it
    mkdir bare && cp mock/libcuda.so.1 bare/ && gcc -shared -o bare/libnvrtc.so.13 -x c /dev/null
    bare() { # MODE COMMAND…
        MOCK_CUDA=$1 LD_LIBRARY_PATH=$PWD/bare "${@:2}"
    }
    export -f bare
    here=(--tokens counted.txt -o x.f32 --backend cuda)
    if [ "$(driver cuda programs_built_in)" -gt 0 ]; then
        "$JEOUL" synth --shape tiny-gpt-oss --quant q8_0 -o built-in.gguf >made 2>&1
        check "a model whose kernels are built in needs no compiler" bare ok "$JEOUL" logits -m built-in.gguf --kv bf16 "${here[@]}"
        check "they come from fatbins, and nothing else does" bash -c 'grep -qx "fatbins [1-9]" mock.log && grep -qx "cubins 0" mock.log'
        check "so are those that probe limits" bash -c 'bare ok "$JEOUL" roofline --backend cuda --json | jq -e "all(.limits[]; .median > 0)"'
        check "such a driver can be used" says true bare ok driver cuda available
        check "and why it compiles nothing is told" says 'libnvrtc.so.13 has no' bare ok driver cuda compiler_reason
        refuse 2 'are not among those built in; to compile them now: libnvrtc.so.13 has no' bare ok "$JEOUL" logits -m counted.gguf --kv bf16 "${here[@]}"
        mock fatbinless "$JEOUL" logits -m built-in.gguf --kv bf16 "${here[@]}" 2>fatbinless.err
        check "fatbins that do not load are compiled, which is told with the driver's answer" bash -c '[ "$0" -eq 0 ] && grep -q "which are built in, do not load: .*CUDA_ERROR_NO_BINARY_FOR_GPU; compiled now instead" fatbinless.err' $?
        refuse 2 'CUDA_ERROR_NO_BINARY_FOR_GPU; and to compile them now: libnvrtc.so.13 has no' bare fatbinless "$JEOUL" logits -m built-in.gguf --kv bf16 "${here[@]}"
    else
        skip "kernels that are built in" "this build had no nvcc"
        check "limits without any kernels are null with that reason" bash -c 'bare ok "$JEOUL" roofline --backend cuda --json | jq -e "all(.limits[]; .median == null and (.reason | contains(\"no kernels are built in\")))"'
        check "a driver without any kernels is of no use" says 'none are built in: libnvrtc.so.13 has no' bare ok driver cuda reason
        refuse 2 'no nvcc when jeoul was made; to compile them now: libnvrtc.so.13 has no' bare ok "$JEOUL" logits -m counted.gguf "${here[@]}"
    fi
    check "a GPU's limits are read, copy, write, BF16 on matrix units and F32" bash -c 'mock ok "$JEOUL" roofline --backend cuda --device 1 --rounds 3 --seconds 0.03 --json |
        jq -e ".schema == \"jeoul/roofline/1\" and .backend == \"cuda\" and .device == 1 and .isas == []
            and [.limits[].metric] == [\"read_bandwidth\", \"copy_bandwidth\", \"write_bandwidth\", \"bf16_peak\", \"f32_peak\"]
            and all(.limits[]; .threads == null and .isa == null and .n == 3 and .min > 0 and .min <= .median and .median <= .max and .reason == null)"'
    # a pass of the mock is a millisecond; a quarter of its 1 GiB is two pieces, of fifteen steps of all threads each
    check "bytes over the device's time: a copy counts those that it reads and those that it writes" bash -c 'mock ok "$JEOUL" roofline --backend cuda --rounds 1 --seconds 0.03 --json |
        jq -e "[.limits[:3][].median] == [1, 2, 1 | . * 15 * 528 * 256 * 64 * 1000]"'
    check "all memory of the device is freed after probes" grep -qx 'left 0' mock.log
    check "without events each limit is null, with the driver's answer" bash -c 'mock untimed "$JEOUL" roofline --backend cuda --json |
        jq -e "all(.limits[]; .median == null and (.reason | contains(\"an event failed with 801\")))"'
    check "and so are a bench's shares of them" bash -c 'mock untimed "$JEOUL" bench -m "$0/model.gguf" -p 8 -n 2 -r 2 --backend cuda --json |
        jq -e "all(.results[]; .mfu == null and .mbu == null and (.limit_reason | contains(\"an event failed with 801\")))"' "$gpu"
    refuse 1 'CUDA_ERROR_ILLEGAL_ADDRESS' mock lost "$JEOUL" roofline --backend cuda
    refuse 2 'has no devices' mock none "$JEOUL" roofline --backend cuda
    refuse 2 "--threads are the CPU's" mock ok "$JEOUL" roofline --backend cuda -t 2
    check "a bench on matrix units has the limits of those and of memory, and shares of them" bash -c 'mock ok "$JEOUL" bench -m "$0/model.gguf" -p 8 -n 2 -r 2 --backend cuda --json |
        jq -e "[.results[] | .mfu // .mbu] | length == 2 and all(. > 0)"' "$gpu"
    check "in float, of the float unit" bash -c 'mock ok "$JEOUL" bench -m "$0/model.gguf" -p 8 -n 0 -r 2 --exact --backend cuda --json | jq -e ".results[0].limit_f32_gop_per_s.median > 0"' "$gpu"
    check "experts on the CPU have no limits of a GPU" bash -c 'mock ok "$JEOUL" bench -m "$0/model.gguf" -p 8 -n 0 -r 1 --experts-cpu 1 --backend cuda --json |
        jq -e ".results[0] | .mfu == null and (.limit_reason | contains(\"experts run on the CPU\"))"' "$gpu"
    # the mock computes nothing: no golden is met; of the checker's tools one finds something
    mkdir tools && printf '#!/bin/sh\n[ "$2" = racecheck ] && exit 9\nshift 4\nexec "$@"\n' >tools/compute-sanitizer && chmod +x tools/compute-sanitizer
    PATH=$PWD/tools:$PATH mock ok "$root/bench/gpu-selftest" --shapes '^tiny' -o selftest.json 2>selftest.err
    check "a self-test fails where a golden does" [ $? -eq 1 ]
    check "it has goldens in three modes, the checker's answers, ceilings, and every phase of a shape from one load" jq -e '
        .ceilings.reason == null and (.ceilings.value.limits | length == 5) and (.goldens | (map(.mode) | unique) == ["exact", "fast", "flash"] and all(.exit_code == 3 and .result.verdict == "differs"))
        and .sanitizer == {reason: null, memcheck: 0, racecheck: 9, initcheck: 0, synccheck: 0}
        and (.shapes | length == 1) and .shapes[0].reason == null
        and ([.shapes[0].value.results[] | [.phase, .tokens, .batch]] == [["prefill", 512, 1], ["prefill", 2048, 1], ["decode", 128, 1], ["decode", 128, 8], ["decode", 128, 64]])
        and all(.shapes[0].value.results[]; (.mfu // .mbu) > 0)' selftest.json
    mock ok "$root/bench/gpu-selftest" --parts ceilings >ceilings.json 2>selftest.err
    check "what was not asked for is null with that reason" jq -e '.ceilings.reason == null and all(.goldens, .sanitizer, .shapes; .value == null and .reason == "it was not asked for")' ceilings.json
    unset MOCK_CUDA_LOG
    check "kernels compile by the real NVRTC, as they are asked of it" real_nvrtc

    # HIP: the same mock under its names, of a release with graphs and of one without
    hip() { # NAME OPTIONS…: of gcc
        mkdir "$1" && gcc -shared -fPIC -w "${@:2}" -o "$1/libamdhip64.so" "$root/tests/mock/hip.c" && cp "$1/libamdhip64.so" "$1/libhiprtc.so" &&
            MOCK_CUDA_LOG=$PWD/$1.log MOCK_CUDA=ok LD_LIBRARY_PATH=$PWD/$1 "$JEOUL" logits -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" --chunk 1 -o x.f32 --backend hip
    }
    check "a model runs on HIP's mock" hip hip
    check "and on one that is too old for graphs" hip hip-old -DWITHOUT_GRAPHS
    check "steps of decoding are graphs on HIP too" bash -c 'read -r _ n < <(grep graph_launches hip.log) && [ "$n" -ge 36 ] && read -r _ n < <(grep ^graphs hip.log) && [ "$n" -le 3 ]'
    check "a HIP without graphs launches one by one, and as many" bash -c 'grep -qx "graph_launches 0" hip-old.log && grep -qx "captured 0" hip-old.log && [ "$(grep ^kernels hip.log)" = "$(grep ^kernels hip-old.log)" ]'
    check "both free the device's memory" [ "$(sort -u <(grep left hip.log) <(grep left hip-old.log))" = "left 0" ]
    refuse 2 'has no devices' env MOCK_CUDA=none LD_LIBRARY_PATH="$PWD/hip" "$JEOUL" roofline --backend hip

    # a plan whose cells run on the CPU, on a GPU, and on one that is lost
    cp mock/libcuda.so.1 mock/libnvidia-ml.so.1
    printf '{"schema": "jeoul/plan/1", "name": "gpu", "limits": false, "models": [{"id": "t", "file": "%s"}],
             "bench": [{"prompt": 8, "generate": 3}, {"prompt": 8, "generate": 3, "backend": "cuda"},
                       {"prompt": 8, "generate": 3, "backend": "cuda", "experts_cpu": "auto", "device": 1}]}' "$gpu/model.gguf" >gpu.json
    check "a plan runs on CPU and GPU" mock ok "$JEOUL" run gpu.json --out gpu-run
    check "the same configuration on two devices is two figures" bash -c 'jq -e "[.throughput[] | select(.phase == \"decode\") | .placement // \"\"] == [\"\", \"cuda:0\", \"cuda:1+cpu:auto\"]" gpu-run/figures.json'
    check "the CPU's limits are not a GPU's" bash -c 'jq -e ".throughput | map(select(.placement)) | all(.of_limit == null)" gpu-run/figures.json'
    check "the board's energy and clock are in the record" bash -c 'jq -e "[.measurements[] | select((.labels.scope == \"gpu-board\") and (.cell | contains(\"cuda:0\")) and .labels.phase == \"decode\" and (.cell | endswith(\"r1\"))) | .value] == [2.5, 1980000000]" gpu-run/run.json'
    check "the device's own time is in the record: a millisecond for each kernel of the mock" bash -c 'jq -e "[.measurements[] | select(.metric == \"device_time\" and (.cell | contains(\"cuda:0\")) and .labels.phase == \"decode\") | .value] | unique == [3 * (2 * 8 + 4) * 1e6]" gpu-run/run.json'
    check "a cell on the CPU has no such time" bash -c 'jq -e "[.measurements[] | select(.metric == \"device_time\") | .cell | contains(\"cuda\")] | all" gpu-run/run.json'
    mock untimed "$JEOUL" run gpu.json --out untimed >/dev/null 2>&1
    check "without events the time is null, with the driver's answer" bash -c 'jq -e "[.measurements[] | select(.metric == \"device_time\")] | length > 0 and all(.value == null and (.reason | contains(\"an event failed with 801\")))" untimed/run.json'
    check "a card without a sensor has a reason" bash -c 'jq -e "[.measurements[] | select(.labels.scope == \"gpu-board\" and (.cell | contains(\"cuda:1\")))] | all(.value == null and (.reason | contains(\"no_sensor\")))" gpu-run/run.json'
    mock lost "$JEOUL" run gpu.json --out lost >/dev/null 2>lost.err
    check "a lost device ends its cells" bash -c 'jq -e "[.cells[] | select(.state == \"failed\") | .config.backend == \"cuda\" and (.reason | contains(\"CUDA_ERROR_ILLEGAL_ADDRESS\"))] | length == 10 and all" lost/run.json'
    check "a lost device does not end the run" bash -c 'jq -e "[.cells[] | select(.state == \"ok\")] | length == 5" lost/run.json'
    printf '{"schema": "jeoul/plan/1", "models": [{"id": "t", "synth": {}}], "bench": [{"backend": "tpu"}]}' >bad.json
    refuse 2 'bench[0].backend' "$JEOUL" run bad.json --out bad
    printf '{"schema": "jeoul/plan/1", "models": [{"id": "t", "synth": {}}], "bench": [{"device": 1}]}' >bad.json
    refuse 2 'name its "backend"' "$JEOUL" run bad.json --out bad
    printf '{"schema": "jeoul/plan/1", "models": [{"id": "t", "synth": {}}],
             "eval": [{"tasks": ["builtin_ko_particles"]}, {"tasks": ["builtin_ko_particles"], "backend": "cuda"}]}' >bad.json
    refuse 2 'evaluated elsewhere too' "$JEOUL" run bad.json --out bad
else
    skip "a mock of CUDA" "gcc cannot build it"
fi
if [ "$(driver opencl available)" = true ]; then
    export ASAN_OPTIONS=detect_leaks=0 # LLVM's and PoCL's own, and LeakSanitizer stumbles over PoCL's threads; ours are looked for on the mock
    mkdir no-vendors
    no_vendors() {
        OCL_ICD_VENDORS=$PWD/no-vendors "$@"
    }
    check "an OpenCL without devices is told" says 'has no devices' no_vendors driver opencl reason
    refuse 2 'opencl has no devices; needed: libOpenCL.so.1' no_vendors "$JEOUL" roofline --backend opencl
    export POCL_CACHE_DIR="${HOME:-$PWD}/.cache/pocl/kcache" # where the units' runs left the same kernels
    check "verify on OpenCL, in floats" "$JEOUL" verify -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" --reference "$gpu/logits_dq.f32" --exact --backend opencl
    check "verify with experts on the CPU" "$JEOUL" verify -m "$gpu/model.gguf" --tokens "$gpu/tokens.txt" --reference "$gpu/logits_dq.f32" --exact --backend opencl --experts-cpu 1
    check "bench on OpenCL" bash -c '"$JEOUL" bench -m "$0/model.gguf" -p 16 -n 4 -r 1 --backend opencl --json | jq -e ".backend == \"opencl\" and (.results | length == 2) and all(.results[]; (.mfu // .mbu) > 0 and .limit_f32_gop_per_s.median > 0 and .limit_reason == null and .device_share > 0 and .device_share <= 1.01)"' "$gpu"
    check "roofline on OpenCL" bash -c '"$JEOUL" roofline --backend opencl --rounds 1 --seconds 0.001 --json |
        jq -e "[.limits[] | select(.reason == null) | .metric] == [\"read_bandwidth\", \"copy_bandwidth\", \"write_bandwidth\", \"f32_peak\"]
            and (.limits[3] | .median == null and (.reason | contains(\"no matrix units\")))"'
    check "its table fits 80 columns" bash -c '"$JEOUL" roofline --backend opencl --rounds 1 --seconds 0.001 | LC_ALL=C.UTF-8 awk "length(\$0) > 80 {exit 1} END {exit NR != 6}"'
    one=(eval -m "$gpu/model.gguf" --tasks builtin_ko_particles --limit 2 --json --resume gpu.journal)
    check "eval on OpenCL" bash -c '"$JEOUL" "$@" --backend opencl | jq -e ".system.backend == \"opencl\" and .system.experts_cpu == 0"' eval "${one[@]}"
    refuse 2 'another model, data or options' "$JEOUL" "${one[@]}"
    refuse 2 'another model, data or options' "$JEOUL" "${one[@]}" --backend opencl --experts-cpu 1
    check "kl of a GPU's run against the reference" bash -c '"$JEOUL" kl -r "$0/model.gguf" -m "$0/model.gguf" --backend opencl --exact --kv f32 --window 32 --limit 60 --json |
        jq -e ".model.backend == \"opencl\" and .reference.backend == \"cpu\" and all(.languages[]; .kl_nats.max < 1e-6 and .top1_agreement.value == 1)"' "$gpu"
    unset ASAN_OPTIONS POCL_CACHE_DIR
else
    skip "OpenCL" "$(driver opencl reason)"
fi
