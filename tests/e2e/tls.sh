#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tls.sh - TLS in front of the daemon and behind it; certificates are made here.
#
#   curl, openai, openssl --TLS--> sluiced 8443 (8444: asks clients, 8445: two names)
. "$(dirname "$0")/lib.sh"

command -v openssl >/dev/null || { not_ok "openssl" "missing: apt-get install openssl"; finish; }
pki=$work/pki
mkdir -p "$pki"

# ---- certificates -----------------------------------------------------------------------------
authority() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-keyout "$pki/$1.key" -out "$pki/$1.pem" -subj "/CN=$1" 2>/dev/null
}
# certificate FILE AUTHORITY SUBJECT ALTERNATIVE_NAMES [DAYS]: days below 0 are over
certificate() {
	local days=${5:-30} from=20200101000000Z
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$pki/$1.key" \
		-out "$pki/$1.csr" -subj "/CN=$3" 2>/dev/null
	[[ -f $pki/ca.cnf ]] || {
		printf '[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\n' "$pki" "$pki" "$pki"
		printf 'default_md=sha256\npolicy=p\nunique_subject=no\ncopy_extensions=none\n[p]\ncommonName=supplied\n'
	} >"$pki/ca.cnf"
	: >>"$pki/index"
	[[ -f $pki/serial ]] || echo 01 >"$pki/serial"
	printf 'subjectAltName=%s\n' "$4" >"$pki/$1.ext"
	openssl ca -batch -config "$pki/ca.cnf" -cert "$pki/$2.pem" -keyfile "$pki/$2.key" -in "$pki/$1.csr" \
		-out "$pki/$1.pem" -startdate $from -enddate "$(date -u -d "$days days" +%Y%m%d%H%M%SZ)" \
		-notext -extfile "$pki/$1.ext" 2>"$pki/log" || not_ok "certificate $1" "$(tail -n 2 "$pki/log")"
}
authority ca
authority stranger
certificate front ca front DNS:localhost,DNS:a.test,IP:127.0.0.1
certificate second ca second DNS:b.test
certificate expired ca front DNS:localhost -2
certificate agent ca agent-7 DNS:agent
certificate intruder stranger intruder DNS:agent
cp "$pki/front.pem" "$pki/live.pem"
cp "$pki/front.key" "$pki/live.key"

tls=https://localhost:8443
scurl() { curl -s --max-time 10 --cacert "$pki/ca.pem" "$@"; }
# file_now [HEADER_TIMEOUT]: the configuration
file_now() {
	cat >"$config" <<-END
		listen:
		  - 127.0.0.1:8080
		  - {address: "127.0.0.1:8443", tls: {certificate: $pki/live.pem, key: $pki/live.key}}
		  - address: 127.0.0.1:8444
		    tls: {certificate: $pki/front.pem, key: $pki/front.key, client_ca: $pki/ca.pem}
		  - address: 127.0.0.1:8445
		    tls: {certificate: [$pki/front.pem, $pki/second.pem], key: [$pki/front.key, $pki/second.key],
		      client_ca: $pki/ca.pem, client: optional}
		admin_socket: $work/admin.sock
		threads: ${THREADS:-2}
		io: ${SLUICE_IO:-auto}
		timeouts: {header: ${1:-20s}, upstream_idle: 1s}
		pools:
		  chat: {nodes: ["127.0.0.1:9001"]}
		routes:
		  - {model: chat, pools: chat}
	END
}
reloads() { metric_is sluice_config_reloads_total "$1" '>=' "$2"; }
handshakes() { metric sluice_tls_handshakes_total "with=\"clients\",result=\"$1\""; }
subject_of() { # PORT [S_CLIENT OPTIONS]: of the certificate that is shown
	local port=$1
	shift
	openssl s_client -connect 127.0.0.1:"$port" "$@" </dev/null 2>/dev/null | openssl x509 -noout -subject -serial 2>/dev/null | tr '\n' ' '
}

standin a 9001 --token-us 1000
file_now
daemon_start

