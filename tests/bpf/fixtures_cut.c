/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixtures_cut.c - every fixture, cut short at every byte, at both hooks, in two ways:
 *
 *   the frame ends there       a packet that says it is longer is never forwarded, and moves nothing
 *   the IP length ends there   the rest of the frame is padding: whatever happens, it stays
 *
 * And what lib/fixture_check.h says of any packet. Which of the shortest ones the kernel takes
 * depends on its version; lane_tc.c sends them over a wire.
 */
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/fixture_check.h"

#define LINK_BYTES 14u

struct tally {
	unsigned int variants;
	unsigned int refused; /* by the kernel: no whole IP header */
	unsigned int forwarded;
};

/* Length of the frame by its IP header; 0 where there is none to be read. */
static size_t claimed_len(const struct sl_frame *frame)
{
	size_t ip = sl_frame_l3_at(frame);
	const uint8_t *head = frame->bytes + ip;

	if (!ip || frame->len < ip + 20)
		return 0;
	if (head[0] >> 4 == 6)
		return ip + 40 + (size_t)(head[4] << 8 | head[5]);
	return ip + (size_t)(head[2] << 8 | head[3]);
}

/* Least that a frame needs to be forwarded: its headers up to the end of TCP's or UDP's. */
static size_t needed_len(const struct sl_fixture *fixture, const struct sl_frame *frame)
{
	size_t ip = sl_frame_l3_at(frame);
	bool ip6 = ip && frame->bytes[ip] >> 4 == 6;

	return ip + (ip6 ? 40u : 20u) + (fixture->spec.udp ? 8u : 20u);
}

static bool cut_frame(struct sl_rig *rig, const char *name, const struct sl_fixture *fixture,
		      const struct sl_fixture_snapshot *before, enum sl_rig_hook hook,
		      const struct sl_frame *whole, struct tally *tally)
{
	static struct sl_fixture_snapshot after;
	size_t claimed = claimed_len(whole), needed = needed_len(fixture, whole);
	size_t ip_end = sl_frame_l3_at(whole) + 40;

	for (size_t len = LINK_BYTES; len < whole->len; len++) {
		enum sl_rig_verdict verdict;
		struct sl_frame in = *whole, out;
		const char *why;

		in.len = len;
		memset(in.bytes + len, 0xa5, sizeof(in.bytes) - len);
		sl_fixture_restore(rig, before);
		why = sl_fixture_check(rig, fixture, hook, &in, &out, &verdict);
		if (rig->last_verdict == SL_RIG_REFUSED && len < ip_end) {
			tally->refused++;
			continue;
		}
		if (!why && verdict == SL_RIG_FORWARD && (len < claimed || len < needed))
			why = "forwarded";
		if (!why && len < claimed) {
			sl_fixture_save(rig, &after);
			if (memcmp(after.flows, before->flows, sizeof(after.flows)) ||
			    memcmp(after.ports, before->ports, sizeof(after.ports)) ||
			    memcmp(after.nodes, before->nodes, sizeof(after.nodes)))
				why = "it moved a flow, a port or a node";
		}
		tally->variants++;
		tally->forwarded += verdict == SL_RIG_FORWARD;
		if (why) {
			sl_rig_check(rig, false, name, "frame cut at %zu of %zu: %s", len,
				     whole->len, why);
			return false;
		}
	}
	return true;
}

static void length_set(struct sl_frame *frame, size_t ip, uint16_t len)
{
	uint8_t *at = frame->bytes + ip + (frame->bytes[ip] >> 4 == 6 ? 4 : 2);

	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
}

static bool cut_length(struct sl_rig *rig, const char *name, const struct sl_fixture *fixture,
		       const struct sl_fixture_snapshot *before, enum sl_rig_hook hook,
		       const struct sl_frame *whole, struct tally *tally)
{
	size_t ip = sl_frame_l3_at(whole), claimed = claimed_len(whole);
	size_t fixed = ip && whole->bytes[ip] >> 4 == 6 ? 40 : 0;

	if (!claimed || claimed > whole->len)
		return true;
	for (size_t len = 0; len < claimed - ip - fixed; len++) {
		struct sl_frame in = *whole, out;
		enum sl_rig_verdict verdict;
		const char *why;

		length_set(&in, ip, (uint16_t)len);
		sl_fixture_restore(rig, before);
		why = sl_fixture_check(rig, fixture, hook, &in, &out, &verdict);
		if (!why && verdict == SL_RIG_FORWARD &&
		    ip + fixed + len < needed_len(fixture, whole))
			why = "forwarded without a whole header";
		tally->variants++;
		tally->forwarded += verdict == SL_RIG_FORWARD;
		if (why) {
			sl_rig_check(rig, false, name, "IP length set to %zu: %s", len, why);
			return false;
		}
	}
	return true;
}

static void run(struct sl_rig *rig, const char *table, const struct sl_fixture *fixture,
		struct tally *tally)
{
	static struct sl_fixture_snapshot before;
	struct sl_talk talk;
	struct sl_frame in;
	char name[256];
	bool ok = true;

	snprintf(name, sizeof(name), "%s, %s: %s", table, fixture->path->name,
		 fixture->description);
	if (!sl_fixture_prepare(rig, fixture, SL_RIG_XDP, &talk)) {
		sl_rig_check(rig, false, name, "the state before did not come about");
		return;
	}
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SOURCE_RATE, 0);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_PENDING, 0);
	sl_fixture_input(rig, fixture, &talk, &in);
	sl_fixture_save(rig, &before);
	for (int hook = 0; ok && hook < SL_RIG_HOOKS; hook++)
		ok = cut_frame(rig, name, fixture, &before, (enum sl_rig_hook)hook, &in, tally) &&
		     cut_length(rig, name, fixture, &before, (enum sl_rig_hook)hook, &in, tally);
	if (ok)
		sl_rig_check(rig, true, name, "-");
}

int main(void)
{
	const struct sl_fixture_table *table;
	struct tally tally = {0};
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; (table = sl_fixture_table(i)) != NULL; i++) {
		for (size_t row = 0; row < table->count; row++)
			run(&rig, table->name, &table->rows[row], &tally);
	}
	printf("# %u variants, %u of them forwarded; %u refused by the kernel\n", tally.variants,
	       tally.forwarded, tally.refused);
	return sl_rig_close(&rig);
}
