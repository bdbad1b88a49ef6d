/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/address.h"
#include "user/base/prefix.h"
#include "user/base/text.h"

/* enum sl_mode */
static const char *const mode_names[SL_MODES] = {"nat", "l2", "ipip", "gue"};

/* ---- services ------------------------------------------------------------------------------ */

/* The fast lane rewrites addresses, it does not translate between families. */
static void check_families(const struct sl_config_service *service,
			   const struct sl_config_pool *pool, struct sl_report *report)
{
	bool v4 = sl_address_is_v4(&service->endpoint.addr);

	for (uint32_t i = 0; i < pool->node_count; i++) {
		const struct sl_config_node *node = &pool->nodes[i];

		if (node->text == NULL || node->host != NULL ||
		    sl_address_is_v4(&node->endpoint.addr) == v4)
			continue;
		sl_report_add(report, service->line, service->column,
			      "service %s: the fast lane cannot lead to node %s of pool \"%s\", "
			      "line %u: IPv4 and IPv6 do not mix (use %sa pool of %s nodes)",
			      service->text, node->text, pool->name, node->line,
			      service->protocol == SL_CONFIG_PROTOCOL_UDP ? ""
									  : "the smart lane, or ",
			      v4 ? "IPv4" : "IPv6");
		return; /* one is enough to see why */
	}
}

/* Packets need an address that is known when they come. */
static void check_names(const struct sl_config_service *service, const struct sl_config_pool *pool,
			struct sl_report *report)
{
	for (uint32_t i = 0; i < pool->node_count; i++) {
		const struct sl_config_node *node = &pool->nodes[i];

		if (node->host == NULL)
			continue;
		sl_report_add(report, service->line, service->column,
			      "service %s: the fast lane cannot lead to node %s of pool \"%s\", "
			      "line %u, which has a name and no address (use the smart lane, or a "
			      "numeric address)",
			      service->text, node->text, pool->name, node->line);
		return;
	}
}

/* Without rewriting, the node gets the packet with the service's port. */
static void check_ports(const struct sl_config_service *service, const struct sl_config_pool *pool,
			struct sl_report *report)
{
	if (pool->mode == SL_MODE_NAT)
		return;
	for (uint32_t i = 0; i < pool->node_count; i++) {
		const struct sl_config_node *node = &pool->nodes[i];

		if (node->text == NULL || node->endpoint.port == service->endpoint.port)
			continue;
		sl_report_add(report, service->line, service->column,
			      "service %s: mode %s of pool \"%s\" leaves its port %u as it is, but "
			      "node %s, line %u, listens on %u (give both one port, or the pool: "
			      "mode: nat)",
			      service->text, mode_names[pool->mode], pool->name,
			      sl_address_port(&service->endpoint), node->text, node->line,
			      sl_address_port(&node->endpoint));
		return;
	}
}

/* Without any server id the key would do nothing, and nobody would notice. */
static void check_quic(const struct sl_config_service *service, const struct sl_config_pool *pool,
		       struct sl_report *report)
{
	for (uint32_t i = 0; i < pool->node_count; i++)
		if (pool->nodes[i].server_id != 0 || pool->nodes[i].text == NULL)
			return;
	sl_report_add(
		report, service->line, service->column,
		"service %s: quic needs to know its nodes by the ids in their connection ids, "
		"but no node of pool \"%s\" has a server_id",
		service->text, pool->name);
}

static void check_fast(const struct sl_config *config, const struct sl_config_service *service,
		       struct sl_report *report)
{
	const struct sl_config_pool *pool = &config->pools[service->pool];

	check_names(service, pool, report);
	check_families(service, pool, report);
	if (service->quic && service->protocol == SL_CONFIG_PROTOCOL_UDP)
		check_quic(service, pool, report);
	/* Every pool that its flows may come to; a circle has been complained about. */
	for (uint32_t steps = 0; steps < config->pool_count; steps++) {
		check_ports(service, pool, report);
		if (pool->spill == UINT32_MAX)
			break;
		pool = &config->pools[pool->spill];
	}
}

static const struct sl_yaml_pair *find_said(const struct sl_yaml *map, const char *name)
{
	const struct sl_yaml_pair *said = sl_yaml_find(map, name);

	return said != NULL && said->value->kind == SL_YAML_NULL ? NULL : said;
}

