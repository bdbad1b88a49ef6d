#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# postgres.sh - chunks from PostgreSQL, a real one: by arrays and by pgvector's operator, with the ladder
# below it while the server is killed, silent, restarted, or asked for what it has not.
#
#   client -> sluiced -> PostgreSQL 5433 (killed, stopped)
#                    \-> index -> model 9001, which answers what it was told
#   a store of Qdrant's shape on 9002 gives the test the vectors of its texts
. "$(dirname "$0")/lib.sh"

bin=$(pg_config --bindir 2>/dev/null || echo /usr/lib/postgresql/15/bin)
data=$work/pg/data
need_encoder
[[ -x $bin/initdb ]] || bin=$(dirname "$(find /usr/lib/postgresql -name initdb 2>/dev/null | sort | tail -n 1)")
[[ -x $bin/initdb ]] || { not_ok "PostgreSQL" "initdb is missing: make deps"; finish; }
# The server refuses to be root.
as_nobody() {
	if setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	fi
	exec unshare --user --map-user=65534 "$@"
}
query() { "$bin/psql" -h 127.0.0.1 -p 5433 -U sluice -d postgres -qAt -v ON_ERROR_STOP=1 "$@" 2>&1; }
answers() { [[ $(query -c "select 1") == 1 ]]; }
server_start() {
	(as_nobody "$bin/postgres" -D "$data" -p 5433 -h 127.0.0.1 -k "$work/pg" -c fsync=off \
		-c max_connections=30) >"$work/pg.log" 2>&1 &
	server=$!
	wait_for 60 answers || { not_ok "PostgreSQL" "$(tail -n 5 "$work/pg.log")"; finish; }
}
server_kill() {
	pkill -KILL -P "$server" # its own processes: they would serve on
	kill -KILL "$server"
	wait "$server" 2>/dev/null
}
chmod 711 "$work"
mkdir "$work/pg"
chown 65534:65534 "$work/pg" 2>/dev/null
(as_nobody "$bin/initdb" -D "$data" -A trust -U sluice --no-sync -E UTF8 --locale=C) >"$work/initdb.log" 2>&1 ||
	{ not_ok "initdb" "$(tail -n 3 "$work/initdb.log")"; finish; }
server_start
node "$e2e/retrieve.mjs" model 9001 >"$work/model.log" 2>&1 &
node "$e2e/retrieve.mjs" vectors 9002 >"$work/vectors.log" 2>&1 &
for role in model vectors; do wait_for 30 grep -q ready "$work/$role.log"; done

ask() { # MODEL QUESTION
	curl -s --max-time 60 -o "$work/out" -D "$work/head" -H 'content-type: application/json' \
		-d "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}]}" "$url/v1/chat/completions"
	jq -r '.choices[0].message.content' "$work/out" 2>/dev/null
}
degraded_is() { ask "$1" "$2" >/dev/null; [[ $(header x-sluice-degraded) == "$3" ]]; }
steps() { metric sluice_ladder_steps_total "step=\"$1\""; }

mkdir "$work/docs"
printf 'Travel costs are paid back within two weeks.\n' >"$work/docs/travel.txt"
config_write <<END
embedding: {model: $encoder, packed: $work/packed}
tunables: {breaker.open_ms: 300, breaker.open_max_ms: 300}
pools:
  chat: {nodes: ["127.0.0.1:9001"]}
  store: {nodes: ["127.0.0.1:9002"], health: {live: tcp, every: 200ms}}
  pg: {nodes: ["127.0.0.1:5433"], health: {live: tcp, every: 200ms}}
indexes:
  handbook: {directory: $work/shelf, documents: $work/docs}
sources:
  qdrant: {kind: qdrant, pool: store, collection: docs}
  arrays: {kind: postgres, pool: pg, collection: kb.docs, connect: "dbname=postgres user=sluice", text: body}
  pgvector: {kind: postgres, pool: pg, collection: near, connect: "dbname=postgres user=sluice"}
  absent: {kind: postgres, pool: pg, collection: nothing, connect: "dbname=postgres user=sluice"}
  odd: {kind: postgres, pool: pg, collection: odd, connect: "dbname=latin user=sluice client_encoding=LATIN1"}
routes:
  - {model: teach, pools: chat, retrieve: {source: qdrant, timeout: 10s}}
  - {model: arrays, pools: chat, retrieve: {source: arrays, index: handbook, timeout: 5s, min_score: 0.3}}
  - {model: pgvector, pools: chat, retrieve: {source: pgvector, index: handbook, timeout: 10s, min_score: 0.3}}
  - {model: absent, pools: chat, retrieve: {source: absent, index: handbook, timeout: 10s, min_score: 0.3}}
  - {model: odd, pools: chat, retrieve: {source: odd, timeout: 10s, min_score: 0.3, candidates: 4}}
