/* SPDX-License-Identifier: BSD-2-Clause */
/* tls.c - TLS on sockets, on both back ends; certificates are made here. */
#include "tests/unit/io/pair.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include "user/io/tls.h"

#define DAY_S 86400

static char dir[64];
static char pattern[1 << 20];
static struct sl_tls_tickets *tickets;

/* ---- certificates ----------------------------------------------------------------------------
 */

struct made {
	EVP_PKEY *key;
	X509 *certificate;
	char pem[128], key_pem[128];
};

static struct made authority, stranger, good, other, expired, agent;

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* issuer NULL: an authority. names: a value of subjectAltName, or NULL. */
static void make(struct made *made, const char *file, const char *common, const char *names,
		 const struct made *issuer, long from_s, long to_s)
{
	static long serial = 1;
	X509_NAME *subject;
	FILE *out;

	made->key = EVP_EC_gen("P-256");
	made->certificate = X509_new();
	X509_set_version(made->certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made->certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made->certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(made->certificate), to_s);
	X509_set_pubkey(made->certificate, made->key);
	subject = X509_get_subject_name(made->certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common, -1,
				   -1, 0);
	X509_set_issuer_name(made->certificate,
			     issuer ? X509_get_subject_name(issuer->certificate) : subject);
	if (!issuer)
		add_extension(made->certificate, NID_basic_constraints, "critical,CA:TRUE");
	if (names)
		add_extension(made->certificate, NID_subject_alt_name, names);
	assert_true(X509_sign(made->certificate, issuer ? issuer->key : made->key, EVP_sha256()));
	snprintf(made->pem, sizeof(made->pem), "%s/%s.pem", dir, file);
	snprintf(made->key_pem, sizeof(made->key_pem), "%s/%s.key", dir, file);
	out = fopen(made->pem, "w");
	PEM_write_X509(out, made->certificate);
	fclose(out);
	out = fopen(made->key_pem, "w");
	PEM_write_PrivateKey(out, made->key, NULL, NULL, 0, NULL, NULL);
	fclose(out);
}

static void unmake(struct made *made)
{
	EVP_PKEY_free(made->key);
	X509_free(made->certificate);
	unlink(made->pem);
	unlink(made->key_pem);
}

static int make_all(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/sluice-tls-XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)(i * 31 + i / 251);
	make(&authority, "ca", "Test Authority", NULL, NULL, -DAY_S, DAY_S);
	make(&stranger, "stranger", "Somebody Else", NULL, NULL, -DAY_S, DAY_S);
	make(&good, "good", "node", "DNS:node.test,IP:127.0.0.1", &authority, -DAY_S, DAY_S);
	make(&other, "other", "other", "DNS:*.other.test", &authority, -DAY_S, DAY_S);
	make(&expired, "expired", "node", "DNS:node.test", &authority, -3 * DAY_S, -DAY_S);
	make(&agent, "agent", "agent-7", NULL, &authority, -DAY_S, DAY_S);
	assert_int_equal(sl_tls_tickets_open(&tickets), 0);
	return 0;
}

static int unmake_all(void **state)
{
	(void)state;
	unmake(&authority);
	unmake(&stranger);
	unmake(&good);
	unmake(&other);
	unmake(&expired);
	unmake(&agent);
	rmdir(dir);
	sl_tls_tickets_close(&tickets);
	return 0;
}

static struct sl_tls_server *server_with(const struct made *first, const struct made *second,
					 const char *client_ca, bool required)
{
	const char *certificates[] = {first->pem, second ? second->pem : NULL};
	const char *keys[] = {first->key_pem, second ? second->key_pem : NULL};
	struct sl_tls_server_options options = {
		.certificates = certificates,
		.keys = keys,
		.count = second ? 2 : 1,
		.client_ca = client_ca,
		.client_required = required,
		.handshake_ms = 10000,
		.tickets = tickets,
	};
	struct sl_tls_server *server = NULL;
	struct sl_error error;

	assert_int_equal(sl_tls_server_open(&options, &server, &error), 0);
	return server;
}

static struct sl_tls_client *client_for(const char *name, const char *ca)
{
	struct sl_tls_client_options options = {.name = name, .ca = ca, .handshake_ms = 10000};
	struct sl_tls_client *client = NULL;
	struct sl_error error;

