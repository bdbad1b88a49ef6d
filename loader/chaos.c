/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "loader/pins.h"
#include "user/base/clock.h"
#include "user/base/text.h"

#define PACKETS(name, kind, whole, help)                  \
	{                                                 \
		name, help, kind, whole, SL_CHAOS_PACKETS \
	}
#define REQUESTS(name, help)                                         \
	{                                                            \
		name, help, SL_CHAOS_UNSET, false, SL_CHAOS_REQUESTS \
	}

const struct sl_chaos_word sl_chaos_words[] = {
	PACKETS("drop", SL_CHAOS_DROP, false, "packets are lost"),
	PACKETS("reset", SL_CHAOS_RESET, false, "TCP packets become resets"),
	PACKETS("corrupt", SL_CHAOS_CORRUPT, false,
		"payload and checksum are wrong: the receiver drops the packet"),
	PACKETS("garble", SL_CHAOS_GARBLE, false,
		"payload is wrong, the checksum right: the application gets it"),
	PACKETS("lag", SL_CHAOS_LAG, false, "packets come later, by --delay"),
	PACKETS("blackhole", SL_CHAOS_DROP, true, "nothing gets to the nodes or back"),
	PACKETS("partition", SL_CHAOS_DROP, true, "the same, for the nodes of a zone"),
	REQUESTS("error", "the answer is an error of --status"),
	REQUESTS("delay", "attempts begin later"),
	REQUESTS("slow", "the events of streams come slowly"),
	REQUESTS("cut", "answers break off"),
	REQUESTS("malformed", "answers are no JSON, or their framing is wrong"),
	REQUESTS("refuse", "nobody accepts a connection"),
	REQUESTS("hang", "nothing is answered"),
	REQUESTS("down", "a store can be neither read nor written"),
	{"exec", "commands do it, and undo it", SL_CHAOS_UNSET, false, SL_CHAOS_COMMANDS},
	{NULL, NULL, SL_CHAOS_UNSET, false, SL_CHAOS_PACKETS},
};

const struct sl_chaos_word *sl_chaos_find(const char *name)
{
	for (const struct sl_chaos_word *word = sl_chaos_words; word->name; word++) {
		if (!strcmp(word->name, name))
			return word;
	}
	return NULL;
}

const char *sl_chaos_kind_name(uint32_t kind)
{
	for (const struct sl_chaos_word *word = sl_chaos_words; word->name; word++) {
		if (word->kind == kind)
			return word->name;
	}
	return "?";
}

int sl_chaos_parse_share(const char *text, uint32_t *ret_share, struct sl_error *error)
{
	char *end;
	double share = strtod(text, &end);

	if (end != text && !strcmp(end, "%"))
		share /= 100;
	else if (end == text || *end)
		return sl_error_set(error, -EINVAL, "\"%s\" is no share, as 30%% or 0.3", text);
	if (!(share > 0 && share <= 1))
		return sl_error_set(error, -EINVAL, "\"%s\" is not above 0 and up to 100%%", text);
	*ret_share = (uint32_t)(share * SL_CHAOS_ALL + 0.5);
	if (!*ret_share)
		*ret_share = 1;
	return 0;
}

/* ---- whom ---------------------------------------------------------------------------------- */

void sl_chaos_aim_add(struct sl_chaos_aim *aim, uint32_t slot)
{
	if (slot >= SL_NODES_MAX || sl_chaos_aim_has(aim, slot))
		return;
	aim->nodes[slot / 64] |= 1ull << slot % 64;
	aim->count++;
}

bool sl_chaos_aim_has(const struct sl_chaos_aim *aim, uint32_t slot)
{
	return slot < SL_NODES_MAX && aim->nodes[slot / 64] >> slot % 64 & 1;
}

void sl_chaos_aim_pool(const struct sl_view *view, uint32_t pool, struct sl_chaos_aim *aim)
{
	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		if ((node->admin & SL_NODE_PRESENT) && node->pool == pool)
			sl_chaos_aim_add(aim, slot);
	}
}

static bool touched(const struct sl_view *view, const struct sl_chaos_aim *aim, uint32_t slot,
		    uint64_t now_ns)
{
	if (sl_chaos_aim_has(aim, slot))
		return true;
	for (uint32_t row = 0; view->chaos && row < SL_CHAOS_MAX; row++) {
		if (sl_chaos_runs(view, row, now_ns) &&
		    view->chaos[row].nodes[slot / 64] >> slot % 64 & 1)
			return true;
	}
	return false;
}

