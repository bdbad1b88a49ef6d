/* SPDX-License-Identifier: BSD-2-Clause */
/* How programs end: by themselves, by their time-out, unseen, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/io/process.h"

static struct sl_process_end run(const char *program, const char *word, uint32_t timeout_ms)
{
	static char output[256];
	const char *const words[] = {program, word};
	struct sl_process_plan plan = {.words = words,
				       .word_count = word ? 2 : 1,
				       .timeout_ms = timeout_ms,
				       .output = output,
				       .output_size = sizeof(output)};
	struct sl_process_end end;

	sl_process_run(&plan, &end);
	return end;
}

/* Whatever it says and however it says it: the last line with anything in it, from its begin. */
static void test_last_line(void **state)
{
	static const struct {
		const char *script, *last;
	} rows[] = {
		{"true", ""},
		{"printf one", "one"},
		{"echo one; echo two", "two"},
		{"echo one; echo two >&2; echo; echo", "two"},
		{"for i in $(seq 20000); do echo line $i; done", "line 20000"},
		{"printf 'one\\nabcdefghijklmnopqrstuvwxyz\\n'", "abcdefghijklmno"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const words[] = {"/bin/sh", "-c", rows[i].script};
		char output[8], last[16];
		struct sl_process_plan plan = {.words = words,
					       .word_count = 3,
					       .timeout_ms = 60000,
					       .output = output,
					       .output_size = sizeof(output),
					       .last = last,
					       .last_size = sizeof(last)};
		struct sl_process_end end;

		sl_process_run(&plan, &end);
		assert_int_equal(end.status, 0);
		assert_string_equal(last, rows[i].last);
	}
}

static void test_ends(void **state)
{
	static const struct {
		const char *program, *word;
		uint32_t timeout_ms;
		int error, status, signal;
		bool timed_out;
	} rows[] = {
		{"/bin/true", NULL, 60000, 0, 0, 0, false},
		{"/bin/false", NULL, 60000, 0, 1, 0, false},
		{"/bin/sleep", "60", 1, 0, -1, SIGKILL, true},
		{"/nonexistent", NULL, 60000, -ENOENT, -1, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_process_end end = run(rows[i].program, rows[i].word, rows[i].timeout_ms);

		assert_int_equal(end.error, rows[i].error);
		assert_int_equal(end.status, rows[i].status);
		assert_int_equal(end.signal, rows[i].signal);
		assert_int_equal(end.timed_out, rows[i].timed_out);
	}
}

/* A process that ignores SIGCHLD never hears how it ended: no success. */
static void test_unseen(void **state)
{
	struct sl_process_end end;

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	end = run("/bin/false", NULL, 60000);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(end.error, -ECHILD);
	assert_int_equal(end.status, -1);
}

static int copy(const char *from, const char *to, mode_t mode)
{
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	char buffer[4096];
	size_t len;

	while (in && out && (len = fread(buffer, 1, sizeof(buffer), in)) > 0)
		fwrite(buffer, 1, len, out);
	if (in)
		fclose(in);
	return !in || !out || fclose(out) || chmod(to, mode);
}

/* Runs the program with time to become the other user in, then more: a busy machine starts it slowly. Until it
 * is, it can be killed. */
static bool is_left_running(const char *program)
{
	for (uint32_t timeout_ms = 200; timeout_ms <= 12800; timeout_ms *= 4) {
		struct sl_process_end end;
		char seconds[16];

		snprintf(seconds, sizeof(seconds), "%u", 12 + timeout_ms / 1000);
		end = run(program, seconds, timeout_ms);
		if (end.error == -EPERM)
			return end.timed_out && end.took_ms >= SL_PROCESS_DEATH_MS;
		if (end.error || !end.timed_out)
			return false;
	}
	return false;
}

/* Another user's program: it is left running, and the thread goes on. */
static void test_left_running(void **state)
{
	char dir[] = "/tmp/sluice-process-XXXXXX", program[64];
	int status = 0;
	pid_t pid;

	(void)state;
	if (getuid() || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))
		skip();
	assert_non_null(mkdtemp(dir));
	snprintf(program, sizeof(program), "%s/other", dir);
	assert_int_equal(copy("/proc/self/exe", program, 04755) || chmod(dir, 0755), 0);
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(2);
		_exit(!is_left_running(program));
	}
	waitpid(pid, &status, 0);
	unlink(program);
	rmdir(dir);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_last_line),
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_left_running),
	};

	/* the other user's program, which ends by itself */
	if (argc > 1)
		return setuid(0) || sleep((unsigned int)atoi(argv[1]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
