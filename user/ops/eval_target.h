/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eval_target.h - what `sluice eval run` asks: a word of --against or --versus.
 *
 *	http://ADDRESS:PORT[/PATH]   https://NAME[/PATH]    anything that speaks chat completions
 *	model:NAME                                          of the sluice at --url: that route
 *	pool:NAME                                           that pool, by the route of --model
 *	prompt:ID[@VERSION]                                 that stored prompt
 *	index:NAME@VERSION                                  documents of that version
 *
 * Names of one sluice may stand together with commas between them: model:chat,prompt:support@8d96. pool and
 * index are told to it by x-sluice-pick (stage/pick.h), which evaluation.pick_by must allow. Thread: one.
 */
#ifndef SL_OPS_EVAL_TARGET_H
#define SL_OPS_EVAL_TARGET_H

#include "user/base/error.h"

#define SL_EVAL_TARGET_BYTES 512u

struct sl_eval_target {
	const char *told; /* the word; borrowed, as the next */
	const char *url;
	char model[SL_EVAL_TARGET_BYTES];
	char prompt[SL_EVAL_TARGET_BYTES]; /* "": none */
	char version[SL_EVAL_TARGET_BYTES];
	char lines[SL_EVAL_TARGET_BYTES + 32]; /* of the head of each request; or "" */
};

/* What holds where the word says nothing else; NULL: nothing. */
struct sl_eval_target_else {
	const char *url, *model, *prompt;
};

/* 0; -EINVAL with an error that names the word. */
int sl_eval_target_read(const char *word, const struct sl_eval_target_else *other,
			struct sl_eval_target *ret_target, struct sl_error *error);

#endif
