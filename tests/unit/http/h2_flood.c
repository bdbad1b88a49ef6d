/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What HTTP/2 lets a client do at little cost to itself: each flood ends its connection, with the
 * reason counted, and what honest clients do is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/unit/http/h2_world.h"

#define FLOOD 3000u

static void flood_ping(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_PING, 0, 0, "12345678", 8);
}

static void flood_settings(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static void flood_priority(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_PRIORITY, 0, 2 * i + 1, "\0\0\0\0\0", 5);
}

static void flood_empty_data(struct world *world)
{
	put_post(world, 1, false, NULL, NULL);
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_DATA, 0, 1, NULL, 0);
}

static void flood_windows(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_code(world, NGHTTP2_WINDOW_UPDATE, 0, 1);
}

static void flood_resets(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++) {
		put_post(world, 2 * i + 1, true, NULL, NULL);
		put_code(world, NGHTTP2_RST_STREAM, 2 * i + 1, NGHTTP2_CANCEL);
	}
}

/* The server resets the streams itself, for what the client did. */
static void flood_made_resets(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++) {
		put_post(world, 2 * i + 1, true, NULL, NULL);
		put_code(world, NGHTTP2_WINDOW_UPDATE, 2 * i + 1, 0x7fffffff);
	}
}

static void flood_continuations(struct world *world)
{
	char block[64];
	size_t len = field(block, ":method", "POST");

	put_frame(world, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block, len);
	len = field(block, "x", "y");
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_CONTINUATION, 0, 1, block, len);
}

/* A field of the static table takes one byte: many of them cost only the decoder. */
static void flood_fields(struct world *world)
{
	static char block[16000];

	memset(block, 0x80 | 19, sizeof(block)); /* accept: */
	put_frame(world, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
		  block, sizeof(block));
}

static void flood_text(struct world *world)
{
	put(world, "GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n", 36);
}

static void flood_streams(struct world *world)
{
	put_frame(world, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
	for (uint32_t i = 0; i < STREAMS_MAX + 1; i++)
		put_post(world, 2 * i + 1, false, NULL, NULL);
}

static void test_floods(void **state)
{
	static const struct {
		const char *name;
		void (*put)(struct world *world);
		enum sl_h2_refusal refusal;
		uint32_t code;
	} floods[] = {
		{"ping", flood_ping, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"settings", flood_settings, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"priority", flood_priority, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"empty data", flood_empty_data, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"windows", flood_windows, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"resets", flood_resets, SL_H2_REFUSED_RESETS, NGHTTP2_ENHANCE_YOUR_CALM},
		{"made resets", flood_made_resets, SL_H2_REFUSED_RESETS, NGHTTP2_ENHANCE_YOUR_CALM},
		{"continuations", flood_continuations, SL_H2_REFUSED_HEADERS,
		 NGHTTP2_ENHANCE_YOUR_CALM},
		{"fields", flood_fields, SL_H2_REFUSED_HEADERS, NGHTTP2_ENHANCE_YOUR_CALM},
		{"text", flood_text, SL_H2_REFUSED_COUNT, NGHTTP2_FRAME_SIZE_ERROR},
		{"streams", flood_streams, SL_H2_REFUSED_MALFORMED, NGHTTP2_PROTOCOL_ERROR},
	};
	struct world *world = open_world(SL_IO_EPOLL);
	size_t i;

	(void)state;
	world->answer = ANSWER_HOLD;
	for (i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		const uint64_t *refused = world->server.h2.refused;
		uint64_t before = i && floods[i].refusal < SL_H2_REFUSED_COUNT
					  ? refused[floods[i].refusal]
					  : 0;

		print_message("  %s\n", floods[i].name);
		put_hello(world);
		floods[i].put(world);
		send_put(world, 512);
		expect_end(world, floods[i].code);
		if (floods[i].refusal < SL_H2_REFUSED_COUNT)
			assert_true(refused[floods[i].refusal] > before);
		close(world->fd);
		connect_again(world);
	}
	/* What honest clients do is none: 100 streams given up, a ping a stream. */
	put_hello(world);
	for (i = 0; i < 100; i++) {
		put_post(world, (uint32_t)(2 * i + 1), true, NULL, NULL);
		put_frame(world, NGHTTP2_PING, 0, 0, "12345678", 8);
		put_code(world, NGHTTP2_RST_STREAM, (uint32_t)(2 * i + 1), NGHTTP2_CANCEL);
	}
	world->answer = ANSWER_OK;
	put_post(world, 1001, true, NULL, NULL);
	send_put(world, 4096);
	expect_status(world, 1001, 200);
	close_world(world);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_floods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
