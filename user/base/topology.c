/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "bpf/breaker.h"
#include "bpf/hash.h"
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/maglev.h"
#include "user/base/tunables.h"

#define REPAIR_WAIT_NS	1000000 /* a step of breaker.h takes well under a microsecond */
#define FORCE_TRIES_MAX 100

/* One configured node, in an array sorted by endpoint. */
struct wanted {
	const struct sl_config_node *node;
	uint32_t pool; /* index in the configuration */
	uint32_t index;
	uint32_t slot; /* 0: not known yet */
};

struct apply {
	const struct sl_topology_view *view;
	const struct sl_config *config;
	struct sl_topology topology;
	struct wanted *wanted;
	uint32_t wanted_count;
	uint8_t *pool_kept; /* by pool slot: 1 configured, 2 configured and its table changes */
	struct sl_error *error;
};

int sl_topology_source(const struct sl_endpoint *endpoint, struct sl_addr *ret_addr)
{
	struct sockaddr_storage address;
	struct sl_endpoint source;
	socklen_t len = sl_address_to_sockaddr(endpoint, &address);
	int code = 0;
	int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, len) < 0)
		code = -errno;
	len = sizeof(address);
	if (code == 0 && getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		code = -errno;
	close(fd);
	if (code == 0)
		code = sl_address_from_sockaddr((struct sockaddr *)&address, len, &source);
	if (code == 0)
		*ret_addr = source.addr;
	return code;
}

uint64_t sl_topology_node_key(const struct sl_endpoint *endpoint)
{
	const __be32 *w = endpoint->addr.w;
	uint64_t key = sl_hash_combine(0, (uint64_t)w[0] << 32 | w[1]);

	key = sl_hash_combine(key, (uint64_t)w[2] << 32 | w[3]);
	return sl_hash_combine(key, (uint64_t)endpoint->port << 8 | endpoint->proto);
}

static int compare_endpoints(const struct sl_endpoint *a, const struct sl_endpoint *b)
{
	int order = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (order == 0)
		order = memcmp(&a->port, &b->port, sizeof(a->port));
	return order != 0 ? order : (int)a->proto - (int)b->proto;
}

static int compare_wanted(const void *left, const void *right)
{
	const struct wanted *a = left, *b = right;

	return compare_endpoints(&a->node->endpoint, &b->node->endpoint);
}

static struct wanted *find_wanted(const struct apply *apply, const struct sl_endpoint *endpoint)
{
	struct sl_config_node node = {.endpoint = *endpoint};
	struct wanted key = {.node = &node};

	if (apply->wanted_count == 0)
		return NULL;
	return bsearch(&key, apply->wanted, apply->wanted_count, sizeof(key), compare_wanted);
}

static bool is_present(const struct sl_node_state *node)
{
	return (sl_breaker_load32(&node->admin) & SL_NODE_PRESENT) != 0;
}

/* ---- planning: nothing is written ---------------------------------------------------------- */

static int collect_wanted(struct apply *apply)
{
	const struct sl_config *config = apply->config;
	struct wanted *wanted;

	for (uint32_t p = 0; p < config->pool_count; p++) {
		for (uint32_t n = 0; n < config->pools[p].node_count; n++)
			apply->wanted[apply->wanted_count++] = (struct wanted){
				.node = &config->pools[p].nodes[n], .pool = p, .index = n};
	}
	wanted = apply->wanted;
	qsort(wanted, apply->wanted_count, sizeof(*wanted), compare_wanted);
	for (uint32_t i = 1; i < apply->wanted_count; i++) {
		char text[SL_ADDRESS_TEXT_SIZE];
		const struct wanted *a = &wanted[i - 1], *b = &wanted[i];

		if (compare_wanted(a, b) != 0)
			continue;
		return sl_error_set(apply->error, -EEXIST,
				    "node %s is in pool \"%s\" (line %u) and in pool \"%s\" (line "
				    "%u): a node has one place; remove one of the two",
				    sl_address_format(&b->node->endpoint, text),
				    config->pools[a->pool].name, a->node->line,
				    config->pools[b->pool].name, b->node->line);
	}
	return 0;
}

