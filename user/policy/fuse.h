/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuse.h - whether something that answers, but not usefully, is worth asking: a judge that says neither yes
 * nor no is no failure of its node (whose breaker stays closed), and costs as much as one that does.
 *
 *	state   goes to   when
 *	closed  blown     SL_FUSE_FAILURES in a row
 *	blown   trying    its time is over: SL_FUSE_MS x 2^n, at most SL_FUSE_MS_MAX; one is asked
 *	trying  closed    that one was useful
 *	trying  blown     it was not, for twice as long; or it never came back within SL_FUSE_TRY_MS
 *
 * Pure; times come in; the caller's lock.
 */
#ifndef SL_POLICY_FUSE_H
#define SL_POLICY_FUSE_H

#include <stdbool.h>
#include <stdint.h>

#define SL_FUSE_FAILURES 5u
#define SL_FUSE_MS	 5000u
#define SL_FUSE_MS_MAX	 120000u
#define SL_FUSE_TRY_MS	 60000u

/* All zero: closed. */
struct sl_fuse {
	uint32_t failures; /* in a row */
	uint32_t blown_ms; /* 0: closed */
	uint64_t until_ms; /* blown until then; trying: lost by then */
	bool trying;
};

/* May it be asked now? The one that is to find out is told so once. */
bool sl_fuse_may(struct sl_fuse *fuse, uint64_t now_ms);

void sl_fuse_note(struct sl_fuse *fuse, bool useful, uint64_t now_ms);

static inline bool sl_fuse_is_blown(const struct sl_fuse *fuse)
{
	return fuse->blown_ms != 0;
}

#endif
