/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_read.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "user/base/address.h"
#include "user/base/config_key.h"
#include "user/base/suggest.h"
#include "user/base/tunables.h"
#include "user/base/unit.h"

#define PATH_SIZE	512u
#define NAT_PORTS_MIN	256u
#define KNOWN_NAMES_MAX SL_POOLS_MAX
#define DEVICE_NAME_MAX (IF_NAMESIZE - 1u)

struct reader {
	struct sl_config *config;
	struct sl_arena *arena;
	struct sl_report *report;
	struct sl_text path; /* of the value at hand: pools.chat.nodes[1].weight */
	char path_memory[PATH_SIZE];
	bool no_memory;
};

/* Says what is wrong at the value at hand. */
#define COMPLAIN(r, at, format, ...)                                      \
	sl_report_add((r)->report, (at).line, (at).column, "%s: " format, \
		      sl_text_string(&(r)->path), ##__VA_ARGS__)

/* As much of a value as a message shows. */
#define SHOWN "\"%.60s\""

static void read_value(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, void *target);

static size_t push_name(struct reader *r, const char *name)
{
	size_t before = r->path.len;

	/* A path too long for its memory is shown as far as it goes. */
	r->path.error = 0;
	sl_text_printf(&r->path, "%s%.80s", before > 0 ? "." : "", name);
	return before;
}

static size_t push_index(struct reader *r, unsigned index)
{
	size_t before = r->path.len;

	r->path.error = 0;
	sl_text_printf(&r->path, "[%u]", index);
	return before;
}

static void pop(struct reader *r, size_t before)
{
	sl_text_truncate(&r->path, before);
}

static void *allocate(struct reader *r, size_t count, size_t item_size)
{
	void *memory = sl_arena_array(r->arena, count, item_size);

	if (memory == NULL)
		r->no_memory = true;
	return memory;
}

static void wrong(struct reader *r, const struct sl_config_key *key, const struct sl_yaml *node,
		  const char *what)
{
	char expected[SL_CONFIG_EXPECTED_SIZE];

	COMPLAIN(r, node->mark, SHOWN " %s (expected %s)", node->shown, what,
		 sl_config_key_expected(key, expected));
}

/* ---- scalars ------------------------------------------------------------------------------- */

static bool read_number(struct reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node, uint64_t *ret_value)
{
	const char *what = "is not a number";
	uint64_t value;
	int rc;

	if (key->type == SL_CONFIG_MS) {
		rc = sl_unit_parse_ms(node->text, node->text_len, &value);
		what = rc == -EDOM ? "is finer than a millisecond" : "is not a duration";
	} else if (key->type == SL_CONFIG_BYTES) {
		rc = sl_unit_parse_bytes(node->text, node->text_len, &value);
		what = "is not a size";
	} else {
		rc = sl_span_u64(sl_span_make(node->text, node->text_len), &value);
	}
	if (rc == 0 && value < key->min)
		what = "is too small";
	else if (rc == -ERANGE || (rc == 0 && value > key->max))
		what = "is too large";
	if (rc != 0 || value < key->min || value > key->max) {
		wrong(r, key, node, what);
		return false;
	}
	*ret_value = value;
	return true;
}

static void read_u32(struct reader *r, const struct sl_config_key *key, const struct sl_yaml *node,
		     uint32_t *target)
{
	uint64_t value;

	if (read_number(r, key, node, &value))
		*target = (uint32_t)value;
}

/* The names of a NULL-terminated list that are close to the value, as " (did you mean ...?)". */
static const char *hint(struct reader *r, const char *word, const char *const *names, size_t count)
{
	const char *best = sl_suggest(word, names, count);
	const char *text =
		best != NULL ? sl_arena_printf(r->arena, " (did you mean \"%s\"?)", best) : NULL;

	return text != NULL ? text : "";
}

static void read_choice(struct reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node, uint32_t *target)
{
	for (uint32_t i = (uint32_t)key->min; key->choices[i] != NULL; i++) {
		if (strcmp(key->choices[i], node->text) == 0) {
			*target = i;
			return;
		}
	}
	wrong(r, key, node, "is not known here");
}

static void read_path(struct reader *r, const struct sl_config_key *key, const struct sl_yaml *node,
		      const char **target)
{
	if (strcmp(node->text, "none") == 0 &&
	    key->offset == offsetof(struct sl_config, admin_socket))
		*target = NULL;
	else if (node->text[0] != '/')
		wrong(r, key, node, "is not absolute");
	else if (node->text_len > key->max)
		COMPLAIN(r, node->mark, SHOWN " is too long (at most %llu bytes)", node->shown,
			 (unsigned long long)key->max);
	else
		*target = node->text;
}

static bool is_name_byte(char byte, const char *others)
{
	return isalnum((unsigned char)byte) || (byte != '\0' && strchr(others, byte) != NULL);
}

/* Letters, digits and `others`; the first is a letter or digit. Returns what is wrong or NULL. */
static const char *check_name(const char *name, size_t len, size_t len_max, const char *others)
{
	if (len == 0)
		return "is empty";
	if (len > len_max)
		return "is too long";
	if (!isalnum((unsigned char)name[0]))
		return "must start with a letter or digit";
	for (size_t i = 0; i < len; i++)
		if (!is_name_byte(name[i], others))
			return "has a character that no name may have";
	return NULL;
}

static void read_model(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, const char **target)
{
	const char *what = check_name(node->text, node->text_len, key->max, "._-:/@+");

	if (what != NULL)
		COMPLAIN(r, node->mark,
			 SHOWN " %s (expected up to %u letters, digits and . _ - : / @ +)",
			 node->shown, what, SL_CONFIG_MODEL_MAX);
	else
		*target = node->text;
}

static void read_ports(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node)
{
	struct sl_span last = {node->text, node->text_len};
	struct sl_span first = sl_span_trim(sl_span_cut(&last, '-'));
	uint64_t min;
	uint64_t max;

	last = sl_span_trim(last);
	if (sl_span_u64(first, &min) != 0 || sl_span_u64(last, &max) != 0)
		wrong(r, key, node, "is not a range of ports");
	else if (min < key->min || max > key->max)
		wrong(r, key, node, "leaves the range");
	else if (max < min)
		wrong(r, key, node, "ends before it starts");
	else if (max - min + 1 < NAT_PORTS_MIN)
		wrong(r, key, node, "holds too few ports");
	else {
		r->config->nat_port_min = (uint16_t)min;
		r->config->nat_port_max = (uint16_t)max;
	}
}

/* Shows what the file says, not what the environment put there. */
static bool parse_endpoint(struct reader *r, const struct sl_yaml *node,
			   struct sl_endpoint *ret_endpoint)
{
	struct sl_error error;

	if (sl_address_parse(node->text, ret_endpoint, &error) == 0)
		return true;
	if (strcmp(node->text, node->shown) == 0)
		COMPLAIN(r, node->mark, "%s", error.text);
	else
		COMPLAIN(r, node->mark,
			 SHOWN " is no address and port (expected 10.0.0.7:8000 or "
			       "[fd00::7]:8000)",
			 node->shown);
	return false;
}

static void read_endpoint(struct reader *r, const struct sl_config_key *key,
			  const struct sl_yaml *node, void *target)
{
	struct sl_config_service *service = target;
	struct sl_config_node *server = target;
	struct sl_endpoint endpoint;

	if (!parse_endpoint(r, node, &endpoint))
		return;
	if (sl_address_is_any(&endpoint.addr)) {
		wrong(r, key, node, "is every address, not one");
		return;
	}
	if (key->section == SL_CONFIG_NODE) {
		server->endpoint = endpoint;
		server->text = node->text;
		server->line = node->mark.line;
		server->column = node->mark.column;
	} else {
		service->endpoint = endpoint;
		service->text = node->text;
		service->line = node->mark.line;
		service->column = node->mark.column;
	}
}

/* Index of the pool, or UINT32_MAX after a complaint. */
static uint32_t find_pool(struct reader *r, const struct sl_yaml *node)
{
	const struct sl_config *config = r->config;
	const char *names[KNOWN_NAMES_MAX];
	uint32_t i;

	for (i = 0; i < config->pool_count; i++) {
		names[i] = config->pools[i].name;
		if (strcmp(names[i], node->text) == 0)
			return i;
	}
	COMPLAIN(r, node->mark, "no pool " SHOWN "%s", node->shown,
		 i == 0 ? " (the file has no pools)" : hint(r, node->text, names, i));
	return UINT32_MAX;
}

/* ---- lists --------------------------------------------------------------------------------- */

/* A scalar stands for a list of one. */
static unsigned item_count(const struct sl_yaml *node)
{
	return node->kind == SL_YAML_LIST ? node->count : 1;
}

static const struct sl_yaml *item_at(const struct sl_yaml *node, unsigned index)
{
	return node->kind == SL_YAML_LIST ? node->items[index] : node;
}

static bool check_count(struct reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node, unsigned count)
{
	if (count <= key->max)
		return true;
	COMPLAIN(r, node->mark, "%u entries are too many (at most %llu)", count,
		 (unsigned long long)key->max);
	return false;
}

/* False (and said) when the item is not a usable scalar. */
static bool check_scalar(struct reader *r, const struct sl_yaml *item, const char *expected)
{
	if (item->broken)
		return false;
	if (item->kind == SL_YAML_SCALAR)
		return true;
	COMPLAIN(r, item->mark, "%s here (expected %s)", sl_yaml_kind_name(item->kind), expected);
	return false;
}

static void read_listen(struct reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!check_count(r, key, node, item_count(node)))
		return;
	for (unsigned i = 0; i < item_count(node); i++) {
		const struct sl_yaml *item = item_at(node, i);
		struct sl_endpoint endpoint;
		bool twice = false;

		if (!check_scalar(r, item, key->expected) || !parse_endpoint(r, item, &endpoint))
			continue;
		for (uint32_t j = 0; j < config->listen_count; j++)
			twice |= sl_address_equal(&config->listen[j], &endpoint);
		if (twice)
			COMPLAIN(r, item->mark, SHOWN " is here twice", item->shown);
		else
			config->listen[config->listen_count++] = endpoint;
	}
}

