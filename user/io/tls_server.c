/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_server.c - what a listener presents: certificates chosen by the client's name, trust in the
 * clients' own, and tickets by which sessions are resumed.
 *
 * Tickets are sealed by keys of the process, made anew every hour; those of the two hours before
 * still open. They outlive a reload. A ticket of a listener that asks for client certificates holds
 * for listeners with the same authorities only: session id contexts differ.
 */
#include "user/io/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "user/base/clock.h"

#define TICKET_KEYS	 (SL_TLS_TICKET_HOURS + 1u)
#define TICKET_EVERY_MS	 3600000ull
#define TICKET_NAME	 16u
#define TICKET_KEY_BYTES 32u

struct ticket_key {
	unsigned char name[TICKET_NAME];
	unsigned char cipher[TICKET_KEY_BYTES], mac[TICKET_KEY_BYTES];
	uint64_t born_ms; /* 0: none yet */
};

struct sl_tls_tickets {
	pthread_mutex_t lock;
	struct ticket_key keys[TICKET_KEYS]; /* newest first; under lock */
};

struct sl_tls_server {
	struct sl_tls_context context;		/* first */
	SSL_CTX *ctxs[SL_TLS_CERTIFICATES_MAX]; /* one a certificate; the first is context.ctx */
	uint32_t count;
	bool http2;
	int64_t not_after;
};

/* ---- tickets ----------------------------------------------------------------------------------
 */

int sl_tls_tickets_open(struct sl_tls_tickets **ret_tickets)
{
	struct sl_tls_tickets *tickets = calloc(1, sizeof(*tickets));

	if (!tickets)
		return -ENOMEM;
	pthread_mutex_init(&tickets->lock, NULL);
	*ret_tickets = tickets;
	return 0;
}

void sl_tls_tickets_close(struct sl_tls_tickets **tickets)
{
	if (!*tickets)
		return;
	OPENSSL_cleanse((*tickets)->keys, sizeof((*tickets)->keys));
	pthread_mutex_destroy(&(*tickets)->lock);
	free(*tickets);
	*tickets = NULL;
}

/* Makes a new first key where the present one is old. False: no random bytes. */
static bool renew(struct sl_tls_tickets *tickets)
{
	uint64_t now_ms = sl_clock_ms();
	struct ticket_key key = {.born_ms = now_ms};

	if (tickets->keys[0].born_ms && now_ms - tickets->keys[0].born_ms < TICKET_EVERY_MS)
		return true;
	if (RAND_bytes(key.name, sizeof(key.name)) != 1 ||
	    RAND_bytes(key.cipher, sizeof(key.cipher)) != 1 ||
	    RAND_bytes(key.mac, sizeof(key.mac)) != 1)
		return false;
	memmove(tickets->keys + 1, tickets->keys, sizeof(key) * (TICKET_KEYS - 1));
	tickets->keys[0] = key;
	OPENSSL_cleanse(&key, sizeof(key));
	return true;
}

/* Index of the key: the newest to seal, else the one of that name; TICKET_KEYS: none. */
static uint32_t find_key(struct sl_tls_tickets *tickets, const unsigned char *name, bool seal,
			 struct ticket_key *ret_key)
{
	uint64_t now_ms = sl_clock_ms();
	uint32_t i = TICKET_KEYS;

	pthread_mutex_lock(&tickets->lock);
	if (renew(tickets)) {
		for (i = 0; i < TICKET_KEYS && !seal; i++) {
			const struct ticket_key *key = &tickets->keys[i];

			if (key->born_ms && now_ms - key->born_ms < TICKET_KEYS * TICKET_EVERY_MS &&
			    !memcmp(key->name, name, TICKET_NAME))
				break;
		}
		if (i < TICKET_KEYS)
			*ret_key = tickets->keys[i];
	}
	pthread_mutex_unlock(&tickets->lock);
	return i;
}

