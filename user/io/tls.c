/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls.c - connections: handshake, records in, records out, ends.
 *
 *   state      meaning                                   leaves by
 *   SHAKE      handshake under way, bounded by a timer   done -> OPEN; failure -> FAILED
 *   OPEN       bytes both ways                           close_notify -> ENDED; failure -> FAILED
 *   ENDED      the peer sends no more; we may            failure -> FAILED
 *   FAILED     told to the owner; an alert may be queued
 *
 * The socket's ops are replaced by a table inside struct tls, so that a socket finds its TLS state
 * by its ops and a plain socket needs no field for it. OpenSSL's one BIO reads from the bytes that
 * the loop lends for the length of a call, and writes into the output queue: it never blocks, and
 * the only copies are its own into and out of its record buffer.
 */
#include "user/io/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/io/backend.h"
#include "user/io/tls_context.h"

#define TROUBLE_BYTES  256u
#define IDENTITY_BYTES 256u

enum tls_state { SHAKE = 0, OPEN, ENDED, FAILED };

struct tls {
	struct sl_socket_ops ops; /* first: socket->ops points here */
	const struct sl_socket_ops *owner;
	struct sl_socket *socket;
	struct sl_tls_context *context;
	SSL *ssl;
	struct sl_socket_queue plain;
	uint32_t plain_bytes;
	uint32_t unasked_bytes; /* written while reading, since the queue was last empty */
	uint8_t state;
	bool begun;	 /* the peer's first byte was seen */
	bool reading;	 /* inside on_data */
	bool notified;	 /* our close_notify is written */
	uint8_t refused; /* enum sl_tls_failure of the peer's certificate */
	const char *in;
	size_t in_len; /* lent by the loop, not yet taken */
	struct sl_timer timer;
	char *trouble;
	char *identity;
};

const char *const sl_tls_failure_names[SL_TLS_FAILED_COUNT] = {
#define X(id, name) [SL_TLS_FAILED_##id] = name,
	SL_TLS_FAILURES(X)
#undef X
};

const struct sl_tls_stats *sl_tls_stats(const struct sl_loop *loop)
{
	return &loop->tls_stats;
}

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static struct tls *tls_of(const struct sl_socket *socket)
{
	return (struct tls *)(void *)socket->ops;
}

/* ---- the BIO: the loop's bytes in, the socket's queue out --------------------------------------
 */

static int bio_read(BIO *bio, char *buf, int len)
{
	struct tls *tls = BIO_get_data(bio);
	size_t part = tls->in_len < (size_t)len ? tls->in_len : (size_t)len;

	BIO_clear_retry_flags(bio);
	if (!part) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(buf, tls->in, part);
	tls->in += part;
	tls->in_len -= part;
	return (int)part;
}

/* A peer may ask for output (key updates, alerts) without reading any: bounded. */
static int bio_write(BIO *bio, const char *buf, int len)
{
	struct tls *tls = BIO_get_data(bio);

	if (tls->reading) {
		if (!tls->socket->out_bytes)
			tls->unasked_bytes = 0;
		tls->unasked_bytes += (uint32_t)len;
		if (tls->unasked_bytes > SL_TLS_UNASKED_MAX)
			return -1;
	}
	return sl_socket_put_out(tls->socket, buf, (size_t)len) ? -1 : len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

int sl_tls_context_init(struct sl_tls_context *context, enum sl_tls_role role,
			uint32_t handshake_ms)
{
	*context = (struct sl_tls_context){.refs = 1, .role = role, .handshake_ms = handshake_ms};
	context->bio = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "sluice");
	context->ctx = sl_tls_context_new_ctx(role);
	if (!context->bio || !context->ctx || !BIO_meth_set_read(context->bio, bio_read) ||
	    !BIO_meth_set_write(context->bio, bio_write) ||
	    !BIO_meth_set_ctrl(context->bio, bio_ctrl)) {
		sl_tls_context_fini(context);
		return -ENOMEM;
	}
	return 0;
}

void sl_tls_context_fini(struct sl_tls_context *context)
{
	SSL_CTX_free(context->ctx);
	BIO_meth_free(context->bio);
	context->ctx = NULL;
	context->bio = NULL;
}

/* ---- failures ---------------------------------------------------------------------------------
 */

