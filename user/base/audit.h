/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * audit.h - the audit trail: one file of JSON lines, appended, each bound to the one before.
 *
 *	{"line":7,"at":"2026-03-01T12:00:00.123Z","kind":"override","of":"node","name":"10.0.0.7:8000",
 *	 "pool":"chat","who":"operator","text":"drain","prev":"<hash of line 6>","hash":"<SHA-256>"}
 *
 * `hash` is the SHA-256 of the line's bytes before `,"hash"`. So a line that is changed no longer has its
 * hash, and one that is taken out, put in or moved no longer fits the next one's `prev` and `line`. Whoever
 * may write the whole file can still make a new chain, or cut lines off the end: against that keep a head
 * (line and hash, as `sluice audit head` and the metrics tell it) elsewhere, and verify with it.
 *
 *   state at the end          append                                       verify
 *   whole                     one line                                     good
 *   a line without its end    cuts it off, and its first line says so      torn: said, not a breach
 *   no line of this chain     -EBADMSG: the caller puts the file aside     broken, at that line
 *
 * Several processes may append to one file (a takeover): each append is under flock(2) and begins with what
 * the others have added. On the disk (fsync) when it returns. Not for a loop's thread.
 */
#ifndef SL_BASE_AUDIT_H
#define SL_BASE_AUDIT_H

#include <stdint.h>
#include "user/base/digest.h"
#include "user/base/notice.h"
#include "user/base/text.h"

#define SL_AUDIT_HASH_SIZE	(2 * SL_DIGEST_BYTES + 1)
#define SL_AUDIT_LINE_BYTES_MAX 8192u

struct sl_audit_head {
	uint64_t line; /* 0: none yet */
	char hash[SL_AUDIT_HASH_SIZE];
};

/* Appends the notices as lines. Returns 0 and the new head, or -EBADMSG, -ENOSPC, -EIO, -errno: then the file
 * is as it was. */
int sl_audit_append(int fd, const struct sl_notice *notices, uint32_t count,
		    struct sl_audit_head *ret_head);

/* The newest line's, read from the file's end. Returns 0, or -EBADMSG when that is no line of a chain. */
int sl_audit_read_head(int fd, struct sl_audit_head *ret_head);

enum sl_audit_verdict {
	SL_AUDIT_GOOD = 0,
	SL_AUDIT_TORN,	  /* good, but the last line has no end: a crash */
	SL_AUDIT_CHANGED, /* a line does not have its hash, or is no line of ours */
	SL_AUDIT_MISSING, /* a line does not follow the one before it */
	SL_AUDIT_CUT,	  /* the known head is not in the file */
};

struct sl_audit_report {
	enum sl_audit_verdict verdict;
	uint64_t lines;		   /* that are good, from the first on */
	struct sl_audit_head head; /* of the last of these */
};

/*
 * Reads the whole file. known: a head that must be in it; NULL: none. each: called for every good line
 * (without its end); may be NULL. Returns 0 with a report, or -errno of reading.
 */
int sl_audit_verify(int fd, const struct sl_audit_head *known, struct sl_audit_report *ret_report,
		    void (*each)(void *owner, struct sl_span line), void *owner);

const char *sl_audit_verdict_text(enum sl_audit_verdict verdict);

#endif
