/* SPDX-License-Identifier: BSD-2-Clause */
/* validate_version.c - a number for what a route's checks ask of an answer. See validate_parts.h. */
#include <string.h>

#include "user/stage/validate_parts.h"

#define FNV_START 14695981039346656037u
#define FNV_STEP  1099511628211u

uint64_t sl_validate_version(const struct sl_config_validate *v, const char *moderation)
{
	const uint32_t settings[] = {
		v->pii_in,	    v->pii_in_found,	v->pii_out,   v->pii_out_found,
		v->lists_in_block,  v->lists_out_block, v->schema,    v->moderated,
		v->moderation_open, v->refusals,	v->languages, v->citation,
		v->empty,
	};
	uint64_t hash = FNV_START;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		hash = (hash ^ settings[i]) * FNV_STEP;
	for (; *moderation; moderation++)
		hash = (hash ^ (uint8_t)*moderation) * FNV_STEP;
	return hash;
}
