/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/fuse.h"

bool sl_fuse_may(struct sl_fuse *fuse, uint64_t now_ms)
{
	if (!fuse->blown_ms)
		return true;
	if (now_ms < fuse->until_ms)
		return false;
	fuse->trying = true;
	fuse->until_ms = now_ms + SL_FUSE_TRY_MS;
	return true;
}

void sl_fuse_note(struct sl_fuse *fuse, bool useful, uint64_t now_ms)
{
	if (useful) {
		*fuse = (struct sl_fuse){0};
		return;
	}
	fuse->failures++;
	if (fuse->blown_ms && !fuse->trying)
		return; /* one that was asked before it blew */
	if (!fuse->blown_ms && fuse->failures < SL_FUSE_FAILURES)
		return;
	fuse->blown_ms = !fuse->blown_ms ? SL_FUSE_MS : 2 * fuse->blown_ms;
	if (fuse->blown_ms > SL_FUSE_MS_MAX)
		fuse->blown_ms = SL_FUSE_MS_MAX;
	fuse->until_ms = now_ms + fuse->blown_ms;
	fuse->trying = false;
}
