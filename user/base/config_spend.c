/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>

#include "user/base/config_check.h"
#include "user/base/config_reader.h"
#include "user/base/suggest.h"

#define NOT_SAID   UINT64_MAX
#define MODELS_MAX (SL_POOLS_MAX + SL_CONFIG_ROUTES_MAX)

void sl_reader_money(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, uint64_t *target)
{
	uint64_t nano;
	int rc = sl_money_parse(node->text, node->text_len, &nano);

	if (rc == -EDOM)
		sl_reader_wrong(r, key, node, "is finer than a billionth");
	else if (rc == -EINVAL)
		sl_reader_wrong(r, key, node, "is no amount");
	else if (rc || nano > key->max)
		sl_reader_wrong(r, key, node, "is too large");
	else
		*target = nano;
}

void sl_reader_prices(struct sl_config_reader *r, const struct sl_config_key *key,
		      const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	config->prices = sl_reader_allocate(r, node->count, sizeof(*config->prices));
	if (config->prices == NULL)
		return;
	config->price_count = node->count;
	for (unsigned i = 0; i < node->count; i++) {
		const struct sl_yaml_pair *pair = &node->pairs[i];
		struct sl_config_price *entry = &config->prices[i];
		size_t before = sl_reader_push_name(r, pair->key);

		*entry = (struct sl_config_price){
			.model = pair->key, .line = pair->mark.line, .column = pair->mark.column};
		entry->price.cached_input = NOT_SAID;
		sl_reader_section(r, SL_CONFIG_PRICE, pair->value, entry);
		if (entry->price.cached_input == NOT_SAID)
			entry->price.cached_input = entry->price.input;
		sl_reader_pop(r, before);
	}
}

const struct sl_price *sl_config_find_price(const struct sl_config *config, const char *model)
{
	for (uint32_t i = 0; i < config->price_count; i++)
		if (strcmp(config->prices[i].model, model) == 0)
			return &config->prices[i].price;
	return NULL;
}

/* A price that nobody can be charged is a misspelt name. */
static void check_prices(const struct sl_config *config, struct sl_report *report)
{
	const char *names[MODELS_MAX];
	size_t count = 0;

	for (uint32_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].model != NULL)
			names[count++] = config->pools[i].model;
	for (uint32_t i = 0; i < config->route_count; i++)
		if (config->routes[i].model != NULL)
			names[count++] = config->routes[i].model;
	for (uint32_t i = 0; i < config->price_count; i++) {
		const struct sl_config_price *entry = &config->prices[i];
		const char *close;
		size_t at = 0;

		while (at < count && strcmp(names[at], entry->model) != 0)
			at++;
		if (at < count)
			continue;
		close = sl_suggest(entry->model, names, count);
		sl_report_add(report, entry->line, entry->column,
			      "prices: no pool or route has the model \"%.80s\"%s%s%s",
			      entry->model, close != NULL ? " (did you mean \"" : "",
			      close != NULL ? close : "", close != NULL ? "\"?)" : "");
	}
}

void sl_config_check_spend(const struct sl_config *config, const struct sl_yaml *root,
			   struct sl_report *report)
{
	const struct sl_yaml_pair *spend = sl_yaml_find(root, "spend");
	bool budgets = sl_budget_any(&config->key_budget);

	for (uint32_t i = 0; i < config->tenant_count; i++)
		budgets |= sl_budget_any(&config->tenants[i].budget);
	for (uint32_t i = 0; i < config->route_count; i++)
		budgets |= sl_budget_any(&config->routes[i].budget);
	check_prices(config, report);
	if (budgets && config->price_count == 0)
		sl_report_add(report, 0, 0,
			      "there are budgets and no \"prices\": nothing would ever be charged");
	if (spend != NULL && config->price_count == 0)
		sl_report_add(report, spend->mark.line, spend->mark.column,
			      "spend: there are no \"prices\", so nothing is ever spent");
}
