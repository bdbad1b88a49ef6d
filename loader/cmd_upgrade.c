/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_upgrade.c - `sluice upgrade`: a new process takes the running daemon's place, and is watched
 * until it serves.
 *
 *   ask the daemon who it is -> its arguments, environment, directory and log, from /proc
 *     -> BINARY ARGUMENTS --takeover, in a session of its own
 *     -> the admin socket answers with the new process's id         it serves: done
 *     -> the new process ends, or the time is over (it is ended)    the old one serves on: exit 1
 *
 * Until the new process serves, the old one changes nothing (user/ops/takeover.h), so every failure
 * here leaves things as they were.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"
#include "user/base/clock.h"

#define WORDS_MAX      64u   /* of the daemon's command line */
#define VARIABLES_MAX  1024u /* of its environment */
#define PROC_BYTES_MAX (256u << 10)
#define POLL_MS	       50u
#define WAIT_S	       60u
#define WAIT_S_MAX     3600u
#define END_MS	       5000u  /* for a new process that is ended */
#define LOG_BYTES_MAX  65536u /* of what was logged since its start, looked through for its error */
#define EXIT_CONFIG    2      /* of sluiced: the file was refused */

struct former {
	uint32_t pid;
	char binary[PATH_MAX];
	struct sl_text words,
		variables; /* as /proc has them: NUL-terminated, one behind the other */
	char *argv[WORDS_MAX + 2];
	char *envp[VARIABLES_MAX + 1];
	int out, err;	  /* where its output goes; -1: not known */
	off_t log_before; /* length of its log; -1: it is no file */
};

static int read_proc(uint32_t pid, const char *name, struct sl_text *text)
{
	char path[64], part[4096];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((len = read(fd, part, sizeof(part))) > 0)
		sl_text_append(text, part, (size_t)len);
	close(fd);
	return text->error ? -E2BIG : 0;
}

/* Splits NUL-terminated words; returns how many, at most `max`. */
static uint32_t split(struct sl_text *text, char **words, uint32_t max)
{
	uint32_t count = 0;
	size_t at = 0;

	while (at < text->len && count < max) {
		words[count++] = text->data + at;
		at += strlen(text->data + at) + 1;
	}
	words[count] = NULL;
	return count;
}

/* A descriptor of that process as our own, or -1. */
static int borrow_fd(uint32_t pid, int number)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0), fd;

	if (process < 0)
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, process, number, 0);
	close(process);
	return fd;
}

static off_t length_of(int fd)
{
	struct stat file;

	return fd >= 0 && !fstat(fd, &file) && S_ISREG(file.st_mode) ? file.st_size : -1;
}

static void former_fini(struct former *former)
{
	if (former->out >= 0)
		close(former->out);
	if (former->err >= 0)
		close(former->err);
	sl_text_fini(&former->words);
	sl_text_fini(&former->variables);
}

static int read_binary(const struct sl_arguments *arguments, struct former *former)
{
	static const char deleted[] = " (deleted)"; /* replaced by the new one, most likely */
	char path[64];
	ssize_t len;

	if (arguments->binary) {
		snprintf(former->binary, sizeof(former->binary), "%s", arguments->binary);
	} else {
		snprintf(path, sizeof(path), "/proc/%u/exe", former->pid);
		len = readlink(path, former->binary, sizeof(former->binary) - 1);
		if (len < 0)
			return -errno;
		former->binary[len] = '\0';
		if ((size_t)len > sizeof(deleted) &&
		    !strcmp(former->binary + len - (sizeof(deleted) - 1), deleted))
			former->binary[len - (ssize_t)(sizeof(deleted) - 1)] = '\0';
	}
	return access(former->binary, X_OK) ? -errno : 0;
}

/* Its command line with --takeover, and with the other file where one was named. */
static int read_words(const struct sl_arguments *arguments, struct former *former)
{
	char *words[WORDS_MAX + 1];
	uint32_t i, count, out = 0;
	int rc = read_proc(former->pid, "cmdline", &former->words);

	if (rc)
		return rc;
	count = split(&former->words, words, WORDS_MAX);
	if (count < 2 || count == WORDS_MAX)
		return -E2BIG;
	former->argv[out++] = former->binary;
	former->argv[out++] = (char *)"--takeover";
	for (i = 1; i + 1 < count; i++) {
		if (strcmp(words[i], "--takeover") != 0)
			former->argv[out++] = words[i];
	}
	former->argv[out++] =
		arguments->word_count ? (char *)arguments->words[0] : words[count - 1];
	former->argv[out] = NULL;
	return 0;
}

