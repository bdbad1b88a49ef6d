#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# hedge.sh - a second node beside a slow one: who answers, what the other one sees, what it may cost,
# and what it leaves to those who wait.
#
# A node that is to be slow for as long as the test wants is stopped (SIGSTOP): the kernel takes its
# connections, and it answers once it goes on. The daemon is stopped to give it two answers at once.
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
requests=$work/requests.log

config_write <<-END
	tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000,
	           retry.reserve_per_min: 0, hedge.samples_min: 5, hedge.burst: 100}
	limits: {upstream_idle: 0}
	log: {requests: $requests}
	pools:
	  pair: {nodes: [{address: "127.0.0.1:9001", weight: 1000}, "127.0.0.1:9002"]}
	  alone: {nodes: ["127.0.0.1:9003"]}
	  tight:
	    nodes: [{address: "127.0.0.1:9004", weight: 1000}, "127.0.0.1:9005"]
	    model: inner
	    api_key: sk-of-the-pool
	    tunables: {hedge.burst: 2, hedge.budget_percent: 10}
	  slots: {nodes: [{address: "127.0.0.1:9006", weight: 1000}, "127.0.0.1:9007"], slots: 1}
	routes:
	  - {model: pair, pools: pair, backoff: 0ms, hedge: {after: p50, min: 200ms}}
	  - {model: streams, pools: pair, hedge: {after: p50, min: 200ms, whole: false}}
	  - {model: once, pools: pair, attempts: 1, hedge: {after: p50, min: 200ms}}
	  - {model: chain, pools: [pair, alone], attempts: 2, hedge: {after: p50, min: 200ms}}
	  - {model: off, pools: pair}
	  - {model: alone, pools: alone, hedge: {after: p50, min: 200ms}}
	  - {model: tight, pools: tight, hedge: {after: p50, min: 200ms}}
	  - {model: slots, pools: slots, hedge: {after: p50, min: 200ms}}
END
for n in 1 2 3 4 5 6 7; do standin n$n 900$n; done
daemon_start

well() { curl -s -X DELETE "http://127.0.0.1:$(($1 + 1000))/fault" >/dev/null; } # PORT
fault() { # PORT FAULT [COUNT]: instead of those it had
	well "$1"
	curl -s "http://127.0.0.1:$(($1 + 1000))/fault" -d "{\"fault\":\"$2\",\"count\":${3:--1}}" >/dev/null
}
# A signal is under way for a while, and the threads that have not seen it run on.
is_stopped() { ! grep -h ^State: /proc/"$1"/task/*/status | grep -qv 'T (stopped)'; }   # PID
stop() { kill -STOP "$1" && wait_for 10 is_stopped "$1"; }                               # PID
hold() { for name in "$@"; do stop "${standins[$name]}"; done; }                         # NAME...
go_on() { for name in "$@"; do kill -CONT "${standins[$name]}"; done; }                  # NAME...
chat() { # MODEL STREAM [TOKENS]
	echo "{\"model\":\"$1\",\"stream\":$2,\"max_tokens\":${3:-8},\"ignore_eos\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}"
}
ask() { # MODEL STREAM [ID]: into $work/answer
	curl -siN --max-time 60 "$url/v1/chat/completions" -H 'content-type: application/json' \
		-H "x-request-id: ${3:-any}" -d "$(chat "$1" "$2")" | tr -d '\r' >"$work/answer"
}
ask_later() { ask "$@" & asking=$!; }
asks() { for ((i = 0; i < $3; i++)); do ask "$1" "$2"; done; } # MODEL STREAM COUNT
field() { sed -n "s/^$1: //p" "$work/answer"; }                # NAME
# status, node, attempts, hedge of the last answer
outcome() {
	echo "$(sed -n '1s/^HTTP.1.1 \([0-9]*\).*/\1/p' "$work/answer") $(field x-sluice-node | sed 's/.*://')" \
		"$(field x-sluice-attempts) $(field x-sluice-hedged)"
}
# the words of the answer, whole or streamed
words() {
	sed '1,/^$/d' "$work/answer" | sed 's/^data: //' | grep '^{' |
		jq -rj '.choices[0] | .delta.content // .message.content // empty'
}
served() { state_of "$1" .inference_requests; } # PORT
gone() { state_of "$1" .client_gone; }          # PORT
gone_is() { [[ $(gone "$1") == "$2" ]]; }       # PORT COUNT
count() { metric "sluice_hedges_$1_total" "pool=\"${2:-pair}\"${3:+,reason=\"$3\"}"; } # WHAT [POOL [REASON]]
count_is() { [[ $(count "$1" "$2" "${4:-}") == "$3" ]]; }                              # WHAT POOL COUNT [REASON]
endings() { metric sluice_attempts_total "pool=\"pair\",ending=\"$1\""; }
endings_are() { [[ $(endings "$1") == "$2" ]]; }                                        # ENDING COUNT
signals() { metric sluice_node_signals_total "node=\"127.0.0.1:$1\",signal=\"$2\""; } # PORT SIGNAL
told() { "$sluice" explain "$1" --json | jq -r "$2"; }                                  # ID JQ

