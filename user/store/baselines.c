/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/baselines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/store/db.h"

static const char *const steps[] = {
	"CREATE TABLE baseline(pool TEXT PRIMARY KEY, model TEXT, fingerprints TEXT, vector_model "
	"TEXT,"
	" recorded_ms INTEGER, answers INTEGER, bad_format INTEGER, refusals INTEGER,"
	" length_spread REAL, meaning_spread REAL, has_meaning INTEGER, sums BLOB, alarms INTEGER);"
	"CREATE TABLE question(pool TEXT, place INTEGER, id TEXT, answer TEXT, length REAL,"
	" distance REAL, vector BLOB, PRIMARY KEY(pool, place)) WITHOUT ROWID;",
};

static int open_file(const char *path, struct sl_db **ret_db, struct sl_error *error)
{
	const struct sl_db_options options = {
		.application_id = 0x536c4361, /* "SlCa" */
		.kind = "canary",
		.steps = steps,
		.step_count = 1,
		.journal = SL_DB_JOURNAL_FILE,
	};

	return sl_db_open(path, &options, ret_db, error);
}

/* ---- writing --------------------------------------------------------------------------------- */

static uint32_t alarms_of(const struct sl_drift *drift)
{
	uint32_t alarms = 0;

	for (int cause = 0; cause < SL_DRIFT_CAUSES; cause++)
		alarms |= (uint32_t)drift->alarms[cause] << cause;
	return alarms;
}

static int forget(struct sl_db *db, const char *sql, const char *pool, struct sl_error *error)
{
	struct sl_db_statement *statement = NULL;
	int rc = sl_db_prepare(db, sql, &statement, error);

	if (rc)
		return rc;
	sl_db_bind_text(statement, 1, sl_span_string(pool));
	rc = sl_db_once(statement, error);
	sl_db_finish(&statement);
	return rc;
}

static int write_head(struct sl_db *db, const struct sl_baseline *b, struct sl_error *error)
{
	struct sl_db_statement *s = NULL;
	int rc = sl_db_prepare(
		db, "INSERT INTO baseline VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)", &s,
		error);

	if (rc)
		return rc;
	sl_db_bind_text(s, 1, sl_span_string(b->pool));
	sl_db_bind_text(s, 2, sl_span_string(b->model));
	sl_db_bind_text(s, 3, sl_span_string(b->fingerprints));
	sl_db_bind_text(s, 4, sl_span_string(b->vector_model));
	sl_db_bind_i64(s, 5, (int64_t)b->recorded_ms);
	sl_db_bind_i64(s, 6, b->base.answers);
	sl_db_bind_i64(s, 7, b->base.bad_format);
	sl_db_bind_i64(s, 8, b->base.refusals);
	sl_db_bind_real(s, 9, b->base.length_spread);
	sl_db_bind_real(s, 10, b->base.meaning_spread);
	sl_db_bind_i64(s, 11, b->base.has_meaning);
	sl_db_bind_blob(s, 12, b->drift.sums, sizeof(b->drift.sums));
	sl_db_bind_i64(s, 13, alarms_of(&b->drift));
	rc = sl_db_once(s, error);
	sl_db_finish(&s);
	return rc;
}

static int write_questions(struct sl_db *db, const struct sl_baseline *b, struct sl_error *error)
{
	struct sl_db_statement *s = NULL;
	int rc = sl_db_prepare(db, "INSERT INTO question VALUES(?1,?2,?3,?4,?5,?6,?7)", &s, error);

	for (uint32_t i = 0; i < b->count && !rc; i++) {
		const struct sl_baseline_question *q = &b->questions[i];

		sl_db_bind_text(s, 1, sl_span_string(b->pool));
		sl_db_bind_i64(s, 2, i);
		sl_db_bind_text(s, 3, sl_span_string(q->id));
		sl_db_bind_text(s, 4, sl_span_string(q->answer));
		sl_db_bind_real(s, 5, q->length);
		sl_db_bind_real(s, 6, q->distance);
		sl_db_bind_blob(s, 7, q->vector, q->dimensions * sizeof(q->vector[0]));
		rc = sl_db_once(s, error);
	}
	sl_db_finish(&s);
	return rc;
}

int sl_baselines_save(const char *path, const struct sl_baseline *baseline, struct sl_error *error)
{
	struct sl_db *db = NULL;
	int rc = open_file(path, &db, error);

	if (rc)
		return rc;
	rc = sl_db_begin(db, error);
	if (!rc) {
		rc = forget(db, "DELETE FROM baseline WHERE pool=?1", baseline->pool, error);
		if (!rc)
			rc = forget(db, "DELETE FROM question WHERE pool=?1", baseline->pool,
				    error);
		if (!rc)
			rc = write_head(db, baseline, error);
		if (!rc)
			rc = write_questions(db, baseline, error);
		if (!rc)
			rc = sl_db_commit(db, error);
		else
			sl_db_rollback(db);
	}
	sl_db_close(&db);
	return rc;
}

