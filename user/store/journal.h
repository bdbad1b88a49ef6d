/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * journal.h - a file of what happened, and of what was last known: for the parts of the daemon that must
 * know after a restart. One embedded database with two tables:
 *
 *   rows     a number (whose history it is), a moment, a text; only ever added to
 *   values   a name, bytes; the last ones count
 *
 *   control thread: sl_journal_add(), sl_journal_keep() -> a list in memory -> its own thread -> disk
 *
 * Nothing waits for the disk but sl_journal_open() and sl_journal_close(). A disk that is full or gone is
 * said once, counted, and tried again every SL_JOURNAL_RETRY_MS; meanwhile up to SL_JOURNAL_PENDING_MAX
 * changes stay in memory, in their order; a newer value takes the place of the one that waits. What comes
 * beyond that is lost, and counted.
 *
 * Two processes at a take-over: the one that opened last owns the file, and what the other one still
 * writes is left out without a word: it has handed its work over.
 *
 * Without a path everything works and nothing is kept.
 */
#ifndef SL_STORE_JOURNAL_H
#define SL_STORE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_JOURNAL_PENDING_MAX 8192u
#define SL_JOURNAL_BYTES_MAX   (32u << 20) /* of what waits */
#define SL_JOURNAL_RETRY_MS    1000u
#define SL_JOURNAL_ROWS_MAX    200000u /* read at the start; the newest */

struct sl_journal;

/* Called by sl_journal_open() alone, before it returns, in the order in which they were written. */
struct sl_journal_reader {
	void *owner;
	void (*row)(void *owner, uint64_t number, uint64_t at_ms, struct sl_span text);
	void (*value)(void *owner, struct sl_span name, struct sl_span bytes);
};

struct sl_journal_stats {
	uint64_t written;
	uint64_t lost;
	uint64_t failures; /* writes that were tried again */
	uint32_t pending;
	bool failing;
};

/*
 * what: for the log, "incidents". Histories whose newest row is older than before_ms are removed (0:
 * none). Waits for the file to be read; one that cannot be is said in the log, and then nothing is kept
 * until it can. Returns 0, -ENOMEM or -EAGAIN (no thread).
 */
int sl_journal_open(const char *path, const char *what, uint64_t before_ms,
		    const struct sl_journal_reader *reader, struct sl_journal **ret_journal);

/* Copies are taken. journal NULL, or without a path: nothing happens. One thread. */
void sl_journal_add(struct sl_journal *journal, uint64_t number, uint64_t at_ms,
		    struct sl_span text);
void sl_journal_keep(struct sl_journal *journal, const char *name, const void *bytes, size_t len);

/* Any thread. NULL: all zero. */
void sl_journal_read_stats(struct sl_journal *journal, struct sl_journal_stats *ret_stats);

/* Writes what waits (once: a disk that fails now loses it, which is said) and ends. NULL is fine. */
void sl_journal_close(struct sl_journal **journal);

#endif
