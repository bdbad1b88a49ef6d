/* SPDX-License-Identifier: BSD-2-Clause */
/* incidents_parts.h - what incidents*.c share. */
#ifndef SL_OPS_INCIDENTS_PARTS_H
#define SL_OPS_INCIDENTS_PARTS_H

#include <pthread.h>
#include "user/ops/incidents.h"
#include "user/policy/incident.h"
#include "user/store/journal.h"

#define SL_INCIDENTS_ROUTES_MAX 1024u

/* When requests of a route were harmed, or had to be tried again: one streak. */
struct sl_incident_harm {
	uint64_t first_ms, last_ms;
};

struct sl_incident_part {
	pthread_mutex_t lock;
	struct sl_incidents book;
	struct sl_journal *journal;
	const struct sl_kernel_plane *plane;
	const struct sl_route_names *names;
	struct sl_routes *routes; /* a reference */
	uint64_t begun_ms;	  /* since when there is a ledger */
	uint64_t looked_ms;
	bool no_node[SL_POOLS_MAX]; /* by slot: told */
	struct sl_incident_harm harms[SL_INCIDENTS_ROUTES_MAX];
};

/* All under the lock, but where it is said. */
void sl_incidents_say(struct sl_incident_part *part, char *words, struct sl_text *text);
/* Takes the lock itself, while it looks and not while it writes. */
void sl_incidents_write_metrics(struct sl_incident_part *part, uint64_t now_ms,
				struct sl_text *text);

/* incidents_row.c: an event as the text of a row, and back into the book. */
void sl_incidents_write_row(const struct sl_incident *incident,
			    const struct sl_incident_event *event, struct sl_text *text);
int sl_incidents_read_row(struct sl_incidents *book, uint64_t id, uint64_t at_ms,
			  struct sl_span row);

#endif