/* Returns enum sl_exit. */
static int look_at_former(const struct sl_arguments *arguments, const char *socket_path,
			  struct former *former)
{
	struct sl_admin_answer answer;
	struct stat process;
	char path[64];
	int rc = sl_admin_ask(socket_path, &answer, NULL);

	if (rc)
		return sl_say_error("systemctl start sluiced", "no daemon answers at %s: %s",
				    socket_path, strerror(-rc));
	if (answer.draining)
		return sl_say_error("wait for its end, then start the daemon",
				    "process %u is ending", answer.pid);
	former->pid = answer.pid;
	snprintf(path, sizeof(path), "/proc/%u", answer.pid);
	if (stat(path, &process))
		return sl_say_error("run it in the daemon's container", "process %u: %s",
				    answer.pid, strerror(errno));
	if (process.st_uid != geteuid())
		return sl_say_error("run it as the daemon's user",
				    "process %u belongs to user %u, and the new one would to %u",
				    answer.pid, process.st_uid, geteuid());
	rc = read_binary(arguments, former);
	if (rc)
		return sl_say_error("sluice upgrade --binary PATH", "%s: %s",
				    former->binary[0] ? former->binary : "/proc/PID/exe",
				    strerror(-rc));
	rc = read_words(arguments, former);
	if (!rc)
		rc = read_proc(former->pid, "environ", &former->variables);
	if (rc)
		return sl_say_error("sluiced --takeover CONFIG", "process %u: /proc: %s",
				    former->pid, strerror(-rc));
	split(&former->variables, former->envp, VARIABLES_MAX);
	former->out = borrow_fd(former->pid, STDOUT_FILENO);
	former->err = borrow_fd(former->pid, STDERR_FILENO);
	former->log_before = length_of(former->err);
	return SL_EXIT_OK;
}

/* ---- the new process ------------------------------------------------------------------------- */

/* In the child; only returns when it cannot be run. */
static void become_daemon(const struct former *former)
{
	int nothing = open("/dev/null", O_RDONLY);
	char cwd[64];

	snprintf(cwd, sizeof(cwd), "/proc/%u/cwd", former->pid);
	setsid();
	if (nothing >= 0)
		dup2(nothing, STDIN_FILENO);
	if (former->out >= 0)
		dup2(former->out, STDOUT_FILENO);
	if (former->err >= 0)
		dup2(former->err, STDERR_FILENO);
	if (chdir(cwd))
		return;
	execve(former->binary, former->argv, former->envp);
}

/* Returns its id, or -errno when it could not be run at all. */
static pid_t start(const struct former *former)
{
	int failed[2], error = 0;
	pid_t pid;

	if (pipe2(failed, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		become_daemon(former);
		error = errno;
		(void)!write(failed[1], &error, sizeof(error));
		_exit(127);
	}
	close(failed[1]);
	if (pid > 0 && read(failed[0], &error, sizeof(error)) == (ssize_t)sizeof(error)) {
		waitpid(pid, NULL, 0);
		pid = -error;
	}
	close(failed[0]);
	return pid;
}

enum state { STATE_STARTS, STATE_SERVES, STATE_ENDED };

/* *ret_status: of waitpid(), where it ended. */
static enum state look_at(pid_t pid, const char *socket_path, int *ret_status)
{
	struct sl_admin_answer answer;

	if (waitpid(pid, ret_status, WNOHANG) == pid)
		return STATE_ENDED;
	if (!sl_admin_ask(socket_path, &answer, NULL) && answer.pid == (uint32_t)pid)
		return STATE_SERVES;
	return STATE_STARTS;
}

static void sleep_ms(uint32_t ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&time, NULL);
}

static enum state watch(pid_t pid, const char *socket_path, uint64_t wait_ms, int *ret_status)
{
	uint64_t end_ms = sl_clock_ms() + wait_ms;
	enum state state;

	while ((state = look_at(pid, socket_path, ret_status)) == STATE_STARTS &&
	       sl_clock_ms() < end_ms)
		sleep_ms(POLL_MS);
	return state;
}

/* One that hangs must not take over later, when nobody watches. */
static void end_process(pid_t pid)
{
	uint64_t end_ms = sl_clock_ms() + END_MS;

	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (sl_clock_ms() >= end_ms) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return;
		}
		sleep_ms(POLL_MS);
	}
}

/* ---- what is told ---------------------------------------------------------------------------- */

/* The first complaint in what was logged since the start; "" where there is none to be read. */
static void find_complaint(const struct former *former, char line[256])
{
	static char text[LOG_BYTES_MAX + 1];
	char path[64];
	off_t from = former->log_before, now = length_of(former->err);
	ssize_t len;
	char *at, *next;
	int fd;

	line[0] = '\0';
	if (from < 0 || now <= from)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", former->err); /* ours is to write */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = pread(fd, text, LOG_BYTES_MAX, from);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	for (at = text; at && *at; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		if (!line[0] && (strstr(at, "error: ") || strstr(at, "level=error")))
			snprintf(line, 256, "%.255s", at);
	}
}

