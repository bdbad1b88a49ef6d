#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# lib.sh - configurations of the proxies that are compared, starting and stopping them.
#
# Everything lives in a network namespace of its own, on the loopback device:
#
#   wrk, streams ──> 127.0.0.1:81xx  sluiced | sluiced on epoll | haproxy | nginx | gather
#                                        │ keep-alive
#                                        └──> 127.0.0.1:8001 8002 8003   stand-in servers
#
# "gather" is sluiced with gather_us: 1000, where tokens wait for others for up to 1 ms when a thread
# has 128 streams or more; it is measured beside the default, where none waits.
#
# "full" is sluiced with all that a request may be asked for: a key, limits of requests, tokens and
# concurrency for key, tenant and model, prices and a budget. "bare" is sluiced with everything off that
# can be: no affinity, no reading of the nodes' metrics, one attempt, no resuming.
#
# Each proxy: two threads (nginx: two workers), keep-alive to both sides, the same three nodes, no
# access log, no health checks by request. What differs from a default helps the one that has it.

threads=2
nodes=(127.0.0.1:8001 127.0.0.1:8002 127.0.0.1:8003)
declare -A port=([sluiced]=8101 [epoll]=8102 [haproxy]=8103 [nginx]=8104 [gather]=8105 [scale]=8106 [full]=8107 [bare]=8108 [direct]=8001)
declare -A pid=()
standins=()

die() {
	echo "bench: $*" >&2
	exit 1
}

# wait_port PORT NAME: until something listens there.
wait_port() {
	local i
	for i in $(seq 200); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
		sleep 0.05
	done
	tail -5 "$tmp/$2.log" >&2
	die "$2 does not listen on port $1 within 10 s"
}

write_sluiced() { # NAME
	cat >"$tmp/$1.yaml" <<-END
		listen: 127.0.0.1:${port[$1]}
		admin_socket: none
		threads: $threads
		io: $([ "$1" = epoll ] && echo epoll || echo io_uring)
		$([ "$1" = gather ] && echo "gather_us: 1000")
		$([ "$1" = scale ] && echo "timeouts: {idle: 1h}")
		limits: {connections: $([ "$1" = scale ] && echo 120000 || echo 20000), requests: 20000, upstream_idle: 1024}
		# No kernel plane here: the daemon alone is compared with other daemons.
		kernel: {pin_dir: $tmp/no-bpf}
		pools:
		  bench: {nodes: [$(IFS=,; echo "${nodes[*]}")]}
		routes:
		  - {model: bench, pools: bench$([ "$1" = scale ] && echo ", timeouts: {ttft: 10m, inter_token: 10m, total: 1h}")}
	END
}

bounds="requests_per_minute: 1000000000, tokens_per_minute: 1000000000, concurrent: 1000000"

write_full() {
	bench_key=$(build/sluice key create bench --tenant bench --file "$tmp/keys" 2>/dev/null) || die "no key could be made"
	write_sluiced full
	sed -i 's/  - {model: bench, pools: bench}/  - {model: bench, pools: bench, limits: {'"$bounds"'}}/' "$tmp/full.yaml"
	cat >>"$tmp/full.yaml" <<-END
		keys: {file: $tmp/keys, $bounds}
		tenants: {bench: {$bounds, budget_day: 1000000000}}
		prices: {bench: {input: 0.1, output: 0.2}}
	END
}

write_bare() {
	write_sluiced bare
	sed -i 's/  bench: {nodes:/  bench: {affinity: none, metrics: {scrape: never}, nodes:/
		s/  - {model: bench, pools: bench}/  - {model: bench, pools: bench, attempts: 1, resume: off}/' "$tmp/bare.yaml"
}