static void read_devices(struct reader *r, const struct sl_config_key *key,
			 const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!check_count(r, key, node, item_count(node)))
		return;
	for (unsigned i = 0; i < item_count(node); i++) {
		const struct sl_yaml *item = item_at(node, i);
		const char *what;

		if (!check_scalar(r, item, key->expected))
			continue;
		what = check_name(item->text, item->text_len, DEVICE_NAME_MAX, "._-@:");
		for (uint32_t j = 0; j < config->device_count && what == NULL; j++)
			if (strcmp(config->devices[j], item->text) == 0)
				what = "is here twice";
		if (what != NULL)
			COMPLAIN(r, item->mark, SHOWN " %s (see: ip -br link)", item->shown, what);
		else
			config->devices[config->device_count++] = item->text;
	}
}

static void read_chain(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, struct sl_config_route *route)
{
	unsigned count = item_count(node);

	if (!check_count(r, key, node, count))
		return;
	if (count == 0)
		COMPLAIN(r, node->mark, "no pool at all (expected %s)", key->expected);
	for (unsigned i = 0; i < count; i++) {
		const struct sl_yaml *item = item_at(node, i);
		uint32_t pool;
		bool twice = false;

		if (!check_scalar(r, item, key->expected))
			continue;
		pool = find_pool(r, item);
		if (pool == UINT32_MAX)
			continue;
		for (uint32_t j = 0; j < route->chain_len; j++)
			twice |= route->chain[j] == pool;
		if (twice)
			COMPLAIN(r, item->mark, SHOWN " is here twice", item->shown);
		else
			route->chain[route->chain_len++] = pool;
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

static void read_tunable(struct reader *r, const struct sl_yaml_pair *pair, uint64_t *row)
{
	const char *names[SL_TUNABLE_KEYS];
	const struct sl_yaml *node = pair->value;
	const struct sl_tunable_info *tunable;
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < SL_TUNABLE_COUNT; i++) {
		names[i] = sl_tunable_info[i].name;
		if (strcmp(names[i], pair->key) == 0)
			break;
	}
	if (i == SL_TUNABLE_COUNT) {
		COMPLAIN(r, pair->mark, "unknown tunable%s; see docs/tunables.md",
			 hint(r, pair->key, names, SL_TUNABLE_COUNT));
		return;
	}
	tunable = &sl_tunable_info[i];
	if (node->broken || node->kind == SL_YAML_NULL)
		return;
	if (node->kind != SL_YAML_SCALAR ||
	    parse_tunable(tunable, node->text, node->text_len, &value) != 0 ||
	    value < tunable->min || value > tunable->max)
		COMPLAIN(r, node->mark, SHOWN " is out of place (expected %llu to %llu, unit: %s)",
			 node->kind == SL_YAML_SCALAR ? node->shown : sl_yaml_kind_name(node->kind),
			 (unsigned long long)tunable->min, (unsigned long long)tunable->max,
			 tunable->unit);
	else
		row[i] = value;
}

static void read_tunables(struct reader *r, const struct sl_yaml *node, uint64_t *row)
{
	for (unsigned i = 0; i < node->count; i++) {
		size_t before = push_name(r, node->pairs[i].key);

		read_tunable(r, &node->pairs[i], row);
		pop(r, before);
	}
}

/* ---- maps ---------------------------------------------------------------------------------- */

static void complain_unknown(struct reader *r, enum sl_config_section section,
			     const struct sl_yaml_pair *pair)
{
	const char *names[KNOWN_NAMES_MAX];
	struct sl_text known;
	size_t count = 0;

	sl_text_init(&known, 0);
	for (size_t i = 0; i < sl_config_key_count; i++) {
		if (sl_config_keys[i].section != section)
			continue;
		sl_text_printf(&known, "%s%s", count > 0 ? ", " : "", sl_config_keys[i].name);
		names[count++] = sl_config_keys[i].name;
	}
	COMPLAIN(r, pair->mark, "unknown key%s; known here: %s", hint(r, pair->key, names, count),
		 sl_text_string(&known));
	sl_text_fini(&known);
}

static void read_preset(struct reader *r, const struct sl_config_key *key, void *target)
{
	struct sl_yaml preset = {
		.kind = SL_YAML_SCALAR,
		.text = key->preset,
		.text_len = strlen(key->preset),
		.shown = key->preset,
	};

	read_value(r, key, &preset, target);
}

/* Presets of the section; complaints about keys that are required and absent. */
static void read_presets(struct reader *r, enum sl_config_section section,
			 const struct sl_yaml *node, void *target)
{
	for (size_t i = 0; i < sl_config_key_count; i++) {
		const struct sl_config_key *key = &sl_config_keys[i];
		const struct sl_yaml_pair *pair;

		if (key->section != section)
			continue;
		if (key->preset != NULL)
			read_preset(r, key, target);
		pair = sl_yaml_find(node, key->name);
		if (key->required &&
		    (pair == NULL || (pair->value->kind == SL_YAML_NULL && !pair->value->broken)))
			COMPLAIN(r, node->mark, "needs the key \"%s\"", key->name);
	}
}

/* node: a map, or nothing. */
static void read_section(struct reader *r, enum sl_config_section section,
			 const struct sl_yaml *node, void *target)
{
	if (node->kind != SL_YAML_MAP && node->kind != SL_YAML_NULL) {
		COMPLAIN(r, node->mark, "%s here (expected a map)", sl_yaml_kind_name(node->kind));
		return;
	}
	read_presets(r, section, node, target);
	for (unsigned i = 0; i < node->count; i++) {
		size_t before = push_name(r, node->pairs[i].key);

		if (sl_config_key_find(section, node->pairs[i].key) == NULL)
			complain_unknown(r, section, &node->pairs[i]);
		pop(r, before);
	}
	/* In the table's order, not the file's: pools are known before a route names one. */
	for (size_t i = 0; i < sl_config_key_count; i++) {
		const struct sl_config_key *key = &sl_config_keys[i];
		const struct sl_yaml_pair *pair =
			key->section == section ? sl_yaml_find(node, key->name) : NULL;
		size_t before;

		if (pair == NULL || pair->value->kind == SL_YAML_NULL || pair->value->broken)
			continue;
		before = push_name(r, key->name);
		read_value(r, key, pair->value, target);
		pop(r, before);
	}
}

static void read_node(struct reader *r, const struct sl_yaml *node, struct sl_config_node *server)
{
	if (node->broken)
		return;
	if (node->kind == SL_YAML_SCALAR) {
		read_preset(r, sl_config_key_find(SL_CONFIG_NODE, "weight"), server);
		read_endpoint(r, sl_config_key_find(SL_CONFIG_NODE, "address"), node, server);
	} else {
		read_section(r, SL_CONFIG_NODE, node, server);
	}
}

static void read_nodes(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, struct sl_config_pool *pool)
{
	unsigned count = item_count(node);

	if (!check_count(r, key, node, count))
		return;
	if (count == 0)
		COMPLAIN(r, node->mark, "no node at all (expected %s)", key->expected);
	pool->nodes = allocate(r, count, sizeof(*pool->nodes));
	if (pool->nodes == NULL)
		return;
	pool->node_count = count;
	for (unsigned i = 0; i < count; i++) {
		size_t before = push_index(r, i);

		read_node(r, item_at(node, i), &pool->nodes[i]);
		pop(r, before);
	}
}

static void read_pool(struct reader *r, const struct sl_yaml_pair *pair,
		      struct sl_config_pool *pool)
{
	const char *what = check_name(pair->key, strlen(pair->key), SL_CONFIG_NAME_MAX, "._-");

	if (what != NULL)
		COMPLAIN(r, pair->mark,
			 "the pool's name %s (expected up to %u letters, digits and . _ -)", what,
			 SL_CONFIG_NAME_MAX);
	pool->name = pair->key;
	pool->line = pair->mark.line;
	pool->column = pair->mark.column;
	for (unsigned i = 0; i < SL_TUNABLE_KEYS; i++)
		pool->tunables[i] = SL_TUNABLE_INHERIT;
	read_section(r, SL_CONFIG_POOL, pair->value, pool);
}

static void read_pools(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!check_count(r, key, node, node->count))
		return;
	config->pools = allocate(r, node->count, sizeof(*config->pools));
	if (config->pools == NULL)
		return;
	for (unsigned i = 0; i < node->count; i++) {
		size_t before = push_name(r, node->pairs[i].key);

		read_pool(r, &node->pairs[i], &config->pools[i]);
		pop(r, before);
	}
	config->pool_count = node->count;
}

