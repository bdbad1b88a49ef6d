/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bpf/breaker.h"
#include "user/base/audit.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/tunables.h"
#include "user/io/work.h"

#define PATH_BYTES 4096u

struct audit {
	struct sl_watch_place place;
	char path[PATH_BYTES]; /* "": no trail is kept */
	struct sl_notice *waiting;
	uint32_t waiting_count;
	uint64_t *tunables;	    /* as they were at the last look: SL_TUNABLES_SIZE */
	uint8_t *nodes;		    /* the same: SL_NODES_MAX, enum state */
	uint32_t *incarnations;	    /* whose state that was */
	uint64_t look_ms, retry_ms; /* when next */
	bool failing;
	bool stopped; /* looks no more */
	/* read by any thread */
	uint64_t lines, failures, lost, head_line;
	/* of the job that runs */
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool writing;
	bool ended; /* one has, and nobody has looked at its result */
	int result;
};

struct job {
	struct audit *audit;
	char path[PATH_BYTES];
	uint32_t count;
	int result;
	struct sl_audit_head head;
	struct sl_notice notices[SL_AUDIT_BATCH];
};

/* ---- the file -------------------------------------------------------------------------------- */

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640);

	return fd < 0 ? -errno : fd;
}

/* The file is no chain: it is kept under another name, and the new one says so first. */
static int begin_anew(const char *path, struct sl_audit_head *head)
{
	struct sl_notice notice = {.kind = SL_NOTICE_STORE,
				   .of = SL_NOTICE_OF_STORE,
				   .wall_ms = sl_clock_wall_ms(),
				   .name = "audit",
				   .who = "daemon"};
	char aside[PATH_BYTES + 32];
	int fd, rc;

	snprintf(aside, sizeof(aside), "%s.broken-%" PRIu64, path, notice.wall_ms);
	if (rename(path, aside) != 0)
		return -errno;
	sl_log(SL_LOG_ERROR,
	       "audit.file: the end of %s is no line of an audit trail: kept as %s, a new trail "
	       "begins (see: sluice audit verify %s)",
	       path, aside, aside);
	snprintf(notice.text, sizeof(notice.text), "a new trail: the one before is %.200s",
		 strrchr(aside, '/') + 1);
	fd = open_file(path);
	if (fd < 0)
		return fd;
	rc = sl_audit_append(fd, &notice, 1, head);
	close(fd);
	return rc;
}

static int write_batch(struct job *job)
{
	int fd = open_file(job->path), rc;

	if (fd < 0)
		return fd;
	rc = sl_audit_append(fd, job->notices, job->count, &job->head);
	close(fd);
	if (rc != -EBADMSG)
		return rc;
	rc = begin_anew(job->path, &job->head);
	if (rc)
		return rc;
	fd = open_file(job->path);
	if (fd < 0)
		return fd;
	rc = sl_audit_append(fd, job->notices, job->count, &job->head);
	close(fd);
	return rc;
}

static void run_job(void *arg)
{
	struct job *job = arg;

	job->result = write_batch(job);
}

static void drop_job(void *arg)
{
	struct job *job = arg;
	struct audit *audit = job->audit;

	pthread_mutex_lock(&audit->lock);
	audit->writing = false;
	audit->ended = true;
	audit->result = job->result;
	if (!job->result) {
		audit->waiting_count -= job->count;
		memmove(audit->waiting, audit->waiting + job->count,
			audit->waiting_count * sizeof(audit->waiting[0]));
		__atomic_fetch_add(&audit->lines, job->count, __ATOMIC_RELAXED);
		__atomic_store_n(&audit->head_line, job->head.line, __ATOMIC_RELAXED);
	} else {
		__atomic_fetch_add(&audit->failures, 1, __ATOMIC_RELAXED);
	}
	pthread_cond_signal(&audit->done);
	pthread_mutex_unlock(&audit->lock);
	free(job);
}

/* Of the oldest that wait; NULL: nothing to do, or no memory. With the lock. */
static struct job *make_job(struct audit *audit)
{
	struct job *job;