/* Keys that do not go together, for service `i`, which is `map` in the file. */
static void check_keys(const struct sl_config_service *service, uint32_t i,
		       const struct sl_yaml *map, struct sl_report *report)
{
	const struct sl_yaml_pair *pool = find_said(map, "pool");
	const struct sl_yaml_pair *protocol = find_said(map, "protocol");
	const struct sl_yaml_pair *quic = find_said(map, "quic");

	if (service->lane == SL_LANE_FAST && pool == NULL)
		sl_report_add(report, service->line, service->column,
			      "services[%u]: service %s is on the fast lane and needs the "
			      "key \"pool\"",
			      i, service->text);
	if (service->lane == SL_LANE_SMART && pool != NULL)
		sl_report_add(report, pool->mark.line, pool->mark.column,
			      "services[%u].pool: the smart lane leads to the daemon, whose "
			      "routes choose the pool (remove the key, or: lane: fast)",
			      i);
	if (service->lane == SL_LANE_SMART && service->protocol == SL_CONFIG_PROTOCOL_UDP)
		sl_report_add(report, protocol->mark.line, protocol->mark.column,
			      "services[%u].protocol: the smart lane leads to the daemon, which "
			      "takes TCP alone (lane: fast, or protocol: tcp)",
			      i);
	if (service->quic && service->protocol != SL_CONFIG_PROTOCOL_UDP)
		sl_report_add(report, quic->mark.line, quic->mark.column,
			      "services[%u].quic: QUIC runs over UDP, and service %s is TCP (add: "
			      "protocol: udp)",
			      i, service->text);
}

static void check_services(const struct sl_config *config, const struct sl_yaml *root,
			   struct sl_report *report)
{
	const struct sl_yaml_pair *list = sl_yaml_find(root, "services");

	for (uint32_t i = 0; i < config->service_count; i++) {
		const struct sl_config_service *service = &config->services[i];

		if (service->text == NULL)
			continue;
		check_keys(service, i, list->value->items[i], report);
		if (service->lane == SL_LANE_FAST && service->pool != UINT32_MAX)
			check_fast(config, service, report);
	}
}

/* ---- pools --------------------------------------------------------------------------------- */

/* The first node that was read well, or NULL. */
static const struct sl_config_node *first_node(const struct sl_config_pool *pool)
{
	for (uint32_t i = 0; i < pool->node_count; i++)
		if (pool->nodes[i].text != NULL)
			return &pool->nodes[i];
	return NULL;
}

static void check_spill_families(const struct sl_config_pool *pool,
				 const struct sl_config_pool *spill,
				 const struct sl_yaml_pair *said, struct sl_report *report)
{
	const struct sl_config_node *mine = first_node(pool);
	bool v4 = mine != NULL && sl_address_is_v4(&mine->endpoint.addr);

	for (uint32_t i = 0; i < spill->node_count && mine != NULL; i++) {
		const struct sl_config_node *other = &spill->nodes[i];

		if (other->text == NULL || sl_address_is_v4(&other->endpoint.addr) == v4)
			continue;
		sl_report_add(report, said->value->mark.line, said->value->mark.column,
			      "pools.%s.spill: node %s of pool \"%s\", line %u, cannot stand in "
			      "for node %s, line %u: IPv4 and IPv6 do not mix (name a pool of %s "
			      "nodes)",
			      pool->name, other->text, spill->name, other->line, mine->text,
			      mine->line, v4 ? "IPv4" : "IPv6");
		return;
	}
}

/* Whether the fallbacks of pool `start` lead back to it, and it is the first such pool there. */
static bool is_circle(const struct sl_config *config, uint32_t start)
{
	uint32_t at = config->pools[start].spill;

	for (uint32_t steps = 0; steps < config->pool_count && at != UINT32_MAX; steps++) {
		if (at <= start)
			return at == start;
		at = config->pools[at].spill;
	}
	return false;
}

static void complain_circle(const struct sl_config *config, uint32_t start,
			    const struct sl_yaml_pair *said, struct sl_report *report)
{
	uint32_t at = config->pools[start].spill;
	struct sl_text way;

	sl_text_init(&way, 0);
	sl_text_append_string(&way, config->pools[start].name);
	while (at != start) {
		sl_text_printf(&way, " -> %s", config->pools[at].name);
		at = config->pools[at].spill;
	}
	sl_report_add(report, said->value->mark.line, said->value->mark.column,
		      "pools.%s.spill: the fallbacks lead in a circle, %.300s -> %s (take one of "
		      "them out)",
		      config->pools[start].name, sl_text_string(&way), config->pools[start].name);
	sl_text_fini(&way);
}

