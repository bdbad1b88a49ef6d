/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registry of prompts: versions, labels, what a rollback does, what two processes see, and that a
 * process which is killed at any step of a change leaves either what was or what was to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/store/prompts.h"

#define A     "@system\nfirst\n"
#define B     "@system\nsecond\n"
#define C     "@system\nthird\n"
#define ID(s) sl_span_string(s)

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/sluice-prompts-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

static struct sl_prompts *opened(void)
{
	struct sl_prompts *prompts = NULL;
	struct sl_error error = {""};

	if (sl_prompts_open(dir, &prompts, &error) != 0)
		fail_msg("%s", error.text);
	return prompts;
}

static void push(struct sl_prompts *prompts, const char *id, const char *text,
		 char hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_error error = {""};

	if (sl_prompts_push(prompts, ID(id), ID(text), "me", hash, &error) != 0)
		fail_msg("%s", error.text);
}

static void promote(struct sl_prompts *prompts, const char *id, const char *version,
		    enum sl_prompt_label label)
{
	char hash[SL_PROMPT_HASH_SIZE];
	struct sl_error error = {""};

	if (sl_prompts_promote(prompts, ID(id), ID(version), label, false, "me", hash, &error) != 0)
		fail_msg("%s", error.text);
}

/* Text of a label's version; "" when the label is not set. */
static const char *text_of(const struct sl_prompt_set *set, const char *id,
			   enum sl_prompt_label label)
{
	const struct sl_prompt *prompt = sl_prompt_find(set, ID(id));

	return prompt && prompt->labels[label] ? prompt->labels[label]->text : "";
}

static void check_labels(struct sl_prompts *prompts, const char *stable, const char *canary,
			 const char *good)
{
	struct sl_prompt_set *set = sl_prompts_get(prompts);

	assert_string_equal(text_of(set, "p", SL_PROMPT_STABLE), stable);
	assert_string_equal(text_of(set, "p", SL_PROMPT_CANARY), canary);
	assert_string_equal(text_of(set, "p", SL_PROMPT_KNOWN_GOOD), good);
	sl_prompt_set_put(&set);
}

static void put_file(const char *name, const char *text, int flags)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | flags, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static size_t count_lines(void)
{
	char path[256], line[2048];
	size_t count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/audit.log", dir);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		count++;
	fclose(file);
	return count;
}

static void test_life_of_a_prompt(void **state)
{
	struct sl_prompts *prompts = opened();
	char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE], back[SL_PROMPT_HASH_SIZE];
	struct sl_error error;

	(void)state;
	push(prompts, "p", A, a);
	push(prompts, "p", "\xef\xbb\xbf@system\r\nfirst\r\n\r\n", b); /* the same text */
	assert_string_equal(a, b);
	assert_int_equal(count_lines(), 1);
	check_labels(prompts, "", "", "");
	promote(prompts, "p", a, SL_PROMPT_STABLE);
	check_labels(prompts, A, "", A);
	assert_int_equal(sl_prompts_rollback(prompts, ID("p"), "me", back, &error), -ENOENT);
	push(prompts, "p", B, b);
	promote(prompts, "p", b, SL_PROMPT_CANARY);
	check_labels(prompts, A, B, A);
	b[8] = '\0'; /* digits that are enough */
	promote(prompts, "p", b, SL_PROMPT_STABLE);
	check_labels(prompts, B, "", A);
	promote(prompts, "p", a, SL_PROMPT_CANARY);
	assert_int_equal(sl_prompts_rollback(prompts, ID("p"), "me", back, &error), 0);
	assert_string_equal(back, a);
	check_labels(prompts, A, "", A);
	assert_int_equal(sl_prompts_rollback(prompts, ID("p"), "me", back, &error), -ENOENT);
	assert_int_equal(count_lines(), 7);
	sl_prompts_close(&prompts);
	prompts = opened(); /* all of it was on the disk */
	check_labels(prompts, A, "", A);
	promote(prompts, "p", b, SL_PROMPT_KNOWN_GOOD);
	check_labels(prompts, A, "", B);
	assert_int_equal(count_lines(), 8);
	sl_prompts_close(&prompts);
}

