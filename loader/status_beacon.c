/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/status_beacon.h"

#include "loader/say.h"
#include "user/base/clock.h"
#include "user/base/tunables.h"

static const char *health_name(uint32_t health)
{
	static const char *const names[] = {
		[SL_HEALTH_UNKNOWN] = "unknown", [SL_HEALTH_READY] = "ready",
		[SL_HEALTH_BUSY] = "busy",	 [SL_HEALTH_DRAINING] = "draining",
		[SL_HEALTH_SICK] = "sick",
	};

	return health < sizeof(names) / sizeof(names[0]) ? names[health] : "unknown";
}

/* The row, or NULL: the node never sent one. *ret_age_ns is since the last. */
static const struct sl_node_load *find(const struct sl_status_look *look, uint32_t slot,
				       uint64_t *ret_age_ns)
{
	const struct sl_node_load *load =
		look->view->loads && slot < look->view->entries[SL_VIEW_LOADS]
			? &look->view->loads[slot]
			: NULL;
	uint64_t seen_ns = load ? __atomic_load_n(&load->seen_ns, __ATOMIC_ACQUIRE) : 0;

	*ret_age_ns = look->now_ns > seen_ns ? look->now_ns - seen_ns : 0;
	return seen_ns ? load : NULL;
}

static bool is_stale(const struct sl_status_look *look, uint32_t slot, uint64_t age_ns)
{
	uint64_t stale_ms = sl_tunable_get(look->view->tunables, look->view->nodes[slot].pool,
					   SL_TUNABLE_BEACON_STALE_MS);

	return age_ns >= stale_ms * SL_NS_PER_MS;
}

void sl_status_beacon_text(const struct sl_status_look *look, uint32_t slot, struct sl_text *text)
{
	char duration[SL_DURATION_TEXT_MAX];
	const struct sl_node_load *load;
	enum sl_ink ink = SL_INK_DIM;
	uint64_t age_ns;

	load = find(look, slot, &age_ns);
	if (!load)
		return;
	if (is_stale(look, slot, age_ns) || load->health == SL_HEALTH_SICK)
		ink = SL_INK_WARN;
	sl_text_printf(text, "      %sbeacon %s ago%s: %s, %u running, %u waiting, KV %u.%u %%%s\n",
		       sl_say_ink(stdout, ink), sl_say_duration(age_ns, duration),
		       is_stale(look, slot, age_ns) ? " (old: it does not count)" : "",
		       health_name(load->health), load->running, load->waiting,
		       load->kv_permille / 10, load->kv_permille % 10,
		       sl_say_ink(stdout, SL_INK_PLAIN));
}

void sl_status_beacon_json(const struct sl_status_look *look, uint32_t slot, struct sl_text *text)
{
	const struct sl_node_load *load;
	uint64_t age_ns;

	load = find(look, slot, &age_ns);
	if (!load) {
		sl_text_append_string(text, "\"beacon\": null, ");
		return;
	}
	sl_text_printf(
		text,
		"\"beacon\": {\"age_ms\": %llu, \"stale\": %s, \"lost\": %s, \"health\": "
		"\"%s\", \"slots\": %u, \"running\": %u, \"waiting\": %u, \"kv_permille\": %u, "
		"\"sequence\": %llu, \"accepted\": %llu}, ",
		(unsigned long long)(age_ns / SL_NS_PER_MS),
		is_stale(look, slot, age_ns) ? "true" : "false", load->lost ? "true" : "false",
		health_name(load->health), load->slots, load->running, load->waiting,
		load->kv_permille, (unsigned long long)load->sequence,
		(unsigned long long)load->accepted);
}
