/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration files: a bad one is refused with complaints that name the file and a place in it and
 * hold no control bytes; a good one has what its checks promise.
 */
#include "tests/fuzz/fuzz.h"
#include "user/base/config.h"

static void check_complaints(const char *errors)
{
	CHECK(errors && !strncmp(errors, "fuzz.yaml:", 10));
	for (const char *at = errors; *at; at++)
		CHECK((unsigned char)*at >= 0x20 || *at == '\n' || *at == '\t');
}

static void check_config(const struct sl_config *config)
{
	CHECK(config->listen_count <= SL_CONFIG_LISTEN_MAX);
	CHECK(config->route_count <= SL_CONFIG_ROUTES_MAX);
	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *pool = &config->pools[i];

		CHECK(pool->name && strlen(pool->name) <= SL_CONFIG_NAME_MAX);
		CHECK(pool->spill == UINT32_MAX || pool->spill < config->pool_count);
		for (uint32_t n = 0; n < pool->node_count; n++)
			CHECK(pool->nodes[n].weight >= 1 && pool->nodes[n].weight <= 1000);
	}
	for (uint32_t i = 0; i < config->route_count; i++) {
		const struct sl_config_route *route = &config->routes[i];

		CHECK(route->model && strlen(route->model) <= SL_CONFIG_MODEL_MAX);
		CHECK(route->chains[SL_CAUSE_ERROR].len > 0);
		CHECK(route->attempts_max > 0 && route->total_timeout_ms > 0);
		for (int c = 0; c < SL_CAUSES; c++)
			for (uint32_t p = 0; p < route->chains[c].len; p++)
				CHECK(route->chains[c].pools[p] < config->pool_count);
	}
	for (uint32_t i = 0; i < config->service_count; i++)
		CHECK(config->services[i].pool == UINT32_MAX ||
		      config->services[i].pool < config->pool_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc = sl_config_parse("fuzz.yaml", text, size, &config, &errors);

	if (rc) {
		CHECK(!config);
		check_complaints(errors);
	} else {
		CHECK(!errors);
		check_config(config);
		sl_config_close(&config);
	}
	free(errors);
	free(text);
	return 0;
}
