/* SPDX-License-Identifier: BSD-2-Clause */
/* loop.c - turns, timers by the clock, tasks, posts, stopping, listeners; on both back ends. */
#include "tests/unit/io/pair.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/un.h>

/* ---- timers, tasks, posts --------------------------------------------------------------------- */

struct clocked {
	struct sl_timer timer;
	struct sl_loop *loop;
	uint64_t due_ns;
	int runs, again;
};

static void clocked_expired(struct sl_timer *timer)
{
	struct clocked *clocked = SL_OWNER_OF(timer, struct clocked, timer);

	assert_true(sl_loop_now_ns(clocked->loop) >= clocked->due_ns); /* never early */
	clocked->runs++;
	if (clocked->again-- > 0) {
		clocked->due_ns = sl_loop_now_ns(clocked->loop) + 2000000;
		sl_timer_set(clocked->loop, timer, 2);
	}
}

static void test_timers(void **state)
{
	static const uint64_t delays[] = {0, 1, 2, 3, 5, 20, 70};
	enum { TIMERS = sizeof(delays) / sizeof(delays[0]) };
	struct world world;
	struct clocked timers[TIMERS], far;
	uint64_t start_ns;

	world_open(&world, options_of(state));
	start_ns = sl_loop_now_ns(world.loop);
	for (int i = 0; i < TIMERS; i++) {
		timers[i] = (struct clocked){.loop = world.loop};
		sl_timer_init(&timers[i].timer, clocked_expired);
		timers[i].due_ns = start_ns + delays[i] * 1000000u;
		sl_timer_set(world.loop, &timers[i].timer, delays[i]);
	}
	far = (struct clocked){.loop = world.loop};
	sl_timer_init(&far.timer, clocked_expired);
	sl_timer_set(world.loop, &far.timer, UINT64_MAX);
	timers[2].again = 3;
	sl_timer_cancel(world.loop, &timers[3].timer);
	sl_timer_cancel(world.loop, &timers[3].timer);
	/* Each wait is bounded by the wheel alone. On a machine that stood still the last one may be due with the
	 * others. */
	for (int turn = 0; turn < 1000 && (!timers[TIMERS - 1].runs || timers[2].again >= 0);
	     turn++)
		assert_int_equal(sl_loop_turn(world.loop, -1), 0);
	for (int i = 0; i < TIMERS; i++)
		assert_int_equal(timers[i].runs, i == 3 ? 0 : i == 2 ? 4 : 1);
	assert_int_equal(far.runs, 0);
	sl_timer_cancel(world.loop, &far.timer);
	world_close(&world);
}

struct counted {
	struct sl_task task;
	struct sl_loop *loop;
	int runs, again;
};

static void counted_run(struct sl_task *task)
{
	struct counted *counted = SL_OWNER_OF(task, struct counted, task);

	counted->runs++;
	if (counted->again-- > 0)
		sl_loop_defer(counted->loop, task);
}

static void test_tasks(void **state)
{
	struct world world;
	struct counted once, more, endless;

	world_open(&world, options_of(state));
	once = (struct counted){.loop = world.loop, .task.run = counted_run};
	more = endless = once;
	more.again = 10;
	endless.again = 1000000;
	sl_loop_defer(world.loop, &once.task);
	sl_loop_defer(world.loop, &once.task);
	sl_loop_defer(world.loop, &more.task);
	assert_int_equal(sl_loop_turn(world.loop, 0), 0);
	assert_int_equal(once.runs, 1);
	assert_int_equal(more.runs, 11);
	/* One that never ends must not keep the turn from ending. */
	sl_loop_defer(world.loop, &endless.task);
	assert_int_equal(sl_loop_turn(world.loop, -1), 0);
	assert_true(endless.runs >= (int)SL_LOOP_ROUNDS_MAX && endless.runs < 1000);
	endless.again = 0;
	assert_int_equal(sl_loop_turn(world.loop, 0), 0);
	world_close(&world);
}

enum { POSTS = 20000, POSTERS = 2 };

struct posted {
	struct sl_loop *loop;
	int count[POSTERS];
	int total;
	pthread_t self;
};