# ---- clients ----------------------------------------------------------------------------------
ask='{"model":"chat","messages":[{"role":"user","content":"hello"}],"max_tokens":8}'
post() { scurl -o "$work/out" -w '%{http_code} %{http_version}' -H 'content-type: application/json' -d "$ask" "$@"; }
expect "curl over https: status and version" "$(post $tls/v1/chat/completions)" == "200 1.1"
expect "curl over https: an answer" "$(jq -r '.choices[0].finish_reason' "$work/out")" == length
expect "TLS 1.2 is spoken" "$(post --tlsv1.2 --tls-max 1.2 $tls/v1/chat/completions)" == "200 1.1"
expect "TLS 1.1 is not" \
	"$(openssl s_client -connect 127.0.0.1:8443 -tls1_1 -cipher ALL@SECLEVEL=0 </dev/null 2>&1 | grep -c 'Cipher is (NONE)')" == 1
expect "ALPN: http/1.1 is chosen" \
	"$(openssl s_client -connect 127.0.0.1:8443 -alpn h3,http/1.1 </dev/null 2>/dev/null | grep -c 'ALPN protocol: http/1.1')" == 1
expect "ALPN: who speaks nothing of ours is told so" \
	"$(openssl s_client -connect 127.0.0.1:8443 -alpn h3 </dev/null 2>&1 | grep -c 'no application protocol')" == 1
for version in tls1_2 tls1_3; do
	rm -f "$work/session"
	(sleep 0.3) | openssl s_client -connect 127.0.0.1:8443 -$version -sess_out "$work/session" >/dev/null 2>&1
	expect "$version: a session is resumed" \
		"$( (sleep 0.3) | openssl s_client -connect 127.0.0.1:8443 -$version -sess_in "$work/session" 2>/dev/null | grep -c '^Reused')" == 1
done
expect "resumed sessions are counted" "$(metric sluice_tls_resumed_total 'with="clients"')" '>=' 2
NODE_EXTRA_CA_CERTS=$pki/ca.pem SLUICE_TEST_NAME=$test_name node "$e2e/tls.mjs" sdk $tls || failures=$((failures + 1))

# plain HTTP where TLS is spoken, and the other way round
expect "plain HTTP on a TLS port: status" \
	"$(curl -s --max-time 5 -o "$work/out" -w '%{http_code}' http://127.0.0.1:8443/health)" == 400
expect "plain HTTP on a TLS port: the answer says what to do" "$(jq -r .error.message "$work/out")" contains "https://"
expect "TLS on a plain port ends" "$(scurl -o "$work/out" -w '%{http_code}' https://127.0.0.1:8080/health)" == 000

# who never ends its handshake is let go
file_now 300ms
kill -HUP $daemon
expect_soon "a short time for handshakes" 10 reloads success 1
before=$(handshakes timeout)
exec 7<>/dev/tcp/127.0.0.1/8443
printf '\x16\x03\x01' >&7
expect_soon "a slow handshake is ended" 10 bash -c "! timeout 0.2 cat <&7; [[ \$? != 124 ]]"
expect_soon "a slow handshake is counted" 10 metric_is sluice_tls_handshakes_total \
	'with="clients",result="timeout"' '>' "$before"
exec 7>&-
file_now
kill -HUP $daemon
expect_soon "a long one again" 10 reloads success 2

# ---- certificates of clients ------------------------------------------------------------------
mtls=https://localhost:8444
expect "client certificate: accepted" \
	"$(post --cert "$pki/agent.pem" --key "$pki/agent.key" $mtls/v1/chat/completions)" == "200 1.1"
expect "client certificate: none is refused" "$(post $mtls/v1/chat/completions)" contains 000
expect "client certificate: a stranger's is refused" \
	"$(post --cert "$pki/intruder.pem" --key "$pki/intruder.key" $mtls/v1/chat/completions)" contains 000
expect "client certificate: refusals are counted" "$(handshakes no_client_certificate)" '>=' 1
expect "client certificate: strangers are counted" "$(handshakes certificate_unknown_ca)" '>=' 1
optional=https://a.test:8445
at=(--resolve a.test:8445:127.0.0.1 --resolve b.test:8445:127.0.0.1)
expect "optional: without" "$(post "${at[@]}" $optional/v1/chat/completions)" == "200 1.1"
expect "optional: with" \
	"$(post "${at[@]}" --cert "$pki/agent.pem" --key "$pki/agent.key" $optional/v1/chat/completions)" == "200 1.1"
