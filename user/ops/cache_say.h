/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cache_say.h - what the admin socket says of the caches of answers, and takes out of them.
 *
 *	words     FORMAT ("json" or "text"), then one of
 *	list      an entry a line: the exact cache's (e-HEX), the semantic cache's (s-NUMBER)
 *	show      the one entry of key=KEY, with its answer
 *	explain   the routes' thresholds, and what is known of false hits
 *	purge     takes the entries out; at least one selector, or all=yes
 *
 *	body      a selector a line, NAME=VALUE; all must fit
 *	key       as list prints it
 *	tenant    a tenant, or the key's id where a key has none
 *	route     public model name
 *	prefix    how the last message of the user begins (in the exact cache its first 63 bytes are known)
 *	version   of prompt and index, as list prints it
 *
 * Thread: control.
 */
#ifndef SL_OPS_CACHE_SAY_H
#define SL_OPS_CACHE_SAY_H

#include "user/base/text.h"
#include "user/request/routes.h"
#include "user/stage/stage.h"
#include "user/store/cache.h"

#define SL_CACHE_SAY_LIST_MAX 200u /* entries of either cache that a list shows */

struct sl_cache_say {
	struct sl_cache *exact; /* NULL: there is none */
	const struct sl_stores *stores;
	const struct sl_route_names *names;
};

/* Appends the answer, or '!' and what is wrong. words may be changed. */
void sl_cache_answer(const struct sl_cache_say *say, char *words, struct sl_span body,
		     struct sl_text *text);

#endif
