/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/notice.h"

static void look_at(const char *path, struct stat *ret_seen)
{
	if (stat(path, ret_seen))
		memset(ret_seen, 0, sizeof(*ret_seen));
}

/* The change time tells of another mode or owner too, which may make the file readable. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void set_ring(struct sl_keys *keys, struct sl_keyring *ring)
{
	struct sl_keyring *old = keys->ring;

	pthread_mutex_lock(&keys->lock);
	keys->ring = ring;
	pthread_mutex_unlock(&keys->lock);
	sl_keyring_put(&old);
	__atomic_store_n(&keys->broken, !ring || ring->kind == SL_KEYRING_BROKEN, __ATOMIC_RELAXED);
}

static bool open_up(struct sl_keys *keys)
{
	struct sl_keyring *ring;

	keys->last_ok = true;
	if (keys->ring && keys->ring->kind == SL_KEYRING_OPEN)
		return false;
	ring = sl_keyring_new(SL_KEYRING_OPEN);
	if (!ring)
		return false;
	set_ring(keys, ring);
	sl_log(SL_LOG_WARN, "NO API KEYS: whoever reaches the daemon may use every route (set "
			    "keys.file, then: sluice key create NAME)");
	return true;
}

/* For the audit trail (who has a key now?), and for who keeps incidents. */
__attribute__((format(printf, 2, 3))) static void tell(bool good, const char *format, ...)
{
	char text[SL_NOTICE_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sl_notice_tell(&(struct sl_notice){.kind = SL_NOTICE_KEY,
					   .level = good ? SL_NOTICE_INFO : SL_NOTICE_WARN,
					   .of = SL_NOTICE_OF_KEY,
					   .over = good,
					   .audit = good,
					   .name = "keys",
					   .who = "keys.file"},
		       "%s", text);
}

static bool fail(struct sl_keys *keys, const char *why)
{
	bool had_keys = keys->ring && keys->ring->kind == SL_KEYRING_KEYED;

	if (keys->last_ok || !keys->loads_failed)
		tell(false, "cannot be read: %s", why);
	keys->loads_failed++;
	keys->last_ok = false;
	sl_log(SL_LOG_ERROR, "API keys: %s: %s", why,
	       had_keys ? "the keys read before it stay in force"
			: "every request is answered 503 until the file is good");
	if (had_keys || (keys->ring && keys->ring->kind == SL_KEYRING_BROKEN))
		return false;
	set_ring(keys, sl_keyring_new(SL_KEYRING_BROKEN));
	return keys->ring != NULL;
}

/* Who can write the file can let himself in. */
static void warn_writable(const struct stat *st, const char *path)
{
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		sl_log(SL_LOG_WARN,
		       "API keys: %s: others than its owner may write it, and so add keys (chmod "
		       "600 %s)",
		       path, path);
}

static void say_keys(const struct sl_key_file *file, const char *path, bool changed)
{
	uint64_t now_s = sl_clock_wall_ms() / 1000u;
	uint32_t i, active = 0;

	for (i = 0; i < file->count; i++)
		active += sl_key_record_state(&file->records[i], now_s) == SL_KEY_ACTIVE;
	if (changed)
		tell(true, "%u keys, %u of them active", file->count, active);
	sl_log(active ? SL_LOG_INFO : SL_LOG_WARN, "API keys: %s: keys=%u active=%u%s", path,
	       file->count, active,
	       active ? "" : " (every request is answered 401; make one: sluice key create NAME)");
}

bool sl_keys_load(struct sl_keys *keys, const struct sl_config *config, bool only_if_changed)
{
	const char *path = config->keys_file;
	struct sl_key_file *file = NULL;
	struct sl_keyring *ring;
	struct sl_error error;
	struct stat now;
	bool changed;

	if (!path)
		return open_up(keys);
	look_at(path, &now); /* before it is read: a change in between is seen the next time */
	changed = !is_same(&now, &keys->seen);
	if (only_if_changed && !changed)
		return false;
	keys->seen = now;
	if (sl_key_file_read(path, &file, &error))
		return fail(keys, error.text);
	warn_writable(&now, path);
	say_keys(file, path, changed || !keys->last_ok);
	ring = sl_keyring_build(&file, config, keys->ring);
	if (ring && keys->accounts && sl_keyring_set_accounts(ring, config, keys->accounts))
		sl_keyring_put(&ring);
	if (!ring)
		return fail(keys, "out of memory");
	set_ring(keys, ring);
	keys->loads_ok++;
	keys->last_ok = true;
	return true;
}

struct new_ring {
	struct sl_worker *worker;
	struct sl_keyring *ring;
};

static void set_worker(void *arg)
{
	struct new_ring *message = arg;

	sl_worker_set_keyring(message->worker, message->ring);
	free(message);
}

void sl_keys_hand_out(const struct sl_keys *keys, struct sl_worker *const *workers, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct new_ring *message = malloc(sizeof(*message));

		if (!message)
			continue;
		*message = (struct new_ring){workers[i], sl_keyring_get(keys->ring)};
		if (sl_loop_post(workers[i]->loop, set_worker, message)) {
			sl_keyring_put(&message->ring);
			free(message);
		}
	}
}

struct sl_keyring *sl_keys_peek(struct sl_keys *keys)
{
	struct sl_keyring *ring;

	pthread_mutex_lock(&keys->lock);
	ring = keys->ring ? sl_keyring_get(keys->ring) : NULL;
	pthread_mutex_unlock(&keys->lock);
	return ring;
}

void sl_keys_init(struct sl_keys *keys)
{
	*keys = (struct sl_keys){0};
	pthread_mutex_init(&keys->lock, NULL);
}

void sl_keys_fini(struct sl_keys *keys)
{
	pthread_mutex_destroy(&keys->lock);
	sl_keyring_put(&keys->ring);
}