static uint32_t find_pool_slot(const struct sl_topology_view *view, const char *name)
{
	for (uint32_t slot = 1; slot < SL_POOLS_MAX; slot++) {
		if (view->pools[slot].present &&
		    strncmp(view->pools[slot].name, name, sizeof(view->pools[slot].name)) == 0)
			return slot;
	}
	return 0;
}

static int plan_pools(struct apply *apply)
{
	const struct sl_config *config = apply->config;
	uint32_t free_slot = 1;

	for (uint32_t p = 0; p < config->pool_count; p++) {
		uint32_t slot = find_pool_slot(apply->view, config->pools[p].name);

		apply->topology.pool_slots[p] = slot;
		apply->pool_kept[slot] = 1;
	}
	for (uint32_t p = 0; p < config->pool_count; p++) {
		if (apply->topology.pool_slots[p] != 0)
			continue;
		while (free_slot < SL_POOLS_MAX && apply->view->pools[free_slot].present)
			free_slot++;
		if (free_slot >= SL_POOLS_MAX)
			return sl_error_set(apply->error, -ENOSPC,
					    "pool \"%s\": no slot left of %u; remove pools first, "
					    "then add new ones",
					    config->pools[p].name, SL_POOLS_MAX - 1);
		apply->topology.pool_slots[p] = free_slot;
		apply->pool_kept[free_slot++] = 2;
	}
	return 0;
}

/* The next slot for a new node: an untouched one, else one that was given up in an earlier call. */
static uint32_t take_slot(const struct sl_topology_view *view, uint32_t *untouched, uint32_t *used)
{
	while (*untouched < view->nodes_max) {
		uint32_t slot = (*untouched)++;

		if (!is_present(&view->nodes[slot]) && view->nodes[slot].incarnation == 0)
			return slot;
	}
	while (*used < view->nodes_max) {
		uint32_t slot = (*used)++;

		if (!is_present(&view->nodes[slot]) && view->nodes[slot].incarnation != 0)
			return slot;
	}
	return 0;
}

static int plan_nodes(struct apply *apply)
{
	const struct sl_topology_view *view = apply->view;
	uint32_t untouched = 1, used = 1;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		struct wanted *wanted;

		if (!is_present(&view->nodes[slot]))
			continue;
		wanted = find_wanted(apply, &view->nodes[slot].endpoint);
		if (wanted != NULL && wanted->slot == 0)
			wanted->slot = slot;
	}
	/* In the order of the file, so that the first slots are the first nodes. */
	for (uint32_t p = 0; p < apply->config->pool_count; p++) {
		for (uint32_t n = 0; n < apply->config->pools[p].node_count; n++) {
			const struct sl_config_node *node = &apply->config->pools[p].nodes[n];
			struct wanted *wanted = find_wanted(apply, &node->endpoint);

			if (wanted->slot == 0)
				wanted->slot = take_slot(view, &untouched, &used);
			if (wanted->slot == 0)
				return sl_error_set(apply->error, -ENOSPC,
						    "pool \"%s\": node %s: no slot left of %u; "
						    "remove nodes first, then add new ones",
						    apply->config->pools[p].name, node->text,
						    view->nodes_max - 1);
			apply->topology.node_slots[p][n] = wanted->slot;
		}
	}
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------- */

