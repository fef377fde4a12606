# jeoul: weighs AI compute.
#
#   make run    install what is missing, build, run the demonstration plan, print a table and the report's path
#   make test   install what is missing, build, run every test
#
#   make            build ./jeoul                      make fuzz      every fuzzer, ten minutes of a processor (FUZZ_SECONDS=…)
#   make check      tests under ASan and UBSan         make tsan      the threaded tests under TSan
#   make lint       format, static analysis            make neon      the goldens on an emulated AArch64
#   make instructions   the hot kernels' against those agreed on
#   make models     train the reference models         make models-smoke   the same in small, in a minute
#   make gpu-kernels  compiled in three dialects, run under Oclgrind
#   make install    into $(PREFIX)                     make clean
#
# Rooms call one way: each library may use those to its right, never to its left.

ROOMS   := harness reports bench eval datasets engine base
BUILD   ?= build
MODE    ?= release
CC      := gcc
PREFIX  ?= /usr/local

BUILD_PACKAGES := gcc libc6-dev pkg-config libcjson-dev libsqlite3-dev libpcre2-dev libssl-dev libpapi-dev libhwloc-dev libarchive-dev libcurl4-openssl-dev gnuplot-nox
TEST_PACKAGES  := libcriterion-dev clang libclang-rt-14-dev jq sqlite3 ocl-icd-libopencl1 pocl-opencl-icd oclgrind
LINT_PACKAGES  := clang-format clang-tidy

# ---------------------------------------------------------------------------------------------------------------------------------------
LIBRARIES := libcjson sqlite3 libpcre2-8 libcrypto hwloc libarchive libcurl
# Asked for only when something is compiled, so that `make run` on a bare machine can install pkg-config first.
LIBRARY_CFLAGS = $(eval LIBRARY_CFLAGS := $$(shell pkg-config --cflags $(LIBRARIES)))$(LIBRARY_CFLAGS)
LIBRARY_LIBS   = $(eval LIBRARY_LIBS := $$(shell pkg-config --libs $(LIBRARIES)))$(LIBRARY_LIBS)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
ifdef WERROR
WARNINGS += -Werror
endif
# Under sanitizers, AVX-512's many unrolled tiles take minutes to compile. Its second file is the first one with prefetches; threads and what
# fuzzers reach are the same in every instruction set.
CFLAGS_release   := -O2 -g
CFLAGS_asan      := -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DNO_AVX512_AHEAD
CFLAGS_tsan      := -O1 -g1 -fsanitize=thread -fno-omit-frame-pointer -DNO_AVX512
SANITIZE         := $(filter -fsanitize=%,$(CFLAGS_$(MODE)))
NO_AVX512_AHEAD  := engine/cpu/kernels_avx512_ahead.c
NO_AVX512        := $(NO_AVX512_AHEAD) engine/cpu/kernels_avx512.c
left_out          = $(foreach macro,$(patsubst -D%,%,$(filter -DNO_AVX512%,$(1))),$($(macro)))

OUT     := $(BUILD)/$(MODE)
CFLAGS  := -std=c17 -D_GNU_SOURCE $(CFLAGS_$(MODE)) $(WARNINGS) -I. -pthread
LDFLAGS := -pthread $(SANITIZE)
LDLIBS   = $(LIBRARY_LIBS) -lpapi -lm -ldl
COMPILE  = $(CC) $(CFLAGS) $(KERNEL_FLAGS) $(LIBRARY_CFLAGS) -MMD -MP

sources = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
library = $(OUT)/lib$(1).a

ifeq ($(MODE),release)
PROGRAM := jeoul
else
PROGRAM := $(OUT)/jeoul
endif

.DEFAULT_GOAL := all
.PHONY: gpu-kernels gpu-kernels-compile gpu-kernels-races instructions lint-packages neon neon-packages all run test check tsan fuzz lint format install clean models models-smoke packages test-packages $(addprefix room-,$(ROOMS))
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif

all: $(PROGRAM)

$(PROGRAM): $(foreach room,$(ROOMS),$(call library,$(room)))
	$(CC) $(LDFLAGS) -o $@ -Wl,--whole-archive $(call library,harness) -Wl,--no-whole-archive $(filter-out $<,$^) $(LDLIBS)