	assert_int_equal(sl_tls_client_open(&options, &client, &error), 0);
	return client;
}

/* ---- a pair that speaks TLS ------------------------------------------------------------------
 */

/* Both ends, the handshake under way. */
static void pair_start(struct world *world, struct end *client, struct end *server,
		       struct sl_tls_client *how, struct sl_tls_server *served)
{
	end_init(world, client);
	end_init(world, server);
	assert_int_equal(sl_tls_accept(&server->socket, served), 0);
	if (how)
		assert_int_equal(sl_tls_connect(&client->socket, how), 0);
	world->waiting = server;
	world->last = NULL;
	assert_int_equal(sl_socket_connect(&client->socket, (struct sockaddr *)&world->addr,
					   sizeof(world->addr)),
			 0);
	TURN_UNTIL(world, world->last);
}

static void pair(struct world *world, struct end *client, struct end *server,
		 struct sl_tls_client *how, struct sl_tls_server *served)
{
	pair_start(world, client, server, how, served);
	TURN_UNTIL(world, client->connected);
	assert_int_equal(client->connected_error, 0);
	assert_null(sl_socket_trouble(&client->socket));
}

static void test_echo(void **state)
{
	struct sl_tls_server *served = server_with(&good, NULL, NULL, false);
	struct sl_tls_client *how = client_for("node.test", authority.pem);
	struct end client, server;
	struct world world;

	world_open(&world, options_of(state));
	pair(&world, &client, &server, how, served);
	server.peer = &server;
	for (int i = 1; i <= 100; i++) {
		assert_int_equal(sl_socket_send(&client.socket, pattern, 100), 0);
		assert_int_equal(sl_socket_send(&client.socket, pattern + 100, 100), 0);
		assert_true(sl_socket_pending(&client.socket) >= 200);
		TURN_UNTIL(&world, client.got == 200u * (unsigned)i);
	}
	assert_int_equal(client.sum, server.sum);
	assert_null(sl_tls_identity(&server.socket));
	end_finish(&world, &client, SL_SOCKET_NOW);
	TURN_UNTIL(&world, server.eof); /* NOW says close_notify */
	assert_int_equal(server.error, 0);
	end_finish(&world, &server, SL_SOCKET_FLUSH);
	assert_int_equal(sl_tls_stats(world.loop)->ok[SL_TLS_SERVER], 1);
	assert_int_equal(sl_tls_stats(world.loop)->ok[SL_TLS_CLIENT], 1);
	world_close(&world);
	sl_tls_client_put(&how);
	sl_tls_server_put(&served);
}

/* 8 MiB against a reader that pauses: all of it, drained() below the mark, FLUSH sends the rest. */
static void test_large(void **state)
{
	struct sl_tls_server *served = server_with(&good, NULL, NULL, false);
	struct sl_tls_client *how = client_for("node.test", authority.pem);
	struct end client, server;
	struct world world;
	uint64_t sum = 0;

	world_open(&world, options_of(state));
	pair(&world, &client, &server, how, served);
	server.discard = true;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(sl_socket_send(&client.socket, pattern, sizeof(pattern)), 0);
		sum = sum_of(sum, pattern, sizeof(pattern));
	}
	assert_true(sl_socket_pending(&client.socket) >= 8 * sizeof(pattern));
	TURN_UNTIL(&world, server.got > 100000);
	sl_socket_pause(&server.socket);
	for (int i = 0; i < 50; i++)
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
	assert_int_equal(client.drained, 0);
	sl_socket_resume(&server.socket);
	TURN_UNTIL(&world, server.got == 8 * sizeof(pattern) && client.drained == 1);
	assert_int_equal(server.sum, sum);
	assert_int_equal(sl_socket_send(&server.socket, pattern, 300000), 0);
	client.discard = true;
	client.close_on_eof = true;
	sl_socket_close(&server.socket, SL_SOCKET_FLUSH);
	TURN_UNTIL(&world, client.closed && server.closed);
	assert_int_equal(client.got, 300000);
	assert_int_equal(client.eof, 1);
	assert_int_equal(client.error + server.error, 0);
	world_close(&world);
	sl_tls_client_put(&how);
	sl_tls_server_put(&served);
}

