#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# reload.sh - SIGHUP under load, from one profile to another too; a broken file; SIGTERM with open
# streams.
. "$(dirname "$0")/lib.sh"

reload_count=30

# write_turn N: nodes come and go, weights and time-outs move
write_turn() {
	local third= weight=$((1 + $1 % 3))
	(($1 % 2)) && third=', "127.0.0.1:9003"'
	config_write <<-END
		tunables: {breaker.open_ms: $((1000 + $1))ms}
		timeouts: {upstream_idle: 1s}
		limits: {body: $((1 + $1 % 4))MiB}
		pools:
		  chat: {nodes: [{address: "127.0.0.1:9001", weight: $weight}, "127.0.0.1:9002"$third]}
		  extra-$(($1 % 5)): {nodes: ["127.0.0.1:9004"]}
		routes:
		  - model: chat
		    pools: [chat, extra-$(($1 % 5))]
		    timeouts: {ttft: $((20 + $1 % 7))s, inter_token: 20s, total: 60s}
		  - {model: other-$(($1 % 4)), pools: extra-$(($1 % 5))}
	END
}
reloads() { metric_is sluice_config_reloads_total "$1" '>=' "$2"; }

for n in 1 2 3 4; do standin n$n 900$n --token-us 1000; done
write_turn 0
daemon_start

load_start --count 1000000 --concurrency 40 --stream-percent 50 --tokens 8
for ((i = 1; i <= reload_count; i++)); do
	write_turn $i
	kill -HUP $daemon
	if ! wait_for 10 reloads success $i; then
		not_ok "reload $i" "not done: $(tail -n 3 "$log")"
		break
	fi
done
expect "$reload_count reloads under load" "$(metric sluice_config_reloads_total success)" == \
	$reload_count
load_stop
load_clean "$reload_count reloads under load"
expect "$reload_count reloads under load: 0 broken streams" "$(loaded stream_broken)" == 0
expect "$reload_count reloads under load: requests" "$(loaded requests)" '>' 500
expect "a node that came by a reload got requests" $(($(state_of 9003 .requests) > 0)) == 1
expect "the models of the newest file are listed" \
	"$(curl -s "$url/v1/models" | jq -r '[.data[].id] | sort | join(" ")')" == \
	"chat other-$((reload_count % 4))"

# from one profile to another: what the file does not name has other defaults, and nobody notices
write_profile() { # LINE: without `threads`, which a profile sets
	cat >"$config.new" <<-END
		$1
		listen: 127.0.0.1:8080
		admin_socket: $work/admin.sock
		tunables: {retry.budget: 0}
		pools:
		  chat: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}
		  ill: {metrics: {scrape: never}, nodes: ["127.0.0.1:9004"]}
		routes:
		  - {model: chat, pools: chat}
		  - {model: ill, pools: ill, backoff: 0ms}
		  - {model: named, pools: ill, backoff: 0ms, attempts: 3}
	END
	mv "$config.new" "$config"
}
attempts() { # MODEL: asked in vain; what its node saw of it
	local before
	before=$(state_of 9004 .inference_requests)
	curl -s -o "$work/ill" "$url/v1/chat/completions" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
	echo $(($(state_of 9004 .inference_requests) - before))
}
explained() { "$build/sluice" check --explain --json "$config" | jq -r "$1"; } # JQ
of_key() { explained ".explain.settings[] | select(.key == \"$1\") | \"\(.from) \(.value)\""; } # PATH
is_profile() { [[ $(metric sluice_profile_info "profile=\"$1\"") == 1 ]]; }

curl -s http://127.0.0.1:10004/fault -d '{"fault":"500","count":-1}' >/dev/null
lines=$(log_lines)
write_profile 'profile: personal'
load_start --count 1000000 --concurrency 20 --stream-percent 50 --tokens 8
for turn in personal critical mvp saas enterprise critical none; do
	[[ $turn == none ]] && write_profile '' || write_profile "profile: $turn"
	kill -HUP $daemon
	expect_soon "profile $turn: in force" 10 is_profile $turn
	case $turn in
	personal) expect "$turn: attempts" "$(attempts ill)" == 2 ;;
	critical) expect "$turn: attempts" "$(attempts ill)" == 6 ;;
	none) expect "$turn: attempts" "$(attempts ill)" == 4 ;;
	esac
	expect "profile $turn: what the file names counts" "$(attempts named)" == 3
	if [[ $turn == critical || $turn == personal ]]; then
		expect "$turn: the explanation is what happened" "$(of_key 'routes[1].attempts')" == \
			"profile $(attempts ill)"
		expect "$turn: and of what the file names" "$(of_key 'routes[2].attempts')" == "file 3"
	fi
