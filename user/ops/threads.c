/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/threads.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "user/base/address.h"
#include "user/base/log.h"
#include "user/io/turns.h"
#include "user/ops/takeover.h"
#include "user/request/arm.h"
#include "user/store/flights.h"

#define BACKLOG	      4096
#define DRAIN_POLL_MS 10u

/* ---- memory and sockets ---------------------------------------------------------------------- */

static uint32_t cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return (uint32_t)CPU_COUNT(&set);
}

int sl_threads_init(struct sl_threads *threads, const struct sl_config *config)
{
	uint32_t i;

	pthread_mutex_init(&threads->start_lock, NULL);
	pthread_cond_init(&threads->started, NULL);
	threads->count = config->threads;
	if (!threads->count)
		threads->count = config->listen_count ? cpu_count() : 1;
	if (threads->count > SL_THREADS_MAX)
		threads->count = SL_THREADS_MAX;
	threads->threads = calloc(threads->count, sizeof(*threads->threads));
	if (!threads->threads || sl_flights_open(&threads->flights))
		return -ENOMEM;
	for (i = 0; i < threads->count; i++) {
		threads->threads[i].all = threads;
		threads->workers[i] = calloc(1, sizeof(*threads->workers[i]));
		threads->threads[i].worker = threads->workers[i];
		if (!threads->workers[i])
			return -ENOMEM;
	}
	return 0;
}

static int open_listener(const struct sl_endpoint *endpoint)
{
	struct sockaddr_storage address;
	socklen_t address_len = sl_address_to_sockaddr(endpoint, &address);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, error;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, address_len) || listen(fd, BACKLOG)) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int open_socket(const struct sl_endpoint *endpoint)
{
	char text[SL_ADDRESS_TEXT_SIZE];
	int fd = open_listener(endpoint);

	if (fd < 0)
		sl_log(SL_LOG_ERROR,
		       "listen %s: %s (is another program on this port? see: ss -ltnp)",
		       sl_address_format(endpoint, text), strerror(-fd));
	return fd;
}

static void add_socket(struct sl_thread *thread, int fd, uint32_t address)
{
	thread->sockets[thread->socket_count++] = (struct sl_thread_socket){fd, address};
}

static bool is_at(int fd, const struct sl_endpoint *wanted)
{
	struct sockaddr_storage name;
	socklen_t name_len = sizeof(name);
	struct sl_endpoint endpoint = {0};

	return fd >= 0 && !getsockname(fd, (struct sockaddr *)&name, &name_len) &&
	       !sl_address_from_sockaddr((struct sockaddr *)&name, name_len, &endpoint) &&
	       !memcmp(&endpoint.addr, &wanted->addr, sizeof(endpoint.addr)) &&
	       endpoint.port == wanted->port;
}

/* Gives the taken sockets of an address out in turn. Returns how many there were, or -E2BIG. */
static int adopt_sockets(struct sl_threads *threads, struct sl_takeover *takeover,
			 const struct sl_endpoint *endpoint, uint32_t address)
{
	uint32_t i, adopted = 0;

	for (i = 0; takeover && i < takeover->count; i++) {
		struct sl_thread *thread = &threads->threads[adopted % threads->count];

		if (!is_at(takeover->sockets[i], endpoint))
			continue;
		if (thread->socket_count == SL_WORKER_LISTENERS_MAX) {
			sl_log(SL_LOG_ERROR,
			       "takeover: threads: %u are too few for the sockets of the running "
			       "daemon (at most %u a thread; raise threads)",
			       threads->count, SL_WORKER_LISTENERS_MAX);
			return -E2BIG;
		}
		add_socket(thread, takeover->sockets[i], address);
		takeover->sockets[i] = -1;
		adopted++;
	}
	return (int)adopted;
}

int sl_threads_listen(struct sl_threads *threads, const struct sl_config *config,
		      struct sl_takeover *takeover)
{
	uint32_t t, i;

