/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit trail: every byte that is changed is found, and every line that is taken out, put in, moved or cut
 * off; what a crash leaves is mended; several writers make one chain.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/base/audit.h"

#define WRITERS	 4
#define EACH_ONE 25

/* In memory: hundreds of lines are waited for. */
static int make_file(void)
{
	int fd = memfd_create("audit", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct sl_notice deed(const char *text)
{
	struct sl_notice notice = {.kind = SL_NOTICE_OVERRIDE,
				   .of = SL_NOTICE_OF_NODE,
				   .wall_ms = 1772366400123,
				   .name = "10.0.0.7:8000",
				   .pool = "chat",
				   .who = "operator"};

	sl_notice_set(notice.text, sizeof(notice.text), text);
	return notice;
}

static void add(int fd, const char *text, struct sl_audit_head *head)
{
	struct sl_notice notice = deed(text);

	assert_int_equal(sl_audit_append(fd, &notice, 1, head), 0);
}

static struct sl_audit_report verify(int fd, const struct sl_audit_head *known)
{
	struct sl_audit_report report;

	assert_int_equal(sl_audit_verify(fd, known, &report, NULL, NULL), 0);
	return report;
}

static size_t read_all(int fd, char *out, size_t size)
{
	ssize_t got = pread(fd, out, size - 1, 0);

	assert_true(got >= 0 && (size_t)got < size - 1);
	out[got] = '\0';
	return (size_t)got;
}

static void write_all(int fd, const char *bytes, size_t len)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
}

static void test_chain(void **unused)
{
	struct sl_audit_head first, second, read;
	struct sl_audit_report report;
	char bytes[8192];
	int fd = make_file();

	(void)unused;
	assert_int_equal(sl_audit_read_head(fd, &read), 0);
	assert_int_equal(read.line, 0);
	assert_int_equal(verify(fd, NULL).verdict, SL_AUDIT_GOOD); /* nothing was done yet */
	add(fd, "drain", &first);
	add(fd, "a \"quoted\" text\nof two lines, \xff and no UTF-8", &second);
	assert_int_equal(first.line, 1);
	assert_int_equal(second.line, 2);
	assert_int_equal(sl_audit_read_head(fd, &read), 0);
	assert_string_equal(read.hash, second.hash);
	report = verify(fd, &first);
	assert_int_equal(report.verdict, SL_AUDIT_GOOD);
	assert_int_equal(report.lines, 2);
	assert_string_equal(report.head.hash, second.hash);
	read_all(fd, bytes, sizeof(bytes));
	assert_non_null(strstr(bytes, "{\"line\":1,\"at\":\"2026-03-01T12:00:00.123Z\",\"kind\":"
				      "\"override\",\"of\":\"node\",\"name\":\"10.0.0.7:8000\","
				      "\"pool\":\"chat\",\"who\":\"operator\",\"text\":\"drain\","
				      "\"prev\":\"0000"));
	close(fd);
}

/* Each byte in turn gets another value: never good, and the lines before it still are. */
static void test_every_byte(void **unused)
{
	struct sl_audit_head head;
	char bytes[8192];
	size_t len, i, first_line;
	int fd = make_file();

	(void)unused;
	add(fd, "one", &head);
	add(fd, "two", &head);
	add(fd, "three", &head);
	len = read_all(fd, bytes, sizeof(bytes));
	first_line = (size_t)(strchr(bytes, '\n') + 1 - bytes);
	for (i = 0; i < len; i++) {
		struct sl_audit_report report;
		char kept = bytes[i];

		bytes[i] = (char)(kept ^ 1);
		write_all(fd, bytes, len);
		report = verify(fd, &head);
		assert_true(report.verdict > SL_AUDIT_TORN);
		if (i >= first_line)
			assert_true(report.lines >= 1);
		bytes[i] = kept;
	}
	write_all(fd, bytes, len);
	assert_int_equal(verify(fd, &head).verdict, SL_AUDIT_GOOD);
	close(fd);
}

static void test_lines(void **unused)
{
	struct sl_audit_head head, early;
	char bytes[8192], other[8192];
	size_t len, one, two;
	int fd = make_file();

	(void)unused;
	add(fd, "one", &early);
	add(fd, "two", &head);
	add(fd, "three", &head);
	len = read_all(fd, bytes, sizeof(bytes));
	one = (size_t)(strchr(bytes, '\n') + 1 - bytes);
	two = (size_t)(strchr(bytes + one, '\n') + 1 - bytes);

	write_all(fd, bytes + one, len - one); /* the first is gone */
	assert_int_equal(verify(fd, NULL).verdict, SL_AUDIT_MISSING);
	memcpy(other, bytes, one);
	memcpy(other + one, bytes + two, len - two); /* the second is gone */
	write_all(fd, other, len - (two - one));
	assert_int_equal(verify(fd, NULL).verdict, SL_AUDIT_MISSING);
	assert_int_equal(verify(fd, NULL).lines, 1);
	memcpy(other + one, bytes, one); /* the first twice */
	write_all(fd, other, 2 * one);
	assert_int_equal(verify(fd, NULL).verdict, SL_AUDIT_MISSING);
	write_all(fd, bytes, two); /* the last is gone: only who knows the head can tell */
	assert_int_equal(verify(fd, NULL).verdict, SL_AUDIT_GOOD);
	assert_int_equal(verify(fd, &early).verdict, SL_AUDIT_GOOD);
	assert_int_equal(verify(fd, &head).verdict, SL_AUDIT_CUT);
	close(fd);

	fd = make_file(); /* another chain of as many lines */
	add(fd, "ein", &early);
	add(fd, "zwei", &early);
	add(fd, "drei", &early);
	assert_int_equal(verify(fd, NULL).verdict, SL_AUDIT_GOOD);
	assert_int_equal(verify(fd, &head).verdict, SL_AUDIT_CUT);
	close(fd);
}

/* A crash after any byte of a line: what was there is good, and the next line mends it. */
static void test_torn(void **unused)
{
	struct sl_audit_head head;
	char bytes[8192];
	size_t len, one, cut;
	int fd = make_file();

	(void)unused;
	add(fd, "one", &head);
	add(fd, "two", &head);
	len = read_all(fd, bytes, sizeof(bytes));
	one = (size_t)(strchr(bytes, '\n') + 1 - bytes);
	for (cut = 1; cut < len; cut++) {
		struct sl_audit_report report;
		bool torn = cut != one;

		write_all(fd, bytes, cut);
		report = verify(fd, NULL);
		assert_int_equal(report.verdict, torn ? SL_AUDIT_TORN : SL_AUDIT_GOOD);
		assert_int_equal(report.lines, cut < one ? 0 : 1);
		add(fd, "after", &head);
		report = verify(fd, &head);
		assert_int_equal(report.verdict, SL_AUDIT_GOOD);
		assert_int_equal(report.lines, (cut < one ? 0u : 1u) + torn + 1u);
	}
	close(fd);
}

/* What is no trail is not appended to, and stays as it is. */
static void test_other_files(void **unused)
{
	static const char *const files[] = {"x", "root:x:0:0\n", "{\"line\":1}\n", "\n",
					    "{\"line\":1,\"hash\":\"\"}\n{\"li"};
	struct sl_notice notice = deed("one");
	struct sl_audit_head head;
	char bytes[64];
	size_t i;
	int fd = make_file();

	(void)unused;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		write_all(fd, files[i], strlen(files[i]));
		assert_int_equal(sl_audit_append(fd, &notice, 1, &head), -EBADMSG);
		assert_int_equal(sl_audit_read_head(fd, &head), -EBADMSG);
		read_all(fd, bytes, sizeof(bytes));
		assert_string_equal(bytes, files[i]);
	}
	close(fd);
}

