# sluice: build, check, test, run. `make help` lists the targets.
#
#   build/lib<layer>.a   user/<layer>/*.c, one archive a layer, linked right to left
#   build/sluiced        user/main.c and every layer
#   build/sluice         loader/*.c and user/base
#   build/sluice.bpf.o   bpf/sluice.bpf.c, embedded into build/sluice
#   build/standin        tests/standin/*.c, the stand-in inference server
#   build/unit/L/N       tests/unit/L/N.c, a cmocka program linked with layer L and those below
#   build/bpf/N          tests/bpf/N.c, test runs of the BPF object
#   build/bench/N        tests/bench/N.c
#
# V=1 shows the commands, SAN=1 builds with the address and undefined-behaviour sanitizers.

.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

ifeq ($(V),1)
Q :=
SAY := @:
else
Q := @
SAY := @printf '  %-7s %s\n'
endif

ifeq ($(SAN),1)
B := build-san
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else
B := build
SANFLAGS :=
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
CFLAGS := -std=gnu17 -O2 -g $(ARCHFLAGS) $(WARN) $(SANFLAGS) -D_GNU_SOURCE -fno-strict-aliasing \
	-fno-plt -I.
LDFLAGS := $(SANFLAGS) -Wl,--as-needed
PREFIX ?= /usr/local

# ---- packages: the one list -------------------------------------------------------------------
# build, then tests, then benchmarks; Debian 12 names.
PACKAGES := \
	make gcc g++ libc6-dev clang llvm libbpf-dev libelf-dev zlib1g-dev bpftool liburing-dev \
	libboost-context-dev libfyaml-dev libjansson-dev libxxhash-dev libjemalloc-dev \
	libcap-ng-dev pkg-config \
	clang-format clang-tidy cppcheck libcmocka-dev iproute2 ethtool iputils-ping procps psmisc \
	curl jq prometheus socat python3 python3-scapy nodejs npm ca-certificates \
	qemu-system-x86 busybox-static cpio xz-utils kmod \
	haproxy nginx-light wrk
