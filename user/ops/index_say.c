/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/index_say.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/notice.h"

#define WORDS_MAX 4u

static const char *const order_names[] = {
	[SL_INDEXES_APPEND] = "append",	  [SL_INDEXES_BUILD] = "build",
	[SL_INDEXES_PROMOTE] = "promote", [SL_INDEXES_ROLLBACK] = "rollback",
	[SL_INDEXES_VERIFY] = "verify",
};

static void list_text(const struct sl_indexes_status *s, const struct sl_shelf_list *shelf,
		      struct sl_text *text)
{
	sl_text_printf(text, "%s: ", s->name);
	if (s->current)
		sl_text_printf(text, "version %" PRIu32 " is served", s->current);
	else
		sl_text_append_string(text, "none is served");
	for (uint32_t i = 0; i < shelf->count; i++)
		sl_text_printf(text, "%s%" PRIu32, i ? " " : ", there are ", shelf->versions[i]);
	sl_text_printf(text,
		       "\n  documents=%" PRIu64 " chunks=%" PRIu64
		       " by=%s%s stale_documents=%" PRIu64 " stale_chunks=%" PRIu64 "\n",
		       s->documents, s->chunks, s->vectors ? "meaning" : "words",
		       s->by_pool && s->by_builtin ? " vectors=pool+builtin"
		       : s->by_pool		   ? " vectors=pool"
						   : "",
		       s->stale, s->stale_chunks);
	if (s->building)
		sl_text_printf(text, "  another is being made: %s %" PRIu64 "/%" PRIu64 "\n",
			       s->doing, s->done, s->total);
	if (s->candidate)
		sl_text_printf(text,
			       "  version %" PRIu32
			       " is rolled out beside it (sluice rollout); changes "
			       "of the documents wait\n",
			       s->candidate);
	if (s->held)
		sl_text_append_string(text, "  held: changes of the documents wait until the "
					    "newest is promoted\n");
	if (s->error[0])
		sl_text_printf(text, "  failed: %s\n", s->error);
}

static void list_json(const struct sl_indexes_status *s, const struct sl_shelf_list *shelf,
		      struct sl_text *text)
{
	sl_text_printf(text,
		       "{\"name\":\"%s\",\"served\":%" PRIu32 ",\"before\":%" PRIu32
		       ",\"candidate\":%" PRIu32,
		       s->name, s->current, s->before, s->candidate);
	sl_text_append_string(text, ",\"versions\":[");
	for (uint32_t i = 0; i < shelf->count; i++)
		sl_text_printf(text, "%s%" PRIu32, i ? "," : "", shelf->versions[i]);
	sl_text_printf(text,
		       "],\"documents\":%" PRIu64 ",\"chunks\":%" PRIu64 ",\"vectors\":%s"
		       ",\"by_pool\":%s,\"by_builtin\":%s"
		       ",\"stale_documents\":%" PRIu64 ",\"stale_chunks\":%" PRIu64
		       ",\"building\":%s,\"doing\":\"%s\",\"done\":%" PRIu64 ",\"total\":%" PRIu64
		       ",\"held\":%s,\"error\":\"",
		       s->documents, s->chunks, s->vectors ? "true" : "false",
		       s->by_pool ? "true" : "false", s->by_builtin ? "true" : "false", s->stale,
		       s->stale_chunks, s->building ? "true" : "false", s->building ? s->doing : "",
		       s->done, s->total, s->held ? "true" : "false");
	sl_text_append_json(text, s->error, strlen(s->error));
	sl_text_append_string(text, "\"}");
}

static void list(struct sl_indexes *indexes, const char *only, bool json, struct sl_text *text)
{
	struct sl_indexes_status status;
	char directory[SL_SHELF_PATH_SIZE];
	struct sl_shelf_list shelf;
	uint32_t shown = 0;

	if (json)
		sl_text_append_string(text, "{\"indexes\":[");
	for (uint32_t i = 0; sl_indexes_read(indexes, i, &status); i++) {
		if (only != NULL && strcmp(only, status.name) != 0)
			continue;
		/* One that was never built has no directory yet. */
		if (!sl_indexes_find(indexes, status.name, &status, directory) ||
		    sl_shelf_read(directory, &shelf, NULL))
			shelf.count = 0;
		if (json)
			sl_text_append_string(text, shown ? "," : "");
		(json ? list_json : list_text)(&status, &shelf, text);
		shown++;
	}
	if (json)
		sl_text_append_string(text, "]}\n");
	if (only != NULL && !shown) {
		sl_text_reset(text);
		sl_text_printf(text, "!index \"%s\": is not configured (see: indexes)", only);
	}
}

