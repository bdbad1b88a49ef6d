#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# gameday.sh - the standard game day (gameday.yaml) on a small cluster of its own, and its report.
#
#  clients (load)                            zone east   n1 9001, n2 9002 \ pool "chat"
#     chat, talk, docs, kept --> sluiced --> zone west   n3 9003, n4 9004 /
#                                      \---> n5 9005: pool "small", the fallback
#        what answers depend on: embeddings 9006, vector database 9007, reranker 9008
#
# As a test: experiments of GAMEDAY_FOR (1500ms) each; every hypothesis holds, no client sees a failure, and
# half-open probes stay few. GAMEDAY_DIR=DIR (make gameday) keeps report.html and report.md there.
. "$(dirname "$0")/lib.sh"
need_encoder

export SLUICE_ADMIN_SOCKET=$work/admin.sock
for_each=${GAMEDAY_FOR:-1500ms}
long_each=${GAMEDAY_LONG:-3s} # where it takes time until somebody can know
before_each=${GAMEDAY_BEFORE:-500ms}
dir=$(realpath -m "${GAMEDAY_DIR:-$work}")
experiments=$(grep -c '^  - name:' "$e2e/gameday.yaml")
# The sanitizers look at a part: the rest is the same code.
[[ -n ${GAMEDAY_ONLY:-} || $(basename "$build") != build-san ]] || GAMEDAY_ONLY=5
ttft=2s
[[ $(basename "$build") != build-san ]] || ttft=10s # all is slower there: nobody runs out of patience by that
((experiments <= ${GAMEDAY_ONLY:-99})) || experiments=$GAMEDAY_ONLY

mkdir "$work/docs"
cat >"$work/docs/handbook.md" <<'END'
# Handbook
## Load
Requests are load. A load has a number.
## Holidays
Every employee has thirty days of paid vacation in a year.
END
config_write <<-END
	timeouts: {upstream_idle: 1s}
	tunables: {breaker.open_ms: 500, breaker.open_max_ms: 2000, breaker.consecutive_failures: 3,
	           hedge.samples_min: 20, pool.slow_start_ms: 0}
	embedding: {model: $encoder, packed: $work/packed, pool: embeddings, pool_model: e}
	semantic_cache: {entries: 1000}
	pools:
	  chat:
	    slots: 16
	    continue: prefill
	    health: {live: http, every: 200ms, timeout: 500ms}
	    nodes:
	      - {address: "127.0.0.1:9001", zone: east}
	      - {address: "127.0.0.1:9002", zone: east}
	      - {address: "127.0.0.1:9003", zone: west}
	      - {address: "127.0.0.1:9004", zone: west}
	  small: {nodes: ["127.0.0.1:9005"], continue: prefill}
	  embeddings: {nodes: ["127.0.0.1:9006"]}
	  store: {nodes: ["127.0.0.1:9007"], health: {live: tcp, every: 300ms}}
	  order: {nodes: ["127.0.0.1:9008"], health: {live: tcp, every: 300ms}}
	indexes:
	  handbook: {directory: $work/shelf, documents: $work/docs, chunk: 400, overlap: 40}
	sources:
	  vectors: {kind: qdrant, pool: store, collection: docs}
	rerankers:
	  words: {pool: order, model: r}
	routes:
	  - {model: chat, pools: [chat, small], backoff: 10ms, queue: {wait: 20s}, hedge: {after: p75, min: 50ms},
	     timeouts: {ttft: $ttft, inter_token: 5s, total: 60s}}
	  - {model: docs, pools: [chat, small], backoff: 10ms, queue: {wait: 20s}, timeouts: {ttft: $ttft, total: 60s},
	     retrieve: {source: vectors, index: handbook, min_score: 0, timeout: 3s, rerank: words, rerank_timeout: 1s}}
	  - {model: talk, pools: [chat, small], backoff: 10ms, queue: {wait: 20s}, timeouts: {ttft: $ttft, total: 60s},
	     semantic_cache: {ttl: 1h, wait: 300ms}}
	  - {model: kept, pools: [chat, small], backoff: 10ms, queue: {wait: 20s}, timeouts: {ttft: $ttft, total: 60s},
	     cache: {ttl: 1h, sampled: true, length: true}}
END

