#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# gameday.sh - the standard game day (gameday.yaml) on a small cluster of its own, and its report.
#
#  clients (load)                            zone east   n1 9001, n2 9002 \ pool "chat"
#     chat, talk, docs, kept --> sluiced --> zone west   n3 9003, n4 9004 /
#     fast, past the daemon  --> XDP, TC --/  \---> n5 9005: pool "small", the fallback
#        what answers depend on: embeddings 9006, vector database 9007, reranker 9008
#
# Which host each is on, and where there is a kernel plane: gameday-hosts.sh. With one, gameday-packets.yaml is part
# of the day.
#
# As a test: experiments of GAMEDAY_FOR (1500ms) each; every hypothesis holds, no client of the daemon sees a
# failure, and half-open probes stay few. GAMEDAY_DIR=DIR (make gameday) keeps report.html and report.md there.
. "$(dirname "$0")/lib.sh"
. "$e2e/gameday-hosts.sh"
need_encoder

export SLUICE_ADMIN_SOCKET=$work/admin.sock
for_each=${GAMEDAY_FOR:-1500ms}
long_each=${GAMEDAY_LONG:-3s} # where it takes time until somebody can know
before_each=${GAMEDAY_BEFORE:-500ms}
dir=$(realpath -m "${GAMEDAY_DIR:-$work}")
day=("$e2e/gameday.yaml")
[[ $planes == one ]] || day+=("$e2e/gameday-packets.yaml")
experiments=$(cat "${day[@]}" | grep -c '^  - name:')
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
make_hosts || { not_ok "hosts" "$(cat "$work"/host-*.log)"; finish; }
config_write <<-END
	$(kernel_config)
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
	      - {address: "$(address n1):9001", zone: east}
	      - {address: "$(address n2):9002", zone: east}
	      - {address: "$(address n3):9003", zone: west}
	      - {address: "$(address n4):9004", zone: west}
	  small: {nodes: ["$(address n5):9005"], continue: prefill}
	  embeddings: {nodes: ["$(address n6):9006"]}
	  store: {nodes: ["$(address n7):9007"], health: {live: tcp, every: 300ms}}
	  order: {nodes: ["$(address n8):9008"], health: {live: tcp, every: 300ms}}
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
$(declare -p planes holder)
$(declare -f into address host_of)
case \$1 in
start)
	\$(into \$(host_of \$2)) setsid "$build/standin" --listen \$(address \$2):\$(port \$2) --admin \$(address \$2):\$((\$(port \$2) + 1000)) --name \$2 \\
		--seed 7 --token-us 8000 >"standin-\$2.log" 2>&1 </dev/null &
	echo \$! >"\$2.pid"
	for _ in {1..400}; do grep -qs admin "standin-\$2.log" && exit 0; sleep 0.05; done
	exit 1
	;;
kill) kill -KILL \$(cat \$2.pid) ;;
freeze) kill -STOP \$(cat \$2.pid) ;;
thaw) kill -CONT \$(cat \$2.pid) ;;
fault) curl -sf --max-time 5 -o out.act -d "{\"fault\":\"\$3\"}" http://\$(address \$2):\$((\$(port \$2) + 1000))/fault ;;
clear) curl -sf --max-time 5 -o out.act -X DELETE http://\$(address \$2):\$((\$(port \$2) + 1000))/fault ;;
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
	# shellcheck disable=SC2046,SC2086 # words, role and port
	$(into rest) node "$e2e/retrieve.mjs" $server "$(address n7)" >"$work/${server% *}.log" 2>&1 &
	expect_soon "the server of ${server% *}" 30 grep -q ready "$work/${server% *}.log"
done
attach || { not_ok "sluice up" "$(<"$work/up.log")"; finish; }
daemon_start
answers() { # MODEL
	curl -s --max-time 30 -o "$work/out" -D "$work/head" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"load 0\"}]}" "$url/v1/chat/completions"
	[[ $(head -n 1 "$work/head") == *" 200 "* && -z $(header x-sluice-degraded) ]]
}
for point in 1 2 3 4; do # each with the vector of the question behind it
	curl -s -d "{\"id\":$point,\"source\":\"database\",\"text\":\"Load number $point.\"}" "http://$(address n7):9007/teach" >"$work/taught"
	answers docs
done
for model in chat talk kept docs; do expect_soon "route $model is whole before" 60 answers $model; done

# ---- clients: the same throughout
declare -A clients=()
gateway=127.0.0.1:8080
[[ $planes == one ]] || gateway=10.1.0.1:8080
client() { # NAME MODEL CONCURRENCY URL [OPTION]
	# shellcheck disable=SC2046 # words
	$(into client) "$build/e2e/load" --url "$4" --model "$2" --concurrency "$3" --stream-percent 60 --tokens 8 \
		--count 1000000 --timeout-ms 60000 "${@:5}" >"$work/load-$1.out" 2>"$work/load-$1.err" &
	clients[$1]=$!
}
client chat chat 6 $gateway
client docs docs 2 $gateway
client talk talk 1 $gateway
client kept kept 1 $gateway
[[ $planes == one ]] || client fast chat 2 $vip:80 --connects

# ---- the day
cat "${day[@]}" | sed "s|@FOR@|$for_each|; s|@LONG@|$long_each|; s|@BEFORE@|$before_each|; s|@ACT@|$work/act|" |
	awk -v most="$experiments" '/^  - name:/ { count++ } count <= most' >"$work/day.yaml"
[[ -d $dir ]] || mkdir -p "$dir"
"$build/sluice" chaos run "$work/day.yaml" --config "$config" --output "$dir/report.html,$dir/report.md" >"$work/day.out" 2>"$work/day.err"
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
	if [[ $model == fast ]]; then # a connection to a node that dies cannot go on elsewhere: nobody reads it
		expect "fast: past the daemon, most are answered" "$(($(loaded whole_ok) + $(loaded stream_ok)))" ">" \
			$((10 * ($(loaded whole_failed) + $(loaded stream_failed) + $(loaded stream_broken) + $(loaded stream_incomplete))))
		continue
	fi
	load_clean "$model"
	expect "$model: no stream ended by an error" "$(loaded stream_broken)" == 0
done
expect "the daemon keeps what came of them" "$("$build/sluice" chaos report | grep -c 'hypothesis held')" == "$experiments"
expect "so does the other form" "$(grep -c '^## ' "$dir/report.md") $(grep -c '^\*\*broken' "$dir/report.md")" == "$experiments 0"
for form in html md; do
	report=$(<"$dir/report.$form")
	expect "$form: the verdict first" "$report" contains "The service stood it: all of $experiments experiments went as was hoped. Clients asked "
	expect "$form: what clients saw" "$(grep -cE 'none of [0-9,]+ failed' "$dir/report.$form")" == "$experiments"
	expect "$form: what it does not show, of its own and of the file" "$report" contains "neither killed nor replaced"
	[[ $planes == one ]] || expect "$form: whose requests these are" "$report" contains "connections of the fast lane, which cannot go on elsewhere"
	expect "$form: where it ran" "$report" contains "$(uname -s) $(uname -r) $(uname -m), $(nproc) processors"
done
expect "the report has a summary and figures of each" \
	"$(grep -c '<section' "$dir/report.html") $(grep -c '<polyline' "$dir/report.html")" == "$experiments $((4 * experiments))"
daemon_stop
detach
expect "sluice down" $? == 0
finish