static void test_refused(void **state)
{
	struct sl_prompts *prompts = opened();
	char hash[SL_PROMPT_HASH_SIZE];
	struct sl_error error;

	(void)state;
	assert_int_equal(sl_prompts_push(prompts, ID("../x"), ID(A), "me", hash, &error), -EINVAL);
	assert_non_null(strstr(error.text, "prompt \"../x\": an id is"));
	assert_int_equal(sl_prompts_push(prompts, ID(""), ID(A), "me", hash, &error), -EINVAL);
	assert_int_equal(sl_prompts_push(prompts, ID("p"), ID("@usr\n"), "me", hash, &error),
			 -EINVAL);
	assert_string_equal(error.text + strlen("prompt \"p\": line 1, column 1: "),
			    strstr(error.text, "unknown"));
	assert_int_equal(sl_prompts_promote(prompts, ID("p"), ID("abcdef"), SL_PROMPT_STABLE, false,
					    "me", hash, &error),
			 -ENOENT);
	push(prompts, "p", A, hash);
	assert_int_equal(sl_prompts_promote(prompts, ID("p"), ID("000000"), SL_PROMPT_STABLE, false,
					    "me", hash, &error),
			 -ENOENT);
	assert_int_equal(count_lines(), 1);
	sl_prompts_close(&prompts);
	assert_int_equal(sl_prompts_open("/nonexistent", &prompts, &error), -ENOENT);
	assert_string_equal(error.text, "prompts: /nonexistent: No such file or directory");
}

/* A snapshot that is held does not change, and outlives the registry. */
static void test_snapshot(void **state)
{
	struct sl_prompts *prompts = opened();
	struct sl_prompt_set *old, *new;
	char hash[SL_PROMPT_HASH_SIZE];

	(void)state;
	push(prompts, "p", A, hash);
	promote(prompts, "p", hash, SL_PROMPT_STABLE);
	old = sl_prompts_get(prompts);
	push(prompts, "a", C, hash);
	push(prompts, "p", B, hash);
	promote(prompts, "p", hash, SL_PROMPT_STABLE);
	new = sl_prompts_get(prompts);
	assert_string_equal(text_of(old, "p", SL_PROMPT_STABLE), A);
	assert_string_equal(text_of(new, "p", SL_PROMPT_STABLE), B);
	assert_int_equal(old->count, 1);
	assert_int_equal(new->count, 2);
	/* the version is the same object, so what was counted of it is kept */
	assert_ptr_equal(sl_prompt_find(old, ID("p"))->labels[SL_PROMPT_STABLE],
			 sl_prompt_find(new, ID("p"))->labels[SL_PROMPT_KNOWN_GOOD]);
	sl_prompts_close(&prompts);
	assert_string_equal(text_of(old, "p", SL_PROMPT_STABLE), A);
	sl_prompt_set_put(&old);
	sl_prompt_set_put(&new);
}

/* Files put there by hand: the first is served, later ones wait for a promote. */
static void test_files(void **state)
{
	struct sl_prompts *prompts;
	struct sl_prompt_set *set;
	struct sl_error error;

	(void)state;
	put_file("p.prompt", A, O_TRUNC);
	put_file("bad.prompt", "@usr\n", O_TRUNC);
	put_file("no prompt.prompt", A, O_TRUNC);
	put_file("notes.txt", "x", O_TRUNC);
	prompts = opened();
	check_labels(prompts, A, "", A);
	put_file("p.prompt", B, O_TRUNC);
	assert_int_equal(sl_prompts_reload(prompts, &error), 0);
	check_labels(prompts, A, "", A);
	set = sl_prompts_get(prompts);
	assert_int_equal(set->count, 1);
	assert_int_equal(set->prompts[0].version_count, 2);
	assert_string_equal(set->prompts[0].versions[1]->text, B);
	sl_prompt_set_put(&set);
	assert_int_equal(sl_prompts_reload(prompts, &error), 0);
	assert_int_equal(count_lines(), 2);
	sl_prompts_close(&prompts);
}

