/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_advice.h"

#include <string.h>
#include "user/base/address.h"

#define PERSONAL   SL_PROFILE_BIT(SL_PROFILE_PERSONAL)
#define MVP	   SL_PROFILE_BIT(SL_PROFILE_MVP)
#define ENTERPRISE SL_PROFILE_BIT(SL_PROFILE_ENTERPRISE)
#define SAAS	   SL_PROFILE_BIT(SL_PROFILE_SAAS)
#define CRITICAL   SL_PROFILE_BIT(SL_PROFILE_CRITICAL)
#define OPERATED   (ENTERPRISE | SAAS | CRITICAL)

/* What a row is about; its line has one %s for the name where that is not SCOPE_FILE. */
enum scope {
	SCOPE_FILE = 0,
	SCOPE_LISTEN, /* an address of `listen` */
	SCOPE_POOL,   /* that a route asks */
	SCOPE_ROUTE,
};

struct row {
	uint32_t profiles;
	enum scope scope;
	const char *key;
	bool (*lacks)(const struct sl_config *config, uint32_t index); /* of the scope */
	const char *line;
	const char *why;
};

/* ---- who lacks what -------------------------------------------------------------------------- */

#define LACKS(name, expression)                                          \
	static bool name(const struct sl_config *config, uint32_t index) \
	{                                                                \
		(void)index;                                             \
		return (expression);                                     \
	}

LACKS(lacks_keys, config->route_count && !config->keys_file)
LACKS(lacks_audit, !config->audit_file)
LACKS(lacks_incidents, !config->incidents.path)
LACKS(lacks_slo, config->route_count && !config->slo.path)
LACKS(lacks_receivers, !config->alerts.receivers.count)
LACKS(lacks_tenants, config->route_count && !config->tenant_count)
LACKS(lacks_prices, config->route_count && !config->price_count)
LACKS(lacks_spend, config->price_count && !config->spend_file)
LACKS(lacks_rollouts, config->route_count && !config->rollouts_file)
LACKS(lacks_otlp, config->route_count && !config->otlp.pool)
LACKS(lacks_log, config->route_count && !config->log_requests)
LACKS(lacks_second_node, config->pools[index].node_count == 1)
LACKS(lacks_strictness, config->pools[index].model && !config->pools[index].api_key &&
				config->pools[index].expect == SL_CONFIG_EXPECT_WARN)
LACKS(lacks_generate,
      !config->pools[index].api_key && !config->pools[index].health.generate_every_ms)
LACKS(lacks_fallback, config->routes[index].chains[SL_CAUSE_ERROR].len == 1)
LACKS(lacks_moderation, !config->routes[index].validate.moderation)

static bool lacks_slots(const struct sl_config *config, uint32_t index)
{
	const struct sl_config_pool *pool = &config->pools[index];
	bool has = pool->slots || pool->concurrency == SL_CONFIG_CONCURRENCY_GAP;

	for (uint32_t i = 0; i < pool->node_count; i++)
		has |= pool->nodes[i].slots != 0;
	return !has;
}

static bool is_open(const struct sl_config *config, uint32_t index)
{
	return !sl_address_is_loopback(&config->listen[index].addr);
}

static bool lacks_tls(const struct sl_config *config, uint32_t index)
{
	return is_open(config, index) && !config->listen_tls[index];
}

static bool lacks_lock(const struct sl_config *config, uint32_t index)
{
	return is_open(config, index) && !config->keys_file;
}