# --- objects and rooms -----------------------------------------------------------------------------------------------------------------
# Kernels are one source per instruction set, compiled for it and chosen at run time.
$(OUT)/engine/cpu/%.o $(OUT)/engine/gpu/planes.o $(OUT)/engine/train/gemm.o $(OUT)/engine/quantize.o: CFLAGS += $(if $(SANITIZE),,-O3)
# The kernels of GPUs are text in the program.
$(OUT)/engine/gpu/source.o: $(wildcard engine/gpu/kernels/*.cl)
include engine/gpu/kernels/embed.mk
$(OUT)/engine/cpu/%_avx2.o: KERNEL_FLAGS := -mavx2 -mfma -mf16c
# In AVX-512's tiles ASan looks at memory, and UBSan at bounds and arithmetic; casts, pointer sums and the stack of the same source are checked
# in AVX2's, where that is not three times the compiling.
$(OUT)/engine/cpu/%_avx512.o $(OUT)/engine/cpu/%_avx512_ahead.o: KERNEL_FLAGS := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mfma -mf16c \
    $(if $(SANITIZE),--param asan-stack=0 -fno-sanitize=null$(comma)alignment$(comma)object-size$(comma)pointer-overflow)

$(OUT)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

define room_rules
room-$(1): $(call library,$(1))
$(call library,$(1)): $(patsubst %.c,$(OUT)/%.o,$(filter-out $(call left_out,$(CFLAGS)),$(call sources,$(1))))
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach room,$(ROOMS),$(eval $(call room_rules,$(room))))

# --- tests: tests/ROOM/test_UNIT.c is a Criterion program that links its room and those to the right of it --------------------------------
# Criterion stands before the libraries: its main, not harness's.
rooms_from = $(if $(filter $(1),$(firstword $(2))),$(2),$(call rooms_from,$(1),$(wordlist 2,99,$(2))))
test_program = $(patsubst tests/%.c,$(OUT)/tests/%,$(1))
TEST_SOURCES := $(sort $(foreach room,$(ROOMS),$(wildcard tests/$(room)/test_*.c)))
TESTS := $(call test_program,$(TEST_SOURCES))

define test_rules
$(foreach source,$(filter tests/$(1)/%,$(TEST_SOURCES)),$(call test_program,$(source))): \
$(OUT)/tests/$(1)/%: tests/$(1)/%.c tests/support.h $(foreach room,$(call rooms_from,$(1),$(ROOMS)),$(call library,$(room)))
	@mkdir -p $$(@D)
	$$(COMPILE) -o $$@ $$< -lcriterion $(foreach room,$(call rooms_from,$(1),$(ROOMS)),$(call library,$(room))) $$(LDFLAGS) $$(LDLIBS)
endef
$(foreach room,$(ROOMS),$(eval $(call test_rules,$(room))))

.PHONY: tests unit-tests e2e-tests
tests: $(TESTS)
unit-tests: tests
	tests/run-units $(TESTS)
e2e-tests: $(PROGRAM) $(OUT)/tests/serve $(OUT)/tests/completions
	JEOUL=$(abspath $(PROGRAM)) SERVE=$(abspath $(OUT)/tests/serve) COMPLETIONS=$(abspath $(OUT)/tests/completions) tests/run-e2e
$(OUT)/tests/serve: tests/hostile/serve.c tests/hostile.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(LDFLAGS)
$(OUT)/tests/completions: tests/hostile/completions.c tests/completions.h tests/hostile.h $(call library,engine) $(call library,base)
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $< $(call library,engine) $(call library,base) $(LDFLAGS) $(LDLIBS)

# ThreadSanitizer's program is a plain one.
$(OUT)/tests/threads: tests/threads/threads.c $(call library,engine) $(call library,base)
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $^ $(LDFLAGS) $(LDLIBS)

# The kernels' instructions, counted one by one.
$(OUT)/tests/instructions: tests/instructions/count.c $(call library,engine) $(call library,base)
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $^ $(LDFLAGS) $(LDLIBS)

# --- AArch64: the engine alone, statically, on an emulated processor; what needs libraries is left out ----------------------------------
NEON_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
NEON_SOURCES  = $(filter-out base/json.c base/hash.c base/http.c engine/pretokenizer.c engine/chat.c engine/synth% engine/recipe.c,$(call sources,base) $(call sources,engine))
NEON_FLAGS    := -std=c17 -D_GNU_SOURCE -O2 $(WARNINGS) -I. -pthread
$(BUILD)/neon/%.o: %.c Makefile
	@mkdir -p $(@D)
	aarch64-linux-gnu-gcc $(NEON_FLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/neon/libengine.a: $(NEON_SOURCES:%.c=$(BUILD)/neon/%.o)
	@rm -f $@
	aarch64-linux-gnu-ar rcs $@ $^
$(BUILD)/neon/goldens: tests/goldens/goldens.c $(BUILD)/neon/libengine.a
	aarch64-linux-gnu-gcc $(NEON_FLAGS) -static -o $@ $^ -lm

# --- fuzzers: tests/fuzz/fuzz_UNIT.c, libFuzzer under ASan and UBSan -------------------------------------------------------------------
FUZZ_SECONDS ?= 600
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_ROOMS := harness eval reports datasets engine base
FUZZ_FLAGS := -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DNO_AVX512 -std=c17 -D_GNU_SOURCE -I. -pthread -w
$(BUILD)/fuzz/obj/engine/cpu/%_avx2.o: KERNEL_FLAGS := -mavx2 -mfma -mf16c
$(BUILD)/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	clang $(subst fuzzer,fuzzer-no-link,$(FUZZ_FLAGS)) $(KERNEL_FLAGS) $(LIBRARY_CFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/fuzz/librooms.a: $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(filter-out harness/main.c $(call left_out,$(FUZZ_FLAGS)),$(foreach room,$(FUZZ_ROOMS),$(call sources,$(room)))))
	@rm -f $@
	ar rcs $@ $^
$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BUILD)/fuzz/librooms.a
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) $(LIBRARY_CFLAGS) -o $@ $< $(BUILD)/fuzz/librooms.a $(LDLIBS)
.PHONY: fuzzers
fuzzers: $(FUZZERS)

# --- what people type ------------------------------------------------------------------------------------------------------------------
# Sub-makes, so that nothing is compiled before the packages are there.
PLAN ?= plans/demo.json
run: packages
	@$(MAKE) --no-print-directory all
	./jeoul run $(PLAN) --out report

test: test-packages
	@$(MAKE) --no-print-directory all tests
	@$(MAKE) --no-print-directory unit-tests
	@$(MAKE) --no-print-directory e2e-tests

check: test-packages
	@$(MAKE) --no-print-directory MODE=asan all tests
	@$(MAKE) --no-print-directory MODE=asan unit-tests
	@$(MAKE) --no-print-directory MODE=asan e2e-tests

tsan: packages
	@$(MAKE) --no-print-directory MODE=tsan $(BUILD)/tsan/tests/threads
	setarch -R $(BUILD)/tsan/tests/threads

instructions: packages
	@$(MAKE) --no-print-directory $(OUT)/tests/instructions
	bench/instructions $(OUT)/tests/instructions

fuzz: test-packages
	@$(MAKE) --no-print-directory fuzzers
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

gpu-kernels: test-packages
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory gpu-kernels-compile gpu-kernels-races
gpu-kernels-compile gpu-kernels-races: $(EMBED) # beside each other: the races are one thread for the most part
	EMBED=$(EMBED) tests/gpu-kernels/$(@:gpu-kernels-%=%)

neon: neon-packages
	@$(MAKE) --no-print-directory $(BUILD)/neon/goldens
	qemu-aarch64 $(BUILD)/neon/goldens

# The reference models from nothing, or from where they were cut; and two very small ones that must reach a stated loss.
models: test-packages
	@$(MAKE) --no-print-directory all
	bench/models/train models

models-smoke: packages
	@$(MAKE) --no-print-directory all
	bench/models/smoke $(BUILD)/models-smoke

packages:
	@.ci/packages $(BUILD_PACKAGES)
neon-packages:
	@.ci/packages $(NEON_PACKAGES)
test-packages:
	@.ci/packages $(BUILD_PACKAGES) $(TEST_PACKAGES)

C_FILES = $(shell git ls-files '*.c' '*.h')
lint-packages:
	@.ci/packages $(LINT_PACKAGES)
lint: lint-packages
	clang-format --dry-run --Werror $(C_FILES)
	printf '%s\n' $(filter-out %_avx2.c %_avx512.c %_avx512_ahead.c tests/%,$(filter %.c,$(C_FILES))) | \
	    xargs -P $(shell nproc) -n 4 sh -c 'clang-tidy --quiet "$$@" -- $(CFLAGS) $(LIBRARY_CFLAGS) 2>/dev/null' tidy
format:
	clang-format -i $(C_FILES)

install: all
	install -D -m 755 jeoul $(DESTDIR)$(PREFIX)/bin/jeoul
	mkdir -p $(DESTDIR)$(PREFIX)/share/jeoul $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	cp -r plans datasets $(DESTDIR)$(PREFIX)/share/jeoul/
	mkdir -p $(DESTDIR)$(PREFIX)/share/jeoul/reports $(DESTDIR)$(PREFIX)/share/jeoul/bench/models
	cp bench/models/*.gguf bench/models/*.json $(DESTDIR)$(PREFIX)/share/jeoul/bench/models/
	cp -r reports/prices reports/catalog $(DESTDIR)$(PREFIX)/share/jeoul/reports/
	./jeoul help --man > $(DESTDIR)$(PREFIX)/share/man/man1/jeoul.1
	./jeoul help --bash-completion > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/jeoul

clean:
	rm -rf $(BUILD) jeoul

MODES := release asan tsan
-include $(shell find $(BUILD) $(foreach mode,$(filter-out $(MODE),$(MODES)),-path $(BUILD)/$(mode) -prune -o) -name '*.d' -print 2>/dev/null)