expect "optional: a stranger's is refused" \
	"$(post "${at[@]}" --cert "$pki/intruder.pem" --key "$pki/intruder.key" $optional/health)" contains 000
# a session of a listener that asks nobody does not open one that does
(sleep 0.3) | openssl s_client -connect 127.0.0.1:8443 -tls1_2 -sess_out "$work/session" >/dev/null 2>&1
expect "a session is no way around a certificate" \
	"$( (sleep 0.3) | openssl s_client -connect 127.0.0.1:8444 -tls1_2 -sess_in "$work/session" 2>&1 | grep -c '^Reused')" == 0

# ---- names ------------------------------------------------------------------------------------
expect "name: the first certificate" "$(subject_of 8445 -servername a.test)" contains "CN = front"
expect "name: the second certificate" "$(subject_of 8445 -servername b.test)" contains "CN = second"
expect "name: unknown: the first" "$(subject_of 8445 -servername c.test)" contains "CN = front"
expect "name: none: the first" "$(subject_of 8445 -noservername)" contains "CN = front"
expect "name: curl agrees" "$(post "${at[@]}" https://b.test:8445/v1/chat/completions)" == "200 1.1"

# ---- certificates are reloaded under load -----------------------------------------------------
NODE_EXTRA_CA_CERTS=$pki/ca.pem node "$e2e/tls.mjs" load $tls "$work/stop" >"$work/load.out" 2>"$work/load.err" &
load=$!
certificate third ca third DNS:localhost,IP:127.0.0.1
shown=$(subject_of 8443)
for ((i = 1; i <= 10; i++)); do
	if ((i % 2)); then source=third; else source=front; fi
	cp "$pki/$source.pem" "$pki/live.pem"
	cp "$pki/$source.key" "$pki/live.key"
	kill -HUP $daemon
	wait_for 10 reloads success $((i + 2)) || { not_ok "reload $i" "$(tail -n 3 "$log")"; break; }
	((i != 1)) || expect "reload: the new certificate is shown" "$(subject_of 8443)" contains "CN = third"
done
expect "reload: the old one is shown again" "$(subject_of 8443)" == "$shown"

# bad ones do not replace it
bad() { # NAME CERTIFICATE KEY WORDS
	local count
	count=$(metric sluice_config_reloads_total failure)
	cp "$2" "$pki/live.pem"
	cp "$3" "$pki/live.key"
	kill -HUP $daemon
	expect_soon "$1: refused" 10 reloads failure $((count + 1))
	expect "$1: the log says why" "$(tail -n 2 "$log")" contains "listen 127.0.0.1:8443: $pki/live$4"
	expect "$1: the good one is shown" "$(subject_of 8443)" == "$shown"
}
bad "expired certificate" "$pki/expired.pem" "$pki/expired.key" ".pem: the certificate has expired ("
bad "key of another" "$pki/front.pem" "$pki/third.key" ".key: this key does not belong to the certificate"
bad "no certificate" "$pki/ca.cnf" "$pki/front.key" ".pem: no certificate can be read from it"
bad "no key" "$pki/front.pem" "$pki/ca.cnf" ".key: no key can be read from it"
cp "$pki/front.pem" "$pki/live.pem"
cp "$pki/front.key" "$pki/live.key"
count=$(metric sluice_config_reloads_total success)
kill -HUP $daemon
expect_soon "mended: reloaded" 10 reloads success $((count + 1))
touch "$work/stop"
wait $load
expect "reload under load: the client ran to its end" $? == 0
expect "reload under load: 0 failed streams" "$(loaded failed)" == 0
expect "reload under load: streams" "$(loaded streams)" '>' 30
[[ -s $work/load.err ]] && head -n 5 "$work/load.err" | sed 's/^/# /'
end=$(metric sluice_tls_certificate_end_seconds 'listen="127.0.0.1:8443"')
expect "the end of the certificate is in the metrics" "$end" == \
	"$(date -d "$(openssl x509 -in "$pki/front.pem" -noout -enddate | cut -d= -f2)" +%s)"

daemon_stop
finish
