/* SPDX-License-Identifier: BSD-2-Clause */
/* What is different for each kind: what a candidate is, whether it is there, and what becomes of one that is full. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/ops/rollout_parts.h"
#include "user/policy/drift.h"
#include "user/stage/stage.h"
#include "user/store/prompts.h"
#include "user/store/retrieval.h"

#define PROMOTE_RETRY_MS 1000u

/* ---- a model: a pool of a route ---------------------------------------------------------------- */

static int check_model(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
		       struct sl_error *error)
{
	const struct sl_config *config = rollouts->routes->config;
	uint32_t i;

	for (i = 0; i < config->route_count; i++) {
		if (!strcmp(config->routes[i].model, order->subject))
			break;
	}
	if (i == config->route_count)
		return sl_error_set(error, -ENOENT, "there is no route \"%.64s\"", order->subject);
	if (!sl_config_find_pool(config, order->candidate))
		return sl_error_set(error, -ENOENT, "there is no pool \"%.64s\"", order->candidate);
	if (!strcmp(config->pools[config->routes[i].chains[SL_CAUSE_ERROR].pools[0]].name,
		    order->candidate))
		return sl_error_set(error, -EEXIST,
				    "pool \"%.64s\" is the first of the route already",
				    order->candidate);
	if (!order->force && sl_drift_holds(rollouts->place.stores->drift, order->candidate))
		return sl_error_set(
			error, -EBUSY,
			"pool \"%.64s\" has drifted (sluice canary show %.64s); `force` "
			"starts all the same, and takes no step before that is over",
			order->candidate, order->candidate);
	return 0;
}

static uint16_t slot_of(const struct sl_rollouts *rollouts, const char *pool)
{
	const struct sl_config *config = rollouts->routes->config;
	uint32_t i;

	for (i = 0; i < config->pool_count; i++) {
		if (!strcmp(config->pools[i].name, pool))
			return (uint16_t)rollouts->routes->pools[i].slot;
	}
	return 0;
}

static const char *find_model(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	entry->candidate_pool = slot_of(rollouts, entry->item->candidate);
	return entry->candidate_pool ? NULL : "the candidate's pool is no longer configured";
}

/* ---- a prompt: one of its versions -------------------------------------------------------------- */

/* The candidate becomes the whole hash of the version. */
static int check_prompt(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
			struct sl_error *error)
{
	struct sl_prompts *prompts = rollouts->place.stores->prompts;
	struct sl_prompt_set *set = prompts ? sl_prompts_get(prompts) : NULL;
	const struct sl_prompt *prompt =
		set ? sl_prompt_find(set, sl_span_string(order->subject)) : NULL;
	struct sl_prompt_version *version = NULL;
	enum sl_prompt_suite suite;
	bool many = false;
	int rc = 0;

	if (prompt)
		version = sl_prompt_version_find(prompt, sl_span_string(order->candidate), &many);
	suite = version ? sl_prompt_suite_of(prompt, version) : SL_PROMPT_SUITE_NONE;
	if (!version)
		rc = sl_error_set(error, -ENOENT, "prompt \"%.64s\" has no version \"%.64s\"%s",
				  order->subject, order->candidate,
				  many ? " alone: say more of its digits" : "");
	else if (!prompt->labels[SL_PROMPT_STABLE])
		rc = sl_error_set(error, -ENOENT,
				  "prompt \"%.64s\" has no stable version to compare",
				  order->subject);
	else if (prompt->labels[SL_PROMPT_STABLE] == version)
		rc = sl_error_set(error, -EEXIST, "that version is the stable one already");
	else if (!order->force && suite != SL_PROMPT_SUITE_NONE && suite != SL_PROMPT_SUITE_PASSED)
		rc = sl_error_set(error, -EPERM,
				  "its regression suite: %s (sluice prompt test %.64s@%.12s)",
				  sl_prompt_suite_names[suite], order->subject, order->candidate);
	else
		snprintf(order->candidate, sizeof(order->candidate), "%s", version->hash);
	sl_prompt_set_put(&set);
	return rc;
}

/* The candidate is the stable version from now on. */
static bool promote_prompt(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	char hash[SL_PROMPT_HASH_SIZE];
	struct sl_error error = {""};
	int rc = -ENOENT;

	if (rollouts->place.stores->prompts)
		rc = sl_prompts_promote(rollouts->place.stores->prompts,
					sl_span_string(entry->item->subject),
					sl_span_string(entry->item->candidate), SL_PROMPT_STABLE,
					false, "rollout", hash, &error);
	if (rc && !entry->failed)
		sl_rollouts_tell(entry, SL_NOTICE_WARN, "daemon",
				 "full, but the version was not made stable: %s",
				 error.text[0] ? error.text : strerror(-rc));
	entry->failed = rc != 0;
	return !rc;
}

/* ---- an index: one of its versions -------------------------------------------------------------- */

static struct sl_indexes *indexes_of(const struct sl_rollouts *rollouts)
{
	struct sl_retrieval *retrieval = rollouts->place.stores->retrieval;

	return retrieval ? retrieval->indexes : NULL;
}

static bool is_version(const struct sl_shelf_list *shelf, uint64_t version)
{
	uint32_t i;

	for (i = 0; i < shelf->count && shelf->versions[i] != version; i++)
		;
	return i < shelf->count;
}

static int check_index(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
		       struct sl_error *error)
{
	struct sl_indexes_status status;
	char directory[SL_SHELF_PATH_SIZE];
	struct sl_shelf_list shelf;
	uint64_t version = 0;