static void fail(struct tls *tls, enum sl_tls_failure failure, int error, const char *text)
{
	struct sl_socket *socket = tls->socket;
	bool shaking = tls->state == SHAKE;

	if (tls->state == FAILED)
		return;
	tls->state = FAILED;
	sl_timer_cancel(socket->loop, &tls->timer);
	if (shaking)
		count(&socket->loop->tls_stats.failed[tls->context->role][failure]);
	free(tls->trouble);
	tls->trouble = strdup(text);
	sl_block_queue_drop(&socket->loop->blocks, &tls->plain);
	tls->plain_bytes = 0;
	if (socket->state != SL_SOCKET_OPEN)
		return;
	if (shaking && tls->context->role == SL_TLS_CLIENT)
		tls->owner->connected(socket, error);
	else if (tls->owner->error)
		tls->owner->error(socket, error);
}

/* OpenSSL's callback: what is wrong with a certificate is known here best. */
int sl_tls_on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	const char *name = "the client";
	char text[TROUBLE_BYTES];

	if (ok || tls->trouble)
		return ok;
	if (tls->context->role == SL_TLS_CLIENT)
		name = sl_tls_client_name((struct sl_tls_client *)tls->context);
	tls->refused = (uint8_t)sl_tls_verify_words(name, X509_STORE_CTX_get_error(store),
						    X509_STORE_CTX_get_current_cert(store), text,
						    sizeof(text));
	tls->trouble = strdup(text);
	return 0;
}

static enum sl_tls_failure failure_of(unsigned long code)
{
	int reason = ERR_GET_REASON(code);

	if (ERR_GET_LIB(code) != ERR_LIB_SSL)
		return SL_TLS_FAILED_LOCAL;
	if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return SL_TLS_FAILED_NO_CERTIFICATE;
	if (reason >= SSL_AD_REASON_OFFSET)
		return SL_TLS_FAILED_REFUSED;
	return SL_TLS_FAILED_PROTOCOL;
}

/* OpenSSL gave up: why. */
static void fail_ssl(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	enum sl_tls_failure failure = failure_of(code);
	char text[TROUBLE_BYTES], reason[TROUBLE_BYTES / 2];

	if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
	    ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		failure = (enum sl_tls_failure)tls->refused;
		snprintf(text, sizeof(text), "%s", tls->trouble ? tls->trouble : "no memory");
		ERR_clear_error();
	} else {
		snprintf(text, sizeof(text), "TLS: %s%s",
			 failure == SL_TLS_FAILED_REFUSED ? "the peer refuses: " : "",
			 sl_tls_reason(reason, sizeof(reason)));
	}
	fail(tls, failure, -EPROTO, text);
}

static void expired(struct sl_timer *timer)
{
	struct tls *tls = SL_OWNER_OF(timer, struct tls, timer);

	fail(tls, SL_TLS_FAILED_TIMEOUT, -ETIMEDOUT, "the TLS handshake did not end in time");
}

/* ---- handshake --------------------------------------------------------------------------------
 */

static void keep_identity(struct tls *tls)
{
	X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
	char text[IDENTITY_BYTES];
	BIO *out;
	int len;

	if (!certificate)
		return;
	out = BIO_new(BIO_s_mem());
	if (out && X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0,
				      XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
		len = BIO_read(out, text, sizeof(text) - 1);
		text[len > 0 ? len : 0] = '\0';
		tls->identity = strdup(text);
	}
	BIO_free(out);
	X509_free(certificate);
}

static void shake(struct tls *tls)
{
	struct sl_socket *socket = tls->socket;
	enum sl_tls_role role = tls->context->role;
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(tls->ssl);
	if (rc != 1) {
		if (SSL_get_error(tls->ssl, rc) != SSL_ERROR_WANT_READ)
			fail_ssl(tls);
		return;
	}
	tls->state = OPEN;
	sl_socket_mark_dirty(socket); /* for what was queued before */
	sl_timer_cancel(socket->loop, &tls->timer);
	count(&socket->loop->tls_stats.ok[role]);
	if (SSL_session_reused(tls->ssl))
		count(&socket->loop->tls_stats.resumed[role]);
	if (role == SL_TLS_SERVER)
		keep_identity(tls);
	else
		tls->owner->connected(socket, 0);
}

/* A request that begins with a method's name, where a handshake was to come (0x16, or 0x80 of a
 * very old client). */
static bool is_plain_http(char first)
{
	return first >= 'A' && first <= 'Z';
}

