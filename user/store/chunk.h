/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chunk.h - a document cut into the pieces that are searched: by its structure, with overlap.
 *
 * A reader for each format gives headings and blocks (paragraph, list, table, code, record). Blocks
 * under one heading fill a chunk up to `bytes`; one that does not fit is cut at the end of a sentence,
 * else at white space, else between two characters. The next chunk under the same heading begins with
 * the last `overlap` bytes of the one before, from the start of a word; no chunk crosses a heading.
 *
 *	format     headings                     blocks                        left out
 *	text       none                         at empty lines                -
 *	markdown   # to ######, underlined      at empty lines, fenced code   front matter
 *	html       title, h1 to h6              at block elements             script, style, template,
 *	                                                                      noscript, svg, comments
 *	jsonl      "title", else "id"           "text", "content" or "body"   lines that are no object
 *	                                        of one record a line          with such a text (counted)
 *
 * What comes out is UTF-8 whatever came in: bytes that are not become U+FFFD, control bytes spaces.
 * Pure, any thread (not a loop's: 10 MB take about 0.1 s).
 */
#ifndef SL_STORE_CHUNK_H
#define SL_STORE_CHUNK_H

#include <stdint.h>
#include "user/base/error.h"
#include "user/base/text.h"

#define SL_CHUNK_SOURCE_BYTES_MAX (64u << 20) /* of one document */
#define SL_CHUNKS_MAX		  65536u      /* of one document */
#define SL_CHUNK_BYTES_MIN	  128u
#define SL_CHUNK_BYTES_MAX	  8192u
#define SL_CHUNK_BYTES_DEFAULT	  1200u /* about 300 tokens of English */
#define SL_CHUNK_OVERLAP_DEFAULT  150u
#define SL_CHUNK_PATH_BYTES_MAX	  400u /* longer paths lose their end */
#define SL_CHUNK_LEVELS		  6u

enum sl_chunk_format {
	SL_CHUNK_TEXT = 0,
	SL_CHUNK_MARKDOWN,
	SL_CHUNK_HTML,
	SL_CHUNK_JSONL,
};

struct sl_chunk_options {
	uint32_t bytes;	  /* of a chunk at most; 0: default; held to MIN..MAX */
	uint32_t overlap; /* at most half of bytes */
};

/* Borrowed: alive during the call of take. */
struct sl_chunk {
	struct sl_span path; /* "Guide > Install", "" without headings */
	struct sl_span text; /* never empty */
	uint32_t line;	     /* of the source, from 1, where what is new in it begins */
};

struct sl_chunk_report {
	uint32_t chunks;
	uint32_t records_bad;	/* jsonl: lines that were left out */
	uint32_t record_bad_at; /* the first of them */
};

/* By the ending of the name: .txt .text .md .markdown .html .htm .jsonl .ndjson. -EINVAL: another. */
int sl_chunk_format_of(const char *name, enum sl_chunk_format *ret_format);

/* "text", "markdown", "html", "jsonl". */
const char *sl_chunk_format_name(enum sl_chunk_format format);

/*
 * Calls take with each chunk, in order. Returns 0, -E2BIG (a document or a number of chunks over its
 * bound; chunks were given already), -ENOMEM, or what take returned if that was not 0.
 */
int sl_chunk_split(struct sl_span source, enum sl_chunk_format format,
		   const struct sl_chunk_options *options,
		   int (*take)(void *arg, const struct sl_chunk *chunk), void *arg,
		   struct sl_chunk_report *ret_report, struct sl_error *error);

#endif
