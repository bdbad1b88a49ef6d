/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prompt_http.h - prompts over HTTP, on the admin socket.
 *
 *   GET  /prompts                              list
 *   GET  /prompts/ID                           list ID
 *   GET  /prompts/ID/VERSION                   show; as text, or as JSON where `json` is in the query
 *   GET  /prompts/ID/diff?from=V&to=V          diff; the same
 *   PUT  /prompts/ID                           push: the body is the text
 *   POST /prompts/ID/promote?version=V&label=L promote
 *   POST /prompts/ID/rollback                  rollback
 *   POST /prompts/ID/test?version=V&model=M    test: 202
 *   GET  /prompts/ID/test?version=V            report; 202 while it runs
 *
 * promote takes force=1 too.
 *
 * Errors are {"error":{"message":...}} with 400, 404, 405, 409 or 500. Thread: control.
 */
#ifndef SL_OPS_PROMPT_HTTP_H
#define SL_OPS_PROMPT_HTTP_H

#include "user/ops/admin_http.h"
#include "user/ops/prompt_say.h"

/*
 * Appends the answer's body, sets *type where it is no JSON, and returns the status. as: who asks, and
 * what suites run with; words and body are the request's.
 */
int sl_prompt_http(struct sl_prompts *prompts, const struct sl_admin_request *request,
		   const struct sl_prompt_ask *as, struct sl_text *text, const char **type);

#endif
