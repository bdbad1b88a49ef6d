/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * citation.h - citations of an operator's own form: an expression (regex.h) that says what one looks like,
 * and by a group named `chunk`, where it has one, what in it names the document:
 *
 *	\[doc:(?<chunk>[a-z0-9.-]+)\]      given: chunk 3 with id "leave.md-1" of "leave.md"
 *
 *	[doc:leave.md-1]  cites            by its id,
 *	[doc:leave.md]    cites            by its document's name,
 *	[doc:3]           cites            or by its number
 *	[doc:other.md]    does not         nothing of that name was given
 *
 * The group's place is taken by what was given, so that no citation of it need be cut out of the text;
 * names that the group itself does not match are not tried. Where what stands behind the group may be
 * nothing, or begins with . or [^, a name must end where the text does or before a byte that is no letter
 * or digit: `doc (?<chunk>[0-9]+)` does not find chunk 1 in "doc 12". Pure; any thread. Takes time by the length
 * of the text, at most SL_CITATION_STEPS.
 */
#ifndef SL_WIRE_CITATION_H
#define SL_WIRE_CITATION_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/error.h"
#include "user/base/text.h"

#define SL_CITATION_PATTERN_MAX 512u
#define SL_CITATION_STEPS \
	2000000u /* of the search: some ms; a text that takes more cites nothing */

/* What the model was given. */
struct sl_citation_chunk {
	uint32_t number; /* as the model saw it, from 1 */
	const char *id;	 /* "" */
	const char *document;
};

/* Has the expression a group named `chunk`? */
bool sl_citation_names_chunk(const char *pattern);

/* 0; -EINVAL or -E2BIG with what is wrong with the expression; -ENOMEM. */
int sl_citation_check(const char *pattern, struct sl_error *error);

/*
 * Is there a citation in the text, of one of these chunks where the expression names them? Returns 1 or
 * 0; -E2BIG: it cannot be told within the bounds; -ENOMEM; -EINVAL as sl_citation_check().
 */
int sl_citation_find(const char *pattern, struct sl_span text,
		     const struct sl_citation_chunk *chunks, uint32_t count);

#endif
