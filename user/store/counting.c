/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/counting.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/limits.h"
#include "user/base/log.h"

#define NAME_BYTES 128u

struct file {
	char *path;
	struct sl_tokenizer *tokenizer; /* atomic: published once */
};

struct pool {
	char name[NAME_BYTES];
	uint32_t context;
	uint64_t context_again_ms; /* 0: at once */
	uint64_t count_again_ms;
};

struct chain {
	uint8_t digest[SL_DIGEST_BYTES];
	uint64_t tokens; /* 0: free */
};

struct sl_counting {
	struct sl_work *work;
	struct file files[SL_COUNTING_FILES];
	uint32_t file_count;  /* atomic; control thread writes */
	pthread_mutex_t lock; /* of what follows */
	struct pool pools[SL_POOLS_MAX];
	uint32_t pool_count;
	struct chain chains[SL_COUNTING_CHAINS];
	uint64_t noted[SL_COUNTING_WAYS]; /* atomic */
};

int sl_counting_open(struct sl_work *work, struct sl_counting **ret_counting)
{
	struct sl_counting *counting = calloc(1, sizeof(*counting));

	if (!counting)
		return -ENOMEM;
	counting->work = work;
	pthread_mutex_init(&counting->lock, NULL);
	*ret_counting = counting;
	return 0;
}

