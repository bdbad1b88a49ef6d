/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/peer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "user/base/address.h"

#define HTTPS_PORT 443u
#define HTTP_PORT  80u

struct sl_peers {
	struct sl_resolver *resolver;
	pthread_mutex_t lock;
	uint32_t generation;
	struct sl_peer *by_slot[SL_NODES_MAX]; /* under lock */
	struct sl_peer *wanted[SL_NODES_MAX];  /* within sl_peers_apply(), which must not fail */
};

/* ---- peers ----------------------------------------------------------------------------------- */

static struct sl_peer *get(struct sl_peer *peer)
{
	if (peer)
		__atomic_fetch_add(&peer->refs, 1, __ATOMIC_RELAXED);
	return peer;
}

void sl_peer_put(struct sl_peer **ret_peer)
{
	struct sl_peer *peer = *ret_peer;

	*ret_peer = NULL;
	if (!peer || __atomic_sub_fetch(&peer->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sl_name_put(&peer->name);
	sl_tls_client_put(&peer->tls);
	free(peer->tls_name);
	free(peer->ca);
	free(peer);
}

/* 0 for none, or one that cannot be read: opening it will say why. */
static uint64_t stamp_of(const char *path)
{
	struct stat info;

	if (!path || stat(path, &info))
		return 0;
	return ((uint64_t)info.st_mtim.tv_sec * 1000000007u + (uint64_t)info.st_mtim.tv_nsec) *
		       31u +
	       (uint64_t)info.st_ino * 7u + (uint64_t)info.st_size;
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* The name that the certificate is checked for, without brackets and port. */
static void tls_name_of(const struct sl_config_pool *pool, const struct sl_config_node *node,
			char out[SL_PEER_TEXT_SIZE])
{
	char address[SL_ADDRESS_TEXT_SIZE];

	if (pool->server_name)
		snprintf(out, SL_PEER_TEXT_SIZE, "%s", pool->server_name);
	else if (node->host)
		snprintf(out, SL_PEER_TEXT_SIZE, "%s", node->host);
	else
		snprintf(out, SL_PEER_TEXT_SIZE, "%s",
			 sl_address_format_host(&node->endpoint.addr, address));
}

static void describe(struct sl_peer *peer, const struct sl_config_node *node)
{
	uint16_t port = sl_address_port(&node->endpoint);
	char address[SL_ADDRESS_TEXT_SIZE];

	if (!node->host) {
		snprintf(peer->text, sizeof(peer->text), "%s",
			 sl_address_format(&node->endpoint, address));
		snprintf(peer->host, sizeof(peer->host), "%s", peer->text);
		return;
	}
	snprintf(peer->text, sizeof(peer->text), "%s:%u", node->host, port);
	if (port == (node->tls ? HTTPS_PORT : HTTP_PORT))
		snprintf(peer->host, sizeof(peer->host), "%s", node->host);
	else
		snprintf(peer->host, sizeof(peer->host), "%s", peer->text);
}

static int open_tls(struct sl_peer *peer, const struct sl_config_pool *pool,
		    const struct sl_config_node *node, struct sl_error *error)
{
	char name[SL_PEER_TEXT_SIZE];
	struct sl_tls_client_options options = {
		.name = name,
		.ca = pool->ca,
		.handshake_ms = SL_PEER_HANDSHAKE_MS,
	};
	int rc;

	tls_name_of(pool, node, name);
	peer->tls_name = strdup(name);
	peer->ca = pool->ca ? strdup(pool->ca) : NULL;
	peer->ca_stamp = stamp_of(pool->ca);
	if (!peer->tls_name || (pool->ca && !peer->ca))
		return sl_error_set(error, -ENOMEM, "no memory");
	rc = sl_tls_client_open(&options, &peer->tls, error);
	return rc ? sl_error_prefix(error, rc, "pool \"%s\": node %s", pool->name, peer->text) : 0;
}

static int make(struct sl_peers *book, const struct sl_config_pool *pool,
		const struct sl_config_node *node, struct sl_peer **ret_peer,
		struct sl_error *error)
{
	struct sl_peer *peer = calloc(1, sizeof(*peer));
	int rc = 0;

	if (!peer)
		return sl_error_set(error, -ENOMEM, "no memory");
	peer->refs = 1;
	describe(peer, node);
	if (node->tls)
		rc = open_tls(peer, pool, node, error);
	if (!rc && node->host) {
		peer->name =
			sl_name_open(book->resolver, node->host, sl_address_port(&node->endpoint));
		if (!peer->name)
			rc = sl_error_set(error, -ENOSPC, "node %s: too many names (at most %u)",
					  peer->text, SL_RESOLVE_NAMES_MAX);
	}
	if (rc)
		sl_peer_put(&peer);
	*ret_peer = peer;
	return rc;
}

/* ---- the book -------------------------------------------------------------------------------- */

int sl_peers_open(struct sl_peers **ret_peers)
{
	struct sl_peers *book = calloc(1, sizeof(*book));
	int rc;

	if (!book)
		return -ENOMEM;
	rc = sl_resolver_open(&book->resolver);
	if (rc) {
		free(book);
		return rc;
	}
	pthread_mutex_init(&book->lock, NULL);
	*ret_peers = book;
	return 0;
}

void sl_peers_close(struct sl_peers **ret_book)
{
	struct sl_peers *book = *ret_book;
	uint32_t slot;

	*ret_book = NULL;
	if (!book)
		return;
	for (slot = 0; slot < SL_NODES_MAX; slot++)
		sl_peer_put(&book->by_slot[slot]);
	sl_resolver_close(&book->resolver);
	pthread_mutex_destroy(&book->lock);
	free(book);
}

/* One in force that is the same as what would be made. */
static struct sl_peer *find_same(struct sl_peers *book, const struct sl_config_pool *pool,
				 const struct sl_config_node *node)
{
	struct sl_peer wanted = {.refs = 1};
	char name[SL_PEER_TEXT_SIZE];
	uint64_t stamp = node->tls ? stamp_of(pool->ca) : 0;
	const char *ca = node->tls ? pool->ca : NULL;
	uint32_t slot;

	describe(&wanted, node);
	tls_name_of(pool, node, name);
	for (slot = 0; slot < SL_NODES_MAX; slot++) { /* written by this thread alone */
		struct sl_peer *peer = book->by_slot[slot];

		if (peer && !strcmp(peer->text, wanted.text) && !peer->name == !node->host &&
		    is_same(peer->tls_name, node->tls ? name : NULL) && is_same(peer->ca, ca) &&
		    peer->ca_stamp == stamp)
			return get(peer);
	}
	return NULL;
}

int sl_peers_build(struct sl_peers *book, const struct sl_config *config,
		   struct sl_peer_list *ret_list, struct sl_error *error)
{
	struct sl_peer_list list = {NULL, 0};
	uint32_t p, n, at = 0;
	int rc = 0;

	for (p = 0; p < config->pool_count; p++)
		list.count += config->pools[p].node_count;
	list.peers = calloc(list.count + 1, sizeof(*list.peers));
	if (!list.peers)
		return sl_error_set(error, -ENOMEM, "no memory");
	for (p = 0; p < config->pool_count && !rc; p++) {
		const struct sl_config_pool *pool = &config->pools[p];

		for (n = 0; n < pool->node_count && !rc; n++, at++) {
			const struct sl_config_node *node = &pool->nodes[n];

			if (!node->host && !node->tls)
				continue;
			list.peers[at] = find_same(book, pool, node);
			if (!list.peers[at])
				rc = make(book, pool, node, &list.peers[at], error);
		}
	}
	for (at = 0; at < list.count && !rc; at++) {
		if (list.peers[at] && list.peers[at]->name)
			sl_name_wait(list.peers[at]->name, SL_PEER_FIRST_MS);
	}
	if (rc)
		sl_peer_list_fini(&list);
	*ret_list = list;
	return rc;
}

void sl_peer_list_fini(struct sl_peer_list *list)
{
	uint32_t at;

	for (at = 0; at < list->count; at++)
		sl_peer_put(&list->peers[at]);
	free(list->peers);
	*list = (struct sl_peer_list){NULL, 0};
}

void sl_peers_apply(struct sl_peers *book, const struct sl_config *config,
		    const struct sl_topology *topology, const struct sl_peer_list *list)
{
	struct sl_peer **wanted = book->wanted;
	uint32_t p, n, at = 0, slot;

	memset(book->wanted, 0, sizeof(book->wanted));
	for (p = 0; p < config->pool_count; p++) {
		for (n = 0; n < config->pools[p].node_count; n++, at++)
			wanted[topology->node_slots[p][n]] = list->peers[at];
	}
	pthread_mutex_lock(&book->lock);
	for (slot = 0; slot < SL_NODES_MAX; slot++) {
		if (book->by_slot[slot] == wanted[slot])
			continue;
		sl_peer_put(&book->by_slot[slot]);
		book->by_slot[slot] = get(wanted[slot]);
	}
	pthread_mutex_unlock(&book->lock);
	__atomic_fetch_add(&book->generation, 1, __ATOMIC_RELEASE);
}

uint32_t sl_peers_generation(const struct sl_peers *book)
{
	return __atomic_load_n(&book->generation, __ATOMIC_ACQUIRE);
}

struct sl_peer *sl_peers_get(struct sl_peers *book, uint32_t slot)
{
	struct sl_peer *peer;

	pthread_mutex_lock(&book->lock);
	peer = get(book->by_slot[slot]);
	pthread_mutex_unlock(&book->lock);
	return peer;
}

const char *sl_peers_text(struct sl_peers *book, uint32_t slot, char out[SL_PEER_TEXT_SIZE])
{
	struct sl_peer *peer = book ? sl_peers_get(book, slot) : NULL;

	if (!peer)
		return NULL;
	snprintf(out, SL_PEER_TEXT_SIZE, "%s", peer->text);
	sl_peer_put(&peer);
	return out;
}
