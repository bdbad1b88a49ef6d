/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * secure.h - what a configuration needs of TLS and names, made when it is loaded: certificates of
 * listeners, trust and addresses of nodes.
 *
 * All of it is checked before anything of a new configuration comes into force, so a certificate
 * that cannot be used never replaces one that can. Part of struct sl_routes; immutable, any thread.
 */
#ifndef SL_REQUEST_SECURE_H
#define SL_REQUEST_SECURE_H

#include "user/base/config.h"
#include "user/io/tls.h"
#include "user/upstream/peer.h"

struct sl_secure {
	struct sl_tls_server *listeners[SL_CONFIG_LISTEN_MAX]; /* as config->listen; NULL: plain */
	struct sl_peer_list peers;			       /* nodes by name and by TLS */
};

/*
 * reload: a certificate that has expired is refused; at the start it is logged, for a gateway with
 * one bad listener of several is better than none. 0, or -EINVAL and the like: error names the
 * listener, the file and what is wrong.
 */
int sl_secure_build(const struct sl_config *config, struct sl_tls_tickets *tickets,
		    struct sl_peers *book, bool reload, struct sl_secure *ret_secure,
		    struct sl_error *error);
void sl_secure_fini(struct sl_secure *secure);

/* The TLS that the new configuration has for an address of `listen`, or NULL: none. Borrowed. */
struct sl_tls_server *sl_secure_listener(const struct sl_secure *secure,
					 const struct sl_config *config,
					 const struct sl_endpoint *endpoint);

#endif