/* OpenSSL's callback: 1 and 2: the contexts are set (2: give a fresh ticket), 0: unknown key. A
 * ticket of TLS 1.3 serves once, so its user gets a new one (RFC 8446, C.4). */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int seal)
{
	struct sl_tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	char digest[] = "sha256";
	struct ticket_key key;
	uint32_t index = find_key(tickets, name, seal, &key);
	OSSL_PARAM params[3];
	int rc;

	if (index == TICKET_KEYS)
		return 0;
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, sizeof(key.mac));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	rc = EVP_MAC_CTX_set_params(mac, params);
	if (seal) {
		memcpy(name, key.name, TICKET_NAME);
		rc = rc && RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
		     EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv);
	} else {
		rc = rc && EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv);
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return !rc ? -1 : !seal && (index || SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

/* ---- choosing ---------------------------------------------------------------------------------
 */

/* Among the protocols that we speak; a client that speaks none of them is told so (RFC 7301, 3.2).
 */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		   const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x02h2\x08http/1.1"; /* in the order of preference */
	const struct sl_tls_server *server = arg;
	unsigned skip = server->http2 ? 0 : 3;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, ours + skip, sizeof(ours) - 1 - skip, in,
				  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* The certificate that is made for the name the client says; else the first. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	const struct sl_tls_server *server = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	for (uint32_t i = 0; name && i < server->count; i++) {
		X509 *certificate = SSL_CTX_get0_certificate(server->ctxs[i]);

		if (X509_check_host(certificate, name, 0, 0, NULL) != 1)
			continue;
		if (i)
			SSL_set_SSL_CTX(ssl, server->ctxs[i]);
		break;
	}
	return SSL_TLSEXT_ERR_OK;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static int no_password(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

/* OpenSSL's words for a missing file are none. */
static int check_readable(const char *path, struct sl_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return sl_error_set(error, -EINVAL, "%s: cannot be read: %s", path,
				    strerror(errno));
	close(fd);
	return 0;
}

/* An expired certificate would shut every client out: it replaces none, but starts with a warning,
 * because other listeners may serve. */
static int check_dates(SSL_CTX *ctx, const char *path, bool refuse, int64_t *ret_not_after,
		       struct sl_error *error)
{
	const X509 *certificate = SSL_CTX_get0_certificate(ctx);
	const ASN1_TIME *end = X509_get0_notAfter(certificate);
	const char *what = NULL;
	struct tm when;
	char text[64];

	if (!ASN1_TIME_to_tm(end, &when))
		return sl_error_set(error, -EINVAL, "%s: the certificate has no valid end", path);
	*ret_not_after = (int64_t)timegm(&when);
	if (X509_cmp_current_time(end) < 0) {
		what = "has expired";
	} else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
		what = "is not valid yet";
		ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &when);
	}
	if (!what)
		return 0;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &when);
	sl_error_set(error, 0, "%s: the certificate %s (%s): clients refuse it", path, what, text);
	return refuse ? -EINVAL : 0;
}

static int load_pair(SSL_CTX *ctx, const char *certificate, const char *key, struct sl_error *error)
{
	char reason[128];
	int rc = check_readable(certificate, error);

	if (!rc)
		rc = check_readable(key, error);
	if (rc)
		return rc;
	ERR_clear_error();
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
		return sl_error_set(error, -EINVAL,
				    "%s: no certificate can be read from it: %s (expected PEM: the "
				    "server's certificate, then those of its authorities)",
				    certificate, sl_tls_reason(reason, sizeof(reason)));
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		bool mismatch = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH ||
				ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_TYPE_MISMATCH;

		if (mismatch) {
			ERR_clear_error();
			return sl_error_set(error, -EINVAL,
					    "%s: this key does not belong to the certificate %s",
					    key, certificate);
		}
		return sl_error_set(error, -EINVAL,
				    "%s: no key can be read from it: %s (expected a PEM private "
				    "key without a password)",
				    key, sl_tls_reason(reason, sizeof(reason)));
	}
	if (SSL_CTX_check_private_key(ctx) == 1)
		return 0;
	return sl_error_set(error, -EINVAL,
			    "%s: this key does not belong to the certificate %s: %s", key,
			    certificate, sl_tls_reason(reason, sizeof(reason)));
}

