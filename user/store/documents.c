/* SPDX-License-Identifier: BSD-2-Clause */
/* Making an index, and what making and searching share. */
#include "user/store/documents.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/store/documents_parts.h"
#include "user/store/shelf.h"

#define APPLICATION_ID 0x534c4958u /* "SLIX" */
#define CACHE_BYTES    (16u << 20)
#define DELETES_CHUNKS 3u /* place of that statement in remove_rows() */

static const char *const steps[] = {
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE document(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, bytes INTEGER "
	"NOT NULL,"
	" mtime_ns INTEGER NOT NULL, digest BLOB NOT NULL);"
	"CREATE TABLE chunk(id INTEGER PRIMARY KEY, document INTEGER NOT NULL, line INTEGER NOT "
	"NULL,"
	" path TEXT NOT NULL, text TEXT NOT NULL);"
	"CREATE INDEX chunk_document ON chunk(document);"
	"CREATE TABLE vector(chunk INTEGER PRIMARY KEY, value BLOB NOT NULL);"
	"CREATE TABLE pending(chunk INTEGER PRIMARY KEY);"
	"CREATE VIRTUAL TABLE words USING fts5(path, text, content='chunk', content_rowid='id',"
	" tokenize='porter unicode61 remove_diacritics 2')",
};

/* Files of before there were two models have no key of the second: it is none. */
enum fact {
	MODEL,
	DIMENSIONS,
	MODEL2,
	DIMENSIONS2,
	CHUNK_BYTES,
	OVERLAP,
	MADE_MS,
	FINISHED,
	FACTS
};

static const char *const facts_keys[FACTS] = {
	[MODEL] = "model",
	[DIMENSIONS] = "dimensions",
	[MODEL2] = "model2",
	[DIMENSIONS2] = "dimensions2",
	[CHUNK_BYTES] = "chunk_bytes",
	[OVERLAP] = "overlap",
	[MADE_MS] = "made_ms",
	[FINISHED] = "finished",
};

char *sl_documents_near_path(const char *path, uint32_t model)
{
	char *near = NULL;

	return asprintf(&near, "%s%s", path, model ? SL_SHELF_NEAR2 : SL_SHELF_NEAR) < 0 ? NULL
											 : near;
}

uint32_t sl_documents_row_numbers(const struct sl_documents_facts *facts)
{
	uint32_t numbers = 0;

	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX; i++)
		numbers += facts->models[i].dimensions;
	return numbers;
}

/* ---- opening --------------------------------------------------------------------------------- */

int sl_documents_open_file(const char *path, bool read_only, struct sl_documents **ret_documents,
			   struct sl_error *error)
{
	/* Not finished, it is thrown away after a crash: nothing is waited for before the end. */
	const struct sl_db_options options = {.application_id = APPLICATION_ID,
					      .kind = "index",
					      .steps = steps,
					      .step_count = sizeof(steps) / sizeof(steps[0]),
					      .sync = SL_DB_SYNC_NORMAL,
					      .journal = SL_DB_JOURNAL_FILE,
					      .read_only = read_only,
					      .cache_bytes = CACHE_BYTES};
	struct sl_documents *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return sl_error_set_errno(error, -ENOMEM, "index \"%s\"", path);
	atomic_init(&d->refs, 1);
	pthread_mutex_init(&d->lock, NULL);
	d->path = strdup(path);
	rc = d->path == NULL ? sl_error_set_errno(error, -ENOMEM, "index \"%s\"", path)
			     : sl_db_open(path, &options, &d->db, error);
	if (rc) {
		sl_documents_put_away(&d);
		return rc;
	}
	*ret_documents = d;
	return 0;
}

void sl_documents_put_away(struct sl_documents **documents)
{
	struct sl_documents *d = *documents;

	*documents = NULL;
	if (d == NULL || atomic_fetch_sub(&d->refs, 1) > 1)
		return;
	sl_db_finish(&d->put_chunk);
	sl_db_finish(&d->put_words);
	sl_db_finish(&d->get_chunk);
	sl_db_finish(&d->match);
	sl_db_close(&d->db);
	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX; i++)
		sl_vectors_close(&d->vectors[i]);
	pthread_mutex_destroy(&d->lock);
	free(d->path);
	free(d);
}

