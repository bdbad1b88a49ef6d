#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# deps.sh - installs what the end-to-end tests use from npm into build/e2e: the clients `openai`,
# `@anthropic-ai/sdk`, `ai` and `@langchain/openai`, `node-llama-cpp` with llama.cpp for one CPU
# platform, Chroma (its native part, of a version whose binary runs with glibc 2.36), and tokenizers of
# models with another reader of them. Does nothing when that is already there.
#
# --omit=optional matters: without it npm also takes every CUDA and Vulkan variant, 725 MB.
set -eu
cd "$(dirname "$0")/../.."
target=${1:-build/e2e}
for tool in node npm; do
	command -v $tool >/dev/null || {
		echo "deps: $tool is missing: apt-get install nodejs npm" >&2
		exit 1
	}
done
mkdir -p "$target"
stamp=$target/node_modules/.sluice-stamp
if [ -f "$stamp" ] && cmp -s tests/e2e/package-lock.json "$stamp"; then
	exit 0
fi
cp tests/e2e/package.json tests/e2e/package-lock.json "$target/"
echo "npm: installing the clients, llama.cpp and Chroma into $target (about 730 MB)"
for try in 1 2 3; do
	if (cd "$target" && npm install --omit=optional --ignore-scripts --no-audit --no-fund \
		--loglevel=error); then
		cp tests/e2e/package-lock.json "$stamp"
		exit 0
	fi
	echo "npm: attempt $try failed" >&2
	sleep $((try * 3))
done
exit 1