int sl_chaos_limit(const struct sl_view *view, const struct sl_chaos_aim *aim,
		   uint32_t limit_percent, struct sl_error *error)
{
	uint64_t now_ns = sl_clock_ns();

	for (uint32_t pool = 1; pool < sl_view_pool_slots(view); pool++) {
		uint32_t nodes = 0, hit = 0, most;
		bool ours = false;

		for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
			const struct sl_node_state *node = &view->nodes[slot];

			if (!(node->admin & SL_NODE_PRESENT) || node->pool != pool)
				continue;
			nodes++;
			hit += touched(view, aim, slot, now_ns);
			ours |= sl_chaos_aim_has(aim, slot);
		}
		most = nodes * limit_percent / 100;
		if (!most && nodes > 1 && limit_percent)
			most = 1;
		if (ours && hit > most)
			return sl_error_set(error, -EPERM,
					    "%u of the %u nodes of pool \"%.63s\" would be "
					    "touched, the limit is %u%% (%u)",
					    hit, nodes, view->pools[pool].name, limit_percent,
					    most);
	}
	return 0;
}

/* ---- rows ---------------------------------------------------------------------------------- */

bool sl_chaos_runs(const struct sl_view *view, uint32_t row, uint64_t now_ns)
{
	uint32_t rows = __atomic_load_n(&view->settings->chaos, __ATOMIC_ACQUIRE);

	return rows >> row & 1 &&
	       __atomic_load_n(&view->chaos[row].until_ns, __ATOMIC_ACQUIRE) > now_ns;
}

static void fill(struct sl_chaos *row, const struct sl_chaos_spec *spec, uint32_t number)
{
	row->begun_ns = sl_clock_ns();
	row->end_ns = row->begun_ns + spec->duration_ns;
	row->hits_max = spec->hits_max;
	row->seen = 0;
	row->hits = 0;
	row->share = spec->share;
	row->number = number;
	row->kind = (uint8_t)spec->kind;
	row->ways = spec->ways;
	snprintf(row->name, sizeof(row->name), "%s", spec->name);
	memcpy(row->nodes, spec->aim.nodes, sizeof(row->nodes));
}

int sl_chaos_lock(const struct sl_view *view)
{
	char path[SL_PINS_PATH_MAX];
	int fd, error;

	/* not the directory of the pins: that is `sluice up`'s, which does not wait */
	fd = open(sl_pins_path(view->dir, SL_PINS_RECORDS, path),
		  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int sl_chaos_begin(const struct sl_view *view, const struct sl_chaos_spec *spec, uint64_t lease_ns,
		   struct sl_chaos_ticket *ret_ticket)
{
	for (uint32_t i = 0; i < SL_CHAOS_MAX; i++) {
		struct sl_chaos *row = &view->chaos[i];
		uint64_t now_ns = sl_clock_ns();
		uint64_t until_ns = __atomic_load_n(&row->until_ns, __ATOMIC_ACQUIRE);

		if (until_ns > now_ns)
			continue;
		/* before the row lives again: no packet may find what stands in it */
		__atomic_fetch_and(&view->settings->chaos, ~(1u << i), __ATOMIC_ACQ_REL);
		if (!__atomic_compare_exchange_n(&row->until_ns, &until_ns, now_ns + lease_ns,
						 false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			continue;
		ret_ticket->row = i;
		ret_ticket->number = (uint32_t)(now_ns >> 10) | 1;
		fill(row, spec, ret_ticket->number);
		__atomic_fetch_or(&view->settings->chaos, 1u << i, __ATOMIC_ACQ_REL);
		return 0;
	}
	return -ENOSPC;
}

/* The row's until_ns while it is the ticket's; 0: it is not. */
static uint64_t held_until(const struct sl_view *view, const struct sl_chaos_ticket *ticket)
{
	const struct sl_chaos *row = &view->chaos[ticket->row];
	uint64_t until_ns = __atomic_load_n(&row->until_ns, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&row->number, __ATOMIC_ACQUIRE) == ticket->number ? until_ns : 0;
}

int sl_chaos_renew(const struct sl_view *view, const struct sl_chaos_ticket *ticket,
		   uint64_t lease_ns)
{
	struct sl_chaos *row = &view->chaos[ticket->row];
	uint64_t until_ns = held_until(view, ticket);
	uint64_t now_ns = sl_clock_ns();

	if (until_ns <= now_ns || __atomic_load_n(&row->hits, __ATOMIC_RELAXED) >= row->hits_max)
		return -ESTALE;
	if (!__atomic_compare_exchange_n(&row->until_ns, &until_ns, now_ns + lease_ns, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return -ESTALE;
	/* a packet that found the row's former experiment over may have taken the bit */
	__atomic_fetch_or(&view->settings->chaos, 1u << ticket->row, __ATOMIC_ACQ_REL);
	return 0;
}

bool sl_chaos_end(const struct sl_view *view, const struct sl_chaos_ticket *ticket)
{
	struct sl_chaos *row = &view->chaos[ticket->row];
	uint64_t until_ns = held_until(view, ticket);

	if (until_ns <= sl_clock_ns() ||
	    !__atomic_compare_exchange_n(&row->until_ns, &until_ns, 0, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return false;
	__atomic_fetch_and(&view->settings->chaos, ~(1u << ticket->row), __ATOMIC_ACQ_REL);
	return true;
}