	if (!audit->waiting_count || audit->writing || !audit->path[0])
		return NULL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	job->audit = audit;
	job->result = -ESHUTDOWN; /* unless it runs */
	job->count = audit->waiting_count < SL_AUDIT_BATCH ? audit->waiting_count : SL_AUDIT_BATCH;
	memcpy(job->path, audit->path, sizeof(job->path));
	memcpy(job->notices, audit->waiting, job->count * sizeof(job->notices[0]));
	audit->writing = true;
	return job;
}

/* What the last job came to: said when that changes. */
static void judge(struct audit *audit, uint64_t now_ms)
{
	bool failing = audit->result != 0;

	if (failing && !audit->failing)
		sl_log(SL_LOG_ERROR,
		       "audit.file: %s cannot be written: %s (%u lines wait; tried again every %u "
		       "s)",
		       audit->path, strerror(-audit->result), audit->waiting_count,
		       SL_AUDIT_RETRY_MS / 1000);
	if (!failing && audit->failing)
		sl_log(SL_LOG_INFO, "audit.file: %s is written again", audit->path);
	if (failing != audit->failing)
		sl_notice_tell_store("audit", failing, failing ? strerror(-audit->result) : "");
	audit->failing = failing;
	if (failing)
		audit->retry_ms = now_ms + SL_AUDIT_RETRY_MS;
	audit->ended = false;
}

static void write_waiting(struct audit *audit, uint64_t now_ms)
{
	struct job *job = NULL;

	pthread_mutex_lock(&audit->lock);
	if (!audit->writing) {
		if (audit->ended)
			judge(audit, now_ms);
		if (now_ms >= audit->retry_ms)
			job = make_job(audit);
	}
	pthread_mutex_unlock(&audit->lock);
	if (job && sl_work_post(audit->place.stores->work, run_job, drop_job, job)) {
		job->result = -EAGAIN; /* the pool is full: later */
		drop_job(job);
	}
}

/* ---- what others write ----------------------------------------------------------------------- */

enum state { STATE_PLAIN = 0, STATE_DRAINING = 1, STATE_OPEN = 2 };

static uint8_t state_of(const struct sl_node_state *node)
{
	uint8_t state = STATE_PLAIN;

	if (__atomic_load_n(&node->admin, __ATOMIC_RELAXED) & SL_NODE_DRAINING)
		state |= STATE_DRAINING;
	if (sl_breaker_state(sl_breaker_load(&node->breaker)) == SL_BREAKER_FORCED_OPEN)
		state |= STATE_OPEN;
	return state;
}

static void tell_node(const struct audit *audit, const struct sl_node_state *node, uint8_t was,
		      uint8_t is, const char *who)
{
	struct sl_notice notice = {.kind = SL_NOTICE_OVERRIDE,
				   .level = SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_NODE,
				   .over = is == STATE_PLAIN,
				   .audit = true};
	char address[SL_ADDRESS_TEXT_SIZE];

	sl_address_format(&node->endpoint, address);
	sl_notice_set(notice.name, sizeof(notice.name), address);
	sl_notice_set(notice.pool, sizeof(notice.pool),
		      audit->place.plane->pools[node->pool % SL_POOLS_MAX].name);
	sl_notice_set(notice.who, sizeof(notice.who), who);
	if ((was ^ is) & STATE_DRAINING)
		sl_notice_tell(&notice, is & STATE_DRAINING ? "drained" : "undrained");
	if ((was ^ is) & STATE_OPEN)
		sl_notice_tell(&notice, is & STATE_OPEN ? "breaker forced open"
							: "breaker no longer forced");
}

static void look_at_nodes(struct audit *audit, const char *who)
{
	uint32_t slot;

	for (slot = 1; slot < SL_NODES_MAX; slot++) {
		const struct sl_node_state *node = &audit->place.plane->nodes[slot];
		bool present = __atomic_load_n(&node->admin, __ATOMIC_RELAXED) & SL_NODE_PRESENT;
		uint8_t is = present ? state_of(node) : STATE_PLAIN;

		if (audit->incarnations[slot] == node->incarnation && present &&
		    is != audit->nodes[slot])
			tell_node(audit, node, audit->nodes[slot], is, who);
		audit->incarnations[slot] = node->incarnation;
		audit->nodes[slot] = is;
	}
}

static void write_number(uint64_t value, char out[32])
{
	if (value == SL_TUNABLE_INHERIT)
		snprintf(out, 32, "inherited");
	else
		snprintf(out, 32, "%" PRIu64, value);
}

