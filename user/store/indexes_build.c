/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a version of an index from its documents, and serving it. The builder's thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/store/indexes_parts.h"
#include "user/store/scan.h"

#define EMBED_BATCH 16u

/* ---- serving --------------------------------------------------------------------------------- */

/* With the vectors that it has of those that are wanted, and refused where that is none; an index of words is
 * served by words. */
static int open_version(const struct sl_index *index, uint32_t version,
			struct sl_documents **ret_documents, struct sl_error *error)
{
	char path[SL_SHELF_PATH_SIZE];
	struct sl_documents_model models[SL_DOCUMENTS_MODELS_MAX];
	uint32_t count = sl_index_models(index, models);
	int rc = sl_shelf_path(index->config.directory, version, path, error);

	return rc ? rc : sl_documents_open_for(path, models, count, ret_documents, error);
}

int sl_index_try(const struct sl_index *index, uint32_t version, struct sl_error *error)
{
	struct sl_documents *documents;
	int rc = open_version(index, version, &documents, error);

	if (!rc)
		sl_documents_put_away(&documents);
	return rc;
}

/* Under the lock. */
static void note_models(struct sl_index *index, const struct sl_documents *documents)
{
	struct sl_documents_model models[SL_DOCUMENTS_MODELS_MAX];
	uint32_t count = sl_index_models(index, models);

	index->status.by_pool = index->status.by_builtin = false;
	for (uint32_t i = 0; i < count && documents != NULL; i++) {
		bool has = sl_documents_has_model(documents, models[i].name, models[i].dimensions);

		if (i == 0 && sl_index_is_by_pool(index))
			index->status.by_pool = has;
		else
			index->status.by_builtin = has;
	}
	index->status.vectors = index->status.by_pool || index->status.by_builtin;
}

static void serve(struct sl_index *index, uint32_t version, struct sl_documents *documents,
		  uint32_t before_version, struct sl_documents *before)
{
	struct sl_documents *old[2];
	struct sl_documents_facts facts;

	memset(&facts, 0, sizeof(facts));
	if (documents != NULL)
		sl_documents_facts(documents, &facts);
	pthread_mutex_lock(index->lock);
	old[0] = index->current;
	old[1] = index->before;
	index->current = documents;
	index->before = before;
	index->status.current = documents != NULL ? version : 0;
	index->status.before = before != NULL ? before_version : 0;
	index->status.documents = facts.document_count;
	index->status.chunks = facts.chunk_count;
	index->status.made_ms = facts.made_ms;
	note_models(index, documents);
	pthread_mutex_unlock(index->lock);
	sl_documents_put_away(&old[0]);
	sl_documents_put_away(&old[1]);
}

void sl_index_open_candidate(struct sl_index *index)
{
	struct sl_documents *documents = NULL, *old;
	struct sl_error error = {""};
	uint32_t version;
	int rc = 0;

	pthread_mutex_lock(index->lock);
	version = index->candidate_wanted;
	pthread_mutex_unlock(index->lock);
	if (version)
		rc = open_version(index, version, &documents, &error);
	index->candidate_tried = version;
	pthread_mutex_lock(index->lock);
	old = index->candidate;
	index->candidate = documents;
	index->status.candidate = documents != NULL ? version : 0;
	snprintf(index->status.candidate_error, sizeof(index->status.candidate_error), "%s",
		 rc ? error.text : "");
	pthread_mutex_unlock(index->lock);
	sl_documents_put_away(&old);
}

