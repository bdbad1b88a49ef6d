#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Static analysis: cppcheck over everything that runs in user space, shell scripts by bash -n.
set -u
cd "$(dirname "$0")/../.." || exit 2
mkdir -p build/cppcheck
cppcheck -q -j 2 --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
	--cppcheck-build-dir=build/cppcheck --suppressions-list=tests/lint/cppcheck.suppress \
	-D_GNU_SOURCE -D__x86_64__ '-DLIBBPF_OPTS(TYPE,NAME,...)=struct TYPE NAME = {0}' -I. user loader tests/standin 2>build/cppcheck.log
rc=$?
[ "$rc" -eq 0 ] || { cat build/cppcheck.log; exit 1; }
bad=0
while read -r script; do
	bash -n "$script" || { echo "not ok $script"; bad=1; }
done < <(git ls-files -- '*.sh')
[ "$bad" = 0 ] || exit 1
echo "ok analysis"
