/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_guard.c - `sluice guard`: the allow and the deny list, live, and what the guard does.
 *
 * One update of the trie each; packets see it at once. An entry made here stays until it is removed
 * or the kernel plane goes; an entry of the configuration file comes back with the next reload.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/view.h"
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/prefix.h"
#include "user/base/text.h"
#include "user/base/tunables.h"

#define PENDING_OVER (1u << 31) /* sl_service_guard.pending, see abi.h */
#define SECOND_SHIFT 30u
#define TEXT_BYTES   (4u << 20)
#define NEXT_OF_FILE "change kernel.allow or kernel.deny in the file too"
#define NOT_THERE    0u

static const char *rule_name(uint32_t value)
{
	switch (value & SL_PREFIX_RULE) {
	case SL_PREFIX_ALLOW:
		return "allow";
	case SL_PREFIX_DENY:
		return "deny";
	default:
		return "unknown";
	}
}

/* ---- changes ------------------------------------------------------------------------------- */

/* Value of exactly this prefix; a lookup in a trie would find a shorter one as well. */
static uint32_t find_exact(int fd, const struct sl_prefix *wanted)
{
	struct sl_prefix at, next;
	uint32_t value;

	for (uint32_t steps = 0; steps <= SL_PREFIXES_MAX; steps++) {
		if (bpf_map_get_next_key(fd, steps ? &at : NULL, &next))
			break;
		if (!sl_prefix_compare(&next, wanted))
			return bpf_map_lookup_elem(fd, &next, &value) ? NOT_THERE : value;
		at = next;
	}
	return NOT_THERE;
}

static int put(int fd, const struct sl_prefix *prefix, enum sl_prefix_rule rule)
{
	uint32_t before = find_exact(fd, prefix);
	uint32_t value = rule;
	char text[SL_PREFIX_TEXT_SIZE];

	sl_prefix_format(prefix, text);
	if ((before & SL_PREFIX_RULE) == rule) {
		printf("%s: already %s\n", text, rule == SL_PREFIX_ALLOW ? "allowed" : "denied");
		return SL_EXIT_OK;
	}
	if (bpf_map_update_elem(fd, prefix, &value, BPF_ANY))
		return sl_say_error(errno == ENOSPC ? "sluice guard lists them" : "run as root",
				    "prefix %s: cannot be written: %s", text,
				    errno == ENOSPC ? "the list is full" : strerror(errno));
	printf("%s: %s\n", text,
	       rule == SL_PREFIX_ALLOW ? "allowed: its new flows have no limit"
				       : "denied: new flows are dropped, established ones go on");
	if (before & SL_PREFIX_OF_FILE)
		sl_say_warning(NEXT_OF_FILE,
			       "%s: the configuration says %s, and so will its next reload", text,
			       rule_name(before));
	return SL_EXIT_OK;
}

static int remove_one(int fd, const struct sl_prefix *prefix)
{
	uint32_t before = find_exact(fd, prefix);
	char text[SL_PREFIX_TEXT_SIZE];

	sl_prefix_format(prefix, text);
	if (before == NOT_THERE)
		return sl_say_error("sluice guard lists them", "there is no prefix %s", text);
	if (bpf_map_delete_elem(fd, prefix) && errno != ENOENT)
		return sl_say_error("run as root", "prefix %s: cannot be removed: %s", text,
				    strerror(errno));
	printf("%s: removed (was: %s)\n", text, rule_name(before));
	if (before & SL_PREFIX_OF_FILE)
		sl_say_warning(NEXT_OF_FILE,
			       "%s: it stands in the configuration, whose next reload brings it "
			       "back",
			       text);
	return SL_EXIT_OK;
}

/* ---- the list ------------------------------------------------------------------------------ */

/* What one service's row says now. */
struct service_row {
	char address[SL_ADDRESS_TEXT_SIZE];
	const char *protocol;
	const char *lane;
	uint64_t limited, cookies, proven;
	uint32_t pending; /* handshakes unfinished in this second */
	bool demands;	  /* sources must prove themselves */
};

