/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/secure.h"

#include <string.h>
#include "user/base/address.h"
#include "user/base/log.h"

static int open_listener(const struct sl_config *config, uint32_t index,
			 struct sl_tls_tickets *tickets, bool reload,
			 struct sl_tls_server **ret_tls, struct sl_error *error)
{
	const struct sl_config_tls *tls = config->listen_tls[index];
	struct sl_tls_server_options options = {
		.certificates = tls->certificates.paths,
		.keys = tls->keys.paths,
		.count = tls->certificates.count,
		.client_ca = tls->client_ca,
		.client_required = tls->client == SL_CONFIG_CLIENT_REQUIRED,
		.refuse_expired = reload,
		.handshake_ms = config->header_timeout_ms,
		.tickets = tickets,
		.http2 = config->http2_streams_max > 0,
	};
	char text[SL_ADDRESS_TEXT_SIZE];
	int rc = sl_tls_server_open(&options, ret_tls, error);

	sl_address_format(&config->listen[index], text);
	if (rc)
		return sl_error_prefix(error, rc, "listen %s", text);
	if (error->text[0])
		sl_log(SL_LOG_WARN, "listen %s: %s", text, error->text);
	return 0;
}

int sl_secure_build(const struct sl_config *config, struct sl_tls_tickets *tickets,
		    struct sl_peers *book, bool reload, struct sl_secure *ret_secure,
		    struct sl_error *error)
{
	struct sl_secure secure = {.listeners = {NULL}};
	uint32_t i;
	int rc = 0;

	for (i = 0; i < config->listen_count && !rc; i++) {
		if (config->listen_tls[i])
			rc = open_listener(config, i, tickets, reload, &secure.listeners[i], error);
	}
	if (!rc)
		rc = sl_peers_build(book, config, &secure.peers, error);
	if (rc) {
		sl_secure_fini(&secure);
		return rc;
	}
	*ret_secure = secure;
	return 0;
}

void sl_secure_fini(struct sl_secure *secure)
{
	uint32_t i;

	for (i = 0; i < SL_CONFIG_LISTEN_MAX; i++)
		sl_tls_server_put(&secure->listeners[i]);
	sl_peer_list_fini(&secure->peers);
}

struct sl_tls_server *sl_secure_listener(const struct sl_secure *secure,
					 const struct sl_config *config,
					 const struct sl_endpoint *endpoint)
{
	uint32_t i;

	for (i = 0; i < config->listen_count; i++) {
		if (sl_address_equal(&config->listen[i], endpoint))
			return secure->listeners[i];
	}
	return NULL;
}