static void check_spills(const struct sl_config *config, const struct sl_yaml *root,
			 struct sl_report *report)
{
	const struct sl_yaml_pair *pools = sl_yaml_find(root, "pools");

	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *pool = &config->pools[i];
		const struct sl_yaml_pair *said =
			sl_yaml_find(pools->value->pairs[i].value, "spill");

		if (pool->spill == UINT32_MAX)
			continue;
		if (pool->spill == i)
			sl_report_add(report, said->value->mark.line, said->value->mark.column,
				      "pools.%s.spill: a pool cannot stand in for itself (name "
				      "another one, or remove the key)",
				      pool->name);
		else if (is_circle(config, i))
			complain_circle(config, i, said, report);
		check_spill_families(pool, &config->pools[pool->spill], said, report);
	}
}

struct owner {
	const struct sl_config_node *node;
	const struct sl_config_pool *pool;
};

static void check_server_ids(const struct sl_config *config, struct sl_report *report)
{
	struct owner *owners = calloc(SL_SERVER_IDS_MAX, sizeof(*owners));

	if (owners == NULL) {
		sl_report_add(report, 0, 0, "out of memory");
		return;
	}
	for (uint32_t p = 0; p < config->pool_count; p++) {
		const struct sl_config_pool *pool = &config->pools[p];

		for (uint32_t n = 0; n < pool->node_count; n++) {
			const struct sl_config_node *node = &pool->nodes[n];
			struct owner *owner = &owners[node->server_id];

			if (node->text == NULL || node->server_id == 0)
				continue;
			if (owner->node == NULL)
				*owner = (struct owner){node, pool};
			else
				sl_report_add(report, node->line, node->column,
					      "pool \"%s\": node %s has server_id %u, which node "
					      "%s of pool \"%s\", line %u, has already (each "
					      "server needs its own)",
					      pool->name, node->text, node->server_id,
					      owner->node->text, owner->pool->name,
					      owner->node->line);
		}
	}
	free(owners);
}

/* ---- allow and deny ------------------------------------------------------------------------ */

