/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/breaker.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/calls.h"
#include "user/policy/recovery.h"

#define LOAD(field)  __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define COUNT(field) __atomic_fetch_add(&(field), 1, __ATOMIC_RELAXED)

enum result { RESULT_OK = 0, RESULT_FAILED, RESULT_TIMEOUT, RESULT_DRY_RUN, RESULTS };

/* A hook's memory, by its name: over reloads; one that is configured no more has its place until another needs it. */
struct hook {
	char name[SL_CONFIG_NAME_MAX + 1]; /* "": free */
	struct sl_recovery state;
	uint64_t results[RESULTS];
	uint64_t refused[SL_RECOVERY_VERDICTS];
};

struct recovery {
	struct sl_watch_place place;
	struct sl_calls *calls;
	struct sl_routes *routes; /* a reference */
	struct hook hooks[2 * SL_CONFIG_HOOKS_MAX];
	bool stopped;
};

/* One that is under way. */
struct run {
	struct recovery *recovery;
	struct hook *hook;
	struct sl_notice cause;
	enum sl_config_trigger on;
};

static const char *const result_names[RESULTS] = {"ok", "failed", "timeout", "dry_run"};

/* ---- what is told ---------------------------------------------------------------------------- */

static void tell(const struct hook *hook, const struct sl_notice *cause, enum sl_config_trigger on,
		 const char *how, bool ok)
{
	struct sl_notice notice = {.kind = SL_NOTICE_HOOK,
				   .level = ok ? SL_NOTICE_INFO : SL_NOTICE_WARN,
				   .of = cause->of,
				   .audit = true};

	sl_notice_set(notice.name, sizeof(notice.name), cause->name);
	sl_notice_set(notice.pool, sizeof(notice.pool), cause->pool);
	snprintf(notice.who, sizeof(notice.who), "hook %.58s", hook->name);
	sl_notice_tell(&notice, "on %s: %s", sl_config_triggers[on], how);
	sl_log(ok ? SL_LOG_INFO : SL_LOG_WARN, "hook \"%s\" on %s of %s %s: %s", hook->name,
	       sl_config_triggers[on], sl_notice_of_name(cause->of), cause->name, how);
}

static void on_ran(void *owner, const struct sl_call_result *result)
{
	struct run *run = owner;
	char how[SL_CALL_RESULT_BYTES + 32];

	sl_recovery_ran(&run->hook->state, run->cause.name, result->ok, sl_clock_ms());
	COUNT(run->hook->results[result->ok	     ? RESULT_OK
				 : result->timed_out ? RESULT_TIMEOUT
						     : RESULT_FAILED]);
	snprintf(how, sizeof(how), "%s (%u ms)", result->text, result->took_ms);
	tell(run->hook, &run->cause, run->on, how, result->ok);
	free(run);
}

/* ---- running --------------------------------------------------------------------------------- */

static struct hook *find_hook(struct recovery *recovery, const char *name)
{
	for (uint32_t i = 0; i < 2 * SL_CONFIG_HOOKS_MAX; i++) {
		if (!strcmp(recovery->hooks[i].name, name))
			return &recovery->hooks[i];
	}
	return NULL;
}

static bool runs(const struct hook *hook)
{
	for (uint32_t i = 0; i < SL_RECOVERY_TARGETS_MAX; i++) {
		if (hook->state.targets[i].runs)
			return true;
	}
	return false;
}

/* The place of one that is configured no more and does not run. */
static struct hook *take_back(struct recovery *recovery)
{
	const struct sl_config_items *items = &recovery->routes->config->recovery.hooks;
	const struct sl_config_recovery_hook *configs = items->items;

	for (uint32_t i = 0; i < 2 * SL_CONFIG_HOOKS_MAX; i++) {
		struct hook *hook = &recovery->hooks[i];
		bool configured = false;

		for (uint32_t k = 0; k < items->count && !configured; k++)
			configured = !strcmp(configs[k].item.name, hook->name);
		if (configured || runs(hook))
			continue;
		memset(hook, 0, sizeof(*hook));
		return hook;
	}
	return NULL;
}

static struct hook *hook_of(struct recovery *recovery, const char *name)
{
	struct hook *hook = find_hook(recovery, name);

	if (hook)
		return hook;
	hook = find_hook(recovery, "");
	if (!hook)
		hook = take_back(recovery);
	if (hook)
		snprintf(hook->name, sizeof(hook->name), "%s", name);
	else
		sl_log_limited(SL_LOG_WARN,
			       "hook \"%s\" does not run: all %u places are of hooks that were "
			       "configured before and still run; it can once one of them has ended",
			       name, 2 * SL_CONFIG_HOOKS_MAX);
	return hook;
}

static void put(struct sl_text *body, struct sl_call_env *env, const char *key, const char *name,
		const char *value)
{
	if (!value[0])
		return;
	sl_call_env_add(env, name, value);
	sl_text_printf(body, "%s\"%s\":", body->len > 1 ? "," : "", key);
	sl_text_append_json_string(body, value);
}