# Has the stopped node a request to read?
has_mail() { ss -Htn "sport = :$1" | awk '$2 > 0 { found = 1 } END { exit !found }'; } # PORT

# ---- too few times are known: no hedge ----------------------------------------------------------
fault 9001 slow-first:500 1
ask pair true
expect "nothing known yet: not hedged" "$(outcome)" == "200 9001 1 "
for model in pair alone tight slots; do
	asks $model true 5
	asks $model false 5
done
ask pair true
right=$(words)
expect "the answer has words" "${#right}" '>' 10

# ---- the first is slow, the second answers ------------------------------------------------------
for stream in true false; do
	what="slow first, stream=$stream"
	left=$(gone 9001) other=$(served 9002) started=$(count started) won=$(count won)
	cancelled=$(count cancelled) lost=$(endings cancelled) known=$(metric sluice_route_retries_total)
	fault 9001 slow-first:50000 1
	ask pair $stream won-$stream
	expect "$what: the other node answers" "$(outcome)" == "200 9002 2 won"
	expect "$what: the right words, once" "$(words)" == "$right"
	expect_soon "$what: the slow node sees the client leave" 10 gone_is 9001 $((left + 1))
	expect "$what: the other one was asked once" "$(($(served 9002) - other))" == 1
	expect "$what: started, won, cancelled" \
		"$(($(count started) - started)) $(($(count won) - won)) $(($(count cancelled) - cancelled))" == "1 1 1"
	expect "$what: counted among the endings" "$(($(endings cancelled) - lost))" == 1
	expect "$what: is no retry" "$(metric sluice_route_retries_total)" == "$known"
	[[ $stream == true ]] && expect "$what: ends as a stream does" \
		"$(grep -c '^data: \[DONE\]' "$work/answer")" == 1
done
expect "slow first: neutral for its breaker" "$(signals 9001 ttft_timeout) $(signals 9001 client_gone)" == "0 0"
expect "explain: the steps" "$(told won-false '[.events[].event] | join(" ")')" == \
	"admitted pool attempt sent hedge attempt sent ending ending hedge_won answer"
expect "explain: the times do not go back" "$(told won-false '[.events[].at_ms] | . == sort')" == true
expect "explain: the hedge" "$(told won-false '.events[] | select(.event == "hedge") | "\(.verdict) \(.node) \(.waited_ms >= 200)"')" == \
	"go 127.0.0.1:9002 true"
expect "explain: who was cut, who answered" \
	"$(told won-false '[.events[] | select(.event == "ending") | "\(.node) \(.ending)"] | join(", ")')" == \
	"127.0.0.1:9001 cancelled, 127.0.0.1:9002 ok"
expect "explain: who won" "$(told won-false '.events[] | select(.event == "hedge_won") | .node')" == 127.0.0.1:9002
logged() { grep "\"id\":\"$1\"" "$requests" | jq -r '"\(.hedge) \(.attempts) \(.node)"'; }
log_has() { grep -q "\"id\":\"$1\"" "$requests"; }
for stream in true false; do
	expect_soon "log, stream=$stream: written" 10 log_has won-$stream
	expect "log, stream=$stream: says so" "$(logged won-$stream)" == "won 2 127.0.0.1:9002"
done

# ---- the first answers after all ----------------------------------------------------------------
for stream in true false; do
	what="slow second, stream=$stream"
	left=$(gone 9002) won=$(count won) started=$(count started)
	hold n1
	fault 9002 slow-first:50000 1
	ask_later pair $stream lost-$stream
	expect_soon "$what: hedged" 20 count_is started pair $((started + 1))
	expect_soon "$what: the second has it" 10 state_is 9002 ".running > 0"
	go_on n1
	wait $asking
	expect "$what: the first answers" "$(outcome)" == "200 9001 2 lost"
	expect "$what: the right words, once" "$(words)" == "$right"
	expect_soon "$what: the second sees the client leave" 10 gone_is 9002 $((left + 1))
	expect "$what: not won" "$(count won)" == "$won"
