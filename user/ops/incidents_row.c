/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of the ledger: fields between tabs, words rather than numbers, for who reads the file by itself.
 *
 *   WHAT KIND LEVEL OF VALUE NAME POOL WHO TEXT
 *   counted: TEXT is REQUESTS HARMED SAVED RETRIES FALLBACKS MORE KEY,KEY,...
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "user/ops/incidents_parts.h"

#define FIELDS	8u /* before the text */
#define NUMBERS 6u

static void put(struct sl_text *text, const char *field)
{
	for (; *field; field++)
		sl_text_append_char(text, (unsigned char)*field < ' ' ? ' ' : *field);
}

static void put_counts(const struct sl_incident_counts *counts, struct sl_text *text)
{
	sl_text_printf(text, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d ",
		       counts->requests, counts->harmed, counts->saved, counts->retries,
		       counts->fallbacks, counts->more_keys);
	for (uint32_t i = 0; i < counts->key_count; i++)
		sl_text_printf(text, "%s%s", i ? "," : "", counts->keys[i]);
}

void sl_incidents_write_row(const struct sl_incident *incident,
			    const struct sl_incident_event *event, struct sl_text *text)
{
	sl_text_printf(text, "%s\t%s\t%s\t%s\t%" PRIu64 "\t", sl_incident_what_name(event->what),
		       sl_notice_kind_name(event->kind), sl_notice_level_name(event->level),
		       sl_notice_of_name(event->of), event->value);
	put(text, event->name);
	sl_text_append_char(text, '\t');
	put(text, event->pool);
	sl_text_append_char(text, '\t');
	put(text, event->who);
	sl_text_append_char(text, '\t');
	if (event->what == SL_INCIDENT_COUNTED)
		put_counts(&incident->counts, text);
	else
		put(text, event->text);
}

/* The number of that name among the first `count`, or count. */
#define FIND(field, count, name_of)                                                          \
	({                                                                                   \
		uint32_t at_ = 0;                                                            \
		while (at_ < (count) && !sl_span_equal(field, sl_span_string(name_of(at_)))) \
			at_++;                                                               \
		at_;                                                                         \
	})

static void copy(char *field, size_t size, struct sl_span from)
{
	size_t len = from.len < size ? from.len : size - 1;

	memcpy(field, from.data ? from.data : "", len);
	field[len] = 0;
}

static int read_counts(struct sl_span text, struct sl_incident_counts *counts)
{
	uint64_t numbers[NUMBERS];

	memset(counts, 0, sizeof(*counts));
	for (uint32_t i = 0; i < NUMBERS; i++) {
		if (sl_span_u64(sl_span_cut(&text, ' '), &numbers[i]))
			return -EINVAL;
	}
	counts->requests = numbers[0];
	counts->harmed = numbers[1];
	counts->saved = numbers[2];
	counts->retries = numbers[3];
	counts->fallbacks = numbers[4];
	counts->more_keys = numbers[5] != 0;
	while (text.len && counts->key_count < SL_INCIDENT_KEYS_MAX)
		copy(counts->keys[counts->key_count++], sizeof(counts->keys[0]),
		     sl_span_cut(&text, ','));
	return 0;
}

int sl_incidents_read_row(struct sl_incidents *book, uint64_t id, uint64_t at_ms,
			  struct sl_span row)
{
	struct sl_incident_event event = {.at_ms = at_ms};
	struct sl_incident_counts counts;
	struct sl_span f[FIELDS];

	sl_incidents_reserve(book, id); /* also of a row that a newer daemon wrote */
	for (uint32_t i = 0; i < FIELDS; i++)
		f[i] = sl_span_cut(&row, '\t');
	event.what = FIND(f[0], SL_INCIDENT_WHATS, sl_incident_what_name);
	event.kind = FIND(f[1], SL_NOTICE_COUNT, sl_notice_kind_name);
	event.level = FIND(f[2], SL_NOTICE_LEVELS, sl_notice_level_name);
	event.of = FIND(f[3], SL_NOTICE_OFS, sl_notice_of_name);
	if (event.what == SL_INCIDENT_WHATS || event.kind == SL_NOTICE_COUNT ||
	    event.level == SL_NOTICE_LEVELS || event.of == SL_NOTICE_OFS ||
	    sl_span_u64(f[4], &event.value))
		return -EINVAL;
	copy(event.name, sizeof(event.name), f[5]);
	copy(event.pool, sizeof(event.pool), f[6]);
	copy(event.who, sizeof(event.who), f[7]);
	if (event.what != SL_INCIDENT_COUNTED)
		copy(event.text, sizeof(event.text), row);
	else if (read_counts(row, &counts))
		return -EINVAL;
	return sl_incidents_apply(book, id, &event,
				  event.what == SL_INCIDENT_COUNTED ? &counts : NULL);
}