struct poster {
	struct posted *posted;
	int id;
};

static void posted_run(void *arg)
{
	struct poster *poster = arg;
	struct posted *posted = poster->posted;

	assert_true(pthread_equal(posted->self, pthread_self()));
	posted->count[poster->id]++;
	if (++posted->total == POSTS * POSTERS)
		sl_loop_stop(posted->loop);
}

static void *run_poster(void *arg)
{
	struct poster *poster = arg;

	for (int i = 0; i < POSTS; i++)
		if (sl_loop_post(poster->posted->loop, posted_run, poster))
			abort();
	return NULL;
}

static void test_posts(void **state)
{
	struct world world;
	struct posted posted = {.total = 0};
	struct poster posters[POSTERS];
	pthread_t threads[POSTERS];

	world_open(&world, options_of(state));
	posted.loop = world.loop;
	posted.self = pthread_self();
	for (int i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){.posted = &posted, .id = i};
		pthread_create(&threads[i], NULL, run_poster, &posters[i]);
	}
	assert_int_equal(sl_loop_run(world.loop), 0);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(posted.count[i], POSTS);
	}
	/* What is posted and never run is freed. */
	assert_int_equal(sl_loop_post(world.loop, posted_run, &posters[0]), 0);
	sl_listener_close(&world.listener);
	sl_loop_stop(world.loop);
	assert_int_equal(sl_loop_run(world.loop), 0); /* stopped before it began */
	world.loop->stop = false;
	posted.total = 0;
	world_close(&world);
}

static void *run_loop(void *arg)
{
	sl_loop_run(arg);
	return NULL;
}

/* Opened by one thread, turned by another, closed by the first: as a daemon does at start. */
static void test_other_thread(void **state)
{
	struct sl_loop *loop;
	pthread_t thread;
	struct posted posted = {.total = POSTS * POSTERS - 1};
	struct poster poster = {.posted = &posted};

	assert_int_equal(sl_loop_open(options_of(state), &loop), 0);
	posted.loop = loop;
	pthread_create(&thread, NULL, run_loop, loop);
	posted.self = thread;
	assert_int_equal(sl_loop_post(loop, posted_run, &poster), 0);
	pthread_join(thread, NULL);
	assert_int_equal(posted.count[0], 1);
	sl_loop_close(&loop);
	assert_null(loop);
	sl_loop_close(&loop);
}

static void test_backend_by_environment(void **state)
{
	struct sl_loop_options options = {.backend = SL_IO_AUTO};
	struct sl_loop *loop;

	(void)state;
	setenv("SLUICE_IO", "epoll", 1);
	assert_int_equal(sl_loop_open(&options, &loop), 0);
	assert_string_equal(sl_loop_backend(loop), "epoll");
	sl_loop_close(&loop);
	setenv("SLUICE_IO", "uring", 1);
	assert_int_equal(sl_loop_open(&options, &loop), 0);
	assert_string_equal(sl_loop_backend(loop), "io_uring");
	sl_loop_close(&loop);
	/* What the configuration says outweighs the environment. */
	options.backend = SL_IO_EPOLL;
	assert_int_equal(sl_loop_open(&options, &loop), 0);
	assert_string_equal(sl_loop_backend(loop), "epoll");
	sl_loop_close(&loop);
	options = (struct sl_loop_options){.backend = SL_IO_URING, .recv_buffers = 3};
	assert_int_equal(sl_loop_open(&options, &loop), -EINVAL);
	unsetenv("SLUICE_IO");
}

/* ---- listeners -------------------------------------------------------------------------------- */

static int connect_plain(const struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)), 0);
	return fd;
}

