/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pools stages need; and with breakers really opened in a plane's memory: what is told, when, once, and
 * that it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/breaker.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/base/tunables.h"
#include "user/ops/dependencies.h"

static const char yaml[] = "listen: 127.0.0.1:1\n"
			   "embedding: {pool: vectors, pool_model: m}\n"
			   "pools:\n"
			   "  chat: {nodes: [\"127.0.0.1:2\"]}\n"
			   "  vectors: {nodes: [\"127.0.0.1:3\", \"127.0.0.1:4\"]}\n"
			   "  judge: {nodes: [\"127.0.0.1:5\"]}\n"
			   "  order: {nodes: [\"127.0.0.1:6\"]}\n"
			   "  idle: {nodes: [\"127.0.0.1:7\"]}\n"
			   "rerankers: {words: {pool: order, model: r}}\n"
			   "routes:\n"
			   "  - {model: m, pools: chat, validate: {moderation: judge},\n"
			   "     semantic_cache: {ttl: 1h, shadow_judge: judge}}\n";

static void test_find(void **state)
{
	static const struct {
		const char *pool, *uses;
	} rows[] = {{"chat", ""},
		    {"vectors", "embeddings"},
		    {"judge", "moderation, judge"},
		    {"order", "reranker"},
		    {"idle", ""}};
	struct sl_config *config = NULL;
	uint8_t uses[SL_POOLS_MAX];
	char *errors = NULL, names[128];

	(void)state;
	if (sl_config_parse("test", yaml, sizeof(yaml) - 1, &config, &errors))
		fail_msg("%s", errors);
	sl_dependencies_find(config, uses);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(config->pools[i].name, rows[i].pool);
		sl_dependencies_name(uses[i], names, sizeof(names));
		assert_string_equal(names, rows[i].uses);
	}
	sl_config_close(&config);
}

/* ---- told ------------------------------------------------------------------------------------ */

enum { DOWN = 1, UP = 2 };

struct lab {
	struct sl_node_state *nodes;
	struct sl_kernel_plane plane;
	struct sl_routes routes;
	struct sl_upstream_pool pools[2];
	struct sl_config config;
	struct sl_config_pool configs[2];
	uint32_t slots[2][2];
	void *part;
	uint64_t now_ms;
};

static void set(struct lab *lab, uint32_t slot, enum sl_breaker_state state)
{
	lab->nodes[slot].breaker = sl_breaker_pack(state, 0, 1, 0);
	assert_int_equal(sl_breaker_state(lab->nodes[slot].breaker), state);
}

/* What a look tells: DOWN, UP, 0. */
static int look(struct lab *lab)
{
	struct sl_notice notice;
	int told = 0;

	lab->now_ms += SL_DEPENDENCIES_LOOK_MS;
	sl_dependencies_part.poll(lab->part, lab->now_ms);
	while (sl_notice_take(&notice)) {
		assert_int_equal(notice.kind, SL_NOTICE_DEPENDENCY);
		assert_int_equal(notice.of, SL_NOTICE_OF_POOL);
		assert_string_equal(notice.name, "vectors");
		assert_non_null(strstr(notice.text, "embeddings"));
		assert_int_equal(told, 0);
		told = notice.over ? UP : DOWN;
	}
	return told;
}

static void test_told(void **state)
{
	struct lab lab = {.now_ms = 1000};
	static uint64_t tunables[SL_TUNABLES_SIZE];
	struct sl_watch_place place = {.plane = &lab.plane, .state = {.tunables = tunables}};

	(void)state;
	sl_log_set_level(SL_LOG_ERROR);
	memset(tunables, 0xff, sizeof(tunables)); /* as they begin */
	lab.nodes = calloc(8, sizeof(*lab.nodes));
	lab.plane.nodes = lab.nodes;
	lab.config.pools = lab.configs;
	lab.config.pool_count = 2;
	lab.config.embedding.pool = 0;
	lab.configs[0].name = lab.pools[0].name = "vectors";
	lab.configs[1].name = lab.pools[1].name = "chat";
	for (uint32_t p = 0; p < 2; p++) {
		lab.pools[p].slot = p + 1;
		lab.pools[p].node_slots = lab.slots[p];
		lab.pools[p].node_count = 2 - p;
		lab.slots[p][0] = 1 + 2 * p;
		lab.slots[p][1] = 2 + 2 * p;
	}
	lab.routes.config = &lab.config;
	lab.routes.pools = lab.pools;
	lab.routes.refs = 1;
	assert_int_equal(sl_notice_open(), 0);
	assert_int_equal(sl_dependencies_part.open(&place, &lab.routes, &lab.part), 0);
	assert_int_equal(look(&lab), 0);
	set(&lab, 1, SL_BREAKER_OPEN);
	assert_int_equal(look(&lab), 0); /* one of two */
	set(&lab, 3, SL_BREAKER_OPEN);
	assert_int_equal(look(&lab), 0); /* no dependency */
	set(&lab, 2, SL_BREAKER_OPEN);
	assert_int_equal(look(&lab), DOWN);
	assert_int_equal(look(&lab), 0); /* once */
	set(&lab, 2, SL_BREAKER_HALF_OPEN);
	assert_int_equal(look(&lab), 0); /* on trial is not up */
	set(&lab, 2, SL_BREAKER_CLOSED);
	assert_int_equal(look(&lab), UP);
	lab.nodes[2].admin |= SL_NODE_DRAINING;
	assert_int_equal(look(&lab), DOWN); /* nobody takes new ones */
	set(&lab, 1, SL_BREAKER_CLOSED);
	assert_int_equal(look(&lab), UP);
	lab.nodes[1].consecutive = 1000; /* closed by the ejection cap alone */
	assert_int_equal(look(&lab), DOWN);
	lab.nodes[1].consecutive = 0;
	assert_int_equal(look(&lab), UP);
	sl_dependencies_part.close(lab.part);
	sl_notice_close();
	free(lab.nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_find),
					   cmocka_unit_test(test_told)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
