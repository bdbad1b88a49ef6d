/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/validate_lists.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "user/base/digest.h"
#include "user/base/log.h"

struct entry {
	char *path;
	struct stat seen;	      /* of the file when it was read last; the control thread's */
	struct sl_pattern_list *list; /* NULL: it was never good */
	uint64_t version;
	uint64_t matches; /* atomic */
	uint64_t loads_failed;
	bool is_current;
};

struct sl_validate_lists {
	pthread_mutex_t lock;
	struct entry entries[SL_VALIDATE_LISTS_MAX];
	uint32_t count;
};

struct sl_validate_lists *sl_validate_lists_open(void)
{
	struct sl_validate_lists *lists = calloc(1, sizeof(*lists));

	if (lists)
		pthread_mutex_init(&lists->lock, NULL);
	return lists;
}

void sl_validate_lists_close(struct sl_validate_lists **lists_in)
{
	struct sl_validate_lists *lists = *lists_in;

	*lists_in = NULL;
	if (!lists)
		return;
	for (uint32_t i = 0; i < lists->count; i++) {
		free(lists->entries[i].path);
		sl_pattern_free(&lists->entries[i].list);
	}
	pthread_mutex_destroy(&lists->lock);
	free(lists);
}

static struct entry *find(struct sl_validate_lists *lists, const char *path)
{
	for (uint32_t i = 0; i < lists->count; i++)
		if (strcmp(lists->entries[i].path, path) == 0)
			return &lists->entries[i];
	return NULL;
}

bool sl_validate_lists_get(struct sl_validate_lists *lists, const char *path,
			   struct sl_validate_list *ret_list)
{
	struct entry *entry;
	bool is_there;

	pthread_mutex_lock(&lists->lock);
	entry = find(lists, path);
	is_there = entry && entry->list;
	if (is_there)
		*ret_list = (struct sl_validate_list){sl_pattern_hold(entry->list), &entry->matches,
						      entry->version};
	pthread_mutex_unlock(&lists->lock);
	return is_there;
}

bool sl_validate_lists_read_stats(struct sl_validate_lists *lists, uint32_t number,
				  struct sl_validate_list_stats *ret_stats)
{
	const struct entry *entry = NULL;
	bool is_there;

	pthread_mutex_lock(&lists->lock);
	is_there = number < lists->count;
	if (is_there)
		entry = &lists->entries[number];
	if (is_there)
		*ret_stats = (struct sl_validate_list_stats){
			.path = entry->path,
			.patterns = entry->list ? sl_pattern_count(entry->list) : 0,
			.matches = __atomic_load_n(&entry->matches, __ATOMIC_RELAXED),
			.loads_failed = entry->loads_failed,
			.is_current = entry->is_current,
		};
	pthread_mutex_unlock(&lists->lock);
	return is_there;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* The entry of the path, a new one where there is none; NULL: no memory, or too many. */
static struct entry *entry_of(struct sl_validate_lists *lists, const char *path,
			      struct sl_error *error)
{
	struct entry *entry = find(lists, path);
	char *copy;