/* reserve and commit, and a half-close: the other direction still works. */
static void test_half_close(void **state)
{
	struct sl_tls_server *served = server_with(&good, NULL, NULL, false);
	struct sl_tls_client *how = client_for("127.0.0.1", authority.pem); /* by address */
	struct end client, server;
	struct world world;
	char *room;

	world_open(&world, options_of(state));
	pair(&world, &client, &server, how, served);
	room = sl_socket_reserve(&client.socket, 16384);
	assert_non_null(room);
	memcpy(room, pattern, 5000);
	sl_socket_commit(&client.socket, 5000);
	sl_socket_shutdown(&client.socket);
	assert_int_equal(sl_socket_send(&client.socket, "x", 1), -EPIPE);
	TURN_UNTIL(&world, server.eof);
	assert_int_equal(server.got, 5000);
	assert_int_equal(server.sum, sum_of(0, pattern, 5000));
	assert_int_equal(sl_socket_send(&server.socket, pattern, 100000), 0);
	TURN_UNTIL(&world, client.got == 100000);
	end_finish(&world, &server, SL_SOCKET_NOW);
	end_finish(&world, &client, SL_SOCKET_NOW);
	assert_int_equal(client.error + server.error, 0);
	world_close(&world);
	sl_tls_client_put(&how);
	sl_tls_server_put(&served);
}

/* The second connection resumes the first one's session, also after the server's context was made
 * anew (a reload); one with other authorities for clients does not. */
static void test_resume(void **state)
{
	struct sl_tls_server *served = server_with(&good, NULL, NULL, false);
	struct sl_tls_client *how = client_for("node.test", authority.pem);
	struct end client, server;
	struct world world;

	world_open(&world, options_of(state));
	for (int i = 0; i < 4; i++) {
		if (i >= 2) {
			sl_tls_server_put(&served);
			served = server_with(&good, NULL, i == 3 ? authority.pem : NULL, false);
		}
		pair(&world, &client, &server, how, served);
		assert_int_equal(sl_socket_send(&server.socket, "x", 1), 0);
		TURN_UNTIL(&world, client.got == 1);
		end_finish(&world, &client, i % 2 ? SL_SOCKET_RESET : SL_SOCKET_NOW);
		TURN_UNTIL(&world, server.eof || server.error);
		end_finish(&world, &server, SL_SOCKET_NOW);
		assert_int_equal(sl_tls_stats(world.loop)->resumed[SL_TLS_SERVER], i < 3 ? i : 2);
		assert_int_equal(sl_tls_stats(world.loop)->resumed[SL_TLS_CLIENT], i < 3 ? i : 2);
	}
	world_close(&world);
	sl_tls_client_put(&how);
	sl_tls_server_put(&served);
}

/* ---- refusals --------------------------------------------------------------------------------
 */

static void test_refused_servers(void **state)
{
	const struct {
		const struct made *shown;
		const char *name, *ca, *trouble;
		enum sl_tls_failure failure;
	} cases[] = {
		{&expired, "node.test", authority.pem, "certificate of node.test has expired (20",
		 SL_TLS_FAILED_EXPIRED},
		{&good, "wrong.test", authority.pem,
		 "certificate of wrong.test is made for other names: node.test, 127.0.0.1",
		 SL_TLS_FAILED_NAME},
		{&good, "127.0.0.2", authority.pem, "certificate of 127.0.0.2 is made for other",
		 SL_TLS_FAILED_NAME},
		{&good, "node.test", stranger.pem,
		 "certificate of node.test is signed by \"Test Authority\", which is not trusted",
		 SL_TLS_FAILED_UNKNOWN_CA},
		{&good, "node.test", NULL, "which is not trusted here", SL_TLS_FAILED_UNKNOWN_CA},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_tls_server *served = server_with(cases[i].shown, NULL, NULL, false);
		struct sl_tls_client *how = client_for(cases[i].name, cases[i].ca);
		struct end client, server;
		struct world world;

		world_open(&world, options_of(state));
		pair_start(&world, &client, &server, how, served);
		TURN_UNTIL(&world, client.connected);
		assert_int_equal(client.connected_error, -EPROTO);
		assert_non_null(strstr(sl_socket_trouble(&client.socket), cases[i].trouble));
		end_finish(&world, &client, SL_SOCKET_NOW);
		TURN_UNTIL(&world, server.error); /* by the alert */
		assert_non_null(strstr(sl_socket_trouble(&server.socket), "the peer refuses"));
		end_finish(&world, &server, SL_SOCKET_NOW);
		assert_int_equal(sl_tls_stats(world.loop)->failed[SL_TLS_CLIENT][cases[i].failure],
				 1);
		assert_int_equal(
			sl_tls_stats(world.loop)->failed[SL_TLS_SERVER][SL_TLS_FAILED_REFUSED], 1);
		world_close(&world);
		sl_tls_client_put(&how);
		sl_tls_server_put(&served);
	}
}

