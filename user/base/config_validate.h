/* SPDX-License-Identifier: BSD-2-Clause */
/* config_validate.h - a route's checks of what goes in and what comes out (stage/validate.h). */
#ifndef SL_BASE_CONFIG_VALIDATE_H
#define SL_BASE_CONFIG_VALIDATE_H

#include <stdint.h>

#include "user/base/config_paths.h"

/* What becomes of personal data that is found; the order of sl_screen_action. */
enum sl_config_found {
	SL_CONFIG_FOUND_REDACT = 0,
	SL_CONFIG_FOUND_MASK,
	SL_CONFIG_FOUND_BLOCK,
};

/* Questions, and answers: the bits of `moderate`. */
#define SL_CONFIG_WAY_IN  1u
#define SL_CONFIG_WAY_OUT 2u

enum sl_config_citation {
	SL_CONFIG_CITATION_NONE = 0,
	SL_CONFIG_CITATION_NUMBERS,
	SL_CONFIG_CITATION_LINKS,
};

/* Bits of pii_in and pii_out are 1 << (enum sl_pii_kind - 1). */
struct sl_config_validate {
	uint32_t pii_in; /* 0: not looked for */
	uint32_t pii_out;
	enum sl_config_found pii_in_found;
	enum sl_config_found pii_out_found;
	struct sl_config_paths lists_in; /* of patterns */
	struct sl_config_paths lists_out;
	uint32_t lists_in_block; /* 1: what they match ends it; 0: it is removed */
	uint32_t lists_out_block;
	uint32_t schema;     /* 1: answers and arguments of tools must be as the schemas say */
	uint32_t moderation; /* pool and 1 */
	uint32_t moderated;  /* SL_CONFIG_WAY_ bits; 0: both */
	uint32_t moderation_ms;
	uint32_t moderation_piece; /* bytes of a stream that are asked about at once */
	uint32_t moderation_hold;  /* bytes of a stream that wait for that; 0: none */
	uint32_t moderation_open;  /* 1: what could not be moderated passes */
	uint32_t refusals;	   /* 1: an answer that only refuses is a wrong one */
	uint32_t languages;	   /* bits 1 << (enum sl_language); 0: any */
	enum sl_config_citation citation;
	const char *citation_pattern; /* wire/citation.h; NULL: none */
	uint32_t empty;		      /* 1: an answer without text or a call is none */
	uint32_t repairs;	      /* times that the same model is asked again */
	uint32_t other;		      /* 1: then the next pool of the route is */
	const char *refusal;	      /* what the client is told when nothing helped */
};

#endif
