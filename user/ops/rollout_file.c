/* SPDX-License-Identifier: BSD-2-Clause */
/* Roll-outs on the disk: a JSON object a line, the whole file replaced. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/replace.h"
#include "user/ops/rollout_parts.h"
#include "user/wire/json_scan.h"

const char *const sl_rollouts_kind_words[SL_ROLLOUT_KINDS] = {"model", "prompt", "index", "config"};

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, ",\"%s\":", name);
	sl_text_append_json_string(text, value);
}

static void put_arm(struct sl_text *text, const char *name, const struct sl_rollout_arm *arm)
{
	int gate;

	sl_text_printf(text, ",\"%s\":{\"requests\":%" PRIu64 ",\"judged\":%" PRIu64, name,
		       arm->requests, arm->judged);
	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++)
		sl_text_printf(text, ",\"%s\":%" PRIu64,
			       sl_rollout_gate_name((enum sl_rollout_gate)gate), arm->bad[gate]);
	sl_text_append_string(text, "}");
}

static void put_rules(struct sl_text *text, const struct sl_rollout_rules *rules)
{
	uint32_t i;

	sl_text_append_string(text, ",\"shares\":[");
	for (i = 0; i < rules->step_count; i++)
		sl_text_printf(text, "%s%u", i ? "," : "", rules->shares[i]);
	sl_text_printf(text, "],\"step_ms\":%" PRIu64 ",\"step_requests\":%u,\"step_judged\":%u",
		       rules->step_ms, rules->step_requests, rules->step_judged);
	for (i = 0; i < SL_ROLLOUT_GATES; i++)
		sl_text_printf(text, ",\"rise_%s\":%g",
			       sl_rollout_gate_name((enum sl_rollout_gate)i), rules->rises[i]);
}

static void put_shadow(const struct sl_rollout_entry *entry, struct sl_text *text)
{
	int why;

	sl_text_printf(
		text,
		",\"shadow\":%u,\"shadowing\":%s,\"asks_per_minute\":%u,\"shadowed\":%" PRIu64
		",\"spared\":{",
		entry->rules.shadow, entry->state.shadowing ? "true" : "false",
		entry->item->asks_max, entry->shadowed);
	for (why = 0; why < SL_ROLLOUT_SPAREDS; why++)
		sl_text_printf(text, "%s\"%s\":%" PRIu64, why ? "," : "",
			       sl_rollout_spared_name((enum sl_rollout_spared)why),
			       __atomic_load_n(&entry->item->spared[why], __ATOMIC_RELAXED));
	sl_text_append_string(text, "}");
}

static void put_check(const struct sl_rollout_entry *entry, struct sl_text *text)
{
	if (entry->check.state == SL_ROLLOUT_CHECK_NONE)
		return;
	put_string(text, "check", entry->check_name);
	put_string(text, "check_state", sl_rollout_check_state_name(entry->check.state));
	put_string(text, "check_why", entry->check_why);
	sl_text_printf(text, ",\"unchecked\":%s", entry->state.unchecked ? "true" : "false");
	if (entry->has_passed)
		sl_text_printf(text, ",\"check_passed\":%u", entry->passed_step);
	if (entry->promoter[0])
		put_string(text, "promoter", entry->promoter);
}

void sl_rollouts_put_json(const struct sl_rollout_entry *entry, struct sl_text *text)
{
	const struct sl_rollout *state = &entry->state;

	sl_text_append_string(text, "{\"name\":");
	sl_text_append_json_string(text, entry->item->name);
	put_string(text, "kind", sl_rollouts_kind_words[entry->item->kind]);
	put_string(text, "subject", entry->item->subject);
	put_string(text, "candidate", entry->item->candidate);
	if (entry->file[0])
		put_string(text, "file", entry->file);
	put_string(text, "phase", sl_rollout_phase_name(state->phase));
	sl_text_printf(text, ",\"step\":%u,\"share\":%.4f", state->step,
		       sl_rollout_share(state, &entry->rules) / 10000.0);
	put_shadow(entry, text);
	put_check(entry, text);
	put_rules(text, &entry->rules);
	sl_text_printf(text,
		       ",\"started_ms\":%" PRIu64 ",\"ended_ms\":%" PRIu64 ",\"seen\":%" PRIu64,
		       entry->started_ms, entry->ended_ms, entry->seen);
	sl_text_printf(text, ",\"settled\":%s", entry->settled ? "true" : "false");
	put_string(text, "who", entry->who);
	put_string(text, "reason", entry->reason);
	put_string(text, "held", entry->held && !entry->ended_ms ? entry->held : "");
	put_arm(text, "candidate_requests", &state->candidate);
	put_arm(text, "baseline_requests", &state->baseline);
	sl_text_append_string(text, "}");
}

/* ---- writing --------------------------------------------------------------------------------- */

