/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/io/work.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include "user/base/clock.h"
#include "user/io/fiber.h"

#define THREADS_MIN 2u
#define THREADS_FEW 8u
#define LOOK_NS	    20000000u

/*
 * Held by the pool, and by the fiber that waits; what is not the pool's alone is under its lock.
 *
 *   waits   fiber   meaning
 *   yes     set     the fiber is parked; whoever finishes the job sends it a wake-up
 *   no      -       nobody waits (posted, timed out): the pool drops the argument
 */
struct job {
	struct job *next;
	void (*run)(void *arg);
	void (*drop)(void *arg);
	void *arg;
	struct sl_loop *loop;
	struct sl_fiber *fiber; /* its loop's thread alone */
	uint64_t since_ns;
	uint32_t refs;
	bool waits;
	bool over; /* set under the lock, read without: a loop never waits for a thread of the pool */
	int error; /* of one that will not run; before `over` */
};

struct sl_work {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t told; /* telling is 0 again */
	uint32_t telling;    /* loops that are being told, without the lock */
	struct job *head, **tail;
	bool stop;
	struct sl_work_stats stats;
	pthread_t threads[SL_WORK_THREADS_MAX];
};

/* Without the lock. */
static void put_job(struct job *job)
{
	if (__atomic_sub_fetch(&job->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(job);
}

/* The loop's thread: the job is over. */
static void on_over(void *arg)
{
	struct job *job = arg;

	if (job->fiber)
		sl_fiber_wake(job->fiber);
	put_job(job);
}

/*
 * The pool's end of a job, under the lock. Returns true when the argument is to be dropped; else its fiber is
 * to be told, by tell() without the lock: the loop's thread that this wakes may want the lock at once, to
 * hand over the next job.
 */
static bool end_job(struct sl_work *work, struct job *job, int error)
{
	job->error = error;
	__atomic_store_n(&job->over, true, __ATOMIC_RELEASE);
	if (!job->waits) {
		work->stats.abandoned += job->loop != NULL;
		return true;
	}
	__atomic_add_fetch(&job->refs, 1, __ATOMIC_RELAXED);
	work->telling++;
	return false;
}

/* Without memory for the post the fiber sees the end at its deadline. */
static void tell(struct sl_work *work, struct job *job)
{
	if (sl_loop_post(job->loop, on_over, job))
		__atomic_sub_fetch(&job->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&work->lock);
	if (!--work->telling)
		pthread_cond_broadcast(&work->told);
	pthread_mutex_unlock(&work->lock);
}

/* Behind end_job(), without the lock. */
static void part_with(struct sl_work *work, struct job *job, bool with_arg)
{
	if (!with_arg)
		tell(work, job);
	else if (job->drop)
		job->drop(job->arg);
	put_job(job);
}

static struct job *take_job(struct sl_work *work)
{
	struct job *job = work->head;

	work->head = job->next;
	if (!work->head)
		work->tail = &work->head;
	work->stats.queued--;
	return job;
}

static void *run_jobs(void *arg)
{
	struct sl_work *work = arg;
	uint64_t start_ns, end_ns;
	struct job *job;
	bool mine;

	pthread_mutex_lock(&work->lock);
	for (;;) {
		while (!work->head && !work->stop)
			pthread_cond_wait(&work->wake, &work->lock);
		if (work->stop)
			break;
		job = take_job(work);
		work->stats.running++;
		pthread_mutex_unlock(&work->lock);
		start_ns = sl_clock_ns();
		job->run(job->arg);
		end_ns = sl_clock_ns();
		pthread_mutex_lock(&work->lock);
		work->stats.running--;
		work->stats.done++;
		work->stats.run_ns += end_ns - start_ns;
		work->stats.wait_ns += start_ns - job->since_ns;
		mine = end_job(work, job, 0);
		pthread_mutex_unlock(&work->lock);
		part_with(work, job, mine);
		pthread_mutex_lock(&work->lock);
	}
	pthread_mutex_unlock(&work->lock);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static uint32_t default_threads(void)
{
	cpu_set_t cpus;
	uint32_t count = 1;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		count = (uint32_t)CPU_COUNT(&cpus) / 2u;
	if (count < THREADS_MIN)
		return THREADS_MIN;
	return count < THREADS_FEW ? count : THREADS_FEW;
}

int sl_work_open(uint32_t threads, struct sl_work **ret_work)
{
	struct sl_work *work = calloc(1, sizeof(*work));
	sigset_t all, before;
	int rc = 0;

	if (!work)
		return -ENOMEM;
	if (!threads)
		threads = default_threads();
	if (threads > SL_WORK_THREADS_MAX)
		threads = SL_WORK_THREADS_MAX;
	work->tail = &work->head;
	pthread_mutex_init(&work->lock, NULL);
	pthread_cond_init(&work->wake, NULL);
	pthread_cond_init(&work->told, NULL);
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!rc && work->stats.threads < threads) {
		rc = -pthread_create(&work->threads[work->stats.threads], NULL, run_jobs, work);
		work->stats.threads += !rc;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		sl_work_close(&work);
	else
		*ret_work = work;
	return rc;
}

void sl_work_close(struct sl_work **work_in)
{
	struct sl_work *work = *work_in;
	struct job *job;
	uint32_t i;
	bool mine;

	*work_in = NULL;
	if (!work)
		return;
	pthread_mutex_lock(&work->lock);
	work->stop = true;
	pthread_cond_broadcast(&work->wake);
	while (work->head) {
		job = take_job(work);
		mine = end_job(work, job, -ESHUTDOWN);
		pthread_mutex_unlock(&work->lock);
		part_with(work, job, mine);
		pthread_mutex_lock(&work->lock);
	}
	pthread_mutex_unlock(&work->lock);
	for (i = 0; i < work->stats.threads; i++)
		pthread_join(work->threads[i], NULL);
	pthread_cond_destroy(&work->told);
	pthread_cond_destroy(&work->wake);
	pthread_mutex_destroy(&work->lock);
	free(work);
}

void sl_work_settle(struct sl_work *work)
{
	if (!work)
		return;
	pthread_mutex_lock(&work->lock);
	while (work->telling)
		pthread_cond_wait(&work->told, &work->lock);
	pthread_mutex_unlock(&work->lock);
}

/* ---- handing over ---------------------------------------------------------------------------- */

static int hand_over(struct sl_work *work, struct job *job)
{
	int rc = 0;

	job->since_ns = sl_clock_ns();
	pthread_mutex_lock(&work->lock);
	if (work->stop) {
		rc = -ESHUTDOWN;
	} else if (work->stats.queued >= SL_WORK_QUEUE_MAX) {
		work->stats.refused++;
		rc = -EAGAIN;
	} else {
		*work->tail = job;
		work->tail = &job->next;
		work->stats.queued++;
		pthread_cond_signal(&work->wake);
	}
	pthread_mutex_unlock(&work->lock);
	return rc;
}

static bool is_over(const struct job *job)
{
	return __atomic_load_n(&job->over, __ATOMIC_ACQUIRE);
}

/* Returns true when the job was over after all. */
static bool leave(struct sl_work *work, struct job *job)
{
	bool over;

	pthread_mutex_lock(&work->lock);
	over = job->over;
	job->waits = false;
	pthread_mutex_unlock(&work->lock);
	return over;
}

/* Out of the queue, where it still waits in it: then the pool knows nothing of it any more. */
static bool take_back(struct sl_work *work, struct job *job)
{
	struct job **at;
	bool found;

	pthread_mutex_lock(&work->lock);
	for (at = &work->head; *at && *at != job; at = &(*at)->next)
		;
	found = *at != NULL;
	if (found) {
		*at = job->next;
		if (!*at)
			work->tail = at;
		work->stats.queued--;
	}
	pthread_mutex_unlock(&work->lock);
	return found;
}

/* A job of the running fiber, in the queue. */
static int begin_job(struct sl_work *work, struct sl_loop *loop, void (*run)(void *arg),
		     void (*drop)(void *arg), void *arg, struct job **ret_job)
{
	struct job *job;
	int rc;

	if (!work)
		return -ESHUTDOWN;
	job = malloc(sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){.run = run, .drop = drop, .arg = arg, .loop = loop};
	job->fiber = sl_fiber_self(loop);
	job->refs = 2;
	job->waits = true;
	rc = hand_over(work, job);
	if (rc)
		free(job);
	else
		*ret_job = job;
	return rc;
}

static void end_wait(struct job *job)
{
	job->fiber = NULL; /* a wake-up that is under way is nobody's */
	put_job(job);
}

int sl_work_run(struct sl_work *work, struct sl_loop *loop, void (*run)(void *arg),
		void (*drop)(void *arg), void *arg, uint64_t deadline_ns, const bool *gone)
{
	struct job *job;
	int rc = begin_job(work, loop, run, drop, arg, &job);

	if (rc)
		return rc;
	while (!is_over(job) && !rc) {
		if (gone && *gone)
			rc = -ECANCELED;
		else if (sl_fiber_park(loop, deadline_ns))
			rc = -ETIMEDOUT;
	}
	if (!rc || leave(work, job))
		rc = job->error;
	end_wait(job);
	return rc;
}

int sl_work_run_whole(struct sl_work *work, struct sl_loop *loop, void (*run)(void *arg), void *arg)
{
	struct job *job;
	int rc = begin_job(work, loop, run, NULL, arg, &job);

	if (rc)
		return rc;
	/* the end may not be told for want of memory, so it looks by itself as well */
	while (!is_over(job)) {
		if (!sl_fiber_park(loop, sl_loop_now_ns(loop) + LOOK_NS) || !take_back(work, job))
			continue;
		put_job(job); /* the pool's */
		rc = -ETIMEDOUT;
		break;
	}
	if (!rc)
		rc = job->error;
	end_wait(job);
	return rc;
}

int sl_work_post(struct sl_work *work, void (*run)(void *arg), void (*drop)(void *arg), void *arg)
{
	struct job *job;
	int rc;

	if (!work)
		return -ESHUTDOWN;
	job = malloc(sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){.run = run, .drop = drop, .arg = arg, .refs = 1};
	rc = hand_over(work, job);
	if (rc)
		free(job);
	return rc;
}

void sl_work_read_stats(struct sl_work *work, struct sl_work_stats *ret_stats)
{
	*ret_stats = (struct sl_work_stats){0};
	if (!work)
		return;
	pthread_mutex_lock(&work->lock);
	*ret_stats = work->stats;
	pthread_mutex_unlock(&work->lock);
}
