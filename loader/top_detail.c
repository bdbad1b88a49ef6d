/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/top_detail.h"

#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/short.h"

#define LINE_BYTES 480u

/* Appends what the daemon says to "BEFORE WORD AFTER", or why it says nothing. A name with a blank is no word. */
static void ask(const char *socket, const char *before, const char *word, const char *after,
		struct sl_text *text)
{
	char line[LINE_BYTES];
	struct sl_text reply;
	int error = -1;

	sl_text_append_char(text, '\n');
	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	if (word[0] && !strpbrk(word, " \n") &&
	    (size_t)snprintf(line, sizeof(line), "%s %s%s", before, word, after) < sizeof(line))
		error = sl_admin_say(socket, line, &reply);
	if (error)
		sl_text_append_string(text, "the daemon does not answer\n");
	else if (!reply.len)
		sl_text_append_string(text, "the daemon keeps no more of it\n");
	else
		sl_text_append_string(text, sl_text_string(&reply) + (reply.data[0] == '!'));
	if (text->len && text->data[text->len - 1] != '\n')
		sl_text_append_char(text, '\n');
	sl_text_fini(&reply);
}

static void describe_route(const struct sl_document *of, struct sl_text *text)
{
	const struct sl_document *chain = sl_document_member(of, "chain");
	const struct sl_document *steps = sl_document_member(of, "steps");
	const struct sl_document *rules = sl_document_member(of, "rules_in_force");
	const char *pool = sl_document_string(of, "pool");
	char first[SL_SHORT_BYTES], late[SL_SHORT_BYTES];

	sl_text_printf(
		text,
		"\n%.1f requests/s, %.1f errors/s, %.1f fallbacks/s; first token %s, 95 %%: %s\n",
		sl_document_real(of, "requests_per_s"), sl_document_real(of, "errors_per_s"),
		sl_document_real(of, "fallbacks_per_s"),
		sl_short_time(sl_document_number(of, "ttft_p50_us"), first),
		sl_short_time(sl_document_number(of, "ttft_p95_us"), late));
	sl_text_append_string(text, "\nits chain of pools, the best first:\n");
	for (size_t i = 0; i < sl_document_count(chain); i++) {
		const struct sl_document *rung = sl_document_at(chain, i);
		const char *name = sl_document_string(rung, "pool");

		sl_text_printf(text, "  %s %-24s %llu of %llu nodes take requests%s\n",
			       !strcmp(name, pool) ? ">" : " ", name,
			       (unsigned long long)sl_document_number(rung, "available"),
			       (unsigned long long)sl_document_number(rung, "nodes"),
			       !strcmp(name, pool) ? ": it answers now" : "");
	}
	sl_text_append_string(text, "\nsteps down that were ever taken (*: in the last minute):\n");
	for (size_t i = 0; i < sl_document_count(steps); i++) {
		const struct sl_document *step = sl_document_at(steps, i);

		sl_text_printf(text, "  %s %-24s %8llu  %s\n",
			       sl_document_true(step, "now") ? "*" : " ",
			       sl_document_string(step, "step"),
			       (unsigned long long)sl_document_number(step, "count"),
			       sl_document_string(step, "means"));
	}
	if (!sl_document_count(steps))
		sl_text_append_string(text, "  none\n");
	for (size_t i = 0; i < sl_document_count(rules); i++)
		sl_text_printf(text, "rule %.0f of degradation is in force\n",
			       sl_document_value(sl_document_at(rules, i)));
}

void sl_top_detail(const struct sl_top_item *item, const struct sl_top *top, const char *socket,
		   struct sl_text *text)
{
	char number[24];

	if (item->pane == SL_TOP_NODES) {
		sl_top_describe_node(item, top, text);
		return;
	}
	sl_text_printf(text, "%s\n", item->line);
	switch (item->pane) {
	case SL_TOP_LADDERS:
		describe_route(item->of, text);
		break;
	case SL_TOP_KERNEL:
		sl_text_append_char(text, '\n');
		sl_top_describe_kernel(top, text);
		break;
	case SL_TOP_BUDGETS:
		ask(socket, "slo text", sl_document_string(item->of, "route"), "", text);
		break;
	case SL_TOP_INCIDENTS:
		snprintf(number, sizeof(number), "%llu",
			 (unsigned long long)sl_document_number(item->of, "id"));
		ask(socket, "incidents text show", number, "", text);
		break;
	case SL_TOP_ROLLOUTS:
		ask(socket, "rollout text status", item->name, "", text);
		break;
	case SL_TOP_DECISIONS:
		if (item->of)
			ask(socket, "explain", item->name, " text", text);
		break;
	case SL_TOP_QUEUES:
	case SL_TOP_CHAOS:
	default:
		break;
	}
}
