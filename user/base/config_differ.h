/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_differ.h - may requests be answered by two configurations side by side? Only where they differ in nothing
 * but what a request takes with it: the daemon has one listener, one set of nodes, one table of limits.
 *
 *	routes[]       the same models; everything but `limits`, `slo`, `evaluate` and the files of
 *	               `validate` (lists_in, lists_out) may differ
 *	pools.NAME     the same names; `model`, `path`, `api`, `api_key`, `api_key_header`, `max_tokens` and
 *	               `continue` may
 *	all else       may not
 *
 * By what the files say, values of the environment put in; not by the defaults, which are the same where the files say
 * nothing. Pure.
 */
#ifndef SL_BASE_CONFIG_DIFFER_H
#define SL_BASE_CONFIG_DIFFER_H

#include "user/base/config.h"
#include "user/base/text.h"

struct sl_config_differ {
	uint32_t may;	  /* keys that differ, and may */
	uint32_t may_not; /* keys that differ, and may not: their names are in the text */
};

/* Appends "KEY, KEY" of those that may not differ; what does not fit is left out, and counted. */
struct sl_config_differ sl_config_differ(const struct sl_config *from, const struct sl_config *to,
					 struct sl_text *out);

#endif