static void refuse_plain(struct tls *tls)
{
	static const char body[] =
		"{\"error\":{\"message\":\"This port speaks TLS: use https:// here.\","
		"\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"tls_required\"}}\n";
	char answer[512];
	int len = snprintf(answer, sizeof(answer),
			   "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
			   "connection: close\r\ncontent-length: %zu\r\n\r\n%s",
			   sizeof(body) - 1, body);

	(void)sl_socket_put_out(tls->socket, answer, (size_t)len);
	fail(tls, SL_TLS_FAILED_PLAIN, -EPROTO, "plain HTTP on a port that speaks TLS");
}

/* ---- the socket's callbacks -------------------------------------------------------------------
 */

static char *scratch_of(struct sl_loop *loop)
{
	if (!loop->tls_scratch)
		loop->tls_scratch = malloc(SL_TLS_SCRATCH_BYTES);
	return loop->tls_scratch;
}

/* Hands one record's bytes over. False: nothing more for now, or never. */
static bool read_some(struct tls *tls, char *scratch)
{
	int len;

	ERR_clear_error();
	len = SSL_read(tls->ssl, scratch, (int)SL_TLS_SCRATCH_BYTES);
	if (len > 0) {
		tls->owner->data(tls->socket, scratch, (size_t)len);
		return true;
	}
	switch (SSL_get_error(tls->ssl, len)) {
	case SSL_ERROR_WANT_READ:
		break;
	case SSL_ERROR_ZERO_RETURN:
		tls->state = ENDED;
		if (tls->owner->eof)
			tls->owner->eof(tls->socket);
		break;
	default:
		fail_ssl(tls);
		break;
	}
	return false;
}

static void on_data(struct sl_socket *socket, const char *buf, size_t len)
{
	struct tls *tls = tls_of(socket);
	char *scratch = scratch_of(socket->loop);

	if (tls->state >= ENDED)
		return;
	if (!scratch) {
		fail(tls, SL_TLS_FAILED_LOCAL, -ENOMEM, "no memory for a TLS record");
		return;
	}
	if (!tls->begun && tls->context->role == SL_TLS_SERVER && is_plain_http(buf[0])) {
		refuse_plain(tls);
		return;
	}
	tls->begun = true;
	tls->in = buf;
	tls->in_len = len;
	tls->reading = true;
	if (tls->state == SHAKE)
		shake(tls);
	while (tls->state == OPEN && socket->state == SL_SOCKET_OPEN && read_some(tls, scratch))
		;
	tls->reading = false;
	tls->in = NULL;
	tls->in_len = 0;
}

static void on_connected(struct sl_socket *socket, int error)
{
	struct tls *tls = tls_of(socket);

	if (error) {
		tls->state = FAILED;
		sl_timer_cancel(socket->loop, &tls->timer);
		tls->owner->connected(socket, error);
		return;
	}
	shake(tls);
}

static void on_eof(struct sl_socket *socket)
{
	struct tls *tls = tls_of(socket);

	if (tls->state == SHAKE)
		fail(tls, SL_TLS_FAILED_CLOSED, -ECONNRESET,
		     "the peer closed the connection in the TLS handshake");
	else if (tls->state == OPEN)
		fail(tls, SL_TLS_FAILED_CLOSED, -ECONNABORTED,
		     "the TLS stream was cut: no close_notify before its end");
}

static void on_error(struct sl_socket *socket, int error)
{
	struct tls *tls = tls_of(socket);

	fail(tls, SL_TLS_FAILED_CLOSED, error, sl_error_words(error));
}

static void on_drained(struct sl_socket *socket)
{
	struct tls *tls = tls_of(socket);

	if (tls->state != FAILED && tls->owner->drained)
		tls->owner->drained(socket);
}

/* ---- for socket.c -----------------------------------------------------------------------------
 */

struct sl_socket_queue *sl_tls_plain(struct sl_socket *socket)
{
	return &tls_of(socket)->plain;
}

uint32_t *sl_tls_plain_bytes(const struct sl_socket *socket)
{
	return &tls_of(socket)->plain_bytes;
}

const char *sl_tls_trouble(const struct sl_socket *socket)
{
	return tls_of(socket)->trouble;
}

static bool is_up(const struct tls *tls)
{
	return tls->state == OPEN || tls->state == ENDED;
}

