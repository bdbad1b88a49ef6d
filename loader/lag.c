/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/lag.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "loader/lag_queue.h"
#include "loader/lag_tap.h"
#include "loader/record.h"
#include "loader/say.h"
#include "user/base/clock.h"
#include "user/base/random.h"

#define TAPS_MAX  SL_LAGS_MAX
#define READS_MAX 64u /* of one tap, before those that are due have their turn */
#define AGAIN_NS  SL_NS_PER_MS
#define LOOK_NS	  (50u * SL_NS_PER_MS) /* between looks, where nothing is due */

enum state { STARTING = 0, READY, FAILED };

/* A device of the kernel plane. */
struct place {
	uint64_t netns;
	uint32_t ifindex;
};

struct sl_lag_holder {
	const struct sl_view *view;
	uint64_t delay_ns, jitter_ns;
	pthread_t thread;
	pthread_mutex_t lock; /* of state */
	pthread_cond_t changed;
	enum state state;
	struct sl_error error;
	int stop_fd;
	struct sl_lag_tap taps[TAPS_MAX];
	uint32_t tap_count;
	struct pollfd polls[TAPS_MAX + 1]; /* the last: stop_fd */
	uint64_t looked_ns;		   /* at the taps, the last time but this */
	bool slept;			   /* far longer than it meant to */
	struct sl_lag_queue queue;
	struct sl_random random;
	struct sl_lag done; /* words that others read, with atomics */
	uint8_t frame[SL_LAG_FRAME_MAX];
};

static void count(__u64 *word, uint64_t by)
{
	__atomic_fetch_add(word, by, __ATOMIC_RELAXED);
}

/* ---- devices ------------------------------------------------------------------------------- */

static void add_place(struct place *places, uint32_t *place_count, uint64_t netns, uint32_t ifindex)
{
	for (uint32_t i = 0; i < *place_count; i++) {
		if (places[i].netns == netns && places[i].ifindex == ifindex)
			return;
	}
	if (*place_count < TAPS_MAX / 2)
		places[(*place_count)++] = (struct place){netns, ifindex};
}

/* Where the kernel plane is attached, and the devices below VLANs, by which XDP sends their frames. */
static uint32_t find_places(const struct sl_view *view, struct place *places)
{
	struct sl_record records[SL_RECORDS_MAX];
	struct sl_device device;
	uint32_t record_count = 0, place_count = 0, key, *at = NULL;

	sl_record_list(view->dir, records, SL_RECORDS_MAX, &record_count);
	for (uint32_t i = 0; i < record_count; i++)
		add_place(places, &place_count, records[i].netns, records[i].ifindex);
	while (place_count && !bpf_map_get_next_key(view->fds[SL_VIEW_DEVICES], at, &key)) {
		if (!bpf_map_lookup_elem(view->fds[SL_VIEW_DEVICES], &key, &device))
			add_place(places, &place_count, places[0].netns, device.ifindex);
		at = &key;
	}
	return place_count;
}

static int open_tap(struct sl_lag_holder *holder, uint32_t ifindex, enum sl_lag_tap_way way)
{
	struct sl_lag_tap *tap = &holder->taps[holder->tap_count];
	int code = sl_lag_tap_open(holder->view->fds[SL_VIEW_LAG_TAPS], ifindex, way, tap,
				   &holder->error);

	if (code)
		return code == -EOPNOTSUPP ? 0 : code;
	holder->polls[holder->tap_count++] = (struct pollfd){.fd = tap->fd, .events = POLLIN};
	return 0;
}

static int open_taps(struct sl_lag_holder *holder)
{
	struct place places[TAPS_MAX / 2];
	uint32_t place_count = find_places(holder->view, places);
	int code = 0;

	for (uint32_t i = 0; !code && i < place_count; i++) {
		if (sl_netdev_netns() != places[i].netns && sl_netdev_enter_netns(places[i].netns))
			continue; /* gone, and its devices with it */
		code = open_tap(holder, places[i].ifindex, SL_LAG_TAP_OUT);
		if (!code)
			code = open_tap(holder, places[i].ifindex, SL_LAG_TAP_IN);
	}
	if (!code && !holder->tap_count)
		code = sl_error_set(&holder->error, -ENODEV,
				    "the kernel plane is attached to no Ethernet device");
	return code;
}

/* ---- frames -------------------------------------------------------------------------------- */