static void read_row(const struct sl_view *view, const struct sl_endpoint *endpoint,
		     const struct sl_service *service, struct service_row *ret_row)
{
	const struct sl_service_guard *guard =
		&view->services_guard[service->index % SL_SERVICES_MAX];
	uint64_t word = __atomic_load_n(&guard->pending, __ATOMIC_RELAXED);
	uint64_t limit = sl_tunable_get(view->tunables, service->pool, SL_TUNABLE_GUARD_PENDING);
	uint32_t age = (uint32_t)(sl_clock_ns() >> SECOND_SHIFT) - (uint32_t)(word >> 32);
	uint32_t count = (uint32_t)word & (PENDING_OVER - 1);

	*ret_row = (struct service_row){
		.protocol = endpoint->proto == 17 ? "udp" : "tcp",
		.lane = service->lane == SL_LANE_FAST ? "fast" : "smart",
		.limited = __atomic_load_n(&guard->limited, __ATOMIC_RELAXED),
		.cookies = __atomic_load_n(&guard->cookies, __ATOMIC_RELAXED),
		.proven = __atomic_load_n(&guard->proven, __ATOMIC_RELAXED),
		.pending = age ? 0 : count,
	};
	sl_address_format(endpoint, ret_row->address);
	if (limit && age <= 1)
		ret_row->demands = count > limit || (!age && (word & PENDING_OVER));
}

static void put_service(const struct service_row *row, bool json, bool first, struct sl_text *text)
{
	if (json) {
		sl_text_printf(text,
			       "%s\n  {\"address\": \"%s\", \"protocol\": \"%s\", \"lane\": "
			       "\"%s\", \"limited\": %" PRIu64 ", \"cookies\": %" PRIu64
			       ", \"proven\": %" PRIu64 ", \"pending\": %u, \"demands_proof\": %s}",
			       first ? "" : ",", row->address, row->protocol, row->lane,
			       row->limited, row->cookies, row->proven, row->pending,
			       row->demands ? "true" : "false");
		return;
	}
	if (first)
		sl_text_printf(text, "\n%-28s %-5s %-5s %12s %12s %8s %8s  %s\n", "service",
			       "proto", "lane", "limited", "cookies", "proven", "pending",
			       "new sources");
	sl_text_printf(text, "%-28s %-5s %-5s %12" PRIu64 " %12" PRIu64 " %8" PRIu64 " %8u  %s\n",
		       row->address, row->protocol, row->lane, row->limited, row->cookies,
		       row->proven, row->pending, row->demands ? "must prove themselves" : "pass");
}

static void put_services(const struct sl_view *view, bool json, struct sl_text *text)
{
	struct sl_endpoint at, next;
	struct sl_service service;
	struct service_row row;
	bool first = true;

	for (uint32_t steps = 0; steps <= SL_SERVICES_MAX && view->services_guard; steps++) {
		if (bpf_map_get_next_key(view->fds[SL_VIEW_SERVICES], steps ? &at : NULL, &next))
			break;
		at = next;
		if (bpf_map_lookup_elem(view->fds[SL_VIEW_SERVICES], &next, &service) ||
		    service.pool >= SL_POOLS_MAX)
			continue;
		read_row(view, &next, &service, &row);
		put_service(&row, json, first, text);
		first = false;
	}
}

static uint32_t put_prefixes(int fd, bool json, struct sl_text *text)
{
	char shown[SL_PREFIX_TEXT_SIZE];
	struct sl_prefix at, next;
	uint32_t count = 0, value;

	for (uint32_t steps = 0; steps <= SL_PREFIXES_MAX; steps++) {
		if (bpf_map_get_next_key(fd, steps ? &at : NULL, &next))
			break;
		at = next;
		if (bpf_map_lookup_elem(fd, &next, &value))
			continue;
		sl_prefix_format(&next, shown);
		if (json)
			sl_text_printf(text,
				       "%s\n  {\"prefix\": \"%s\", \"rule\": \"%s\", \"of_file\": "
				       "%s}",
				       count ? "," : "", shown, rule_name(value),
				       value & SL_PREFIX_OF_FILE ? "true" : "false");
		else
			sl_text_printf(text, "%-5s  %-44s %s\n", rule_name(value), shown,
				       value & SL_PREFIX_OF_FILE ? "configuration" : "by hand");
		count++;
	}
	return count;
}

