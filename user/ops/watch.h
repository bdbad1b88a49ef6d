/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.h - the part of the daemon that looks on and acts: objectives, incidents, roll-outs, audit, chaos.
 *
 *      workers' feeds (request/feed.h)      notices of any layer (base/notice.h)
 *                 |                                   |
 *                 +--- every SL_WATCH_POLL_MS --------+
 *                                |
 *        for each part: record() for each record, notice() for each notice, poll()
 *
 * Each concern is a part with a life of its own (struct sl_watch_part); the table of them is in watch.c, one
 * line each, in the order in which they are asked. A part that cannot be opened is said in the log and left
 * out: the daemon serves all the same. Parts do not call each other: what one finds out the others hear as a
 * notice, in the same turn or the next.
 *
 * Threads: everything on the control thread, but write_metrics(), which any thread may call at any time
 * between open and close. What takes long (a disk, a server) a part does on a thread of its own or as a
 * fiber of the loop.
 */
#ifndef SL_OPS_WATCH_H
#define SL_OPS_WATCH_H

#include "user/base/notice.h"
#include "user/ops/admin.h"
#include "user/ops/page_verdict.h"
#include "user/ops/threads.h"
#include "user/request/feed.h"
#include "user/stage/stage.h"

#define SL_WATCH_POLL_MS 100u

/* What parts may use; borrowed from the daemon, all of it alive from open to close. */
struct sl_watch_place {
	struct sl_loop *loop; /* control */
	struct sl_threads *threads;
	const struct sl_kernel_plane *plane;
	struct sl_route_names *names;
	struct sl_stores *stores;
	struct sl_upstream_state state; /* for an upstream engine of one's own */
	/* Appends the body of GET /metrics; any thread, between open and close. */
	void (*metrics)(void *owner, struct sl_text *text);
	void *owner;
};

struct sl_watch_part {
	const char *word; /* first word of its orders on the admin socket: "slo"; NULL: none */

	/* *ret_part is the argument of the others. -errno: said in the log, the part is left out. */
	int (*open)(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part);
	/* A new configuration is in force; who keeps routes takes a reference. */
	void (*apply)(void *part, struct sl_routes *routes);
	/* Does it want records now? NULL: never. Asked after open and apply. */
	bool (*wants_records)(const void *part);
	void (*record)(void *part, const struct sl_feed_record *record);
	void (*notice)(void *part, const struct sl_notice *notice);
	void (*poll)(void *part, uint64_t now_ms); /* monotonic */
	void (*write_metrics)(void *part, struct sl_text *text);
	/* Adds what the status page's sentence is to tell of it; NULL: nothing. */
	void (*add_facts)(void *part, struct sl_page_facts *facts);
	/* "WORD FORMAT WORDS"; an answer that begins with '!' is an error. */
	void (*say)(void *part, const struct sl_admin_ask *ask, struct sl_text *text);
	/* The daemon drains, or (leaving) another process has taken over: no more questions to nodes, no
	 * change of what both share; may turn the loop. */
	void (*stop)(void *part, bool leaving);
	void (*close)(void *part);
};

struct sl_watch;

/* After the threads have started. Without memory NULL, said in the log. */
void sl_watch_open(const struct sl_watch_place *place, struct sl_routes *routes,
		   struct sl_watch **ret_watch);

/* All below: watch NULL does nothing. */
void sl_watch_apply(struct sl_watch *watch, struct sl_routes *routes);

/* Is there a part of that word? Then it has answered. */
bool sl_watch_say(struct sl_watch *watch, const char *word, const struct sl_admin_ask *ask,
		  struct sl_text *text);

/* Asks all parts. */
void sl_watch_add_facts(struct sl_watch *watch, struct sl_page_facts *facts);

void sl_watch_write_metrics(struct sl_watch *watch, struct sl_text *text);

/* Takes what is there and polls: what the timer does. For it, for the end, for tests. */
void sl_watch_turn(struct sl_watch *watch);

void sl_watch_stop(struct sl_watch *watch, bool leaving);

/* After the workers have ended: takes what they left, then closes the parts, the last one first. */
void sl_watch_close(struct sl_watch **watch);

#endif
