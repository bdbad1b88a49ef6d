/* See server.h. */
#include "tests/standin/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/standin/conn.h"

enum { BACKLOG = 4096, ACCEPTS_A_TURN_MAX = 256, ADDRESS_LEN_MAX = 128 };

/* What epoll's data points to is told apart by these tags in the lowest bits. */
enum { TAG_CONN = 0, TAG_LISTENER = 1, TAG_WAKE = 2, TAG_MASK = 3 };

static void read_clocks(struct sl_worker *worker)
{
	struct timespec mono, wall;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME_COARSE, &wall);
	worker->now_ns = (uint64_t)mono.tv_sec * 1000000000ull + (uint64_t)mono.tv_nsec;
	worker->now_s = wall.tv_sec;
}

void sl_worker_wake(struct sl_worker *worker)
{
	uint64_t one = 1;
	ssize_t ignored = write(worker->inbox.event_fd, &one, sizeof(one));

	(void)ignored;
}

/* Accepts what waits. The listener is edge-triggered: when more is left than one turn takes, the
 * worker is woken again for it. */
static void accept_conns(struct sl_worker *worker, struct sl_listener *listener)
{
	for (int i = 0; i < ACCEPTS_A_TURN_MAX; i++) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			sl_conn_open(worker, fd, listener->admin);
		else if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
	struct epoll_event event = {.events = EPOLLIN | EPOLLET,
				    .data.u64 = (uint64_t)(uintptr_t)listener | TAG_LISTENER};
	epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, listener->fd, &event);
}

static void drop_conns(struct sl_worker *worker)
{
	struct sl_conn *next;

	for (struct sl_conn *conn = worker->conns; conn; conn = next) {
		next = conn->next;
		if (!conn->admin)
			sl_conn_drop(conn);
	}
}

static void act(struct sl_worker *worker, const struct epoll_event *event)
{
	void *target = (void *)(uintptr_t)(event->data.u64 & ~(uint64_t)TAG_MASK);
	uint64_t count;

	switch (event->data.u64 & TAG_MASK) {
	case TAG_CONN:
		sl_conn_event(target, event->events);
		return;
	case TAG_LISTENER:
		accept_conns(worker, target);
		return;
	default:
		if (read(worker->inbox.event_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			perror("standin: eventfd");
	}
}

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void *serve(void *context)
{
	struct sl_worker *worker = context;
	struct epoll_event events[SL_EVENT_COUNT_MAX];
	struct sl_ticket *ticket;
	struct sl_timer *timer;

	for (;;) {
		read_clocks(worker);
		int wait_ms = atomic_load(&worker->inbox.full)
				      ? 0
				      : sl_wheel_wait_ms(&worker->wheel, worker->now_ns);
		int count = epoll_wait(worker->epoll_fd, events, SL_EVENT_COUNT_MAX, wait_ms);
		if (count < 0 && errno != EINTR) {
			perror("standin: epoll_wait");
			exit(1);
		}
		read_clocks(worker);
		for (int i = 0; i < count; i++)
			act(worker, &events[i]);
		while ((timer = sl_wheel_take(&worker->wheel, worker->now_ns)))
			sl_conn_timer(container_of(timer, struct sl_conn, timer));
		while ((ticket = sl_model_take(&worker->server->model, &worker->inbox)))
			sl_conn_granted(container_of(ticket, struct sl_conn, job.ticket));
		if (atomic_exchange_explicit(&worker->drop_all, false, memory_order_acq_rel))
			drop_conns(worker);
	}
	return NULL;
}

static int resolve(const char *address, struct sockaddr_storage *ret_addr, socklen_t *ret_len)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char host[ADDRESS_LEN_MAX];
	const char *colon = strrchr(address, ':');

	if (!colon || strlen(address) >= sizeof(host))
		return -EINVAL;
	const char *from = address[0] == '[' ? address + 1 : address;
	const char *to = colon > from && colon[-1] == ']' ? colon - 1 : colon;
	memcpy(host, from, (size_t)(to - from));
	host[to - from] = 0;
	if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found))
		return -EINVAL;
	memcpy(ret_addr, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

/* A port that another process serves could be shared with it unnoticed, half of the connections going
 * there: USE_CHECK binds without SO_REUSEPORT, which that process, whoever it is, makes fail. */
enum use { USE_CHECK, USE_BIND, USE_LISTEN };

/* Binds a socket, and listens on it. TCP_NODELAY is inherited by the sockets that are accepted. */
static int open_socket(const struct sockaddr_storage *addr, socklen_t len, enum use use,
		       int *ret_fd)
{
	int on = 1;
	int fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (use != USE_CHECK)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)addr, len) ||
	    (use == USE_LISTEN && listen(fd, BACKLOG))) {
		int err = -errno;

		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static int add_listener(struct sl_worker *worker, const struct sockaddr_storage *addr,
			socklen_t len, bool admin)
{
	struct sl_server *server = worker->server;
	struct sl_listener *listener = &server->listeners[server->listener_count];
	int err = open_socket(addr, len, USE_LISTEN, &listener->fd);

	if (err)
		return err;
	listener->admin = admin;
	listener->worker = worker;
	server->listener_count++;
	struct epoll_event event = {.events = EPOLLIN | EPOLLET,
				    .data.u64 = (uint64_t)(uintptr_t)listener | TAG_LISTENER};
	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) ? -errno : 0;
}

