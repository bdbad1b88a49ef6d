/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * threads.h - the worker threads of the daemon: listening sockets, start, hand-outs, drain, end.
 *
 *   state of a thread   meaning                                     leaves by
 *   prepared            memory and listening sockets                start
 *   running             its loop turns                              drain, stop
 *   draining            no new connections; open requests end       its last connection, abort
 *   ended               not `running`; its loop still exists        fini
 *
 * Everything here is for the control thread; what reaches a worker goes through its loop's post.
 */
#ifndef SL_OPS_THREADS_H
#define SL_OPS_THREADS_H

#include <pthread.h>
#include "user/kernel/plane.h"
#include "user/request/worker.h"

#define SL_THREADS_MAX 256u

struct sl_threads;
struct sl_takeover;

struct sl_thread_socket {
	int fd;
	uint32_t address; /* index into `listen` */
};

struct sl_thread {
	struct sl_threads *all;
	pthread_t thread;
	struct sl_loop *loop;
	struct sl_worker *worker;
	struct sl_thread_socket sockets[SL_WORKER_LISTENERS_MAX];
	uint32_t socket_count;
	struct sl_timer drain_timer;
	bool started; /* pthread_create succeeded */
	bool running;
	int error; /* of its start */
};

/* What all of them share; borrowed until sl_threads_stop(). */
struct sl_threads_shared {
	struct sl_routes *routes; /* at the start */
	struct sl_keyring *ring;  /* at the start */
	struct sl_kernel_plane *plane;
	struct sl_upstream_retries *retries;
	struct sl_peers *peers;
	struct sl_cache *cache;
	const struct sl_stores *stores;
	struct sl_rooms *rooms;
	const struct sl_worker_hooks *hooks;
	const char *io; /* the event back end that they must have; NULL: any */
};

struct sl_threads {
	struct sl_thread *threads;
	uint32_t count;
	struct sl_worker *workers[SL_THREADS_MAX];
	struct sl_threads_shared shared;
	struct sl_flights *flights; /* calls under way, of all threads */
	pthread_mutex_t start_lock;
	pthread_cond_t started;
	uint32_t started_count;
};

/* What an upstream engine of this daemon shares with those of the threads. */
struct sl_upstream_state sl_threads_upstream(const struct sl_threads_shared *shared);

/* Memory for as many threads as the configuration says. Returns 0 or -ENOMEM. */
int sl_threads_init(struct sl_threads *threads, const struct sl_config *config);

/*
 * One listening socket a thread and address of `listen`: those of the takeover as far as they go
 * (NULL: none), which may be several for a thread, and new ones. Returns 0 or -errno (and has said
 * why).
 */
int sl_threads_listen(struct sl_threads *threads, const struct sl_config *config,
		      struct sl_takeover *takeover);

/* Starts them all and waits until each serves or has failed. Returns 0 or -errno of the first. */
int sl_threads_start(struct sl_threads *threads, const struct sl_threads_shared *shared);

/* A new snapshot for every worker; each gets a reference of its own. */
void sl_threads_set_routes(struct sl_threads *threads, struct sl_routes *routes);

/* The same of a candidate: request/arm.h. routes NULL: none any more. */
void sl_threads_set_candidate(struct sl_threads *threads, struct sl_routes *routes, uint8_t id);

/* No new connections; each thread ends by itself when its last one is gone. */
void sl_threads_drain(struct sl_threads *threads);
/* The same, but idle connections stay until their next request, whose answer closes them, or their
 * time-out: nobody's request meets a connection that has just been closed. */
void sl_threads_hand_over(struct sl_threads *threads);
/* Cuts what is left. */
void sl_threads_abort(struct sl_threads *threads);
/* Is one still running? */
bool sl_threads_are_running(const struct sl_threads *threads);

/* Ends the loops and waits for the threads. */
void sl_threads_stop(struct sl_threads *threads);

/* Frees all; only after an orderly drain. */
void sl_threads_fini(struct sl_threads *threads);

#endif
