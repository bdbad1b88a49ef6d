/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eval_run.h - sluiced --eval: runs a regression suite against anything that speaks chat completions, this
 * sluice or another server, and tells what came of it. A program of its own that ends; no daemon is needed.
 *
 *	sluiced --eval SUITE --against URL --model MODEL [...]
 *
 * `sluice eval run` starts it (loader/cmd_eval.c): what asks models, checks schemas and knows meaning is the
 * daemon's, and the command has none of it. Through the URL of a daemon a suite passes all that a request
 * passes: prompts, caches, documents, validation.
 *
 * SUITE has a JSON object a line: name, input, messages, variables and checks as a prompt's suite has them
 * (wire/template_suite.h), the check {"judge": "RUBRIC"} besides, and
 *
 *	weight      of the case in the score (1)
 *	threshold   share of its repeats that must hold (1)
 *	repeat      times that it is asked, 1 to SL_EVAL_RUN_REPEATS (1)
 *
 * Exit: 0 passed, 1 a regression, 2 it could not be told, or not be run.
 */
#ifndef SL_OPS_EVAL_RUN_H
#define SL_OPS_EVAL_RUN_H

#define SL_EVAL_RUN_REPEATS 50u

int sl_eval_run(int argc, char **argv);

#endif