/* A client of the test's own: OpenSSL on memory, bytes over a plain end. */
struct hand {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	struct end *end;
};

static void hand_data(struct sl_socket *socket, const char *buf, size_t len);

static struct hand *hand_at; /* of the plain end: one at a time */

static const struct sl_socket_ops hand_ops = {
	.connected = end_connected,
	.data = hand_data,
	.eof = end_eof,
	.error = end_error,
	.closed = end_closed,
};

static void hand_data(struct sl_socket *socket, const char *buf, size_t len)
{
	end_of(socket)->got += len;
	BIO_write(hand_at->in, buf, (int)len);
}

static void hand_open(struct hand *hand, struct end *end, const struct made *mine)
{
	*hand = (struct hand){.ctx = SSL_CTX_new(TLS_client_method()), .end = end};
	if (mine) {
		SSL_CTX_use_certificate_file(hand->ctx, mine->pem, SSL_FILETYPE_PEM);
		SSL_CTX_use_PrivateKey_file(hand->ctx, mine->key_pem, SSL_FILETYPE_PEM);
	}
	hand->ssl = SSL_new(hand->ctx);
	hand->in = BIO_new(BIO_s_mem());
	hand->out = BIO_new(BIO_s_mem());
	SSL_set_bio(hand->ssl, hand->in, hand->out);
	SSL_set_connect_state(hand->ssl);
	hand_at = hand;
	end->socket.ops = &hand_ops;
}

static void hand_close(struct hand *hand)
{
	SSL_free(hand->ssl);
	SSL_CTX_free(hand->ctx);
	ERR_clear_error();
}

/* What OpenSSL wants to say, to the peer. */
static void hand_flush(struct hand *hand)
{
	char buf[16384];
	int len;

	while ((len = BIO_read(hand->out, buf, sizeof(buf))) > 0)
		assert_int_equal(sl_socket_send(&hand->end->socket, buf, (size_t)len), 0);
}

static void hand_shake(struct world *world, struct hand *hand)
{
	for (int i = 0; i < 1000 && SSL_do_handshake(hand->ssl) != 1; i++) {
		hand_flush(hand);
		assert_int_equal(sl_loop_turn(world->loop, TURN_MS), 0);
	}
	hand_flush(hand);
}