static void announce(const struct sl_server *server, const struct sockaddr_storage *addr,
		     socklen_t len, bool admin)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo((const struct sockaddr *)addr, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	printf(addr->ss_family == AF_INET6 ? "standin %s: %s on [%s]:%s\n"
					   : "standin %s: %s on %s:%s\n",
	       server->options.name, admin ? "admin" : "listening", host, port);
	fflush(stdout);
}

/* Turns port 0 into a port that is free. The probe must stay open until all workers are bound to
 * it, each by number: a port that bind() chose is given up when a listening socket is shut down. */
static int choose_port(struct sockaddr_storage *addr, socklen_t len, int *ret_probe_fd)
{
	int fd;
	int err = open_socket(addr, len, USE_BIND, &fd);

	if (err)
		return err;
	getsockname(fd, (struct sockaddr *)addr, &len);
	*ret_probe_fd = fd;
	return 0;
}

static int check_free(const struct sockaddr_storage *addr, socklen_t len)
{
	int fd;
	int err = open_socket(addr, len, USE_CHECK, &fd);

	if (!err)
		close(fd);
	return err;
}

static bool has_port(const struct sockaddr_storage *addr)
{
	return addr->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)addr)->sin6_port != 0
					   : ((const struct sockaddr_in *)addr)->sin_port != 0;
}

/* Opens an address for all workers that serve it. */
static int open_address(struct sl_server *server, const char *address, bool admin)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int probe_fd = -1;
	int err = resolve(address, &addr, &len);

	if (!err)
		err = has_port(&addr) ? check_free(&addr, len) : choose_port(&addr, len, &probe_fd);
	for (unsigned int i = 0; !err && i < (admin ? 1 : server->options.threads); i++)
		err = add_listener(&server->workers[i], &addr, len, admin);
	if (probe_fd >= 0)
		close(probe_fd);
	if (err)
		fprintf(stderr, "standin: cannot listen on %s: %s (expected ADDR:PORT, free)\n",
			address, strerror(-err));
	else
		announce(server, &addr, len, admin);
	return err;
}

static int init_worker(struct sl_server *server, unsigned int index)
{
	struct sl_worker *worker = &server->workers[index];
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = TAG_WAKE};

	worker->server = server;
	worker->index = index;
	worker->input = malloc(SL_READ_LEN_MAX);
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->inbox.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!worker->input || worker->epoll_fd < 0 || worker->inbox.event_fd < 0)
		return -errno;
	read_clocks(worker);
	sl_wheel_init(&worker->wheel, worker->now_ns);
	if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->inbox.event_fd, &event))
		return -errno;
	return 0;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		perror("standin: cannot raise the descriptor limit");
}

static int init_server(struct sl_server *server, const struct sl_options *options,
		       const struct sl_model *settings)
{
	server->options = *options;
	server->workers = calloc(options->threads, sizeof(*server->workers));
	if (!server->workers)
		return -ENOMEM;
	sl_model_init(&server->model);
	atomic_store(&server->model.slots, atomic_load(&settings->slots));
	atomic_store(&server->model.kv_limit_tokens, atomic_load(&settings->kv_limit_tokens));
	atomic_store(&server->model.token_ns, atomic_load(&settings->token_ns));
	atomic_store(&server->model.prefill_ns_per_token,
		     atomic_load(&settings->prefill_ns_per_token));
	atomic_store(&server->headers_first, options->headers_first);
	sl_fault_set_init(&server->faults, options->seed);
	pthread_mutex_init(&server->record_lock, NULL);
	for (unsigned int i = 0; i < options->threads; i++) {
		int err = init_worker(server, i);

		if (err) {
			fprintf(stderr, "standin: cannot start worker %u: %s\n", i, strerror(-err));
			return err;
		}
	}
	return 0;
}

int sl_server_run(const struct sl_options *options, const struct sl_model *settings)
{
	struct sl_server *server = calloc(1, sizeof(*server));
	int err = server ? init_server(server, options, settings) : -ENOMEM;

	raise_descriptor_limit();
	for (unsigned int i = 0; !err && i < options->address_count; i++)
		err = open_address(server, options->addresses[i], false);
	if (!err && options->admin)
		err = open_address(server, options->admin, true);
	for (unsigned int i = 1; !err && i < options->threads; i++)
		err = -pthread_create(&server->workers[i].thread, NULL, serve, &server->workers[i]);
	if (err)
		return err;
	serve(&server->workers[0]);
	return 0;
}

struct sl_names sl_server_names(struct sl_server *server)
{
	struct sl_names names = {"", ""};

	if (!atomic_load(&server->renamed))
		return names;
	pthread_mutex_lock(&server->record_lock);
	names = server->names;
	pthread_mutex_unlock(&server->record_lock);
	return names;
}

int sl_server_refuse(struct sl_server *server, bool refuse)
{
	int err = 0;

	if (atomic_exchange(&server->refusing, refuse) == refuse)
		return 0;
	for (unsigned int i = 0; i < server->listener_count; i++) {
		struct sl_listener *listener = &server->listeners[i];

		if (listener->admin)
			continue;
		if (refuse ? shutdown(listener->fd, SHUT_RD) : listen(listener->fd, BACKLOG))
			err = -errno;
	}
	return err;
}

void sl_server_drop(struct sl_server *server)
{
	for (unsigned int i = 0; i < server->options.threads; i++) {
		atomic_store(&server->workers[i].drop_all, true);
		sl_worker_wake(&server->workers[i]);
	}
}
