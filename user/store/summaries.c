/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/summaries.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	uint8_t chain[SL_DIGEST_BYTES];
	char *text; /* NULL: free */
	size_t len;
	uint64_t used; /* larger: later */
};

struct sl_summaries {
	pthread_mutex_t lock;
	struct entry entries[SL_SUMMARIES_MAX];
	size_t bytes;
	uint64_t clock;
};

int sl_summaries_open(struct sl_summaries **ret_summaries)
{
	struct sl_summaries *summaries = calloc(1, sizeof(*summaries));

	if (!summaries)
		return -ENOMEM;
	pthread_mutex_init(&summaries->lock, NULL);
	*ret_summaries = summaries;
	return 0;
}

void sl_summaries_close(struct sl_summaries **summaries)
{
	struct sl_summaries *s = *summaries;

	*summaries = NULL;
	if (!s)
		return;
	for (size_t i = 0; i < SL_SUMMARIES_MAX; i++)
		free(s->entries[i].text);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void sl_summary_chain(uint8_t chain[SL_DIGEST_BYTES], struct sl_span part)
{
	struct sl_span parts[] = {sl_span_make((const char *)chain, SL_DIGEST_BYTES), part};
	uint8_t next[SL_DIGEST_BYTES];

	sl_digest_sha256(parts, 2, next);
	memcpy(chain, next, sizeof(next));
}

static struct entry *find(struct sl_summaries *s, const uint8_t chain[SL_DIGEST_BYTES])
{
	for (size_t i = 0; i < SL_SUMMARIES_MAX; i++) {
		if (s->entries[i].text && memcmp(s->entries[i].chain, chain, SL_DIGEST_BYTES) == 0)
			return &s->entries[i];
	}
	return NULL;
}

bool sl_summaries_find(struct sl_summaries *summaries, const uint8_t chain[SL_DIGEST_BYTES],
		       struct sl_text *out)
{
	struct entry *entry;
	bool found;

	if (!summaries)
		return false;
	pthread_mutex_lock(&summaries->lock);
	entry = find(summaries, chain);
	found = entry && sl_text_append(out, entry->text, entry->len) == 0;
	if (entry)
		entry->used = ++summaries->clock;
	pthread_mutex_unlock(&summaries->lock);
	return found;
}

static void drop(struct sl_summaries *s, struct entry *entry)
{
	s->bytes -= entry->len;
	free(entry->text);
	entry->text = NULL;
	entry->len = 0;
}

/* A free place, with room for len bytes. */
static struct entry *make_room(struct sl_summaries *s, size_t len)
{
	for (;;) {
		struct entry *oldest = NULL, *empty = NULL;

		for (size_t i = 0; i < SL_SUMMARIES_MAX; i++) {
			struct entry *entry = &s->entries[i];

			if (!entry->text)
				empty = entry;
			else if (!oldest || entry->used < oldest->used)
				oldest = entry;
		}
		if (empty && s->bytes + len <= SL_SUMMARIES_BYTES_MAX)
			return empty;
		drop(s, oldest); /* there is one: empty, all the bytes are free */
	}
}

void sl_summaries_keep(struct sl_summaries *summaries, const uint8_t chain[SL_DIGEST_BYTES],
		       struct sl_span summary)
{
	struct entry *entry;
	char *copy;

	if (!summaries || !summary.len || summary.len > SL_SUMMARY_BYTES_MAX)
		return;
	copy = malloc(summary.len);
	if (!copy)
		return;
	memcpy(copy, summary.data, summary.len);
	pthread_mutex_lock(&summaries->lock);
	entry = find(summaries, chain);
	if (entry)
		drop(summaries, entry);
	entry = make_room(summaries, summary.len);
	memcpy(entry->chain, chain, SL_DIGEST_BYTES);
	entry->text = copy;
	entry->len = summary.len;
	entry->used = ++summaries->clock;
	summaries->bytes += summary.len;
	pthread_mutex_unlock(&summaries->lock);
}
