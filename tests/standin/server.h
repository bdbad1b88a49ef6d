/* The server: its options, its workers, its listening sockets.
 *
 * Owns: the listening sockets (one a worker and address, SO_REUSEPORT), the workers and their
 * threads, the service model and the live faults, which all workers share. A worker is a thread
 * with an epoll instance, a timer wheel and scratch buffers; a connection belongs to one worker for
 * life. Worker 0 also has the admin listener.
 *
 * Refusing: the listening sockets are shut down, which makes Linux leave the LISTEN state and
 * answer connects with RST, and are put back with listen(); no descriptor is closed, so any thread
 * may do it.
 *
 * System calls: per wake-up one epoll_wait for up to SL_EVENT_COUNT_MAX connections; per request on
 * an open connection one recv and one send (a pipelined batch shares both); per streamed token due
 * alone one send; tokens due in the same millisecond share one; timers cost none.
 */
#ifndef TESTS_STANDIN_SERVER_H
#define TESTS_STANDIN_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/standin/buf.h"
#include "tests/standin/counters.h"
#include "tests/standin/fault.h"
#include "tests/standin/model.h"
#include "tests/standin/wheel.h"

enum {
	SL_THREAD_COUNT_MAX = 64,
	SL_ADDRESS_COUNT_MAX = 8,
	SL_MODEL_COUNT_MAX = 8,
	SL_EVENT_COUNT_MAX = 256,
	SL_NAME_LEN_MAX = 64,
	SL_READ_LEN_MAX = 64 * 1024,
};

struct sl_options {
	const char *addresses[SL_ADDRESS_COUNT_MAX];
	unsigned int address_count;
	const char *models[SL_MODEL_COUNT_MAX]; /* none: any name is served */
	unsigned int model_count;
	const char *admin;
	const char *name;
	unsigned int threads;
	uint64_t seed;
	uint64_t context_tokens;
	uint64_t reply_tokens; /* natural length of a text; 0: by its key */
	bool headers_first;
};

struct sl_worker {
	struct sl_server *server;
	struct sl_inbox inbox;
	struct sl_wheel wheel;
	struct sl_buf out;     /* what the connection at work sends */
	struct sl_buf body;    /* a body before its length is known */
	struct sl_buf scratch; /* decoding */
	char *input;	       /* SL_READ_LEN_MAX */
	uint64_t now_ns;
	int64_t now_s; /* wall clock, for `created` */
	uint64_t next_id;
	struct sl_conn *conns; /* open ones */
	struct sl_conn *spare;
	struct sl_counters counters;
	_Atomic bool drop_all; /* asked to reset every connection */
	int epoll_fd;
	unsigned int index;
	pthread_t thread;
};

struct sl_listener {
	int fd;
	bool admin;
	struct sl_worker *worker;
};

enum { SL_SAYS_LEN_MAX = 128 };

/* What answers say instead of the truth, escaped for JSON; "": the truth. */
struct sl_names {
	char model[SL_SAYS_LEN_MAX];
	char fingerprint[SL_SAYS_LEN_MAX];
};

struct sl_server {
	struct sl_options options;
	struct sl_model model;
	struct sl_fault_set faults;
	struct sl_worker *workers;
	struct sl_listener listeners[SL_THREAD_COUNT_MAX * SL_ADDRESS_COUNT_MAX + 1];
	unsigned int listener_count;
	_Atomic bool headers_first;
	_Atomic bool rubbish; /* whole answers are JSON that answers nothing */
	_Atomic bool refusing;
	_Atomic bool recording;
	pthread_mutex_t record_lock;
	struct sl_buf record; /* the last request to arrive, as it arrived */
	_Atomic bool paged;
	_Atomic bool renamed;
	struct sl_names names; /* while renamed; under record_lock */
	struct sl_buf page;    /* what /metrics says instead of the truth; under record_lock */
};

/* Opens everything, prints an address a line, and serves until the process is ended. Returns only
 * when it cannot start: -errno, after a message on stderr. */
int sl_server_run(const struct sl_options *options, const struct sl_model *settings);

/* Makes connects be refused, or accepted again. -errno when a socket cannot listen again. */
int sl_server_refuse(struct sl_server *server, bool refuse);

/* The names that answers say now. */
struct sl_names sl_server_names(struct sl_server *server);

/* Asks all workers to reset their connections, all but admin ones. */
void sl_server_drop(struct sl_server *server);

/* Makes a worker look at its flags and its inbox. */
void sl_worker_wake(struct sl_worker *worker);

#endif
