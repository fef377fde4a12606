# CUDA's kernels, compiled by nvcc into the program: embedded.list says which. Without nvcc (or `make NVCC=`) there are none, and NVRTC compiles
# them at run time. Images are shared by all modes, and made anew when their own text changes.
NVCC       ?= $(shell command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null)
NVCC       := $(NVCC)
IMAGES     := $(BUILD)/nvcc
EMBED      := $(IMAGES)/embed
NVCC_FLAGS := -fatbin -std=c++17 -fmad=false -diag-suppress 177 -gencode arch=compute_80,code=sm_80 -gencode 'arch=compute_90,code=[sm_90,compute_90]'

comma      := ,
image_file  = $(IMAGES)/$(subst =,,$(subst $(comma)-D,-,$(1))).fatbin
EMBED_LIST := engine/gpu/kernels/embedded.list
EMBEDDED   := $(if $(NVCC),$(shell sed -e '/^#/d; /^$$/d; s/ /,/g' $(EMBED_LIST)))

.PHONY: nvcc-named
$(IMAGES)/nvcc: nvcc-named # its name, which a build can change
	@mkdir -p $(@D)
	@echo '$(NVCC)' | cmp -s - $@ || echo '$(NVCC)' >$@

$(EMBED): engine/gpu/kernels/embed.c engine/gpu/source.c $(wildcard engine/gpu/kernels/*.cl) $(addprefix base/,checksum.c file.c text.c error.c memory.c)
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE -O1 -g $(WARNINGS) -I. -o $@ $(filter %.c,$^)

# With its old time where it has not changed; two makes at once (modes) have a temporary file each.
$(IMAGES)/%.cu: $(EMBED)
	@$(EMBED) text $* >$@.$$PPID && { cmp -s $@.$$PPID $@ && rm $@.$$PPID || mv $@.$$PPID $@; }

# An nvcc without these devices, or without its host compiler, embeds nothing: an empty image is none.
$(IMAGES)/probe.fatbin: engine/gpu/kernels/embed.mk $(IMAGES)/nvcc
	@mkdir -p $(@D)
	@echo '__global__ void probe() {}' >$(IMAGES)/probe.cu
	@$(NVCC) $(NVCC_FLAGS) -o $@ $(IMAGES)/probe.cu || { echo 'warning: $(NVCC) does not compile for sm_80 and sm_90: no kernels are built in' >&2; : >$@; }

define image_rule
$(call image_file,$(1)): $(IMAGES)/$(firstword $(subst $(comma), ,$(1))).cu $(IMAGES)/probe.fatbin
	[ ! -s $(IMAGES)/probe.fatbin ] || $(NVCC) $(NVCC_FLAGS) $(wordlist 2,99,$(subst $(comma), ,$(1))) -o $$@ $$<
	@[ -s $(IMAGES)/probe.fatbin ] || : >$$@
endef
$(foreach word,$(EMBEDDED),$(eval $(call image_rule,$(word))))
.SECONDARY: $(foreach word,$(EMBEDDED),$(IMAGES)/$(firstword $(subst $(comma), ,$(word))).cu)

$(IMAGES)/table.h: $(EMBED) $(EMBED_LIST) $(foreach word,$(EMBEDDED),$(call image_file,$(word)))
	@$(EMBED) table $(IMAGES) $(EMBEDDED) >$@

$(OUT)/engine/gpu/images.o: $(IMAGES)/nvcc $(if $(NVCC),$(IMAGES)/table.h)
$(OUT)/engine/gpu/images.o: KERNEL_FLAGS := $(if $(NVCC),-DGPU_IMAGES='"$(IMAGES)/table.h"')