void sl_counting_close(struct sl_counting **counting)
{
	struct sl_counting *c = *counting;

	*counting = NULL;
	if (!c)
		return;
	for (uint32_t i = 0; i < c->file_count; i++) {
		sl_tokenizer_close(&c->files[i].tokenizer);
		free(c->files[i].path);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- tokenizers ------------------------------------------------------------------------------ */

static struct file *find_file(const struct sl_counting *c, const char *path)
{
	uint32_t count = __atomic_load_n(&c->file_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(c->files[i].path, path) == 0)
			return (struct file *)&c->files[i];
	}
	return NULL;
}

static void read_file(void *argument)
{
	struct file *file = argument;
	struct sl_tokenizer *tokenizer = NULL;
	struct sl_error error = {""};

	if (sl_tokenizer_read(file->path, &tokenizer, &error)) {
		sl_log(SL_LOG_ERROR, "tokenizer: %s (prompts of its pools are estimated)",
		       error.text);
		return;
	}
	sl_log(SL_LOG_INFO, "tokenizer: %s: %u tokens, %zu KiB", file->path,
	       sl_tokenizer_size(tokenizer), sl_tokenizer_bytes(tokenizer) >> 10);
	__atomic_store_n(&file->tokenizer, tokenizer, __ATOMIC_RELEASE);
}

static void add_file(struct sl_counting *c, const char *path)
{
	struct file *file = &c->files[c->file_count];

	if (c->file_count == SL_COUNTING_FILES) {
		sl_log(SL_LOG_ERROR,
		       "tokenizer: %s: not read, %u others are (restart to forget them)", path,
		       SL_COUNTING_FILES);
		return;
	}
	file->path = strdup(path);
	if (!file->path)
		return;
	__atomic_store_n(&c->file_count, c->file_count + 1, __ATOMIC_RELEASE);
	if (sl_work_post(c->work, read_file, NULL, file) < 0)
		sl_log(SL_LOG_ERROR, "tokenizer: %s: not read, no thread is free for it", path);
}

void sl_counting_apply(struct sl_counting *counting, const struct sl_config *config)
{
	for (uint32_t i = 0; i < config->pool_count; i++) {
		const char *path = config->pools[i].tokenizer;

		if (path && !find_file(counting, path))
			add_file(counting, path);
	}
	/* who reloads may just have mended a server: no need to wait until it would be asked again */
	pthread_mutex_lock(&counting->lock);
	for (uint32_t i = 0; i < counting->pool_count; i++)
		counting->pools[i].context_again_ms = counting->pools[i].count_again_ms = 0;
	pthread_mutex_unlock(&counting->lock);
}

const struct sl_tokenizer *sl_counting_tokenizer(const struct sl_counting *counting,
						 const char *path)
{
	struct file *file = counting && path ? find_file(counting, path) : NULL;

	return file ? __atomic_load_n(&file->tokenizer, __ATOMIC_ACQUIRE) : NULL;
}

/* ---- pools ----------------------------------------------------------------------------------- */

/* Under the lock. NULL: there are too many names. */
static struct pool *pool_of(struct sl_counting *c, const char *name)
{
	uint32_t i;

	for (i = 0; i < c->pool_count; i++) {
		if (strncmp(c->pools[i].name, name, NAME_BYTES - 1) == 0)
			return &c->pools[i];
	}
	if (c->pool_count == SL_POOLS_MAX)
		return NULL;
	snprintf(c->pools[i].name, NAME_BYTES, "%s", name);
	c->pool_count++;
	return &c->pools[i];
}

uint32_t sl_counting_context(struct sl_counting *counting, const char *name, uint64_t now_ms,
			     bool *ret_ask)
{
	struct pool *pool;
	uint32_t context = 0;

	*ret_ask = false;
	if (!counting)
		return 0;
	pthread_mutex_lock(&counting->lock);
	pool = pool_of(counting, name);
	if (pool) {
		context = pool->context;
		*ret_ask = now_ms >= pool->context_again_ms;
		if (*ret_ask) /* one at a time */
			pool->context_again_ms = now_ms + SL_COUNTING_FAILED_MS;
	}
	pthread_mutex_unlock(&counting->lock);
	return context;
}

void sl_counting_tell_context(struct sl_counting *counting, const char *name, uint32_t tokens,
			      uint64_t now_ms)
{
	struct pool *pool;

	pthread_mutex_lock(&counting->lock);
	pool = pool_of(counting, name);
	if (pool && tokens) { /* what was known stays when nobody says otherwise */
		pool->context = tokens;
		pool->context_again_ms = now_ms + SL_COUNTING_AGAIN_MS;
	}
	pthread_mutex_unlock(&counting->lock);
}

bool sl_counting_may_ask(struct sl_counting *counting, const char *name, uint64_t now_ms)
{
	struct pool *pool;
	bool may;

	if (!counting)
		return false;
	pthread_mutex_lock(&counting->lock);
	pool = pool_of(counting, name);
	may = pool && now_ms >= pool->count_again_ms;
	pthread_mutex_unlock(&counting->lock);
	return may;
}

void sl_counting_tell_failed(struct sl_counting *counting, const char *name, uint64_t now_ms)
{
	struct pool *pool;

	pthread_mutex_lock(&counting->lock);
	pool = pool_of(counting, name);
	if (pool)
		pool->count_again_ms = now_ms + SL_COUNTING_FAILED_MS;
	pthread_mutex_unlock(&counting->lock);
}

/* ---- counts ---------------------------------------------------------------------------------- */

static struct chain *chain_of(struct sl_counting *c, const uint8_t digest[SL_DIGEST_BYTES])
{
	uint32_t at;

	memcpy(&at, digest, sizeof(at));
	return &c->chains[at % SL_COUNTING_CHAINS];
}

void sl_counting_keep(struct sl_counting *counting, const uint8_t digest[SL_DIGEST_BYTES],
		      uint64_t tokens)
{
	struct chain *chain;

	if (!counting)
		return;
	pthread_mutex_lock(&counting->lock);
	chain = chain_of(counting, digest);
	memcpy(chain->digest, digest, SL_DIGEST_BYTES);
	chain->tokens = tokens;
	pthread_mutex_unlock(&counting->lock);
}

uint64_t sl_counting_find(struct sl_counting *counting, const uint8_t digest[SL_DIGEST_BYTES])
{
	const struct chain *chain;
	uint64_t tokens = 0;

	if (!counting)
		return 0;
	pthread_mutex_lock(&counting->lock);
	chain = chain_of(counting, digest);
	if (memcmp(chain->digest, digest, SL_DIGEST_BYTES) == 0)
		tokens = chain->tokens;
	pthread_mutex_unlock(&counting->lock);
	return tokens;
}

void sl_counting_note(struct sl_counting *counting, enum sl_counting_way way)
{
	if (counting)
		__atomic_fetch_add(&counting->noted[way], 1, __ATOMIC_RELAXED);
}

uint64_t sl_counting_noted(const struct sl_counting *counting, enum sl_counting_way way)
{
	return counting ? __atomic_load_n(&counting->noted[way], __ATOMIC_RELAXED) : 0;
}

void sl_counting_write(struct sl_counting *counting, struct sl_text *text)
{
	uint32_t count = __atomic_load_n(&counting->file_count, __ATOMIC_ACQUIRE), i;

	if (count)
		sl_text_append_string(text, "# HELP sluice_tokenizer_up Whether the file could be "
					    "read.\n# TYPE sluice_tokenizer_up gauge\n");
	for (i = 0; i < count; i++) {
		const struct file *file = &counting->files[i];
		bool up = __atomic_load_n(&file->tokenizer, __ATOMIC_RELAXED) != NULL;

		sl_text_append_string(text, "sluice_tokenizer_up{path=\"");
		sl_text_append_json(text, file->path, strlen(file->path));
		sl_text_printf(text, "\"} %d\n", up);
	}
	pthread_mutex_lock(&counting->lock);
	if (counting->pool_count)
		sl_text_append_string(text,
				      "# HELP sluice_pool_context_told_tokens The context that the "
				      "pool's servers told, where the configuration does not say; "
				      "0: they did not.\n"
				      "# TYPE sluice_pool_context_told_tokens gauge\n");
	for (i = 0; i < counting->pool_count; i++)
		sl_text_printf(text, "sluice_pool_context_told_tokens{pool=\"%s\"} %u\n",
			       counting->pools[i].name, counting->pools[i].context);
	pthread_mutex_unlock(&counting->lock);
}