static void test_clients(void **state)
{
	const struct {
		const struct made *shown;
		bool required;
		const char *identity, *trouble;
		enum sl_tls_failure failure;
	} cases[] = {
		{&agent, true, "CN=agent-7", NULL, 0},
		{&agent, false, "CN=agent-7", NULL, 0},
		{NULL, false, NULL, NULL, 0},
		{NULL, true, NULL, "peer did not return a certificate",
		 SL_TLS_FAILED_NO_CERTIFICATE},
		{&stranger, true, NULL,
		 "certificate of the client is signed by \"Somebody Else\", which is not trusted",
		 SL_TLS_FAILED_UNKNOWN_CA},
		{&stranger, false, NULL, "certificate of the client", SL_TLS_FAILED_UNKNOWN_CA},
		{&expired, true, NULL, "certificate of the client has expired",
		 SL_TLS_FAILED_EXPIRED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_tls_server *served =
			server_with(&good, NULL, authority.pem, cases[i].required);
		const struct sl_tls_stats *stats;
		struct end client, server;
		struct world world;
		struct hand hand;

		world_open(&world, options_of(state));
		stats = sl_tls_stats(world.loop);
		pair_start(&world, &client, &server, NULL, served);
		hand_open(&hand, &client, cases[i].shown);
		TURN_UNTIL(&world, client.connected);
		hand_shake(&world, &hand);
		TURN_UNTIL(&world, stats->ok[SL_TLS_SERVER] || server.error);
		assert_int_equal(server.error, cases[i].trouble != NULL);
		if (cases[i].identity)
			assert_string_equal(sl_tls_identity(&server.socket), cases[i].identity);
		else
			assert_null(sl_tls_identity(&server.socket));
		if (cases[i].trouble) {
			assert_non_null(
				strstr(sl_socket_trouble(&server.socket), cases[i].trouble));
			assert_int_equal(stats->failed[SL_TLS_SERVER][cases[i].failure], 1);
		}
		hand_close(&hand);
		end_finish(&world, &client, SL_SOCKET_NOW);
		end_finish(&world, &server, SL_SOCKET_NOW);
		world_close(&world);
		sl_tls_server_put(&served);
	}
}

/* ---- what is on the wire ---------------------------------------------------------------------
 */

/* Gives the server what OpenSSL has written, in parts of `part` bytes. */
static void hand_feed(struct world *world, struct hand *hand, struct end *server, size_t part)
{
	char buf[16384];
	int len;

	while ((len = BIO_read(hand->out, buf, part < sizeof(buf) ? (int)part : (int)sizeof(buf))) >
	       0)
		sl_socket_on_data(&server->socket, buf, (size_t)len);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sl_loop_turn(world->loop, 1), 0);
}

/* Handshake and records byte by byte, and one record split at each of its bytes. */
static void test_fragments(void **state)
{
	struct sl_tls_server *served = server_with(&good, NULL, NULL, false);
	struct end client, server;
	struct world world;
	struct hand hand;
	char record[512], answer[64];
	uint64_t sum = 0, total = 0;
	int len;

	world_open(&world, options_of(state));
	pair_start(&world, &client, &server, NULL, served);
	hand_open(&hand, &client, NULL);
	for (int i = 0; i < 1000 && SSL_do_handshake(hand.ssl) != 1; i++)
		hand_feed(&world, &hand, &server, 1);
	hand_feed(&world, &hand, &server, 1);
	assert_int_equal(sl_tls_stats(world.loop)->ok[SL_TLS_SERVER], 1);
	for (size_t at = 1; at < 300; at++) {
		assert_int_equal(SSL_write(hand.ssl, pattern + at, 200), 200);
		sum = sum_of(sum, pattern + at, 200);
		total += 200;
		len = BIO_read(hand.out, record, sizeof(record));
		assert_true(len > 200);
		if (at < (size_t)len) {
			sl_socket_on_data(&server.socket, record, at);
			assert_int_equal(server.got, total - 200);
			sl_socket_on_data(&server.socket, record + at, (size_t)len - at);
		} else {
			sl_socket_on_data(&server.socket, record, (size_t)len);
		}
		assert_int_equal(server.got, total);
	}
	assert_int_equal(server.sum, sum);
	/* Several records in one piece, and the answer. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(SSL_write(hand.ssl, pattern, 100), 100);
	hand_feed(&world, &hand, &server, sizeof(record));
	assert_int_equal(server.got, total + 500);
	assert_int_equal(sl_socket_send(&server.socket, "hello", 5), 0);
	len = 0;
	for (int i = 0; i < 100 && len <= 0; i++) {
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
		len = SSL_read(hand.ssl, answer, sizeof(answer));
	}
	assert_int_equal(len, 5);
	/* close_notify byte by byte is an end; what comes behind it is nothing. */
	SSL_shutdown(hand.ssl);
	hand_feed(&world, &hand, &server, 1);
	assert_int_equal(server.eof, 1);
	sl_socket_on_data(&server.socket, "rest", 4);
	assert_int_equal(server.eof, 1);
	assert_int_equal(server.error, 0);
	hand_close(&hand);
	end_finish(&world, &client, SL_SOCKET_NOW);
	end_finish(&world, &server, SL_SOCKET_NOW);
	world_close(&world);
	sl_tls_server_put(&served);
}