/* Half a line at the end, a version whose text is another: left out, and the rest works on. */
static void test_damage(void **state)
{
	struct sl_prompts *prompts = opened();
	char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE], name[128];
	struct sl_prompt_set *set;
	bool many;

	(void)state;
	push(prompts, "p", A, a);
	push(prompts, "p", B, b);
	promote(prompts, "p", a, SL_PROMPT_STABLE);
	sl_prompts_close(&prompts);
	put_file("audit.log", "{\"line\":4,\"id\":\"p\",\"stab", O_APPEND);
	snprintf(name, sizeof(name), "p/%s.prompt", b);
	put_file(name, C, O_TRUNC);
	prompts = opened();
	check_labels(prompts, A, "", A);
	set = sl_prompts_get(prompts);
	assert_null(sl_prompt_version_find(sl_prompt_find(set, ID("p")), ID(b), &many));
	sl_prompt_set_put(&set);
	push(prompts, "p", C, b);
	promote(prompts, "p", b, SL_PROMPT_CANARY);
	sl_prompts_close(&prompts);
	assert_int_equal(count_lines(), 5);
	put_file("audit.log", "what is this\n", O_APPEND);
	prompts = opened();
	check_labels(prompts, A, C, A);
	sl_prompts_close(&prompts);
}

static void remove_version(const char *hash)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/p/%s.prompt", dir, hash);
	assert_int_equal(unlink(path), 0);
}

static struct sl_prompt_version *labelled(const struct sl_prompt_set *set,
					  enum sl_prompt_label label)
{
	return sl_prompt_find(set, ID("p"))->labels[label];
}

/* A version that a label names and that cannot be read stays under its label, with its fault: known-good is
 * served in its place, nothing is promoted or rolled back to it, and its text pushed again mends it. */
static void test_lost(void **state)
{
	char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE], c[SL_PROMPT_HASH_SIZE], name[128];
	struct sl_prompts *prompts = opened();
	struct sl_error error = {""};
	struct sl_prompt_set *set;

	(void)state;
	push(prompts, "p", A, a);
	push(prompts, "p", B, b);
	push(prompts, "p", C, c);
	promote(prompts, "p", c,
		SL_PROMPT_STABLE); /* in the log, and nothing that anybody has now */
	promote(prompts, "p", a, SL_PROMPT_STABLE);
	promote(prompts, "p", b, SL_PROMPT_STABLE);
	sl_prompts_close(&prompts);
	snprintf(name, sizeof(name), "p/%s.prompt", b);
	put_file(name, C, O_TRUNC);
	remove_version(c);
	prompts = opened();
	check_labels(prompts, "", "", A);
	set = sl_prompts_get(prompts);
	assert_int_equal(set->prompts[0].version_count, 2);
	assert_string_equal(labelled(set, SL_PROMPT_STABLE)->hash, b);
	assert_null(labelled(set, SL_PROMPT_STABLE)->template);
	assert_non_null(strstr(labelled(set, SL_PROMPT_STABLE)->fault, "missing or damaged"));
	sl_prompt_set_put(&set);
	assert_int_equal(sl_prompts_promote(prompts, ID("p"), ID(b), SL_PROMPT_CANARY, true, "me",
					    name, &error),
			 -EINVAL);
	assert_non_null(strstr(error.text, "missing or damaged"));
	push(prompts, "p", C, c);
	promote(prompts, "p", c, SL_PROMPT_STABLE);
	check_labels(prompts, C, "", A); /* what is lost is not known to be good */
	assert_int_equal(sl_prompts_rollback(prompts, ID("p"), "me", name, &error), -EINVAL);
	push(prompts, "p", B, b);
	assert_int_equal(sl_prompts_rollback(prompts, ID("p"), "me", name, &error), 0);
	check_labels(prompts, B, "", B);
	remove_version(b);
	assert_int_equal(sl_prompts_reload(prompts, &error), 0);
	check_labels(prompts, "", "", "");
	push(prompts, "p", B, b);
	check_labels(prompts, B, "", B);
	sl_prompts_close(&prompts);
	prompts = opened();
	check_labels(prompts, B, "", B);
	sl_prompts_close(&prompts);
}

/* What another process has done is seen before a change of ours. */
static void test_two_processes(void **state)
{
	struct sl_prompts *one = opened(), *other = opened();
	char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE];

	(void)state;
	push(one, "p", A, a);
	promote(one, "p", a, SL_PROMPT_STABLE);
	push(other, "p", B, b);
	promote(other, "p", b, SL_PROMPT_CANARY);
	check_labels(other, A, B, A);
	promote(one, "p", b, SL_PROMPT_STABLE);
	check_labels(one, B, "", A);
	sl_prompts_close(&one);
	sl_prompts_close(&other);
}