static void wait_for(struct sl_indexes *indexes, const char *name, uint64_t ticket, bool json,
		     struct sl_text *text)
{
	struct sl_indexes_status s;

	if (!sl_indexes_find(indexes, name, &s, NULL)) {
		sl_text_printf(text, "!index \"%s\": is not configured any more", name);
	} else if (s.orders_done < ticket) {
		sl_text_printf(text, ".%s %" PRIu64 "/%" PRIu64, s.building ? s.doing : "waits",
			       s.done, s.total);
	} else if (s.order_rc) {
		sl_text_printf(text, "!%s", s.said);
	} else if (json) {
		sl_text_printf(text, "{\"index\":\"%s\",\"served\":%" PRIu32 ",\"said\":\"", s.name,
			       s.current);
		sl_text_append_json(text, s.said, strlen(s.said));
		sl_text_append_string(text, "\"}\n");
	} else {
		sl_text_printf(text, "%s: %s\n", s.name, s.said);
	}
}

/* Somebody's deed, for the audit trail. */
static void tell(char *const words[WORDS_MAX], const char *who)
{
	struct sl_notice notice = {
		.kind = SL_NOTICE_INDEX, .of = SL_NOTICE_OF_INDEX, .audit = true};

	sl_notice_set(notice.name, sizeof(notice.name), words[2]);
	sl_notice_set(notice.who, sizeof(notice.who), who);
	sl_notice_tell(&notice, "%s%s%s", words[1], words[3] ? " " : "", words[3] ? words[3] : "");
}

/* False: no such order, or of another form. */
static bool order(struct sl_indexes *indexes, char *const words[WORDS_MAX], const char *who,
		  struct sl_text *text)
{
	const uint32_t count = sizeof(order_names) / sizeof(order_names[0]);
	struct sl_error error = {""};
	uint32_t which = 0, version = 0;
	unsigned long long number;
	uint64_t ticket;
	bool takes;

	while (which < count && strcmp(words[1], order_names[which]) != 0)
		which++;
	takes = which == SL_INDEXES_PROMOTE || which == SL_INDEXES_VERIFY;
	number = words[3] != NULL ? strtoull(words[3], NULL, 10) : 0;
	if (number <= UINT32_MAX)
		version = (uint32_t)number;
	if (which == count || words[2] == NULL || (words[3] != NULL && (!takes || version == 0)) ||
	    (which == SL_INDEXES_PROMOTE && version == 0))
		return false;
	if (sl_indexes_order(indexes, words[2], (enum sl_indexes_order)which, version, &ticket,
			     &error))
		sl_text_printf(text, "!%s", error.text);
	else
		sl_text_printf(text, ".%" PRIu64, ticket);
	if (!error.text[0] && which != SL_INDEXES_VERIFY)
		tell(words, who);
	return true;
}

void sl_index_say(struct sl_indexes *indexes, char *words, const char *who, struct sl_text *text)
{
	char *split[WORDS_MAX] = {NULL}, *rest = NULL;
	uint32_t count = 0;
	bool json;

	for (char *word = strtok_r(words, " ", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		split[count++] = word;
	json = count && strcmp(split[0], "json") == 0;
	if (sl_indexes_count(indexes) == 0)
		sl_text_append_string(text, "!the daemon has no indexes (see: indexes)");
	else if (count >= 2 && count <= 3 && strcmp(split[1], "list") == 0)
		list(indexes, split[2], json, text);
	else if (count == 4 && strcmp(split[1], "wait") == 0)
		wait_for(indexes, split[2], strtoull(split[3], NULL, 10), json, text);
	else if (count < 2 || !order(indexes, split, who, text))
		sl_text_append_string(text, "!expected list [NAME], build NAME, append NAME, "
					    "verify NAME [VERSION], promote NAME VERSION or "
					    "rollback NAME");
}
