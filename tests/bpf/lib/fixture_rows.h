/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_rows.h - the words that the rows of fixtures are written in; see fixture.h.
 *
 *   ROW(description, path, state before, C(packet of the client) or N(of the node), verdict,
 *       Kn(n counters), state after, further fields...)
 */
#ifndef SL_TESTS_BPF_FIXTURE_ROWS_H
#define SL_TESTS_BPF_FIXTURE_ROWS_H

#include "tests/bpf/lib/fixture.h"

#define SYN SL_FRAME_SYN
#define ACK SL_FRAME_ACK
#define FIN SL_FRAME_FIN
#define RST SL_FRAME_RST
#define PSH SL_FRAME_PSH
#define URG 0x20
#define ECE 0x40
#define CWR 0x80

#define FAR    0x40000000u /* out of every window */
#define BEHIND 0xffff0000u /* 65,536 before */

#define ROW(text, path_, before_, packet, verdict_, counters_, after_, ...)                   \
	{                                                                                     \
		.description = text, .path = &sl_path_##path_, .before = SL_BEFORE_##before_, \
		packet, .verdict = SL_RIG_##verdict_, .counters = counters_,                  \
		.after = SL_TCP_##after_, __VA_ARGS__                                         \
	}
#define C(...) .spec = {__VA_ARGS__}
#define N(...) .from_node = true, .spec = {__VA_ARGS__}
#define K1(a)                  \
	{                      \
		SL_COUNTER_##a \
	}
#define K2(a, b)                               \
	{                                      \
		SL_COUNTER_##a, SL_COUNTER_##b \
	}
#define K3(a, b, c)                                            \
	{                                                      \
		SL_COUNTER_##a, SL_COUNTER_##b, SL_COUNTER_##c \
	}
#define K4(a, b, c, d)                                                         \
	{                                                                      \
		SL_COUNTER_##a, SL_COUNTER_##b, SL_COUNTER_##c, SL_COUNTER_##d \
	}
#define TUNE(id_, value_)                                      \
	.tunes = {                                             \
		{.id = SL_TUNABLE_##id_ + 1, .value = value_}, \
	}
/* A byte of a layer set, or bits of it flipped. */
#define SET(layer_, at_, value_)                  \
	{                                         \
		SL_LAYER_##layer_, at_, 0, value_ \
	}
#define FLIP(layer_, at_, bits_)                    \
	{                                           \
		SL_LAYER_##layer_, at_, 0xff, bits_ \
	}
#define PATCH(...) .patches = {__VA_ARGS__}

extern const struct sl_fixture_path sl_path_V4, sl_path_V6;
/* Tags kept on the way out. */
extern const struct sl_fixture_path sl_path_V4_VLAN, sl_path_V6_VLAN, sl_path_V4_QINQ,
	sl_path_V6_QINQ;
/* Out by another device: tags taken off. */
extern const struct sl_fixture_path sl_path_V4_OTHER, sl_path_V6_OTHER, sl_path_V4_OTHER_VLAN,
	sl_path_V6_OTHER_VLAN, sl_path_V4_OTHER_QINQ, sl_path_V6_OTHER_QINQ;
/* Out by a VLAN device of the device that they came in by: its tag, 100, put on. */
extern const struct sl_fixture_path sl_path_V4_TAG, sl_path_V6_TAG, sl_path_V4_TAG_VLAN,
	sl_path_V6_TAG_VLAN, sl_path_V4_TAG_QINQ;
/* The node has no neighbour entry. */
extern const struct sl_fixture_path sl_path_V4_LOST, sl_path_V6_LOST, sl_path_V4_LOST_VLAN;
extern const struct sl_fixture_path sl_path_V4_NO_ROUTE, sl_path_V6_NO_ROUTE;
/* Mode l2. */
extern const struct sl_fixture_path sl_path_L2, sl_path_L2_V6, sl_path_L2_VLAN, sl_path_L2_QINQ,
	sl_path_L2_OTHER, sl_path_L2_OTHER_VLAN, sl_path_L2_TAG;

#endif
