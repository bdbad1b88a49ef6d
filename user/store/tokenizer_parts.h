/* SPDX-License-Identifier: BSD-2-Clause */
/* tokenizer_parts.h - what the files of the tokenizer share; nobody else's. */
#ifndef SL_STORE_TOKENIZER_PARTS_H
#define SL_STORE_TOKENIZER_PARTS_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "user/store/tokenizer.h"
#include "user/wire/json_scan.h"

#define SL_TOKENIZER_NONE	UINT32_MAX
#define SL_TOKENIZER_CACHE	65536u /* words of known pieces */
#define SL_TOKENIZER_KNOWN_MAX	255u   /* bytes of a piece that is kept known */
#define SL_TOKENIZER_WORKS	8u     /* kept for the next count */
#define SL_TOKENIZER_WORK_BYTES (1u << 20)
#define SL_TOKENIZER_LETTERS	256u /* bytes */

/* ---- tables (tokenizer_table.c) -------------------------------------------------------------- */

/* Texts to numbers. Open addressing, at most half full; the bytes lie in one block. */
struct sl_tokenizer_entry {
	uint32_t hash;
	uint32_t at; /* in bytes */
	uint32_t len;
	uint32_t id; /* SL_TOKENIZER_NONE: free */
};

struct sl_tokenizer_names {
	struct sl_tokenizer_entry *entries;
	uint32_t mask;
	uint32_t count;
	char *bytes;
	size_t bytes_len, bytes_size;
};

/* room: how many there may be. 0 or -ENOMEM. */
int sl_tokenizer_names_open(struct sl_tokenizer_names *names, uint32_t room, size_t bytes);
void sl_tokenizer_names_close(struct sl_tokenizer_names *names);
/* -EEXIST: the text has a number. -E2BIG: no room. */
int sl_tokenizer_names_add(struct sl_tokenizer_names *names, struct sl_span text, uint32_t id);
uint32_t sl_tokenizer_names_find(const struct sl_tokenizer_names *names, struct sl_span text);

/* Two tokens that become one. */
struct sl_tokenizer_pair {
	uint64_t key; /* left, right; all ones: free */
	uint32_t rank;
	uint32_t id;
};

struct sl_tokenizer_pairs {
	struct sl_tokenizer_pair *pairs;
	uint32_t mask;
};

int sl_tokenizer_pairs_open(struct sl_tokenizer_pairs *pairs, uint32_t room);
/* Of two equal pairs the later one counts. */
void sl_tokenizer_pairs_add(struct sl_tokenizer_pairs *pairs, uint32_t left, uint32_t right,
			    uint32_t rank, uint32_t id);

static inline const struct sl_tokenizer_pair *
sl_tokenizer_pairs_find(const struct sl_tokenizer_pairs *pairs, uint32_t left, uint32_t right)
{
	uint64_t key = (uint64_t)left << 32 | right;
	uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 32;

	for (;; at++) {
		const struct sl_tokenizer_pair *pair = &pairs->pairs[at & pairs->mask];

		if (pair->key == key)
			return pair;
		if (pair->key == UINT64_MAX)
			return NULL;
	}
}

/*
 * A tree of bytes: what of all texts begins here? Texts are added, then it is settled: sorted, and its nodes
 * numbered level by level, so that the children of a node stand side by side in the order of their bytes,
 * nine bytes each. (As a table of edges, opened for all bytes of the file, it took up to 60 times the file.)
 */
struct sl_tokenizer_leaf;

struct sl_tokenizer_tree {
	uint32_t
		*children; /* of each node the first one's number; those of the next begin behind */
	uint8_t *labels;   /* the byte that leads to each node */
	uint32_t *ends;	   /* of each node: the number of the text that ends there, or NONE */
	uint32_t node_count;		      /* 0: nothing was added, or it is not settled */
	uint32_t roots[SL_TOKENIZER_LETTERS]; /* the root's child by each byte; 0: none */
	struct sl_tokenizer_leaf *leaves;     /* until it is settled */
	uint32_t leaf_count, leaf_room;
	struct sl_text bytes; /* of the leaves */
};

void sl_tokenizer_tree_close(struct sl_tokenizer_tree *tree);
/* Of two equal texts the first one counts. 0, -ENOMEM or -E2BIG. Empty at first: all zero. */
int sl_tokenizer_tree_add(struct sl_tokenizer_tree *tree, struct sl_span text, uint32_t number);
/* Once, when all are added. 0 or -ENOMEM. */
int sl_tokenizer_tree_settle(struct sl_tokenizer_tree *tree);
/* The node behind that byte, 0: none. Node 0 is the root. */
uint32_t sl_tokenizer_tree_step(const struct sl_tokenizer_tree *tree, uint32_t node, uint8_t byte);
/* Memory of a settled one. */
size_t sl_tokenizer_tree_bytes(const struct sl_tokenizer_tree *tree);

/* ---- steps (tokenizer_steps.c) --------------------------------------------------------------- */

enum sl_tokenizer_step_kind {
	/* of normalisation */
	SL_TOKENIZER_NORMAL = 0, /* options of utf8proc */
	SL_TOKENIZER_LOWER,
	SL_TOKENIZER_PREPEND,
	SL_TOKENIZER_REPLACE,
	SL_TOKENIZER_STRIP,
	/* of cutting */
	SL_TOKENIZER_SPLIT,
	SL_TOKENIZER_BYTES,
	SL_TOKENIZER_SPACES, /* Metaspace */
};

