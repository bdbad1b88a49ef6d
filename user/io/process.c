/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "user/base/clock.h"

#define LOOK_MS	    20 /* between two looks at its end and at the cancel flag */
#define VALUE_BYTES 1024u

struct run {
	const struct sl_process_plan *plan;
	int in, out; /* our ends; -1: closed */
	pid_t pid;
	size_t written, read;
	size_t last_len;
	bool last_ended; /* the next byte begins another line */
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- start ----------------------------------------------------------------------------------- */

static int spawn(struct run *run, int child_in, int child_out, char *const *words, char *const *env)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&files, child_in, 0);
	posix_spawn_file_actions_adddup2(&files, child_out, 1);
	posix_spawn_file_actions_adddup2(&files, child_out, 2);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	error = posix_spawn(&run->pid, words[0], &files, &attributes, words, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return -error;
}

static int start(struct run *run)
{
	static const char *const inherited[] = {"PATH", "HOME", "LANG"};
	const struct sl_process_plan *plan = run->plan;
	char values[3][VALUE_BYTES];
	char *words[SL_PROCESS_WORDS_MAX + 1] = {NULL}, *env[SL_PROCESS_ENV_MAX + 4] = {NULL};
	uint32_t count = 0;
	int in[2], out[2], error;

	if (!plan->word_count || plan->word_count > SL_PROCESS_WORDS_MAX ||
	    plan->env_count > SL_PROCESS_ENV_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < plan->word_count; i++)
		words[i] = (char *)plan->words[i];
	for (uint32_t i = 0; i < plan->env_count; i++)
		env[count++] = (char *)plan->env[i];
	for (size_t i = 0; i < sizeof(inherited) / sizeof(inherited[0]); i++) {
		const char *value = getenv(inherited[i]);

		if (!value)
			continue;
		snprintf(values[i], sizeof(values[i]), "%s=%s", inherited[i], value);
		env[count++] = values[i];
	}
	if (pipe2(in, O_CLOEXEC))
		return -errno;
	if (pipe2(out, O_CLOEXEC)) {
		error = -errno;
		close(in[0]);
		close(in[1]);
		return error;
	}
	error = spawn(run, in[0], out[1], words, env);
	close(in[0]);
	close(out[1]);
	run->in = in[1];
	run->out = out[0];
	fcntl(run->in, F_SETFL, O_NONBLOCK);
	fcntl(run->out, F_SETFL, O_NONBLOCK);
	return error;
}

/* ---- while it runs --------------------------------------------------------------------------- */

static void feed(struct run *run)
{
	const struct sl_process_plan *plan = run->plan;
	ssize_t len = 0;

	if (run->written < plan->input_len)
		len = write(run->in, (const char *)plan->input + run->written,
			    plan->input_len - run->written);
	if (len > 0)
		run->written += (size_t)len;
	if (run->written == plan->input_len || (len < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&run->in);
}

static void follow_last(struct run *run, const char *bytes, size_t len)
{
	const struct sl_process_plan *plan = run->plan;

	for (size_t i = 0; plan->last && i < len; i++) {
		if (bytes[i] == '\n') {
			run->last_ended = true;
			continue;
		}
		if (run->last_ended)
			run->last_len = 0;
		run->last_ended = false;
		if (run->last_len + 1 < plan->last_size)
			plan->last[run->last_len++] = bytes[i];
	}
}

/* Reads on beyond what is kept: a program that says much must not wait for us. */
static void listen_to(struct run *run)
{
	const struct sl_process_plan *plan = run->plan;
	char buffer[4096];
	ssize_t len = read(run->out, buffer, sizeof(buffer));
	size_t room = plan->output_size - 1 - run->read;

	if (len > 0) {
		size_t kept = (size_t)len < room ? (size_t)len : room;

		memcpy(plan->output + run->read, buffer, kept);
		run->read += kept;
		follow_last(run, buffer, (size_t)len);
	}
	if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&run->out);
}

/* One round of both pipes, at most LOOK_MS. */
static void exchange(struct run *run, int wait_ms)
{
	struct pollfd ends[2] = {{.fd = run->in, .events = POLLOUT},
				 {.fd = run->out, .events = POLLIN}};

	if (poll(ends, 2, wait_ms) <= 0)
		return;
	if (ends[0].revents)
		feed(run);
	if (ends[1].revents)
		listen_to(run);
}

static bool is_cancelled(const struct sl_process_plan *plan)
{
	return plan->cancel && __atomic_load_n(plan->cancel, __ATOMIC_RELAXED);
}

/* Returns 0, or -errno: it has ended unseen, or (-EPERM) it outlives its kill. */
static int await(struct run *run, uint64_t until_ms, bool *ret_killed, int *ret_status)
{
	pid_t ended;

	while ((ended = waitpid(run->pid, ret_status, WNOHANG)) == 0) {
		uint64_t now_ms = sl_clock_ms();

		if (!*ret_killed && (now_ms >= until_ms || is_cancelled(run->plan))) {
			*ret_killed = true;
			until_ms = now_ms + SL_PROCESS_DEATH_MS;
			kill(-run->pid, SIGKILL);
		} else if (*ret_killed && now_ms >= until_ms) {
			return -EPERM;
		}
		exchange(run, LOOK_MS);
	}
	if (ended < 0)
		return -errno;
	/* what it said last; whoever else holds the pipe is not waited for */
	for (int i = 0; i < 64 && run->out >= 0; i++) {
		struct pollfd end = {.fd = run->out, .events = POLLIN};

		if (poll(&end, 1, 0) <= 0)
			break;
		listen_to(run);
	}
	return 0;
}

void sl_process_run(const struct sl_process_plan *plan, struct sl_process_end *ret_end)
{
	struct run run = {.plan = plan, .in = -1, .out = -1};
	uint64_t start_ms = sl_clock_ms();
	int status = 0;

	*ret_end = (struct sl_process_end){.status = -1};
	plan->output[0] = 0;
	ret_end->error = start(&run);
	if (!ret_end->error)
		ret_end->error =
			await(&run, start_ms + plan->timeout_ms, &ret_end->timed_out, &status);
	close_end(&run.in);
	close_end(&run.out);
	plan->output[run.read] = 0;
	if (plan->last)
		plan->last[run.last_len] = 0;
	ret_end->took_ms = (uint32_t)(sl_clock_ms() - start_ms);
	if (ret_end->error)
		return;
	if (WIFEXITED(status))
		ret_end->status = WEXITSTATUS(status);
	else if (WIFSIGNALED(status))
		ret_end->signal = WTERMSIG(status);
}