static void read_services(struct reader *r, const struct sl_config_key *key,
			  const struct sl_yaml *node)
{
	struct sl_config *config = r->config;

	if (!check_count(r, key, node, node->count))
		return;
	config->services = allocate(r, node->count, sizeof(*config->services));
	if (config->services == NULL)
		return;
	config->service_count = node->count;
	for (unsigned i = 0; i < node->count; i++) {
		struct sl_config_service *service = &config->services[i];
		size_t before = push_index(r, i);

		service->line = node->items[i]->mark.line;
		service->column = node->items[i]->mark.column;
		service->pool = UINT32_MAX;
		read_section(r, SL_CONFIG_SERVICE, node->items[i], service);
		pop(r, before);
	}
}

static void read_routes(struct reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node)
{
	struct sl_config *config = r->config;
	const struct sl_yaml none = {.kind = SL_YAML_NULL};

	if (!check_count(r, key, node, node->count))
		return;
	config->routes = allocate(r, node->count, sizeof(*config->routes));
	if (config->routes == NULL)
		return;
	config->route_count = node->count;
	for (unsigned i = 0; i < node->count; i++) {
		struct sl_config_route *route = &config->routes[i];
		const struct sl_yaml_pair *model = sl_yaml_find(node->items[i], "model");
		struct sl_yaml_mark mark =
			model != NULL ? model->value->mark : node->items[i]->mark;
		size_t before = push_index(r, i);

		route->line = mark.line;
		route->column = mark.column;
		read_presets(r, SL_CONFIG_ROUTE_TIMEOUTS, &none, route);
		read_section(r, SL_CONFIG_ROUTE, node->items[i], route);
		pop(r, before);
	}
}

