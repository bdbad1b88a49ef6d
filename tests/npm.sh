#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs one package from npm into a directory, unless that very version is there:
# tests/npm.sh DIRECTORY PACKAGE@VERSION
set -eu
cd "$(dirname "$0")/.."
target=$1
name=${2%@*}
version=${2##*@}
there=$(sed -nE 's/^ *"version": *"([^"]+)".*/\1/p' "$target/node_modules/$name/package.json" 2>/dev/null || true)
[ "$there" != "$version" ] || exit 0
command -v npm >/dev/null || {
	echo "$2: npm is missing: apt-get install nodejs npm" >&2
	exit 1
}
mkdir -p "$target"
echo "npm: installing $2 into $target"
for try in 1 2 3; do
	if npm install --prefix "$target" --no-save --ignore-scripts --no-audit --no-fund \
		--loglevel=error "$2" >/dev/null; then
		exit 0
	fi
	echo "npm: attempt $try failed" >&2
	sleep $((try * 3))
done
exit 1