	if (!sl_indexes_find(indexes_of(rollouts), order->subject, &status, directory))
		return sl_error_set(error, -ENOENT, "there is no index \"%.64s\"", order->subject);
	if (sl_span_u64(sl_span_string(order->candidate), &version) || !version ||
	    sl_shelf_read(directory, &shelf, NULL) || !is_version(&shelf, version))
		return sl_error_set(
			error, -ENOENT,
			"index \"%.64s\" has no version \"%.16s\" (sluice index list %.64s)",
			order->subject, order->candidate, order->subject);
	if (!status.current)
		return sl_error_set(error, -ENOENT,
				    "index \"%.64s\" serves no version to compare with",
				    order->subject);
	if (version == status.current)
		return sl_error_set(error, -EEXIST, "that version is served already");
	snprintf(order->candidate, sizeof(order->candidate), "%" PRIu64, version);
	return 0;
}

static uint32_t version_of(const struct sl_rollout_entry *entry)
{
	return (uint32_t)strtoul(entry->item->candidate, NULL, 10);
}

static const char *find_index(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	if (entry->settled || entry->state.phase > SL_ROLLOUT_FULL)
		return NULL;
	return sl_indexes_set_candidate(indexes_of(rollouts), entry->item->subject,
					version_of(entry))
		       ? NULL
		       : "its index is no longer configured";
}

static bool is_index_broken(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			    char why[SL_NOTICE_TEXT_BYTES])
{
	struct sl_indexes_status status;

	if (!sl_indexes_find(indexes_of(rollouts), entry->item->subject, &status, NULL) ||
	    !status.candidate_error[0])
		return false;
	snprintf(why, SL_NOTICE_TEXT_BYTES, "version %.16s cannot be opened: %.160s",
		 entry->item->candidate, status.candidate_error);
	return true;
}

/* Until it is served anyway it is served by the roll-out: nobody falls between the two. */
static bool promote_index(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	struct sl_indexes *indexes = indexes_of(rollouts);
	struct sl_indexes_status status;
	struct sl_error error = {""};
	uint64_t now_ms = sl_clock_ms();

	if (!sl_indexes_find(indexes, entry->item->subject, &status, NULL))
		return false;
	if (status.current == version_of(entry))
		return true;
	if (entry->ticket && status.orders_done >= entry->ticket) {
		if (status.order_rc && !entry->failed)
			sl_rollouts_tell(entry, SL_NOTICE_WARN, "daemon",
					 "full, but the version was not promoted: %.160s",
					 status.said);
		entry->failed = status.order_rc != 0;
		entry->ticket = 0;
	}
	if (!entry->ticket && now_ms >= entry->promote_ms &&
	    !sl_indexes_order(indexes, entry->item->subject, SL_INDEXES_PROMOTE, version_of(entry),
			      &entry->ticket, &error))
		entry->promote_ms = now_ms + PROMOTE_RETRY_MS;
	return false;
}

static void drop_index(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	(void)sl_indexes_set_candidate(indexes_of(rollouts), entry->item->subject, 0);
}

/* ---- all of them -------------------------------------------------------------------------------- */

static const struct kind {
	const char *subject, *candidate; /* the words of `start` */
	int (*check)(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
		     struct sl_error *error);
	/* Each may be NULL: nothing is to be done. */
	const char *(*find)(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
	bool (*is_broken)(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			  char why[SL_NOTICE_TEXT_BYTES]);
	bool (*promote)(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
	void (*drop)(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
} kinds[SL_ROLLOUT_KINDS] = {
	[SL_ROLLOUT_MODEL] = {.subject = "route",
			      .candidate = "pool",
			      .check = check_model,
			      .find = find_model},
	[SL_ROLLOUT_PROMPT] = {.subject = "prompt",
			       .candidate = "version",
			       .check = check_prompt,
			       .promote = promote_prompt},
	[SL_ROLLOUT_INDEX] = {.subject = "index",
			      .candidate = "version",
			      .check = check_index,
			      .find = find_index,
			      .is_broken = is_index_broken,
			      .promote = promote_index,
			      .drop = drop_index},
	[SL_ROLLOUT_CONFIG] = {.subject = "config",
			       .check = sl_rollouts_check_config,
			       .find = sl_rollouts_find_config,
			       .promote = sl_rollouts_promote_config,
			       .drop = sl_rollouts_drop_config},
};

const char *sl_rollouts_kind_name(enum sl_rollout_kind kind)
{
	return kinds[kind].subject;
}

const char *sl_rollouts_candidate_name(enum sl_rollout_kind kind)
{
	return kinds[kind].candidate;
}

int sl_rollouts_check(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
		      struct sl_error *error)
{
	return kinds[order->kind].check(rollouts, order, error);
}

const char *sl_rollouts_resolve(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	const struct kind *kind = &kinds[entry->item->kind];

	return kind->find ? kind->find(rollouts, entry) : NULL;
}

bool sl_rollouts_is_broken(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			   char why[SL_NOTICE_TEXT_BYTES])
{
	const struct kind *kind = &kinds[entry->item->kind];

	return kind->is_broken && kind->is_broken(rollouts, entry, why);
}

bool sl_rollouts_promote(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	const struct kind *kind = &kinds[entry->item->kind];

	return kind->promote && kind->promote(rollouts, entry);
}

void sl_rollouts_drop(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	const struct kind *kind = &kinds[entry->item->kind];

	if (kind->drop)
		kind->drop(rollouts, entry);
}
