/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * autoscale.h - when an autoscaler is told that a pool is too small, or no more.
 *
 *   state     meaning                                     leaves by
 *   calm      enough nodes                                depth or wait at their threshold -> pressed
 *   pressed   too few                                     both at most half of it for `calm` -> calm
 *
 * Half the threshold, and for a while, so that a queue that is full now and then is one call and not
 * many (hysteresis). Told is each change, and `pressed` once more every `every` while it lasts, for a
 * call may be lost on the other side. Never two within `every`, whatever happens; a change that was
 * taken back before it could be told is not told. A call that failed is repeated with what is so by
 * then, after 1 s doubled with each failure up to a minute, with full jitter above the half.
 *
 * Pure: one state a pool, the caller's; any thread.
 */
#ifndef SL_POLICY_AUTOSCALE_H
#define SL_POLICY_AUTOSCALE_H

#include <stdbool.h>
#include <stdint.h>

#define SL_AUTOSCALE_RETRY_MS	  1000u
#define SL_AUTOSCALE_RETRY_MS_MAX 60000u

struct sl_autoscale_config {
	uint32_t depth;	  /* requests that wait; 0: does not count */
	uint32_t wait_ms; /* of the oldest; 0: does not count */
	uint32_t calm_ms;
	uint32_t every_ms;
};

/* All zero: calm, and known to be. */
struct sl_autoscale {
	bool pressed;
	bool told;		/* "pressed" is what the autoscaler heard last */
	uint32_t failures;	/* calls in a row */
	uint64_t calm_since_ms; /* pressed: at most half since then; 0: more */
	uint64_t told_ms;
	uint64_t next_ms; /* no call before */
};

enum sl_autoscale_call {
	SL_AUTOSCALE_NONE = 0,
	SL_AUTOSCALE_UP,   /* the pool is pressed */
	SL_AUTOSCALE_DOWN, /* it is calm again */
};

/* What is to be told now, if anything. Every second or more often. */
enum sl_autoscale_call sl_autoscale_look(struct sl_autoscale *state,
					 const struct sl_autoscale_config *config, uint32_t depth,
					 uint64_t oldest_ms, uint64_t now_ms);

/* That call was made. random: any number. */
void sl_autoscale_made(struct sl_autoscale *state, const struct sl_autoscale_config *config,
		       enum sl_autoscale_call call, bool ok, uint64_t now_ms, uint32_t random);

#endif