static int compare_prefixes(const void *left, const void *right)
{
	const struct sl_config_prefix *a = left, *b = right;
	int order = sl_prefix_compare(&a->prefix, &b->prefix);

	if (order != 0)
		return order;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

static const char *rule_name(enum sl_prefix_rule rule)
{
	return rule == SL_PREFIX_ALLOW ? "allow" : "deny";
}

static void check_prefixes(const struct sl_config *config, struct sl_report *report)
{
	uint32_t count = config->prefix_count;
	struct sl_config_prefix *sorted = calloc(count + 1, sizeof(*sorted));
	uint32_t first = 0;

	if (sorted == NULL) {
		sl_report_add(report, 0, 0, "out of memory");
		return;
	}
	if (count > SL_PREFIXES_MAX)
		sl_report_add(report, 0, 0,
			      "kernel: %u prefixes under allow and deny are too many (at most %u)",
			      count, SL_PREFIXES_MAX);
	for (uint32_t i = 0; i < count; i++)
		sorted[i] = config->prefixes[i];
	qsort(sorted, count, sizeof(*sorted), compare_prefixes);
	for (uint32_t i = 1; i < count; i++) {
		const struct sl_config_prefix *again = &sorted[i];

		if (sl_prefix_compare(&sorted[first].prefix, &again->prefix) != 0)
			first = i;
		else if (sorted[first].rule == again->rule)
			sl_report_add(report, again->line, again->column,
				      "kernel.%s: %s is already in line %u", rule_name(again->rule),
				      again->text, sorted[first].line);
		else
			sl_report_add(report, again->line, again->column,
				      "kernel.%s: %s is in kernel.%s, line %u, too (a prefix has "
				      "one rule; a longer one inside it may have the other)",
				      rule_name(again->rule), again->text,
				      rule_name(sorted[first].rule), sorted[first].line);
	}
	free(sorted);
}

/* ---- beacons ------------------------------------------------------------------------------- */

/* Whether the file says nothing there: what it says wrongly has been complained about. */
static bool is_absent(const struct sl_yaml *map, const char *name)
{
	const struct sl_yaml_pair *said = find_said(map, name);

	return said == NULL || (said->value->kind == SL_YAML_LIST && said->value->count == 0);
}

static void check_beacon_keys(const struct sl_config_beacon *beacon, const struct sl_yaml *map,
			      struct sl_report *report)
{
	const struct sl_yaml_pair *listen = sl_yaml_find(map, "listen");
	const struct sl_yaml_pair *send_to = sl_yaml_find(map, "send_to");
	const struct sl_yaml_pair *first = beacon->port != 0 ? listen : send_to;

	if (is_absent(map, "keys") && (beacon->port != 0 || beacon->send_count > 0))
		sl_report_add(report, first->mark.line, first->mark.column,
			      "kernel.beacon.%s: needs the key \"keys\" beside it: a beacon that "
			      "anyone could forge is not sent or taken (add: keys: [{id: 1, key: "
			      "\"${BEACON_KEY}\"}])",
			      first->key);
	if (beacon->key_count == 2 && beacon->keys[0].id == beacon->keys[1].id)
		sl_report_add(report, beacon->keys[1].line, beacon->keys[1].column,
			      "kernel.beacon.keys[1].id: %u is the id of the first key too, line "
			      "%u (each needs its own)",
			      beacon->keys[1].id, beacon->keys[0].line);
}

static void check_beacon_nodes(const struct sl_config_beacon *beacon, const struct sl_yaml *map,
			       struct sl_report *report)
{
	const struct sl_yaml_pair *send_to = sl_yaml_find(map, "send_to");
	const struct sl_yaml_pair *nodes = sl_yaml_find(map, "nodes");

	if (beacon->send_count > 0 && is_absent(map, "nodes"))
		sl_report_add(report, send_to->mark.line, send_to->mark.column,
			      "kernel.beacon.send_to: no node to send beacons for (add: nodes: "
			      "[{node: ADDRESS:PORT}])");
	if (is_absent(map, "send_to") && beacon->node_count > 0)
		sl_report_add(report, nodes->mark.line, nodes->mark.column,
			      "kernel.beacon.nodes: no balancer to send their beacons to (add: "
			      "send_to: ADDRESS:PORT)");
	for (uint32_t i = 0; i < beacon->node_count; i++) {
		const struct sl_config_report *node = &beacon->nodes[i];

		for (uint32_t j = 0; j < i && node->text != NULL; j++) {
			if (beacon->nodes[j].text == NULL ||
			    !sl_address_equal(&beacon->nodes[j].node, &node->node))
				continue;
			sl_report_add(report, node->line, node->column,
				      "kernel.beacon.nodes[%u].node: %s is already in line %u", i,
				      node->text, beacon->nodes[j].line);
			break;
		}
	}
}

static void check_beacon(const struct sl_config *config, const struct sl_yaml *root,
			 struct sl_report *report)
{
	const struct sl_config_beacon *beacon = &config->beacon;
	const struct sl_yaml_pair *kernel = sl_yaml_find(root, "kernel");
	const struct sl_yaml_pair *said = kernel ? sl_yaml_find(kernel->value, "beacon") : NULL;
	const struct sl_yaml_pair *listen = said ? sl_yaml_find(said->value, "listen") : NULL;

	if (said == NULL)
		return;
	check_beacon_keys(beacon, said->value, report);
	check_beacon_nodes(beacon, said->value, report);
	if (beacon->port == 0 || listen == NULL)
		return;
	if (beacon->port == config->gue_port)
		sl_report_add(report, listen->value->mark.line, listen->value->mark.column,
			      "kernel.beacon.listen: %u is kernel.gue_port too (choose another "
			      "port for one of them)",
			      beacon->port);
	if (beacon->port >= config->nat_port_min && beacon->port <= config->nat_port_max)
		sl_report_add(
			report, listen->value->mark.line, listen->value->mark.column,
			"kernel.beacon.listen: %u lies within kernel.nat_ports %u-%u: answers "
			"of UDP nodes arrive there (choose a port outside)",
			beacon->port, config->nat_port_min, config->nat_port_max);
}

void sl_config_check_kernel(const struct sl_config *config, const struct sl_yaml *root,
			    struct sl_report *report)
{
	check_services(config, root, report);
	check_spills(config, root, report);
	check_server_ids(config, report);
	check_prefixes(config, report);
	check_beacon(config, root, report);
}