/* ---- dispatch ------------------------------------------------------------------------------ */

/* Whether a node of that kind may stand for a value of that type. */
static bool check_kind(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node)
{
	char expected[SL_CONFIG_EXPECTED_SIZE];
	bool fits = node->kind == SL_YAML_SCALAR;

	switch (key->type) {
	case SL_CONFIG_TUNABLE_MAP:
	case SL_CONFIG_POOL_MAP:
	case SL_CONFIG_SECTION_MAP:
		fits = node->kind == SL_YAML_MAP;
		break;
	case SL_CONFIG_SERVICE_LIST:
	case SL_CONFIG_ROUTE_LIST:
		fits = node->kind == SL_YAML_LIST;
		break;
	case SL_CONFIG_LISTEN_LIST:
	case SL_CONFIG_DEVICE_LIST:
	case SL_CONFIG_NODE_LIST:
	case SL_CONFIG_CHAIN:
		fits = fits || node->kind == SL_YAML_LIST;
		break;
	default:
		break;
	}
	if (!fits)
		COMPLAIN(r, node->mark, "%s here (expected %s)", sl_yaml_kind_name(node->kind),
			 sl_config_key_expected(key, expected));
	return fits;
}

static void read_structure(struct reader *r, const struct sl_config_key *key,
			   const struct sl_yaml *node, void *target, void *field)
{
	struct sl_config_service *service = target;

	switch (key->type) {
	case SL_CONFIG_PORTS:
		read_ports(r, key, node);
		break;
	case SL_CONFIG_ENDPOINT:
		read_endpoint(r, key, node, target);
		break;
	case SL_CONFIG_POOL_NAME:
		service->pool = find_pool(r, node);
		break;
	case SL_CONFIG_CHAIN:
		read_chain(r, key, node, target);
		break;
	case SL_CONFIG_LISTEN_LIST:
		read_listen(r, key, node);
		break;
	case SL_CONFIG_DEVICE_LIST:
		read_devices(r, key, node);
		break;
	case SL_CONFIG_TUNABLE_MAP:
		read_tunables(r, node, field);
		break;
	case SL_CONFIG_SECTION_MAP:
		read_section(r, (enum sl_config_section)key->min, node, target);
		break;
	case SL_CONFIG_POOL_MAP:
		read_pools(r, key, node);
		break;
	case SL_CONFIG_NODE_LIST:
		read_nodes(r, key, node, target);
		break;
	case SL_CONFIG_SERVICE_LIST:
		read_services(r, key, node);
		break;
	case SL_CONFIG_ROUTE_LIST:
		read_routes(r, key, node);
		break;
	default:
		break;
	}
}

