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

struct sl_thread {
	struct sl_threads *all;
	pthread_t thread;
	struct sl_loop *loop;
	struct sl_worker *worker;
	int listen_fds[SL_CONFIG_LISTEN_MAX];
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
	struct sl_cache *cache;
	const struct sl_worker_hooks *hooks;
};

struct sl_threads {
	struct sl_thread *threads;
	uint32_t count;
	struct sl_worker *workers[SL_THREADS_MAX];
	struct sl_threads_shared shared;
	pthread_mutex_t start_lock;
	pthread_cond_t started;
	uint32_t started_count;
};

/* What an upstream engine of this daemon shares with those of the threads. */
struct sl_upstream_state sl_threads_upstream(const struct sl_threads_shared *shared);

/* Memory for as many threads as the configuration says. Returns 0 or -ENOMEM. */
int sl_threads_init(struct sl_threads *threads, const struct sl_config *config);

/* One listening socket a thread and address of `listen`. Returns 0 or -errno (and has said why). */
int sl_threads_listen(struct sl_threads *threads, const struct sl_config *config);

/* Starts them all and waits until each serves or has failed. Returns 0 or -errno of the first. */
int sl_threads_start(struct sl_threads *threads, const struct sl_threads_shared *shared);

/* A new snapshot for every worker; each gets a reference of its own. */
void sl_threads_set_routes(struct sl_threads *threads, struct sl_routes *routes);

/* No new connections; each thread ends by itself when its last one is gone. */
void sl_threads_drain(struct sl_threads *threads);
/* Cuts what is left. */
void sl_threads_abort(struct sl_threads *threads);
/* Is one still running? */
bool sl_threads_are_running(const struct sl_threads *threads);

/* Ends the loops and waits for the threads. */
void sl_threads_stop(struct sl_threads *threads);

/* Frees all; only after an orderly drain. */
void sl_threads_fini(struct sl_threads *threads);

#endif