static void put_all(const struct sl_rollouts *rollouts, struct sl_text *text)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		if (!rollouts->entries[i].used)
			continue;
		sl_rollouts_put_json(&rollouts->entries[i], text);
		sl_text_append_char(text, '\n');
	}
}

struct job {
	struct sl_rollouts *rollouts;
	char path[SL_ROLLOUT_PATH_BYTES];
	struct sl_text text;
	int result;
};

static void run_job(void *arg)
{
	struct job *job = arg;

	job->result = sl_replace_file(job->path, &job->text);
}

static void drop_job(void *arg)
{
	struct job *job = arg;

	if (job->result) {
		sl_log_limited(SL_LOG_ERROR,
			       "rollouts.file: %s: %s (a restart would go on with what it holds)",
			       job->path, strerror(-job->result));
		__atomic_fetch_add(&job->rollouts->failures, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&job->rollouts->failed, true, __ATOMIC_RELAXED);
	}
	sl_text_fini(&job->text);
	__atomic_store_n(&job->rollouts->writing, false, __ATOMIC_RELEASE);
	free(job);
}

void sl_rollouts_write(struct sl_rollouts *rollouts, uint64_t now_ms)
{
	struct job *job;

	if (__atomic_load_n(&rollouts->writing, __ATOMIC_ACQUIRE))
		return;
	if (__atomic_exchange_n(&rollouts->failed, false, __ATOMIC_RELAXED)) {
		rollouts->dirty = true;
		rollouts->retry_ms = now_ms + SL_ROLLOUT_RETRY_MS;
	}
	if (!rollouts->dirty || now_ms < rollouts->retry_ms)
		return;
	job = calloc(1, sizeof(*job));
	if (!job)
		return;
	job->rollouts = rollouts;
	job->result = -ESHUTDOWN;
	memcpy(job->path, rollouts->path, sizeof(job->path));
	sl_text_init(&job->text, SL_ROLLOUT_FILE_BYTES);
	put_all(rollouts, &job->text);
	__atomic_store_n(&rollouts->writing, true, __ATOMIC_RELEASE);
	if (sl_work_post(rollouts->place.stores->work, run_job, drop_job, job)) {
		job->result = 0; /* the pool is full: the next turn tries again */
		drop_job(job);
		return;
	}
	rollouts->dirty = false;
}

void sl_rollouts_wait(struct sl_rollouts *rollouts)
{
	while (__atomic_load_n(&rollouts->writing, __ATOMIC_ACQUIRE))
		usleep(1000);
}

