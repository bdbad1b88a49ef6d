#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every C file is as clang-format leaves it, no line ends in white space, and each test can be run.
set -u
cd "$(dirname "$0")/../.." || exit 2
mapfile -t files < <(git ls-files -- '*.c' '*.h' '*.cc')
bad=0
printf '%s\n' "${files[@]}" | xargs -P 2 -n 40 clang-format --dry-run -Werror 2>build/format.log || bad=1
[ "$bad" = 0 ] || { grep -E 'error:' build/format.log | cut -d: -f1 | sort | uniq -c; echo "run: clang-format -i FILES"; exit 1; }
if git grep -nE '[[:space:]]+$' -- '*.c' '*.h' '*.sh' '*.md' Makefile; then
	echo "white space at line ends"
	exit 1
fi
for script in $(git grep -lE '^\. .*/lib\.sh"' -- ':(glob)tests/*/*.sh'); do
	[ -x "$script" ] || { echo "$script: chmod +x"; bad=1; }
done
[ "$bad" = 0 ] || exit 1
echo "ok format"