int sl_index_load(struct sl_index *index, struct sl_error *error)
{
	struct sl_documents *current = NULL, *before = NULL;
	struct sl_shelf_list list;
	uint32_t before_version = 0;
	int rc = sl_shelf_read(index->config.directory, &list, error);

	if (rc == -ENOENT)
		return 0; /* nothing was ever built */
	if (rc)
		return rc;
	for (uint32_t i = 0; i < list.count && list.versions[i] < list.current; i++)
		before_version = list.versions[i];
	if (list.current)
		rc = open_version(index, list.current, &current, error);
	if (rc && index->current != NULL)
		return rc; /* what is served goes on */
	/* That there is no backup is no reason not to serve. */
	if (before_version && open_version(index, before_version, &before, NULL))
		before = NULL;
	serve(index, list.current, current, before_version, before);
	return rc;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* doing: a constant; NULL: nothing any more. */
static void show_progress(struct sl_index *index, const char *doing, uint64_t done, uint64_t total)
{
	pthread_mutex_lock(index->lock);
	index->status.building = doing != NULL;
	index->status.doing = doing;
	index->status.done = done;
	index->status.total = total;
	pthread_mutex_unlock(index->lock);
}

static int stopped(const struct sl_index *index, struct sl_error *error)
{
	return atomic_load(&index->gone)
		       ? sl_error_set(error, -ECANCELED, "index \"%s\": the build was broken off",
				      index->status.name)
		       : 0;
}

static int put_file(struct sl_index *index, struct sl_documents *d, struct sl_scan_file *file,
		    struct sl_error *error)
{
	struct sl_chunk_report report = {0};
	enum sl_chunk_format format;
	struct sl_text text;
	int rc;

	if (sl_chunk_format_of(file->name, &format))
		format = SL_CHUNK_TEXT;
	sl_text_init(&text, SL_CHUNK_SOURCE_BYTES_MAX);
	rc = sl_scan_read(index->config.documents, file, &text, error);
	if (!rc)
		rc = sl_documents_put(d, file->name, &file->print, sl_text_span(&text), format,
				      &report, error);
	sl_text_fini(&text);
	if (rc == -E2BIG || rc == -ENOENT || rc == -EACCES) {
		/* One document that cannot be read must not keep all others out of date. */
		sl_log(SL_LOG_WARN, "index \"%s\": left out: %s", index->status.name,
		       error != NULL ? error->text : file->name);
		if (rc == -ENOENT)
			return sl_documents_remove(d, file->name, error);
		/* It is known, or it would be new at every look. A change of its mode changes no time. */
		if (rc == -EACCES)
			file->print = (struct sl_documents_print){0};
		return sl_documents_leave_out(d, file->name, &file->print, error);
	}
	if (!rc && report.records_bad)
		sl_log(SL_LOG_WARN,
		       "index \"%s\": document \"%s\": %" PRIu32
		       " lines are no records, the first is "
		       "%" PRIu32,
		       index->status.name, file->name, report.records_bad, report.record_bad_at);
	return rc;
}

static int put_files(struct sl_index *index, struct sl_documents *d, struct sl_scan *scan,
		     struct sl_error *error)
{
	int rc = 0;

	for (uint32_t i = 0; i < scan->count && !rc; i++) {
		struct sl_scan_file *file = &scan->files[i];

		show_progress(index, "documents", i, scan->count);
		rc = stopped(index, error);
		if (rc)
			break;
		if (file->change == SL_SCAN_GONE)
			rc = sl_documents_remove(d, file->name, error);
		else if (file->change == SL_SCAN_TOUCHED)
			rc = sl_documents_touch(d, file->name, &file->print, error);
		else if (file->change != SL_SCAN_SAME)
			rc = put_file(index, d, file, error);
	}
	return rc;
}

/* A row for each, of the vectors of all models. */
static int embed_batch(const struct sl_index *index, const struct sl_documents_pending *pending,
		       const struct sl_documents_facts *facts, float *rows, struct sl_error *error)
{
	uint32_t stride = sl_documents_row_numbers(facts);
	struct sl_span texts[EMBED_BATCH];
	int rc = 0;

	for (uint32_t i = 0; i < pending->count; i++)
		texts[i] = sl_span_string(pending->texts[i]);
	for (uint32_t i = 0, at = 0; i < SL_DOCUMENTS_MODELS_MAX && !rc; i++) {
		if (facts->models[i].dimensions)
			rc = sl_index_embed(index, i, texts, pending->count, rows + at, stride,
					    error);
		at += facts->models[i].dimensions;
	}
	return rc;
}

static int embed_all(struct sl_index *index, struct sl_documents *d,
		     const struct sl_documents_facts *facts, struct sl_error *error)
{
	float *rows = malloc(EMBED_BATCH * sl_documents_row_numbers(facts) * sizeof(float));
	uint64_t done = 0, total = sl_documents_pending_count(d);
	int rc = rows == NULL
			 ? sl_error_set_errno(error, -ENOMEM, "index \"%s\"", index->status.name)
			 : 0;

	while (!rc) {
		struct sl_documents_pending pending = {.count = 0};

		show_progress(index, "chunks", done, total);
		rc = stopped(index, error);
		if (!rc)
			rc = sl_documents_pending(d, EMBED_BATCH, &pending, error);
		if (rc || pending.count == 0)
			break;
		rc = embed_batch(index, &pending, facts, rows, error);
		if (!rc)
			rc = sl_documents_set_vectors(d, pending.ids, pending.count, rows, error);
		done += pending.count;
		sl_documents_pending_fini(&pending);
	}
	free(rows);
	return rc;
}

static int make_file(struct sl_index *index, const char *path, bool copied, struct sl_scan *scan,
		     struct sl_error *error)
{
	struct sl_documents_facts facts = {.chunks = {.bytes = index->config.chunk_bytes,
						      .overlap = index->config.overlap_bytes}};
	struct sl_documents *d;
	int rc;

	sl_index_models(index, facts.models);
	rc = copied ? sl_documents_edit(path, &d, error)
		    : sl_documents_create(path, &facts, &d, error);
	if (rc)
		return rc;
	rc = put_files(index, d, scan, error);
	if (!rc && facts.models[0].dimensions)
		rc = embed_all(index, d, &facts, error);
	show_progress(index, "checks", 0, 0); /* and the graph, of large ones */
	if (!rc)
		rc = sl_documents_finish(d, sl_clock_wall_ms(), error);
	sl_documents_put_away(&d);
	return rc;
}

/* May the served version be changed, or do its chunks or vectors differ from what is wanted? */
static bool may_copy(const struct sl_index *index, struct sl_documents *current)
{
	struct sl_documents_model models[SL_DOCUMENTS_MODELS_MAX];
	struct sl_documents_facts facts;

	if (current == NULL)
		return false;
	sl_documents_facts(current, &facts);
	sl_index_models(index, models);
	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX; i++)
		if (facts.models[i].dimensions != models[i].dimensions ||
		    strcmp(facts.models[i].name, models[i].name) != 0)
			return false;
	return facts.chunks.bytes == index->config.chunk_bytes &&
	       facts.chunks.overlap == index->config.overlap_bytes;
}

