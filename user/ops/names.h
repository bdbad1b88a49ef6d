/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.h - what the nodes say they are (upstream/identity.h), for operators: kept in step with the
 * configuration, shown, accepted. Thread: control.
 */
#ifndef SL_OPS_NAMES_H
#define SL_OPS_NAMES_H

#include "user/ops/canary.h"
#include "user/upstream/identity.h"

#define SL_NAMES_SHOWN_MAX 2000u /* records in one answer; further ones are counted */

/* For the first configuration. The board is borrowed. 0 or -ENOMEM. */
int sl_names_open(struct sl_drift_board *board, const struct sl_routes *routes,
		  struct sl_identities **ret_ids);

/*
 * A configuration that comes into force, before requests see it: its pools are put on the board; nodes that
 * are gone and those of pools that expect something else now are forgotten, which ends their alarm.
 */
void sl_names_apply(struct sl_identities *ids, struct sl_drift_board *board,
		    const struct sl_node_state *nodes, const struct sl_routes *old,
		    const struct sl_routes *new);

/* A line for each node of the pool (NULL: of all) that says something else than what was accepted. */
void sl_names_show_changed(struct sl_identities *ids, const char *pool, struct sl_text *text);

/* For each pool its alarms and what its nodes say, as a JSON array. canary may be NULL. */
void sl_names_show_json(struct sl_canary *canary, struct sl_identities *ids,
			const struct sl_drift_board *board, const struct sl_routes *routes,
			struct sl_text *text);

#endif
