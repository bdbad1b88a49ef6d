/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/top.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "loader/pins.h"
#include "loader/record.h"
#include "loader/say.h"
#include "loader/status.h"
#include "loader/view.h"
#include "user/base/clock.h"

#define UNASKED_LOOKS  10u /* after a daemon did not answer */
#define SAMPLE_WINDOWS 8u
#define WINDOW_SETS    (SL_TOP_SAMPLE_SETS / SAMPLE_WINDOWS)
#define WINDOW_STEP    1024u /* sets that are whole pages, of up to 64 KiB */
/* ---- a look -------------------------------------------------------------------------------- */

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &info_len) ? 0 : info.id;
}

/* What was ever written to a ring buffer: its producer's position, readable by anybody. */
static uint64_t ring_position(const char *dir, const char *name)
{
	long page = sysconf(_SC_PAGESIZE);
	char path[SL_PINS_PATH_MAX];
	int fd = bpf_obj_get(sl_pins_path(dir, name, path));
	uint64_t position = 0;
	void *memory;

	if (fd < 0)
		return 0;
	memory = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, page);
	if (memory != MAP_FAILED) {
		position = __atomic_load_n((const uint64_t *)memory, __ATOMIC_ACQUIRE);
		munmap(memory, (size_t)page);
	}
	close(fd);
	return position;
}

static uint64_t living(const struct sl_flow_counts *counts)
{
	uint64_t sum = 0;

	for (unsigned kind = SL_WAY_FREE + 1; kind < SL_WAY_KINDS; kind++)
		sum += counts->living[kind];
	return sum;
}

/* Adds up one window of a large table; so much is mapped and no more. */
static int count_window(const struct sl_view *view, uint32_t at, uint64_t now_ns,
			struct sl_top_table *table)
{
	size_t len = WINDOW_SETS * sizeof(struct sl_flow_set);
	off_t offset = (off_t)at * (off_t)sizeof(struct sl_flow_set);
	struct sl_flow_counts counts;
	void *sets = mmap(NULL, len, PROT_READ, MAP_SHARED, view->fds[SL_VIEW_FLOWS], offset);

	if (sets == MAP_FAILED)
		return -errno;
	sl_flow_table_count(sets, WINDOW_SETS, view->tunables, now_ns, &counts);
	munmap(sets, len);
	table->living += living(&counts);
	table->expired += counts.expired;
	return 0;
}

/* A large table by windows spread over it, every flow being as likely in one place as in another. */
static void sample_table(const struct sl_view *view, uint64_t now_ns, struct sl_top_table *table)
{
	uint32_t set_count = view->entries[SL_VIEW_FLOWS];
	double scale = (double)set_count / SL_TOP_SAMPLE_SETS;

	for (uint32_t i = 0; i < SAMPLE_WINDOWS; i++) {
		uint64_t at = (uint64_t)(set_count - WINDOW_SETS) * i / (SAMPLE_WINDOWS - 1);

		if (count_window(view, (uint32_t)(at / WINDOW_STEP * WINDOW_STEP), now_ns, table))
			return;
	}
	table->places = (uint64_t)set_count * SL_FLOW_WAYS;
	table->living = (uint64_t)((double)table->living * scale + 0.5);
	table->expired = (uint64_t)((double)table->expired * scale + 0.5);
	table->estimated = true;
}

static struct sl_top_table look_at_table(struct sl_view *view, uint64_t now_ns)
{
	struct sl_top_table table = {0};
	struct sl_flow_counts counts;

	if (view->alone)
		return table;
	if (view->entries[SL_VIEW_FLOWS] > SL_TOP_SAMPLE_SETS) {
		sample_table(view, now_ns, &table);
		return table;
	}
	if (sl_view_count_flows(view, now_ns, &counts))
		return table;
	table.places = counts.places;
	table.living = living(&counts);
	table.expired = counts.expired;
	return table;
}

static void state_fini(struct sl_top_state *state)
{
	free(state->nodes);
	free(state->pools);
	free(state->latencies);
	free(state->loads);
	sl_health_fini(&state->health);
	*state = (struct sl_top_state){0};
}

/* A copy of `count` rows; zeros where there is no such map. */
static void *copy_rows(const void *rows, uint32_t count, size_t row_bytes)
{
	void *copy = calloc(count ? count : 1, row_bytes);

	if (copy && rows)
		memcpy(copy, rows, count * row_bytes);
	return copy;
}

static int state_read(struct sl_view *view, struct sl_top_state *ret_state)
{
	struct sl_top_state state = {
		.now_ns = sl_clock_ns(),
		.plane = view->alone ? 0 : map_id(view->fds[SL_VIEW_SETTINGS]),
		.node_slots = sl_view_node_slots(view),
		.pool_slots = sl_view_pool_slots(view),
	};

	state.nodes = copy_rows(view->nodes, state.node_slots, sizeof(*state.nodes));
	state.pools = copy_rows(view->pools, state.pool_slots, sizeof(*state.pools));
	state.latencies = copy_rows(view->latencies, state.node_slots, sizeof(*state.latencies));
	state.loads = copy_rows(view->loads, state.node_slots, sizeof(*state.loads));
	if (!state.nodes || !state.pools || !state.latencies || !state.loads) {
		sl_say_error("stop other programs, or give the host more memory",
			     "no memory for a copy of %u nodes", state.node_slots);
		state_fini(&state);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < SL_COUNTER_COUNT; i++)
		state.counters[i] = sl_view_counter(view, i);
	if (!view->alone)
		state.event_bytes = ring_position(view->dir, "events");
	state.table = look_at_table(view, state.now_ns);
	*ret_state = state;
	return 0;
}