static int take_into_service(struct sl_index *index, uint32_t version, struct sl_error *error)
{
	int rc = sl_shelf_promote(index->config.directory, version, error);

	if (!rc)
		rc = sl_index_load(index, error);
	if (!rc)
		sl_log(SL_LOG_INFO,
		       "index \"%s\": version %" PRIu32 " is served documents=%" PRIu64
		       " chunks=%" PRIu64,
		       index->status.name, version, index->status.documents, index->status.chunks);
	return rc;
}

static int make_version(struct sl_index *index, uint32_t from, bool serve, struct sl_scan *scan,
			uint32_t *ret_version, struct sl_error *error)
{
	struct sl_index_checked checked;
	struct sl_shelf_work work;
	int rc = sl_shelf_begin(index->config.directory, from, &work, error);

	if (rc)
		return rc;
	show_progress(index, "documents", 0, scan->count);
	rc = make_file(index, work.path, from != 0, scan, error);
	/* Before it has a number: what fails leaves nothing on the shelf. */
	if (!rc)
		rc = sl_index_check(index, work.path, &checked, error);
	if (!rc)
		rc = sl_shelf_finish(&work, error);
	sl_shelf_end(&work);
	if (!rc) {
		int pruned = 0;

		if (serve)
			rc = take_into_service(index, work.version, error);
		/* In any case: versions that cannot be served must not fill the shelf. The candidate is
		 * asked for now: a roll-out may have begun since this version was ordered. */
		pruned = sl_shelf_prune(index->config.directory, index->config.keep,
					index->candidate_wanted, rc ? NULL : error);
		rc = rc ? rc : pruned;
	}
	show_progress(index, NULL, 0, 0);
	if (!rc)
		*ret_version = work.version;
	return rc;
}

