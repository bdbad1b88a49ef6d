/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixtures_sum.c - every value that a checksum can have: one word of the payload goes through all of
 * its values, so the sum before and the sum after do too, those where a carry runs through and the
 * zero that UDP writes as ones among them. Each frame is compared with one summed up from scratch.
 * Where processors are emulated (VMTEST_GUEST), each walk takes every 13th value, and of those where
 * a sum, before or after, turns over, each: the programs' own arithmetic is the same on any kernel.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/bpf/lib/fixture_rows.h"

#define STRIDE_GUEST 13u
#define SUMS	     65535u /* one's complement: zero and all ones are one value */
#define TURN_NEAR    3u	    /* values on either side of where a sum turns over */

struct walk {
	const char *description;
	struct sl_fixture fixture;
	uint32_t step; /* 1: every value */
};

static const struct walk walks[] = {
	{"TCP to the node",
	 ROW("", V4, OPEN, C(.flags = ACK, .payload_len = 8), FORWARD, {0}, UNSET), 1},
	{"TCP to the client",
	 ROW("", V4, OPEN, N(.flags = ACK, .payload_len = 8), FORWARD, {0}, UNSET), 13},
	{"UDP to the node", ROW("", V4, UDP, C(.udp = true, .payload_len = 8), FORWARD, {0}, UNSET),
	 1},
	{"UDP to the client",
	 ROW("", V4, UDP, N(.udp = true, .payload_len = 9), FORWARD, {0}, UNSET), 1},
	{"TCP over IPv6 to the node",
	 ROW("", V6, OPEN, C(.flags = ACK, .payload_len = 9), FORWARD, {0}, UNSET), 13},
	{"UDP over IPv6 to the node",
	 ROW("", V6, UDP, C(.udp = true, .payload_len = 8), FORWARD, {0}, UNSET), 1},
	{"UDP over IPv6 to the client",
	 ROW("", V6, UDP, N(.udp = true, .payload_len = 8), FORWARD, {0}, UNSET), 13},
};

/* The word that makes the frame's sum zero, by what the sum is with `word`. */
static uint32_t turn_of(const struct sl_frame *frame, uint32_t word)
{
	size_t at = sl_frame_l3_at(frame);
	bool ip6 = frame->bytes[at] >> 4 == 6;
	uint8_t proto = frame->bytes[at + (ip6 ? 6 : 9)];
	const uint8_t *sum = frame->bytes + at + (ip6 ? 40 : 20) + (proto == IPPROTO_TCP ? 16 : 6);

	return (word + (uint32_t)(sum[0] << 8 | sum[1])) % SUMS;
}

/* Whether the word is within TURN_NEAR of the turn, in the circle that sums go round. */
static bool is_near(uint32_t word, uint32_t turn)
{
	return (word + SUMS + TURN_NEAR - turn) % SUMS <= 2 * TURN_NEAR;
}

static void walk_run(struct sl_rig *rig, const struct walk *walk, enum sl_rig_hook hook)
{
	struct sl_fixture fixture = walk->fixture;
	struct sl_frame in, want, out;
	struct sl_talk talk;
	uint32_t turn_in = 0, turn_out = 0;
	uint32_t step = getenv("VMTEST_GUEST") ? STRIDE_GUEST : walk->step;
	char name[128];

	snprintf(name, sizeof(name), "%s: %s", hook == SL_RIG_TC ? "TC" : "XDP", walk->description);
	if (!sl_fixture_prepare(rig, &fixture, hook, &talk)) {
		sl_rig_check(rig, false, name, "the state before did not come about");
		return;
	}
	for (uint32_t word = 1; word < 65536; word++) {
		if ((word - 1) % step && !is_near(word, turn_in) && !is_near(word, turn_out))
			continue;
		fixture.spec.payload_word = (uint16_t)word;
		sl_fixture_input(rig, &fixture, &talk, &in);
		sl_fixture_expected(rig, &fixture, &talk, hook, &in, &want);
		if (sl_rig_run(rig, hook, &in, &out) != SL_RIG_FORWARD || out.len != want.len ||
		    memcmp(out.bytes, want.bytes, want.len)) {
			sl_frame_print_difference(&out, &want);
			sl_rig_check(rig, false, name, "with %04x in the payload", word);
			return;
		}
		if (word == 1) {
			turn_in = turn_of(&in, word);
			turn_out = turn_of(&want, word);
		}
	}
	sl_rig_check(rig, true, name, "-");
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; i < sizeof(walks) / sizeof(*walks); i++) {
		for (int hook = 0; hook < SL_RIG_HOOKS; hook++)
			walk_run(&rig, &walks[i], (enum sl_rig_hook)hook);
	}
	return sl_rig_close(&rig);
}
