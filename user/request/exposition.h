/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exposition.h - answers GET /metrics without holding up a loop.
 *
 *   loop: sl_exposition_answer() -> list of askers -> one thread writes a page for all that wait
 *     -> each asker's loop, a piece of SL_EXPOSITION_PIECE_BYTES a turn -> the client
 *
 * A page of 1,000 nodes is some megabytes: to write it takes milliseconds, and even to copy it at once would
 * hold up the streams of that loop. So the page is written on a thread of its own (not one of the pool of
 * work: a busy pool must not blind who watches), shared by all that asked before it was begun, and copied
 * as fast as the client takes it. A client that leaves meanwhile is forgotten when its page comes.
 *
 * Costs on a loop thread: a list and a lock for the question, then a copy of 256 KiB a turn. The longest of
 * these is in /metrics (sluice_scrape_loop_seconds_max, CPU time of the thread).
 *
 * Full (SL_EXPOSITION_ASKERS_MAX wait, or read a page slowly, which it keeps alive): 503 with Retry-After, counted.
 */
#ifndef SL_REQUEST_EXPOSITION_H
#define SL_REQUEST_EXPOSITION_H

#include "user/base/text.h"
#include "user/http/server.h"

#define SL_EXPOSITION_PIECE_BYTES (256u << 10)
#define SL_EXPOSITION_BYTES_MAX	  (64u << 20) /* of a page */
#define SL_EXPOSITION_ASKERS_MAX  64u	      /* that wait for a page or read one */

struct sl_exposition;
struct sl_worker;

/* write(owner): appends the page; on the thread of the exposition, from now until close. Returns 0, -ENOMEM,
 * -EAGAIN. */
int sl_exposition_open(void (*write)(void *owner, struct sl_text *text), void *owner,
		       struct sl_exposition **ret_exposition);

/* The loop's thread: answers that exchange, now or later. */
void sl_exposition_answer(struct sl_exposition *exposition, struct sl_worker *worker,
			  struct sl_exchange *conn);

/* Its own numbers. Any thread. */
void sl_exposition_write_metrics(struct sl_exposition *exposition, struct sl_text *text);

/* Ends the thread. When the loops have ended: nobody waits any more. NULLs the pointer; NULL is fine. */
void sl_exposition_close(struct sl_exposition **exposition);

#endif
