/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the header fields of one head mean: ids, framing, Host, connection reuse. The half
 * of the head parser that looks at values; h1_parse.c is the half that finds them. Use
 * user/http/h1_parse.h from elsewhere. Pure; any thread.
 */
#ifndef SL_USER_HTTP_H1_FACTS_H
#define SL_USER_HTTP_H1_FACTS_H

#include "user/http/h1_parse.h"

/* Facts needed only until the head is complete. */
struct sl_h1_facts {
	struct sl_h1_head *head;
	bool request;
	bool close;   /* Connection: close */
	bool keep;    /* Connection: keep-alive */
	bool upgrade; /* Connection: upgrade */
	uint8_t connection_options;
	int64_t retry_after_s;
};

/* Takes in headers[index], whose name and value are set. Returns 0 or -enum sl_h1_bad. */
int sl_h1_facts_take(struct sl_h1_facts *f, uint32_t index);

/* After the last header: checks across fields, body framing. 0 or -enum sl_h1_bad. */
int sl_h1_facts_finish_request(struct sl_h1_facts *f);
int sl_h1_facts_finish_response(struct sl_h1_facts *f);

/*
 * Splits the target of head into path and query and checks its form against the method.
 * The authority of an absolute target goes to head->host. 0 or -enum sl_h1_bad.
 */
int sl_h1_facts_target(struct sl_h1_head *head);

#endif
