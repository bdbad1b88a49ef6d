#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# run.sh - all benchmarks, or the named parts of them: tests/bench/run.sh [PART...]
#
#   chat relay calls jitter memory scale latency body parts
#               the daemon beside haproxy and nginx (proxies.sh)
#   packet      ns a packet of the kernel plane beside plain balancers (packet.c), root
#   effect      how soon packets obey a map and a breaker (effect.c), root
#   maglev      building lookup tables, and a walk over the flow table (maglev.c)
#   queue       what the daemon's decisions cost: queue, choice of a node (queue.c)
#   prompt      rendering of a prompt (prompt.c)
#   tokens      exact counts of tokens (tokens.c)
#   validate    what checks of answers cost (validate.c)
#   turns       how long requests hold a thread, and what checks add to streams (turns.sh)
#   trust       the trust plane: prompt, validate, semantic, retrieval and turns, figures and bars alone
#   retrieval   a search in 100,000 chunks (retrieval.c); making them takes minutes
#   semantic    answers that are kept: exact, by their meaning, and how right that is (semantic.c)
#   kernel_e2e  the fast lane beside nftables and haproxy in namespaces (lane.sh), root
#   retry       connect times while a node is sick (retry.sh), root
#   scrape      a page of /metrics with 1,000 nodes (scrape.sh)
#   observe     what metrics, traces and ledgers cost a request (observe.sh)
#   region      a region is lost: failed requests, time to find it and to be steady (region.sh)
#   abort       how soon all is free when a client leaves (abort.sh), root
#   rollback    how long a bad candidate is given after the evidence suffices (rollback.sh)
#
# See docs/benchmarks.md. The kernel plane goes first: its parts need no quiet daemon beside them.
set -u
cd "$(dirname "$0")/../.." || exit 2
proxy_parts=(chat relay calls jitter memory scale latency body parts)
kernel_parts=(packet effect maglev queue tokens prompt validate semantic retrieval turns kernel_e2e retry scrape observe region abort rollback)
[ $# -gt 0 ] || set -- "${kernel_parts[@]}" "${proxy_parts[@]}"
status=0
proxies=()

has() { # WORD LIST...
	local word=$1 other
	shift
	for other; do [ "$other" != "$word" ] || return 0; done
	return 1
}
# A part of the kernel plane; a failure is said and does not end the others.
kernel_part() { # TITLE COMMAND...
	local title=$1 start_s=$SECONDS
	shift
	printf '\n%s\n' "$title"
	"$@" 2>&1 | sed "s,^,    ,"
	if [ "${PIPESTATUS[0]}" -ne 0 ]; then
		printf '    (not measured: see above)\n'
		status=1
	fi
	printf '%s: %d s\n' "$1" $((SECONDS - start_s)) >&2
}

# The rows of several benchmarks in one table: those that begin a line, without what explains them.
trust() {
	local program bad=0
	for program in build/bench/{prompt,validate,semantic,retrieval} tests/bench/turns.sh; do
		"$program" 2>&1 | grep -v '^ ' || bad=1
		[ "${PIPESTATUS[0]}" -eq 0 ] || bad=1
	done
	return $bad
}
for part in "$@"; do
	if has "$part" "${proxy_parts[@]}"; then
		proxies+=("$part")
	elif [ "$part" != trust ] && ! has "$part" "${kernel_parts[@]}"; then
		echo "bench: unknown part \"$part\": trust ${kernel_parts[*]} ${proxy_parts[*]}" >&2
		exit 2
	fi
done
for part in "$@"; do
	case $part in
	packet) kernel_part "nanoseconds a packet (build/bench/packet)" build/bench/packet ;;
	effect) kernel_part "time until packets obey (build/bench/effect)" build/bench/effect ;;
	maglev) kernel_part "lookup tables and a walk over the flows (build/bench/maglev)" build/bench/maglev ;;
	queue) kernel_part "decisions of the daemon (build/bench/queue)" build/bench/queue ;;
	prompt) kernel_part "rendering of a prompt (build/bench/prompt)" build/bench/prompt ;;
	tokens) kernel_part "exact counts of tokens (build/bench/tokens)" build/bench/tokens ;;
	validate) kernel_part "checks of answers (build/bench/validate)" build/bench/validate ;;
	retrieval) kernel_part "retrieval besides the embedding (build/bench/retrieval)" build/bench/retrieval ;;
	turns) kernel_part "what holds a thread (tests/bench/turns.sh)" tests/bench/turns.sh ;;
	trust) kernel_part "the trust plane: figures and bars" trust ;;
	semantic) kernel_part "answers that are kept (build/bench/semantic)" build/bench/semantic ;;
	kernel_e2e) kernel_part "end to end in namespaces (tests/bench/lane.sh)" tests/bench/lane.sh ;;
	retry) kernel_part "connects while a node is sick (tests/bench/retry.sh)" tests/bench/retry.sh ;;
	scrape) kernel_part "a page of /metrics (tests/bench/scrape.sh)" tests/bench/scrape.sh ;;
	observe) kernel_part "what observability costs (tests/bench/observe.sh)" tests/bench/observe.sh ;;
	region) kernel_part "a region is lost (tests/bench/region.sh)" tests/bench/region.sh ;;
	abort) kernel_part "what a client that leaves frees (tests/bench/abort.sh)" tests/bench/abort.sh ;;
	rollback) kernel_part "from a canary's breach to its roll-back (tests/bench/rollback.sh)" tests/bench/rollback.sh ;;
	esac
done
if [ ${#proxies[@]} -gt 0 ]; then
	printf '\n'
	tests/bench/proxies.sh "${proxies[@]}" || status=1
fi
exit $status