done
expect "slow second: explained" "$(told lost-false '[.events[] | select(.event | startswith("hedge")) | "\(.event) \(.node)"] | join(", ")')" == \
	"hedge 127.0.0.1:9002, hedge_lost 127.0.0.1:9002"

# ---- both answer in one turn: one answer, whole, and nothing is left -----------------------------
for api in chat messages; do
	for stream in true false; do
		what="at once, $api, stream=$stream"
		started=$(count started) first=$(served 9001) second=$(served 9002)
		hold n1 n2
		if [[ $api == chat ]]; then
			ask_later pair $stream
		else
			curl -siN --max-time 60 "$url/v1/messages" -H 'content-type: application/json' \
				-d "$(chat pair $stream | sed 's/"ignore_eos":true,//')" | tr -d '\r' >"$work/answer" &
			asking=$!
		fi
		expect_soon "$what: hedged" 20 count_is started pair $((started + 1))
		expect_soon "$what: the second has it" 10 has_mail 9002
		stop $daemon
		go_on n1 n2
		expect_soon "$what: the first has answered" 10 state_is 9001 ".inference_requests == $((first + 1)) and .running == 0"
		expect_soon "$what: so has the second" 10 state_is 9002 ".inference_requests == $((second + 1)) and .running == 0"
		kill -CONT $daemon
		wait $asking
		expect "$what: one of them is the answer" "$(outcome)" contains "200 900"
		got=$(sed '1,/^$/d' "$work/answer" | sed 's/^data: //' | grep '^{' |
			jq -rj '(.choices[0]? | .delta.content // .message.content) // .delta.text? // .content[0].text? // empty')
		expect "$what: the right words, once" "$got" == "$right"
		expect_soon "$what: nothing in flight" 10 idle
		expect_soon "$what: no node is busy" 10 metric_is sluice_node_requests '' == 0
	done
done

# ---- one of the two fails: the other is the retry -------------------------------------------------
for stream in true false; do
	what="first breaks, stream=$stream"
	started=$(count started) broken=$(endings reset)
	fault 9001 slow-first:50000 1
	hold n2
	ask_later pair $stream
	expect_soon "$what: hedged" 20 count_is started pair $((started + 1))
	curl -s -X POST http://127.0.0.1:10001/drop >/dev/null
	expect_soon "$what: it broke" 10 endings_are reset $((broken + 1))
	go_on n2
	wait $asking
	expect "$what: the second answers, as the retry" "$(outcome)" == "200 9002 2 won"
	expect "$what: the right words, once" "$(words)" == "$right"

	what="second fails, stream=$stream"
	other=$(served 9002) failed=$(endings status_5xx)
	hold n1
	fault 9002 500 1
	ask_later pair $stream
	expect_soon "$what: it failed" 20 endings_are status_5xx $((failed + 1))
	go_on n1
	wait $asking
	expect "$what: the first answers" "$(outcome)" == "200 9001 2 lost"
	expect "$what: the second was asked once" "$(($(served 9002) - other))" == 1
done
expect "a failure beside a hedge is told" "$(signals 9001 reset) $(signals 9002 http_5xx)" == "2 2"

# ---- the client leaves: both are cut --------------------------------------------------------------
for stream in true false; do
	what="abort, stream=$stream"
	started=$(count started) left=$(gone 9001) other=$(gone 9002)
	fault 9001 slow-first:50000 1
	fault 9002 slow-first:50000 1
	curl -sN -o "$work/answer" --max-time 60 "$url/v1/chat/completions" -d "$(chat pair $stream)" &
	asking=$!
	expect_soon "$what: hedged" 20 count_is started pair $((started + 1))
	expect_soon "$what: both have it" 10 eval 'state_is 9001 ".running > 0" && state_is 9002 ".running > 0"'
	kill -KILL $asking
	wait $asking 2>/dev/null
	expect_soon "$what: the first sees it" 10 gone_is 9001 $((left + 1))
	expect_soon "$what: the second sees it" 10 gone_is 9002 $((other + 1))
	expect_soon "$what: nothing in flight" 10 idle
done

# ---- who does not want it, or has nobody else ------------------------------------------------------
started=$(count started)
for ask_of in "off true" "off false" "streams false" "once true" "chain false"; do
	fault 9001 slow-first:500 1
	# shellcheck disable=SC2086
	ask $ask_of
	expect "not hedged: $ask_of" "$(outcome)" == "200 9001 1 "
