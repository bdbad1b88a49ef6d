#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tls.sh - TLS in front of the daemon and behind it; certificates are made here.
#
#   curl, openai, openssl --TLS--> sluiced 8443 (8444: asks clients, 8445: two names)
#                                  sluiced --TLS--> tls.mjs front 94xx --> standin
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
certificate node ca node DNS:node.test,DNS:cut.test,DNS:silent.test,DNS:whole.test,DNS:unframed.test,DNS:echo.test
certificate late ca node DNS:late.test -2
certificate foreign stranger node DNS:foreign.test
# names of our own, for the processes of this test
{ cat /etc/hosts; echo 127.0.0.1 {node,wrong,late,foreign,cut,silent,whole,unframed,echo}.test; } >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts || not_ok "names" "mount --bind /etc/hosts failed"
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
		log: {requests: $work/requests.log}
		tunables: {breaker.consecutive_failures: 1000, breaker.minimum_outcomes: 100000}
		pools:
		  chat: {nodes: ["127.0.0.1:9001"]}
		  node: {nodes: ["https://node.test:9441"], ca: $pki/ca.pem}
		  wrong: {nodes: ["https://wrong.test:9441"], ca: $pki/ca.pem}
		  renamed: {nodes: ["https://127.0.0.1:9441"], ca: $pki/ca.pem, server_name: node.test}
		  late: {nodes: ["https://late.test:9442"], ca: $pki/ca.pem}
		  foreign: {nodes: ["https://foreign.test:9443"], ca: $pki/ca.pem}
		  system: {nodes: ["https://node.test:9440"]}
		  cut: {nodes: ["https://cut.test:9444"], ca: $pki/ca.pem}
		  silent: {nodes: ["https://silent.test:9445"], ca: $pki/ca.pem}
		  whole: {nodes: ["https://whole.test:9446"], ca: $pki/ca.pem}
		  unframed: {nodes: ["https://unframed.test:9447"], ca: $pki/ca.pem}
		  nowhere: {nodes: ["https://nowhere..test"]}
		  provider:
		    nodes: ["https://echo.test:9448"]
		    ca: $pki/ca.pem
		    model: provider-model
		    path: /openai/v1
		    api_key: "\${PROVIDER_KEY}"
		routes:
		  - {model: chat, pools: chat}
	END
	for model in node wrong renamed late foreign system cut silent whole unframed nowhere provider; do
		printf '  - {model: %s, pools: [%s, chat], attempts: 2, timeouts: {connect: 2s}}\n' $model $model
		printf '  - {model: %s-alone, pools: %s, attempts: 1}\n' $model $model
	done >>"$config"
}
reloads() { metric_is sluice_config_reloads_total "$1" '>=' "$2"; }
handshakes() { metric sluice_tls_handshakes_total "with=\"clients\",result=\"$1\""; }
subject_of() { # PORT [S_CLIENT OPTIONS]: of the certificate that is shown
	local port=$1
	shift
	openssl s_client -connect 127.0.0.1:"$port" "$@" </dev/null 2>/dev/null | openssl x509 -noout -subject -serial 2>/dev/null | tr '\n' ' '
}

standin a 9001 --token-us 1000
standin b 9002 --token-us 1000
front() { # PORT CERTIFICATE [MODE]
	node "$e2e/tls.mjs" front $1 9002 "$pki/$2.pem" "$pki/$2.key" $3 >"$work/front-$1" 2>&1 &
	fronts+=("$work/front-$1")
}
front 9440 node
front 9441 node
front 9442 late
front 9443 foreign
front 9444 node cut:3000
front 9445 node silent
front 9446 node unframed:whole
front 9447 node unframed:cut
front 9448 node echo
for file in "${fronts[@]}"; do
	wait_for 30 grep -q listening "$file" || { not_ok "front" "$(cat "$file")"; finish; }
done
export PROVIDER_KEY=sk-provider-secret-1
file_now
daemon_start

# ---- clients ----------------------------------------------------------------------------------
ask='{"model":"chat","messages":[{"role":"user","content":"hello"}],"max_tokens":8}'
post() { scurl -o "$work/out" -w '%{http_code} %{http_version}' -H 'content-type: application/json' -d "$ask" "$@"; }
expect "curl over https: status and version" "$(post $tls/v1/chat/completions)" == "200 2"
expect "curl over https by HTTP/1.1" "$(post --http1.1 $tls/v1/chat/completions)" == "200 1.1"
expect "curl over https: an answer" "$(jq -r '.choices[0].finish_reason' "$work/out")" == length
expect "TLS 1.2 is spoken" "$(post --tlsv1.2 --tls-max 1.2 $tls/v1/chat/completions)" == "200 2"
expect "TLS 1.1 is not" \
	"$(openssl s_client -connect 127.0.0.1:8443 -tls1_1 -cipher ALL@SECLEVEL=0 </dev/null 2>&1 | grep -c 'Cipher is (NONE)')" == 1
