/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/postgres.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <postgresql/libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "user/base/clock.h"
#include "user/base/text.h"

#define KEY_BYTES	 1024u /* host, port and options: a longer one is not kept */
#define QUERY_BYTES_MAX	 8192u
#define OPTIONS_MAX	 64u /* that libpq knows, and ours */
#define ROW_FIELDS	 4   /* id, text, name, score */
#define PARAMETERS	 3
#define STATEMENT_MIN_MS 1u
#define NAME_CHARS_MAX	 1024u /* of an id or a document's name */

enum vectors { VECTORS_UNKNOWN = 0, VECTORS_PGVECTOR, VECTORS_ARRAYS };

struct connection {
	struct connection *next;
	PGconn *pg;
	char key[KEY_BYTES];
	enum vectors vectors; /* of the table it was asked for last */
};

struct sl_postgres {
	pthread_mutex_t lock;
	struct connection *idle; /* newest first */
	uint32_t idle_count;
};

/* ---- connections that are kept ---------------------------------------------------------------- */

static void end_connection(struct connection *c)
{
	PQfinish(c->pg);
	free(c);
}

int sl_postgres_open(struct sl_postgres **ret_postgres)
{
	struct sl_postgres *postgres = calloc(1, sizeof(*postgres));

	if (postgres == NULL)
		return -ENOMEM;
	pthread_mutex_init(&postgres->lock, NULL);
	*ret_postgres = postgres;
	return 0;
}

void sl_postgres_close(struct sl_postgres **postgres)
{
	struct sl_postgres *gone = *postgres;
	struct connection *next;

	*postgres = NULL;
	if (gone == NULL)
		return;
	for (struct connection *c = gone->idle; c != NULL; c = next) {
		next = c->next;
		end_connection(c);
	}
	pthread_mutex_destroy(&gone->lock);
	free(gone);
}

static int write_key(const struct sl_postgres_job *job, char key[KEY_BYTES])
{
	int len = snprintf(key, KEY_BYTES, "%s %s %s %s.%s", job->host, job->port, job->options,
			   job->table, job->vector_column);

	return len > 0 && (size_t)len < KEY_BYTES ? 0 : -1;
}

static struct connection *take_idle(struct sl_postgres *postgres, const char *key)
{
	struct connection **at = &postgres->idle, *found;

	pthread_mutex_lock(&postgres->lock);
	while (*at != NULL && strcmp((*at)->key, key) != 0)
		at = &(*at)->next;
	found = *at;
	if (found != NULL) {
		*at = found->next;
		postgres->idle_count--;
	}
	pthread_mutex_unlock(&postgres->lock);
	return found;
}