# ---- what the game day's commands do
cat >"$work/act" <<END
#!/bin/bash
# act WHAT [NODE [FAULT]]
cd "$work" || exit 1
port() { echo \$((9000 + \${1#n})); }
case \$1 in
start)
	setsid "$build/standin" --listen 127.0.0.1:\$(port \$2) --admin 127.0.0.1:\$((\$(port \$2) + 1000)) --name \$2 \\
		--seed 7 --token-us 8000 >"standin-\$2.log" 2>&1 </dev/null &
	echo \$! >"\$2.pid"
	for _ in {1..400}; do grep -qs admin "standin-\$2.log" && exit 0; sleep 0.05; done
	exit 1
	;;
kill) kill -KILL \$(cat \$2.pid) ;;
freeze) kill -STOP \$(cat \$2.pid) ;;
thaw) kill -CONT \$(cat \$2.pid) ;;
fault) curl -sf --max-time 5 -o out.act -d "{\"fault\":\"\$3\"}" http://127.0.0.1:\$((\$(port \$2) + 1000))/fault ;;
clear) curl -sf --max-time 5 -o out.act -X DELETE http://127.0.0.1:\$((\$(port \$2) + 1000))/fault ;;
spike)
	setsid "$build/e2e/load" --url 127.0.0.1:8080 --model chat --concurrency 40 --stream-percent 50 --tokens 8 \\
		--count 1000000 --timeout-ms 60000 >spike.out 2>&1 </dev/null &
	echo \$! >spike.pid
	;;
calm)
	kill -TERM \$(cat spike.pid)
	for _ in {1..600}; do kill -0 \$(cat spike.pid) 2>/dev/null || exit 0; sleep 0.05; done
	exit 1
	;;
crawl)
	for _ in {1..40}; do
		setsid curl -sN --max-time 60 --limit-rate 200 -H 'content-type: application/json' -o crawled \\
			-d '{"model":"chat","stream":true,"max_tokens":200,"ignore_eos":true,"messages":[{"role":"user","content":"slowly"}]}' \\
			http://127.0.0.1:8080/v1/chat/completions </dev/null >crawl.out 2>&1 &
		echo \$!
	done >crawl.pids
	;;
leave) kill -TERM \$(cat crawl.pids) 2>/dev/null; true ;;
esac
END
chmod +x "$work/act"
export PATH=$PATH:/usr/sbin

for node in n1 n2 n3 n4 n5 n6; do "$work/act" start $node || { not_ok "node $node" "$(<"$work/standin-$node.log")"; finish; }; done
for server in "vectors 9007" "rerank 9008"; do
	# shellcheck disable=SC2086 # role and port
	node "$e2e/retrieve.mjs" $server >"$work/${server% *}.log" 2>&1 &
	expect_soon "the server of ${server% *}" 30 grep -q ready "$work/${server% *}.log"
done
daemon_start
answers() { # MODEL
	curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"load 0\"}]}" "$url/v1/chat/completions"
	[[ $(head -n 1 "$work/head") == *" 200 "* && -z $(header x-sluice-degraded) ]]
}
for point in 1 2 3 4; do # each with the vector of the question behind it
	curl -s -d "{\"id\":$point,\"source\":\"database\",\"text\":\"Load number $point.\"}" http://127.0.0.1:9007/teach >"$work/taught"
	answers docs
done
for model in chat talk kept docs; do expect_soon "route $model is whole before" 60 answers $model; done

# ---- clients: the same throughout
declare -A clients=()
client() { # MODEL CONCURRENCY
	"$build/e2e/load" --url 127.0.0.1:8080 --model "$1" --concurrency "$2" --stream-percent 60 --tokens 8 \
		--count 1000000 --timeout-ms 60000 >"$work/load-$1.out" 2>"$work/load-$1.err" &
	clients[$1]=$!
}
client chat 6
client docs 2
client talk 1
client kept 1

# ---- the day
sed "s|@FOR@|$for_each|; s|@LONG@|$long_each|; s|@BEFORE@|$before_each|; s|@ACT@|$work/act|" "$e2e/gameday.yaml" |
	awk -v most="$experiments" '/^  - name:/ { count++ } count <= most' >"$work/day.yaml"
[[ -d $dir ]] || mkdir -p "$dir"
"$build/sluice" chaos run "$work/day.yaml" --output "$dir/report.html,$dir/report.md" >"$work/day.out" 2>"$work/day.err"
expect "the day went as hoped" $? == 0
expect "every hypothesis held" "$(grep -c '^hypothesis held' "$work/day.err")" == "$experiments"
grep -A 8 '^hypothesis broken\|^sluice: error\|did not' "$work/day.err" | sed 's/^/# /'

# ---- what the clients themselves saw
for model in "${!clients[@]}"; do
	kill -TERM "${clients[$model]}"
	wait "${clients[$model]}"
	cp "$work/load-$model.out" "$work/load.out"
	sed 's/^/# /' "$work/load.out" | tr '\n' ' '
	echo
	load_clean "$model"
	expect "$model: no stream ended by an error" "$(loaded stream_broken)" == 0
done
expect "the daemon keeps what came of them" "$("$build/sluice" chaos report | grep -c 'hypothesis held')" == "$experiments"
expect "so does the other form" "$(grep -c '^## ' "$dir/report.md") $(grep -c 'broken' "$dir/report.md")" == "$experiments 0"
expect "the report has a summary and figures of each" \
	"$(grep -c '<section' "$dir/report.html") $(grep -c '<polyline' "$dir/report.html")" == "$experiments $((4 * experiments))"
daemon_stop
finish
