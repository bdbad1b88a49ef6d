/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/reqlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/money.h"

static void flush(struct sl_reqlog *log)
{
	ssize_t done;

	if (!log->buffer.len)
		return;
	done = log->fd >= 0 ? write(log->fd, log->buffer.data, log->buffer.len) : -1;
	if (done != (ssize_t)log->buffer.len) {
		log->lost++;
		sl_log_limited(SL_LOG_WARN, "log.requests: lines are lost: %s",
			       done < 0 ? strerror(errno) : "the file system is full");
	}
	sl_text_reset(&log->buffer);
}

static void on_timer(struct sl_timer *timer)
{
	flush((struct sl_reqlog *)((char *)timer - offsetof(struct sl_reqlog, timer)));
}

void sl_reqlog_init(struct sl_reqlog *log, struct sl_loop *loop)
{
	*log = (struct sl_reqlog){.loop = loop, .fd = -1};
	sl_text_init(&log->buffer, SL_REQLOG_BUFFER_BYTES);
	sl_timer_init(&log->timer, on_timer);
}

void sl_reqlog_apply(struct sl_reqlog *log, const struct sl_config *config)
{
	flush(log);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
	log->sample = config->log_sample ? config->log_sample : 1;
	if (!config->log_requests)
		return;
	log->fd = open(config->log_requests,
		       O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (log->fd < 0)
		sl_log_limited(SL_LOG_ERROR, "log.requests: %s: %s (no request is logged)",
			       config->log_requests, strerror(errno));
}

void sl_reqlog_fini(struct sl_reqlog *log)
{
	flush(log);
	sl_timer_cancel(log->loop, &log->timer);
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
	sl_text_fini(&log->buffer);
}

static void add_string(struct sl_text *text, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	sl_text_append_string(text, ",\"");
	sl_text_append_string(text, name);
	sl_text_append_string(text, "\":");
	sl_text_append_json_string(text, value);
}

static void add_number(struct sl_text *text, const char *name, uint64_t value, unsigned digits)
{
	sl_text_append_string(text, ",\"");
	sl_text_append_string(text, name);
	sl_text_append_string(text, "\":");
	sl_text_append_scaled(text, value, digits);
}

static void write_line(struct sl_text *text, const struct sl_reqlog_line *line)
{
	char now[SL_CLOCK_ISO_SIZE], cost[SL_MONEY_TEXT_SIZE];

	sl_clock_format_iso(sl_clock_wall_ms(), now);
	sl_text_append_string(text, "{\"time\":\"");
	sl_text_append_string(text, now);
	sl_text_append_char(text, '"');
	add_string(text, "id", line->id);
	add_string(text, "model", line->model);
	if (line->key) {
		add_string(text, "key_id", line->key->id);
		add_string(text, "tenant", line->key->tenant);
	}
	add_string(text, "client", line->client);
	sl_text_append_string(text, line->stream ? ",\"stream\":true" : ",\"stream\":false");
	add_string(text, "outcome", line->outcome);
	if (line->status)
		add_number(text, "status", (uint64_t)line->status, 0);
	add_number(text, "attempts", line->attempts, 0);
	add_string(text, "pool", line->pool);
	add_string(text, "node", line->node);
	add_string(text, "fallback", line->fallback);
	add_string(text, "cache", line->cache);
	add_string(text, "hedge", line->hedge);
	add_string(text, "degraded", line->degraded);
	add_number(text, "ms", line->duration_us, 3);
	if (line->first_us)
		add_number(text, "ttft_ms", line->first_us, 3);
	if (line->tokens)
		add_number(text, "tokens", line->tokens, 0);
	add_number(text, "prompt_tokens", line->prompt_tokens, 0);
	if (line->priced) {
		sl_text_append_string(text, ",\"cost\":");
		sl_text_append_string(text, sl_money_format(line->cost, cost));
	}
	sl_text_append_string(text, "}\n");
}

void sl_reqlog_write(struct sl_reqlog *log, const struct sl_reqlog_line *line)
{
	size_t before = log->buffer.len;

	if (log->fd < 0)
		return;
	if (log->sample > 1 && !strcmp(line->outcome, "ok") && log->count++ % log->sample)
		return;
	write_line(&log->buffer, line);
	if (log->buffer.error) { /* never a part of a line */
		sl_text_truncate(&log->buffer, before);
		log->buffer.error = 0;
		log->lost++;
		return;
	}
	log->lines++;
	if (log->buffer.len >= SL_REQLOG_FLUSH_BYTES)
		flush(log);
	else if (!sl_timer_is_set(&log->timer))
		sl_timer_set(log->loop, &log->timer, SL_REQLOG_FLUSH_MS);
}