	if (entry)
		return entry;
	if (lists->count == SL_VALIDATE_LISTS_MAX) {
		sl_error_set(error, -E2BIG, "more than %u lists since the start",
			     SL_VALIDATE_LISTS_MAX);
		return NULL;
	}
	copy = strdup(path);
	if (!copy) {
		sl_error_set(error, -ENOMEM, "no memory");
		return NULL;
	}
	pthread_mutex_lock(&lists->lock);
	entry = &lists->entries[lists->count++];
	entry->path = copy;
	pthread_mutex_unlock(&lists->lock);
	return entry;
}

static int read_file(const char *path, struct sl_text *text, struct sl_error *error)
{
	FILE *file = fopen(path, "re");
	char block[4096];
	size_t len;
	int rc;

	if (!file)
		return sl_error_set_errno(error, -errno, "cannot be opened");
	while ((len = fread(block, 1, sizeof(block), file)) > 0 &&
	       !sl_text_append(text, block, len))
		;
	rc = ferror(file) ? sl_error_set(error, -EIO, "cannot be read") : text->error;
	fclose(file);
	if (text->error)
		sl_error_set(error, rc, "is larger than %u bytes", SL_PATTERN_TEXT_MAX);
	return rc;
}

static uint64_t digest_of(struct sl_span text)
{
	uint8_t digest[SL_DIGEST_BYTES];
	uint64_t version;

	sl_digest_sha256(&text, 1, digest);
	memcpy(&version, digest, sizeof(version));
	return version;
}

/* Reads the file into the entry; those who hold what was there before go on with it. */
static int load(struct sl_validate_lists *lists, struct entry *entry, struct sl_error *error)
{
	struct sl_pattern_list *list = NULL;
	struct sl_text text;
	uint64_t version = 0;
	int rc;

	sl_text_init(&text, SL_PATTERN_TEXT_MAX);
	rc = read_file(entry->path, &text, error);
	if (!rc)
		rc = sl_pattern_compile(sl_text_string(&text), text.len, &list, error);
	if (!rc)
		version = digest_of(sl_text_span(&text));
	sl_text_fini(&text);
	pthread_mutex_lock(&lists->lock);
	entry->is_current = !rc;
	entry->loads_failed += rc != 0;
	if (!rc) {
		struct sl_pattern_list *old = entry->list;

		entry->list = list;
		entry->version = version;
		list = old;
	}
	pthread_mutex_unlock(&lists->lock);
	sl_pattern_free(&list);
	return rc;
}

static bool looks_the_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool refresh(struct sl_validate_lists *lists, const char *path, bool changed)
{
	struct sl_error error = {""};
	struct entry *entry = entry_of(lists, path, &error);
	struct stat now = {0};

	if (entry && stat(path, &now))
		now = (struct stat){0};
	if (entry && changed && looks_the_same(&now, &entry->seen))
		return true;
	if (entry)
		entry->seen = now; /* before it is read: what changes meanwhile is seen next time */
	if (entry && !load(lists, entry, &error)) {
		sl_log(SL_LOG_INFO, "list \"%s\": %u patterns", path,
		       sl_pattern_count(entry->list));
		return true;
	}
	sl_log(SL_LOG_ERROR, "list \"%s\": %s (%s)", path, error.text,
	       entry && entry->list ? "as it was before it stays in force"
				    : "the routes that name it refuse all requests");
	return false;
}

static bool is_among(const struct sl_config_paths *paths, uint32_t count, const char *path)
{
	for (uint32_t i = 0; i < count; i++)
		if (strcmp(paths->paths[i], path) == 0)
			return true;
	return false;
}

/* Has a route, or a key of the same route, named it before? */
static bool is_seen(const struct sl_config *config, uint32_t route, bool out, uint32_t at,
		    const char *path)
{
	for (uint32_t i = 0; i <= route; i++) {
		const struct sl_config_validate *v = &config->routes[i].validate;
		bool last = i == route;

		if (is_among(&v->lists_in, last && !out ? at : v->lists_in.count, path))
			return true;
		if (is_among(&v->lists_out, !last ? v->lists_out.count : out ? at : 0, path))
			return true;
	}
	return false;
}

uint32_t sl_validate_lists_load(struct sl_validate_lists *lists, const struct sl_config *config,
				bool changed)
{
	uint32_t failed = 0;

	for (uint32_t i = 0; i < config->route_count; i++) {
		const struct sl_config_validate *v = &config->routes[i].validate;

		for (uint32_t k = 0; k < v->lists_in.count; k++)
			if (!is_seen(config, i, false, k, v->lists_in.paths[k]))
				failed += !refresh(lists, v->lists_in.paths[k], changed);
		for (uint32_t k = 0; k < v->lists_out.count; k++)
			if (!is_seen(config, i, true, k, v->lists_out.paths[k]))
				failed += !refresh(lists, v->lists_out.paths[k], changed);
	}
	return failed;
}