/* FIN without close_notify is an error, in the handshake and behind it; so is a damaged record. */
static void test_cut(void **state)
{
	enum { IN_HANDSHAKE, BEHIND, DAMAGED, WAYS };

	for (int way = 0; way < WAYS; way++) {
		struct sl_tls_server *served = server_with(&good, NULL, NULL, false);
		struct end client, server;
		struct world world;
		struct hand hand;
		char record[512];
		int len;

		world_open(&world, options_of(state));
		pair_start(&world, &client, &server, NULL, served);
		hand_open(&hand, &client, NULL);
		TURN_UNTIL(&world, client.connected);
		if (way != IN_HANDSHAKE) {
			hand_shake(&world, &hand);
			TURN_UNTIL(&world, sl_tls_stats(world.loop)->ok[SL_TLS_SERVER]);
			SSL_write(hand.ssl, "request", 7);
			len = BIO_read(hand.out, record, sizeof(record));
			if (way == DAMAGED)
				record[len - 1] ^= 1;
			sl_socket_send(&client.socket, record, (size_t)len);
		}
		if (way != DAMAGED)
			sl_socket_shutdown(&client.socket);
		TURN_UNTIL(&world, server.error);
		assert_int_equal(server.error_code, way == BEHIND    ? -ECONNABORTED
						    : way == DAMAGED ? -EPROTO
								     : -ECONNRESET);
		assert_int_equal(server.got, way == BEHIND ? 7 : 0);
		assert_int_equal(server.eof, 0);
		assert_int_equal(
			sl_tls_stats(world.loop)->failed[SL_TLS_SERVER][SL_TLS_FAILED_CLOSED],
			way == IN_HANDSHAKE);
		len = (int)client.got;
		sl_socket_close(&server.socket, SL_SOCKET_NOW);
		TURN_UNTIL(&world, client.eof);
		if (way == DAMAGED) /* the alert came, before the end */
			assert_true(client.got > (uint64_t)len);
		hand_close(&hand);
		end_finish(&world, &client, SL_SOCKET_NOW);
		TURN_UNTIL(&world, server.closed);
		world_close(&world);
		sl_tls_server_put(&served);
	}
}

/* Plain HTTP gets an answer in plain HTTP; other bytes an alert; silence ends by the timer. */
static void test_strangers(void **state)
{
	const struct {
		const char *sent;
		enum sl_tls_failure failure;
		int error;
	} cases[] = {
		{"GET / HTTP/1.1\r\nhost: x\r\n\r\n", SL_TLS_FAILED_PLAIN, -EPROTO},
		{"DELETE / HTTP/1.1\r\n\r\n", SL_TLS_FAILED_PLAIN, -EPROTO},
		{"\x01\x02\x03\x04\x05\x06\x07\x08", SL_TLS_FAILED_PROTOCOL, -EPROTO},
		{"", SL_TLS_FAILED_TIMEOUT, -ETIMEDOUT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *certificates[] = {good.pem}, *keys[] = {good.key_pem};
		struct sl_tls_server_options options = {.certificates = certificates,
							.keys = keys,
							.count = 1,
							.handshake_ms = 20,
							.tickets = tickets};
		struct sl_tls_server *served = NULL;
		struct end client, server;
		struct world world;
		struct sl_error error;

		if (cases[i].failure != SL_TLS_FAILED_TIMEOUT)
			options.handshake_ms = 10000;
		assert_int_equal(sl_tls_server_open(&options, &served, &error), 0);
		world_open(&world, options_of(state));
		pair_start(&world, &client, &server, NULL, served);
		client.discard = true;
		TURN_UNTIL(&world, client.connected);
		sl_socket_send(&client.socket, cases[i].sent, strlen(cases[i].sent));
		TURN_UNTIL(&world, server.error);
		assert_int_equal(server.error_code, cases[i].error);
		assert_int_equal(sl_tls_stats(world.loop)->failed[SL_TLS_SERVER][cases[i].failure],
				 1);
		sl_socket_close(&server.socket, SL_SOCKET_NOW);
		TURN_UNTIL(&world, client.eof);
		if (cases[i].failure == SL_TLS_FAILED_PLAIN)
			assert_true(client.got > 150);
		else
			assert_true(client.got < 30);
		end_finish(&world, &client, SL_SOCKET_NOW);
		TURN_UNTIL(&world, server.closed);
		world_close(&world);
		sl_tls_server_put(&served);
	}
}

/* The certificate goes by the name asked for. */
static void test_names(void **state)
{
	const struct {
		const char *asked, *verified; /* verified NULL: the first one, for another name */
	} cases[] = {
		{"node.test", "node.test"},
		{"a.other.test", "a.other.test"},
		{"none.test", NULL},
	};
	struct sl_tls_server *served = server_with(&good, &other, NULL, false);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_tls_client *how = client_for(cases[i].asked, authority.pem);
		struct end client, server;
		struct world world;

		world_open(&world, options_of(state));
		pair_start(&world, &client, &server, how, served);
		TURN_UNTIL(&world, client.connected);
		assert_int_equal(client.connected_error, cases[i].verified ? 0 : -EPROTO);
		if (!cases[i].verified)
			assert_non_null(strstr(sl_socket_trouble(&client.socket), "node.test"));
		end_finish(&world, &client, SL_SOCKET_NOW);
		end_finish(&world, &server, SL_SOCKET_NOW);
		world_close(&world);
		sl_tls_client_put(&how);
	}
	sl_tls_server_put(&served);
}

