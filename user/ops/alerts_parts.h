/* SPDX-License-Identifier: BSD-2-Clause */
/* alerts_parts.h - what alerts.c and alerts_say.c share. */
#ifndef SL_OPS_ALERTS_PARTS_H
#define SL_OPS_ALERTS_PARTS_H

#include <pthread.h>
#include "user/base/random.h"
#include "user/ops/alerts.h"
#include "user/ops/calls.h"
#include "user/policy/alert.h"
#include "user/store/journal.h"

#define SL_ALERTS_NAME_BYTES 48u

/* A receiver of the configuration that is in force. */
struct sl_alerts_receiver {
	struct sl_alert_receiver state;
	struct sl_alerts_part *part;
	const struct sl_config_receiver *config; /* NULL: none */
	char name[SL_CONFIG_NAME_MAX + 1];
	bool calls;			 /* a message is under way, of the group below */
	struct sl_alert_group group;	 /* of the last message */
	char last[SL_CALL_RESULT_BYTES]; /* how the last one went */
};

struct sl_alerts_part {
	pthread_mutex_t lock; /* of the book and the receivers, for other threads' looks */
	struct sl_alert_book book;
	struct sl_alerts_receiver receivers[SL_ALERT_RECEIVERS_MAX];
	uint32_t receiver_count;
	struct sl_calls *calls;
	struct sl_journal *journal;
	struct sl_routes *routes; /* a reference */
	struct sl_random random;
	uint64_t opened_ms; /* monotonic; 0: what nobody confirmed is over already */
	bool stopped;
};

/* "SluiceNoNode" of "no_node". */
const char *sl_alerts_name(enum sl_notice_kind kind, char out[SL_ALERTS_NAME_BYTES]);

/* All below under the lock. */
void sl_alerts_write_message(const struct sl_alerts_part *part,
			     const struct sl_alerts_receiver *receiver, struct sl_text *text);
void sl_alerts_write_metrics(const struct sl_alerts_part *part, struct sl_text *text);
void sl_alerts_say(const struct sl_alerts_part *part, const char *words, struct sl_text *text);

#endif
