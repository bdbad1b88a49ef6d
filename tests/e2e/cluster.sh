#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# cluster.sh - one machine becomes a small cluster, to try sluice on. Ctrl-C takes it away.
#
#   cluster.sh [MODEL.gguf]   bring it up, print what to try, show `sluice status --watch`
#   cluster.sh --selftest     what cluster-selftest.sh does: run every printed line, judge, tear down
#
#   client ns             sluice ns                             node ns 1..3
#  +----------+        +----------------------+               +----------------------------+
#  | eth0  .2 |- veth -| client  .1           |               |                            |
#  +----------+ 10.1.0 |   XDP, TC, sluiced   |- veth 10.2.N -| eth0 .2  inference  :8000  |
#               /24    |           node1..3 .1|      /24      |                            |
#                      +----------------------+               +----------------------------+
#                                 | Unix socket, no route: the host stays as it is
#   host: http://127.0.0.1:8080 --+
#
#   pool "chat":  nodes 1 and 2; pool "small": node 3, its fallback
#   fast lane:    10.9.0.1:80 -> pool "chat", seen from the client namespace only
#
# States: NAMES of what it makes all begin with sluice-$CLUSTER; /run/sluice-$CLUSTER holds its
# configuration, logs, process ids and the programs that start each part again (start-node1, ..).
# A second process, the guard, reads a pipe that only this script holds open: however the script
# ends, SIGKILL included, the guard takes everything away. What a killed guard left is removed at
# the next start. The directory is locked while one of the two lives. Descriptors: 8 is the pipe, 9
# the lock; whatever is started must not inherit them (the guard alone inherits the lock).
#
# CLUSTER  name of this cluster (demo): clusters of other names may run beside it
# PORT     port on the host (8080); the status page is ten above it
# SLUICE_BUILD  directory of the programs (build)
set -u