write_haproxy() {
	cat >"$tmp/haproxy.cfg" <<-END
		global
		    nbthread $threads
		    maxconn 9000
		    quiet
		defaults
		    mode http
		    timeout connect 5s
		    timeout client 60s
		    timeout server 60s
		    timeout http-keep-alive 60s
		frontend in
		    bind 127.0.0.1:${port[haproxy]}
		    default_backend nodes
		backend nodes
		    balance roundrobin
		    http-reuse always
		    # else it holds small pieces of an answer back for up to 200 ms (MSG_MORE)
		    option http-no-delay
		$(local i=0 n; for n in "${nodes[@]}"; do echo "    server n$((++i)) $n"; done)
	END
}

write_nginx() {
	mkdir -p "$tmp/nginx"
	cat >"$tmp/nginx.conf" <<-END
		user root;
		worker_processes $threads;
		worker_rlimit_nofile $(ulimit -n);
		daemon off;
		pid $tmp/nginx/pid;
		error_log $tmp/nginx.log error;
		events { worker_connections 9000; }
		http {
		    access_log off;
		    client_body_temp_path $tmp/nginx/body;
		    proxy_temp_path $tmp/nginx/proxy;
		    fastcgi_temp_path $tmp/nginx/fastcgi;
		    uwsgi_temp_path $tmp/nginx/uwsgi;
		    scgi_temp_path $tmp/nginx/scgi;
		    client_max_body_size 4m;
		    client_body_buffer_size 512k;
		    keepalive_requests 1000000000;
		    upstream nodes {
		$(local n; for n in "${nodes[@]}"; do echo "        server $n;"; done)
		        keepalive 1024;
		        keepalive_requests 1000000000;
		    }
		    server {
		        listen 127.0.0.1:${port[nginx]} reuseport;
		        location / {
		            proxy_pass http://nodes;
		            proxy_http_version 1.1;
		            proxy_set_header Connection "";
		            proxy_buffering off;
		        }
		    }
		}
	END
}

start_standins() {
	local n i=0
	for n in "${nodes[@]}"; do
		i=$((i + 1))
		build/standin --listen "$n" --admin "127.0.0.1:$((9000 + i))" --name "n$i" \
			--token-us 0 >"$tmp/standin$i.log" 2>&1 &
		standins+=($!)
		pid[direct]=${pid[direct]:-$!}
		wait_port "${n##*:}" "standin$i"
	done
}

# token_us N: the stand-ins' time between tokens from the next request on.
token_us() {
	local i
	for i in 1 2 3; do
		curl -sf -o /dev/null -d "{\"token_us\":$1}" "http://127.0.0.1:$((9000 + i))/config" ||
			die "stand-in $i does not take its configuration"
	done
}

# start NAME: sets pid[NAME] to the process ids that do the work, with commas.
start() {
	case $1 in
	sluiced | epoll | gather | scale | full | bare)
		case $1 in
		full | bare) "write_$1" ;;
		*) write_sluiced "$1" ;;
		esac
		"${SLUICED:-build/sluiced}" "$tmp/$1.yaml" >"$tmp/$1.log" 2>&1 &
		;;
	haproxy)
		write_haproxy
		haproxy -db -f "$tmp/haproxy.cfg" >"$tmp/haproxy.log" 2>&1 &
		;;
	nginx)
		write_nginx
		nginx -p "$tmp/nginx" -c "$tmp/nginx.conf" >"$tmp/nginx.log" 2>&1 &
		;;
	esac
	pid[$1]=$!
	wait_port "${port[$1]}" "$1"
	if [ "$1" = nginx ]; then
		pid[nginx]=${pid[nginx]},$(pgrep -P "${pid[nginx]}" | paste -sd,)
	fi
}

# stop NAME: the first process ends the others.
stop() {
	local first=${pid[$1]%%,*}
	kill "$first" 2>/dev/null
	for _ in $(seq 40); do
		kill -0 "$first" 2>/dev/null || break
		sleep 0.05
	done
	kill -9 "$first" 2>/dev/null
	wait "$first" 2>/dev/null
	unset "pid[$1]"
}

stop_all() {
	local name p
	for name in "${!pid[@]}"; do stop "$name"; done
	for p in "${standins[@]}"; do kill "$p" 2>/dev/null; done
	standins=()
}
