/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_node.c - `sluice drain`, `undrain` and `breaker`: orders about one node.
 *
 * Each is one atomic operation on the mapped node; both planes see it at their next choice. Without
 * kernel plane the node is mapped from the daemon's memory, and the daemon alone sees it.
 */
#include <stdio.h>
#include <string.h>
#include "bpf/breaker.h"
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/status.h"
#include "loader/view.h"
#include "user/base/address.h"
#include "user/base/clock.h"

/* Lost races are tried again this often; each try is SL_CAS_TRIES_MAX swaps. */
#define FORCE_TRIES_MAX 64

/* Opens the view and finds the node. Returns its slot, or 0 after a message. */
static uint32_t open_node(const struct sl_arguments *arguments, const char *text,
			  struct sl_view *ret_view)
{
	uint32_t slot;

	if (sl_view_open_any(sl_pins_dir(arguments->pin_dir, NULL),
			     sl_admin_path(arguments->admin_socket), ret_view))
		return 0;
	slot = sl_view_find_node(ret_view, text);
	if (slot && ret_view->nodes[slot].pool < ret_view->entries[SL_VIEW_POOLS])
		return slot;
	sl_view_close(ret_view);
	return 0;
}

/* Says so when the order leaves its pool without a node for new flows. */
static void warn_if_empty(const struct sl_view *view, uint32_t pool)
{
	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		if (node->pool == pool && sl_breaker_available(node, sl_clock_ms()))
			return;
	}
	sl_say_warning("sluice status", "pool \"%.63s\" has no node left that takes new flows",
		       view->pools[pool].name);
}

static int set_draining(const struct sl_arguments *arguments, bool draining)
{
	char address[SL_ADDRESS_TEXT_SIZE];
	struct sl_node_state *node;
	struct sl_view view;
	uint32_t slot = open_node(arguments, arguments->words[0], &view);
	uint32_t before;

	if (!slot)
		return SL_EXIT_FAILED;
	node = &view.nodes[slot];
	before = draining ? __atomic_fetch_or(&node->admin, SL_NODE_DRAINING, __ATOMIC_SEQ_CST)
			  : __atomic_fetch_and(&node->admin, ~SL_NODE_DRAINING, __ATOMIC_SEQ_CST);
	printf("pool \"%.63s\": node %s %s%s", view.pools[node->pool].name,
	       sl_address_format(&node->endpoint, address),
	       draining == !!(before & SL_NODE_DRAINING) ? "already " : "",
	       draining ? "drains: no new flow or request" : "takes new flows and requests");
	if (draining)
		printf("; %llu active flows and %u requests go on",
		       (unsigned long long)sl_node_flows(node, sl_clock_ns()), node->requests);
	putchar('\n');
	if (draining)
		warn_if_empty(&view, node->pool);
	sl_view_close(&view);
	return SL_EXIT_OK;
}

static int run_drain(const struct sl_command *command, const struct sl_arguments *arguments)
{
	(void)command;
	return set_draining(arguments, true);
}

static int run_undrain(const struct sl_command *command, const struct sl_arguments *arguments)
{
	(void)command;
	return set_draining(arguments, false);
}

static int run_breaker(const struct sl_command *command, const struct sl_arguments *arguments)
{
	static const struct {
		const char *word;
		enum sl_breaker_order order;
	} orders[] = {
		{"open", SL_BREAKER_ORDER_OPEN},
		{"close", SL_BREAKER_ORDER_CLOSE},
		{"auto", SL_BREAKER_ORDER_AUTO},
	};
	char address[SL_ADDRESS_TEXT_SIZE];
	struct sl_breaker_change change;
	struct sl_node_state *node;
	struct sl_view view;
	uint32_t slot;
	size_t i = 0;
	int done = 0;

	(void)command;
	while (i < 3 && strcmp(orders[i].word, arguments->words[0]))
		i++;
	if (i == 3) {
		sl_say_error("sluice breaker --help",
			     "breaker \"%s\": expected open, close or auto", arguments->words[0]);
		return SL_EXIT_USAGE;
	}
	slot = open_node(arguments, arguments->words[1], &view);
	if (!slot)
		return SL_EXIT_FAILED;
	node = &view.nodes[slot];
	for (int tries = 0; !done && tries < FORCE_TRIES_MAX; tries++)
		done = sl_breaker_force(node, &view.pools[node->pool], orders[i].order,
					sl_clock_ms(), SL_PLANE_OPERATOR, &change);
	sl_address_format(&node->endpoint, address);
	if (done)
		printf("pool \"%.63s\": node %s: breaker is %s%s\n", view.pools[node->pool].name,
		       address,
		       sl_status_state_name(sl_breaker_state(sl_breaker_load(&node->breaker))),
		       change.changed ? "" : " (as before)");
	else
		sl_say_error("try again", "node %s: its breaker changes too fast to be set",
			     address);
	if (done && orders[i].order == SL_BREAKER_ORDER_OPEN)
		warn_if_empty(&view, node->pool);
	sl_view_close(&view);
	return done ? SL_EXIT_OK : SL_EXIT_FAILED;
}

static const struct sl_option node_options[] = {SL_OPTION_ADMIN_SOCKET, SL_OPTION_PIN_DIR,
						SL_OPTION_NONE};

const struct sl_command sl_command_drain = {
	.name = "drain",
	.words = "NODE",
	.words_min = 1,
	.words_max = 1,
	.summary = "send a node no new flow or request",
	.description = "NODE is ADDRESS:PORT or POOL/INDEX, as `sluice status` shows them.\n"
		       "Established flows and requests go on. A drain is no trip: the breaker\n"
		       "keeps its state. Ends with `sluice undrain NODE`.",
	.options = node_options,
	.run = run_drain,
};

const struct sl_command sl_command_undrain = {
	.name = "undrain",
	.words = "NODE",
	.words_min = 1,
	.words_max = 1,
	.summary = "end a drain",
	.description = "NODE is ADDRESS:PORT or POOL/INDEX, as `sluice status` shows them.",
	.options = node_options,
	.run = run_undrain,
};

const struct sl_command sl_command_breaker = {
	.name = "breaker",
	.words = "open|close|auto NODE",
	.words_min = 2,
	.words_max = 2,
	.summary = "open or close a node's breaker by hand",
	.description = "open   refuse new flows and requests until told otherwise\n"
		       "close  admit from now on, with a fresh window\n"
		       "auto   end an `open`: the node is due for a probe and proves itself\n\n"
		       "NODE is ADDRESS:PORT or POOL/INDEX, as `sluice status` shows them.\n"
		       "Established flows go on in any case.",
	.options = node_options,
	.run = run_breaker,
};
