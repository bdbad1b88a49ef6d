/* How a fault strikes an answer: before it, between its tokens, or in its framing.
 *
 * Works on the job at hand; see job.h for the states it may be put into.
 * Threads: the connection's worker. Costs: nothing for a request without a fault.
 */
#ifndef TESTS_STANDIN_STRIKE_H
#define TESTS_STANDIN_STRIKE_H

#include <stdbool.h>

#include "tests/standin/conn.h"

/* Decides which fault a request gets: its header's, its body's (ask may be NULL), or a live one.
 * 0; -EINVAL: it names a fault that does not exist. */
int sl_strike_choose(struct sl_conn *conn, const struct sl_head *head, const struct sl_ask *ask,
		     struct sl_fault *ret_fault);

/* Faults that strike instead of an answer. True: struck, there is nothing more to do. */
bool sl_strike_first(struct sl_conn *conn);

/* Whether the job has a fault that strikes between tokens, and its place is reached. */
bool sl_strike_due(const struct sl_job *job);

/* Strikes a stream. True: the answer is over or silent; false: it goes on. */
bool sl_strike_stream(struct sl_conn *conn);

/* Strikes an answer whose whole body is rendered. True: struck; false: send it as it is. */
bool sl_strike_whole(struct sl_conn *conn, struct sl_buf *body);

/* Sends the sign of life of a job in COMMENTS. */
void sl_strike_comment(struct sl_conn *conn);

/* Of job.c: ends the job; appends the 200 head once. */
void sl_job_end(struct sl_conn *conn, enum sl_after after);
void sl_job_head(struct sl_conn *conn, int64_t length);

#endif