/* clang-format off */
static const struct row rows[] = {
	{PERSONAL, SCOPE_LISTEN, "listen", lacks_lock, "listen: 127.0.0.1:8080   # instead of %s",
	 "Whoever is in the same network may use your models, and nobody is asked for a key."},
	{MVP | OPERATED, SCOPE_FILE, "keys.file", lacks_keys, "keys: {file: /etc/sluice/keys}",
	 "Whoever reaches `listen` may use every route, and the limits of keys hold nobody."},
	{OPERATED, SCOPE_LISTEN, "listen[].tls", lacks_tls,
	 "listen: [{address: \"%s\", tls: {certificate: /etc/tls.pem, key: /etc/tls.key}}]",
	 "Prompts and keys cross the network as they are, unless something before sluice ends TLS."},
	{OPERATED, SCOPE_FILE, "audit.file", lacks_audit, "audit: {file: /var/lib/sluice/audit.log}",
	 "Who reloaded, drained or tuned what is asked after each outage, and nobody wrote it down."},
	{OPERATED, SCOPE_FILE, "incidents.path", lacks_incidents,
	 "incidents: {path: /var/lib/sluice/incidents}",
	 "The ledger of incidents is forgotten with the process, and MTBF and MTTR with it."},
	{OPERATED, SCOPE_FILE, "slo.path", lacks_slo, "slo: {path: /var/lib/sluice/slo}",
	 "Each restart gives a whole new error budget."},
	{MVP | OPERATED, SCOPE_FILE, "alerts.receivers", lacks_receivers,
	 "alerts: {receivers: {oncall: {exec: /etc/sluice/tell-oncall}}}",
	 "An incident opens, and nobody is told."},
	{OPERATED, SCOPE_FILE, "log.requests", lacks_log, "log: {requests: /var/log/sluice/requests.log}",
	 "Which request went where is asked days later, and only counts are left."},
	{OPERATED, SCOPE_FILE, "rollouts.file", lacks_rollouts, "rollouts: {file: /var/lib/sluice/rollouts}",
	 "Without it `sluice rollout` refuses, and a new model or prompt meets everybody at once."},
	{ENTERPRISE | CRITICAL, SCOPE_FILE, "otlp.pool", lacks_otlp,
	 "otlp: {pool: collector}   # and under pools: collector: {nodes: [127.0.0.1:4318]}",
	 "The traces that the profile keeps go nowhere."},
	{SAAS, SCOPE_FILE, "tenants", lacks_tenants, "tenants: {NAME: {}}   # as in: sluice key create --tenant NAME",
	 "The limits of tenants hold those that are named here; others have none but those of their keys."},
	{SAAS, SCOPE_FILE, "prices", lacks_prices, "prices: {MODEL: {input: 0.50, output: 1.50}}",
	 "Nothing is ever charged, so no budget can be set and no answer says what it cost."},
	{SAAS, SCOPE_FILE, "spend.file", lacks_spend, "spend: {file: /var/lib/sluice/spend}",
	 "A restart forgets what the tenants have spent."},
	{OPERATED, SCOPE_POOL, "pools.NAME.slots", lacks_slots, "pools: {%s: {slots: 32}}",
	 "Where nobody knows its places nobody waits here, and order and shares are left to the server."},
	{CRITICAL, SCOPE_POOL, "pools.NAME.nodes", lacks_second_node, "pools: {%s: {nodes: [ADDRESS:PORT, ADDRESS:PORT]}}",
	 "With one node neither a retry nor a hedge nor a breaker has another to go to."},
	{ENTERPRISE | CRITICAL, SCOPE_POOL, "pools.NAME.health", lacks_generate,
	 "pools: {%s: {health: {live: http, generate: 30s}}}",
	 "A frozen engine takes connections and looks alive; one token in 30s tells, where nobody asks it anyway."},
	{CRITICAL, SCOPE_POOL, "pools.NAME.expect_model", lacks_strictness, "pools: {%s: {expect_model: strict}}",
	 "An answer of another model than was asked should fail; first see what your servers say: sluice canary."},
	{CRITICAL, SCOPE_ROUTE, "routes[].pools", lacks_fallback, "routes: [{model: %s, pools: [FIRST, FALLBACK]}]",
	 "When its only pool is down the route is down."},
	{CRITICAL, SCOPE_ROUTE, "routes[].validate.moderation", lacks_moderation,
	 "routes: [{model: %s, validate: {moderation: POOL}}]",
	 "Nobody looks at questions and answers; once a pool does, the profile refuses what it could not look at."},
};
/* clang-format on */

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- walking --------------------------------------------------------------------------------- */

static bool is_asked(const struct sl_config *config, uint32_t pool)
{
	for (uint32_t r = 0; r < config->route_count; r++) {
		for (uint32_t cause = 0; cause < SL_CAUSES; cause++) {
			const struct sl_config_chain *chain = &config->routes[r].chains[cause];

			for (uint32_t i = 0; i < chain->len; i++) {
				if (chain->pools[i] == pool)
					return true;
			}
		}
	}
	return false;
}

static uint32_t count_of(const struct sl_config *config, enum scope scope)
{
	switch (scope) {
	case SCOPE_LISTEN:
		return config->listen_count;
	case SCOPE_POOL:
		return config->pool_count;
	case SCOPE_ROUTE:
		return config->route_count;
	case SCOPE_FILE:
		break;
	}
	return 1;
}

static void write_line(const struct sl_config *config, const struct row *row, uint32_t index,
		       struct sl_advice *advice)
{
	char address[SL_ADDRESS_TEXT_SIZE];
	const char *name = "";
	const char *rest = strstr(row->line, "%s");

	if (row->scope == SCOPE_LISTEN)
		name = sl_address_format(&config->listen[index], address);
	else if (row->scope == SCOPE_POOL)
		name = config->pools[index].name;
	else if (row->scope == SCOPE_ROUTE)
		name = config->routes[index].model;
	if (rest)
		snprintf(advice->line, sizeof(advice->line), "%.*s%s%s", (int)(rest - row->line),
			 row->line, name, rest + 2);
	else
		snprintf(advice->line, sizeof(advice->line), "%s", row->line);
}

void sl_advice_each(const struct sl_config *config,
		    void (*fn)(void *owner, const struct sl_advice *advice), void *owner)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		struct sl_advice advice = {.key = row->key, .why = row->why};
		uint32_t found = 0;

		if (!(row->profiles & SL_PROFILE_BIT(config->profile)))
			continue;
		for (uint32_t j = 0; j < count_of(config, row->scope); j++) {
			if ((row->scope == SCOPE_POOL && !is_asked(config, j)) ||
			    !row->lacks(config, j))
				continue;
			if (!found++)
				write_line(config, row, j, &advice);
		}
		if (!found)
			continue;
		advice.others = found - 1;
		fn(owner, &advice);
	}
}

void sl_advice_write_table(FILE *file, enum sl_profile profile)
{
	bool first = true;

	for (size_t i = 0; i < ROWS; i++) {
		const char *name = strstr(rows[i].line, "%s");

		if (!(rows[i].profiles & SL_PROFILE_BIT(profile)))
			continue;
		if (first)
			fprintf(file, "\nRecommended, where the file lacks it:\n\n"
				      "| key | line to add | why |\n|---|---|---|\n");
		first = false;
		fprintf(file, "| `%s` | `%.*s%s%s` | %s |\n", rows[i].key,
			(int)(name ? (size_t)(name - rows[i].line) : strlen(rows[i].line)),
			rows[i].line, name ? "NAME" : "", name ? name + 2 : "", rows[i].why);
	}
}