/* "eth0 xdp_native, eth1 tcx_lane": each device with where its lane is. */
static void list_devices(const struct sl_view *view, char devices[SL_TOP_DEVICES_MAX])
{
	struct sl_record records[SL_RECORDS_MAX];
	struct sl_text text;
	uint32_t count;

	sl_record_list(view->dir, records, SL_RECORDS_MAX, &count);
	sl_text_init_fixed(&text, devices, SL_TOP_DEVICES_MAX);
	for (uint32_t i = 0; i < count && !view->alone; i++) {
		if (!sl_record_is_xdp(records[i].kind) && !sl_record_is_lane(records[i].kind))
			continue;
		sl_text_printf(&text, "%s%s %s%s", text.len ? ", " : "", records[i].device,
			       sl_record_kind_name(records[i].kind),
			       sl_record_alive(view->dir, &records[i]) ? "" : " (gone)");
	}
	if (!text.len)
		sl_text_append_string(&text, "none");
}

/* A daemon that hangs costs a look its time-outs: it is left alone for a while then. */
static void ask_daemon(struct sl_top *top, const char *daemon_socket)
{
	struct sl_document *document = NULL;
	int error = 0;

	if (top->unasked)
		top->unasked--;
	else
		error = sl_top_ask(daemon_socket, &top->json, &document, top->no_document);
	if (error == -ETIMEDOUT)
		top->unasked = UNASKED_LOOKS;
	sl_document_free(&top->document);
	top->document = document;
}

/* What the document says of each node beside its breaker. */
static void take_health(const struct sl_document *document, struct sl_top_state *state)
{
	const struct sl_document *pools = sl_document_member(document, "pools");
	struct sl_health_line *lines =
		document ? calloc(state->node_slots + 1u, sizeof(*lines)) : NULL;

	for (size_t p = 0; lines && p < sl_document_count(pools); p++) {
		const struct sl_document *nodes =
			sl_document_member(sl_document_at(pools, p), "nodes");

		for (size_t n = 0; n < sl_document_count(nodes); n++) {
			const struct sl_document *node = sl_document_at(nodes, n);
			uint64_t slot = sl_document_number(node, "slot");
			struct sl_health_line line = {
				.slot = (uint32_t)slot,
				.incarnation = (uint32_t)sl_document_number(node, "incarnation"),
				.zombies = (uint32_t)sl_document_number(node, "zombies"),
				.doubtful = sl_document_true(node, "doubtful"),
				.held_ms = (uint32_t)sl_document_number(node, "held_ms"),
			};

			snprintf(line.check, sizeof(line.check), "%.11s",
				 sl_document_string(node, "check"));
			snprintf(line.ring, sizeof(line.ring), "%.11s",
				 sl_document_string(node, "ring"));
			snprintf(line.zone, sizeof(line.zone), "%.32s",
				 sl_document_string(node, "zone"));
			snprintf(line.region, sizeof(line.region), "%.32s",
				 sl_document_string(node, "region"));
			if (slot && slot < state->node_slots)
				lines[slot] = line;
		}
	}
	state->health = (struct sl_health_look){lines ? state->node_slots : 0, lines};
}

int sl_top_look(struct sl_top *top, const char *dir, const char *daemon_socket)
{
	struct sl_status_look look = {.daemon_socket = daemon_socket};
	struct sl_top_state state;
	struct sl_text summary;
	struct sl_view view;
	int error = sl_view_open_any(dir, daemon_socket, &view);

	if (error)
		return error;
	error = state_read(&view, &state);
	if (!error) {
		ask_daemon(top, daemon_socket);
		take_health(top->document, &state);
		look.view = &view;
		look.now_ns = state.now_ns;
		sl_text_init_fixed(&summary, top->summary, sizeof(top->summary));
		top->well = sl_status_summary(&look, &summary);
		list_devices(&view, top->devices);
		if (gethostname(top->host, sizeof(top->host) - 1))
			snprintf(top->host, sizeof(top->host), "localhost");
		state_fini(&top->before);
		top->before = top->now;
		top->now = state;
		top->wall_ms = sl_clock_wall_ms();
		sl_top_note_changes(top);
		sl_top_note_strange(top);
	}
	sl_view_close(&view);
	return error;
}

void sl_top_init(struct sl_top *top)
{
	*top = (struct sl_top){0};
	sl_text_init(&top->json, SL_TOP_DOCUMENT_BYTES_MAX);
}

void sl_top_fini(struct sl_top *top)
{
	state_fini(&top->now);
	state_fini(&top->before);
	sl_document_free(&top->document);
	sl_text_fini(&top->json);
}