/* ---- loading ---------------------------------------------------------------------------------
 */

static void test_load(void **state)
{
	char none[128], garbage[128];
	const struct {
		const char *certificate, *key, *client_ca;
		bool refuse_expired;
		int rc;
		const char *text;
	} cases[] = {
		{good.pem, good.key_pem, NULL, true, 0, ""},
		{good.pem, good.key_pem, authority.pem, true, 0, ""},
		{none, good.key_pem, NULL, false, -EINVAL,
		 "none.pem: cannot be read: No such file"},
		{good.pem, none, NULL, false, -EINVAL, "none.pem: cannot be read: No such file"},
		{garbage, good.key_pem, NULL, false, -EINVAL,
		 "garbage.pem: no certificate can be read from it: "},
		{good.pem, garbage, NULL, false, -EINVAL,
		 "garbage.pem: no key can be read from it: "},
		{good.pem, other.key_pem, NULL, false, -EINVAL,
		 "other.key: this key does not belong to the certificate "},
		{good.pem, good.key_pem, garbage, false, -EINVAL,
		 "garbage.pem: no certificates of authorities can be read from it: "},
		{expired.pem, expired.key_pem, NULL, true, -EINVAL,
		 "expired.pem: the certificate has expired (20"},
		{expired.pem, expired.key_pem, NULL, false, 0,
		 "expired.pem: the certificate has expired (20"},
	};
	FILE *out;

	(void)state;
	snprintf(none, sizeof(none), "%s/none.pem", dir);
	snprintf(garbage, sizeof(garbage), "%s/garbage.pem", dir);
	out = fopen(garbage, "w");
	fputs("-----BEGIN CERTIFICATE-----\nno\n", out);
	fclose(out);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_tls_server_options options = {
			.certificates = &cases[i].certificate,
			.keys = &cases[i].key,
			.count = 1,
			.client_ca = cases[i].client_ca,
			.refuse_expired = cases[i].refuse_expired,
			.handshake_ms = 1000,
			.tickets = tickets,
		};
		struct sl_tls_server *served = NULL;
		struct sl_error error;

		assert_int_equal(sl_tls_server_open(&options, &served, &error), cases[i].rc);
		assert_true((served != NULL) == (cases[i].rc == 0));
		assert_non_null(strstr(error.text, cases[i].text));
		if (!cases[i].text[0])
			assert_string_equal(error.text, "");
		if (served)
			assert_true(sl_tls_server_not_after(served) > 1600000000);
		sl_tls_server_put(&served);
	}
	unlink(garbage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BACKENDS(test_echo),
		ON_BACKENDS(test_large),
		ON_BACKENDS(test_half_close),
		ON_BACKENDS(test_resume),
		ON_BACKENDS(test_refused_servers),
		ON_BACKENDS(test_clients),
		ON_BACKENDS(test_fragments),
		ON_BACKENDS(test_cut),
		ON_BACKENDS(test_strangers),
		ON_BACKENDS(test_names),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, make_all, unmake_all);
}