expect "ALPN: http/1.1 is chosen" \
	"$(openssl s_client -connect 127.0.0.1:8443 -alpn h3,http/1.1 </dev/null 2>/dev/null | grep -c 'ALPN protocol: http/1.1')" == 1
expect "ALPN: h2 is preferred" \
	"$(openssl s_client -connect 127.0.0.1:8443 -alpn http/1.1,h2 </dev/null 2>/dev/null | grep -c 'ALPN protocol: h2')" == 1
expect "ALPN: who speaks nothing of ours is told so" \
	"$(openssl s_client -connect 127.0.0.1:8443 -alpn h3 </dev/null 2>&1 | grep -c 'no application protocol')" == 1
# the ticket of TLS 1.3 comes behind the handshake
session_comes() { for _ in $(seq 100); do [[ -s $work/session ]] && break; sleep 0.1; done; }
for version in tls1_2 tls1_3; do
	rm -f "$work/session"
	session_comes | openssl s_client -connect 127.0.0.1:8443 -$version -sess_out "$work/session" >/dev/null 2>&1
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
	"$(post --cert "$pki/agent.pem" --key "$pki/agent.key" $mtls/v1/chat/completions)" == "200 2"
logged() { grep -q '"client":"CN=agent-7"' "$work/requests.log"; }
expect_soon "client certificate: named in the log of requests" 10 logged
expect "client certificate: others have none in it" \
	"$(grep -c '"client"' "$work/requests.log")" '<' "$(wc -l <"$work/requests.log")"
expect "client certificate: none is refused" "$(post $mtls/v1/chat/completions)" contains 000
expect "client certificate: a stranger's is refused" \
	"$(post --cert "$pki/intruder.pem" --key "$pki/intruder.key" $mtls/v1/chat/completions)" contains 000
expect "client certificate: refusals are counted" "$(handshakes no_client_certificate)" '>=' 1
expect "client certificate: strangers are counted" "$(handshakes certificate_unknown_ca)" '>=' 1
optional=https://a.test:8445
at=(--resolve a.test:8445:127.0.0.1 --resolve b.test:8445:127.0.0.1)
expect "optional: without" "$(post "${at[@]}" $optional/v1/chat/completions)" == "200 2"
expect "optional: with" \
	"$(post "${at[@]}" --cert "$pki/agent.pem" --key "$pki/agent.key" $optional/v1/chat/completions)" == "200 2"
expect "optional: a stranger's is refused" \
	"$(post "${at[@]}" --cert "$pki/intruder.pem" --key "$pki/intruder.key" $optional/health)" contains 000
# a session of a listener that asks nobody does not open one that does
rm -f "$work/session"
session_comes | openssl s_client -connect 127.0.0.1:8443 -tls1_2 -sess_out "$work/session" >/dev/null 2>&1
expect "a session is no way around a certificate" \
	"$( (sleep 0.3) | openssl s_client -connect 127.0.0.1:8444 -tls1_2 -sess_in "$work/session" 2>&1 | grep -c '^Reused')" == 0

# ---- names ------------------------------------------------------------------------------------
expect "name: the first certificate" "$(subject_of 8445 -servername a.test)" contains "CN = front"
expect "name: the second certificate" "$(subject_of 8445 -servername b.test)" contains "CN = second"
expect "name: unknown: the first" "$(subject_of 8445 -servername c.test)" contains "CN = front"
expect "name: none: the first" "$(subject_of 8445 -noservername)" contains "CN = front"
expect "name: curl agrees" "$(post "${at[@]}" https://b.test:8445/v1/chat/completions)" == "200 2"

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
	local count lines
	lines=$(log_lines)
	count=$(metric sluice_config_reloads_total failure)
	cp "$2" "$pki/live.pem"
	cp "$3" "$pki/live.key"
	kill -HUP $daemon
	expect_soon "$1: refused" 10 reloads failure $((count + 1))
	expect_logged "$1: the log says why" "$lines" "listen 127.0.0.1:8443: $pki/live$4"
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

# ---- nodes ------------------------------------------------------------------------------------
# ask MODEL [MORE]: an answer over plain HTTP; its head in $work/head, its body in $work/out
ask() {
	curl -s --max-time 20 -D "$work/head" -o "$work/out" -w '%{http_code}' "$url/v1/chat/completions" \
		-H 'content-type: application/json' -H 'authorization: Bearer sk-of-the-client' \
		-H 'cookie: a=b' -H 'x-forwarded-for: 1.2.3.4' \
		-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],\"max_tokens\":${TOKENS:-8}${2:-}}"
}
field() { sed -n "s/^$1: \(.*\)\r$/\1/p" "$work/head"; }
with_nodes() { metric sluice_tls_handshakes_total "with=\"nodes\",result=\"$1\""; }
before=$(with_nodes ok)
expect "node by name and TLS" "$(ask node)" == 200
expect "node by name and TLS: named in the answer" "$(field x-sluice-node)" == node.test:9441
expect "node by name and TLS: a stream" "$(ask node ',"stream":true')" == 200
expect "node by name and TLS: its end" "$(tail -n 2 "$work/out" | head -n 1)" == "data: [DONE]"
expect "node by name and TLS: named in the metrics" "$(metric sluice_node_weight 'node="node.test:9441"')" '>=' 0
expect "node by name and TLS: handshakes are counted" "$(with_nodes ok)" '>' "$before"
before=$(with_nodes ok)
body='{"model":"node","messages":[{"role":"user","content":"x"}],"max_tokens":2}'
curl -s --max-time 20 -o /dev/null -o /dev/null -o /dev/null -H 'content-type: application/json' -d "$body" \
	"$url/v1/chat/completions" "$url/v1/chat/completions" "$url/v1/chat/completions"
