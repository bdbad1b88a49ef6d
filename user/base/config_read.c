/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_read.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "user/base/address.h"
#include "user/base/config_explain_note.h"
#include "user/base/config_reader.h"
#include "user/base/tunables.h"
#include "user/base/unit.h"

#define KNOWN_NAMES_MAX SL_POOLS_MAX

/* ---- lists --------------------------------------------------------------------------------- */

/* Each certificate has its key. */
static void check_listen_tls(struct sl_config_reader *r, const struct sl_yaml *node,
			     const struct sl_config_tls *tls)
{
	if (tls->certificates.count != tls->keys.count && tls->certificates.count &&
	    tls->keys.count)
		SL_COMPLAIN(r, node->mark,
			    "%u certificates and %u keys (expected one key for each)",
			    tls->certificates.count, tls->keys.count);
	if (!tls->client_ca && sl_yaml_find(node, "client"))
		SL_COMPLAIN(r, node->mark,
			    "\"client\" says how clients' certificates are asked for, "
			    "and there is no \"client_ca\" to check them");
}

static struct sl_config_listen *read_listen_item(struct sl_config_reader *r,
						 const struct sl_config_key *key,
						 const struct sl_yaml *item)
{
	struct sl_config_listen *listen = sl_reader_allocate(r, 1, sizeof(*listen));
	const struct sl_yaml_pair *tls;

	if (!listen || item->broken)
		return NULL;
	if (item->kind == SL_YAML_MAP) {
		sl_reader_section(r, SL_CONFIG_LISTEN, item, listen);
		tls = sl_yaml_find(item, "tls");
		if (tls && tls->value->kind == SL_YAML_MAP)
			check_listen_tls(r, tls->value, &listen->tls);
		return listen->text ? listen : NULL;
	}
	if (!sl_reader_check_scalar(r, item, key->expected) ||
	    !sl_reader_parse_endpoint(r, item, &listen->endpoint))
		return NULL;
	return listen;
}

static void read_listen(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!sl_reader_check_count(r, key, node, sl_reader_item_count(node)))
		return;
	for (unsigned i = 0; i < sl_reader_item_count(node); i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);
		size_t before = sl_reader_push_index(r, i);
		struct sl_config_listen *listen;
		bool twice = false;

		if (item->kind != SL_YAML_MAP)
			sl_reader_pop(r, before);
		listen = read_listen_item(r, key, item);
		sl_reader_pop(r, before);
		if (!listen)
			continue;
		for (uint32_t j = 0; j < config->listen_count; j++)
			twice |= sl_address_equal(&config->listen[j], &listen->endpoint);
		if (twice) {
			SL_COMPLAIN(r, item->mark, SL_SHOWN " is here twice",
				    listen->text ? listen->text : item->shown);
			continue;
		}
		if (listen->tls.certificates.count)
			config->listen_tls[config->listen_count] = &listen->tls;
		config->listen[config->listen_count++] = listen->endpoint;
	}
}

static void read_paths(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, struct sl_config_paths *paths)
{
	unsigned count = sl_reader_item_count(node);

	if (!sl_reader_check_count(r, key, node, count))
		return;
	for (unsigned i = 0; i < count; i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);

		if (!sl_reader_check_scalar(r, item, key->expected))
			continue;
		if (item->text[0] != '/')
			sl_reader_wrong(r, key, item, "is not absolute");
		else
			paths->paths[paths->count++] = item->text;
	}
}

static void read_chain(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, struct sl_config_chain *chain)
{
	unsigned count = sl_reader_item_count(node);

	if (!sl_reader_check_count(r, key, node, count))
		return;
	if (count == 0)
		SL_COMPLAIN(r, node->mark, "no pool at all (expected %s)", key->expected);
	for (unsigned i = 0; i < count; i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);
		uint32_t pool;
		bool twice = false;

		if (!sl_reader_check_scalar(r, item, key->expected))
			continue;
		pool = sl_reader_find_pool(r, item);
		if (pool == UINT32_MAX)
			continue;
		for (uint32_t j = 0; j < chain->len; j++)
			twice |= chain->pools[j] == pool;
		if (twice)
			SL_COMPLAIN(r, item->mark, SL_SHOWN " is here twice", item->shown);
		else
			chain->pools[chain->len++] = pool;
	}
}

