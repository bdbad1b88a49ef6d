#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# index.sh - `sluice index`: versions of an index are made, checked, served and taken back by order, while
# the one before is served; a daemon that is killed in the middle of it has lost nothing.
#
#   sluice index -> admin socket -> builder -> v000001.db v000002.db ... current
#   client -> sluiced -> what is served -> standin model 9001
. "$(dirname "$0")/lib.sh"

docs=$work/docs
shelf=$work/shelf
asked=$work/questions.jsonl
need_encoder
mkdir -p "$docs/deep"
index() { SLUICE_ADMIN_SOCKET=$work/admin.sock "$build/sluice" index "$@" 2>&1; }
listed() { index list handbook --json | jq -c ".indexes[0].$1"; } # FIELD
listed_is() { [[ $(listed "$1") == "$2" ]]; }                       # FIELD VALUE
served() { # the index that a question of a client is answered from
	curl -s --max-time 30 -o "$work/out" -D - -H 'content-type: application/json' \
		-d '{"model":"docs","messages":[{"role":"user","content":"How many days of paid vacation?"}]}' \
		"$url/v1/chat/completions" | tr -d '\r' | sed -n 's/^x-sluice-index: //Ip'
}
served_is() { [[ $(served) == "$1" ]]; } # INDEX
write() { # REFRESH
	config_write <<-END
		embedding: {model: $encoder, packed: $work/packed}
		pools:
		  chat: {nodes: ["127.0.0.1:9001"]}
		indexes:
		  handbook: {directory: $shelf, documents: $docs, questions: $asked, refresh: $1, keep: 3}
		routes:
		  - {model: docs, pools: chat, retrieve: {index: handbook, min_score: 0.2, timeout: 10s}}
	END
}
# One of each format.
printf '# Handbook\n\nEvery employee has thirty days of paid vacation in a year.\n' >"$docs/handbook.md"
printf 'Travel costs are paid back within two weeks.\n' >"$docs/deep/travel.txt"
printf '<html><body><p>Lunch is served from noon until two.</p></body></html>' >"$docs/canteen.html"
printf '{"text":"The parking lot is behind the house."}\n{"text":"Bicycles stand in the cellar."}\n' >"$docs/places.jsonl"
printf '{"question":"How many days of vacation are there?","document":"handbook.md"}\n' >"$asked"
printf '{"question":"Where can I park?","document":"places.jsonl"}\n' >>"$asked"
standin a 9001
start() { # CURRENT BEFORE: and waits until both are open, which descriptors are counted with
	daemon_start
	expect_soon "versions $1 and $2 are opened" 20 opened "$1" "$2"
	fds_before=$(daemon_fds)
}
opened() { listed_is served "$1" && listed_is before "$2"; } # CURRENT BEFORE
write 0
daemon_start

# ---- the orders
expect "nothing is made by itself" "$(listed versions)" == "[]"
expect "build" "$(index build handbook)" contains "version 1 is made and checked, not served yet"
expect "it waits for its promotion" "$(listed served) $(served)" == "0 "
expect "verify counts what it asked" "$(index verify handbook 1)" == \
	"handbook: version 1 is whole: documents=4 chunks=5 samples=16/16 questions=2"
expect "promote" "$(index promote handbook 1)" == "handbook: version 1 is served"
expect "and it is served" "$(served)" == handbook@1
expect "append without a change" "$(index append handbook)" == "handbook: no document has changed since version 1"
sed -i 's/thirty/forty/' "$docs/handbook.md"
expect "append with one" "$(index append handbook)" contains "version 2 is made"
expect "the version before is served meanwhile" "$(served)" == handbook@1
expect "what is stale is counted" "$(listed stale_documents) $(listed stale_chunks)" == "1 1"
expect "and in the metrics" "$(metric sluice_index_stale_chunks 'index="handbook"')" == 1
expect "promote what was appended, for programs" "$(index promote handbook 2 --json | jq -c '[.index, .served]')" == '["handbook",2]'
expect "it is served at once" "$(served)" == handbook@2
expect "nothing is stale" "$(listed stale_documents) $(listed stale_chunks)" == "0 0"
expect "rollback" "$(index rollback handbook)" == "handbook: version 1 is served"
expect "it is served as quickly" "$(served)" == handbook@1
expect "there is none before it" "$(index rollback handbook)" contains "has no version before 1"
expect "which changed nothing" "$(served)" == handbook@1