expect "node by TLS: connections are used again" $(($(with_nodes ok) - before)) '<=' 1
count=$(metric sluice_tls_resumed_total 'with="nodes"')
again() { sleep 1.3; ask node >/dev/null; metric_is sluice_tls_resumed_total 'with="nodes"' '>' "$count"; }
expect_soon "node by TLS: a later connection resumes the session" 30 again
expect "node by address, certificate by server_name" "$(ask renamed) $(field x-sluice-pool)" == "200 renamed"

# fallen MODEL RESULT WORDS: refused, counted, and the next pool answers
fallen() {
	local before
	before=$(with_nodes "$2")
	expect "$1: the next pool answers" "$(ask "$1") $(field x-sluice-pool)" == "200 chat"
	expect "$1: counted as $2" "$(with_nodes "$2")" '>' "$before"
	expect "$1: alone: 502" "$(ask "$1-alone")" == 502
	expect "$1: alone: says why" "$(jq -r .error.message "$work/out")" contains "$3"
}
fallen late certificate_expired "certificate of late.test has expired (20"
fallen wrong certificate_name "certificate of wrong.test is made for other names: node.test"
fallen foreign certificate_unknown_ca 'certificate of foreign.test is signed by "stranger", which is not trusted'
fallen system certificate_unknown_ca "which is not trusted here"
expect "no handshake in time: the next pool answers" "$(ask silent) $(field x-sluice-pool)" == "200 chat"
expect "no address: the next pool answers" "$(ask nowhere) $(field x-sluice-pool)" == "200 chat"
expect "no address: alone: says why" "$(ask nowhere-alone) $(jq -r .error.message "$work/out")" contains "name nowhere..test: "

# a cut is no end
expect "an answer without length, ended by close_notify" "$(ask whole) $(field x-sluice-pool)" == "200 whole"
expect "the same without close_notify: the next pool answers" "$(ask unframed) $(field x-sluice-pool)" == "200 chat"
expect "the same without close_notify: alone: says why" \
	"$(ask unframed-alone) $(jq -r .error.message "$work/out")" contains "no close_notify"
expect "a stream cut without close_notify: begins" "$(TOKENS=60 ask cut-alone ',"stream":true,"ignore_eos":true')" == 200
expect "a stream cut without close_notify: an error event" "$(grep -c '"error"' "$work/out")" == 1
expect "a stream cut without close_notify: no false [DONE]" "$(grep -c '\[DONE\]' "$work/out")" == 0

# a provider gets its own key and path, and nothing that is the client's
expect "provider: answers" "$(ask provider) $(field x-sluice-pool)" == "200 provider"
asked=$(jq -r '.choices[0].message.content' "$work/out")
expect "provider: path" "$(jq -r '.head[0]' <<<"$asked")" == "POST /openai/v1/chat/completions HTTP/1.1"
expect "provider: host" "$(jq -r '[.head[] | select(startswith("host:"))] | join(",")' <<<"$asked")" == "host: echo.test:9448"
expect "provider: its key, once" "$(jq -r '[.head[] | select(test("^authorization:"; "i"))] | join(",")' <<<"$asked")" == \
	"authorization: Bearer sk-provider-secret-1"
expect "provider: nothing of the client" "$(grep -c -e sk-of-the-client -e 1.2.3.4 -e 'a=b' <<<"$asked")" == 0
expect "provider: its model" "$(jq -r .model <<<"$asked")" == provider-model
messages=$(curl -s --max-time 20 "$url/v1/messages" -H 'content-type: application/json' -H 'x-api-key: sk-of-the-client' \
	-d '{"model":"provider","max_tokens":8,"messages":[{"role":"user","content":"hello"}]}' | jq -r '.content[0].text')
expect "provider: behind the Messages API: its key, once" \
	"$(jq -r '[.head[] | select(test("authorization|api-key"; "i"))] | join(",")' <<<"$messages")" == \
	"authorization: Bearer sk-provider-secret-1"
curl -s "$url/metrics" >"$work/metrics"
"$build/sluice" check "$config" >"$work/checked" 2>&1
expect "provider: its key is shown nowhere" \
	"$(cat "$log" "$work/requests.log" "$work/metrics" "$work/checked" "$work/head" | grep -c provider-secret)" == 0

daemon_stop
finish
