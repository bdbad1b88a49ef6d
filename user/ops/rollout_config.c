/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A candidate configuration: read, held against the one in force, built over the same nodes, given to the threads
 * (request/arm.h). It begins and ends with its file as it was when the roll-out was started: one that has changed since
 * is another candidate.
 *
 *   a reload in the middle   the file is held against the new configuration: goes on where they may still differ;
 *                            ends where not, or where they say the same (full: then it is what is served anyway)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/config_differ.h"
#include "user/ops/rollout_parts.h"
#include "user/ops/stores.h"
#include "user/ops/threads.h"
#include "user/request/arm.h"

#define DIGITS	    16u /* of the file's digest, by which it is known */
#define NAMES_BYTES 160u

static void write_digest(const struct sl_config *config, char out[DIGITS + 1])
{
	for (uint32_t i = 0; i < DIGITS / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", config->digest[i]);
}

/* The first line of what is wrong with a file. */
static int refuse(struct sl_error *error, const char *file, char *errors)
{
	int len = errors ? (int)strcspn(errors, "\n") : 0;

	sl_error_set(error, -EINVAL, "%.*s", len ? len : 64, len ? errors : file);
	free(errors);
	return -EINVAL;
}

/* 0: it may be rolled out; -EALREADY: the configuration in force says the same; -EINVAL. */
static int check(const struct sl_config *now, const struct sl_config *candidate,
		 struct sl_error *error)
{
	struct sl_config_differ found;
	char room[NAMES_BYTES];
	struct sl_text names;

	sl_text_init_fixed(&names, room, sizeof(room));
	found = sl_config_differ(now, candidate, &names);
	if (found.may_not)
		return sl_error_set(
			error, -EINVAL,
			"not by a roll-out, for they are of all requests: %s%s (reload)",
			sl_text_string(&names), names.error ? ", ..." : "");
	if (!found.may)
		return sl_error_set(error, -EALREADY, "it says what is in force already");
	return 0;
}

static int read_candidate(const struct sl_rollouts *rollouts, const char *file,
			  struct sl_config **ret_config, struct sl_error *error)
{
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc = sl_config_read(file, &config, &errors);

	if (rc)
		return refuse(error, file, errors);
	rc = check(rollouts->routes->config, config, error);
	if (rc) {
		sl_config_close(&config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

int sl_rollouts_check_config(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
			     struct sl_error *error)
{
	struct sl_config *config;
	int rc;

	if (order->rules.shadow)
		return sl_error_set(error, -EINVAL,
				    "a configuration has no shadow: a request is answered once");
	if (order->subject[0] != '/' || strlen(order->subject) >= sizeof(order->file))
		return sl_error_set(error, -EINVAL, "config=%.64s: expected an absolute path",
				    order->subject);
	rc = read_candidate(rollouts, order->subject, &config, error);
	if (rc)
		return rc;
	snprintf(order->file, sizeof(order->file), "%s", order->subject);
	order->subject = SL_ARM_SUBJECT;
	write_digest(config, order->candidate);
	sl_config_close(&config);
	return 0;
}

/* ---- building it ------------------------------------------------------------------------------- */

/* Where the nodes are that both have, by the order of the candidate's pools. */
static int copy_topology(const struct sl_routes *now, const struct sl_config *candidate,
			 struct sl_topology *ret_topology)
{
	struct sl_topology topology = {.pool_count = candidate->pool_count};
	uint32_t i, k;

	topology.pool_slots = calloc(candidate->pool_count + 1, sizeof(*topology.pool_slots));
	topology.node_slots = calloc(candidate->pool_count + 1, sizeof(*topology.node_slots));
	if (!topology.pool_slots || !topology.node_slots)
		goto no_memory;
	for (i = 0; i < candidate->pool_count; i++) {
		const struct sl_config_pool *pool = &candidate->pools[i];
		uint32_t *slots = calloc(pool->node_count + 1, sizeof(*slots));

		topology.node_slots[i] = slots;
		if (!slots)
			goto no_memory;
		for (k = 0; strcmp(now->config->pools[k].name, pool->name) != 0; k++)
			; /* config_differ: the same names, the same nodes in the same order */
		topology.pool_slots[i] = now->topology.pool_slots[k];
		memcpy(slots, now->topology.node_slots[k], pool->node_count * sizeof(*slots));
	}
	*ret_topology = topology;
	return 0;
no_memory:
	sl_topology_fini(&topology);
	return -ENOMEM;
}

/* Takes the configuration. */
static int build(struct sl_rollouts *rollouts, struct sl_config *config,
		 struct sl_routes **ret_routes)
{
	static const struct sl_secure none;
	struct sl_topology topology;
	int rc = sl_stores_accept(rollouts->place.stores, config);

	if (!rc)
		rc = copy_topology(rollouts->routes, config, &topology);
	if (rc) {
		sl_config_close(&config);
		return rc;
	}
	return sl_routes_build(config, &topology, &none, rollouts->place.names, ret_routes);
}

void sl_rollouts_drop_config(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	if (!entry->routes)
		return;
	sl_threads_set_candidate(rollouts->place.threads, NULL, 0);
	sl_routes_put(&entry->routes);
}

__attribute__((format(printf, 2, 3))) static const char *say(struct sl_rollout_entry *entry,
							     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(entry->gone, sizeof(entry->gone), format, args);
	va_end(args);
	return entry->gone;
}

const char *sl_rollouts_find_config(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	struct sl_config *config = NULL;
	struct sl_error error = {""};
	char digest[DIGITS + 1];
	int rc;

	if (entry->settled || entry->state.phase > SL_ROLLOUT_FULL)
		return NULL;
	sl_rollouts_drop_config(rollouts, entry);
	rc = read_candidate(rollouts, entry->file, &config, &error);
	if (rc == -EALREADY && entry->state.phase == SL_ROLLOUT_FULL) {
		entry->in_force = true;
		return NULL;
	}
	if (rc)
		return say(entry, "%.100s: %.150s", entry->file, error.text);
	write_digest(config, digest);
	if (strcmp(digest, entry->item->candidate) != 0) {
		sl_config_close(&config);
		return say(entry, "%.200s has changed since it was started", entry->file);
	}
	rc = build(rollouts, config, &entry->routes);
	if (rc)
		return say(entry, "%.100s: %s", entry->file, strerror(-rc));
	sl_threads_set_candidate(rollouts->place.threads, entry->routes, entry->item->id);
	return NULL;
}

bool sl_rollouts_promote_config(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	(void)rollouts;
	return entry->in_force;
}