/* A name for "these authorities, asked for like this". */
static int name_sessions(SSL_CTX *ctx, const struct sl_tls_server_options *options)
{
	unsigned char id[EVP_MAX_MD_SIZE] = "sluice", buf[4096];
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	BIO *file = options->client_ca ? BIO_new_file(options->client_ca, "r") : NULL;
	bool ok = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
	int len;

	if (ok)
		ok = EVP_DigestUpdate(digest, options->client_required ? "r" : "o", 1);
	while (ok && file && (len = BIO_read(file, buf, sizeof(buf))) > 0)
		ok = EVP_DigestUpdate(digest, buf, (size_t)len);
	if (ok)
		ok = EVP_DigestFinal_ex(digest, id, NULL) &&
		     SSL_CTX_set_session_id_context(ctx, id, SSL_MAX_SID_CTX_LENGTH);
	BIO_free(file);
	EVP_MD_CTX_free(digest);
	return ok ? 0 : -ENOMEM;
}

static int ask_clients(SSL_CTX *ctx, const struct sl_tls_server_options *options,
		       struct sl_error *error)
{
	int mode = SSL_VERIFY_PEER;
	int rc = check_readable(options->client_ca, error);

	if (!rc)
		rc = sl_tls_context_trust(ctx, options->client_ca, error);
	if (rc)
		return rc;
	if (options->client_required)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, sl_tls_on_verify);
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(options->client_ca));
	return 0;
}

static int set_up(struct sl_tls_server *server, uint32_t index,
		  const struct sl_tls_server_options *options, struct sl_error *error)
{
	SSL_CTX *ctx = index ? sl_tls_context_new_ctx(SL_TLS_SERVER) : server->context.ctx;
	int64_t not_after = 0;
	int rc;

	if (!ctx)
		return -ENOMEM;
	server->ctxs[index] = ctx;
	server->count = index + 1;
	SSL_CTX_set_app_data(ctx, options->tickets);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets hold the state */
	SSL_CTX_set_timeout(ctx, (long)(SL_TLS_TICKET_HOURS * 3600));
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, server);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, server);
	rc = load_pair(ctx, options->certificates[index], options->keys[index], error);
	if (!rc)
		rc = check_dates(ctx, options->certificates[index], options->refuse_expired,
				 &not_after, error);
	if (!rc && options->client_ca)
		rc = ask_clients(ctx, options, error);
	if (!rc)
		rc = name_sessions(ctx, options);
	if (!server->not_after || not_after < server->not_after)
		server->not_after = not_after;
	return rc;
}

int sl_tls_server_open(const struct sl_tls_server_options *options,
		       struct sl_tls_server **ret_server, struct sl_error *error)
{
	struct sl_tls_server *server = calloc(1, sizeof(*server));
	int rc = 0;

	error->text[0] = '\0';
	if (!server ||
	    sl_tls_context_init(&server->context, SL_TLS_SERVER, options->handshake_ms)) {
		free(server);
		return sl_error_set(error, -ENOMEM, "no memory for TLS");
	}
	server->http2 = options->http2;
	for (uint32_t i = 0; i < options->count && !rc; i++)
		rc = set_up(server, i, options, error);
	if (rc) {
		sl_tls_server_free(server);
		return error->text[0] ? rc : sl_error_set(error, rc, "no memory for TLS");
	}
	*ret_server = server;
	return 0;
}

struct sl_tls_server *sl_tls_server_get(struct sl_tls_server *server)
{
	__atomic_fetch_add(&server->context.refs, 1, __ATOMIC_RELAXED);
	return server;
}

void sl_tls_server_put(struct sl_tls_server **server)
{
	if (*server)
		sl_tls_context_put(&(*server)->context);
	*server = NULL;
}

void sl_tls_server_free(struct sl_tls_server *server)
{
	for (uint32_t i = 1; i < server->count; i++)
		SSL_CTX_free(server->ctxs[i]);
	sl_tls_context_fini(&server->context);
	free(server);
}

int64_t sl_tls_server_not_after(const struct sl_tls_server *server)
{
	return server->not_after;
}
