/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.h - how to reach the nodes that are more than an address: by a name, by TLS, or both.
 *
 * A peer is immutable and counted. A reload makes peers anew and takes over those of before that are
 * the same (name, port, authorities' file), with their addresses and TLS sessions. The book holds the
 * peer of each node slot; workers look into it when its generation has moved. Any thread.
 */
#ifndef SL_UPSTREAM_PEER_H
#define SL_UPSTREAM_PEER_H

#include "user/base/config.h"
#include "user/base/topology.h"
#include "user/io/resolve.h"
#include "user/io/tls.h"

#define SL_PEER_TEXT_SIZE    264u
#define SL_PEER_FIRST_MS     2000u  /* longest wait of a load for names that are new */
#define SL_PEER_HANDSHAKE_MS 30000u /* the route's connect time-out is shorter, mostly */

struct sl_peer {
	uint32_t refs;
	char text[SL_PEER_TEXT_SIZE]; /* "api.example.com:443", for people */
	char host[SL_PEER_TEXT_SIZE]; /* the Host field: without the scheme's own port */
	struct sl_name *name;	      /* NULL: the node's address is numeric */
	struct sl_tls_client *tls;    /* NULL: plain */
	char *tls_name;		      /* what its certificate is checked for, else NULL */
	char *ca;		      /* file of authorities, or NULL */
	uint64_t ca_stamp;	      /* changes with the file */
};

void sl_peer_put(struct sl_peer **peer);

struct sl_peers;

/* One pointer a pool and node of a configuration; NULL: an address and no more. */
struct sl_peer_list {
	struct sl_peer **peers;
	uint32_t count;
};

int sl_peers_open(struct sl_peers **ret_peers);
void sl_peers_close(struct sl_peers **peers); /* after all lists and users */

/*
 * The peers of a configuration, in the order of its pools and nodes. Waits a moment for names that
 * were not known. 0, or -EINVAL and the like with error; list is then empty.
 */
int sl_peers_build(struct sl_peers *book, const struct sl_config *config,
		   struct sl_peer_list *ret_list, struct sl_error *error);
void sl_peer_list_fini(struct sl_peer_list *list);

/* They count from now on, each at its node's slot. */
void sl_peers_apply(struct sl_peers *book, const struct sl_config *config,
		    const struct sl_topology *topology, const struct sl_peer_list *list);

/* Moves whenever a slot's peer may have changed. */
uint32_t sl_peers_generation(const struct sl_peers *book);

/* A reference of the slot's peer, or NULL: none. */
struct sl_peer *sl_peers_get(struct sl_peers *book, uint32_t slot);

/* The name of the slot's node, where it has one. Returns out, or NULL. */
const char *sl_peers_text(struct sl_peers *book, uint32_t slot, char out[SL_PEER_TEXT_SIZE]);

#endif
