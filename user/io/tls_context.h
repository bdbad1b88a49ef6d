/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_context.h - what connections need of their contexts. Internal to io/.
 *
 *   tls_context.c  trust, names, sessions of clients; what both sides have in common
 *   tls_server.c   certificates, choice by name, client certificates, keys of tickets
 *   tls.c          connections
 */
#ifndef SL_IO_TLS_CONTEXT_H
#define SL_IO_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include "user/io/tls.h"

/* First member of both kinds. */
struct sl_tls_context {
	uint32_t refs;
	enum sl_tls_role role;
	SSL_CTX *ctx;
	BIO_METHOD *bio;
	uint32_t handshake_ms;
};

/* A context with the bounds that both sides have: TLS 1.2 at least, no renegotiation, buffers only
 * while they hold something. 0 or -ENOMEM. */
int sl_tls_context_init(struct sl_tls_context *context, enum sl_tls_role role,
			uint32_t handshake_ms);
void sl_tls_context_fini(struct sl_tls_context *context);
SSL_CTX *sl_tls_context_new_ctx(enum sl_tls_role role);

/* Authorities of a file: they are trusted. 0 or -EINVAL with the reason. */
int sl_tls_context_trust(SSL_CTX *ctx, const char *path, struct sl_error *error);

/* OpenSSL's newest reason in words; empties its queue. Returns out. */
const char *sl_tls_reason(char *out, size_t out_size);

/* Drops one reference; the last one frees. */
void sl_tls_context_put(struct sl_tls_context *context);

/* tls_context.c: what a client connection asks of a new SSL object, and the session to resume. 0 or
 * -ENOMEM. */
int sl_tls_client_prepare(struct sl_tls_client *client, SSL *ssl);
/* Remembers what the server gave for the next connection. Takes the reference. */
void sl_tls_client_keep(struct sl_tls_client *client, SSL_SESSION *session);
const char *sl_tls_client_name(const struct sl_tls_client *client);
/* "certificate of NAME has expired (1 Jan ...)": why `result` (X509_V_ERR_…) refuses it. */
enum sl_tls_failure sl_tls_verify_words(const char *name, long result, X509 *certificate, char *out,
					size_t out_size);

/* tls.c: the socket's end of a handshake calls this with the session (OpenSSL's new_session_cb). */
int sl_tls_on_session(SSL *ssl, SSL_SESSION *session);
/* The same for each certificate of the peer (SSL_CTX_set_verify). */
int sl_tls_on_verify(int ok, X509_STORE_CTX *store);

void sl_tls_server_free(struct sl_tls_server *server);
void sl_tls_client_free(struct sl_tls_client *client);

#endif
