/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * validate_lists.h - the lists of patterns that routes name (wire/pattern.h), one for each path however
 * many routes name it.
 *
 *   the file            loaded before   then
 *   good                                its patterns are in force from the next text on
 *   bad, or gone        yes             what was loaded stays in force, said in the log
 *   bad, or gone        never           the routes that name it refuse what would have to be checked
 *
 * Read at the start, at a reload (which fails by a bad one) and when the file has changed. Loads come from
 * the control thread; any thread gets and counts.
 */
#ifndef SL_STAGE_VALIDATE_LISTS_H
#define SL_STAGE_VALIDATE_LISTS_H

#include "user/base/config.h"
#include "user/base/text.h"
#include "user/wire/pattern.h"

#define SL_VALIDATE_LISTS_MAX 64u /* paths, of all configurations since the start */

struct sl_validate_lists;

/* What a path says by now. */
struct sl_validate_list {
	struct sl_pattern_list *patterns; /* held: the caller frees */
	uint64_t *matches;		  /* to be counted there; lives as long as the lists */
	uint64_t version;		  /* of what the file says: its digest */
};

/* For the metrics. */
struct sl_validate_list_stats {
	const char *path; /* lives as long as the lists */
	uint32_t patterns;
	uint64_t matches, loads_failed;
	bool is_current; /* the last load went well */
};

/* NULL without memory. */
struct sl_validate_lists *sl_validate_lists_open(void);
void sl_validate_lists_close(struct sl_validate_lists **lists);

/* All that the configuration names; only those whose files look other than they did, with `changed`.
 * Returns how many could not be loaded. */
uint32_t sl_validate_lists_load(struct sl_validate_lists *lists, const struct sl_config *config,
				bool changed);

/* False: it was never loaded. */
bool sl_validate_lists_get(struct sl_validate_lists *lists, const char *path,
			   struct sl_validate_list *ret_list);

/* The list of that number, from 0 on; false behind the last. */
bool sl_validate_lists_read_stats(struct sl_validate_lists *lists, uint32_t number,
				  struct sl_validate_list_stats *ret_stats);

#endif