/* The same as JSON and as environment. */
static void describe(const struct hook *hook, const struct sl_notice *cause,
		     enum sl_config_trigger on, struct sl_text *body, struct sl_call_env *env)
{
	static const char *const keys[SL_NOTICE_OFS] = {[SL_NOTICE_OF_NODE] = "node",
							[SL_NOTICE_OF_ROUTE] = "route",
							[SL_NOTICE_OF_ZONE] = "zone",
							[SL_NOTICE_OF_REGION] = "region"};
	static const char *const names[SL_NOTICE_OFS] = {[SL_NOTICE_OF_NODE] = "SLUICE_NODE",
							 [SL_NOTICE_OF_ROUTE] = "SLUICE_ROUTE",
							 [SL_NOTICE_OF_ZONE] = "SLUICE_ZONE",
							 [SL_NOTICE_OF_REGION] = "SLUICE_REGION"};
	char number[24] = "", time[SL_CLOCK_ISO_SIZE];

	if (cause->kind == SL_NOTICE_INCIDENT)
		snprintf(number, sizeof(number), "%" PRIu64, cause->number);
	sl_clock_format_iso(cause->wall_ms, time);
	sl_text_append_char(body, '{');
	put(body, env, "on", "SLUICE_ON", sl_config_triggers[on]);
	put(body, env, "hook", "SLUICE_HOOK", hook->name);
	put(body, env, "of", "SLUICE_OF", sl_notice_of_name(cause->of));
	put(body, env, "name", "SLUICE_NAME", cause->name);
	if (keys[cause->of])
		put(body, env, keys[cause->of], names[cause->of], cause->name);
	put(body, env, "pool", "SLUICE_POOL",
	    cause->of == SL_NOTICE_OF_POOL ? cause->name : cause->pool);
	put(body, env, "level", "SLUICE_LEVEL", sl_notice_level_name(cause->level));
	put(body, env, "incident", "SLUICE_INCIDENT", number);
	put(body, env, "text", "SLUICE_TEXT", cause->text);
	put(body, env, "time", "SLUICE_TIME", time);
	sl_text_append_char(body, '}');
}

static void start(struct recovery *recovery, const struct sl_config_recovery_hook *config,
		  struct hook *hook, const struct sl_notice *cause, enum sl_config_trigger on)
{
	struct run *run = malloc(sizeof(*run));
	struct sl_call_env env = {.len = 0};
	struct sl_text body;
	int rc = -ENOMEM;

	sl_text_init(&body, 0);
	describe(hook, cause, on, &body, &env);
	if (run && !body.error) {
		*run = (struct run){.recovery = recovery, .hook = hook, .cause = *cause, .on = on};
		rc = sl_calls_start(recovery->calls, recovery->routes, &config->call,
				    sl_text_span(&body), &env, on_ran, run);
	}
	sl_text_fini(&body);
	if (!rc)
		return;
	free(run);
	sl_recovery_ran(&hook->state, cause->name, false, sl_clock_ms());
	COUNT(hook->results[RESULT_FAILED]);
	tell(hook, cause, on, "could not be started: too many run, or no memory", false);
}

static bool is_for(const struct sl_config_recovery_hook *config, const struct sl_notice *cause)
{
	const char *pool = cause->of == SL_NOTICE_OF_POOL ? cause->name : cause->pool;
	bool wanted = !config->pools.count;

	for (uint32_t i = 0; i < config->pools.count && !wanted; i++)
		wanted = !strcmp(config->pools.names[i], pool);
	return wanted;
}

static void ask(struct recovery *recovery, const struct sl_config_recovery_hook *config,
		const struct sl_notice *cause, enum sl_config_trigger on)
{
	struct sl_recovery_rule rule = {.every_ms = config->every_ms,
					.cooldown_ms = config->cooldown_ms,
					.per_hour = config->per_hour};
	struct hook *hook = hook_of(recovery, config->item.name);
	enum sl_recovery_verdict verdict;

	if (!hook)
		return;
	verdict = sl_recovery_ask(&hook->state, &rule, cause->name, sl_clock_ms());
	if (verdict != SL_RECOVERY_RUN) {
		COUNT(hook->refused[verdict]);
		return;
	}
	if (!config->dry_run) {
		start(recovery, config, hook, cause, on);
		return;
	}
	sl_recovery_ran(&hook->state, cause->name, true, sl_clock_ms());
	COUNT(hook->results[RESULT_DRY_RUN]);
	tell(hook, cause, on, "dry run: would have run now", true);
}

/* ---- notices --------------------------------------------------------------------------------- */

/* SL_CONFIG_TRIGGERS: none. */
static enum sl_config_trigger trigger_of(const struct sl_notice *notice)
{
	bool bad = !notice->over && notice->level > SL_NOTICE_INFO;