static void store32(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/*
 * A live number below the range was never written (a fresh map is all 0; keys that an older build
 * did not know are SL_TUNABLE_INHERIT).
 */
static void write_row(uint64_t *row, const uint64_t *wanted, bool is_global, bool is_fresh)
{
	for (int id = 0; id < (int)SL_TUNABLE_KEYS; id++) {
		bool is_known = id < SL_TUNABLE_COUNT;
		uint64_t initial =
			is_global && is_known ? sl_tunable_info[id].initial : SL_TUNABLE_INHERIT;
		uint64_t value = is_known ? wanted[id] : SL_TUNABLE_INHERIT;

		/* A configuration fills its global row: there the initial number is not a name. */
		if (value == SL_TUNABLE_INHERIT || value == initial) {
			if (!is_fresh && is_known && row[id] != SL_TUNABLE_INHERIT &&
			    row[id] >= sl_tunable_info[id].min)
				continue;
			value = initial;
		}
		__atomic_store_n(&row[id], value, __ATOMIC_RELAXED);
	}
}

static void write_settings(const struct apply *apply)
{
	struct sl_settings *settings = apply->view->settings;
	uint64_t *tunables = apply->view->tunables;

	/* The first key is never 0 once it was written. */
	write_row(tunables, apply->config->tunables, true, tunables[0] == 0);
	settings->abi_version = SL_ABI_VERSION;
	settings->tunable_count = SL_TUNABLE_COUNT;
	settings->counter_count = SL_COUNTER_COUNT;
	if (apply->config->seed) /* 0: keep the one that was drawn, so that choices stay stable */
		settings->seed = apply->config->seed;
	settings->nat_port_min = apply->config->nat_port_min;
	settings->nat_port_max = apply->config->nat_port_max;
}

static void write_pools(const struct apply *apply)
{
	const struct sl_topology_view *view = apply->view;

	for (uint32_t p = 0; p < apply->config->pool_count; p++) {
		const struct sl_config_pool *wanted = &apply->config->pools[p];
		uint32_t slot = apply->topology.pool_slots[p];
		struct sl_pool_state *pool = &view->pools[slot];
		bool is_fresh = !pool->present;

		write_row(&view->tunables[slot * SL_TUNABLE_KEYS], wanted->tunables, false,
			  is_fresh);
		if (!is_fresh)
			continue;
		memset(pool, 0, sizeof(*pool));
		strncpy(pool->name, wanted->name, sizeof(pool->name) - 1);
		store32(&pool->present, 1);
	}
}

/* The slot's first node, or another one than before. */
static void start_node(struct sl_node_state *node, const struct sl_endpoint *endpoint)
{
	uint32_t incarnation = node->incarnation + 1;
	uint64_t word =
		sl_breaker_pack(SL_BREAKER_CLOSED, 0, sl_breaker_generation(node->breaker) + 1, 0);

	memset(node, 0, sizeof(*node));
	node->breaker = word;
	node->incarnation = incarnation == 0 ? 1 : incarnation;
	node->endpoint = *endpoint;
}

static int write_node(struct apply *apply, const struct wanted *wanted)
{
	const struct sl_topology_view *view = apply->view;
	const struct sl_endpoint *endpoint = &wanted->node->endpoint;
	struct sl_node_state *node = &view->nodes[wanted->slot];
	uint32_t pool_slot = apply->topology.pool_slots[wanted->pool];
	bool is_new = !is_present(node);
	struct sl_addr source;
	char text[SL_ADDRESS_TEXT_SIZE];
	int code;

	if (is_new) {
		start_node(node, endpoint);
		apply->topology.nodes_added++;
	} else if (node->pool != pool_slot && sl_breaker_load32(&node->ejected)) {
		/* Its place moves with it; a race with its closing is put right by repair. */
		__atomic_fetch_add(&view->pools[pool_slot].ejected, 1, __ATOMIC_ACQ_REL);
		__atomic_fetch_sub(&view->pools[node->pool].ejected, 1, __ATOMIC_ACQ_REL);
	}
	if (is_new || node->pool != pool_slot || node->weight != wanted->node->weight)
		apply->pool_kept[pool_slot] = 2;
	if (!is_new && node->pool != pool_slot && apply->pool_kept[node->pool] != 0)
		apply->pool_kept[node->pool] = 2;
	code = view->source ? view->source(view->ctx, endpoint, &source)
			    : sl_topology_source(endpoint, &source);
	if (code == 0)
		node->snat_addr = source;
	else
		apply->topology.nodes_unroutable++;
	store32(&node->pool, pool_slot);
	store32(&node->weight, wanted->node->weight);
	store32(&node->index, wanted->index);
	__atomic_fetch_or(&node->admin, SL_NODE_PRESENT, __ATOMIC_RELEASE);
	code = view->put_endpoint(view->ctx, endpoint, wanted->slot);
	if (code < 0)
		return sl_error_set_errno(apply->error, code, "node %s: cannot write its endpoint",
					  sl_address_format(endpoint, text));
	return 0;
}

static int write_table(struct apply *apply, uint32_t p, struct sl_maglev_node *nodes,
		       uint32_t *table)
{
	const struct sl_topology_view *view = apply->view;
	const struct sl_config_pool *wanted = &apply->config->pools[p];
	uint32_t slot = apply->topology.pool_slots[p];
	struct sl_pool_state *pool = &view->pools[slot];
	uint32_t size = sl_maglev_size(wanted->node_count);
	bool is_changed = apply->pool_kept[slot] == 2 || pool->maglev_size != size ||
			  pool->node_count != wanted->node_count;
	int code;

	for (uint32_t n = 0; n < wanted->node_count; n++)
		nodes[n] = (struct sl_maglev_node){
			.key = sl_topology_node_key(&wanted->nodes[n].endpoint),
			.weight = wanted->nodes[n].weight,
			.value = apply->topology.node_slots[p][n],
		};
	code = sl_maglev_build(nodes, wanted->node_count, size, table);
	/* A reader must never use a size beyond the table it looks into. */
	if (code == 0 && size < pool->maglev_size)
		store32(&pool->maglev_size, size);
	if (code == 0)
		code = view->put_maglev(view->ctx, slot, table, size);
	if (code < 0)
		return sl_error_set_errno(apply->error, code,
					  "pool \"%s\": cannot write its lookup table",
					  wanted->name);
	store32(&pool->maglev_size, size);
	store32(&pool->node_count, wanted->node_count);
	if (is_changed)
		__atomic_fetch_add(&pool->generation, 1, __ATOMIC_RELEASE);
	return 0;
}

static int write_tables(struct apply *apply)
{
	struct sl_maglev_node *nodes = calloc(SL_POOL_NODES_MAX, sizeof(*nodes));
	uint32_t *table = calloc(SL_MAGLEV_SIZE_MAX, sizeof(*table));
	int code = nodes == NULL || table == NULL ? -ENOMEM : 0;

	for (uint32_t p = 0; code == 0 && p < apply->config->pool_count; p++)
		code = write_table(apply, p, nodes, table);
	free(table);
	free(nodes);
	return code;
}

static int write_services(struct apply *apply)
{
	for (uint32_t i = 0; i < apply->config->service_count; i++) {
		const struct sl_config_service *wanted = &apply->config->services[i];
		struct sl_service service = {.lane = (uint8_t)wanted->lane};
		int code;

		if (wanted->pool < apply->config->pool_count)
			service.pool = apply->topology.pool_slots[wanted->pool];
		code = apply->view->put_service(apply->view->ctx, &wanted->endpoint, &service);
		if (code < 0)
			return sl_error_set_errno(apply->error, code, "service %s: cannot write it",
						  wanted->text);
	}
	return 0;
}

/* ---- removals ------------------------------------------------------------------------------ */

typedef int (*walk)(void *ctx, const struct sl_endpoint *previous,
		    struct sl_endpoint *ret_endpoint);

/* The keys of a map, at most max of them; the caller frees. */
static int list_keys(void *ctx, walk next, uint32_t max, struct sl_endpoint **ret_keys,
		     uint32_t *ret_count)
{
	struct sl_endpoint *keys = calloc(max, sizeof(*keys));
	uint32_t count = 0;
	int code = keys == NULL ? -ENOMEM : 0;

	while (code == 0 && count < max) {
		code = next(ctx, count == 0 ? NULL : &keys[count - 1], &keys[count]);
		if (code == 0)
			count++;
	}
	if (code < 0 && code != -ENOENT) {
		free(keys);
		return code;
	}
	*ret_keys = keys;
	*ret_count = count;
	return 0;
}

static bool is_wanted_service(const struct sl_config *config, const struct sl_endpoint *endpoint)
{
	for (uint32_t i = 0; i < config->service_count; i++) {
		if (compare_endpoints(&config->services[i].endpoint, endpoint) == 0)
			return true;
	}
	return false;
}

static int remove_keys(struct apply *apply, bool is_services)
{
	const struct sl_topology_view *view = apply->view;
	struct sl_endpoint *keys;
	uint32_t count;
	int code = list_keys(view->ctx, is_services ? view->next_service : view->next_endpoint,
			     is_services ? SL_SERVICES_MAX : SL_NODES_MAX, &keys, &count);

	if (code < 0)
		return sl_error_set_errno(apply->error, code, "cannot list the %s",
					  is_services ? "services" : "endpoints");
	for (uint32_t i = 0; i < count && code == 0; i++) {
		if (is_services ? is_wanted_service(apply->config, &keys[i])
				: find_wanted(apply, &keys[i]) != NULL)
			continue;
		code = is_services ? view->del_service(view->ctx, &keys[i])
				   : view->del_endpoint(view->ctx, &keys[i]);
		if (code == -ENOENT)
			code = 0;
	}
	free(keys);
	if (code < 0)
		return sl_error_set_errno(apply->error, code, "cannot remove a former %s",
					  is_services ? "service" : "node's endpoint");
	return 0;
}

static void remove_nodes(struct apply *apply)
{
	const struct sl_topology_view *view = apply->view;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		struct sl_node_state *node = &view->nodes[slot];
		struct sl_breaker_change change;
		const struct wanted *wanted;

		if (!is_present(node))
			continue;
		wanted = find_wanted(apply, &node->endpoint);
		if (wanted != NULL && wanted->slot == slot)
			continue;
		__atomic_fetch_and(&node->admin, ~(uint32_t)(SL_NODE_PRESENT | SL_NODE_DRAINING),
				   __ATOMIC_RELEASE);
		for (int tries = 0; tries < FORCE_TRIES_MAX; tries++) {
			if (sl_breaker_force(node, &view->pools[node->pool], SL_BREAKER_ORDER_CLOSE,
					     sl_clock_ms(), SL_PLANE_OPERATOR, &change))
				break;
		}
		apply->topology.nodes_removed++;
	}
}

