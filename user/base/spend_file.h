/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spend_file.h - the file of what was spent: the daemon writes it, `sluice key list` reads it.
 *
 *	sluice-spend 1
 *	date 20260131
 *	key 4fXq09ab3Z 0.12 3.4 12.5
 *	tenant acme 0.2 7 70.25
 *	model llama-8b 0.2 7 70.25
 *	end
 *
 * A row an account: kind, name, and what it has spent in the day and in the month of the date, and
 * ever. Read on a later date, the day or the month counts as 0. Lines that begin with # are skipped;
 * the line `end` tells a whole file from one that was cut. Replaced whole, by rename, so a crash
 * leaves the old one or the new one; FILE.lock keeps two writers apart. One thread a struct.
 */
#ifndef SL_BASE_SPEND_FILE_H
#define SL_BASE_SPEND_FILE_H

#include "user/base/error.h"
#include "user/base/money.h"

#define SL_SPEND_NAME_MAX	127u
#define SL_SPEND_ROWS_MAX	32768u
#define SL_SPEND_FILE_BYTES_MAX (8u << 20)

enum sl_spend_kind { SL_SPEND_KEY = 0, SL_SPEND_TENANT, SL_SPEND_MODEL, SL_SPEND_KINDS };

struct sl_spend_row {
	enum sl_spend_kind kind;
	char name[SL_SPEND_NAME_MAX + 1]; /* of a key: its id */
	uint64_t day, month, total;	  /* nano */
};

struct sl_spend_file {
	uint32_t date; /* 20260131; 0: no file yet */
	struct sl_spend_row *rows;
	uint32_t count;
	uint32_t size;
};

/* "key", "tenant", "model". */
const char *sl_spend_kind_name(enum sl_spend_kind kind);

/*
 * Parses a file's text for the date of today; name stands for it in errors. 0; -EINVAL with
 * "NAME:LINE: ..."; -E2BIG; -ENOMEM. *ret_file is the caller's, for sl_spend_file_fini().
 */
int sl_spend_file_parse(const char *name, const char *text, size_t text_len, uint32_t today,
			struct sl_spend_file *ret_file, struct sl_error *error);

/* The same from a path. -ENOENT and the like besides. */
int sl_spend_file_read(const char *path, uint32_t today, struct sl_spend_file *ret_file,
		       struct sl_error *error);
void sl_spend_file_fini(struct sl_spend_file *file);

/* Room for one more row; the caller fills it. NULL without memory, or at SL_SPEND_ROWS_MAX. */
struct sl_spend_row *sl_spend_file_add(struct sl_spend_file *file);

/* NULL: it has spent nothing. */
const struct sl_spend_row *sl_spend_file_find(const struct sl_spend_file *file,
					      enum sl_spend_kind kind, const char *name);

/* Replaces the file (replace.h); without those rows that have spent nothing. */
int sl_spend_file_write(const char *path, const struct sl_spend_file *file, struct sl_error *error);

#endif