int sl_rollouts_write_now(struct sl_rollouts *rollouts)
{
	struct sl_text text;
	int rc;

	sl_rollouts_wait(rollouts);
	if (__atomic_exchange_n(&rollouts->failed, false, __ATOMIC_RELAXED))
		rollouts->dirty = true;
	if (!rollouts->path[0] || !rollouts->dirty)
		return 0;
	sl_text_init(&text, SL_ROLLOUT_FILE_BYTES);
	put_all(rollouts, &text);
	rc = text.error ? text.error : sl_replace_file(rollouts->path, &text);
	rollouts->dirty = rc != 0;
	if (rc) {
		sl_log_limited(SL_LOG_ERROR, "rollouts.file: %s: %s", rollouts->path,
			       strerror(-rc));
		__atomic_fetch_add(&rollouts->failures, 1, __ATOMIC_RELAXED);
	}
	sl_text_fini(&text);
	return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

enum field {
	NAME,
	KIND,
	SUBJECT,
	CANDIDATE,
	PHASE,
	STEP,
	SHARES,
	STEP_MS,
	STEP_REQUESTS,
	RISE_ERRORS,
	RISE_INVALID,
	RISE_SLOW,
	RISE_MISSED,
	RISE_SCORE,
	RISE_QUALITY,
	STEP_JUDGED,
	STARTED,
	ENDED,
	SEEN,
	SETTLED,
	WHO,
	REASON,
	SHADOW,
	SHADOWING,
	ASKS,
	SHADOWED,
	FILENAME,
	CHECK,
	CHECK_STATE,
	UNCHECKED,
	CHECK_PASSED,
	PROMOTER,
	FIELDS
};

static int word_of(const struct sl_json_field *field, const char *const *words, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		if (sl_json_string_equal(field, words[i], strlen(words[i])))
			return i;
	}
	return -1;
}

static bool read_number(const struct sl_json_field *field, int64_t max, int64_t *ret_value)
{
	return !sl_json_int(field, ret_value) && *ret_value >= 0 && *ret_value <= max;
}

static bool read_rules(const struct sl_json_field f[FIELDS], struct sl_rollout_rules *rules)
{
	struct sl_json_field share;
	const char *cursor = NULL;
	int64_t number;
	int gate;

	while (f[SHARES].type == SL_JSON_ARRAY && sl_json_each(&f[SHARES], &cursor, &share)) {
		if (rules->step_count == SL_ROLLOUT_STEPS_MAX ||
		    !read_number(&share, 10000, &number))
			return false;
		rules->shares[rules->step_count++] = (uint32_t)number;
	}
	if (!rules->step_count || !read_number(&f[STEP_MS], INT64_MAX, &number))
		return false;
	rules->step_ms = (uint64_t)number;
	if (!read_number(&f[STEP_REQUESTS], UINT32_MAX, &number))
		return false;
	rules->step_requests = (uint32_t)number;
	if (f[STEP_JUDGED].type != SL_JSON_ABSENT &&
	    !read_number(&f[STEP_JUDGED], UINT32_MAX, &number))
		return false;
	rules->step_judged = f[STEP_JUDGED].type != SL_JSON_ABSENT ? (uint32_t)number : 0;
	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++) {
		/* a file of before there was this gate: it is off, as it was */
		if (gate >= SL_ROLLOUT_MISSED && f[RISE_ERRORS + gate].type == SL_JSON_ABSENT)
			continue;
		if (sl_json_double(&f[RISE_ERRORS + gate], &rules->rises[gate]) ||
		    !(rules->rises[gate] >= 0 && rules->rises[gate] <= 1))
			return false;
	}
	return true;
}

static bool read_item(const struct sl_json_field f[FIELDS], struct sl_rollout_item *item)
{
	int kind = word_of(&f[KIND], sl_rollouts_kind_words, SL_ROLLOUT_KINDS);

	if (kind < 0 || sl_json_string(&f[NAME], item->name, sizeof(item->name)) <= 0 ||
	    sl_json_string(&f[SUBJECT], item->subject, sizeof(item->subject)) <= 0 ||
	    sl_json_string(&f[CANDIDATE], item->candidate, sizeof(item->candidate)) <= 0)
		return false;
	item->kind = (enum sl_rollout_kind)kind;
	return true;
}

/* A file of before there were shadows has none. */
static bool read_shadow(const struct sl_json_field f[FIELDS], struct sl_rollout_entry *entry)
{
	int64_t share = 0, asks = 0, shadowed = 0;

	if (f[SHADOW].type == SL_JSON_ABSENT)
		return true;
	if (!read_number(&f[SHADOW], 10000, &share) || !read_number(&f[ASKS], UINT32_MAX, &asks) ||
	    !read_number(&f[SHADOWED], INT64_MAX, &shadowed))
		return false;
	entry->rules.shadow = (uint32_t)share;
	entry->item->asks_max = (uint32_t)asks;
	entry->shadowed = (uint64_t)shadowed;
	return true;
}

