/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * semantic_parts.h - what semantic.c (the cache in memory) and semantic_disk.c (its database) share.
 * Lock order: lock, then nothing; disk_lock alone. The disk is written after the lock was let go, so a
 * row may come after its deletion; the bounds hold again at the next start.
 */
#ifndef SL_STORE_SEMANTIC_PARTS_H
#define SL_STORE_SEMANTIC_PARTS_H

#include <pthread.h>
#include <stdio.h>
#include "user/policy/gates_lexicon.h"
#include "user/store/db.h"
#include "user/store/semantic.h"
#include "user/store/vectors.h"

#define SL_SEMANTIC_GONE_MAX 256u

struct sl_semantic_group {
	struct sl_semantic_group *next; /* in its bucket */
	uint8_t fingerprint[SL_DIGEST_BYTES];
	struct sl_vectors *vectors;
	uint32_t dimensions;
	uint32_t count;
};

struct sl_semantic_item {
	struct sl_semantic_item *next;		/* in its bucket */
	struct sl_semantic_item *older, *newer; /* by use */
	struct sl_semantic_group *group;
	uint64_t id, born_ms, version;
	size_t answer_len, bytes;
	uint32_t question_len;
	uint32_t uses;
	char tenant[SL_SEMANTIC_NAME_BYTES];
	char route[SL_SEMANTIC_NAME_BYTES];
	char text[]; /* question, answer */
};

struct sl_semantic {
	pthread_mutex_t lock; /* guards what is in memory */
	struct sl_semantic_item **items;
	struct sl_semantic_group **groups;
	uint32_t mask;
	struct sl_semantic_item *oldest, *newest;
	uint64_t next_id;
	uint32_t entries_max;
	uint64_t bytes_max;
	struct sl_gates_lexicon *lexicon;
	struct sl_semantic_counts counts;
	pthread_mutex_t disk_lock; /* guards the database */
	char *path;
	struct sl_db *db; /* NULL: not loaded, or failed */
	struct sl_db_statement *insert, *erase;
	uint64_t disk_errors; /* atomic */
};

/* Rows that are to go. */
struct sl_semantic_gone {
	uint32_t count;
	uint64_t ids[SL_SEMANTIC_GONE_MAX + 1];
};

static inline struct sl_span sl_semantic_question(const struct sl_semantic_item *item)
{
	return sl_span_make(item->text, item->question_len);
}

static inline struct sl_span sl_semantic_answer(const struct sl_semantic_item *item)
{
	return sl_span_make(item->text + item->question_len, item->answer_len);
}

/* Under the lock; id 0: the next one. 0, -ENOMEM, or as sl_vectors_add(). */
int sl_semantic_put(struct sl_semantic *cache, const struct sl_semantic_entry *entry, uint64_t id,
		    struct sl_semantic_gone *gone, uint64_t *ret_id);

/* Not under the lock. */
bool sl_semantic_has(struct sl_semantic *cache, uint64_t id);

/* Writes the entry (NULL: none) and erases what is gone, in one transaction. Not under the lock. */
void sl_semantic_disk_write(struct sl_semantic *cache, const struct sl_semantic_entry *entry,
			    uint64_t id, const struct sl_semantic_gone *gone);
void sl_semantic_disk_close(struct sl_semantic *cache);

#endif