static void read_names(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, struct sl_config_names *names)
{
	/* min says the type of each: a model's name as a route may have it, or any text */
	const struct sl_config_key each = {.type = key->min ? (enum sl_config_type)key->min
							    : SL_CONFIG_MODEL,
					   .max = SL_CONFIG_MODEL_MAX,
					   .expected = key->expected};
	unsigned count = sl_reader_item_count(node);

	if (!sl_reader_check_count(r, key, node, count))
		return;
	names->names = sl_reader_allocate(r, count, sizeof(*names->names));
	for (unsigned i = 0; i < count && names->names != NULL; i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);

		if (!sl_reader_check_scalar(r, item, key->expected))
			continue;
		sl_reader_scalar(r, &each, item, (void *)&names->names[names->count]);
		names->count += names->names[names->count] != NULL;
	}
}

/* ---- tunables ------------------------------------------------------------------------------ */

static int parse_tunable(const struct sl_tunable_info *tunable, const char *text, size_t len,
			 uint64_t *ret_value)
{
	if (strcmp(tunable->unit, "ms") == 0)
		return sl_unit_parse_ms(text, len, ret_value);
	if (strcmp(tunable->unit, "us") == 0)
		return sl_unit_parse_us(text, len, 1, ret_value);
	if (strcmp(tunable->unit, "bool") == 0 &&
	    (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
		*ret_value = text[0] == 't';
		return 0;
	}
	if (strcmp(tunable->unit, "percent") == 0 && len > 0 && text[len - 1] == '%')
		len--;
	return sl_span_u64(sl_span_make(text, len), ret_value);
}

void sl_reader_tunable(struct sl_config_reader *r, unsigned id, const struct sl_yaml *node,
		       uint64_t *row)
{
	const struct sl_tunable_info *tunable = &sl_tunable_info[id];
	uint64_t value = 0;

	if (node->kind != SL_YAML_SCALAR ||
	    parse_tunable(tunable, node->text, node->text_len, &value) != 0 ||
	    value < tunable->min || value > tunable->max)
		SL_COMPLAIN(r, node->mark,
			    SL_SHOWN " is out of place (expected %llu to %llu, unit: %s)",
			    node->kind == SL_YAML_SCALAR ? node->shown
							 : sl_yaml_kind_name(node->kind),
			    (unsigned long long)tunable->min, (unsigned long long)tunable->max,
			    tunable->unit);
	else
		row[id] = value;
}

static void read_tunable(struct sl_config_reader *r, const struct sl_yaml_pair *pair, uint64_t *row)
{
	const char *names[SL_TUNABLE_KEYS];
	const struct sl_yaml *node = pair->value;
	unsigned i;

	for (i = 0; i < SL_TUNABLE_COUNT; i++) {
		names[i] = sl_tunable_info[i].name;
		if (strcmp(names[i], pair->key) == 0)
			break;
	}
	if (i == SL_TUNABLE_COUNT) {
		SL_COMPLAIN(r, pair->mark, "unknown tunable%s; see docs/tunables.md",
			    sl_reader_hint(r, pair->key, names, SL_TUNABLE_COUNT));
		return;
	}
	if (node->broken || node->kind == SL_YAML_NULL)
		return;
	sl_reader_tunable(r, i, node, row);
	if (row == r->config->tunables)
		r->config->tunables_of_profile &= ~(1ull << i);
	sl_explain_tunable(r, i, node);
}

static void read_tunables(struct sl_config_reader *r, const struct sl_yaml *node, uint64_t *row)
{
	for (unsigned i = 0; i < node->count; i++) {
		size_t before = sl_reader_push_name(r, node->pairs[i].key);

		read_tunable(r, &node->pairs[i], row);
		sl_reader_pop(r, before);
	}
}

/* ---- maps ---------------------------------------------------------------------------------- */

static void complain_unknown(struct sl_config_reader *r, enum sl_config_section section,
			     const struct sl_yaml_pair *pair)
{
	const char *names[KNOWN_NAMES_MAX];
	const struct sl_config_key *key;
	struct sl_text known;
	size_t count = 0;

	sl_text_init(&known, 0);
	for (size_t i = 0; (key = sl_config_key_at(i)); i++) {
		if (key->section != section)
			continue;
		sl_text_printf(&known, "%s%s", count > 0 ? ", " : "", key->name);
		names[count++] = key->name;
	}
	SL_COMPLAIN(r, pair->mark, "unknown key%s; known here: %s",
		    sl_reader_hint(r, pair->key, names, count), sl_text_string(&known));
	sl_text_fini(&known);
}

static void check_required(struct sl_config_reader *r, enum sl_config_section section,
			   const struct sl_yaml *node)
{
	const struct sl_config_key *key;

	for (size_t i = 0; (key = sl_config_key_at(i)); i++) {
		const struct sl_yaml_pair *pair;

		if (key->section != section || !key->required)
			continue;
		pair = sl_yaml_find(node, key->name);
		if (pair == NULL || (pair->value->kind == SL_YAML_NULL && !pair->value->broken))
			SL_COMPLAIN(r, node->mark, "needs the key \"%s\"", key->name);
	}
}

void sl_reader_section(struct sl_config_reader *r, enum sl_config_section section,
		       const struct sl_yaml *node, void *target)
{
	const struct sl_config_key *key;

	if (node->kind != SL_YAML_MAP && node->kind != SL_YAML_NULL) {
		SL_COMPLAIN(r, node->mark, "%s here (expected a map)",
			    sl_yaml_kind_name(node->kind));
		return;
	}
	sl_reader_presets(r, section, target);
	check_required(r, section, node);
	for (unsigned i = 0; i < node->count; i++) {
		size_t before = sl_reader_push_name(r, node->pairs[i].key);

		if (sl_config_key_find(section, node->pairs[i].key) == NULL)
			complain_unknown(r, section, &node->pairs[i]);
		sl_reader_pop(r, before);
	}
	/* In the table's order, not the file's: pools are known before a route names one. */
	for (size_t i = 0; (key = sl_config_key_at(i)); i++) {
		const struct sl_yaml_pair *pair =
			key->section == section ? sl_yaml_find(node, key->name) : NULL;
		size_t before;

		if (pair == NULL || pair->value->kind == SL_YAML_NULL || pair->value->broken)
			continue;
		before = sl_reader_push_name(r, key->name);
		sl_explain_file(r, key, pair->value);
		sl_reader_value(r, key, pair->value, target);
		sl_reader_pop(r, before);
	}
}

static void read_node(struct sl_config_reader *r, const struct sl_yaml *node,
		      struct sl_config_node *server)
{
	if (node->broken)
		return;
	if (node->kind == SL_YAML_SCALAR) {
		sl_reader_preset(r, sl_config_key_find(SL_CONFIG_NODE, "weight"), server);
		sl_reader_scalar(r, sl_config_key_find(SL_CONFIG_NODE, "address"), node, server);
	} else {
		sl_reader_section(r, SL_CONFIG_NODE, node, server);
	}
}

static void read_nodes(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, struct sl_config_pool *pool)
{
	unsigned count = sl_reader_item_count(node);

	if (!sl_reader_check_count(r, key, node, count))
		return;
	if (count == 0)
		SL_COMPLAIN(r, node->mark, "no node at all (expected %s)", key->expected);
	pool->nodes = sl_reader_allocate(r, count, sizeof(*pool->nodes));
	if (pool->nodes == NULL)
		return;
	pool->node_count = count;
	for (unsigned i = 0; i < count; i++) {
		size_t before = sl_reader_push_index(r, i);

		struct sl_config_node *server = &pool->nodes[i];

		read_node(r, sl_reader_item_at(node, i), server);
		if (server->host)
			sl_address_from_name(pool->name, server->host,
					     sl_address_port(&server->endpoint), &server->endpoint);
		sl_reader_pop(r, before);
	}
}

static void read_pool(struct sl_config_reader *r, const struct sl_yaml_pair *pair,
		      struct sl_config_pool *pool)
{
	const char *what =
		sl_reader_check_name(pair->key, strlen(pair->key), SL_CONFIG_NAME_MAX, "._-");

	if (what != NULL)
		SL_COMPLAIN(r, pair->mark,
			    "the pool's name %s (expected up to %u letters, digits and . _ -)",
			    what, SL_CONFIG_NAME_MAX);
	pool->name = pair->key;
	pool->line = pair->mark.line;
	pool->column = pair->mark.column;
	pool->spill = UINT32_MAX;
	for (unsigned i = 0; i < SL_TUNABLE_KEYS; i++)
		pool->tunables[i] = SL_TUNABLE_INHERIT;
	sl_reader_section(r, SL_CONFIG_POOL, pair->value, pool);
}

static void read_pools(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	config->pools = sl_reader_allocate(r, node->count, sizeof(*config->pools));
	if (config->pools == NULL)
		return;
	for (unsigned i = 0; i < node->count; i++) {
		size_t before = sl_reader_push_name(r, node->pairs[i].key);

		read_pool(r, &node->pairs[i], &config->pools[i]);
		sl_reader_pop(r, before);
	}
	config->pool_count = node->count;
	sl_reader_spills(r, node);
}

static void read_tenants(struct sl_config_reader *r, const struct sl_config_key *key,
			 const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	config->tenants = sl_reader_allocate(r, node->count, sizeof(*config->tenants));
	if (config->tenants == NULL)
		return;
	for (unsigned i = 0; i < node->count; i++) {
		const struct sl_yaml_pair *pair = &node->pairs[i];
		size_t before = sl_reader_push_name(r, pair->key);
		const char *what = sl_reader_check_name(pair->key, strlen(pair->key),
							SL_CONFIG_NAME_MAX, "._-@");

		if (what != NULL)
			SL_COMPLAIN(r, pair->mark,
				    "the name %s (expected up to %u letters, digits "
				    "and . _ - @)",
				    what, SL_CONFIG_NAME_MAX);
		config->tenants[i].name = pair->key;
		sl_reader_section(r, SL_CONFIG_TENANT, pair->value, &config->tenants[i]);
		sl_reader_pop(r, before);
	}
	config->tenant_count = node->count;
}

static void read_services(struct sl_config_reader *r, const struct sl_config_key *key,
			  const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	config->services = sl_reader_allocate(r, node->count, sizeof(*config->services));
	if (config->services == NULL)
		return;
	config->service_count = node->count;
	for (unsigned i = 0; i < node->count; i++) {
		struct sl_config_service *service = &config->services[i];
		size_t before = sl_reader_push_index(r, i);

		service->line = node->items[i]->mark.line;
		service->column = node->items[i]->mark.column;
		service->pool = UINT32_MAX;
		sl_reader_section(r, SL_CONFIG_SERVICE, node->items[i], service);
		if (service->protocol == SL_CONFIG_PROTOCOL_UDP)
			service->endpoint.proto = IPPROTO_UDP;
		sl_reader_pop(r, before);
	}
}

static void read_routes(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	config->routes = sl_reader_allocate(r, node->count, sizeof(*config->routes));
	if (config->routes == NULL)
		return;
	config->route_count = node->count;
	for (unsigned i = 0; i < node->count; i++) {
		struct sl_config_route *route = &config->routes[i];
		const struct sl_yaml_pair *model = sl_yaml_find(node->items[i], "model");
		struct sl_yaml_mark mark =
			model != NULL ? model->value->mark : node->items[i]->mark;
		size_t before = sl_reader_push_index(r, i);

		route->context.summary_pool = UINT32_MAX;
		route->line = mark.line;
		route->column = mark.column;
		sl_reader_section(r, SL_CONFIG_ROUTE, node->items[i], route);
		sl_reader_pop(r, before);
	}
}

/* ---- dispatch ------------------------------------------------------------------------------ */

/* Whether a node of that kind may stand for a value of that type. */
static bool check_kind(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node)
{
	char expected[SL_CONFIG_EXPECTED_SIZE];
	bool fits = node->kind == SL_YAML_SCALAR;

	switch (key->type) {
	case SL_CONFIG_TUNABLE_MAP:
	case SL_CONFIG_POOL_MAP:
	case SL_CONFIG_TENANT_MAP:
	case SL_CONFIG_PRICE_MAP:
	case SL_CONFIG_SECTION_MAP:
	case SL_CONFIG_ITEM_MAP:
		fits = node->kind == SL_YAML_MAP;
		break;
	case SL_CONFIG_SERVICE_LIST:
	case SL_CONFIG_ROUTE_LIST:
	case SL_CONFIG_ITEM_LIST:
	case SL_CONFIG_BEACON_KEYS:
	case SL_CONFIG_BEACON_NODES:
		fits = node->kind == SL_YAML_LIST;
		break;
	case SL_CONFIG_LISTEN_LIST:
		fits = true;
		break;
	case SL_CONFIG_PATHS:
	case SL_CONFIG_DEVICE_LIST:
	case SL_CONFIG_NODE_LIST:
	case SL_CONFIG_CHAIN:
	case SL_CONFIG_NAMES:
	case SL_CONFIG_SET:
	case SL_CONFIG_PREFIXES:
	case SL_CONFIG_BEACON_TARGETS:
		fits = fits || node->kind == SL_YAML_LIST;
		break;
	default:
		break;
	}
	if (!fits)
		SL_COMPLAIN(r, node->mark, "%s here (expected %s)", sl_yaml_kind_name(node->kind),
			    sl_config_key_expected(key, expected));
	return fits;
}

/* The types that are no scalars. False: it is one. */
static bool read_structure(struct sl_config_reader *r, const struct sl_config_key *key,
			   const struct sl_yaml *node, void *target)
{
	switch (key->type) {
	case SL_CONFIG_POOL_NAME:
		*(uint32_t *)((char *)target + key->offset) = sl_reader_find_pool(r, node);
		return true;
	case SL_CONFIG_POOL_REF:
		*(uint32_t *)((char *)target + key->offset) = sl_reader_find_pool(r, node) + 1;
		return true;
	case SL_CONFIG_SPILL: /* sl_reader_spills(): the pools are not known yet */
		return true;
	case SL_CONFIG_CHAIN:
		read_chain(r, key, node, (void *)((char *)target + key->offset));
		return true;
	case SL_CONFIG_NAMES:
		read_names(r, key, node, (void *)((char *)target + key->offset));
		return true;
	case SL_CONFIG_LISTEN_LIST:
		read_listen(r, key, node);
		return true;
	case SL_CONFIG_PATHS:
		read_paths(r, key, node, (void *)((char *)target + key->offset));
		return true;
	case SL_CONFIG_TUNABLE_MAP:
		read_tunables(r, node, (uint64_t *)((char *)target + key->offset));
		return true;
	case SL_CONFIG_SECTION_MAP:
		sl_reader_section(r, (enum sl_config_section)key->min, node, target);
		return true;
	case SL_CONFIG_ITEM_LIST:
	case SL_CONFIG_ITEM_MAP:
		sl_reader_items(r, key, node, (void *)((char *)target + key->offset));
		return true;
	case SL_CONFIG_SET:
		sl_reader_set(r, key, node, (uint32_t *)((char *)target + key->offset));
		return true;
	case SL_CONFIG_POOL_MAP:
		read_pools(r, key, node);
		return true;
	case SL_CONFIG_TENANT_MAP:
		read_tenants(r, key, node);
		return true;
	case SL_CONFIG_PRICE_MAP:
		sl_reader_prices(r, key, node);
		return true;
	case SL_CONFIG_NODE_LIST:
		read_nodes(r, key, node, target);
		return true;
	case SL_CONFIG_SERVICE_LIST:
		read_services(r, key, node);
		return true;
	case SL_CONFIG_ROUTE_LIST:
		read_routes(r, key, node);
		return true;
	default:
		return false;
	}
}

/* The lists of the kernel plane. False: it is none. */
static bool read_kernel(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node)
{
	switch (key->type) {
	case SL_CONFIG_DEVICE_LIST:
		sl_reader_devices(r, key, node);
		return true;
	case SL_CONFIG_PREFIXES:
		sl_reader_prefixes(r, key, node);
		return true;
	case SL_CONFIG_BEACON_KEYS:
		sl_reader_beacon_keys(r, key, node);
		return true;
	case SL_CONFIG_BEACON_TARGETS:
		sl_reader_beacon_targets(r, key, node);
		return true;
	case SL_CONFIG_BEACON_NODES:
		sl_reader_beacon_nodes(r, key, node);
		return true;
	default:
		return false;
	}
}

void sl_reader_value(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, void *target)
{
	if (!check_kind(r, key, node) || read_structure(r, key, node, target) ||
	    read_kernel(r, key, node))
		return;
	sl_reader_scalar(r, key, node, target);
}

int sl_config_read_tree(struct sl_config *config, const struct sl_yaml *root,
			struct sl_arena *arena, struct sl_report *report,
			struct sl_config_explain *explain)
{
	struct sl_config_reader reader = {
		.config = config, .arena = arena, .report = report, .explain = explain};
	int rc;

	sl_text_init_fixed(&reader.path, reader.path_memory, sizeof(reader.path_memory));
	config->autoscale_pool = UINT32_MAX;
	config->embedding.pool = UINT32_MAX;
	rc = sl_reader_profile(&reader, root);
	if (rc)
		return rc;
	sl_reader_tunable_presets(&reader);
	sl_reader_presets(&reader, SL_CONFIG_ROOT, config);
	if (root->kind != SL_YAML_MAP && root->kind != SL_YAML_NULL)
		sl_report_add(report, root->mark.line, root->mark.column,
			      "%s here (expected a map of keys)", sl_yaml_kind_name(root->kind));
	else
		sl_reader_section(&reader, SL_CONFIG_ROOT, root, config);
	if (explain && !reader.no_memory)
		reader.no_memory = sl_explain_finish(explain, arena) != 0;
	return reader.no_memory ? -ENOMEM : 0;
}