/* ---- killed at every step ---- */

static void count_down(void *owner, const char *what)
{
	int *left = owner;

	(void)what;
	if ((*left)-- == 0)
		kill(getpid(), SIGKILL);
}

/* In a process of its own that is killed before step `left`. False when it ran to its end. */
static bool cut(int left, int (*work)(struct sl_prompts *prompts))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct sl_prompts *prompts = NULL;

		if (sl_prompts_open(dir, &prompts, NULL) != 0)
			_exit(1);
		sl_prompts_on_step(prompts, count_down, &left);
		_exit(work(prompts) == 0 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static int work_push(struct sl_prompts *prompts)
{
	char hash[SL_PROMPT_HASH_SIZE];

	return sl_prompts_push(prompts, ID("q"), ID(B), "me", hash, NULL);
}

static int work_promote(struct sl_prompts *prompts)
{
	struct sl_prompt_set *set = sl_prompts_get(prompts);
	const struct sl_prompt *prompt = sl_prompt_find(set, ID("p"));
	char hash[SL_PROMPT_HASH_SIZE];
	int rc = sl_prompts_promote(prompts, ID("p"), ID(prompt->labels[SL_PROMPT_CANARY]->hash),
				    SL_PROMPT_STABLE, false, "me", hash, NULL);

	sl_prompt_set_put(&set);
	return rc;
}

static int work_roll_back(struct sl_prompts *prompts)
{
	char hash[SL_PROMPT_HASH_SIZE];

	return sl_prompts_rollback(prompts, ID("p"), "me", hash, NULL);
}

static void test_push_cut(void **state)
{
	int steps = 0;
	bool whole = false;

	(void)state;
	do {
		struct sl_prompts *prompts;
		struct sl_prompt_set *set;
		const struct sl_prompt *q;
		char hash[SL_PROMPT_HASH_SIZE];

		remove_dir(NULL);
		mkdir(dir, 0755);
		prompts = opened();
		push(prompts, "p", A, hash);
		promote(prompts, "p", hash, SL_PROMPT_STABLE);
		sl_prompts_close(&prompts);
		whole = !cut(steps, work_push);
		prompts = opened();
		check_labels(prompts, A, "", A);
		set = sl_prompts_get(prompts);
		q = sl_prompt_find(set, ID("q"));
		if (q && q->version_count) /* never a part of a text */
			assert_string_equal(q->versions[0]->text, B);
		assert_true(!whole || (q && q->version_count == 1));
		sl_prompt_set_put(&set);
		push(prompts, "q", B, hash); /* and it can be done again */
		promote(prompts, "q", hash, SL_PROMPT_STABLE);
		assert_int_equal(count_lines(), 4);
		sl_prompts_close(&prompts);
		steps++;
	} while (!whole && steps < 100);
	assert_true(steps > 8 && steps < 100);
}

static void test_rollback_cut(void **state)
{
	int steps = 0;
	bool whole = false;

	(void)state;
	do {
		struct sl_prompts *prompts;
		struct sl_prompt_set *set;
		char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE];
		size_t lines;

		remove_dir(NULL);
		mkdir(dir, 0755);
		prompts = opened();
		push(prompts, "p", A, a);
		push(prompts, "p", B, b);
		promote(prompts, "p", a, SL_PROMPT_STABLE);
		promote(prompts, "p", b, SL_PROMPT_STABLE);
		promote(prompts, "p", a, SL_PROMPT_CANARY);
		sl_prompts_close(&prompts);
		whole = !cut(steps, work_roll_back);
		prompts = opened();
		set = sl_prompts_get(prompts);
		lines = count_lines();
		/* both labels moved, with a line, or neither, without one */
		if (strcmp(text_of(set, "p", SL_PROMPT_STABLE), A) == 0) {
			assert_string_equal(text_of(set, "p", SL_PROMPT_CANARY), "");
			assert_int_equal(lines, 6);
		} else {
			assert_false(whole);
			assert_string_equal(text_of(set, "p", SL_PROMPT_STABLE), B);
			assert_string_equal(text_of(set, "p", SL_PROMPT_CANARY), A);
			assert_int_equal(lines, 5);
		}
		sl_prompt_set_put(&set);
		sl_prompts_close(&prompts);
		steps++;
	} while (!whole && steps < 100);
	assert_true(steps > 3 && steps < 100);
}

