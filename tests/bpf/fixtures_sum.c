/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixtures_sum.c - every value that a checksum can have: one word of the payload goes through all of
 * its values, so the sum before and the sum after do too, those where a carry runs through and the
 * zero that UDP writes as ones among them. Each frame is compared with one summed up from scratch.
 */
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/fixture_rows.h"

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

static void walk_run(struct sl_rig *rig, const struct walk *walk, enum sl_rig_hook hook)
{
	struct sl_fixture fixture = walk->fixture;
	struct sl_frame in, want, out;
	struct sl_talk talk;
	char name[128];

	snprintf(name, sizeof(name), "%s: %s", hook == SL_RIG_TC ? "TC" : "XDP", walk->description);
	if (!sl_fixture_prepare(rig, &fixture, hook, &talk)) {
		sl_rig_check(rig, false, name, "the state before did not come about");
		return;
	}
	for (uint32_t word = 1; word < 65536; word += walk->step) {
		fixture.spec.payload_word = (uint16_t)word;
		sl_fixture_input(rig, &fixture, &talk, &in);
		sl_fixture_expected(rig, &fixture, &talk, hook, &in, &want);
		if (sl_rig_run(rig, hook, &in, &out) != SL_RIG_FORWARD || out.len != want.len ||
		    memcmp(out.bytes, want.bytes, want.len)) {
			sl_frame_print_difference(&out, &want);
			sl_rig_check(rig, false, name, "with %04x in the payload", word);
			return;
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
