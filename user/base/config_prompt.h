/* SPDX-License-Identifier: BSD-2-Clause */
/* config_prompt.h - configuration of prompts (stage/prompt.h) and of contexts (stage/context_fit.h). */
#ifndef SL_BASE_CONFIG_PROMPT_H
#define SL_BASE_CONFIG_PROMPT_H

#include <stdint.h>

/* `prompts`: of all routes. */
struct sl_config_prompts {
	const char *dir; /* NULL: there are none */
	uint32_t window_ms;
	uint32_t requests_min;
	uint32_t error_percent;
	uint32_t invalid_percent;
	uint32_t hold_ms;
	uint32_t trials;
	uint32_t test_on_push; /* 1: a version's suite runs when it is pushed */
	uint32_t suite_parallel;
	uint32_t suite_ms;
	uint32_t case_ms;
};

/* `routes[].prompt` */
struct sl_config_route_prompt {
	const char *id;	   /* that every request gets; NULL: none */
	uint32_t label;	   /* enum sl_prompt_label of store/prompts.h */
	uint32_t requests; /* 1: they may name one */
	uint32_t canary;   /* percent of those that name none that get the canary version */
};

/* Whether a pool's nodes can be asked how many tokens a chat has. */
enum sl_config_tokenize {
	SL_CONFIG_TOKENIZE_OFF = 0,
	SL_CONFIG_TOKENIZE_VLLM,
	SL_CONFIG_TOKENIZE_LLAMA_CPP,
};

enum sl_config_context {
	SL_CONFIG_CONTEXT_TOOLS = 0,
	SL_CONFIG_CONTEXT_TURNS,
	SL_CONFIG_CONTEXT_SUMMARISE,
	SL_CONFIG_CONTEXT_LARGER,
};

/* `routes[].context` */
struct sl_config_route_context {
	uint32_t steps;	       /* bit by enum sl_config_context; 0: none */
	uint32_t keep_turns;   /* that cut_turns leaves */
	uint32_t summary_pool; /* index; UINT32_MAX: none */
	uint32_t summary_tokens;
	uint32_t summary_ms;
	uint32_t reserve; /* tokens of an answer, where a request names no bound */
};

#endif
