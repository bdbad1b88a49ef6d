/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/topology.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bpf/breaker.h"
#include "bpf/hash.h"
#include "user/base/address.h"
#include "user/base/topology_work.h"

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

int sl_topology_compare(const struct sl_endpoint *a, const struct sl_endpoint *b)
{
	int order = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (order == 0)
		order = memcmp(&a->port, &b->port, sizeof(a->port));
	return order != 0 ? order : (int)a->proto - (int)b->proto;
}

static int compare_wanted(const void *left, const void *right)
{
	const struct sl_topology_wanted *a = left, *b = right;

	return sl_topology_compare(&a->node->endpoint, &b->node->endpoint);
}

struct sl_topology_wanted *sl_topology_find(const struct sl_topology_work *work,
					    const struct sl_endpoint *endpoint)
{
	struct sl_config_node node = {.endpoint = *endpoint};
	struct sl_topology_wanted key = {.node = &node};

	node.endpoint.proto = IPPROTO_TCP;
	if (work->wanted_count == 0)
		return NULL;
	return bsearch(&key, work->wanted, work->wanted_count, sizeof(key), compare_wanted);
}

bool sl_topology_is_present(const struct sl_node_state *node)
{
	return (sl_breaker_load32(&node->admin) & SL_NODE_PRESENT) != 0;
}

void sl_topology_store32(uint32_t *at, uint32_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELEASE);
}

/* ---- planning: nothing is written ---------------------------------------------------------- */

