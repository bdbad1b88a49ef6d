/* SPDX-License-Identifier: BSD-2-Clause */
/* prompted.h - requests that name a stored prompt, before their route is known. Thread: the loop's. */
#ifndef SL_REQUEST_PROMPTED_H
#define SL_REQUEST_PROMPTED_H

#include "user/request/request.h"

/*
 * The body could not be read for that reason. When all that is missing is the model, and the prompt that
 * the body names has one, the body gets it and is read again. Returns the reason that is left.
 */
enum sl_openai_error_id sl_prompted_read(struct sl_request *request,
					 enum sl_openai_endpoint endpoint,
					 enum sl_openai_error_id id);

/* The route is known: does it take what the body says of a prompt? Else the error. */
enum sl_openai_error_id sl_prompted_check(struct sl_request *request);

#endif