enum sl_tokenizer_behavior {
	SL_TOKENIZER_ISOLATED = 0,
	SL_TOKENIZER_REMOVED,
	SL_TOKENIZER_PREVIOUS,
	SL_TOKENIZER_NEXT,
	SL_TOKENIZER_CONTIGUOUS,
};

enum sl_tokenizer_prepend {
	SL_TOKENIZER_NEVER = 0,
	SL_TOKENIZER_ALWAYS,
	SL_TOKENIZER_FIRST, /* at the beginning of the whole text */
};

struct sl_tokenizer_step {
	enum sl_tokenizer_step_kind kind;
	int options;
	void *code;    /* pattern, a pcre2_code; NULL: none, or text */
	char *pattern; /* text that is looked for */
	size_t pattern_len;
	char *content; /* what is put in its place, or in front */
	size_t content_len;
	enum sl_tokenizer_behavior behavior;
	enum sl_tokenizer_prepend prepend;
	bool invert, left, right; /* left, right: Strip */
	bool cut;		  /* Metaspace: at each of them */
};

struct sl_tokenizer_steps {
	struct sl_tokenizer_step list[SL_TOKENIZER_STEPS_MAX];
	uint32_t count;
};

/* value: of normalizer or pre_tokenizer; null is none. 0, -EINVAL, -E2BIG, -ENOMEM. */
int sl_tokenizer_steps_read(struct sl_tokenizer_steps *steps, const struct sl_json_field *value,
			    bool cutting, struct sl_error *error);
void sl_tokenizer_steps_close(struct sl_tokenizer_steps *steps);

/* ---- a text under work ----------------------------------------------------------------------- */

struct sl_tokenizer_part {
	uint32_t at, len;
};

struct sl_tokenizer_parts {
	struct sl_tokenizer_part *list;
	size_t count, size;
};

struct sl_tokenizer_symbol {
	uint32_t id; /* NONE: joined to the one before */
	uint32_t before, after;
};

struct sl_tokenizer_top {
	uint32_t rank, at;
};

struct sl_tokenizer_place {
	double score;
	uint32_t from, id;
	bool reached;
};

/* Buffers of one count. */
struct sl_tokenizer_work {
	const struct sl_tokenizer *tokenizer;
	void *match, *context, *stack; /* of PCRE2 */
	struct sl_text texts[2];
	struct sl_text pieces[2];
	struct sl_tokenizer_parts parts[2];
	unsigned parts_at; /* which of them is valid */
	struct sl_tokenizer_symbol *symbols;
	size_t symbols_size;
	struct sl_tokenizer_top *heap;
	size_t heap_size, heap_count;
	struct sl_tokenizer_place *places;
	size_t places_size;
	uint32_t *ids; /* the caller's; NULL: only counted */
	size_t ids_max;
	uint64_t count;
	bool failed_memory;
};

static inline void sl_tokenizer_emit(struct sl_tokenizer_work *work, uint32_t id)
{
	if (work->ids && work->count < work->ids_max)
		work->ids[work->count] = id;
	work->count++;
}

/* Makes *array at least of that many. False: no memory, said in the work. */
bool sl_tokenizer_room(struct sl_tokenizer_work *work, void **array, size_t *size, size_t wanted,
		       size_t item);

/* *text becomes what the normalizers make of it (borrowed of the work, or as it was). */
int sl_tokenizer_normalise(struct sl_tokenizer_work *work, struct sl_span *text);

/* Cuts; the parts are those of *text, which may have changed. *ret_parts: of the work. */
int sl_tokenizer_cut(struct sl_tokenizer_work *work, struct sl_span *text, bool first,
		     const struct sl_tokenizer_parts **ret_parts);

void sl_tokenizer_work_close(struct sl_tokenizer_work **work);

/* ---- models ---------------------------------------------------------------------------------- */

/* One piece into tokens. 0 or -ENOMEM. */
int sl_tokenizer_bpe(struct sl_tokenizer_work *work, struct sl_span piece);
int sl_tokenizer_unigram(struct sl_tokenizer_work *work, struct sl_span piece);

struct sl_tokenizer_added {
	uint32_t id;
	bool left, right; /* takes the blanks on that side */
};

struct sl_tokenizer {
	bool unigram;
	bool bytes; /* tokens are bytes, not characters */
	bool fuse, ignore_merges;
	bool fallback;	  /* all of <0x00> to <0xFF> are there */
	bool cuts_spaces; /* no token has U+2581 behind something else: see tokenizer.c */
	uint32_t unknown; /* NONE: what is not known vanishes */
	uint32_t size;
	uint32_t letters[SL_TOKENIZER_LETTERS]; /* of a byte: its token, or its <0x..> */
	struct sl_tokenizer_names names;
	struct sl_tokenizer_pairs pairs;
	struct sl_tokenizer_tree pieces; /* Unigram */
	double *scores;			 /* the same, by number */
	uint32_t score_count;
	double unknown_score;
	struct sl_tokenizer_steps normal, cuts;
	struct sl_tokenizer_tree added[2]; /* of the text as it came, of the normalised one */
	struct sl_tokenizer_added *added_list;
	uint32_t added_count;
	uint64_t secret;
	uint64_t *known; /* SL_TOKENIZER_CACHE; atomic: hash of a piece, and its tokens below */
	struct sl_tokenizer_work *works[SL_TOKENIZER_WORKS]; /* atomic */
};

/* Bytes of the character at `at`, of a text that is UTF-8. */
static inline size_t sl_tokenizer_letter(const char *text, size_t len, size_t at)
{
	uint8_t byte = (uint8_t)text[at];
	size_t n = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;

	return n < len - at ? n : len - at;
}

#endif