static void read_value(struct reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, void *target)
{
	void *field = (char *)target + key->offset;
	uint64_t value;

	if (!check_kind(r, key, node))
		return;
	switch (key->type) {
	case SL_CONFIG_U32:
	case SL_CONFIG_MS:
	case SL_CONFIG_BYTES:
		read_u32(r, key, node, field);
		break;
	case SL_CONFIG_U64:
		if (read_number(r, key, node, &value))
			*(uint64_t *)field = value;
		break;
	case SL_CONFIG_CHOICE:
		read_choice(r, key, node, field);
		break;
	case SL_CONFIG_PATH:
		read_path(r, key, node, field);
		break;
	case SL_CONFIG_MODEL:
		read_model(r, key, node, field);
		break;
	default:
		read_structure(r, key, node, target, field);
		break;
	}
}

int sl_config_read_tree(struct sl_config *config, const struct sl_yaml *root,
			struct sl_arena *arena, struct sl_report *report)
{
	static const enum sl_config_section inner[] = {SL_CONFIG_LIMITS, SL_CONFIG_TIMEOUTS,
						       SL_CONFIG_KERNEL};
	const struct sl_yaml none = {.kind = SL_YAML_NULL};
	struct reader reader = {.config = config, .arena = arena, .report = report};

	sl_text_init_fixed(&reader.path, reader.path_memory, sizeof(reader.path_memory));
	for (unsigned i = 0; i < SL_TUNABLE_COUNT; i++)
		config->tunables[i] = sl_tunable_info[i].initial;
	for (unsigned i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		read_presets(&reader, inner[i], &none, config);
	if (root->kind != SL_YAML_MAP && root->kind != SL_YAML_NULL)
		sl_report_add(report, root->mark.line, root->mark.column,
			      "%s here (expected a map of keys)", sl_yaml_kind_name(root->kind));
	else
		read_section(&reader, SL_CONFIG_ROOT, root, config);
	return reader.no_memory ? -ENOMEM : 0;
}
