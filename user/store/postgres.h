/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * postgres.h - chunks of a table of PostgreSQL by the nearness of their vectors, as a job for a worker
 * thread.
 *
 *	column of vectors         asked by
 *	pgvector's vector         embedding <=> the question's, which an index of pgvector may answer
 *	real[], double precision[] the cosine, computed by the server for every row: for some thousand rows
 *
 * Which it is, each connection asks once. Connections are kept, last in first out, and are tried again
 * once when one of them turns out to be dead: a server that was restarted costs nothing but that.
 *
 * Every wait ends at the job's deadline; the server is told it too (statement_timeout), so that it does
 * not go on by itself. Threads: of the work pool, any number. Open and close: the control thread.
 */
#ifndef SL_STORE_POSTGRES_H
#define SL_STORE_POSTGRES_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/error.h"

#define SL_POSTGRES_IDLE_MAX 16u /* connections kept, of all sources together */
#define SL_POSTGRES_ROWS_MAX 32u
#define SL_POSTGRES_TEXT_MAX 65536u /* bytes of a chunk; a longer one is left out */

struct sl_postgres;

/* What became of a job, for the breaker of the node. */
enum sl_postgres_end {
	SL_POSTGRES_OK = 0,
	SL_POSTGRES_LOCAL,   /* no memory */
	SL_POSTGRES_WRONG,   /* the server is well, what it was asked is not: no such table */
	SL_POSTGRES_REFUSED, /* no connection */
	SL_POSTGRES_LATE,
	SL_POSTGRES_BROKEN, /* the connection ended in the middle, or the server does */
};

struct sl_postgres_row {
	char *id, *text, *name; /* in the job's memory */
	float score;		/* cosine */
};

/* One question. Strings are the job's own copies. */
struct sl_postgres_job {
	struct sl_postgres *postgres;
	char *host; /* "10.0.0.7" */
	char *port;
	char *options; /* of libpq: "dbname=docs user=sluice"; it may name all but host and port */
	char *table;   /* "docs" or "schema.docs" */
	char *id_column, *vector_column, *text_column, *name_column;
	char *vector; /* "[0.1,0.2]" */
	uint32_t dimensions;
	uint32_t count;	      /* at most SL_POSTGRES_ROWS_MAX */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC */
	/* the outcome */
	enum sl_postgres_end end;
	uint32_t row_count;
	struct sl_postgres_row rows[SL_POSTGRES_ROWS_MAX]; /* best first */
	void *memory;					   /* a PGresult, which they point into */
	struct sl_error error;
	char *strings; /* what the pointers above point into */
};

/* 0, -ENOMEM. */
int sl_postgres_open(struct sl_postgres **ret_postgres);
/* No job may run any more. NULLs; NULL is fine. */
void sl_postgres_close(struct sl_postgres **postgres);

/* A copy of the template and its strings; NULL without memory. */
struct sl_postgres_job *sl_postgres_job_new(const struct sl_postgres_job *template);

/* For sl_work_run(): a struct sl_postgres_job *. */
void sl_postgres_job_run(void *job);
void sl_postgres_job_free(void *job);

#endif