static int remove_pools(struct apply *apply)
{
	const struct sl_topology_view *view = apply->view;

	for (uint32_t slot = 1; slot < SL_POOLS_MAX; slot++) {
		struct sl_pool_state *pool = &view->pools[slot];
		int code;

		if (!pool->present || apply->pool_kept[slot] != 0)
			continue;
		store32(&pool->node_count, 0);
		store32(&pool->maglev_size, 0);
		code = view->del_maglev(view->ctx, slot);
		if (code < 0 && code != -ENOENT)
			return sl_error_set_errno(apply->error, code,
						  "pool \"%s\": cannot remove its lookup table",
						  pool->name);
		store32(&pool->present, 0);
	}
	return 0;
}

static void write_bounds(const struct sl_topology_view *view, bool may_shrink)
{
	uint32_t nodes = view->nodes_max, pools = SL_POOLS_MAX;

	while (nodes > 1 && !is_present(&view->nodes[nodes - 1]))
		nodes--;
	while (pools > 1 && !view->pools[pools - 1].present)
		pools--;
	if (may_shrink || nodes > view->settings->node_count)
		store32(&view->settings->node_count, nodes);
	if (may_shrink || pools > view->settings->pool_count)
		store32(&view->settings->pool_count, pools);
}

/* ---- repair -------------------------------------------------------------------------------- */

