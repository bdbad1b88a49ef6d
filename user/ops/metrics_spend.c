/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_spend.h"

#include <inttypes.h>
#include <string.h>
#include "user/ops/ledger.h"

#define TENANTS_SHOWN_MAX 100u

/* What is shown of one tenant or model. */
typedef uint64_t amount_fn(const struct sl_keyring_entry *tenant);

static uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t requests_of(const struct sl_keyring_entry *tenant)
{
	return load(&tenant->meter->requests_total);
}

static uint64_t tokens_of(const struct sl_keyring_entry *tenant)
{
	return load(&tenant->meter->tokens_total);
}

static uint64_t in_flight_of(const struct sl_keyring_entry *tenant)
{
	return __atomic_load_n(&tenant->meter->in_flight, __ATOMIC_RELAXED);
}

static uint64_t spent_of(const struct sl_keyring_entry *tenant)
{
	return tenant->purse.account ? load(&tenant->purse.account->total) : 0;
}

static const struct {
	const char *name, *type, *help;
	amount_fn *of;
	bool money;
} tenant_fields[] = {
	{"sluice_tenant_requests_total", "counter", "Requests admitted of a tenant with limits.",
	 requests_of, false},
	{"sluice_tenant_tokens_total", "counter", "Tokens charged to a tenant with limits.",
	 tokens_of, false},
	{"sluice_tenant_requests_in_flight", "gauge",
	 "Requests and streams of a tenant with limits now.", in_flight_of, false},
	{"sluice_tenant_spend_total", "counter",
	 "What a tenant with limits has spent, in the currency of the prices.", spent_of, true},
};

static void put(struct sl_text *text, uint64_t value, bool money)
{
	sl_text_append_scaled(text, value, money ? SL_MONEY_DIGITS : 0);
	sl_text_append_char(text, '\n');
}

/* The first tenants of the file each, the others together: no label without a bound. */
static void write_tenants(const struct sl_keyring *ring, struct sl_text *text)
{
	for (size_t f = 0; f < sizeof(tenant_fields) / sizeof(tenant_fields[0]); f++) {
		uint64_t others = 0;

		family(text, tenant_fields[f].name, tenant_fields[f].type, tenant_fields[f].help);
		for (uint32_t i = 0; i < ring->tenant_count; i++) {
			uint64_t value = tenant_fields[f].of(&ring->tenants[i]);

			if (i >= TENANTS_SHOWN_MAX) {
				others += value;
				continue;
			}
			sl_text_printf(text, "%s{tenant=\"%s\"} ", tenant_fields[f].name,
				       ring->tenants[i].name);
			put(text, value, tenant_fields[f].money);
		}
		if (ring->tenant_count <= TENANTS_SHOWN_MAX)
			continue;
		sl_text_printf(text, "%s{tenant=\"\"} ", tenant_fields[f].name);
		put(text, others, tenant_fields[f].money);
	}
}

/* What is left is the difference; both, so that an alert can be a part of the budget. */
static void write_periods(const struct sl_keyring *ring, bool budget, struct sl_text *text)
{
	const char *name = budget ? "sluice_tenant_budget" : "sluice_tenant_spend";

	family(text, name, "gauge",
	       budget ? "What a tenant may spend in the period."
		      : "What a tenant with a budget has spent in the period.");
	for (uint32_t i = 0; i < ring->tenant_count && i < TENANTS_SHOWN_MAX; i++) {
		const struct sl_purse *purse = &ring->tenants[i].purse;

		for (unsigned p = SL_BUDGET_DAY; p < SL_BUDGET_PERIODS && purse->account; p++) {
			enum sl_budget_period period = (enum sl_budget_period)p;
			uint64_t bound = sl_budget_of(&purse->budget, period);

			if (!bound)
				continue;
			sl_text_printf(text, "%s{tenant=\"%s\",period=\"%s\"} ", name,
				       ring->tenants[i].name, sl_budget_period_name(period));
			put(text, budget ? bound : sl_account_spent(purse->account, period), true);
		}
	}
}

/* Names that clients cannot choose: routes of the configuration, now or before a reload. */
static void write_models(struct sl_ledger *ledger, struct sl_text *text)
{
	const struct sl_account *account;

	family(text, "sluice_model_spend_total", "counter",
	       "What was spent on a model of the routes, in the currency of the prices.");
	pthread_mutex_lock(&ledger->accounts.lock);
	account = ledger->accounts.newest;
	pthread_mutex_unlock(&ledger->accounts.lock);
	for (; account; account = account->older) {
		if (account->kind != SL_SPEND_MODEL)
			continue;
		sl_text_append_string(text, "sluice_model_spend_total{model=\"");
		sl_text_append_json(text, account->name, strlen(account->name));
		sl_text_append_string(text, "\"} ");
		put(text, load(&account->total), true);
	}
}

static void write_ledger(struct sl_ledger *ledger, struct sl_text *text)
{
	family(text, "sluice_spend_saves_total", "counter",
	       "Merges of what was spent with its file.");
	sl_text_printf(text, "sluice_spend_saves_total{result=\"success\"} %" PRIu64 "\n",
		       load(&ledger->saves_ok));
	sl_text_printf(text, "sluice_spend_saves_total{result=\"failure\"} %" PRIu64 "\n",
		       load(&ledger->saves_failed));
	family(text, "sluice_spend_last_save_successful", "gauge",
	       "1 when the file of what was spent could be read and written the last time.");
	sl_text_printf(text, "sluice_spend_last_save_successful %d\n",
		       !__atomic_load_n(&ledger->failing, __ATOMIC_RELAXED));
}

void sl_metrics_write_spend(const struct sl_metrics_source *source, struct sl_text *text)
{
	struct sl_keyring *ring = sl_keys_peek(source->keys);

	if (ring) {
		write_tenants(ring, text);
		write_periods(ring, false, text);
		write_periods(ring, true, text);
	}
	sl_keyring_put(&ring);
	write_models(source->ledger, text);
	write_ledger(source->ledger, text);
}
