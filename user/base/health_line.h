/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * health_line.h - what the daemon tells `sluice` of a node's health beside its breaker: one line a
 * node, in the answer to "health" on the admin socket.
 *
 *	SLOT INCARNATION CHECK ZOMBIES DOUBTFUL HELD_MS RING ZONE REGION	12 3 not_ready 0 0 1250 local a north
 *
 * CHECK is the state of its active checks: none (not checked), unknown, good, not_ready, failing.
 * RING is local, region, spill, or - where rings do not count for its pool; a zone or region that is not said
 * is -, a longer name is cut, and what would end a word stands as _. Of a daemon that says less the rest is
 * empty; words behind the ninth are passed over, so that a daemon may say more. Pure functions.
 */
#ifndef SL_BASE_HEALTH_LINE_H
#define SL_BASE_HEALTH_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_HEALTH_LINE_CHECK_SIZE 12u /* NUL included */
#define SL_HEALTH_LINE_PLACE_SIZE 33u
#define SL_HEALTH_LINES_BYTES_MAX (512u << 10) /* of all nodes */

struct sl_health_line {
	uint32_t slot;
	uint32_t incarnation;
	char check[SL_HEALTH_LINE_CHECK_SIZE];
	uint32_t zombies; /* times its streams were found silent, all of them */
	bool doubtful;	  /* would be ejected but for the cap, or by its next failure */
	uint32_t held_ms; /* gets no new requests for so long: Retry-After, or not ready */
	char ring[SL_HEALTH_LINE_CHECK_SIZE]; /* "": none, in these three */
	char zone[SL_HEALTH_LINE_PLACE_SIZE], region[SL_HEALTH_LINE_PLACE_SIZE];
};

void sl_health_line_write(const struct sl_health_line *line, struct sl_text *text);

/* Reads the line at *at (which is moved past it). False: there is none that is right; the rest is
 * not read then. */
bool sl_health_line_read(const char **at, struct sl_health_line *ret_line);

#endif