static bool needs_place(const struct sl_node_state *node)
{
	enum sl_breaker_state state = sl_breaker_state(sl_breaker_load(&node->breaker));

	return is_present(node) && state != SL_BREAKER_CLOSED && state != SL_BREAKER_METRICS_ONLY;
}

static uint32_t sum_ejected(const struct sl_topology_view *view, uint32_t pool)
{
	uint32_t sum = 0;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		if (is_present(node) && node->pool == pool)
			sum += sl_breaker_load32(&node->ejected);
	}
	return sum;
}

static void wait_a_step(void)
{
	struct timespec wait = {.tv_nsec = REPAIR_WAIT_NS};

	nanosleep(&wait, NULL);
}

uint32_t sl_topology_repair(const struct sl_topology_view *view)
{
	uint32_t repaired = 0;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		struct sl_node_state *node = &view->nodes[slot];
		uint64_t word = sl_breaker_load(&node->breaker);
		uint32_t ejected = sl_breaker_load32(&node->ejected);
		uint32_t want = needs_place(node);

		if (ejected == want)
			continue;
		wait_a_step();
		if (sl_breaker_load(&node->breaker) == word &&
		    __sync_bool_compare_and_swap(&node->ejected, ejected, want))
			repaired++;
	}
	for (uint32_t slot = 1; slot < SL_POOLS_MAX; slot++) {
		struct sl_pool_state *pool = &view->pools[slot];
		uint32_t ejected = sl_breaker_load32(&pool->ejected);
		uint32_t want;

		if (!pool->present)
			continue;
		want = sum_ejected(view, slot);
		if (ejected == want)
			continue;
		wait_a_step();
		if (sum_ejected(view, slot) == want &&
		    __sync_bool_compare_and_swap(&pool->ejected, ejected, want))
			repaired++;
	}
	return repaired;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int allocate(struct apply *apply)
{
	const struct sl_config *config = apply->config;
	struct sl_topology *topology = &apply->topology;
	size_t nodes = 0;

	for (uint32_t p = 0; p < config->pool_count; p++)
		nodes += config->pools[p].node_count;
	if (config->pool_count >= SL_POOLS_MAX || nodes >= apply->view->nodes_max)
		return sl_error_set(apply->error, -ENOSPC,
				    "%u pools with %zu nodes: at most %u pools with %u nodes fit",
				    config->pool_count, nodes, SL_POOLS_MAX - 1,
				    apply->view->nodes_max - 1);
	topology->pool_slots = calloc(config->pool_count + 1, sizeof(*topology->pool_slots));
	topology->node_slots = calloc(config->pool_count + 1, sizeof(*topology->node_slots));
	apply->wanted = calloc(nodes + 1, sizeof(*apply->wanted));
	apply->pool_kept = calloc(SL_POOLS_MAX, sizeof(*apply->pool_kept));
	if (!topology->pool_slots || !topology->node_slots || !apply->wanted || !apply->pool_kept)
		return -ENOMEM;
	topology->pool_count = config->pool_count;
	for (uint32_t p = 0; p < config->pool_count; p++) {
		topology->node_slots[p] =
			calloc(config->pools[p].node_count + 1, sizeof(**topology->node_slots));
		if (topology->node_slots[p] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int write_all(struct apply *apply)
{
	int code = 0;

	write_settings(apply);
	write_pools(apply);
	for (uint32_t i = 0; code == 0 && i < apply->wanted_count; i++)
		code = write_node(apply, &apply->wanted[i]);
	if (code < 0)
		return code;
	write_bounds(apply->view, false);
	code = write_tables(apply);
	if (code == 0)
		code = write_services(apply);
	if (code == 0)
		code = remove_keys(apply, true);
	if (code < 0)
		return code;
	remove_nodes(apply);
	code = remove_keys(apply, false);
	if (code == 0)
		code = remove_pools(apply);
	if (code == 0) {
		write_bounds(apply->view, true);
		apply->topology.repaired = sl_topology_repair(apply->view);
	}
	return code;
}

int sl_topology_apply(const struct sl_topology_view *view, const struct sl_config *config,
		      struct sl_topology *ret_topology, struct sl_error *error)
{
	struct apply apply = {.view = view, .config = config, .error = error};
	int code = allocate(&apply);

	if (code == -ENOMEM)
		sl_error_set(error, code, "out of memory");
	if (code == 0)
		code = collect_wanted(&apply);
	if (code == 0)
		code = plan_pools(&apply);
	if (code == 0)
		code = plan_nodes(&apply);
	if (code == 0)
		code = write_all(&apply);
	free(apply.wanted);
	free(apply.pool_kept);
	if (code < 0)
		sl_topology_fini(&apply.topology);
	else
		*ret_topology = apply.topology;
	return code;
}

void sl_topology_fini(struct sl_topology *topology)
{
	for (uint32_t p = 0; p < topology->pool_count; p++)
		free(topology->node_slots[p]);
	free(topology->node_slots);
	free(topology->pool_slots);
	memset(topology, 0, sizeof(*topology));
}