# ---- what is refused
expect "a version that is not there" "$(index promote handbook 9)" contains "000009"
expect "an index that is not there" "$(index build other)" contains 'index "other": is not configured'
expect "an order that is not there" "$(index destroy handbook)" contains "expected list"
expect "promote without a version" "$(index promote handbook)" contains "expected list"
printf '{"question":"Who is the king of France?","document":"kings.md"}\n' >>"$asked"
failed=$(metric sluice_index_failures_total 'index="handbook"')
expect "a build that does not answer its questions" "$(index build handbook)" contains 'line 3: "Who is the king of France?" does not find "kings.md"'
expect "leaves no version" "$(listed versions)" == "[1,2]"
expect "is counted" "$(metric sluice_index_failures_total 'index="handbook"')" == $((failed + 1))
expect "and said" "$(listed error)" contains "king of France"
shows index-list "king of France" "sluice index list"
shows index-metrics "sluice_index_failures_total" "curl -s http://127.0.0.1:8080/metrics | grep -E '^sluice_index_(failures_total|stale_chunks|version)'"
sed -i 3d "$asked"
cp "$shelf/v000002.db" "$work/kept"
truncate -s 8192 "$shelf/v000002.db"
expect "verify finds a torn version" "$(index verify handbook 2)" contains "v000002.db"
expect "promote refuses it" "$(index promote handbook 2)" contains "v000002.db"
expect "what was served still is" "$(served)" == handbook@1
cp "$work/kept" "$shelf/v000002.db"

# ---- killed while a version is made; at each change of a file: tests/unit/store/crash.c
# The builder is held where a version is made, but has no number yet: it reads its questions from a pipe
# that nobody writes to.
for i in $(seq 40); do echo "Room $i is on floor $((i / 20)) and has $((i % 7)) windows." >"$docs/room$i.txt"; done
mv "$asked" "$asked.kept"
mkfifo "$asked"
index append handbook >"$work/append" &
asking=$!
expect_soon "a build is under way, and at its end" 60 listed_is doing '"checks"'
expect "which the list says" "$(index list)" contains "another is being made: checks"
expect "and the metrics" "$(metric sluice_index_building 'index="handbook"')" == 1
expect "the old version is served during a build" "$(served)" == handbook@1
expect "what it has made is no version" "$(listed versions) $(find "$shelf" -name 'building.db' | wc -l)" == "[1,2] 1"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null
wait $asking
expect "the command says that nobody answers" "$(cat "$work/append")" contains "no daemon answers"
mv "$asked.kept" "$asked"
daemon_start
expect_soon "killed in a build: the old version is served" 20 served_is handbook@1
expect "no version more than before" "$(listed versions)" == "[1,2]"
rm "$docs"/room*.txt
expect "the next build goes through" "$(index build handbook)" contains "version 3 is made"
expect "without what was left of the first" "$(find "$shelf" -name 'building*' | wc -l)" == 0

# ---- killed while versions are promoted
for round in 1 2 3; do
	while index promote handbook 2 && index promote handbook 3; do :; done >"$work/promotes" 2>&1 &
	asking=$!
	for _ in $(seq $((round * 2))); do served >/dev/null; done
	kill -KILL "$daemon"
	wait "$daemon" 2>/dev/null
	wait $asking
	daemon_start
	at=$(readlink "$shelf/current")
	expect "killed in a promote ($round): one of the two is current" "${at/v00000[23].db/good}" == good
	expect_soon "and served" 20 served_is "handbook@${at:6:1}"
done
expect "it can be promoted again" "$(index promote handbook 3)" contains "version 3 is served"
expect "with the version before" "$(listed before)" == 2
kill -TERM "$daemon"
wait "$daemon"
start 3 2
daemon_stop

# ---- versions by order and by itself
write 200ms
start 3 2
expect_soon "served from the start" 20 served_is handbook@3
index rollback handbook >/dev/null
expect "an older version that was chosen" "$(served) $(listed held)" == "handbook@2 true"
sed -i 's/forty/fifty/' "$docs/handbook.md"
expect "is not replaced by itself; an append makes the next" "$(index append handbook)" contains "version 4 is made"
expect "and does not serve it" "$(served)" == handbook@2
expect "until the newest is promoted" "$(index promote handbook 4) $(listed held)" == "handbook: version 4 is served false"
sed -i 's/fifty/sixty/' "$docs/handbook.md"
expect_soon "then changes are served by themselves again" 60 served_is handbook@5
standin_kill a # whose idle connections are no leak
daemon_stop
finish