END
daemon_start
# The index is made by itself, and its file stays open.
expect_soon "the index is there" 60 degraded_is absent "When are travel costs paid back?" "retrieve=index"
fds_before=$(daemon_fds)
vector_of() { # TEXT: as the daemon's encoder has it
	curl -s -d '{"id":1,"text":"x","source":"y"}' http://127.0.0.1:9002/teach >/dev/null
	ask teach "$1" >/dev/null
	curl -s http://127.0.0.1:9002/points | jq -c '.[-1].vector'
}
vacation=$(vector_of "Every employee has thirty days of paid vacation.")
lunch=$(vector_of "Lunch is served from noon until two.")
expect "the encoder's vectors" "$(jq length <<<"$vacation")" == 512
# The text of an array has braces.
query >"$work/made" <<END
create schema kb;
create table kb.docs(id bigint primary key, body text, source text, embedding real[]);
insert into kb.docs values
  (7, 'Thirty days of vacation.', 'staff "A".md', '$(tr '[]' '{}' <<<"$vacation")'),
  (8, 'Lunch from noon.', 'canteen.md', '$(tr '[]' '{}' <<<"$lunch")'),
  (9, 'Of another model.', 'x', '{1,2,3}'), (10, 'Of no model.', 'x', null);
END
expect "the table of arrays is made" "$(cat "$work/made")" == ""
# Without the extension: a type of its name whose text is pgvector's, with its operator.
if ! query -c "create extension vector" >/dev/null; then
	query >"$work/made" <<-'END'
		create domain vector as text;
		create function away(text, text) returns float8 language sql immutable as $$
			select 1 - sum(a * b) / (sqrt(sum(a * a)) * sqrt(sum(b * b)))
			from unnest(translate($1, '[]', '{}')::float8[], translate($2, '[]', '{}')::float8[]) as u(a, b) $$;
		create operator <=> (leftarg = text, rightarg = text, function = away);
	END
	expect "a type like pgvector's" "$(cat "$work/made")" == ""
fi
query >"$work/made" <<END
create table near(id text, text text, source text, embedding vector);
insert into near values ('a', 'Thirty days near.', 'staff.md', '$vacation'), ('b', 'Lunch near.', 'canteen.md', '$lunch');
END
expect "its table is made" "$(cat "$work/made")" == ""

# ---- asked
holiday="How many days of paid vacation do I have?"
expect "arrays: the chunk" "$(ask arrays "$holiday")" contains '[1] (staff "A".md, chunk 7)
Thirty days of vacation.'
expect "the source is told" "$(header x-sluice-index) $(header x-sluice-chunks) $(header x-sluice-degraded)" == "arrays 7 "
expect "rows of another model are none" "$(grep -c "Of another model\|Of no model" "$work/out")" == 0
expect "another question, another row" "$(ask arrays "When is lunch served?")" contains "Lunch from noon."
expect "pgvector: the chunk" "$(ask pgvector "$holiday")" contains "Thirty days near."
expect "the source is told, too" "$(header x-sluice-index) $(header x-sluice-chunks)" == "pgvector a"
expect "connections are kept" "$(query -c "select count(*) from pg_stat_activity where application_name='sluice'")" == 2

# ---- rows that are odd: another encoding, no numbers, and one that would fill the memory
query -c "create database latin template template0 encoding 'LATIN1' locale 'C'" >/dev/null
sed "s|VECTOR|$(tr '[]' '{}' <<<"$vacation")|g" >"$work/odd.sql" <<'END'
set client_encoding = 'UTF8';
create table odd(id text, text text, source text, embedding float8[]);
insert into odd values ('good', 'Urlaub für alle.', 'staff.md', 'VECTOR');
insert into odd select 'nan' || i, 'No number.', 'x', array_fill('NaN'::float8, array[512]) from generate_series(1, 8) i;
insert into odd values ('long', repeat('x', 3000000), 'x', 'VECTOR');
insert into odd values (repeat('i', 3000000), 'Its id is long.', repeat('n', 3000000), 'VECTOR');
END
"$bin/psql" -h 127.0.0.1 -p 5433 -U sluice -d latin -qAt -v ON_ERROR_STOP=1 -f "$work/odd.sql" >"$work/made" 2>&1
expect "a table of odd rows is made" "$(cat "$work/made")" == ""
expect "text of another encoding is as it should be" "$(ask odd "$holiday")" contains "Urlaub für alle."
expect "rows without a score push nobody out" "$(header x-sluice-degraded)" == ""
expect "nor are they given" "$(grep -c "No number" "$work/out")" == 0
expect "a row that is too long is left out" "$(grep -c xxxx "$work/out")" == 0
expect "names are cut" "$(grep -o 'n*' "$work/out" | wc -L)" '<=' 1024
expect "with their chunk" "$(cat "$work/out")" contains "Its id is long."

