#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# audit.sh - the audit trail has every deed, by whatever tool: reloads, tunables, drains, forced breakers; it
# outlives a crash of the daemon, a disk that cannot be written, a file that is none; what is changed is found.
. "$(dirname "$0")/lib.sh"

sluice=$build/sluice
[[ -x $sluice ]] || { not_ok "start" "$sluice is missing: make all"; finish; }
export SLUICE_ADMIN_SOCKET=$work/admin.sock
mkdir "$work/state"
trail=$work/state/audit.log

key=$("$sluice" key create one --file "$work/keys" 2>"$work/err")

write_config() { # BREAKER_OPEN
	config_write <<-END
		keys: {file: $work/keys}
		audit: {file: $trail}
		timeouts: {upstream_idle: 1s}
		tunables: {breaker.open_ms: $1}
		pools:
		  chat: {nodes: ["127.0.0.1:9001", "127.0.0.1:9002"]}
		routes:
		  - {model: chat, pools: chat}
	END
}
reload() { # NAME: waits for its line in the log
	local before
	before=$(grep -c "reload" "$log")
	kill -HUP "$daemon"
	reloaded() { (($(grep -c "reload" "$log") > before)); }
	wait_for 20 reloaded || not_ok "$1" "no word of the reload in the log"
}
says() { "$sluice" audit list 2>/dev/null | grep -qF -- "$1"; }
lines() { "$sluice" audit verify --json | jq -r .lines; }
does() { "$sluice" "$@" >"$work/out" 2>&1 || not_ok "sluice $*" "$(<"$work/out")"; }

write_config 2s
standin n1 9001
standin n2 9002
daemon_start
expect_soon "the start is written down" 20 says "the daemon has started"
expect_soon "who may come in" 20 says "1 keys, 1 of them active  (keys.file)"
"$sluice" key create two --file "$work/keys" >"$work/out" 2>&1
expect_soon "a key more" 20 says "2 keys, 2 of them active  (keys.file)"

does tune breaker.consecutive_failures=7
expect_soon "a tunable" 20 says "breaker.consecutive_failures: 5 -> 7  (operator)"
does tune breaker.open_ms=9000 --pool chat
expect_soon "a tunable of a pool" 20 says "chat: breaker.open_ms: inherited -> 9000  (operator)"
does drain 127.0.0.1:9001
expect_soon "a drain" 20 says "127.0.0.1:9001: drained  (operator)"
does undrain 127.0.0.1:9001
expect_soon "its end" 20 says "127.0.0.1:9001: undrained  (operator)"
does breaker open 127.0.0.1:9002
expect_soon "a forced breaker" 20 says "127.0.0.1:9002: breaker forced open  (operator)"
does breaker auto 127.0.0.1:9002
expect_soon "its end too" 20 says "127.0.0.1:9002: breaker no longer forced  (operator)"

write_config 3s
reload "a reload"
expect_soon "a reload" 20 says "sluice.yaml: in force  (SIGHUP)"
expect_soon "and what it changed" 20 says "breaker.open_ms: 2000 -> 3000  (configuration)"
echo "nonsense: [" >"$config"
reload "a refused reload"
expect_soon "a refused reload" 20 says "sluice.yaml: refused, the one before it stays in force"
write_config 3s

expect "the trail is good" "$("$sluice" audit verify)" contains "good: "
head=$("$sluice" audit head)
expect "its head is in it" "$("$sluice" audit verify --known "$head" && echo yes)" contains "yes"
expect "the metrics have its number" "$(metric sluice_audit_head_line)" == "${head%%:*}"
expect "no line was lost" "$(metric sluice_audit_lost_total)" == 0

# a crash
before=$(lines)
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
printf '{"line":9999,"at":"20' >>"$trail"
expect "a crash: what was not finished is said" "$("$sluice" audit verify "$trail")" contains "not finished"
daemon_start
cut_off() { says "of a line that a crash had not finished were cut off"; }
expect_soon "a crash: the next line mends it" 20 cut_off
expect "a crash: nothing is gone" "$(lines)" ">" "$before"
expect "a crash: the old head is still in it" "$("$sluice" audit verify --known "$head" && echo yes)" contains "yes"

# no disk
mv "$work/state" "$work/gone"
does drain 127.0.0.1:9001
failing() { metric_is sluice_audit_failures_total "" ">" 0; }
expect_soon "no disk: counted" 20 failing
expect "no disk: requests go on" "$(curl -s -o "$work/out" -w '%{http_code}' -H 'content-type: application/json' -H "authorization: Bearer $key" \
	-d '{"model":"chat","messages":[{"role":"user","content":"hello"}]}' "$url/v1/chat/completions")" == 200
mv "$work/gone" "$work/state"
drains() { (($("$sluice" audit list | grep -c "127.0.0.1:9001: drained") == 2)); }
expect_soon "no disk: what waited is written afterwards" 30 drains

# somebody changes it
sed -i 's/undrained/undrainee/' "$trail"
expect "a changed line is found" "$("$sluice" audit verify 2>&1; echo "exit $?")" contains "a line was changed"
expect "and the exit says so" "$("$sluice" audit verify >"$work/out" 2>&1; echo $?)" == 1
sed -i 's/undrainee/undrained/' "$trail"
expect "put back, it is good" "$("$sluice" audit verify >"$work/out" 2>&1; echo $?)" == 0
sed -i '$d' "$trail"
sed -i '$d' "$trail"
expect "a cut end is no breach by itself" "$("$sluice" audit verify >"$work/out" 2>&1; echo $?)" == 0
daemon_stop

# a file that is no trail is not touched
echo "somebody's notes" >"$trail"
daemon_start
expect_soon "another file is put aside" 20 says "a new trail: the one before is audit.log.broken-"
expect "as it was" "$(cat "$work"/state/audit.log.broken-*)" == "somebody's notes"
expect "and the new trail is good" "$("$sluice" audit verify)" contains "good: "
daemon_stop
expect "a stop is a deed too" "$("$sluice" audit list "$trail")" contains "the daemon ends"
finish
