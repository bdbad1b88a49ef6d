/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixtures_flip.c - every fixture with each bit of its headers flipped, one at a time, at both
 * hooks: what lib/fixture_check.h says of any packet holds, and the two hooks come to the same end.
 */
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/fixture_check.h"

#define PAYLOAD_BYTES 2 /* flipped behind the headers */

struct outcome {
	enum sl_rig_verdict verdict;
	struct sl_frame out;
	uint64_t counted[SL_COUNTER_SLOTS];
};

static const char *run_at(struct sl_rig *rig, const struct sl_fixture *fixture,
			  const struct sl_fixture_snapshot *before, enum sl_rig_hook hook,
			  const struct sl_frame *in, struct outcome *ret_outcome)
{
	const char *why;

	sl_fixture_restore(rig, before);
	why = sl_fixture_check(rig, fixture, hook, in, &ret_outcome->out, &ret_outcome->verdict);
	for (enum sl_counter id = 0; id < SL_COUNTER_COUNT; id++)
		ret_outcome->counted[id] = sl_rig_counted(rig, id);
	return why;
}

/* The hooks agree but for who counts packets and who waits for a neighbour. */
static const char *compare(const struct outcome *xdp, const struct outcome *tc)
{
	size_t a = sl_frame_l3_at(&xdp->out), b = sl_frame_l3_at(&tc->out);

	if (xdp->verdict != tc->verdict)
		return "XDP and TC come to different verdicts";
	for (enum sl_counter id = 0; id < SL_COUNTER_COUNT; id++) {
		if (id == SL_COUNTER_PACKETS || id == SL_COUNTER_PACKETS_TC ||
		    id == SL_COUNTER_PASS_NEIGHBOUR)
			continue;
		if (xdp->counted[id] != tc->counted[id])
			return sl_rig_counter_name(id);
	}
	if (xdp->out.len - a != tc->out.len - b ||
	    memcmp(xdp->out.bytes + a, tc->out.bytes + b, xdp->out.len - a))
		return "XDP and TC send different bytes";
	return NULL;
}

/* One bit. Returns what does not hold, NULL: nothing. */
static const char *flip(struct sl_rig *rig, const struct sl_fixture *fixture,
			const struct sl_fixture_snapshot *before, const struct sl_frame *in)
{
	static struct outcome xdp, tc;
	const char *why = run_at(rig, fixture, before, SL_RIG_XDP, in, &xdp);

	if (why)
		return why;
	why = run_at(rig, fixture, before, SL_RIG_TC, in, &tc);
	if (why || memcmp(in->bytes, rig->one_arm.smac, 6))
		return why;
	return compare(&xdp, &tc);
}

static void run(struct sl_rig *rig, const char *table, const struct sl_fixture *fixture,
		unsigned int *flips)
{
	static struct sl_fixture_snapshot before;
	struct sl_talk talk;
	struct sl_frame in;
	char name[256];
	size_t end;

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
	end = sl_frame_l3_at(&in) + 40 + (fixture->spec.udp ? 8 : 20) + PAYLOAD_BYTES;
	for (size_t bit = 0; bit < 8 * end && bit < 8 * in.len; bit++) {
		const char *why;

		in.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		why = flip(rig, fixture, &before, &in);
		in.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		++*flips;
		if (why) {
			sl_rig_check(rig, false, name, "bit %zu of byte %zu: %s; raised:%s",
				     bit % 8, bit / 8, why, sl_fixture_raised(rig));
			return;
		}
	}
	sl_rig_check(rig, true, name, "-");
}

int main(void)
{
	const struct sl_fixture_table *table;
	unsigned int flips = 0;
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; (table = sl_fixture_table(i)) != NULL; i++) {
		for (size_t row = 0; row < table->count; row++)
			run(&rig, table->name, &table->rows[row], &flips);
	}
	printf("# %u flips at both hooks\n", flips);
	return sl_rig_close(&rig);
}