/* What a run said before is not kept: it is run again. */
static bool read_check(const struct sl_json_field f[FIELDS], struct sl_rollout_entry *entry)
{
	int64_t step = 0;

	if (f[CHECK].type == SL_JSON_ABSENT)
		return true;
	if (sl_json_string(&f[CHECK], entry->check_name, sizeof(entry->check_name)) <= 0 ||
	    (f[CHECK_PASSED].type != SL_JSON_ABSENT &&
	     !read_number(&f[CHECK_PASSED], SL_ROLLOUT_STEPS_MAX, &step)) ||
	    (f[PROMOTER].type != SL_JSON_ABSENT &&
	     sl_json_string(&f[PROMOTER], entry->promoter, sizeof(entry->promoter)) < 0))
		return false;
	entry->check.state = sl_json_string_equal(&f[CHECK_STATE], "failed", 6)
				     ? SL_ROLLOUT_CHECK_FAILED
				     : SL_ROLLOUT_CHECK_WAITING;
	entry->has_passed = f[CHECK_PASSED].type != SL_JSON_ABSENT;
	entry->passed_step = (uint32_t)step;
	entry->rules.checked = true;
	return true;
}

static bool read_entry(const struct sl_json_field f[FIELDS], struct sl_rollout_entry *entry)
{
	const char *phases[SL_ROLLOUT_PHASES];
	int64_t step, started, ended, seen;
	int phase, i;

	for (i = 0; i < SL_ROLLOUT_PHASES; i++)
		phases[i] = sl_rollout_phase_name((enum sl_rollout_phase)i);
	phase = word_of(&f[PHASE], phases, SL_ROLLOUT_PHASES);
	if (phase < 0 || !read_item(f, entry->item) || !read_rules(f, &entry->rules) ||
	    !read_number(&f[STEP], entry->rules.step_count - 1, &step) ||
	    !read_number(&f[STARTED], INT64_MAX, &started) ||
	    !read_number(&f[ENDED], INT64_MAX, &ended) ||
	    !read_number(&f[SEEN], INT64_MAX, &seen) ||
	    (f[FILENAME].type != SL_JSON_ABSENT &&
	     sl_json_string(&f[FILENAME], entry->file, sizeof(entry->file)) < 0) ||
	    sl_json_string(&f[WHO], entry->who, sizeof(entry->who)) < 0 ||
	    sl_json_string(&f[REASON], entry->reason, sizeof(entry->reason)) < 0)
		return false;
	if (!read_shadow(f, entry) || !read_check(f, entry))
		return false;
	sl_rollout_begin(&entry->state, &entry->rules, sl_clock_ms());
	if (sl_json_bool(&f[SHADOWING], &entry->state.shadowing))
		entry->state.shadowing = false;
	if (sl_json_bool(&f[UNCHECKED], &entry->state.unchecked))
		entry->state.unchecked = false;
	entry->state.phase = (enum sl_rollout_phase)phase;
	entry->state.step = (uint32_t)step;
	entry->started_ms = (uint64_t)started;
	entry->ended_ms = (uint64_t)ended;
	entry->seen = (uint64_t)seen;
	if (sl_json_bool(&f[SETTLED], &entry->settled))
		entry->settled = false;
	snprintf(entry->item->salt, sizeof(entry->item->salt), "%s %" PRIu64, entry->item->name,
		 entry->started_ms);
	entry->item->shadow = sl_rollout_shadow(&entry->state, &entry->rules);
	entry->item->share = entry->settled ? 0 : sl_rollout_share(&entry->state, &entry->rules);
	return true;
}

/* The next write replaces the file: what could not be read stays under another name. */
static void keep_aside(const char *path)
{
	char aside[SL_ROLLOUT_PATH_BYTES + 16];

	snprintf(aside, sizeof(aside), "%s.broken", path);
	(void)!unlink(aside);
	(void)!link(path, aside);
}

