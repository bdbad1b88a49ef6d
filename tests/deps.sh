#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs the Debian packages of the list that are missing: tests/deps.sh PACKAGE...
#
# nodejs and npm count as present when `node` and `npm` are on the PATH, wherever they came from.
# Services that a package would start are not wanted here: a policy refuses them meanwhile.
set -eu
missing=()
for package in "$@"; do
	case $package in
	nodejs | npm)
		tool=${package/nodejs/node}
		command -v "$tool" >/dev/null && continue
		;;
	esac
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done
# The clients and the inference server from npm want a newer Node than Debian 12 has: then one from
# npm itself goes into build/node, which the Makefile puts in front of the PATH.
newer_node() {
	local major arch
	major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
	[ "$major" -lt 20 ] || return 0
	case $(uname -m) in
	x86_64) arch=x64 ;;
	aarch64) arch=arm64 ;;
	*) echo "node $major is too old for the end-to-end tests (20 or newer)" >&2; return 1 ;;
	esac
	echo "  DEPS    installing node 22 into build/node (found: $major)"
	mkdir -p build/node
	npm install --prefix build/node --no-save --no-audit --no-fund --loglevel=error \
		"node-linux-$arch@22" >/dev/null
	mkdir -p build/node/bin
	ln -sf "../node_modules/node-linux-$arch/bin/node" build/node/bin/node
}
if [ ${#missing[@]} -eq 0 ]; then
	newer_node
	exit
fi

if [ "$(id -u)" != 0 ]; then
	echo "missing packages: ${missing[*]}" >&2
	echo "install them as root: apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "  DEPS    installing: ${missing[*]}"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
	trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
	tail -20 "$log" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"
newer_node