/* A frame goes on. Returns false: not now. */
static bool send_frame(struct sl_lag_holder *holder, uint32_t way, const uint8_t *bytes,
		       uint32_t len)
{
	int code = sl_lag_tap_write(&holder->taps[way], bytes, len);

	if (code == -EAGAIN)
		return false;
	if (code)
		count(&holder->done.lost, 1);
	return true;
}

/* Of a frame that is read now. When it came, a tap does not say: at worst just after the last look. */
static uint64_t due_of(struct sl_lag_holder *holder)
{
	uint64_t due_ns = (holder->slept ? holder->looked_ns : sl_clock_ns()) + holder->delay_ns;

	if (!holder->jitter_ns)
		return due_ns;
	return due_ns - holder->jitter_ns +
	       sl_random_u64(&holder->random) % (2 * holder->jitter_ns);
}

static void take(struct sl_lag_holder *holder, uint32_t way, uint32_t len)
{
	int code = sl_lag_queue_add(&holder->queue, due_of(holder), way, holder->frame, len);

	count(&holder->done.held, 1);
	if (!code)
		return;
	count(&holder->done.overflow, 1);
	if (!send_frame(holder, way, holder->frame, len))
		count(&holder->done.lost, 1);
}

/* What a tap has. Returns false: it may have more. */
static bool read_tap(struct sl_lag_holder *holder, uint32_t way)
{
	for (uint32_t i = 0; i < READS_MAX; i++) {
		int len = sl_lag_tap_read(&holder->taps[way], holder->frame);

		if (len < 0)
			return true;
		if (len)
			take(holder, way, (uint32_t)len);
	}
	return false;
}

static bool is_late(const struct sl_lag_frame *frame, uint64_t now_ns)
{
	return now_ns > frame->due_ns + SL_LAG_LATE_MS * SL_NS_PER_MS;
}

/* Sends the first one; what the device has no room for waits a moment, and is given up at last. */
static void send_first(struct sl_lag_holder *holder, uint64_t now_ns)
{
	struct sl_lag_frame *frame = sl_lag_queue_peek(&holder->queue);
	bool late = is_late(frame, now_ns);

	if (!send_frame(holder, frame->way, frame->bytes, frame->len)) {
		if (++frame->tries < SL_LAG_TRIES_MAX) {
			uint64_t again_ns = now_ns + AGAIN_NS;

			sl_lag_queue_defer(&holder->queue,
					   again_ns > frame->due_ns ? again_ns : frame->due_ns);
			return;
		}
		count(&holder->done.lost, 1);
	} else if (late) {
		count(&holder->done.late, 1);
	}
	sl_lag_queue_drop(&holder->queue);
}

/* Returns how long nothing is due. */
static uint64_t send_due(struct sl_lag_holder *holder)
{
	uint64_t now_ns = sl_clock_ns();
	const struct sl_lag_frame *frame;

	while ((frame = sl_lag_queue_peek(&holder->queue)) && frame->due_ns <= now_ns)
		send_first(holder, now_ns);
	__atomic_store_n(&holder->done.now, holder->queue.count, __ATOMIC_RELAXED);
	return frame && frame->due_ns - now_ns < LOOK_NS ? frame->due_ns - now_ns : LOOK_NS;
}

/* The experiment is over: what the taps still have, and all that waits, goes on. */
static void send_all(struct sl_lag_holder *holder)
{
	const struct timespec moment = {.tv_nsec = AGAIN_NS};

	for (uint32_t i = 0; i < holder->tap_count; i++) {
		while (!read_tap(holder, i))
			;
	}
	for (uint32_t pauses = 0; holder->queue.count;) {
		struct sl_lag_frame *frame = sl_lag_queue_peek(&holder->queue);
		bool sent = send_frame(holder, frame->way, frame->bytes, frame->len);

		if (!sent && pauses++ < SL_LAG_TRIES_MAX) {
			nanosleep(&moment, NULL);
			continue;
		}
		count(&holder->done.lost, !sent);
		count(&holder->done.late, sent && is_late(frame, sl_clock_ns()));
		sl_lag_queue_drop(&holder->queue);
	}
	__atomic_store_n(&holder->done.now, 0, __ATOMIC_RELAXED);
}

/* ---- the thread ---------------------------------------------------------------------------- */