# ---- down the ladder, and up again
travel="When are travel costs paid back?"
expect "a table that is not there: the index" "$(ask absent "$travel")" contains "within two weeks"
expect "is told" "$(header x-sluice-degraded) $(header x-sluice-index)" == "retrieve=index handbook@1"
for i in 1 2 3 4 5 6 7 8; do ask absent "$travel" >/dev/null; done
expect "which is no fault of the server" "$(ask arrays "$holiday")" contains "Thirty days"
before=$(steps index)
server_kill
expect "killed: the index" "$(ask arrays "$travel")" contains "within two weeks"
expect "is told, and counted" "$(header x-sluice-degraded) $(($(steps index) - before))" == "retrieve=index 1"
for i in 1 2 3 4 5 6 7 8; do ask arrays "$travel" >/dev/null; done
expect "the breaker knows" "$(($(metric sluice_node_trips_total 'pool="pg"') + $(metric sluice_node_trips_denied_total 'pool="pg"')))" '>=' 1
server_start
expect_soon "the way back" 30 degraded_is arrays "$holiday" ""
expect "with the chunk" "$(ask arrays "$holiday")" contains "Thirty days of vacation."
query -c "select pg_terminate_backend(pid) from pg_stat_activity where application_name='sluice'" >/dev/null
expect "connections that were ended cost nothing" "$(ask arrays "$holiday") $(header x-sluice-degraded)" contains "Thirty days"
expect "no step" "$(header x-sluice-degraded)" == ""
mkfifo "$work/locker"
query <"$work/locker" >/dev/null &
locker=$!
exec 9>"$work/locker" # held until the question is answered
echo "begin; lock table kb.docs;" >&9
locked() { [[ $(query -c "select count(*) from pg_locks where mode='AccessExclusiveLock' and granted and relation='kb.docs'::regclass") == 1 ]]; }
wait_for 10 locked
expect "a table that is locked: the index, after its time" "$(ask arrays "$travel") $(header x-sluice-degraded)" contains "within two weeks"
expect "is told as well" "$(header x-sluice-degraded)" == "retrieve=index"
exec 9>&-
wait $locker
expect_soon "the way back from a lock" 30 degraded_is arrays "$holiday" ""

# ---- blackholed: what is sent to its port is dropped, connections that stand included
before=$(steps index)
nft 'table inet hole { chain in { type filter hook input priority 0; tcp dport 5433 drop; }; }'
expect "blackholed: the index, after its time" "$(ask arrays "$travel") $(header x-sluice-degraded)" contains "within two weeks"
expect "blackholed: is told, and counted" "$(header x-sluice-degraded) $(($(steps index) - before))" == "retrieve=index 1"
nft delete table inet hole
expect_soon "the way back from the hole" 30 degraded_is arrays "$holiday" ""

# ---- another answers in its place: no server of its protocol; one that lets everybody in, and then breaks a
# row off, has rows of fewer columns, none at all, or a score that is no number
server_kill
liar() { # KIND
	node -e '
		const message = (type, body = "") => {
			const head = Buffer.from(type + "....");
			head.writeInt32BE(body.length + 4, 1);
			return Buffer.concat([head, Buffer.from(body, "latin1")]);
		};
		const column = (name) => name + "\0" + "\0\0\0\0\0\0" + "\0\0\0\x19" + "\xff\xff" + "\xff\xff\xff\xff" + "\0\0";
		const row = (...fields) => message("D", "\0" + String.fromCharCode(fields.length) +
			fields.map((field) => "\0\0\0" + String.fromCharCode(field.length) + field).join(""));
		const table = (columns, ...fields) => Buffer.concat([message("1"), message("2"),
			message("T", "\0" + String.fromCharCode(columns.length) + columns.map(column).join("")),
			row(...fields), message("C", "SELECT 1\0"), message("Z", "I")]);
		const rows = {
			junk: Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
			torn: message("D", "\0\x04\0\0\x40\0short"),
			narrow: table(["id", "text"], "1", "Lies."),
			bare: table([]),
			odd: table(["id", "text", "source", "score"], "1", "Lies.", "x", "near"),
		};
		const kind = process.argv[1];
		const answer = (query) => query.includes("set_config") ? table(["set_config"], "5s")
			: query.includes("typname") && kind !== "bare" ? table(["typname"], "_float8") : rows[kind];
		require("net").createServer((socket) => {
			let started = false;
			socket.on("error", () => {});
			socket.on("data", (data) => {
				if (kind === "junk") return socket.end(rows.junk);
				if (!started && data.readInt32BE(4) === 80877103) return socket.write("N"); // no TLS
				if (!started) {
					started = true;
					return socket.write(Buffer.concat([message("R", "\0\0\0\0"), message("Z", "I")]));
				}
				socket.write(answer(data.toString("latin1")));
			});
		}).listen(5433, "127.0.0.1", () => console.log("ready"));' "$1" >"$work/liar-$1.log" 2>&1 &
	liar=$!
	wait_for 30 grep -q ready "$work/liar-$1.log"
}
for kind in junk torn narrow bare odd; do
	liar $kind
	before=$(steps index)
	expect "corrupted, $kind: the index" "$(ask arrays "$travel") $(header x-sluice-degraded)" contains "within two weeks"
	expect "corrupted, $kind: is told, and counted" "$(header x-sluice-degraded) $(($(steps index) - before))" == "retrieve=index 1"
	kill -KILL $liar
	wait $liar 2>/dev/null
done
server_start
expect_soon "the way back from lies" 30 degraded_is arrays "$holiday" ""
daemon_stop
server_kill
finish
