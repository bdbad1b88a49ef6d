/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_context.c - what both sides have in common, and clients: trust, the server's name, sessions.
 *
 * A client context stands for one name. The newest session that its server gave is kept in it, so
 * that every thread's next connection resumes it; with TLS 1.3 a ticket is used once and the server
 * gives new ones.
 */
#include "user/io/tls_context.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_SHOWN_BYTES 128u

struct sl_tls_client {
	struct sl_tls_context context; /* first */
	pthread_mutex_t lock;
	SSL_SESSION *session; /* under lock */
	bool is_address;
	char name[SL_TLS_NAME_MAX + 1];
};

const char *sl_tls_reason(char *out, size_t out_size)
{
	unsigned long code = ERR_peek_error();
	const char *words = code ? ERR_reason_error_string(code) : NULL;

	if (words)
		snprintf(out, out_size, "%s", words);
	else if (code)
		ERR_error_string_n(code, out, out_size);
	else
		snprintf(out, out_size, "no reason given");
	ERR_clear_error();
	return out;
}

SSL_CTX *sl_tls_context_new_ctx(enum sl_tls_role role)
{
	SSL_CTX *ctx =
		SSL_CTX_new(role == SL_TLS_SERVER ? TLS_server_method() : TLS_client_method());

	if (!ctx)
		return NULL;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	/* Without DHE and CBC; the default list of TLS 1.3 is right. */
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20")) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

void sl_tls_context_put(struct sl_tls_context *context)
{
	if (__atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (context->role == SL_TLS_SERVER)
		sl_tls_server_free((struct sl_tls_server *)context);
	else
		sl_tls_client_free((struct sl_tls_client *)context);
}

int sl_tls_context_trust(SSL_CTX *ctx, const char *path, struct sl_error *error)
{
	char reason[128];

	ERR_clear_error();
	if (SSL_CTX_load_verify_file(ctx, path) == 1)
		return 0;
	return sl_error_set(error, -EINVAL,
			    "%s: no certificates of authorities can be read from it: %s (expected "
			    "PEM, -----BEGIN CERTIFICATE-----)",
			    path, sl_tls_reason(reason, sizeof(reason)));
}

/* ---- words for certificates -------------------------------------------------------------------
 */

/* "a.example, *.b.example": what it is made for. */
static void names_of(X509 *certificate, char *out, size_t out_size)
{
	GENERAL_NAMES *names =
		certificate ? X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL)
			    : NULL;
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		char address[INET6_ADDRSTRLEN] = "";
		const char *text = address;
		int len;

		if (name->type == GEN_DNS)
			text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
		else if (name->type == GEN_IPADD)
			inet_ntop(ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6,
				  ASN1_STRING_get0_data(name->d.iPAddress), address,
				  sizeof(address));
		else
			continue;
		len = snprintf(out + at, out_size - at, "%s%.60s", at ? ", " : "", text);
		if (len < 0 || (size_t)len >= out_size - at)
			break;
		at += (size_t)len;
	}
	GENERAL_NAMES_free(names);
}

static void time_words(const ASN1_TIME *time, char out[64])
{
	struct tm when;

	out[0] = '\0';
	if (time && ASN1_TIME_to_tm(time, &when))
		strftime(out, 64, "%Y-%m-%d %H:%M UTC", &when);
}

static void issuer_of(X509 *certificate, char *out, int out_size)
{
	snprintf(out, (size_t)out_size, "unknown");
	if (certificate)
		X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, out,
					  out_size);
}

enum sl_tls_failure sl_tls_verify_words(const char *name, long result, X509 *certificate, char *out,
					size_t out_size)
{
	char detail[NAMES_SHOWN_BYTES];

	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		time_words(certificate ? X509_get0_notAfter(certificate) : NULL, detail);
		snprintf(out, out_size, "certificate of %s has expired (%s)", name, detail);
		return SL_TLS_FAILED_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		time_words(certificate ? X509_get0_notBefore(certificate) : NULL, detail);
		snprintf(out, out_size, "certificate of %s is not valid before %s", name, detail);
		return SL_TLS_FAILED_EXPIRED;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		names_of(certificate, detail, sizeof(detail));
		snprintf(out, out_size, "certificate of %s is made for other names: %s", name,
			 detail[0] ? detail : "none");
		return SL_TLS_FAILED_NAME;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		issuer_of(certificate, detail, sizeof(detail));
		snprintf(out, out_size,
			 "certificate of %s is signed by \"%s\", which is not trusted here", name,
			 detail);
		return SL_TLS_FAILED_UNKNOWN_CA;
	default:
		snprintf(out, out_size, "certificate of %s is refused: %s", name,
			 X509_verify_cert_error_string(result));
		return SL_TLS_FAILED_CERTIFICATE;
	}
}

