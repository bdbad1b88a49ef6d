/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shelf.h - the versions of an index: a directory of files, of which one is served.
 *
 *	v000001.db  v000002.db  ...   finished versions; never changed any more
 *	current                       a symbolic link to the one that is served
 *	building.db                   one that is being made, until it is renamed to the next number
 *	lock                          held while one is made or the versions are changed
 *
 *	killed while           what is left            what the next one does
 *	a version is made      building.db             throws it away
 *	it is finished         building.db or vN.db    the same; or it is a version, not served yet
 *	it is promoted         `current` old or new    nothing: a link is replaced by one rename
 *	it is rolled back      the same                the same
 *
 * So the version that was served stays there and served, whatever happens to the next one. A version
 * may have a second file beside it (".near", see documents.h), which comes and goes with it.
 *
 * Threads: never a loop's; any number, also of several processes: the lock is a file's.
 */
#ifndef SL_STORE_SHELF_H
#define SL_STORE_SHELF_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/error.h"

#define SL_SHELF_VERSIONS_MAX 64u     /* in one directory; older ones are pruned */
#define SL_SHELF_VERSION_MAX  999999u /* the highest number */
#define SL_SHELF_PATH_SIZE    512u
#define SL_SHELF_NEAR	      ".near" /* tails of a version's graphs, see documents.h */
#define SL_SHELF_NEAR2	      ".near2"

struct sl_shelf_list {
	uint32_t count;
	uint32_t versions[SL_SHELF_VERSIONS_MAX]; /* ascending */
	uint32_t current;			  /* 0: none is served */
};

/* A version that is being made. */
struct sl_shelf_work {
	int lock; /* descriptor */
	uint32_t version;
	char directory[SL_SHELF_PATH_SIZE];
	char path[SL_SHELF_PATH_SIZE]; /* of building.db */
};

/* 0; -ENOENT: no such directory; -E2BIG: more versions than SL_SHELF_VERSIONS_MAX; -errno. */
int sl_shelf_read(const char *directory, struct sl_shelf_list *ret_list, struct sl_error *error);

/* The version's file. -ENAMETOOLONG. */
int sl_shelf_path(const char *directory, uint32_t version, char out[SL_SHELF_PATH_SIZE],
		  struct sl_error *error);

/*
 * Makes the directory (mode 0700) when it is absent, takes the lock and clears what a crash left. from:
 * the version whose copy building.db begins as; 0: there is no file yet. -EBUSY: another is at work.
 */
int sl_shelf_begin(const char *directory, uint32_t from, struct sl_shelf_work *ret_work,
		   struct sl_error *error);

/* The finished file becomes a version (work->version), on the disk for good. Not served yet. */
int sl_shelf_finish(struct sl_shelf_work *work, struct sl_error *error);

/* Gives the lock back; what was not finished is thrown away. */
void sl_shelf_end(struct sl_shelf_work *work);

/* The version is served from now on. -ENOENT: there is none of that number. -EBUSY as above. */
int sl_shelf_promote(const char *directory, uint32_t version, struct sl_error *error);

/* The one before the current is served from now on. -ENOENT: there is none before it. */
int sl_shelf_rollback(const char *directory, uint32_t *ret_version, struct sl_error *error);

/* Takes the oldest away until `keep` (>= 2) are left; never the current one, the one before it, the newest,
 * which may wait for its promotion, nor `candidate`, which is being rolled out (0: none is). */
int sl_shelf_prune(const char *directory, uint32_t keep, uint32_t candidate,
		   struct sl_error *error);

#endif
