/* SPDX-License-Identifier: BSD-2-Clause */
/* attempt_parts.h - what attempt*.c share. Internal to them. */
#ifndef SL_UPSTREAM_ATTEMPT_PARTS_H
#define SL_UPSTREAM_ATTEMPT_PARTS_H

#include "user/upstream/attempt.h"

/*
 * The callbacks' way to end it; detail NULL: as it is. The fiber must not use it: it would wake itself from
 * its next wait.
 */
void sl_attempt_finish(struct sl_attempt *attempt, enum sl_ending ending, const char *detail);

/* The same for the fiber. */
void sl_attempt_conclude(struct sl_attempt *attempt, enum sl_ending ending, const char *detail);

/* How an answer of the attempt's status and fault ends. */
enum sl_ending sl_attempt_ending_of_status(const struct sl_attempt *attempt);

/*
 * Experiments run: does one mean this attempt? True: it does not begin now; it is over, held until
 * held_until_ns, or waits for an answer that never comes.
 */
bool sl_attempt_is_struck(struct sl_attempt *attempt);

/* The request of an attempt that is struck goes out. */
void sl_attempt_strike_sent(struct sl_attempt *attempt);

/* Looks for the first event with a token, or an error, among what is held. */
void sl_attempt_scan_stream(struct sl_attempt *attempt);

/* Is the last line held the stream's terminator? Then only the framing's end is missing. */
bool sl_attempt_held_is_whole(const struct sl_attempt *attempt);

/* Is it looked at which model the answer is of? */
bool sl_attempt_asks_model(const struct sl_attempt *attempt);

/*
 * What a whole answer says of its model; fingerprint may be NULL. False: it is another one than asked for
 * where that is a failure, and the attempt is finished.
 */
bool sl_attempt_take_names(struct sl_attempt *attempt, const struct sl_json_field *model,
			   const struct sl_json_field *fingerprint);

/* The same of an event's data, until one has named it. */
bool sl_attempt_read_names(struct sl_attempt *attempt, const char *data, size_t len);

#endif