done
fault 9003 slow-first:500 1
ask alone true
expect "not hedged: one node" "$(outcome)" == "200 9003 1 "
expect "not hedged: none was started" "$(count started) $(count started alone)" == "$started 0"
ask_slow() { # of pair, which is not hedged, for REASON
	local before
	before=$(count refused pair "$1")
	hold n1
	ask_later pair true "refused-$1"
	expect_soon "refused, $1: counted" 20 count_is refused pair $((before + 1)) "$1"
	go_on n1
	wait $asking
	expect "refused, $1: one attempt" "$(outcome)" == "200 9001 1 "
	expect "refused, $1: explained" "$(told "refused-$1" '.events[] | select(.event == "hedge") | .verdict')" == "$1"
}
"$sluice" breaker open pair/1 >/dev/null
ask_slow no_node
"$sluice" tune pool.panic_percent=60 >/dev/null
ask_slow panic
"$sluice" tune pool.panic_percent=default >/dev/null
"$sluice" breaker auto pair/1 >/dev/null
proves_itself() { asks pair true 3; metric_is sluice_node_breaker_state '9002",state="closed"' == 1; }
expect_soon "the second node is back" 20 proves_itself

fault 9001 500
fault 9002 500
asks pair true 8
well 9001
well 9002
ask_slow retries

# ---- slots: no node gets more than it takes, and who waits is not overtaken --------------------------
other=$(served 9006)
curl -s http://127.0.0.1:10006/config -d '{"token_us":5000}' >/dev/null
curl -sN --max-time 60 -o "$work/blocker" "$url/v1/chat/completions" -d "$(chat slots true 30000)" &
blocker=$!
expect_soon "slots: one is taken" 10 state_is 9006 '.running == 1'
hold n7
ask_later slots true slots
expect_soon "slots: no place for a hedge" 20 count_is refused slots 1 no_place
curl -siN --max-time 60 -o "$work/waited" "$url/v1/chat/completions" -d "$(chat slots false)" &
waiting=$!
expect_soon "slots: a third request waits" 10 metric_is sluice_queue_depth 'pool="slots"' == 1
kill -KILL $blocker
wait $blocker 2>/dev/null
wait $waiting
expect "slots: it gets the place" "$(tr -d '\r' <"$work/waited" | sed -n 's/^x-sluice-node: //p')" == 127.0.0.1:9006
go_on n7
wait $asking
expect "slots: the slow one has its own answer" "$(outcome)" == "200 9007 1 "
expect "slots: no hedge was sent" "$(count started slots) $(($(served 9006) - other))" == "0 2"
# with a place free it is hedged there
hold n6
ask_later slots true
wait $asking
expect "slots: a free place is used" "$(outcome)" == "200 9007 2 won"
go_on n6
expect_soon "slots: both places are given back" 10 metric_is sluice_node_requests 'pool="slots"' == 0

# ---- the budget: two at once, and then one of ten requests -----------------------------------------
curl -s http://127.0.0.1:10005/config -d '{"record":true}' >/dev/null
other=$(served 9005)
fault 9004 slow-first:50000 2
for n in 1 2; do
	ask tight true
	expect "budget: hedge $n" "$(outcome)" == "200 9005 2 won"
done
expect "a hedge has the pool's key" "$(curl -s http://127.0.0.1:10005/last)" contains "Bearer sk-of-the-pool"
expect "and its name of the model" "$(curl -s http://127.0.0.1:10005/last)" contains '"model":"inner"'
fault 9004 slow-first:400
for n in 3 4 5; do
	ask tight true
	expect "budget: request $n waits" "$(outcome)" == "200 9004 1 "
done
well 9004
expect "budget: started, refused" "$(count started tight) $(count refused tight budget)" == "2 3"
expect "budget: the second node saw as many" "$(($(served 9005) - other))" == 2
asks tight true 5
fault 9004 slow-first:50000 1
ask tight true
expect "budget: ten requests pay for one" "$(outcome)" == "200 9005 2 won"
"$sluice" tune hedge.budget_percent=0 >/dev/null
fault 9004 slow-first:400 1
ask tight true
expect "budget: none at 0 %" "$(outcome)" == "200 9004 1 "
"$sluice" tune hedge.budget_percent=default >/dev/null

# ---- under load --------------------------------------------------------------------------------------
curl -s http://127.0.0.1:10001/fault -d '{"fault":"slow-first:5000","share":0.01}' >/dev/null
before=$(count started)
load_start --model pair --count 1000 --concurrency 8 --stream-percent 50 --tokens 8
load_end
load_clean "load with a slow node"
expect "load with a slow node: 0 broken streams" "$(loaded stream_broken)" == 0
expect "load with a slow node: all answered" "$(($(loaded whole_ok) + $(loaded stream_ok)))" == 1000
expect "load with a slow node: some were hedged" "$(count started)" '>' "$before"

daemon_stop
finish