/* One round. Returns false: it is over. */
static bool look(struct sl_lag_holder *holder)
{
	const struct timespec wait = {.tv_nsec = (long)send_due(holder)};
	struct pollfd *stop = &holder->polls[holder->tap_count];
	int ready = ppoll(holder->polls, holder->tap_count + 1, &wait, NULL);
	uint64_t now_ns = sl_clock_ns();

	holder->slept = now_ns > holder->looked_ns + LOOK_NS + SL_LAG_LATE_MS * SL_NS_PER_MS;
	for (uint32_t i = 0; ready > 0 && i < holder->tap_count; i++) {
		/* after a sleep all of it came meanwhile */
		while (holder->polls[i].revents && !read_tap(holder, i) && holder->slept)
			;
	}
	holder->looked_ns = now_ns;
	holder->slept = false;
	return ready <= 0 || !stop->revents;
}

static void hold(struct sl_lag_holder *holder)
{
	holder->polls[holder->tap_count] = (struct pollfd){.fd = holder->stop_fd, .events = POLLIN};
	holder->looked_ns = sl_clock_ns();
	while (look(holder))
		;
	send_all(holder);
}

static void say_state(struct sl_lag_holder *holder, enum state state)
{
	pthread_mutex_lock(&holder->lock);
	holder->state = state;
	pthread_cond_signal(&holder->changed);
	pthread_mutex_unlock(&holder->lock);
}

static void *run(void *context)
{
	struct sl_lag_holder *holder = context;
	int code = open_taps(holder);

	say_state(holder, code ? FAILED : READY);
	if (!code)
		hold(holder);
	for (uint32_t i = 0; i < holder->tap_count; i++) {
		count(&holder->done.lost, sl_lag_tap_lost(&holder->taps[i]));
		sl_lag_tap_close(&holder->taps[i]);
	}
	return NULL;
}

/* Signals are the command's. */
static int start_thread(struct sl_lag_holder *holder)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&holder->thread, NULL, run, holder);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static void release(struct sl_lag_holder *holder)
{
	if (holder->stop_fd >= 0)
		close(holder->stop_fd);
	sl_lag_queue_fini(&holder->queue);
	free(holder);
}

int sl_lag_open(const struct sl_view *view, uint64_t delay_us, uint64_t jitter_us,
		struct sl_lag_holder **ret_holder)
{
	struct sl_lag_holder *holder = calloc(1, sizeof(*holder));
	int exit_code;

	if (!holder)
		return sl_say_error(NULL, "no memory");
	holder->view = view;
	holder->delay_ns = delay_us * SL_NS_PER_US;
	holder->jitter_ns = jitter_us * SL_NS_PER_US;
	holder->done.delay_us = delay_us;
	holder->done.jitter_us = jitter_us;
	pthread_mutex_init(&holder->lock, NULL);
	pthread_cond_init(&holder->changed, NULL);
	sl_random_init(&holder->random);
	holder->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (holder->stop_fd < 0 ||
	    sl_lag_queue_init(&holder->queue, SL_LAG_FRAMES_MAX, SL_LAG_BYTES_MAX) ||
	    start_thread(holder)) {
		release(holder);
		return sl_say_error(NULL, "no memory, or no thread, to hold packets back");
	}
	pthread_mutex_lock(&holder->lock);
	while (holder->state == STARTING)
		pthread_cond_wait(&holder->changed, &holder->lock);
	pthread_mutex_unlock(&holder->lock);
	if (holder->state == READY) {
		*ret_holder = holder;
		return 0;
	}
	pthread_join(holder->thread, NULL);
	exit_code = sl_say_error("run as root; one experiment `lag` at a time: sluice chaos list",
				 "%s", holder->error.text);
	release(holder);
	return exit_code;
}

void sl_lag_look(const struct sl_lag_holder *holder, struct sl_lag *ret_lag)
{
	const struct sl_lag *done = &holder->done;

	*ret_lag = (struct sl_lag){
		.delay_us = done->delay_us,
		.jitter_us = done->jitter_us,
		.held = __atomic_load_n(&done->held, __ATOMIC_RELAXED),
		.now = __atomic_load_n(&done->now, __ATOMIC_RELAXED),
		.late = __atomic_load_n(&done->late, __ATOMIC_RELAXED),
		.overflow = __atomic_load_n(&done->overflow, __ATOMIC_RELAXED),
		.lost = __atomic_load_n(&done->lost, __ATOMIC_RELAXED),
	};
}

void sl_lag_close(struct sl_lag_holder **holder, struct sl_lag *ret_lag)
{
	uint64_t one = 1;

	if (!holder || !*holder)
		return;
	if (write((*holder)->stop_fd, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes it */
	pthread_join((*holder)->thread, NULL);
	if (ret_lag)
		sl_lag_look(*holder, ret_lag);
	release(*holder);
	*holder = NULL;
}