static bool end_is_wanted(const struct sl_socket *socket)
{
	return (socket->flags & SL_SOCKET_F_SHUT_WANTED) || socket->state == SL_SOCKET_CLOSING;
}

void sl_tls_seal(struct sl_socket *socket)
{
	struct tls *tls = tls_of(socket);
	struct sl_socket_block *block;

	ERR_clear_error();
	while (is_up(tls) && (block = tls->plain.head)) {
		uint32_t len = block->end - block->start;

		if (len && SSL_write(tls->ssl, block->data + block->start, (int)len) != (int)len) {
			fail_ssl(tls);
			return;
		}
		tls->plain_bytes -= len;
		sl_block_queue_pop(&socket->loop->blocks, &tls->plain);
	}
	if (!is_up(tls) || tls->notified || !end_is_wanted(socket))
		return;
	tls->notified = true;
	SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

/*
 * NOW drops what is queued, but a peer that takes our end for a cut might ask again: where nothing
 * is queued, close_notify is sent. After a failure an alert or an answer in plain text is queued:
 * it is flushed. Neither waits longer than for a FIN.
 */
enum sl_socket_how sl_tls_on_close(struct sl_socket *socket, enum sl_socket_how how)
{
	struct tls *tls = tls_of(socket);

	sl_timer_cancel(socket->loop, &tls->timer);
	if (how == SL_SOCKET_RESET)
		return how;
	if (tls->state == FAILED) {
		if (!socket->out_bytes)
			return how;
		socket->flags |= SL_SOCKET_F_HURRY;
		return SL_SOCKET_FLUSH;
	}
	if (how == SL_SOCKET_NOW) {
		if (tls->state == SHAKE || sl_socket_pending(socket))
			return how;
		socket->flags |= SL_SOCKET_F_HURRY | SL_SOCKET_F_BRIEF;
	}
	return SL_SOCKET_FLUSH;
}

void sl_tls_release(struct sl_socket *socket)
{
	struct tls *tls = tls_of(socket);

	sl_timer_cancel(socket->loop, &tls->timer);
	/* Freed without a shutdown a session counts as broken and is not resumed. */
	if (tls->state != FAILED)
		SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(tls->ssl);
	sl_block_queue_drop(&socket->loop->blocks, &tls->plain);
	sl_tls_context_put(tls->context);
	socket->ops = tls->owner;
	socket->flags &= ~(uint32_t)SL_SOCKET_F_TLS;
	free(tls->trouble);
	free(tls->identity);
	free(tls);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

int sl_tls_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *tls = SSL_get_app_data(ssl);

	sl_tls_client_keep((struct sl_tls_client *)tls->context, session);
	return 1;
}

static int attach(struct sl_socket *socket, struct sl_tls_context *context)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	BIO *bio;

	assert(socket->state == SL_SOCKET_IDLE);
	if (!tls)
		return -ENOMEM;
	tls->ops = (struct sl_socket_ops){
		.connected = on_connected,
		.data = on_data,
		.eof = on_eof,
		.error = on_error,
		.drained = on_drained,
	};
	tls->owner = socket->ops;
	tls->socket = socket;
	tls->context = context;
	tls->ssl = SSL_new(context->ctx);
	bio = tls->ssl ? BIO_new(context->bio) : NULL;
	if (!bio) {
		SSL_free(tls->ssl);
		free(tls);
		return -ENOMEM;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_app_data(tls->ssl, tls);
	if (context->role == SL_TLS_SERVER)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	sl_timer_init(&tls->timer, expired);
	sl_timer_set(socket->loop, &tls->timer, context->handshake_ms);
	__atomic_fetch_add(&context->refs, 1, __ATOMIC_RELAXED);
	socket->ops = &tls->ops;
	socket->flags |= SL_SOCKET_F_TLS;
	return 0;
}

int sl_tls_accept(struct sl_socket *socket, struct sl_tls_server *server)
{
	return attach(socket, (struct sl_tls_context *)server);
}

int sl_tls_connect(struct sl_socket *socket, struct sl_tls_client *client)
{
	int rc = attach(socket, (struct sl_tls_context *)client);

	if (rc)
		return rc;
	rc = sl_tls_client_prepare(client, tls_of(socket)->ssl);
	if (rc)
		sl_tls_release(socket);
	return rc;
}

const char *sl_tls_identity(struct sl_socket *socket)
{
	return socket->flags & SL_SOCKET_F_TLS ? tls_of(socket)->identity : NULL;
}
