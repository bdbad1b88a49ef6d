/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * key_file.h - the file of API keys: `sluice key` writes it, the daemon reads it.
 *
 *	sluice-keys 1
 *	key id=4f… name=web tenant=acme class=standard created=2026-01-31T12:00:00Z salt=… hash=…
 *	end
 *
 * One key a line; fields in any order, none twice, none unknown; lines that begin with # and empty
 * ones are skipped. Optional: tenant, class, expires, revoked, routes (names with commas between
 * them), requests_per_minute, tokens_per_minute, concurrent, budget_day, budget_month, budget_total. The line `end` tells a whole file from one that was cut. Nothing in it opens a door: of a
 * key it holds the salted hash (api_key.h). It is replaced whole, by rename, under a lock beside it
 * (FILE.lock). One thread a struct sl_key_file; read-only once read.
 */
#ifndef SL_BASE_KEY_FILE_H
#define SL_BASE_KEY_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/api_key.h"
#include "user/base/arena.h"
#include "user/base/error.h"
#include "user/base/money.h"
#include "user/base/rates.h"
#include "user/base/text.h"

#define SL_KEY_FILE_BYTES_MAX	(16u << 20)
#define SL_KEY_FILE_DEFAULT	"/etc/sluice/keys"
#define SL_KEYS_MAX		10000u
#define SL_KEY_NAME_MAX		63u
#define SL_KEY_ROUTES_MAX	64u
#define SL_KEY_ACTIVE_OF_A_NAME 2u /* while one replaces the other */
#define SL_KEY_LOCK_WAIT_MS	5000u
#define SL_KEY_TENANT_DEFAULT	"default"

/* Who goes first when there is not enough for all; larger is more important. */
enum sl_key_class {
	SL_KEY_CLASS_BATCH = 0,
	SL_KEY_CLASS_STANDARD,
	SL_KEY_CLASS_INTERACTIVE,
	SL_KEY_CLASS_CRITICAL,
	SL_KEY_CLASSES
};

struct sl_key_record {
	char id[SL_API_KEY_ID_LEN + 1];
	char name[SL_KEY_NAME_MAX + 1];
	char tenant[SL_KEY_NAME_MAX + 1];
	struct sl_api_key_hash hash;
	enum sl_key_class priority;
	struct sl_rates rates;	 /* 0: as the configuration has it */
	struct sl_budget budget; /* the same */
	uint64_t created_s;	 /* Unix time, as the next two; 0: never */
	uint64_t expires_s;
	uint64_t revoked_s;
	const char **routes;  /* models it may use; the arena's */
	uint32_t route_count; /* 0: all */
};

enum sl_key_state { SL_KEY_UNSET = 0, SL_KEY_ACTIVE, SL_KEY_EXPIRED, SL_KEY_REVOKED };

struct sl_key_file {
	struct sl_arena arena;
	struct sl_key_record *records;
	uint32_t count;
	uint32_t size;
};

/*
 * Parses a file's text; name stands for it in errors. Returns 0; -EINVAL with "NAME:LINE: ..." (the
 * line itself is not shown: it holds hashes); -E2BIG over a limit; -ENOMEM. *ret_file is the
 * caller's, for sl_key_file_close().
 */
int sl_key_file_parse(const char *name, const char *text, size_t text_len,
		      struct sl_key_file **ret_file, struct sl_error *error);

/* The same from a path. -ENOENT, -EACCES and the like besides. */
int sl_key_file_read(const char *path, struct sl_key_file **ret_file, struct sl_error *error);

/* A file without keys. NULL without memory. */
struct sl_key_file *sl_key_file_new(void);
void sl_key_file_close(struct sl_key_file **file);

/* Room for one more key at the end, zeroed; counted by the caller's use of it. -E2BIG, -ENOMEM. */
int sl_key_file_add(struct sl_key_file *file, struct sl_key_record **ret_record);

/* Splits "a,b,c" into the record's routes. -EINVAL with a text: a bad name, twice, too many. */
int sl_key_record_set_routes(struct sl_key_file *file, struct sl_key_record *record,
			     const char *text, size_t len, struct sl_error *error);

/* Letters, digits and . _ - @, at most SL_KEY_NAME_MAX, for names and tenants. */
bool sl_key_name_is_good(const char *name, size_t len);

/* "batch", "standard", "interactive", "critical"; -EINVAL for another. */
int sl_key_class_parse(const char *name, size_t len, enum sl_key_class *ret_class);
const char *sl_key_class_name(enum sl_key_class priority);

/* 1 to SL_RATE_MAX, digits only; -EINVAL for anything else. */
int sl_key_rate_parse(const char *text, size_t len, uint32_t *ret_rate);

enum sl_key_state sl_key_record_state(const struct sl_key_record *record, uint64_t now_s);

#define SL_KEY_TIME_SIZE 24u

/* "2026-01-31T12:00:00Z"; -EINVAL for anything else. Format returns out. */
int sl_key_time_parse(const char *text, size_t len, uint64_t *ret_s);
const char *sl_key_time_format(uint64_t time_s, char out[SL_KEY_TIME_SIZE]);

/*
 * Takes the lock beside the file, for read-change-write; waits SL_KEY_LOCK_WAIT_MS at most (-EBUSY).
 * Closing the descriptor lets it go.
 */
int sl_key_file_lock(const char *path, int *ret_fd, struct sl_error *error);

/*
 * Replaces the file: a new one beside it, mode 0600 and the old one's owner, synced, renamed over
 * it, the directory synced. A crash leaves the old one or the new one. 0 or -errno with a text.
 */
int sl_key_file_write(const char *path, const struct sl_key_file *file, struct sl_error *error);

#endif