/* ---- clients ----------------------------------------------------------------------------------
 */

static int trust(SSL_CTX *ctx, const struct sl_tls_client_options *options, struct sl_error *error)
{
	if (options->ca)
		return sl_tls_context_trust(ctx, options->ca, error);
	if (SSL_CTX_set_default_verify_paths(ctx) == 1)
		return 0;
	return sl_error_set(error, -EINVAL,
			    "the system's certificates of authorities cannot be read (install "
			    "ca-certificates, or name a file by the key \"ca\")");
}

static int set_name(struct sl_tls_client *client)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(client->context.ctx);

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (client->is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(param, client->name);
	return X509_VERIFY_PARAM_set1_host(param, client->name, 0);
}

int sl_tls_client_open(const struct sl_tls_client_options *options,
		       struct sl_tls_client **ret_client, struct sl_error *error)
{
	static const unsigned char protocols[] = "\x08http/1.1";
	struct sl_tls_client *client;
	unsigned char address[16];
	int rc;

	if (strlen(options->name) > SL_TLS_NAME_MAX)
		return sl_error_set(error, -EINVAL, "%s: the name is too long", options->name);
	client = calloc(1, sizeof(*client));
	if (!client ||
	    sl_tls_context_init(&client->context, SL_TLS_CLIENT, options->handshake_ms)) {
		free(client);
		return -ENOMEM;
	}
	pthread_mutex_init(&client->lock, NULL);
	snprintf(client->name, sizeof(client->name), "%s", options->name);
	client->is_address = inet_pton(AF_INET, client->name, address) == 1 ||
			     inet_pton(AF_INET6, client->name, address) == 1;
	SSL_CTX_set_verify(client->context.ctx, SSL_VERIFY_PEER, sl_tls_on_verify);
	SSL_CTX_set_session_cache_mode(client->context.ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client->context.ctx, sl_tls_on_session);
	rc = trust(client->context.ctx, options, error);
	if (!rc && (!set_name(client) ||
		    SSL_CTX_set_alpn_protos(client->context.ctx, protocols, sizeof(protocols) - 1)))
		rc = -ENOMEM;
	if (rc) {
		sl_tls_client_free(client);
		return rc;
	}
	*ret_client = client;
	return 0;
}

struct sl_tls_client *sl_tls_client_get(struct sl_tls_client *client)
{
	__atomic_fetch_add(&client->context.refs, 1, __ATOMIC_RELAXED);
	return client;
}

void sl_tls_client_put(struct sl_tls_client **client)
{
	if (*client)
		sl_tls_context_put(&(*client)->context);
	*client = NULL;
}

void sl_tls_client_free(struct sl_tls_client *client)
{
	SSL_SESSION_free(client->session);
	sl_tls_context_fini(&client->context);
	pthread_mutex_destroy(&client->lock);
	free(client);
}

int sl_tls_client_prepare(struct sl_tls_client *client, SSL *ssl)
{
	SSL_SESSION *session;

	if (!client->is_address && !SSL_set_tlsext_host_name(ssl, client->name))
		return -ENOMEM;
	pthread_mutex_lock(&client->lock);
	session = client->session;
	if (session)
		SSL_SESSION_up_ref(session);
	pthread_mutex_unlock(&client->lock);
	if (session && SSL_SESSION_is_resumable(session))
		SSL_set_session(ssl, session);
	SSL_SESSION_free(session);
	return 0;
}

void sl_tls_client_keep(struct sl_tls_client *client, SSL_SESSION *session)
{
	SSL_SESSION *old;

	pthread_mutex_lock(&client->lock);
	old = client->session;
	client->session = session;
	pthread_mutex_unlock(&client->lock);
	SSL_SESSION_free(old);
}

const char *sl_tls_client_name(const struct sl_tls_client *client)
{
	return client->name;
}