name=${CLUSTER:-demo}
port=${PORT:-8080}
page=$((port + 10))
prefix=sluice-$name
state=/run/$prefix
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${SLUICE_BUILD:-$root/build}
[[ $build == /* ]] || build=$root/$build
pins=/sys/fs/bpf/$prefix
vip=10.9.0.1
model_default=$root/../shared/models/stories260K.gguf
NODES=3
WAIT_S=30	# for a server, the daemon or the guard
PROMPT_S=20	# the lines to try stay before the status takes the screen
export SLUICE_PIN_DIR=$pins SLUICE_ADMIN_SOCKET=$state/admin.sock
. "$here/cluster-trust.sh"

# ---- saying what happens ----------------------------------------------------------------------
die() { # WHAT NEXT
	printf 'cluster: %s\n  next: %s\n' "$1" "$2" >&2
	exit 1
}
# step TEXT COMMAND...: one line with a tick and the time it took; ends the script when it fails
step() {
	local text=$1 begin=$EPOCHREALTIME log=$state/step.log status
	shift
	[[ -t 1 ]] && printf '  . %s' "$text"
	"$@" >"$log" 2>&1
	status=$?
	[[ -t 1 ]] && printf '\r'
	if ((status)); then
		printf '  \xe2\x9c\x97 %s\n' "$text"
		sed 's/^/      /' "$log" >&2
		exit 1
	fi
	printf '  \xe2\x9c\x93 %-62s %s\n' "$text" "$(seconds_since "$begin")"
}
seconds_since() { # EPOCHREALTIME: "0.4 s"
	local tenths=$(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 100000))
	printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
}

# ---- taking it away ---------------------------------------------------------------------------
# Everything of this name, whoever made it. The same for the end and for a start after a crash.
sweep() {
	local netns pid part
	for part in host page-host; do
		pid=$(cat "$state/$part.pid" 2>/dev/null)
		if [[ -n $pid ]] && grep -qF "UNIX-CONNECT:$state/" "/proc/$pid/cmdline" 2>/dev/null; then
			kill -KILL -- "-$pid" 2>/dev/null
		fi
	done
	for netns in $(ip netns list | cut -d ' ' -f 1 | grep "^$prefix-"); do
		# shellcheck disable=SC2046  # a list of ids
		kill -KILL $(ip netns pids "$netns") 2>/dev/null
	done
	[[ -e $pins ]] && "$build/sluice" down >/dev/null 2>&1
	for netns in $(ip netns list | cut -d ' ' -f 1 | grep "^$prefix-"); do
		ip netns del "$netns"
	done
	rmdir "$pins" 2>/dev/null
	if [[ -e $state/mounted-bpffs ]] && [[ -z $(find /sys/fs/bpf -mindepth 1 -maxdepth 1 \
		-not -name '*.debug' 2>/dev/null) ]]; then
		umount /sys/fs/bpf
	fi
	rm -rf "$state"
}
# The guard lives in a session of its own, where neither Ctrl-C nor the terminal's end reaches it.
guard() {
	trap '' INT TERM HUP
	read -r _ # a line at the orderly end, else the end of the file
	sweep
}
tear_down() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	local begin=$EPOCHREALTIME
	echo end >&8
	wait "$guard_pid" 2>/dev/null
	printf '  \xe2\x9c\x93 %-62s %s\n' "the cluster is gone" "$(seconds_since "$begin")"
	exit "$status"
}
# Locks the directory, removes what an earlier run left, starts the guard.
begin() {
	local tries
	for ((tries = 0; tries < 10; tries++)); do
		mkdir -p "$state"
		exec 9<"$state"
		flock -w "$WAIT_S" 9 ||
			die "a cluster of the name \"$name\" is running" \
				"end it by Ctrl-C where it runs, or: make run CLUSTER=other PORT=8081"
		[[ $state -ef /proc/self/fd/9 ]] && break
		exec 9<&- # its owner has just removed it
	done
	if [[ -n $(ls -A "$state") ]]; then
		echo "  removing what an earlier run left"
		sweep
		mkdir -p "$state"
		exec 9<&-
		exec 9<"$state"
		flock -n 9 || die "another start was faster" "try again"
	fi
	mkfifo "$state/alive"
	exec 8<>"$state/alive"
	setsid "$BASH" "${BASH_SOURCE[0]}" --guard <"$state/alive" >/dev/null 2>&1 8>&- &
	guard_pid=$!
	trap tear_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}

# ---- the network ------------------------------------------------------------------------------
# Not `ip netns exec`: that mounts another /sys, which hides bpffs.
ns() { # NAME COMMAND...
	local netns=$1
	shift
	nsenter --net="/run/netns/$prefix-$netns" "$@"
}
# A veth pair as real as a card: no checksum is left to a device that is not there (rewritten
# packets would carry wrong sums), and the far end receives by NAPI, else a redirect into the near
# end is lost.
add_wire() { # NS NETWORK: to the sluice namespace, where the device has the namespace's name
	ip netns add "$prefix-$1" || return
	ns "$1" ip link set lo up
	ns sluice ip link add name "$1" type veth peer name eth0 netns "$prefix-$1" || return
	ns "$1" ethtool -K eth0 tx off gro on || return
	ns sluice ethtool -K "$1" tx off || return
	ns sluice ip address add "$2.1/24" dev "$1"
	ns "$1" ip address add "$2.2/24" dev eth0
	ns sluice ip link set dev "$1" up
	ns "$1" ip link set dev eth0 up
	ns "$1" ip route add default via "$2.1"
}
make_network() {
	local node
	ip netns add "$prefix-sluice" || return
	ns sluice ip link set lo up
	ns sluice sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/forwarding'
	add_wire client 10.1.0 || return
	for ((node = 1; node <= NODES; node++)); do
		add_wire "node$node" "10.2.$node" || return
	done
}
mount_bpffs() {
	mountpoint -q /sys/fs/bpf && return
	mount -t bpf bpf /sys/fs/bpf && touch "$state/mounted-bpffs"
}

# ---- its parts --------------------------------------------------------------------------------
# Writes $state/start-NAME, which starts one part; people use it too, to start a part again.
write_start() { # NAME NETNS COMMAND...: NETNS `host` is the one of this script
	local part=$1 netns=$2
	shift 2
	{
		echo '#!/bin/bash'
		printf 'setsid '
		[[ $netns == host ]] || printf 'nsenter --net=/run/netns/%s ' "$prefix-$netns"
		printf '%q ' "$@"
		printf '>>%q 2>&1 </dev/null &\n' "$state/$part.log"
		printf 'echo $! >%q\n' "$state/$part.pid"
	} >"$state/start-$part"
	chmod +x "$state/start-$part"
}
start() { "$state/start-$1" 8>&- 9>&-; } # NAME
# While its process lives, until it answers. Else its log. await NAME COMMAND...
await() {
	local part=$1 end=$((SECONDS + WAIT_S))
	shift
	until "$@" >/dev/null 2>&1; do
		if ! kill -0 "$(cat "$state/$part.pid")" || ((SECONDS >= end)); then
			echo "$part does not answer: $*"
			cat "$state/$part.log"
			return 1
		fi
		sleep 0.1
	done
}
# What runs on the three hosts: decides `server` and `model`.
choose_server() { # [MODEL.gguf]
	local given=${1:-} modules=$build/e2e/node_modules/node-llama-cpp
	server=llama
	model=${given:-$model_default}
	[[ -z $given || -r $given ]] || die "model \"$given\" cannot be read" "make run MODEL=path.gguf"
	if [[ ! -r $model ]]; then
		server=standin
		reason="no model file; MODEL=path.gguf serves one of yours"
	elif [[ ! -d $modules ]]; then
		[[ -z $given ]] || die "npm node-llama-cpp is not installed" "tests/e2e/deps.sh"
		server=standin
		reason="npm node-llama-cpp is not installed: tests/e2e/deps.sh"
	fi
	[[ $server == standin ]] || model=$(realpath "$model")
}
write_node() { # NUMBER
	if [[ $server == llama ]]; then
		write_start "node$1" "node$1" node "$here/llama-server.mjs" "$model" \
			--listen "10.2.$1.2:8000" --sequences 2
	else
		write_start "node$1" "node$1" "$build/standin" --listen "10.2.$1.2:8000" \
			--name "node$1" --slots 4 --token-us 20000
	fi
}
start_nodes() {
	local node
	for ((node = 1; node <= NODES; node++)); do
		write_node "$node"
		start "node$node"
	done
	for ((node = 1; node <= NODES; node++)); do
		await "node$node" ns sluice curl -sf --max-time 2 "http://10.2.$node.2:8000/health" ||
			return
	done
}
write_config() {
	cat >"$state/sluice.yaml" <<-END
		# The configuration of this cluster. After a change: kill -HUP \$(cat $state/sluiced.pid)
		listen: 0.0.0.0:8080
		admin_socket: $state/admin.sock
		page: {listen: "127.0.0.1:8090", token_file: $state/page-token}
		kernel:
		  devices: [client, node1, node2, node3]
		  pin_dir: $pins
		pools:
		  chat:
		    nodes: [10.2.1.2:8000, 10.2.2.2:8000]
		  small:
		    nodes: [10.2.3.2:8000]
		  assistant: {nodes: [10.2.3.2:8001]}
		  store: {nodes: [10.2.3.2:8002], health: {live: tcp, every: 500ms}}
		services:
		  - {address: $vip:80, lane: fast, pool: chat}
		routes:
		  - {model: chat, pools: [chat, small]}
		  - {model: small, pools: small}
		$(write_trust_config)
	END
}
attach() { mount_bpffs && ns sluice "$build/sluice" up "$state/sluice.yaml"; }
start_daemon() {
	write_start sluiced sluice "$build/sluiced" "$state/sluice.yaml"
	start sluiced
	await sluiced ns sluice curl -sf --max-time 2 http://127.0.0.1:8080/health
}
# A Unix socket is the way from the host into the namespace: its path needs no route, so the host
# gets no address, no rule and no device.
start_host_port() {
	local limits=fork,max-children=1000
	write_start inner sluice socat "UNIX-LISTEN:$state/http,$limits" TCP:127.0.0.1:8080
	write_start host host socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,$limits" \
		"UNIX-CONNECT:$state/http"
	write_start page-inner sluice socat "UNIX-LISTEN:$state/page,$limits" TCP:127.0.0.1:8090
	write_start page-host host socat "TCP-LISTEN:$page,bind=127.0.0.1,reuseaddr,$limits" \
		"UNIX-CONNECT:$state/page"
	start inner
	start page-inner
	await inner test -S "$state/http" || return
	await page-inner test -S "$state/page" || return
	start host
	start page-host
	await host curl -sf --max-time 2 "http://127.0.0.1:$port/health"
}

# ---- what to try ------------------------------------------------------------------------------
# `# TITLE`, then its commands, one a line: for people to copy and for the self-test to run.
write_lines() {
	local url=http://127.0.0.1:$port/v1/chat/completions
	local from_client="ip netns exec $prefix-client"
	local messages='"messages":[{"role":"user","content":"Once upon a time"}]'
	cat >"$state/try" <<-END
		# in another terminal, first
		cd $root
		export SLUICE_PIN_DIR=$pins SLUICE_ADMIN_SOCKET=$state/admin.sock
		story='{"model":"chat","stream":true,"max_tokens":48,$messages}'
		short='{"model":"chat","max_tokens":8,$messages}'
		ask() { for i in \$(seq \$1); do curl -so /dev/null -w '%{http_code} ' --json "\$short" $url; done; echo; }
		$(write_trust_helpers)
		# a chat, streamed, through the daemon
		curl -sN --json "\$story" $url
		# the same on the fast lane: from the client's namespace to the virtual address, past the daemon
		$from_client curl -sN --json "\$story" http://$vip/v1/chat/completions
		# what both planes know of each node
		build/sluice status
		# the same in a browser, live: any user, this password
		cat $state/page-token
		curl -su any:\$(cat $state/page-token) http://127.0.0.1:$page/status.json | jq -r .summary
		# kill a node's server and ask 40 times: no request fails, and its breaker opens
		kill -KILL \$(ip netns pids $prefix-node1)
		ask 40
		build/sluice status chat
		# the same state, as bpftool and Prometheus see it (2 is open)
		bpftool map lookup pinned $pins/nodes key 1 0 0 0
		bpftool -j map dump pinned $pins/nodes | jq -c '.[].formatted | select(.value.weight > 0) | {slot: .key, state: (.value.breaker / 2305843009213693952 | floor), trips: .value.trips}'
		curl -s http://127.0.0.1:$port/metrics | grep -E '^sluice_node_breaker_state.* 1\$'
		# start it again; after the open time the next requests are its probes, three good ones close it
		$state/start-node1
		sleep 5; ask 20
		build/sluice status chat
		# tune a threshold in the kernel's map: both planes obey at once
		bpftool map update pinned $pins/tunables key hex 00 00 00 00 value hex 02 00 00 00 00 00 00 00
		build/sluice tune breaker.consecutive_failures
		build/sluice tune breaker.consecutive_failures=default
		# drain a node, and take it back
		build/sluice drain 10.2.2.2:8000
		build/sluice undrain 10.2.2.2:8000
		# take the whole primary pool down: its fallback answers (see x-sluice-pool)
		kill -KILL \$(ip netns pids $prefix-node1) \$(ip netns pids $prefix-node2)
		curl -si --json "\$short" $url
		$state/start-node1; $state/start-node2
		$(write_trust_lines)
		# kill the daemon: the fast lane goes on without it; then start it again
		kill -KILL \$(cat $state/sluiced.pid)
		$from_client curl -s --retry 5 --retry-all-errors --json "\$short" http://$vip/v1/chat/completions
		$state/start-sluiced; sleep 1
		# edit $state/sluice.yaml, and have it read again
		build/sluice check $state/sluice.yaml
		kill -HUP \$(cat $state/sluiced.pid)
		sleep 1; grep -E 'reloaded|stays in force' $state/sluiced.log | tail -n 1
		# what one line, profile: critical, would set here, and why
		sed '1i profile: critical' $state/sluice.yaml | build/sluice check --explain /dev/stdin
		# all numbers
		curl -s http://127.0.0.1:$port/metrics
	END
}
print_lines() {
	local line ink='' plain=''
	[[ -t 1 && -z ${NO_COLOR:-} ]] && ink=$'\e[1m' plain=$'\e[0m'
	echo
	while IFS= read -r line; do
		if [[ $line == '# '* ]]; then
			printf '%s%s%s\n' "$ink" "$line" "$plain"
		else
			printf '  %s\n' "$line"
		fi
	done <"$state/try"
	printf '\n%s is up at http://127.0.0.1:%s; these lines: %s/try\n' "$prefix" "$port" "$state"
	printf 'status page: http://127.0.0.1:%s/ with any user and the password %s\n' "$page" \
		"$(<"$state/page-token")"
}
# Until Ctrl-C. The status runs in the foreground and ends by the same Ctrl-C.
show() {
	if [[ -t 0 && -t 1 ]]; then
		printf 'Live status in %d s (Enter: now). Ctrl-C there takes the cluster away. ' "$PROMPT_S"
		read -r -t "$PROMPT_S" _ || echo
		until "$build/sluice" status --watch 8>&- 9>&-; do
			sleep 2 # somebody tries `sluice down`, and `sluice up` again
		done
		return
	fi
	"$build/sluice" status 8>&- 9>&-
	echo "Ctrl-C (SIGINT) or SIGTERM takes the cluster away."
	sleep infinity 8>&- 9>&- &
	wait $!
}

# ---- main -------------------------------------------------------------------------------------
check_needs() {
	local tool
	[[ $EUID == 0 ]] || die "namespaces and BPF need root" "sudo make run"
	for tool in ip nsenter setsid flock ethtool socat curl; do
		command -v $tool >/dev/null || die "$tool is missing" "make deps"
	done
	for tool in sluice sluiced standin; do
		[[ -x $build/$tool ]] || die "$build/$tool is missing" "make"
	done
}
main() {
	check_needs
	choose_server "$@"
	begin
	if [[ $server == llama ]]; then
		echo "  three inference hosts run llama.cpp with $(basename "$model")"
	else
		echo "  THE STAND-IN SERVES, its texts are made up: $reason"
	fi
	step "network: client, sluice host, $NODES inference hosts" make_network
	step "inference servers on 10.2.1.2, 10.2.2.2, 10.2.3.2, port 8000" start_nodes
	step "a scripted model and a vector database on 10.2.3.2, port 8001, 8002" start_trust
	write_prompts
	write_config
	step "kernel plane: sluice up" attach
	sed -n 's/^  \(.*XDP.*\)/      \1/p' "$state/step.log"
	step "daemon: sluiced" start_daemon
	step "http://127.0.0.1:$port on the host" start_host_port
	has_weights && step "documents: a handbook is indexed" teach_store
	write_lines
	print_lines
	show
}

case ${1:-} in
--guard) guard ;;
--selftest) exec "$here/cluster-selftest.sh" ;;
-*) die "unknown option $1" "cluster.sh [MODEL.gguf], or cluster.sh --selftest" ;;
*) main "$@" ;;
esac