/* Long texts of the worst characters fit into a line. */
static void test_longest(void **unused)
{
	struct sl_notice notice = {.kind = SL_NOTICE_CHAOS, .wall_ms = UINT32_MAX};
	struct sl_audit_head head;
	uint32_t i;
	int fd = make_file();

	(void)unused;
	memset(notice.name, 1, sizeof(notice.name) - 1);
	memset(notice.pool, 1, sizeof(notice.pool) - 1);
	memset(notice.who, 1, sizeof(notice.who) - 1);
	memset(notice.text, 1, sizeof(notice.text) - 1);
	for (i = 0; i < 20; i++)
		assert_int_equal(sl_audit_append(fd, &notice, 1, &head), 0);
	assert_int_equal(verify(fd, &head).verdict, SL_AUDIT_GOOD);
	assert_int_equal(head.line, 20);
	close(fd);
}

static void write_some(const char *path)
{
	struct sl_audit_head head;
	struct sl_notice notice = deed("one of many");
	int fd, i;

	for (i = 0; i < EACH_ONE; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || sl_audit_append(fd, &notice, 1, &head))
			_exit(1);
		close(fd);
	}
	_exit(0);
}

static void test_writers(void **unused)
{
	char name[] = "/tmp/sluice-audit.XXXXXX";
	int fd = mkstemp(name), i, status;

	(void)unused;
	assert_true(fd >= 0);
	for (i = 0; i < WRITERS; i++) {
		if (fork() == 0)
			write_some(name);
	}
	for (i = 0; i < WRITERS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(verify(fd, NULL).verdict, SL_AUDIT_GOOD);
	assert_int_equal(verify(fd, NULL).lines, WRITERS * EACH_ONE);
	close(fd);
	unlink(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),	cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_lines),	cmocka_unit_test(test_torn),
		cmocka_unit_test(test_longest), cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