	switch (notice->kind) {
	case SL_NOTICE_BREAKER:
		if (notice->over)
			return SL_CONFIG_ON_NODE_BACK;
		return notice->number == SL_BREAKER_OPEN ? SL_CONFIG_ON_NODE_EJECTED
							 : SL_CONFIG_TRIGGERS;
	case SL_NOTICE_NO_NODE:
	case SL_NOTICE_CAP:
		return bad ? SL_CONFIG_ON_POOL_SHORT : SL_CONFIG_TRIGGERS;
	case SL_NOTICE_BURN:
		return bad ? SL_CONFIG_ON_BUDGET_BURN : SL_CONFIG_TRIGGERS;
	case SL_NOTICE_INCIDENT:
		return bad && notice->opens ? SL_CONFIG_ON_INCIDENT : SL_CONFIG_TRIGGERS;
	default:
		return SL_CONFIG_TRIGGERS;
	}
}

/* What CAP tells of a node is trouble of its pool. */
static struct sl_notice cause_of(const struct sl_notice *notice)
{
	struct sl_notice cause = *notice;

	if (notice->kind != SL_NOTICE_CAP)
		return cause;
	cause.of = SL_NOTICE_OF_POOL;
	sl_notice_set(cause.name, sizeof(cause.name), notice->pool);
	return cause;
}

static void note_notice(void *owner, const struct sl_notice *notice)
{
	struct recovery *recovery = owner;
	enum sl_config_trigger on = trigger_of(notice);
	const struct sl_config_items *hooks = &recovery->routes->config->recovery.hooks;
	const struct sl_config_recovery_hook *configs = hooks->items;
	struct sl_notice cause;

	if (on == SL_CONFIG_TRIGGERS || recovery->stopped || !hooks->count)
		return;
	cause = cause_of(notice);
	for (uint32_t i = 0; i < hooks->count; i++) {
		if (configs[i].on >> on & 1 && is_for(&configs[i], &cause))
			ask(recovery, &configs[i], &cause, on);
	}
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void write_hook(const struct hook *hook, struct sl_text *text)
{
	for (uint32_t r = 0; r < RESULTS; r++)
		sl_text_printf(text,
			       "sluice_hook_runs_total{hook=\"%s\",result=\"%s\"} %" PRIu64 "\n",
			       hook->name, result_names[r], LOAD(hook->results[r]));
}

static void write_refused(const struct hook *hook, struct sl_text *text)
{
	for (uint32_t v = SL_RECOVERY_RUN + 1; v < SL_RECOVERY_VERDICTS; v++)
		sl_text_printf(text,
			       "sluice_hook_refused_total{hook=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
			       hook->name, sl_recovery_verdict_name((enum sl_recovery_verdict)v),
			       LOAD(hook->refused[v]));
}

static void write_metrics(void *owner, struct sl_text *text)
{
	struct recovery *recovery = owner;
	bool refused = false;

	do {
		sl_text_append_string(
			text,
			refused ? "# HELP sluice_hook_refused_total Runs that a hook's limits "
				  "refused.\n# TYPE sluice_hook_refused_total counter\n"
				: "# HELP sluice_hook_runs_total Runs of recovery hooks.\n"
				  "# TYPE sluice_hook_runs_total counter\n");
		for (uint32_t i = 0; i < 2 * SL_CONFIG_HOOKS_MAX; i++) {
			if (recovery->hooks[i].name[0])
				(refused ? write_refused : write_hook)(&recovery->hooks[i], text);
		}
		refused = !refused;
	} while (refused);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void apply(void *owner, struct sl_routes *routes)
{
	struct recovery *recovery = owner;
	const struct sl_config_items *hooks = &routes->config->recovery.hooks;
	const struct sl_config_recovery_hook *configs = hooks->items;
	struct sl_routes *old = recovery->routes;

	recovery->routes = sl_routes_get(routes);
	for (uint32_t i = 0; i < hooks->count; i++)
		hook_of(recovery, configs[i].item.name);
	if (old)
		sl_routes_put(&old);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct recovery *recovery = calloc(1, sizeof(*recovery));
	int rc;

	if (!recovery)
		return -ENOMEM;
	recovery->place = *place;
	rc = sl_calls_open(place->loop, &place->state, &recovery->calls);
	if (rc) {
		free(recovery);
		return rc;
	}
	apply(recovery, routes);
	*ret_part = recovery;
	return 0;
}

static void stop_part(void *owner, bool leaving)
{
	struct recovery *recovery = owner;

	(void)leaving;
	recovery->stopped = true;
	sl_calls_stop(recovery->calls);
}

static void close_part(void *owner)
{
	struct recovery *recovery = owner;

	sl_calls_close(&recovery->calls);
	sl_routes_put(&recovery->routes);
	free(recovery);
}

const struct sl_watch_part sl_watch_recovery = {
	.open = open_part,
	.apply = apply,
	.notice = note_notice,
	.write_metrics = write_metrics,
	.stop = stop_part,
	.close = close_part,
};
