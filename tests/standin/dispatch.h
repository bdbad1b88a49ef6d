/* From a request's method and path to what answers it.
 *
 * Threads: the connection's worker. Costs: a comparison or two of the path.
 */
#ifndef TESTS_STANDIN_DISPATCH_H
#define TESTS_STANDIN_DISPATCH_H

#include "tests/standin/conn.h"
#include "tests/standin/http.h"

/* Answers a request, or begins to. `data` is where the head starts, for the record. */
void sl_dispatch(struct sl_conn *conn, const struct sl_head *head, const char *data,
		 const char *body, size_t body_len);

#endif