static void take_line(struct sl_rollouts *rollouts, const char *line, size_t len)
{
	struct sl_json_field f[FIELDS] = {
		[NAME] = SL_JSON_FIELD("name"),
		[KIND] = SL_JSON_FIELD("kind"),
		[SUBJECT] = SL_JSON_FIELD("subject"),
		[CANDIDATE] = SL_JSON_FIELD("candidate"),
		[PHASE] = SL_JSON_FIELD("phase"),
		[STEP] = SL_JSON_FIELD("step"),
		[SHARES] = SL_JSON_FIELD("shares"),
		[STEP_MS] = SL_JSON_FIELD("step_ms"),
		[STEP_REQUESTS] = SL_JSON_FIELD("step_requests"),
		[RISE_ERRORS] = SL_JSON_FIELD("rise_errors"),
		[RISE_INVALID] = SL_JSON_FIELD("rise_invalid"),
		[RISE_SLOW] = SL_JSON_FIELD("rise_slow"),
		[RISE_MISSED] = SL_JSON_FIELD("rise_missed"),
		[RISE_SCORE] = SL_JSON_FIELD("rise_score"),
		[RISE_QUALITY] = SL_JSON_FIELD("rise_quality"),
		[STEP_JUDGED] = SL_JSON_FIELD("step_judged"),
		[STARTED] = SL_JSON_FIELD("started_ms"),
		[ENDED] = SL_JSON_FIELD("ended_ms"),
		[SEEN] = SL_JSON_FIELD("seen"),
		[SETTLED] = SL_JSON_FIELD("settled"),
		[WHO] = SL_JSON_FIELD("who"),
		[REASON] = SL_JSON_FIELD("reason"),
		[SHADOW] = SL_JSON_FIELD("shadow"),
		[SHADOWING] = SL_JSON_FIELD("shadowing"),
		[ASKS] = SL_JSON_FIELD("asks_per_minute"),
		[SHADOWED] = SL_JSON_FIELD("shadowed"),
		[FILENAME] = SL_JSON_FIELD("file"),
		[CHECK] = SL_JSON_FIELD("check"),
		[CHECK_STATE] = SL_JSON_FIELD("check_state"),
		[UNCHECKED] = SL_JSON_FIELD("unchecked"),
		[CHECK_PASSED] = SL_JSON_FIELD("check_passed"),
		[PROMOTER] = SL_JSON_FIELD("promoter"),
	};
	struct sl_rollout_entry *entry;

	if (!len)
		return;
	entry = sl_json_scan(line, len, f, FIELDS) ? NULL : sl_rollouts_new(rollouts);
	if (entry && read_entry(f, entry) &&
	    sl_rollouts_find(rollouts, entry->item->name) == entry) {
		(void)sl_rollouts_resolve(rollouts, entry);
		return;
	}
	if (entry)
		entry->used = false;
	keep_aside(rollouts->path);
	sl_log(SL_LOG_ERROR,
	       "rollouts.file: %s: a line is no roll-out, and is left out: %.80s (the file is kept "
	       "as %s.broken)",
	       rollouts->path, line, rollouts->path);
}

void sl_rollouts_read(struct sl_rollouts *rollouts)
{
	struct sl_text text;
	char bytes[16384];
	const char *at, *end;
	ssize_t got;
	int fd;

	if (!rollouts->path[0])
		return;
	fd = open(rollouts->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		if (errno != ENOENT)
			sl_log(SL_LOG_ERROR, "rollouts.file: %s: %s (none is known)",
			       rollouts->path, strerror(errno));
		return;
	}
	sl_text_init(&text, SL_ROLLOUT_FILE_BYTES);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		sl_text_append(&text, bytes, (size_t)got);
	close(fd);
	if (text.error)
		sl_log(SL_LOG_ERROR, "rollouts.file: %s is too large: none is known",
		       rollouts->path);
	for (at = sl_text_string(&text); !text.error && *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		take_line(rollouts, at, (size_t)(end - at));
	}
	sl_text_fini(&text);
	(void)sl_rollouts_publish(rollouts);
}