static void test_promote_cut(void **state)
{
	int steps = 0;
	bool whole = false;

	(void)state;
	do {
		struct sl_prompts *prompts;
		char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE];

		remove_dir(NULL);
		mkdir(dir, 0755);
		prompts = opened();
		push(prompts, "p", A, a);
		push(prompts, "p", B, b);
		promote(prompts, "p", a, SL_PROMPT_STABLE);
		promote(prompts, "p", b, SL_PROMPT_CANARY);
		sl_prompts_close(&prompts);
		whole = !cut(steps, work_promote);
		prompts = opened();
		/* stable, canary and known-good have all moved, or none has */
		if (count_lines() == 5)
			check_labels(prompts, B, "", A);
		else
			check_labels(prompts, A, B, A);
		assert_true(!whole || count_lines() == 5);
		sl_prompts_close(&prompts);
		steps++;
	} while (!whole && steps < 100);
	assert_true(steps > 3 && steps < 100);
}

/* Who, what, from where and to where. */
static void test_audit(void **state)
{
	struct sl_prompts *prompts = opened();
	char a[SL_PROMPT_HASH_SIZE], b[SL_PROMPT_HASH_SIZE], path[256], line[2048], wanted[512];
	FILE *file;

	(void)state;
	push(prompts, "p", A, a);
	push(prompts, "p", B, b);
	promote(prompts, "p", a, SL_PROMPT_STABLE);
	promote(prompts, "p", b, SL_PROMPT_STABLE);
	assert_int_equal(sl_prompts_rollback(prompts, ID("p"), "you", b, NULL), 0);
	sl_prompts_close(&prompts);
	snprintf(path, sizeof(path), "%s/audit.log", dir);
	file = fopen(path, "r");
	assert_non_null(file);
	for (int i = 1; i <= 5; i++)
		assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	prompts = opened();
	push(prompts, "p", B, b);
	sl_prompts_close(&prompts);
	snprintf(wanted, sizeof(wanted),
		 "\"who\":\"you\",\"action\":\"rollback\",\"id\":\"p\",\"version\":\"%s\","
		 "\"label\":\"stable\",\"from\":\"%s\",\"stable\":\"%s\"",
		 a, b, a);
	assert_non_null(strstr(line, wanted));
	assert_non_null(strstr(line, "{\"line\":5,\"at\":\"20"));
}

/* ---- suites ---- */

#define TESTED "@system\nfourth\n@test one\n{\"checks\":[{\"exact\":\"a\"}]}\n"

static enum sl_prompt_suite suite_of(struct sl_prompts *prompts, const char *hash)
{
	struct sl_prompt_set *set = sl_prompts_get(prompts);
	const struct sl_prompt *prompt = sl_prompt_find(set, ID("p"));
	enum sl_prompt_suite suite;
	bool many;

	suite = sl_prompt_suite_of(prompt, sl_prompt_version_find(prompt, ID(hash), &many));
	sl_prompt_set_put(&set);
	return suite;
}

static void keep(struct sl_prompts *prompts, const char *hash, enum sl_prompt_suite suite,
		 const char *file)
{
	struct sl_prompt_set *set = sl_prompts_get(prompts);
	const struct sl_prompt *prompt = sl_prompt_find(set, ID("p"));
	char report[256];
	bool many;

	snprintf(report, sizeof(report), "{\"verdict\":\"%s\",\"suite\":\"%s\"}\n",
		 sl_prompt_suite_names[suite], file);
	assert_int_equal(sl_prompts_keep_suite(prompts, "p",
					       sl_prompt_version_find(prompt, ID(hash), &many),
					       suite, file, ID(report)),
			 0);
	sl_prompt_set_put(&set);
}

static int promote_rc(struct sl_prompts *prompts, const char *hash, bool force)
{
	char out[SL_PROMPT_HASH_SIZE];

	return sl_prompts_promote(prompts, ID("p"), ID(hash), SL_PROMPT_STABLE, force, "me", out,
				  NULL);
}