static int say_failed(const struct former *former, const char *socket_path, pid_t pid,
		      enum state state, int status, uint64_t wait_s)
{
	struct sl_admin_answer answer;
	bool serves = !sl_admin_ask(socket_path, &answer, NULL) && answer.pid == former->pid;
	char how[96], complaint[256];

	if (state != STATE_ENDED)
		snprintf(how, sizeof(how), "did not serve within %llu s and was ended",
			 (unsigned long long)wait_s);
	else if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == EXIT_CONFIG)
		snprintf(how, sizeof(how), "refused its configuration");
	else
		snprintf(how, sizeof(how), "ended with status %d", WEXITSTATUS(status));
	find_complaint(former, complaint);
	return sl_say_error(complaint[0] ? "sluice check CONFIG" : "look into the daemon's log",
			    "%s, process %d, %s%s%s; process %u %s", former->binary, (int)pid, how,
			    complaint[0] ? ": " : "", complaint, former->pid,
			    serves ? "still serves" : "does not answer either");
}

static int write_pid_file(const char *path, pid_t pid)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", (int)pid);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, (size_t)len) != len) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	return close(fd) ? -errno : 0;
}

static int say_served(const struct sl_arguments *arguments, const struct former *former, pid_t pid)
{
	int rc = arguments->pid_file ? write_pid_file(arguments->pid_file, pid) : 0;

	if (arguments->json)
		printf("{\"pid\": %d, \"former_pid\": %u}\n", (int)pid, former->pid);
	else
		printf("process %d serves (%s); process %u ends with its last request\n", (int)pid,
		       former->binary, former->pid);
	if (rc)
		return sl_say_error("write the process id there by hand", "%s: %s",
				    arguments->pid_file, strerror(-rc));
	return SL_EXIT_OK;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run_upgrade(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *socket_path = sl_admin_path(arguments->admin_socket);
	struct former former = {.out = -1, .err = -1, .log_before = -1};
	uint64_t wait_s = WAIT_S;
	int exit_code, status = 0;
	enum state state;
	char *end;
	pid_t pid;

	(void)command;
	if (arguments->seconds) {
		wait_s = strtoull(arguments->seconds, &end, 10);
		if (*end || !wait_s || wait_s > WAIT_S_MAX) {
			sl_say_error("sluice upgrade --timeout 60",
				     "--timeout %s (expected 1 to %u)", arguments->seconds,
				     WAIT_S_MAX);
			return SL_EXIT_USAGE;
		}
	}
	sl_text_init(&former.words, PROC_BYTES_MAX);
	sl_text_init(&former.variables, PROC_BYTES_MAX);
	exit_code = look_at_former(arguments, socket_path, &former);
	if (exit_code == SL_EXIT_OK) {
		pid = start(&former);
		if (pid < 0) {
			exit_code = sl_say_error("sluice upgrade --binary PATH",
						 "%s cannot be run: %s; process %u still serves",
						 former.binary, strerror(-pid), former.pid);
		} else {
			state = watch(pid, socket_path, wait_s * 1000, &status);
			if (state == STATE_STARTS)
				end_process(pid);
			exit_code = state == STATE_SERVES ? say_served(arguments, &former, pid)
							  : say_failed(&former, socket_path, pid,
								       state, status, wait_s);
		}
	}
	former_fini(&former);
	return exit_code;
}

static const struct sl_option upgrade_options[] = {
	{SL_OPTION_TEXT, "binary", "PATH", NULL, offsetof(struct sl_arguments, binary),
	 "the new sluiced (default: what lies now where the running one came from)"},
	{SL_OPTION_TEXT, "timeout", "SECONDS", NULL, offsetof(struct sl_arguments, seconds),
	 "time for the new process to serve (default: 60)"},
	{SL_OPTION_TEXT, "pid-file", "PATH", NULL, offsetof(struct sl_arguments, pid_file),
	 "write the new process's id there, for a supervisor"},
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_upgrade = {
	.name = "upgrade",
	.words = "[CONFIG]",
	.words_max = 1,
	.summary = "replace the running daemon by a new process, without a failed request",
	.description =
		"Starts the new binary with the arguments, environment and log of the running "
		"daemon, lets\n"
		"it take the listening sockets over, and waits until it serves. Open streams go on "
		"in the\n"
		"old process to their end. When the new one fails, the error is told, the old one "
		"serves on,\n"
		"and the exit status is 1. CONFIG: another file for the new process.",
	.options = upgrade_options,
	.run = run_upgrade,
};