done
load_stop
load_clean "profiles under load"
expect "profiles under load: 0 broken streams" "$(loaded stream_broken)" == 0
expect "the log names the profile" "$(tail -n +$((lines + 1)) "$log" | grep -c 'reloaded .*profile=critical')" == 2
expect "sluice status does" "$("$build/sluice" status --admin-socket "$work/admin.sock" --json |
	jq -r .daemon.profile)" == none
expect "threads of a profile count at the start, and that is said" \
	"$(tail -n +$((lines + 1)) "$log" | grep -c 'threads, io and spend.file take effect at the next')" '>' 0
write_profile 'profile: critical'
expect "every key is explained" "$("$build/sluice" check --explain=all --json "$config" |
	jq '[.explain.settings[] | select(.from == "default")] | length')" '>' 100
"$build/sluice" check --explain=some "$config" >"$work/some" 2>&1
expect "--explain=some is refused" $? == 2
"$build/sluice" check --explain "$config" >"$work/explained"
expect "advice changes no exit status" $? == 0
expect "it has the line to add" "$(cat "$work/explained")" contains "audit: {file: /var/lib/sluice/audit.log}"
expect "it fits 100 columns" "$(tail -n +2 "$work/explained" | awk 'length > 100')" == ""

# a broken file
write_turn $reload_count
lines=$(log_lines)
sed -i 's/^limits:.*/limits: {body: 4x, requests: 8}/' "$config"
kill -HUP $daemon
expect_soon "broken file: counted" 10 reloads failure 1
expect "broken file: metric" "$(metric sluice_config_last_reload_successful)" == 0
expect "broken file: the log has file, line and column" \
	"$(grep -c "sluice.yaml:[0-9]*:[0-9]*: error: limits.body: \"4x\"" "$log")" == 1
expect "broken file: the log has the line and a caret under the place" \
	"$(grep -A1 'limits: {body: 4x' "$log" | tail -n 1 | tr -d ' |')" == '^'
expect_logged "broken file: the log says that the old one stays" "$lines" "stays in force"
load_start --count 200 --concurrency 20 --stream-percent 50 --tokens 8
load_end
load_clean "broken file"
write_turn $((reload_count + 1))
kill -HUP $daemon
expect_soon "mended file: metric" 10 metric_is sluice_config_last_reload_successful '' == 1

# SIGTERM: open streams come to their end
expect_soon "before the drain nothing is left open" 20 fds_are_back
curl -sN --max-time 60 "$url/v1/chat/completions" -H 'content-type: application/json' -d '{
	"model":"chat","stream":true,"ignore_eos":true,"max_tokens":3000,
	"messages":[{"role":"user","content":"a long one"}]}' >"$work/stream" &
stream=$!
expect_soon "a stream is open" 10 grep -q delta "$work/stream"
kill -TERM $daemon
refuses() { [[ $(curl -s --max-time 5 -o "$work/out" -w '%{http_code}' "$url/health") == 000 ]]; }
expect_soon "drain: no new connection is taken" 10 refuses
wait $stream
expect "drain: curl saw a whole answer" $? == 0
expect "drain: the stream came to its [DONE]" "$(tail -n 2 "$work/stream" | head -n 1)" == "data: [DONE]"
wait $daemon
expect "drain: exit status" $? == 0
expect "drain: last line of the log" "$(tail -n 1 "$log")" contains "stopped"

# SIGTERM with a stream that does not end within timeouts.drain
write_turn 1
sed -i 's/^timeouts:.*/timeouts: {drain: 300ms}/' "$config"
# what is still open at the cut is left to the end of the process, which is no leak
ASAN_OPTIONS=detect_leaks=0 daemon_start
rm "$work/stream" # of the test before: the wait below is for this one's
curl -sN --max-time 60 "$url/v1/chat/completions" -H 'content-type: application/json' \
	-H 'x-standin-fault: stall:2' -d '{"model":"chat","stream":true,
	"messages":[{"role":"user","content":"stalls"}]}' >"$work/stream" &
stream=$!
expect_soon "a stream hangs" 10 grep -q delta "$work/stream"
kill -TERM $daemon
wait $daemon
expect "drain time is up: exit status" $? == 3
wait $stream
expect "drain time is up: the client sees a cut, not an end" $? != 0
expect "drain time is up: no false [DONE]" "$(grep -c '\[DONE\]' "$work/stream")" == 0
daemon=
finish
