/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.h - one worker thread's share of the daemon: listeners, clients, requests, upstream.
 *
 * Threads share nothing but node states, the configuration snapshot and the cache of answers with its
 * calls under way. Everything here belongs to
 * the loop's thread; other threads reach it through sl_loop_post(), and read `stats`.
 */
#ifndef SL_REQUEST_WORKER_H
#define SL_REQUEST_WORKER_H

#include "user/base/text.h"
#include "user/http/server.h"
#include "user/request/feed.h"
#include "user/request/reqlog.h"
#include "user/request/room.h"
#include "user/request/routes.h"
#include "user/request/stats.h"
#include "user/request/traces.h"
#include "user/request/trail.h"
#include "user/store/cache.h"
#include "user/upstream/upstream.h"

struct sl_beside;
struct sl_exposition;
struct sl_request;
struct sl_relay;
struct sl_flights;
struct sl_resume;
struct sl_stores;

/* A thread may have several sockets of an address, where a takeover brought more than threads. */
#define SL_WORKER_LISTENERS_MAX (4u * SL_CONFIG_LISTEN_MAX)

/* Calls to what lies above. */
struct sl_worker_hooks {
	void *owner;
	struct sl_exposition *exposition; /* answers GET /metrics */
	/* Answers GET /ready: true when the daemon should get traffic; reason for people. The routes
	 * are the worker's: those of the daemon change in a reload. */
	bool (*ready)(void *owner, const struct sl_routes *routes, const char **ret_reason);
};

struct sl_worker {
	struct sl_loop *loop;
	const struct sl_worker_hooks *hooks;
	struct sl_server server;
	struct sl_upstream upstream;
	struct sl_listener listeners[SL_WORKER_LISTENERS_MAX];
	struct sl_endpoint listen[SL_WORKER_LISTENERS_MAX];
	struct sl_tls_server *listener_tls[SL_WORKER_LISTENERS_MAX]; /* NULL: plain */
	uint32_t listener_count;
	struct sl_routes *routes;
	struct sl_routes *candidate; /* that are rolled out: arm.h; NULL: none */
	uint8_t candidate_id;
	struct sl_keyring *keyring;
	struct sl_stats stats;
	struct sl_slab relays;
	struct sl_slab message_relays; /* those that translate: larger */
	struct sl_request *free_requests;
	uint32_t free_request_count;
	uint32_t requests_max;
	uint32_t stream_buffer_bytes_max;
	uint32_t gather_us; /* see relay.c */
	struct sl_relay *relay_list;
	struct sl_cache *cache;		/* of all threads; NULL: keeps nothing */
	struct sl_flights *flights;	/* the same: calls under way */
	const struct sl_stores *stores; /* of the stages, of all threads */
	struct sl_trails trails;
	struct sl_reqlog reqlog;
	struct sl_feed feed;
	struct sl_traces traces;
	struct sl_desk desk;	   /* its waiting requests */
	struct sl_beside *besides; /* see beside.h */
	uint32_t beside_count;
	uint32_t along_count; /* of them with a stream */
	uint32_t jobs; /* of no client, on fibers of its loop: it is not idle before they end */
	uint32_t feedbacks; /* of the jobs: see feedback.c */
	bool draining;
};

/* Takes the references of routes and keyring, also on failure. */
int sl_worker_init(struct sl_worker *worker, struct sl_loop *loop,
		   const struct sl_upstream_state *state, struct sl_routes *routes,
		   struct sl_keyring *keyring, const struct sl_worker_hooks *hooks);

/* Takes a listening descriptor over, of the address at that index of `listen`. */
int sl_worker_listen(struct sl_worker *worker, int fd, uint32_t address);

/* A new snapshot counts for requests from now on. Takes the reference. */
void sl_worker_set_routes(struct sl_worker *worker, struct sl_routes *routes);

/* The same for a new ring of keys. */
void sl_worker_set_keyring(struct sl_worker *worker, struct sl_keyring *keyring);

/* Stops accepting; idle connections close, the others after their answer. */
void sl_worker_drain(struct sl_worker *worker);

/* The same for a process that another one replaces: idle connections stay until their next request
 * or time-out, and what the kernel has accepted for us is served. */
void sl_worker_hand_over(struct sl_worker *worker);

/* Cuts whatever is left. */
void sl_worker_abort(struct sl_worker *worker);

/* True when no client connection, request or upstream connection is left. */
bool sl_worker_is_idle(const struct sl_worker *worker);
void sl_worker_fini(struct sl_worker *worker);

/* One log line for a breaker's change, in the same words for both planes. */
void sl_worker_log_change(const char *pool, const char *node,
			  const struct sl_breaker_change *change);

/* ---- for request.c and relay.c --------------------------------------------------------------- */

/* What a client connection's `user` points to while its request is under way. */
struct sl_client_owner {
	void (*gone)(struct sl_client_owner *self);
	void (*drained)(struct sl_client_owner *self);
};

#endif