static void tell_tunable(const struct audit *audit, uint32_t pool, uint32_t key, uint64_t was,
			 uint64_t is, const char *who)
{
	struct sl_notice notice = {.kind = SL_NOTICE_TUNE,
				   .level = SL_NOTICE_INFO,
				   .of = pool ? SL_NOTICE_OF_POOL : SL_NOTICE_OF_DAEMON,
				   .audit = true};
	char from[32], to[32];

	write_number(was, from);
	write_number(is, to);
	if (pool)
		sl_notice_set(notice.name, sizeof(notice.name),
			      audit->place.plane->pools[pool].name);
	sl_notice_set(notice.who, sizeof(notice.who), who);
	sl_notice_tell(&notice, "%s: %s -> %s", sl_tunable_info[key].name, from, to);
}

static void look_at_tunables(struct audit *audit, const char *who)
{
	uint32_t pool, key;

	for (pool = 0; pool < SL_POOLS_MAX; pool++) {
		for (key = 0; key < SL_TUNABLE_COUNT; key++) {
			uint32_t at = pool * SL_TUNABLE_KEYS + key;
			uint64_t is = __atomic_load_n(&audit->place.plane->tunables[at],
						      __ATOMIC_RELAXED);

			/* A pool's row comes and goes with the pool. */
			if (is != audit->tunables[at] &&
			    (!pool || audit->place.plane->pools[pool].present))
				tell_tunable(audit, pool, key, audit->tunables[at], is, who);
			audit->tunables[at] = is;
		}
	}
}

/* ---- the part -------------------------------------------------------------------------------- */

static void set_path(struct audit *audit, const struct sl_config *config)
{
	pthread_mutex_lock(&audit->lock);
	snprintf(audit->path, sizeof(audit->path), "%s",
		 config->audit_file ? config->audit_file : "");
	audit->retry_ms = 0;
	pthread_mutex_unlock(&audit->lock);
}

static void free_audit(struct audit *audit)
{
	free(audit->waiting);
	free(audit->tunables);
	free(audit->nodes);
	free(audit->incarnations);
	free(audit);
}

static void tell_daemon(const char *what)
{
	sl_notice_tell(
		&(struct sl_notice){.kind = SL_NOTICE_CONFIG, .audit = true, .who = "daemon"},
		"%s, process %d", what, (int)getpid());
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct audit *audit = calloc(1, sizeof(*audit));

	if (!audit)
		return -ENOMEM;
	audit->waiting = calloc(SL_AUDIT_WAITING_MAX, sizeof(audit->waiting[0]));
	audit->tunables = calloc(SL_TUNABLES_SIZE, sizeof(audit->tunables[0]));
	audit->nodes = calloc(SL_NODES_MAX, sizeof(audit->nodes[0]));
	audit->incarnations = calloc(SL_NODES_MAX, sizeof(audit->incarnations[0]));
	if (!audit->waiting || !audit->tunables || !audit->nodes || !audit->incarnations) {
		free_audit(audit);
		return -ENOMEM;
	}
	audit->place = *place;
	pthread_mutex_init(&audit->lock, NULL);
	pthread_cond_init(&audit->done, NULL);
	set_path(audit, routes->config);
	memcpy(audit->tunables, place->plane->tunables,
	       SL_TUNABLES_SIZE * sizeof(audit->tunables[0]));
	look_at_nodes(audit, ""); /* incarnations differ: nothing is told */
	tell_daemon("the daemon has started");
	*ret_part = audit;
	return 0;
}

static void apply_part(void *part, struct sl_routes *routes)
{
	struct audit *audit = part;

	set_path(audit, routes->config);
	look_at_tunables(audit, "configuration");
	look_at_nodes(audit, "configuration");
}

/* Somebody has told of it with his name: the next look is not to find it once more. */
static void know_node(struct audit *audit, const struct sl_notice *notice)
{
	uint32_t slot;

	for (slot = 1; slot < SL_NODES_MAX; slot++) {
		const struct sl_node_state *node = &audit->place.plane->nodes[slot];
		char address[SL_ADDRESS_TEXT_SIZE];

		if (audit->incarnations[slot] != node->incarnation || !node->incarnation ||
		    strcmp(audit->place.plane->pools[node->pool % SL_POOLS_MAX].name,
			   notice->pool) != 0 ||
		    strcmp(sl_address_format(&node->endpoint, address), notice->name) != 0)
			continue;
		audit->nodes[slot] = state_of(node);
	}
}