static void test_accept_storm(void **state)
{
	enum { CLIENTS = 300 };
	struct world world;
	int fds[CLIENTS];

	world_open(&world, options_of(state));
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = connect_plain(&world.addr);
	TURN_UNTIL(&world, world.accepted == CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
	assert_int_equal(world.listener.accept_errors, 0);
	world_close(&world);
}

static void test_accept_pause(void **state)
{
	struct world world;
	int fd;

	world_open(&world, options_of(state));
	assert_int_equal(sl_loop_turn(world.loop, 0), 0);
	sl_listener_pause(&world.listener);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
	fd = connect_plain(&world.addr); /* the backlog takes it */
	for (int i = 0; i < 10; i++)
		assert_int_equal(sl_loop_turn(world.loop, 1), 0);
	assert_int_equal(world.accepted, 0);
	sl_listener_resume(&world.listener);
	TURN_UNTIL(&world, world.accepted == 1);
	close(fd);
	world_close(&world);
}

/* No descriptor is left: counted, no spinning, and served as soon as there is one. */
static void test_accept_no_descriptor(void **state)
{
	struct world world;
	struct rlimit before, tight;
	struct clocked clocked;
	int fd, hole, turns = 0;

	world_open(&world, options_of(state));
	fd = connect_plain(&world.addr);
	/* Before the first accept: the ring notes the limit with the request. */
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	hole = dup(fd);
	close(hole);
	tight.rlim_cur = (rlim_t)hole; /* the next one free is out of bounds */
	setrlimit(RLIMIT_NOFILE, &tight);
	TURN_UNTIL(&world, world.listener.accept_errors || world.accepted);
	assert_int_equal(world.accepted, 0);
	clocked = (struct clocked){.loop = world.loop};
	sl_timer_init(&clocked.timer, clocked_expired);
	sl_timer_set(world.loop, &clocked.timer, 3 * SL_LISTENER_RETRY_MS);
	for (; turns < 1000 && !clocked.runs; turns++)
		assert_int_equal(sl_loop_turn(world.loop, -1), 0);
	assert_true(turns < 40); /* woken by timers only: the connection waits, nothing spins */
	assert_true(world.listener.accept_errors >= 2);
	setrlimit(RLIMIT_NOFILE, &before);
	TURN_UNTIL(&world, world.accepted == 1);
	close(fd);
	world_close(&world);
}

struct unix_world {
	struct sl_listener listener;
	int accepted;
};

static void unix_accepted(struct sl_listener *listener, int fd, const struct sockaddr *peer)
{
	SL_OWNER_OF(listener, struct unix_world, listener)->accepted++;
	assert_int_equal(peer->sa_family, AF_UNIX);
	close(fd);
}

static void test_unix(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct unix_world first = {.listener.accepted = unix_accepted}, second = first;
	struct sl_loop *loop;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/sluice-io-test.%d", getpid());
	assert_int_equal(sl_loop_open(options_of(state), &loop), 0);
	assert_int_equal(sl_listener_open(&first.listener, loop, (struct sockaddr *)&addr,
					  sizeof(addr), 8, false),
			 0);
	/* Served: refused. */
	assert_int_equal(sl_listener_open(&second.listener, loop, (struct sockaddr *)&addr,
					  sizeof(addr), 8, false),
			 -EADDRINUSE);
	sl_listener_close(&first.listener);
	for (int i = 0; i < 20 && first.listener.fd >= 0; i++)
		assert_int_equal(sl_loop_turn(loop, 10), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sl_loop_turn(loop, 0), 0);
	/* Left behind: replaced. */
	assert_int_equal(sl_listener_open(&second.listener, loop, (struct sockaddr *)&addr,
					  sizeof(addr), 8, false),
			 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	for (int i = 0; i < 100 && !second.accepted; i++)
		assert_int_equal(sl_loop_turn(loop, 1), 0);
	assert_int_equal(second.accepted, 1);
	sl_listener_close(&second.listener);
	for (int i = 0; i < 20 && second.listener.fd >= 0; i++)
		assert_int_equal(sl_loop_turn(loop, 10), 0);
	sl_loop_close(&loop);
	close(fd);
	unlink(addr.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BACKENDS(test_timers),
		ON_BACKENDS(test_tasks),
		ON_BACKENDS(test_posts),
		ON_BACKENDS(test_other_thread),
		cmocka_unit_test(test_backend_by_environment),
		ON_BACKENDS(test_accept_storm),
		ON_BACKENDS(test_accept_pause),
		ON_BACKENDS(test_accept_no_descriptor),
		ON_BACKENDS(test_unix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