/* The served version in a handle of its own, which no request searches meanwhile. */
static int open_to_compare(struct sl_index *index, struct sl_documents **ret_documents)
{
	char path[SL_SHELF_PATH_SIZE];

	*ret_documents = NULL;
	if (index->status.current == 0 ||
	    sl_shelf_path(index->config.directory, index->status.current, path, NULL))
		return 0;
	return sl_documents_open_for(path, NULL, 0, ret_documents, NULL);
}

/* Without an encoder a version that has its vectors must not be replaced by one that has none. */
static bool would_lose_vectors(const struct sl_index *index)
{
	struct sl_documents_facts facts;

	if (!sl_index_is_by_builtin(index) || index->encoder != NULL || index->current == NULL)
		return false;
	sl_documents_facts(index->current, &facts);
	return facts.models[sl_index_is_by_pool(index)].dimensions != 0;
}

/* The chunks of the served version that are of documents which changed or went. */
static uint64_t count_stale(struct sl_documents *old, const struct sl_scan *scan, bool anew)
{
	struct sl_documents_facts facts;
	uint64_t count = 0;

	sl_documents_facts(old, &facts);
	if (anew)
		return facts.chunk_count;
	for (uint32_t i = 0; i < scan->count; i++)
		if (scan->files[i].change == SL_SCAN_CHANGED ||
		    scan->files[i].change == SL_SCAN_GONE)
			count += sl_documents_chunks_of(old, scan->files[i].name);
	return count;
}

/* Compares the documents with the served version. *ret_anew: a new one cannot begin as its copy. */
static int compare(struct sl_index *index, bool all, struct sl_scan *scan, bool *ret_anew,
		   struct sl_error *error)
{
	struct sl_documents *old = NULL;
	uint64_t stale_chunks = 0;
	/* A served file that cannot be read any more is a reason to make another. */
	bool anew = open_to_compare(index, &old) != 0 || all || !may_copy(index, old);
	int rc = sl_scan_run(index->config.documents, anew ? NULL : old, scan, error);

	if (!rc && old != NULL)
		stale_chunks = count_stale(old, scan, anew);
	sl_documents_put_away(&old);
	pthread_mutex_lock(index->lock);
	index->status.looked_ms = sl_clock_wall_ms();
	if (!rc) {
		index->status.stale = scan->changed;
		index->status.stale_chunks = stale_chunks;
	}
	pthread_mutex_unlock(index->lock);
	*ret_anew = anew;
	return rc;
}

void sl_index_look(struct sl_index *index)
{
	struct sl_scan scan;
	bool anew;

	if (index->config.documents == NULL)
		return;
	compare(index, false, &scan, &anew, NULL);
	sl_scan_fini(&scan);
}

int sl_index_refresh(struct sl_index *index, bool all, bool serve, uint32_t *ret_version,
		     struct sl_error *error)
{
	struct sl_scan scan;
	bool anew;
	int rc;

	*ret_version = 0;
	if (index->config.documents == NULL)
		return sl_error_set(
			error, -EINVAL,
			"index \"%s\": has no documents to be made from (indexes.%s.documents)",
			index->status.name, index->status.name);
	if (would_lose_vectors(index))
		return sl_error_set(error, -ENOTSUP,
				    "its version %" PRIu32
				    " has vectors, and there is no encoder to "
				    "make more (see: embedding.model)",
				    index->status.current);
	rc = compare(index, all, &scan, &anew, error);
	if (!rc && (anew || scan.changed)) {
		rc = make_version(index, anew ? 0 : index->status.current, serve, &scan,
				  ret_version, error);
		pthread_mutex_lock(index->lock);
		index->status.builds += rc == 0;
		if (!rc && serve)
			index->status.stale = index->status.stale_chunks = 0;
		pthread_mutex_unlock(index->lock);
	}
	sl_scan_fini(&scan);
	return rc;
}