static void take_notice(void *part, const struct sl_notice *notice)
{
	struct audit *audit = part;

	if (!notice->audit)
		return;
	if (notice->kind == SL_NOTICE_OVERRIDE && notice->of == SL_NOTICE_OF_NODE)
		know_node(audit, notice);
	pthread_mutex_lock(&audit->lock);
	if (audit->path[0] && audit->waiting_count < SL_AUDIT_WAITING_MAX)
		audit->waiting[audit->waiting_count++] = *notice;
	else if (audit->path[0])
		__atomic_fetch_add(&audit->lost, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&audit->lock);
}

static void poll_part(void *part, uint64_t now_ms)
{
	struct audit *audit = part;

	if (now_ms >= audit->look_ms && !audit->stopped) {
		audit->look_ms = now_ms + SL_AUDIT_LOOK_MS;
		look_at_tunables(audit, "operator");
		look_at_nodes(audit, "operator");
	}
	write_waiting(audit, now_ms);
}

/* From a takeover on the other process looks: what it changes is no operator's deed. */
static void stop_part(void *part, bool leaving)
{
	struct audit *audit = part;

	if (!audit->stopped && !leaving) {
		look_at_tunables(audit, "operator");
		look_at_nodes(audit, "operator");
	}
	if (!audit->stopped)
		tell_daemon(leaving ? "the daemon hands over" : "the daemon ends");
	audit->stopped = true;
}

static void write_metrics(void *part, struct sl_text *text)
{
	static const char *const names[][3] = {
		{"lines_total", "counter", "Lines of the audit trail that were written."},
		{"failures_total", "counter", "Writes of the audit trail that failed."},
		{"lost_total", "counter", "Lines of the audit trail that found no room to wait."},
		{"head_line", "gauge", "Number of the newest line of the audit trail."},
	};
	const struct audit *audit = part;
	const uint64_t *values[] = {&audit->lines, &audit->failures, &audit->lost,
				    &audit->head_line};
	uint32_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		sl_text_printf(text, "# HELP sluice_audit_%s %s\n", names[i][0], names[i][2]);
		sl_text_printf(text, "# TYPE sluice_audit_%s %s\n", names[i][0], names[i][1]);
		sl_text_printf(text, "sluice_audit_%s %" PRIu64 "\n", names[i][0],
			       __atomic_load_n(values[i], __ATOMIC_RELAXED));
	}
}

static void say(void *part, const struct sl_admin_ask *ask, struct sl_text *text)
{
	const struct audit *audit = part;
	const char *verb = strchr(ask->words, ' ');

	if (!verb || strcmp(verb + 1, "path") != 0)
		sl_text_append_string(text, "!expected: audit FORMAT path");
	else if (!audit->path[0])
		sl_text_append_string(text, "!no audit trail is kept: audit.file is not set");
	else
		sl_text_append_string(text, audit->path);
}

/* The loop has ended, and with it all but the pool's threads: what waits is written here. */
static void close_part(void *part)
{
	struct audit *audit = part;
	struct job *job;

	pthread_mutex_lock(&audit->lock);
	while (audit->writing)
		pthread_cond_wait(&audit->done, &audit->lock);
	do {
		job = make_job(audit);
		pthread_mutex_unlock(&audit->lock);
		if (job) {
			run_job(job);
			drop_job(job);
		}
		pthread_mutex_lock(&audit->lock);
	} while (job && !audit->result);
	if (audit->result)
		sl_log(SL_LOG_ERROR, "audit.file: %u lines are lost: %s: %s", audit->waiting_count,
		       audit->path, strerror(-audit->result));
	pthread_mutex_unlock(&audit->lock);
	pthread_mutex_destroy(&audit->lock);
	pthread_cond_destroy(&audit->done);
	free_audit(audit);
}

const struct sl_watch_part sl_audit_part = {
	.word = "audit",
	.open = open_part,
	.apply = apply_part,
	.notice = take_notice,
	.poll = poll_part,
	.write_metrics = write_metrics,
	.say = say,
	.stop = stop_part,
	.close = close_part,
};
