/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/upstream_conn.h"

#include <errno.h>
#include "user/upstream/concurrency.h"
#include "user/upstream/tap.h"

#define CONNS_KEPT 1024u

/* Connections remember their place; the client layer's owner pointer is the attempt's. */
struct upstream_conn {
	struct sl_client_conn client; /* first */
	struct sl_upstream *up;
	struct sl_upstream_node *node;
	uint32_t tokens; /* of the request that is under way on it */
};

static void unlink_idle(struct sl_upstream_node *node, struct sl_client_conn *conn)
{
	if (!conn->pprev)
		return;
	*conn->pprev = conn->next;
	if (conn->next)
		conn->next->pprev = conn->pprev;
	conn->pprev = NULL;
	node->idle_count--;
}

static void idle_lost(struct sl_client_conn *conn)
{
	unlink_idle(((struct upstream_conn *)conn)->node, conn);
}

void sl_upstream_conn_closed(struct sl_client_conn *conn)
{
	struct upstream_conn *uconn = (struct upstream_conn *)conn;
	struct sl_upstream *up = uconn->up;

	sl_upstream_charge(conn, 0);
	sl_tap_remove(conn);
	uconn->node->open_count--;
	up->conn_count--;
	sl_slab_put(&up->conns, uconn);
}

/* A connect may still end after its owner left. */
static void ignore_connected(struct sl_client_conn *conn, int error)
{
	(void)conn;
	(void)error;
}

void sl_upstream_abandon(struct sl_client_conn *conn)
{
	static const struct sl_client_ops abandoned_ops = {
		.connected = ignore_connected,
		.closed = sl_upstream_conn_closed,
	};

	if (!conn)
		return;
	conn->ops = &abandoned_ops;
	conn->owner = NULL;
	sl_client_close(conn);
}

static const struct sl_client_ops idle_ops = {
	.lost = idle_lost,
	.closed = sl_upstream_conn_closed,
};

struct sl_client_conn *sl_upstream_take_idle(struct sl_upstream *up, struct sl_upstream_node *node)
{
	struct sl_client_conn *conn = node->idle;

	if (!conn)
		return NULL;
	unlink_idle(node, conn);
	up->reuses++;
	return conn;
}

int sl_upstream_connect(struct sl_upstream *up, struct sl_upstream_node *node,
			const struct sl_client_ops *ops, void *owner,
			struct sl_client_conn **ret_conn, struct sl_error *error)
{
	const struct sl_peer *peer = node->peer;
	struct upstream_conn *uconn;
	int rc;

	if (peer && peer->name &&
	    !sl_name_address(peer->name, node->next_address++, &node->address, &node->address_len,
			     error))
		return -EADDRNOTAVAIL;
	uconn = sl_slab_get(&up->conns);
	if (!uconn)
		return -ENOMEM;
	uconn->up = up;
	uconn->node = node;
	uconn->tokens = 0;
	rc = sl_client_connect(&uconn->client, up->loop, ops, owner,
			       (const struct sockaddr *)&node->address, node->address_len,
			       peer ? peer->tls : NULL);
	if (rc) {
		sl_slab_put(&up->conns, uconn);
		return rc;
	}
	uconn->client.tag = node->era;
	up->connects++;
	up->conn_count++;
	node->open_count++;
	*ret_conn = &uconn->client;
	return 0;
}

void sl_upstream_charge(struct sl_client_conn *conn, uint32_t tokens)
{
	struct upstream_conn *uconn = (struct upstream_conn *)conn;
	struct sl_concurrency *states = uconn->up->state.retries->concurrency;

	if (states && uconn->tokens)
		sl_concurrency_give_tokens(&states[uconn->node->slot], uconn->tokens);
	if (states && tokens)
		sl_concurrency_take_tokens(&states[uconn->node->slot], tokens);
	uconn->tokens = tokens;
}

void sl_upstream_tap(struct sl_client_conn *conn, const struct sl_strike *strike)
{
	sl_tap_set(conn, ((struct upstream_conn *)conn)->up->loop, strike);
}

void sl_upstream_put(struct sl_upstream *up, struct sl_upstream_node *node,
		     struct sl_client_conn *conn)
{
	sl_upstream_charge(conn, 0);
	sl_tap_remove(conn);
	if (!sl_client_is_idle(conn) || node->idle_count >= up->idle_max ||
	    conn->tag != node->era || node->incarnation != node->state->incarnation) {
		sl_client_close(conn);
		return;
	}
	sl_client_release(
		conn, SL_CLIENT_HELD_BY_OWNER); /* a slow client may have paused it up to the end */
	conn->ops = &idle_ops;
	conn->owner = NULL;
	conn->idle_since_ns = sl_loop_now_ns(up->loop);
	conn->next = node->idle;
	conn->pprev = &node->idle;
	if (conn->next)
		conn->next->pprev = &conn->next;
	node->idle = conn;
	node->idle_count++;
}

static bool is_gone(const struct sl_upstream_node *node)
{
	return node->incarnation != node->state->incarnation ||
	       !(__atomic_load_n(&node->state->admin, __ATOMIC_RELAXED) & SL_NODE_PRESENT);
}

/* Idle lists are newest first: everything behind the first one that is too old is too old. */
static void sweep_node(struct sl_upstream *up, struct sl_upstream_node *node, uint64_t now_ns)
{
	struct sl_client_conn *conn, *next;
	bool all = is_gone(node);

	for (conn = node->idle; conn; conn = next) {
		next = conn->next;
		if (!all && now_ns - conn->idle_since_ns < up->idle_ms * 1000000ull)
			continue;
		unlink_idle(node, conn);
		sl_client_close(conn);
	}
}

static void on_sweep(struct sl_timer *timer)
{
	struct sl_upstream *up =
		(struct sl_upstream *)((char *)timer - offsetof(struct sl_upstream, sweep));
	uint64_t now_ns = sl_loop_now_ns(up->loop);
	uint32_t slot;

	for (slot = 0; slot < SL_NODES_MAX; slot++) {
		if (up->by_slot[slot] && up->by_slot[slot]->idle)
			sweep_node(up, up->by_slot[slot], now_ns);
	}
	sl_timer_set(up->loop, timer, SL_UPSTREAM_SWEEP_MS);
}

void sl_upstream_forget_idle(struct sl_upstream_node *node)
{
	while (node->idle) {
		struct sl_client_conn *conn = node->idle;

		node->idle = conn->next;
		conn->pprev = NULL;
		node->idle_count--;
		sl_client_close(conn);
	}
}

void sl_upstream_conns_init(struct sl_upstream *up)
{
	sl_slab_init(&up->conns, sizeof(struct upstream_conn), CONNS_KEPT);
	sl_timer_init(&up->sweep, on_sweep);
	sl_timer_set(up->loop, &up->sweep, SL_UPSTREAM_SWEEP_MS);
}