int sl_baselines_save_drift(const char *path, const struct sl_baseline *baseline,
			    struct sl_error *error)
{
	struct sl_db_statement *s = NULL;
	struct sl_db *db = NULL;
	int rc = open_file(path, &db, error);

	if (rc)
		return rc;
	rc = sl_db_prepare(db, "UPDATE baseline SET sums=?2, alarms=?3 WHERE pool=?1", &s, error);
	if (!rc) {
		sl_db_bind_text(s, 1, sl_span_string(baseline->pool));
		sl_db_bind_blob(s, 2, baseline->drift.sums, sizeof(baseline->drift.sums));
		sl_db_bind_i64(s, 3, alarms_of(&baseline->drift));
		rc = sl_db_once(s, error);
	}
	sl_db_finish(&s);
	sl_db_close(&db);
	return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void copy(struct sl_span from, char *to, size_t size)
{
	snprintf(to, size, "%.*s", (int)(from.len < size ? from.len : size - 1), from.data);
}

static int read_head(struct sl_db *db, struct sl_baseline *b, struct sl_error *error)
{
	struct sl_db_statement *s = NULL;
	uint32_t alarms;
	int rc = sl_db_prepare(db, "SELECT * FROM baseline WHERE pool=?1", &s, error);

	if (rc)
		return rc;
	sl_db_bind_text(s, 1, sl_span_string(b->pool));
	rc = sl_db_step(s, error);
	if (rc == 1) {
		copy(sl_db_text(s, 1), b->model, sizeof(b->model));
		copy(sl_db_text(s, 2), b->fingerprints, sizeof(b->fingerprints));
		copy(sl_db_text(s, 3), b->vector_model, sizeof(b->vector_model));
		b->recorded_ms = (uint64_t)sl_db_i64(s, 4);
		b->base.answers = (uint32_t)sl_db_i64(s, 5);
		b->base.bad_format = (uint32_t)sl_db_i64(s, 6);
		b->base.refusals = (uint32_t)sl_db_i64(s, 7);
		b->base.length_spread = sl_db_real(s, 8);
		b->base.meaning_spread = sl_db_real(s, 9);
		b->base.has_meaning = sl_db_i64(s, 10) != 0;
		if (sl_db_blob(s, 11).len == sizeof(b->drift.sums))
			memcpy(b->drift.sums, sl_db_blob(s, 11).data, sizeof(b->drift.sums));
		alarms = (uint32_t)sl_db_i64(s, 12);
		for (int cause = 0; cause < SL_DRIFT_CAUSES; cause++)
			b->drift.alarms[cause] = alarms >> cause & 1;
	}
	sl_db_finish(&s);
	return rc == 1 ? 0 : rc ? rc : -ENOENT;
}

static int read_questions(struct sl_db *db, struct sl_baseline *b, struct sl_error *error)
{
	struct sl_db_statement *s = NULL;
	int rc = sl_db_prepare(
		db,
		"SELECT id, answer, length, distance, vector FROM question WHERE pool=?1 "
		"ORDER BY place",
		&s, error);

	if (rc)
		return rc;
	sl_db_bind_text(s, 1, sl_span_string(b->pool));
	b->count = 0;
	while (b->count < SL_BASELINE_QUESTIONS_MAX && (rc = sl_db_step(s, error)) == 1) {
		struct sl_baseline_question *q = &b->questions[b->count++];
		struct sl_span vector = sl_db_blob(s, 4);

		copy(sl_db_text(s, 0), q->id, sizeof(q->id));
		copy(sl_db_text(s, 1), q->answer, sizeof(q->answer));
		q->length = sl_db_real(s, 2);
		q->distance = sl_db_real(s, 3);
		q->dimensions = vector.len <= sizeof(q->vector)
					? (uint32_t)(vector.len / sizeof(q->vector[0]))
					: 0;
		if (q->dimensions)
			memcpy(q->vector, vector.data, q->dimensions * sizeof(q->vector[0]));
	}
	sl_db_finish(&s);
	return rc < 0 ? rc : 0;
}

int sl_baselines_load(const char *path, struct sl_baseline *baseline, struct sl_error *error)
{
	struct sl_db *db = NULL;
	int rc = open_file(path, &db, error);

	if (rc)
		return rc;
	rc = read_head(db, baseline, error);
	if (!rc)
		rc = read_questions(db, baseline, error);
	sl_db_close(&db);
	return rc;
}
