/* SPDX-License-Identifier: BSD-2-Clause */
/* chunk_parts.h - what the readers of the formats tell the one that fills chunks. Only for chunk*.c. */
#ifndef SL_STORE_CHUNK_PARTS_H
#define SL_STORE_CHUNK_PARTS_H

#include "user/store/chunk.h"

struct sl_chunker {
	struct sl_chunk_options options; /* resolved */
	int (*take)(void *arg, const struct sl_chunk *chunk);
	void *arg;
	struct sl_text text; /* of the chunk that is being filled */
	size_t old;	     /* its first bytes: overlap, said already */
	uint32_t line;	     /* of its first new block */
	bool one_line;	     /* line ends in what is read are none of the source */
	struct sl_text headings[SL_CHUNK_LEVELS];
	struct sl_text path;
	struct sl_chunk_report report;
	int rc; /* sticky: once set, nothing more is taken */
};

/* A heading of that level (1 to 6): ends the chunk; deeper headings are over. */
void sl_chunker_heading(struct sl_chunker *c, unsigned level, struct sl_span text);

/* Begins anew: no chunk goes on, no heading is in force. */
void sl_chunker_restart(struct sl_chunker *c);

/* A block: clean UTF-8, white space at its ends is dropped; empty is fine. */
void sl_chunker_block(struct sl_chunker *c, struct sl_span text, uint32_t line);

/* Blocks at empty lines. `line` is that of the first byte. */
void sl_chunk_read_text(struct sl_chunker *c, struct sl_span text, uint32_t line);

void sl_chunk_read_markdown(struct sl_chunker *c, struct sl_span text);
void sl_chunk_read_html(struct sl_chunker *c, struct sl_span text);
void sl_chunk_read_jsonl(struct sl_chunker *c, struct sl_span text);

#endif
