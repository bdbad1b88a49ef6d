/* The admin listener's requests: POST /fault, DELETE /fault, GET /state, POST /config, GET /last,
 * POST /drop. The README says what each takes.
 *
 * Threads: worker 0. What they change is atomic or locked, and in force for the next request.
 */
#ifndef TESTS_STANDIN_ADMIN_H
#define TESTS_STANDIN_ADMIN_H

#include "tests/standin/conn.h"
#include "tests/standin/http.h"

void sl_admin_answer(struct sl_conn *conn, const struct sl_head *head, const char *body,
		     size_t body_len);

#endif
