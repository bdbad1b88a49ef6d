/* SPDX-License-Identifier: BSD-2-Clause */
/* scratch.h - a directory of a test's own, which goes with all that is in it. */
#ifndef SL_TESTS_SCRATCH_H
#define SL_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>

static inline int scratch_remove_one(const char *path, const struct stat *info, int flag,
				     struct FTW *at)
{
	(void)info;
	(void)flag;
	(void)at;
	return remove(path);
}

static inline void scratch_remove(const char *directory)
{
	assert_int_equal(nftw(directory, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
