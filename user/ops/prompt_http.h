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
 *
 * Errors are {"error":{"message":...}} with 400, 404, 405, 409 or 500. Thread: control.
 */
#ifndef SL_OPS_PROMPT_HTTP_H
#define SL_OPS_PROMPT_HTTP_H

#include "user/ops/admin_http.h"
#include "user/store/prompts.h"

/* Appends the answer's body, sets *type where it is no JSON, and returns the status. */
int sl_prompt_http(struct sl_prompts *prompts, const struct sl_admin_request *request,
		   const char *who, struct sl_text *text, const char **type);

#endif