static int collect_wanted(struct sl_topology_work *work)
{
	const struct sl_config *config = work->config;
	struct sl_topology_wanted *wanted;

	for (uint32_t p = 0; p < config->pool_count; p++) {
		for (uint32_t n = 0; n < config->pools[p].node_count; n++)
			work->wanted[work->wanted_count++] = (struct sl_topology_wanted){
				.node = &config->pools[p].nodes[n], .pool = p, .index = n};
	}
	wanted = work->wanted;
	qsort(wanted, work->wanted_count, sizeof(*wanted), compare_wanted);
	for (uint32_t i = 1; i < work->wanted_count; i++) {
		char text[SL_ADDRESS_TEXT_SIZE];
		const struct sl_topology_wanted *a = &wanted[i - 1], *b = &wanted[i];

		if (compare_wanted(a, b) != 0)
			continue;
		return sl_error_set(work->error, -EEXIST,
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

static int plan_pools(struct sl_topology_work *work)
{
	const struct sl_config *config = work->config;
	uint32_t free_slot = 1;

	for (uint32_t p = 0; p < config->pool_count; p++) {
		uint32_t slot = find_pool_slot(work->view, config->pools[p].name);

		work->topology.pool_slots[p] = slot;
		work->pool_marks[slot] = SL_TOPOLOGY_KEPT;
	}
	for (uint32_t p = 0; p < config->pool_count; p++) {
		if (work->topology.pool_slots[p] != 0)
			continue;
		while (free_slot < SL_POOLS_MAX && work->view->pools[free_slot].present)
			free_slot++;
		if (free_slot >= SL_POOLS_MAX)
			return sl_error_set(work->error, -ENOSPC,
					    "pool \"%s\": no slot left of %u; remove pools first, "
					    "then add new ones",
					    config->pools[p].name, SL_POOLS_MAX - 1);
		work->topology.pool_slots[p] = free_slot;
		work->pool_marks[free_slot++] = SL_TOPOLOGY_CHANGED;
	}
	return 0;
}

/* The next slot for a new node: an untouched one, else one that was given up in an earlier call. */
static uint32_t take_slot(const struct sl_topology_view *view, uint32_t *untouched, uint32_t *used)
{
	while (*untouched < view->nodes_max) {
		uint32_t slot = (*untouched)++;

		if (!sl_topology_is_present(&view->nodes[slot]) &&
		    view->nodes[slot].incarnation == 0)
			return slot;
	}
	while (*used < view->nodes_max) {
		uint32_t slot = (*used)++;

		if (!sl_topology_is_present(&view->nodes[slot]) &&
		    view->nodes[slot].incarnation != 0)
			return slot;
	}
	return 0;
}

static int plan_nodes(struct sl_topology_work *work)
{
	const struct sl_topology_view *view = work->view;
	uint32_t untouched = 1, used = 1;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		struct sl_topology_wanted *wanted;

		if (!sl_topology_is_present(&view->nodes[slot]))
			continue;
		wanted = sl_topology_find(work, &view->nodes[slot].endpoint);
		if (wanted != NULL && wanted->slot == 0)
			wanted->slot = slot;
	}
	/* In the order of the file, so that the first slots are the first nodes. */
	for (uint32_t p = 0; p < work->config->pool_count; p++) {
		for (uint32_t n = 0; n < work->config->pools[p].node_count; n++) {
			const struct sl_config_node *node = &work->config->pools[p].nodes[n];
			struct sl_topology_wanted *wanted = sl_topology_find(work, &node->endpoint);

			if (wanted->slot == 0)
				wanted->slot = take_slot(view, &untouched, &used);
			if (wanted->slot == 0)
				return sl_error_set(work->error, -ENOSPC,
						    "pool \"%s\": node %s: no slot left of %u; "
						    "remove nodes first, then add new ones",
						    work->config->pools[p].name, node->text,
						    view->nodes_max - 1);
			work->topology.node_slots[p][n] = wanted->slot;
		}
	}
	return 0;
}

/* Also the pools that a UDP service's flows may spill into. */
static void plan_protocols(struct sl_topology_work *work)
{
	const struct sl_config *config = work->config;

	for (uint32_t i = 0; i < config->service_count; i++) {
		uint32_t pool = config->services[i].pool;

		if (config->services[i].endpoint.proto != IPPROTO_UDP)
			continue;
		while (pool < config->pool_count && !work->pool_is_udp[pool]) {
			work->pool_is_udp[pool] = true;
			pool = config->pools[pool].spill;
		}
	}
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int allocate(struct sl_topology_work *work)
{
	const struct sl_config *config = work->config;
	struct sl_topology *topology = &work->topology;
	size_t nodes = 0;

	for (uint32_t p = 0; p < config->pool_count; p++)
		nodes += config->pools[p].node_count;
	if (config->pool_count >= SL_POOLS_MAX || nodes >= work->view->nodes_max)
		return sl_error_set(work->error, -ENOSPC,
				    "%u pools with %zu nodes: at most %u pools with %u nodes fit",
				    config->pool_count, nodes, SL_POOLS_MAX - 1,
				    work->view->nodes_max - 1);
	topology->pool_slots = calloc(config->pool_count + 1, sizeof(*topology->pool_slots));
	topology->node_slots = calloc(config->pool_count + 1, sizeof(*topology->node_slots));
	work->wanted = calloc(nodes + 1, sizeof(*work->wanted));
	work->pool_marks = calloc(SL_POOLS_MAX, sizeof(*work->pool_marks));
	work->pool_is_udp = calloc(config->pool_count + 1, sizeof(*work->pool_is_udp));
	work->rows = calloc(config->service_count + 1, sizeof(*work->rows));
	if (!topology->pool_slots || !topology->node_slots || !work->wanted || !work->pool_marks ||
	    !work->pool_is_udp || !work->rows)
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

static int run(struct sl_topology_work *work)
{
	int code = sl_topology_write_state(work);

	if (code == 0)
		code = sl_topology_write_guard(work);
	if (code == 0)
		code = sl_topology_write_services(work);
	if (code == 0)
		code = sl_topology_remove(work);
	if (code == 0)
		work->topology.repaired = sl_topology_repair(work->view);
	return code;
}

int sl_topology_apply(const struct sl_topology_view *view, const struct sl_config *config,
		      struct sl_topology *ret_topology, struct sl_error *error)
{
	struct sl_topology_work work = {.view = view, .config = config, .error = error};
	int code = allocate(&work);

	if (code == -ENOMEM)
		sl_error_set(error, code, "out of memory");
	if (code == 0)
		code = collect_wanted(&work);
	if (code == 0)
		code = plan_pools(&work);
	if (code == 0)
		code = plan_nodes(&work);
	if (code == 0)
		code = sl_topology_plan_services(&work);
	if (code == 0) {
		plan_protocols(&work);
		code = run(&work);
	}
	free(work.wanted);
	free(work.pool_marks);
	free(work.pool_is_udp);
	free(work.rows);
	if (code < 0)
		sl_topology_fini(&work.topology);
	else
		*ret_topology = work.topology;
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
