/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * migrate.h - from the kernel plane of an older ABI to this one's, while it runs.
 *
 * What it carries over: the seed of flow hashes, tuned numbers (by their key, those of pools by the
 * pool's name), drains and breakers forced open (by the node's endpoint). What it does not: flows,
 * measurements, counters; the layouts of those are new. The old maps are only read, by the frozen
 * layout of their version, never by the structs of abi.h.
 */
#ifndef SL_LOADER_MIGRATE_H
#define SL_LOADER_MIGRATE_H

#include <stdint.h>
#include "loader/view.h"
#include "user/base/config.h"

/* What was carried. */
struct sl_migrated {
	uint32_t tunables;
	uint32_t drains;
	uint32_t forced;
};

/* Whether maps of this version can be read. */
bool sl_migrate_knows(uint32_t version);

/*
 * Checks that the maps in `from` have the layout of the version, and reads the seed of their flow
 * hashes. Says on stderr what is wrong: -EPROTO.
 */
int sl_migrate_begin(const char *from, uint32_t version, uint64_t *ret_seed);

/*
 * Carries over into the view, after the configuration was applied to it. A number that the
 * configuration names is the configuration's. Says on stderr what failed.
 */
int sl_migrate_carry(const char *from, const struct sl_view *view, const struct sl_config *config,
		     struct sl_migrated *ret_migrated);

/*
 * Takes every attachment over as one of `dir`, its program still the old one: from now on it is
 * `dir`'s to move or to detach. Says on stderr what failed.
 */
int sl_migrate_take(const char *from, const char *dir);

#endif