/* A kept connection has nothing to read: what there is, is its end. */
static bool is_over(const struct connection *c)
{
	char byte;

	return recv(PQsocket(c->pg), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}

/* Takes out what the server has ended meanwhile, other tables' too: nobody may ask for them again. */
static struct connection *take_over(struct sl_postgres *postgres)
{
	struct connection **at = &postgres->idle, *over = NULL, *c;

	while ((c = *at) != NULL) {
		if (!is_over(c)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		postgres->idle_count--;
		c->next = over;
		over = c;
	}
	return over;
}

/* The one that has not been used for longest goes, where there are too many. */
static void keep_idle(struct sl_postgres *postgres, struct connection *c)
{
	struct connection *over, **at;

	pthread_mutex_lock(&postgres->lock);
	over = take_over(postgres);
	c->next = postgres->idle;
	postgres->idle = c;
	if (++postgres->idle_count > SL_POSTGRES_IDLE_MAX) {
		for (at = &postgres->idle; (*at)->next != NULL; at = &(*at)->next)
			;
		(*at)->next = over;
		over = *at;
		*at = NULL;
		postgres->idle_count--;
	}
	pthread_mutex_unlock(&postgres->lock);
	while (over != NULL) {
		c = over;
		over = c->next;
		end_connection(c);
	}
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static int left_ms(const struct sl_postgres_job *job)
{
	uint64_t now_ns = sl_clock_ns();

	if (now_ns >= job->deadline_ns)
		return 0;
	return (int)((job->deadline_ns - now_ns) / SL_NS_PER_MS) + 1;
}

/* 0; -ETIMEDOUT. Errors of the socket are libpq's to find. */
static int wait_for(const struct sl_postgres_job *job, PGconn *pg, short events)
{
	struct pollfd pollfd = {.fd = PQsocket(pg), .events = events};
	int left, rc;

	do {
		left = left_ms(job);
		rc = left ? poll(&pollfd, 1, left) : 0;
	} while (rc < 0 && errno == EINTR);
	return rc == 0 ? -ETIMEDOUT : 0;
}

/* libpq's messages end in a newline, and may have several lines. */
static enum sl_postgres_end fail(struct sl_postgres_job *job, enum sl_postgres_end end,
				 const char *what, const char *why)
{
	size_t len = why != NULL ? strcspn(why, "\r\n") : 0;

	sl_error_set(&job->error, -EIO, "PostgreSQL %s:%s: %s%s%.*s", job->host, job->port, what,
		     len ? ": " : "", (int)len, len ? why : "");
	return end;
}

/* ---- connecting ------------------------------------------------------------------------------- */

/* Ours come after those of the options, so they hold. */
static PGconn *start(const struct sl_postgres_job *job)
{
	const char *names[OPTIONS_MAX], *values[OPTIONS_MAX];
	char *wrong = NULL;
	PQconninfoOption *options = PQconninfoParse(job->options, &wrong);
	size_t count = 0;
	PGconn *pg;

	PQfreemem(wrong);
	if (options == NULL)
		return NULL;
	for (PQconninfoOption *o = options; o->keyword && count < OPTIONS_MAX - 5; o++)
		if (o->val != NULL && strcmp(o->keyword, "hostaddr") != 0 &&
		    strcmp(o->keyword, "client_encoding") != 0 && strcmp(o->keyword, "port") != 0) {
			names[count] = o->keyword;
			values[count++] = o->val;
		} else if (strcmp(o->keyword, "gssencmode") == 0) {
			names[count] = o->keyword; /* else it looks for tickets, by DNS maybe */
			values[count++] = "disable";
		}
	names[count] = "hostaddr";
	values[count++] = job->host;
	names[count] = "port";
	values[count++] = job->port;
	names[count] = "client_encoding"; /* whatever the database's is: the model gets JSON */
	values[count++] = "UTF8";
	names[count] = "fallback_application_name";
	values[count++] = "sluice";
	names[count] = NULL;
	values[count] = NULL;
	pg = PQconnectStartParams(names, values, 0);
	PQconninfoFree(options);
	return pg;
}

static enum sl_postgres_end finish_connect(struct sl_postgres_job *job, PGconn *pg)
{
	PostgresPollingStatusType turn = PGRES_POLLING_WRITING;

	while (turn == PGRES_POLLING_READING || turn == PGRES_POLLING_WRITING) {
		if (wait_for(job, pg, turn == PGRES_POLLING_READING ? POLLIN : POLLOUT))
			return fail(job, SL_POSTGRES_LATE, "connect: time is up", NULL);
		turn = PQconnectPoll(pg);
	}
	if (turn == PGRES_POLLING_OK)
		return SL_POSTGRES_OK;
	return fail(job, SL_POSTGRES_REFUSED, "connect", PQerrorMessage(pg));
}

static enum sl_postgres_end connect_anew(struct sl_postgres_job *job, const char *key,
					 struct connection **ret_connection)
{
	struct connection *c = calloc(1, sizeof(*c));
	enum sl_postgres_end end;

	if (c == NULL)
		return fail(job, SL_POSTGRES_LOCAL, "no memory", NULL);
	c->pg = start(job);
	if (c->pg == NULL || PQstatus(c->pg) == CONNECTION_BAD)
		end = fail(job, SL_POSTGRES_WRONG, "its options cannot be used",
			   c->pg != NULL ? PQerrorMessage(c->pg) : NULL);
	else
		end = finish_connect(job, c->pg);
	if (end != SL_POSTGRES_OK) {
		end_connection(c);
		return end;
	}
	PQsetnonblocking(c->pg, 1);
	memcpy(c->key, key, KEY_BYTES);
	*ret_connection = c;
	return SL_POSTGRES_OK;
}

/* ---- asking ----------------------------------------------------------------------------------- */

static enum sl_postgres_end flush(struct sl_postgres_job *job, PGconn *pg)
{
	int more;

	while ((more = PQflush(pg)) > 0) {
		if (wait_for(job, pg, POLLIN | POLLOUT))
			return fail(job, SL_POSTGRES_LATE, "time is up", NULL);
		if (!PQconsumeInput(pg))
			break;
	}
	return more ? fail(job, SL_POSTGRES_BROKEN, "ask", PQerrorMessage(pg)) : SL_POSTGRES_OK;
}

/* Class 08, 53, 57 and 58 of SQLSTATE: the connection, resources, an operator, the system. */
static enum sl_postgres_end judge(struct sl_postgres_job *job, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *why = PQresultErrorMessage(result);

	if (state != NULL && strcmp(state, "57014") == 0)
		return fail(job, SL_POSTGRES_LATE, "the server broke it off", why);
	if (state == NULL || strncmp(state, "08", 2) == 0 || strncmp(state, "53", 2) == 0 ||
	    strncmp(state, "57", 2) == 0 || strncmp(state, "58", 2) == 0)
		return fail(job, SL_POSTGRES_BROKEN, "answer", why);
	return fail(job, SL_POSTGRES_WRONG, "answer", why);
}

/* The last result of what was asked, the caller's; NULL with an end that is not OK. */
static enum sl_postgres_end ask(struct sl_postgres_job *job, PGconn *pg, const char *query,
				int count, const char *const *values, PGresult **ret_result)
{
	enum sl_postgres_end end = SL_POSTGRES_OK;
	PGresult *result = NULL, *next;

	if (!PQsendQueryParams(pg, query, count, NULL, values, NULL, NULL, 0))
		return fail(job, SL_POSTGRES_BROKEN, "ask", PQerrorMessage(pg));
	end = flush(job, pg);
	while (end == SL_POSTGRES_OK) {
		while (end == SL_POSTGRES_OK && PQisBusy(pg)) {
			if (wait_for(job, pg, POLLIN))
				end = fail(job, SL_POSTGRES_LATE, "time is up", NULL);
			else if (!PQconsumeInput(pg))
				end = fail(job, SL_POSTGRES_BROKEN, "answer", PQerrorMessage(pg));
		}
		next = end == SL_POSTGRES_OK ? PQgetResult(pg) : NULL;
		if (next == NULL)
			break;
		PQclear(result);
		result = next;
	}
	if (end == SL_POSTGRES_OK && result == NULL)
		end = fail(job, SL_POSTGRES_BROKEN, "answer", PQerrorMessage(pg));
	if (end == SL_POSTGRES_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		end = judge(job, result);
	if (end == SL_POSTGRES_OK)
		*ret_result = result;
	else
		PQclear(result);
	return end;
}

/* "schema"."docs": a name of the configuration is never syntax. */
static void write_name(struct sl_text *out, const char *name, bool parts)
{
	sl_text_append_char(out, '"');
	for (; *name; name++) {
		if (*name == '.' && parts)
			sl_text_append_string(out, "\".\"");
		else if (*name == '"')
			sl_text_append_string(out, "\"\"");
		else
			sl_text_append_char(out, *name);
	}
	sl_text_append_char(out, '"');
}

static enum sl_postgres_end find_kind(struct sl_postgres_job *job, struct connection *c)
{
	static const char query[] =
		"SELECT typname FROM pg_attribute JOIN pg_type ON pg_type.oid=atttypid "
		"WHERE attrelid=$1::regclass AND attname=$2 AND NOT attisdropped";
	char table[QUERY_BYTES_MAX];
	const char *values[2] = {table, job->vector_column}, *kind = "";
	PGresult *result;
	struct sl_text text;
	enum sl_postgres_end end;

	sl_text_init_fixed(&text, table, sizeof(table));
	write_name(&text, job->table, true);
	end = ask(job, c->pg, query, 2, values, &result);
	if (end != SL_POSTGRES_OK)
		return end;
	if (PQntuples(result) == 1 && PQnfields(result) == 1) /* else libpq has NULL, not "" */
		kind = PQgetvalue(result, 0, 0);
	if (strcmp(kind, "vector") == 0 || strcmp(kind, "halfvec") == 0)
		c->vectors = VECTORS_PGVECTOR;
	else if (strcmp(kind, "_float4") == 0 || strcmp(kind, "_float8") == 0)
		c->vectors = VECTORS_ARRAYS;
	else
		end = fail(job, SL_POSTGRES_WRONG,
			   *kind ? "its column of vectors is neither vector nor real[]"
				 : "it has no such column of vectors",
			   job->vector_column);
	PQclear(result);
	return end;
}

/* What the server may send of a row has a bound, or one row could fill the memory here. */
static void write_bounded(struct sl_text *out, const char *column, uint32_t chars_max)
{
	sl_text_append_string(out, "left(");
	write_name(out, column, false);
	sl_text_printf(out, "::text,%u),", chars_max);
}

/* A text that is too long is left out, not cut: NULL, which take_rows() leaves out. */
static void write_text_column(struct sl_text *out, const char *column)
{
	sl_text_append_string(out, "CASE WHEN octet_length(");
	write_name(out, column, false);
	sl_text_printf(out, "::text)<=%u THEN ", SL_POSTGRES_TEXT_MAX);
	write_name(out, column, false);
	sl_text_append_string(out, "::text END,");
}

/*
 * id, text, name, score; $1 the vector, $2 how many, $3 its length. Rows of another length are of another
 * model: the arrays leave them out, pgvector refuses the question.
 */
static int write_query(const struct sl_postgres_job *job, enum vectors vectors, struct sl_text *out)
{
	sl_text_append_string(out, "SELECT ");
	write_bounded(out, job->id_column, NAME_CHARS_MAX);
	write_text_column(out, job->text_column);
	write_bounded(out, job->name_column, NAME_CHARS_MAX);
	if (vectors == VECTORS_PGVECTOR) {
		sl_text_append_string(out, "1-(");
		write_name(out, job->vector_column, false);
		sl_text_append_string(out, "<=>$1::vector) AS score FROM ");
		write_name(out, job->table, true);
		sl_text_append_string(out, " WHERE $3::int>0 ORDER BY ");
		write_name(out, job->vector_column, false);
		return sl_text_append_string(out, "<=>$1::vector LIMIT $2::int");
	}
	/* NaN is greater than all numbers there: such rows would push out those that have a score. */
	sl_text_append_string(out, "(SELECT nullif(sum(a*b)/nullif(sqrt(sum(a*a))*sqrt(sum(b*b)),0)"
				   ",'NaN') FROM unnest(");
	write_name(out, job->vector_column, false);
	sl_text_append_string(out, "::float8[],$1::float8[]) AS u(a,b)) AS score FROM ");
	write_name(out, job->table, true);
	sl_text_append_string(out, " WHERE cardinality(");
	write_name(out, job->vector_column, false);
	return sl_text_append_string(out, ")=$3::int ORDER BY score DESC NULLS LAST LIMIT $2::int");
}

/* The server is to end by itself what nobody waits for any more. */
static enum sl_postgres_end bound_statement(struct sl_postgres_job *job, PGconn *pg)
{
	char query[96];
	const char *values[1] = {query};
	PGresult *result;
	enum sl_postgres_end end;
	int left = left_ms(job);

	snprintf(query, sizeof(query), "%dms", left > 0 ? left : (int)STATEMENT_MIN_MS);
	end = ask(job, pg, "SELECT set_config('statement_timeout',$1,false)", 1, values, &result);
	if (end == SL_POSTGRES_OK)
		PQclear(result);
	return end;
}

static bool read_score(const PGresult *result, int row, float *ret_score)
{
	const char *text = PQgetvalue(result, row, 3);
	char *end;

	*ret_score = strtof(text, &end);
	return end != text && *end == '\0';
}

static enum sl_postgres_end take_rows(struct sl_postgres_job *job, PGresult *result)
{
	job->memory = result;
	if (PQnfields(result) != ROW_FIELDS)
		return fail(job, SL_POSTGRES_BROKEN, "its rows are not what was asked for", NULL);
	for (int i = 0; i < PQntuples(result) && job->row_count < SL_POSTGRES_ROWS_MAX; i++) {
		struct sl_postgres_row *row = &job->rows[job->row_count];
		float score;

		if (PQgetisnull(result, i, 3)) /* a row without a vector */
			continue;
		if (!read_score(result, i, &score))
			return fail(job, SL_POSTGRES_BROKEN, "a row's score is no number", NULL);
		if (PQgetisnull(result, i, 0) || PQgetisnull(result, i, 1) || !isfinite(score) ||
		    PQgetlength(result, i, 1) > (int)SL_POSTGRES_TEXT_MAX ||
		    PQgetlength(result, i, 1) == 0)
			continue;
		row->id = PQgetvalue(result, i, 0);
		row->text = PQgetvalue(result, i, 1);
		row->name = PQgetvalue(result, i, 2);
		row->score = score;
		job->row_count++;
	}
	return SL_POSTGRES_OK;
}

static enum sl_postgres_end search(struct sl_postgres_job *job, struct connection *c)
{
	char query[QUERY_BYTES_MAX], count[16], dimensions[16];
	const char *values[PARAMETERS] = {job->vector, count, dimensions};
	size_t len = strlen(job->vector);
	enum sl_postgres_end end = bound_statement(job, c->pg);
	struct sl_text text;
	PGresult *result;

	if (end == SL_POSTGRES_OK && c->vectors == VECTORS_UNKNOWN)
		end = find_kind(job, c);
	if (end != SL_POSTGRES_OK)
		return end;
	sl_text_init_fixed(&text, query, sizeof(query));
	if (write_query(job, c->vectors, &text))
		return fail(job, SL_POSTGRES_WRONG, "its names are too long", NULL);
	snprintf(count, sizeof(count), "%u", job->count);
	snprintf(dimensions, sizeof(dimensions), "%u", job->dimensions);
	if (len >= 2) { /* pgvector's brackets, or an array's */
		job->vector[0] = c->vectors == VECTORS_ARRAYS ? '{' : '[';
		job->vector[len - 1] = c->vectors == VECTORS_ARRAYS ? '}' : ']';
	}
	end = ask(job, c->pg, query, PARAMETERS, values, &result);
	if (end == SL_POSTGRES_OK)
		end = take_rows(job, result);
	return end;
}

void sl_postgres_job_run(void *arg)
{
	struct sl_postgres_job *job = arg;
	struct connection *c;
	char key[KEY_BYTES];
	bool kept;

	if (write_key(job, key)) {
		job->end = fail(job, SL_POSTGRES_WRONG, "its options are too long", NULL);
		return;
	}
	do {
		job->end = SL_POSTGRES_OK;
		c = take_idle(job->postgres, key);
		kept = c != NULL;
		if (!kept)
			job->end = connect_anew(job, key, &c);
		if (job->end != SL_POSTGRES_OK)
			return;
		job->end = search(job, c);
		if (job->end == SL_POSTGRES_OK)
			keep_idle(job->postgres, c);
		else
			end_connection(c); /* whatever it is in the middle of ends with it */
		/* A kept one may have died since; so may all that are kept: each is tried once. */
	} while (kept && job->end == SL_POSTGRES_BROKEN && left_ms(job) > 0);
}

/* ---- the job ---------------------------------------------------------------------------------- */

#define STRINGS 9

/* Every string of a job, one behind the other. */
static void list_strings(struct sl_postgres_job *job, char **list[STRINGS])
{
	char **const all[STRINGS] = {&job->host,	&job->port,	   &job->options,
				     &job->table,	&job->id_column,   &job->vector_column,
				     &job->text_column, &job->name_column, &job->vector};

	memcpy(list, all, sizeof(all));
}

struct sl_postgres_job *sl_postgres_job_new(const struct sl_postgres_job *template)
{
	struct sl_postgres_job *job = malloc(sizeof(*job));
	char **strings[STRINGS], *at;
	size_t bytes = 0;

	if (job == NULL)
		return NULL;
	*job = *template;
	list_strings(job, strings);
	for (size_t i = 0; i < STRINGS; i++)
		bytes += strlen(*strings[i]) + 1;
	job->strings = at = malloc(bytes);
	if (at == NULL) {
		free(job);
		return NULL;
	}
	for (size_t i = 0; i < STRINGS; i++) {
		char *begin = at;

		at = stpcpy(at, *strings[i]) + 1;
		*strings[i] = begin;
	}
	return job;
}

void sl_postgres_job_free(void *arg)
{
	struct sl_postgres_job *job = arg;

	PQclear(job->memory);
	free(job->strings);
	free(job);
}