struct sl_documents *sl_documents_get(struct sl_documents *documents)
{
	atomic_fetch_add(&documents->refs, 1);
	return documents;
}

#define OF_DOCUMENT "(SELECT id FROM document WHERE name=?1)"

uint64_t sl_documents_chunks_of(struct sl_documents *documents, const char *name)
{
	struct sl_db_statement *get;
	uint64_t count = 0;

	if (sl_db_prepare(documents->db, "SELECT count(*) FROM chunk WHERE document=" OF_DOCUMENT,
			  &get, NULL))
		return 0;
	sl_db_bind_text(get, 1, sl_span_string(name));
	if (sl_db_step(get, NULL) == 1)
		count = (uint64_t)sl_db_i64(get, 0);
	sl_db_finish(&get);
	return count;
}

void sl_documents_facts(const struct sl_documents *documents, struct sl_documents_facts *ret_facts)
{
	*ret_facts = documents->facts;
}

static int count_of(struct sl_db *db, const char *sql, uint64_t *ret_count, struct sl_error *error)
{
	struct sl_db_statement *statement;
	int rc = sl_db_prepare(db, sql, &statement, error);

	if (rc)
		return rc;
	rc = sl_db_step(statement, error);
	if (rc == 1)
		*ret_count = (uint64_t)sl_db_i64(statement, 0);
	sl_db_finish(&statement);
	return rc < 0 ? rc : 0;
}

static void take_fact(struct sl_documents_facts *facts, bool *finished, size_t key,
		      struct sl_db_statement *row)
{
	struct sl_documents_model *model = &facts->models[key >= MODEL2];
	uint64_t number = (uint64_t)sl_db_i64(row, 1);

	switch (key) {
	case MODEL:
	case MODEL2:
		snprintf(model->name, sizeof(model->name), "%.*s", (int)sl_db_text(row, 1).len,
			 sl_db_text(row, 1).data);
		break;
	case DIMENSIONS:
	case DIMENSIONS2:
		model->dimensions = (uint32_t)number;
		break;
	case CHUNK_BYTES:
		facts->chunks.bytes = (uint32_t)number;
		break;
	case OVERLAP:
		facts->chunks.overlap = (uint32_t)number;
		break;
	case MADE_MS:
		facts->made_ms = number;
		break;
	default:
		*finished = number == 1;
	}
}

