/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_auth.h - who may see the status page, and act on it. Pure; any thread.
 *
 *   came by          must bring                              why
 *   the admin socket nothing                                 its mode (0600) has let it in
 *   loopback         the token: `Authorization: Bearer T`,   other users of the host reach the port too
 *                    or as the password of `Basic`
 *   both             a Host that is this machine             a name of a stranger that leads here (DNS
 *                                                            rebinding); also behind `ssh -L`
 *   both, to act     POST with `x-sluice-page`, and an       a page of a stranger in the same browser
 *                    Origin, if any, that is the Host        cannot send that without asking first
 *
 * Basic, not a cookie or a form: a browser asks by itself, so who has no token gets no byte of ours, and keeps
 * what was typed for this very port (cookies go to every port of 127.0.0.1). A token in the fragment of an
 * address would need a script served to anybody, and stays in the history. The token is never in a path or
 * query, so no log has it; a digest of it is kept and compared, in a time that does not depend on either.
 */
#ifndef SL_OPS_PAGE_AUTH_H
#define SL_OPS_PAGE_AUTH_H

#include "user/base/digest.h"
#include "user/ops/admin_http.h"

#define SL_PAGE_TOKEN_MIN 32u
#define SL_PAGE_TOKEN_MAX 256u

enum sl_page_refusal {
	SL_PAGE_ADMITTED = 0,
	SL_PAGE_REFUSED_TOKEN,	/* 401 */
	SL_PAGE_REFUSED_HOST,	/* 421 */
	SL_PAGE_REFUSED_ORIGIN, /* 403: another page asks */
	SL_PAGE_REFUSED_GUARD,	/* 403: the field is missing */
	SL_PAGE_REFUSALS
};

/* "token", for the counter. */
const char *sl_page_refusal_name(enum sl_page_refusal refusal);
int sl_page_refusal_status(enum sl_page_refusal refusal);

/* Letters, digits, '-', '_', '.', of a length between the two. */
bool sl_page_token_is_formed(struct sl_span token);

/* digest: SHA-256 of the token; NULL: the request came by the admin socket. */
enum sl_page_refusal sl_page_admit(const struct sl_admin_request *request,
				   const uint8_t digest[SL_DIGEST_BYTES]);

/* The same for all else that is on the admin socket: host and origin. */
enum sl_page_refusal sl_page_admit_other(const struct sl_admin_request *request);

#endif
