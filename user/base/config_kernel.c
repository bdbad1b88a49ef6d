/* SPDX-License-Identifier: BSD-2-Clause */
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "user/base/address.h"
#include "user/base/config_reader.h"
#include "user/base/prefix.h"

#define DEVICE_NAME_MAX (IF_NAMESIZE - 1u)

void sl_reader_devices(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!sl_reader_check_count(r, key, node, sl_reader_item_count(node)))
		return;
	for (unsigned i = 0; i < sl_reader_item_count(node); i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);
		const char *what;

		if (!sl_reader_check_scalar(r, item, key->expected))
			continue;
		what = sl_reader_check_name(item->text, item->text_len, DEVICE_NAME_MAX, "._-@:");
		for (uint32_t j = 0; j < config->device_count && what == NULL; j++)
			if (strcmp(config->devices[j], item->text) == 0)
				what = "is here twice";
		if (what != NULL)
			SL_COMPLAIN(r, item->mark, SL_SHOWN " %s (see: ip -br link)", item->shown,
				    what);
		else
			config->devices[config->device_count++] = item->text;
	}
}

/* ---- allow and deny ------------------------------------------------------------------------ */

static bool parse_prefix(struct sl_config_reader *r, const struct sl_config_key *key,
			 const struct sl_yaml *item, struct sl_prefix *ret_prefix)
{
	struct sl_error error;

	if (!sl_reader_check_scalar(r, item, key->expected))
		return false;
	if (sl_prefix_parse(item->text, ret_prefix, &error) == 0)
		return true;
	if (strcmp(item->text, item->shown) == 0)
		SL_COMPLAIN(r, item->mark, "%s", error.text);
	else
		sl_reader_wrong(r, key, item, "is no prefix");
	return false;
}

void sl_reader_prefixes(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node)
{
	struct sl_config *config = r->config;
	unsigned count = sl_reader_item_count(node);
	struct sl_config_prefix *all;

	if (!sl_reader_check_count(r, key, node, count))
		return;
	all = sl_reader_allocate(r, config->prefix_count + count + 1, sizeof(*all));
	if (all == NULL)
		return;
	for (uint32_t i = 0; i < config->prefix_count; i++)
		all[i] = config->prefixes[i];
	config->prefixes = all;
	for (unsigned i = 0; i < count; i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);
		struct sl_config_prefix *entry = &all[config->prefix_count];

		if (!parse_prefix(r, key, item, &entry->prefix))
			continue;
		entry->rule = (enum sl_prefix_rule)key->min;
		entry->text = item->shown;
		entry->line = item->mark.line;
		entry->column = item->mark.column;
		config->prefix_count++;
	}
}

/* ---- beacons ------------------------------------------------------------------------------- */

void sl_reader_beacon_keys(struct sl_config_reader *r, const struct sl_config_key *key,
			   const struct sl_yaml *node)
{
	struct sl_config_beacon *beacon = &r->config->beacon;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	for (unsigned i = 0; i < node->count; i++) {
		struct sl_config_beacon_key *entry = &beacon->keys[beacon->key_count++];
		size_t before = sl_reader_push_index(r, i);

		entry->line = node->items[i]->mark.line;
		entry->column = node->items[i]->mark.column;
		sl_reader_section(r, SL_CONFIG_BEACON_KEY, node->items[i], entry);
		sl_reader_pop(r, before);
	}
}

void sl_reader_beacon_targets(struct sl_config_reader *r, const struct sl_config_key *key,
			      const struct sl_yaml *node)
{
	struct sl_config_beacon *beacon = &r->config->beacon;
	unsigned count = sl_reader_item_count(node);

	if (!sl_reader_check_count(r, key, node, count))
		return;
	for (unsigned i = 0; i < count; i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);
		struct sl_endpoint endpoint;
		bool twice = false;

		if (!sl_reader_check_scalar(r, item, key->expected) ||
		    !sl_reader_parse_endpoint(r, item, &endpoint))
			continue;
		endpoint.proto = IPPROTO_UDP;
		for (uint32_t j = 0; j < beacon->send_count; j++)
			twice |= sl_address_equal(&beacon->send_to[j], &endpoint);
		if (twice)
			SL_COMPLAIN(r, item->mark, SL_SHOWN " is here twice", item->shown);
		else if (sl_address_is_any(&endpoint.addr))
			sl_reader_wrong(r, key, item, "is every address, not one");
		else
			beacon->send_to[beacon->send_count++] = endpoint;
	}
}

void sl_reader_beacon_nodes(struct sl_config_reader *r, const struct sl_config_key *key,
			    const struct sl_yaml *node)
{
	struct sl_config_beacon *beacon = &r->config->beacon;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	for (unsigned i = 0; i < node->count; i++) {
		size_t before = sl_reader_push_index(r, i);

		sl_reader_section(r, SL_CONFIG_BEACON_NODE, node->items[i],
				  &beacon->nodes[beacon->node_count++]);
		sl_reader_pop(r, before);
	}
}

/* ---- spills -------------------------------------------------------------------------------- */

void sl_reader_spills(struct sl_config_reader *r, const struct sl_yaml *pools)
{
	for (uint32_t i = 0; i < r->config->pool_count; i++) {
		const struct sl_yaml_pair *said = sl_yaml_find(pools->pairs[i].value, "spill");
		size_t pool, spill;

		if (said == NULL || said->value->kind != SL_YAML_SCALAR || said->value->broken)
			continue;
		pool = sl_reader_push_name(r, pools->pairs[i].key);
		spill = sl_reader_push_name(r, said->key);
		r->config->pools[i].spill = sl_reader_find_pool(r, said->value);
		sl_reader_pop(r, spill);
		sl_reader_pop(r, pool);
	}
}
