/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - the status page: is it well, what is broken, what did sluice do.
 *
 *   admin socket, page.listen --HTTP--> admin.c --> sl_page_http(): who may (page_auth.h)
 *        /, /page.css, ...      bytes of the daemon (page_asset.h), by their ETag
 *        /status.json           the next snapshot
 *        /events                every snapshot, as server-sent events, to SL_ADMIN_STAY_MAX at most
 *        POST /act/...          page_act.h
 *
 * One snapshot an interval, whoever watches:
 *
 *   control thread             a thread of its own            control thread
 *   timer, or somebody asks -> look (page_count.h), and   ->  sent to all who wait
 *   parts of the watch say     where somebody waits the
 *   theirs (short)             snapshot (page_say.h)
 *
 *   idle --order--> ordered --the thread takes it--> made (posted) --control--> idle
 *
 * What is long (thousands of nodes, hundreds of routes) is so never on a loop's thread. Nobody watches: only the
 * look is taken, for the plots' past. The page cannot hold up requests: it reads what the threads count.
 */
#ifndef SL_OPS_PAGE_H
#define SL_OPS_PAGE_H

#include "user/ops/metrics.h"
#include "user/ops/page_auth.h"
#include "user/ops/watch.h"

struct sl_page;

/* Borrowed from the daemon, alive from open to close; pointers to pointers: what is in force at the time. */
struct sl_page_place {
	struct sl_loop *loop; /* control */
	struct sl_admin *admin;
	const struct sl_metrics_source *metrics;
	struct sl_upstream_state state;
	struct sl_watch *const *watch;
	struct sl_routes *const *routes;
	const bool *ends; /* the daemon drains */
};

/* After the threads have started. What fails is said in the log: the daemon serves all the same. */
void sl_page_open(const struct sl_page_place *place, struct sl_page **ret_page);

/* All below: page NULL does nothing (sl_page_http: 503). */

/* A new configuration is in force: its interval, and the token as the file has it now. */
void sl_page_apply(struct sl_page *page);

/* Is the path one of the page's? */
bool sl_page_has(struct sl_span path);

/* Refuses a request, and counts it; page NULL: it is refused all the same. */
void sl_page_refuse(struct sl_page *page, enum sl_page_refusal why, struct sl_admin_reply *reply);

/* Answers a request for one of its paths, or of somebody who came by page.listen (remote). */
void sl_page_http(struct sl_page *page, const struct sl_admin_request *request, bool remote,
		  const char *who, struct sl_text *text, struct sl_admin_reply *reply);

/* Any thread. */
void sl_page_write_metrics(const struct sl_page *page, struct sl_text *text);

/* Turns the loop. Before the admin socket, the watch and the threads close. */
void sl_page_close(struct sl_page **page);

#endif