int sl_documents_read_facts(struct sl_documents *d, bool *ret_finished, struct sl_error *error)
{
	struct sl_db_statement *all;
	int rc = sl_db_prepare(d->db, "SELECT key, value FROM meta", &all, error);

	*ret_finished = false;
	if (rc)
		return rc;
	while ((rc = sl_db_step(all, error)) == 1)
		for (size_t i = 0; i < FACTS; i++)
			if (sl_span_equal(sl_db_text(all, 0), sl_span_string(facts_keys[i])))
				take_fact(&d->facts, ret_finished, i, all);
	sl_db_finish(&all);
	if (!rc)
		rc = count_of(d->db, "SELECT count(*) FROM document", &d->facts.document_count,
			      error);
	if (!rc)
		rc = count_of(d->db, "SELECT count(*) FROM chunk", &d->facts.chunk_count, error);
	return rc;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int write_facts(struct sl_documents *d, bool finished, struct sl_error *error)
{
	const struct sl_documents_facts *f = &d->facts;
	const uint64_t numbers[FACTS] = {
		[DIMENSIONS] = f->models[0].dimensions,
		[DIMENSIONS2] = f->models[1].dimensions,
		[CHUNK_BYTES] = f->chunks.bytes,
		[OVERLAP] = f->chunks.overlap,
		[MADE_MS] = f->made_ms,
		[FINISHED] = finished,
	};
	struct sl_db_statement *put;
	int rc = sl_db_prepare(d->db, "INSERT OR REPLACE INTO meta VALUES(?1,?2)", &put, error);

	if (rc)
		return rc;
	for (size_t i = 0; i < FACTS && !rc; i++) {
		sl_db_bind_text(put, 1, sl_span_string(facts_keys[i]));
		if (i == MODEL || i == MODEL2)
			sl_db_bind_text(put, 2, sl_span_string(f->models[i == MODEL2].name));
		else
			sl_db_bind_i64(put, 2, (int64_t)numbers[i]);
		rc = sl_db_once(put, error);
	}
	sl_db_finish(&put);
	return rc;
}

static int begin_making(struct sl_documents *d, struct sl_error *error)
{
	int rc = sl_db_begin(d->db, error);

	if (rc)
		return rc;
	rc = write_facts(d, false, error);
	if (!rc)
		rc = sl_db_commit(d->db, error);
	else
		sl_db_rollback(d->db);
	if (!rc)
		rc = sl_db_prepare(d->db,
				   "INSERT INTO chunk(document,line,path,text) VALUES(?1,?2,?3,?4)",
				   &d->put_chunk, error);
	if (!rc)
		rc = sl_db_prepare(d->db, "INSERT INTO words(rowid,path,text) VALUES(?1,?2,?3)",
				   &d->put_words, error);
	return rc;
}

static int ready(int rc, struct sl_documents *d, struct sl_documents **ret_documents)
{
	if (rc)
		sl_documents_put_away(&d);
	else
		*ret_documents = d;
	return rc;
}

int sl_documents_create(const char *path, const struct sl_documents_facts *facts,
			struct sl_documents **ret_documents, struct sl_error *error)
{
	struct sl_documents *d;
	int rc;

	for (uint32_t i = 0; i < SL_DOCUMENTS_MODELS_MAX; i++)
		assert((facts->models[i].dimensions == 0) == (facts->models[i].name[0] == '\0'));
	assert(facts->models[0].dimensions != 0 || facts->models[1].dimensions == 0);
	if (unlink(path) < 0 && errno != ENOENT)
		return sl_error_set_errno(error, -errno, "index \"%s\": cannot be replaced", path);
	rc = sl_documents_open_file(path, false, &d, error);
	if (rc)
		return rc;
	d->facts = *facts;
	d->facts.made_ms = d->facts.document_count = d->facts.chunk_count = 0;
	return ready(begin_making(d, error), d, ret_documents);
}

int sl_documents_edit(const char *path, struct sl_documents **ret_documents, struct sl_error *error)
{
	struct sl_documents *d;
	bool finished;
	int rc = sl_documents_open_file(path, false, &d, error);

	if (rc)
		return rc;
	rc = sl_documents_read_facts(d, &finished, error);
	if (!rc && !finished)
		rc = sl_error_set(error, -EBADMSG, "index \"%s\": was never finished", path);
	if (!rc)
		rc = begin_making(d, error);
	return ready(rc, d, ret_documents);
}

static int run_on(struct sl_documents *d, const char *sql, const char *name, struct sl_error *error)
{
	struct sl_db_statement *statement;
	int rc = sl_db_prepare(d->db, sql, &statement, error);

	if (rc)
		return rc;
	sl_db_bind_text(statement, 1, sl_span_string(name));
	rc = sl_db_once(statement, error);
	sl_db_finish(&statement);
	return rc;
}

/* facts.chunk_count follows: counting the rows for each document would make a build quadratic. */
static int remove_rows(struct sl_documents *d, const char *name, struct sl_error *error)
{
	static const char *const deletions[] = {
		"INSERT INTO words(words,rowid,path,text) SELECT 'delete',id,path,text FROM chunk "
		"WHERE document=" OF_DOCUMENT,
		"DELETE FROM vector WHERE chunk IN (SELECT id FROM chunk WHERE "
		"document=" OF_DOCUMENT ")",
		"DELETE FROM pending WHERE chunk IN (SELECT id FROM chunk WHERE "
		"document=" OF_DOCUMENT ")",
		[DELETES_CHUNKS] = "DELETE FROM chunk WHERE document=" OF_DOCUMENT,
		"DELETE FROM document WHERE name=?1",
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(deletions) / sizeof(deletions[0]) && !rc; i++) {
		rc = run_on(d, deletions[i], name, error);
		if (!rc && i == DELETES_CHUNKS)
			d->facts.chunk_count -= sl_db_changes(d->db);
	}
	return rc;
}

struct putting {
	struct sl_documents *d;
	int64_t document;
	struct sl_error *error;
};

static int put_chunk(void *arg, const struct sl_chunk *chunk)
{
	struct putting *p = arg;
	struct sl_documents *d = p->d;
	int rc;

	sl_db_bind_i64(d->put_chunk, 1, p->document);
	sl_db_bind_i64(d->put_chunk, 2, chunk->line);
	sl_db_bind_text(d->put_chunk, 3, chunk->path);
	sl_db_bind_text(d->put_chunk, 4, chunk->text);
	rc = sl_db_once(d->put_chunk, p->error);
	if (rc)
		return rc;
	sl_db_bind_i64(d->put_words, 1, sl_db_last_id(d->db));
	sl_db_bind_text(d->put_words, 2, chunk->path);
	sl_db_bind_text(d->put_words, 3, chunk->text);
	d->facts.chunk_count++;
	return sl_db_once(d->put_words, p->error);
}

static int put_document(struct sl_documents *d, const char *name,
			const struct sl_documents_print *print, int64_t *ret_id,
			struct sl_error *error)
{
	struct sl_db_statement *put;
	int rc = sl_db_prepare(
		d->db, "INSERT INTO document(name,bytes,mtime_ns,digest) VALUES(?1,?2,?3,?4)", &put,
		error);

	if (rc)
		return rc;
	sl_db_bind_text(put, 1, sl_span_string(name));
	sl_db_bind_i64(put, 2, (int64_t)print->bytes);
	sl_db_bind_i64(put, 3, print->mtime_ns);
	sl_db_bind_blob(put, 4, print->digest, sizeof(print->digest));
	rc = sl_db_once(put, error);
	*ret_id = sl_db_last_id(d->db);
	sl_db_finish(&put);
	return rc;
}

static int put_rows(struct sl_documents *d, const char *name,
		    const struct sl_documents_print *print, struct sl_span source,
		    enum sl_chunk_format format, struct sl_chunk_report *ret_report,
		    struct sl_error *error)
{
	struct putting putting = {.d = d, .error = error};
	int rc = remove_rows(d, name, error);

	if (!rc)
		rc = put_document(d, name, print, &putting.document, error);
	if (!rc)
		rc = sl_chunk_split(source, format, &d->facts.chunks, put_chunk, &putting,
				    ret_report, error);
	if (!rc && d->facts.models[0].dimensions)
		rc = run_on(d,
			    "INSERT INTO pending SELECT id FROM chunk WHERE document=" OF_DOCUMENT,
			    name, error);
	if (!rc && d->facts.chunk_count > SL_DOCUMENTS_CHUNKS_MAX)
		rc = sl_error_set(error, -E2BIG,
				  "index \"%s\": over %u chunks; make several indexes", d->path,
				  SL_DOCUMENTS_CHUNKS_MAX);
	return rc;
}

/* Commits, or takes back all of it: the rows, and the count of chunks from before. */
static int end_change(struct sl_documents *d, uint64_t chunks, int rc, struct sl_error *error)
{
	if (rc)
		sl_db_rollback(d->db);
	else
		rc = sl_db_commit(d->db, error);
	if (rc)
		d->facts.chunk_count = chunks;
	return rc;
}

int sl_documents_put(struct sl_documents *documents, const char *name,
		     const struct sl_documents_print *print, struct sl_span source,
		     enum sl_chunk_format format, struct sl_chunk_report *ret_report,
		     struct sl_error *error)
{
	uint64_t chunks = documents->facts.chunk_count;
	int rc;

	if (strlen(name) > SL_DOCUMENTS_NAME_MAX)
		return sl_error_set(error, -E2BIG, "document: name of %zu bytes: over %u",
				    strlen(name), SL_DOCUMENTS_NAME_MAX);
	rc = sl_db_begin(documents->db, error);
	if (rc)
		return rc;
	rc = put_rows(documents, name, print, source, format, ret_report, error);
	if (rc)
		sl_error_prefix(error, rc, "document \"%s\"", name);
	return end_change(documents, chunks, rc, error);
}

int sl_documents_remove(struct sl_documents *documents, const char *name, struct sl_error *error)
{
	uint64_t chunks = documents->facts.chunk_count;
	int rc = sl_db_begin(documents->db, error);

	if (rc)
		return rc;
	rc = remove_rows(documents, name, error);
	return end_change(documents, chunks, rc, error);
}

int sl_documents_leave_out(struct sl_documents *documents, const char *name,
			   const struct sl_documents_print *print, struct sl_error *error)
{
	uint64_t chunks = documents->facts.chunk_count;
	int64_t id;
	int rc = sl_db_begin(documents->db, error);

	if (rc)
		return rc;
	rc = remove_rows(documents, name, error);
	if (!rc)
		rc = put_document(documents, name, print, &id, error);
	return end_change(documents, chunks, rc, error);
}

int sl_documents_touch(struct sl_documents *documents, const char *name,
		       const struct sl_documents_print *print, struct sl_error *error)
{
	struct sl_db_statement *set;
	int rc = sl_db_prepare(documents->db,
			       "UPDATE document SET bytes=?2, mtime_ns=?3, digest=?4 WHERE name=?1",
			       &set, error);

	if (rc)
		return rc;
	sl_db_bind_text(set, 1, sl_span_string(name));
	sl_db_bind_i64(set, 2, (int64_t)print->bytes);
	sl_db_bind_i64(set, 3, print->mtime_ns);
	sl_db_bind_blob(set, 4, print->digest, sizeof(print->digest));
	rc = sl_db_once(set, error);
	sl_db_finish(&set);
	return rc;
}

/* ---- vectors --------------------------------------------------------------------------------- */

void sl_documents_pending_fini(struct sl_documents_pending *pending)
{
	for (uint32_t i = 0; i < pending->count; i++)
		free(pending->texts[i]);
	pending->count = 0;
}

uint64_t sl_documents_pending_count(struct sl_documents *documents)
{
	uint64_t count = 0;

	return count_of(documents->db, "SELECT count(*) FROM pending", &count, NULL) ? 0 : count;
}

int sl_documents_pending(struct sl_documents *documents, uint32_t max,
			 struct sl_documents_pending *ret_pending, struct sl_error *error)
{
	struct sl_db_statement *get;
	int rc = sl_db_prepare(
		documents->db,
		"SELECT id, path, text FROM pending JOIN chunk ON id=chunk ORDER BY id "
		"LIMIT ?1",
		&get, error);

	ret_pending->count = 0;
	if (rc)
		return rc;
	sl_db_bind_i64(get, 1, max < SL_DOCUMENTS_BATCH_MAX ? max : SL_DOCUMENTS_BATCH_MAX);
	while ((rc = sl_db_step(get, error)) == 1) {
		struct sl_span path = sl_db_text(get, 1), text = sl_db_text(get, 2);
		char *joined;

		if (asprintf(&joined, "%.*s%s%.*s", (int)path.len, path.data, path.len ? "\n" : "",
			     (int)text.len, text.data) < 0) {
			rc = sl_error_set_errno(error, -ENOMEM, "index \"%s\"", documents->path);
			break;
		}
		ret_pending->ids[ret_pending->count] = sl_db_i64(get, 0);
		ret_pending->texts[ret_pending->count++] = joined;
	}
	sl_db_finish(&get);
	if (rc)
		sl_documents_pending_fini(ret_pending);
	return rc;
}

/* Length 1; false for what has no direction. */
static bool normalise(const float *in, uint32_t dimensions, float *out)
{
	double sum = 0;

	for (uint32_t i = 0; i < dimensions; i++)
		sum += (double)in[i] * (double)in[i];
	if (!isfinite(sum) || sum <= 0)
		return false;
	for (uint32_t i = 0; i < dimensions; i++)
		out[i] = (float)((double)in[i] / sqrt(sum));
	return true;
}

/* A row of the table: each model's vector, of length 1. */
static bool normalise_row(const struct sl_documents_facts *facts, const float *in, float *out)
{
	for (uint32_t i = 0, at = 0; i < SL_DOCUMENTS_MODELS_MAX; i++) {
		if (facts->models[i].dimensions &&
		    !normalise(in + at, facts->models[i].dimensions, out + at))
			return false;
		at += facts->models[i].dimensions;
	}
	return true;
}

static int set_rows(struct sl_documents *d, const int64_t *ids, uint32_t count,
		    const float *vectors, float *row, struct sl_error *error)
{
	uint32_t numbers = sl_documents_row_numbers(&d->facts);
	struct sl_db_statement *put = NULL, *done = NULL;
	int rc = sl_db_prepare(d->db, "INSERT OR REPLACE INTO vector VALUES(?1,?2)", &put, error);

	if (!rc)
		rc = sl_db_prepare(d->db, "DELETE FROM pending WHERE chunk=?1", &done, error);
	for (uint32_t i = 0; i < count && !rc; i++) {
		if (!normalise_row(&d->facts, vectors + (size_t)i * numbers, row)) {
			rc = sl_error_set(error, -EINVAL,
					  "index \"%s\": the vector of a chunk is no direction",
					  d->path);
			break;
		}
		sl_db_bind_i64(put, 1, ids[i]);
		sl_db_bind_blob(put, 2, row, numbers * sizeof(float));
		rc = sl_db_once(put, error);
		sl_db_bind_i64(done, 1, ids[i]);
		if (!rc)
			rc = sl_db_once(done, error);
	}
	sl_db_finish(&put);
	sl_db_finish(&done);
	return rc;
}

int sl_documents_set_vectors(struct sl_documents *documents, const int64_t *ids, uint32_t count,
			     const float *vectors, struct sl_error *error)
{
	float *row = malloc(sl_documents_row_numbers(&documents->facts) * sizeof(float) + 1);
	int rc = row != NULL ? sl_db_begin(documents->db, error)
			     : sl_error_set_errno(error, -ENOMEM, "index \"%s\"", documents->path);

	if (!rc) {
		rc = set_rows(documents, ids, count, vectors, row, error);
		if (rc)
			sl_db_rollback(documents->db);
		else
			rc = sl_db_commit(documents->db, error);
	}
	free(row);
	return rc;
}

int sl_documents_each(struct sl_documents *documents,
		      int (*take)(void *arg, const char *name,
				  const struct sl_documents_print *print),
		      void *arg, struct sl_error *error)
{
	struct sl_db_statement *all;
	int rc = sl_db_prepare(documents->db,
			       "SELECT name, bytes, mtime_ns, digest FROM document ORDER BY name",
			       &all, error);

	if (rc)
		return rc;
	while ((rc = sl_db_step(all, error)) == 1) {
		struct sl_documents_print print = {.bytes = (uint64_t)sl_db_i64(all, 1),
						   .mtime_ns = sl_db_i64(all, 2)};
		struct sl_span digest = sl_db_blob(all, 3);

		if (digest.len == sizeof(print.digest))
			memcpy(print.digest, digest.data, digest.len);
		rc = take(arg, sl_db_text(all, 0).data, &print);
		if (rc)
			break;
	}
	sl_db_finish(&all);
	return rc;
}

int sl_documents_finish(struct sl_documents *documents, uint64_t now_wall_ms,
			struct sl_error *error)
{
	uint64_t left = 0;
	int rc = count_of(documents->db, "SELECT count(*) FROM pending", &left, error);

	if (!rc && left)
		rc = sl_error_set(error, -EINVAL, "index \"%s\": %llu chunks have no vector yet",
				  documents->path, (unsigned long long)left);
	if (!rc)
		rc = sl_db_run(documents->db, "INSERT INTO words(words) VALUES('optimize')", error);
	if (!rc)
		rc = sl_documents_make_graph(documents, error);
	if (rc)
		return rc;
	documents->facts.made_ms = now_wall_ms;
	rc = sl_db_run(documents->db, "PRAGMA synchronous=FULL", error);
	if (!rc)
		rc = sl_db_begin(documents->db, error);
	if (rc)
		return rc;
	rc = write_facts(documents, true, error);
	if (!rc)
		return sl_db_commit(documents->db, error);
	sl_db_rollback(documents->db);
	return rc;
}