/* Rows of `sources` that say something; 0 where there is no such map. */
static uint32_t count_sources(struct sl_view *view)
{
	const struct sl_source *sources;
	const void *memory;
	uint32_t count = 0;

	if (sl_view_map_large(view, SL_VIEW_SOURCES, &memory))
		return 0;
	sources = memory;
	for (uint32_t i = 0; i < view->entries[SL_VIEW_SOURCES]; i++)
		count += __atomic_load_n(&sources[i].tag, __ATOMIC_RELAXED) != 0;
	return count;
}

static int list(struct sl_view *view, bool json)
{
	struct sl_text text;
	uint32_t count;
	int exit_code = SL_EXIT_OK;

	sl_text_init(&text, TEXT_BYTES);
	if (json)
		sl_text_append_string(&text, "{\"prefixes\": [");
	count = put_prefixes(view->fds[SL_VIEW_PREFIXES], json, &text);
	if (!json && !count)
		sl_text_append_string(&text, "no prefix is allowed or denied\n");
	if (json)
		sl_text_append_string(&text, "],\n\"services\": [");
	put_services(view, json, &text);
	if (json)
		sl_text_printf(&text, "],\n\"sources\": {\"used\": %u, \"rows\": %u}}\n",
			       count_sources(view), view->entries[SL_VIEW_SOURCES]);
	else
		sl_text_printf(&text, "\n%u of %u rows for sources are in use\n",
			       count_sources(view), view->entries[SL_VIEW_SOURCES]);
	if (text.error)
		exit_code = sl_say_error(NULL, "the list is larger than %u bytes", TEXT_BYTES);
	else
		fputs(sl_text_string(&text), stdout);
	sl_text_fini(&text);
	return exit_code;
}

/* ---- the command --------------------------------------------------------------------------- */

static int change(struct sl_view *view, const char *order, const char *text)
{
	int fd = view->fds[SL_VIEW_PREFIXES];
	struct sl_prefix prefix;
	struct sl_error error;

	if (sl_prefix_parse(text, &prefix, &error))
		return sl_say_error(NULL, "%s", error.text);
	if (!strcmp(order, "allow"))
		return put(fd, &prefix, SL_PREFIX_ALLOW);
	if (!strcmp(order, "deny"))
		return put(fd, &prefix, SL_PREFIX_DENY);
	return remove_one(fd, &prefix);
}

static bool is_order(const char *word)
{
	return !strcmp(word, "allow") || !strcmp(word, "deny") || !strcmp(word, "remove");
}

static int run_guard(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *word = arguments->word_count ? arguments->words[0] : "list";
	bool listing = !strcmp(word, "list") && arguments->word_count < 2;
	const char *dir = sl_pins_dir(arguments->pin_dir, NULL);
	struct sl_view view;
	int exit_code;

	(void)command;
	if (!listing && (!is_order(word) || arguments->word_count != 2)) {
		sl_say_error("sluice guard --help",
			     "guard %s: expected list, or allow, deny or "
			     "remove with a prefix",
			     word);
		return SL_EXIT_USAGE;
	}
	if (sl_view_open(dir, false, &view))
		return SL_EXIT_FAILED;
	if (view.fds[SL_VIEW_PREFIXES] < 0)
		exit_code =
			sl_say_error("sluice up --replace CONFIG",
				     "the kernel plane in \"%s\" has no allow and deny list", dir);
	else
		exit_code = listing ? list(&view, arguments->json)
				    : change(&view, word, arguments->words[1]);
	sl_view_close(&view);
	return exit_code;
}

static const struct sl_option guard_options[] = {SL_OPTION_JSON, SL_OPTION_PIN_DIR, SL_OPTION_NONE};

const struct sl_command sl_command_guard = {
	.name = "guard",
	.words = "[list | allow PREFIX | deny PREFIX | remove PREFIX]",
	.words_max = 2,
	.summary = "allow or deny sources, show what the guard refuses",
	.description =
		"allow   new flows of these sources have no limit and need no proof\n"
		"deny    new flows of these sources are dropped; established ones go on\n"
		"remove  take the prefix out of both lists\n"
		"list    both lists, and of each service the new flows refused by rate (limited),\n"
		"        the cookies sent and the sources proven by them\n\n"
		"PREFIX is 10.0.0.0/8, fd00::/8 or one address; of several that match the longest\n"
		"counts. In force at once, for SYNs and first datagrams of every service. The\n"
		"limits themselves are tunables: sluice tune guard.source_per_s=500",
	.options = guard_options,
	.run = run_guard,
};