	for (i = 0; i < config->listen_count; i++) {
		int adopted = adopt_sockets(threads, takeover, &config->listen[i], i);

		if (adopted < 0)
			return adopted;
		for (t = (uint32_t)adopted; t < threads->count; t++) {
			int fd = threads->threads[t].socket_count < SL_WORKER_LISTENERS_MAX
					 ? open_socket(&config->listen[i])
					 : -E2BIG;

			if (fd < 0)
				return fd;
			add_socket(&threads->threads[t], fd, i);
		}
	}
	return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

static void note_started(struct sl_thread *thread, int error)
{
	struct sl_threads *threads = thread->all;

	pthread_mutex_lock(&threads->start_lock);
	thread->error = error;
	threads->started_count++;
	pthread_cond_signal(&threads->started);
	pthread_mutex_unlock(&threads->start_lock);
}

struct sl_upstream_state sl_threads_upstream(const struct sl_threads_shared *shared)
{
	return (struct sl_upstream_state){
		.nodes = shared->plane->nodes,
		.pools = shared->plane->pools,
		.tunables = shared->plane->tunables,
		.retries = shared->retries,
		.peers = shared->peers,
		.kernel_measures = shared->plane->bpf,
	};
}

static int start_worker(struct sl_thread *thread)
{
	const struct sl_threads_shared *shared = &thread->all->shared;
	const struct sl_config *config = shared->routes->config;
	struct sl_loop_options options = {.backend = config->io_backend};
	struct sl_upstream_state state = sl_threads_upstream(shared);
	uint32_t i;
	int rc = sl_loop_open(&options, &thread->loop);

	if (rc)
		return rc;
	if (config->measure_turns)
		rc = sl_turns_open(thread->loop);
	if (rc)
		return rc;
	rc = sl_worker_init(thread->worker, thread->loop, &state, sl_routes_get(shared->routes),
			    sl_keyring_get(shared->ring), shared->hooks);
	thread->worker->cache = shared->cache;
	thread->worker->flights = thread->all->flights;
	thread->worker->stores = shared->stores;
	thread->worker->desk.rooms = shared->rooms;
	if (shared->io && strcmp(shared->io, sl_loop_backend(thread->loop))) {
		sl_log(SL_LOG_ERROR,
		       "takeover: io: the running daemon uses %s, this one %s (set io to the same, "
		       "or start anew)",
		       shared->io, sl_loop_backend(thread->loop));
		return -EPROTOTYPE;
	}
	for (i = 0; i < thread->socket_count && !rc; i++)
		rc = sl_worker_listen(thread->worker, thread->sockets[i].fd,
				      thread->sockets[i].address);
	return rc;
}

static void *thread_main(void *arg)
{
	struct sl_thread *thread = arg;
	int rc = start_worker(thread);

	note_started(thread, rc);
	if (rc)
		return NULL;
	rc = sl_loop_run(thread->loop);
	if (rc)
		sl_log(SL_LOG_ERROR, "worker: event loop broke: %s", strerror(-rc));
	return NULL;
}

int sl_threads_start(struct sl_threads *threads, const struct sl_threads_shared *shared)
{
	uint32_t i;
	int rc = 0;

	threads->shared = *shared;
	for (i = 0; i < threads->count; i++) {
		struct sl_thread *thread = &threads->threads[i];

		rc = pthread_create(&thread->thread, NULL, thread_main, thread);
		if (rc)
			return -rc;
		thread->started = thread->running = true;
	}
	pthread_mutex_lock(&threads->start_lock);
	while (threads->started_count < threads->count)
		pthread_cond_wait(&threads->started, &threads->start_lock);
	pthread_mutex_unlock(&threads->start_lock);
	for (i = 0; i < threads->count && !rc; i++)
		rc = threads->threads[i].error;
	return rc;
}

/* ---- configuration --------------------------------------------------------------------------- */

struct new_routes {
	struct sl_worker *worker;
	struct sl_routes *routes;
};

static void set_routes(void *arg)
{
	struct new_routes *message = arg;

	sl_worker_set_routes(message->worker, message->routes);
	free(message);
}

void sl_threads_set_routes(struct sl_threads *threads, struct sl_routes *routes)
{
	uint32_t i;

	for (i = 0; i < threads->count; i++) {
		struct new_routes *message = malloc(sizeof(*message));

		if (!message)
			continue;
		*message = (struct new_routes){threads->workers[i], sl_routes_get(routes)};
		if (sl_loop_post(threads->threads[i].loop, set_routes, message)) {
			sl_routes_put(&message->routes);
			free(message);
		}
	}
}

struct new_candidate {
	struct sl_worker *worker;
	struct sl_routes *routes;
	uint8_t id;
};

static void set_candidate(void *arg)
{
	struct new_candidate *message = arg;

	sl_worker_set_candidate(message->worker, message->routes, message->id);
	free(message);
}

void sl_threads_set_candidate(struct sl_threads *threads, struct sl_routes *routes, uint8_t id)
{
	for (uint32_t i = 0; i < threads->count; i++) {
		struct new_candidate *message = malloc(sizeof(*message));

		if (!message)
			continue; /* its id is another one: the thread serves the baseline */
		*message = (struct new_candidate){threads->workers[i],
						  routes ? sl_routes_get(routes) : NULL, id};
		if (sl_loop_post(threads->threads[i].loop, set_candidate, message)) {
			if (message->routes)
				sl_routes_put(&message->routes);
			free(message);
		}
	}
}

/* ---- drain ----------------------------------------------------------------------------------- */

static void on_drain_timer(struct sl_timer *timer)
{
	struct sl_thread *thread =
		(struct sl_thread *)((char *)timer - offsetof(struct sl_thread, drain_timer));

	if (!sl_worker_is_idle(thread->worker)) {
		sl_timer_set(thread->loop, timer, DRAIN_POLL_MS);
		return;
	}
	sl_upstream_drain(&thread->worker->upstream);
	if (thread->worker->upstream.conn_count) {
		sl_timer_set(thread->loop, timer, DRAIN_POLL_MS);
		return;
	}
	__atomic_store_n(&thread->running, false, __ATOMIC_RELEASE);
	sl_loop_stop(thread->loop);
}

static void drain_worker(void *arg)
{
	struct sl_thread *thread = arg;

	sl_worker_drain(thread->worker);
	if (!thread->drain_timer.expired)
		sl_timer_init(&thread->drain_timer, on_drain_timer);
	sl_timer_set(thread->loop, &thread->drain_timer, 0);
}

static void hand_over_worker(void *arg)
{
	struct sl_thread *thread = arg;

	sl_worker_hand_over(thread->worker);
	sl_timer_init(&thread->drain_timer, on_drain_timer);
	sl_timer_set(thread->loop, &thread->drain_timer, DRAIN_POLL_MS);
}

static void abort_worker(void *arg)
{
	struct sl_thread *thread = arg;

	sl_worker_abort(thread->worker);
}

static void post_all(struct sl_threads *threads, void (*run)(void *arg))
{
	uint32_t i;

	for (i = 0; i < threads->count; i++)
		sl_loop_post(threads->threads[i].loop, run, &threads->threads[i]);
}

void sl_threads_drain(struct sl_threads *threads)
{
	post_all(threads, drain_worker);
}

void sl_threads_hand_over(struct sl_threads *threads)
{
	post_all(threads, hand_over_worker);
}

void sl_threads_abort(struct sl_threads *threads)
{
	post_all(threads, abort_worker);
}

bool sl_threads_are_running(const struct sl_threads *threads)
{
	bool running = false;
	uint32_t i;

	for (i = 0; i < threads->count; i++)
		running |= __atomic_load_n(&threads->threads[i].running, __ATOMIC_ACQUIRE);
	return running;
}

/* ---- end ------------------------------------------------------------------------------------- */

void sl_threads_stop(struct sl_threads *threads)
{
	uint32_t i;

	for (i = 0; i < threads->count; i++) {
		struct sl_thread *thread = &threads->threads[i];

		if (!thread->started)
			continue;
		if (thread->loop)
			sl_loop_stop(thread->loop);
		pthread_join(thread->thread, NULL);
	}
	if (threads->shared.stores)
		sl_work_settle(threads->shared.stores->work);
}

void sl_threads_fini(struct sl_threads *threads)
{
	uint32_t i;

	for (i = 0; i < threads->count; i++) {
		if (threads->threads[i].loop) {
			sl_worker_fini(threads->workers[i]);
			sl_loop_close(&threads->threads[i].loop);
		}
		free(threads->workers[i]);
	}
	sl_flights_close(&threads->flights); /* with what was on its way to one of the loops */
	free(threads->threads);
	pthread_mutex_destroy(&threads->start_lock);
	pthread_cond_destroy(&threads->started);
}