static void test_suite_gate(void **state)
{
	struct sl_prompts *prompts = opened();
	char a[SL_PROMPT_HASH_SIZE], t[SL_PROMPT_HASH_SIZE];

	(void)state;
	push(prompts, "p", A, a);
	push(prompts, "p", TESTED, t);
	assert_int_equal(suite_of(prompts, a), SL_PROMPT_SUITE_NONE);
	assert_int_equal(promote_rc(prompts, a, false), 0);
	assert_int_equal(suite_of(prompts, t), SL_PROMPT_SUITE_NOT_RUN);
	assert_int_equal(promote_rc(prompts, t, false), -EPERM);
	keep(prompts, t, SL_PROMPT_SUITE_UNSURE, "");
	assert_int_equal(promote_rc(prompts, t, false), -EPERM);
	keep(prompts, t, SL_PROMPT_SUITE_FAILED, "");
	assert_int_equal(promote_rc(prompts, t, false), -EPERM);
	check_labels(prompts, A, "", A);
	promote(prompts, "p", t, SL_PROMPT_CANARY); /* which is no stable one */
	sl_prompts_close(&prompts);
	prompts = opened(); /* the result is kept */
	assert_int_equal(suite_of(prompts, t), SL_PROMPT_SUITE_FAILED);
	assert_int_equal(promote_rc(prompts, t, true), 0);
	check_labels(prompts, TESTED, "", A);
	sl_prompts_close(&prompts);
	prompts = opened();
	{
		struct sl_prompt_set *set = sl_prompts_get(prompts);
		const struct sl_prompt *prompt = sl_prompt_find(set, ID("p"));

		assert_ptr_equal(prompt->forced, prompt->labels[SL_PROMPT_STABLE]);
		sl_prompt_set_put(&set);
	}
	assert_int_equal(sl_prompts_rollback(prompts, ID("p"), "me", a, NULL), 0);
	keep(prompts, t, SL_PROMPT_SUITE_PASSED, "");
	assert_int_equal(promote_rc(prompts, t, false), 0);
	sl_prompts_close(&prompts);
}

/* The file of a suite counts for all versions, as it is now; a damaged result is none. */
static void test_suite_file(void **state)
{
	struct sl_prompts *prompts = opened();
	char a[SL_PROMPT_HASH_SIZE], file[SL_PROMPT_HASH_SIZE], name[128];
	struct sl_text text;

	(void)state;
	push(prompts, "p", A, a);
	put_file("p.suite.jsonl", "{\"checks\":[{\"exact\":\"a\"}]}\n", O_TRUNC);
	assert_int_equal(promote_rc(prompts, a, false),
			 -EPERM); /* looks at the file as it is now */
	sl_text_init(&text, 4096);
	assert_int_equal(sl_prompts_read_suite(prompts, "p", &text, file), 0);
	assert_string_equal(sl_text_string(&text), "{\"checks\":[{\"exact\":\"a\"}]}\n");
	assert_int_equal(suite_of(prompts, a), SL_PROMPT_SUITE_NOT_RUN);
	keep(prompts, a, SL_PROMPT_SUITE_PASSED, file);
	assert_int_equal(suite_of(prompts, a), SL_PROMPT_SUITE_PASSED);
	put_file("p.suite.jsonl", "{\"checks\":[{\"exact\":\"b\"}]}\n", O_TRUNC);
	assert_int_equal(promote_rc(prompts, a, false), -EPERM);
	sl_text_reset(&text);
	assert_int_equal(sl_prompts_read_suite(prompts, "q", &text, file), -ENOENT);
	sl_text_fini(&text);
	sl_prompts_close(&prompts);
	snprintf(name, sizeof(name), "p/%s.suite.json", a);
	put_file(name, "{\"verdict\":\"pas", O_TRUNC);
	prompts = opened();
	assert_int_equal(suite_of(prompts, a), SL_PROMPT_SUITE_NOT_RUN);
	sl_prompts_close(&prompts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_life_of_a_prompt),
		TEST(test_refused),
		TEST(test_snapshot),
		TEST(test_files),
		TEST(test_damage),
		TEST(test_two_processes),
		TEST(test_lost),
		TEST(test_push_cut),
		TEST(test_rollback_cut),
		TEST(test_promote_cut),
		TEST(test_audit),
		TEST(test_suite_gate),
		TEST(test_suite_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
