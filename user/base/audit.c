/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/audit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/base/clock.h"

#define HASH_MEMBER ",\"hash\":\""
#define PREV_MEMBER ",\"prev\":\""
#define LINE_MEMBER "{\"line\":"
#define READ_BYTES  65536u

static const char no_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";

_Static_assert(sizeof(no_hash) == SL_AUDIT_HASH_SIZE, "the first line's prev is a hash's length");

static void hash_of(struct sl_span bytes, char out[SL_AUDIT_HASH_SIZE])
{
	uint8_t digest[SL_DIGEST_BYTES];
	uint32_t i;

	sl_digest_sha256(&bytes, 1, digest);
	for (i = 0; i < SL_DIGEST_BYTES; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", digest[i]);
}

static bool is_hash(const char *at)
{
	return strspn(at, "0123456789abcdef") >= SL_AUDIT_HASH_SIZE - 1;
}

/*
 * What the line says of itself, checked against its bytes. `line` has no end and a NUL behind it, which stays.
 * prev: gets what it follows.
 */
static int read_line(const char *line, size_t len, struct sl_audit_head *ret_head,
		     char prev[SL_AUDIT_HASH_SIZE])
{
	const size_t tail = sizeof(HASH_MEMBER) - 1 + SL_AUDIT_HASH_SIZE - 1 + 2; /* "} */
	const size_t prev_len = sizeof(PREV_MEMBER) - 1 + SL_AUDIT_HASH_SIZE - 1 + 1;
	char hash[SL_AUDIT_HASH_SIZE], *end;
	const char *said, *before;

	if (strlen(line) != len || len < tail + prev_len ||
	    strncmp(line, LINE_MEMBER, sizeof(LINE_MEMBER) - 1) != 0)
		return -EBADMSG;
	said = line + len - tail;
	before = said - prev_len;
	if (strncmp(said, HASH_MEMBER, sizeof(HASH_MEMBER) - 1) != 0 ||
	    strcmp(line + len - 2, "\"}") != 0 ||
	    strncmp(before, PREV_MEMBER, sizeof(PREV_MEMBER) - 1) != 0)
		return -EBADMSG;
	said += sizeof(HASH_MEMBER) - 1;
	before += sizeof(PREV_MEMBER) - 1;
	hash_of((struct sl_span){line, len - tail}, hash);
	if (!is_hash(said) || !is_hash(before) || memcmp(hash, said, SL_AUDIT_HASH_SIZE - 1) != 0)
		return -EBADMSG;
	ret_head->line = strtoull(line + sizeof(LINE_MEMBER) - 1, &end, 10);
	if (!ret_head->line || *end != ',')
		return -EBADMSG;
	memcpy(ret_head->hash, hash, sizeof(hash));
	memcpy(prev, before, SL_AUDIT_HASH_SIZE - 1);
	prev[SL_AUDIT_HASH_SIZE - 1] = '\0';
	return 0;
}

/* The head, where the last whole line ends, and where the file does. */
struct end {
	struct sl_audit_head head;
	off_t whole, size;
};

static int find_end(int fd, struct end *ret_end)
{
	char bytes[2 * SL_AUDIT_LINE_BYTES_MAX + 1], prev[SL_AUDIT_HASH_SIZE], *last, *first;
	struct stat stat;
	off_t from;
	ssize_t got;

	memset(ret_end, 0, sizeof(*ret_end));
	memcpy(ret_end->head.hash, no_hash, sizeof(no_hash));
	if (fstat(fd, &stat) != 0)
		return -errno;
	ret_end->size = stat.st_size;
	from = stat.st_size > (off_t)sizeof(bytes) - 1 ? stat.st_size - (off_t)sizeof(bytes) + 1
						       : 0;
	got = pread(fd, bytes, sizeof(bytes) - 1, from);
	if (got < 0)
		return -errno;
	bytes[got] = '\0';
	last = memrchr(bytes, '\n', (size_t)got);
	if (!last) /* not one line was ever finished, or this is no such file */
		return from || memcmp(bytes, LINE_MEMBER,
				      (size_t)got < sizeof(LINE_MEMBER) - 1
					      ? (size_t)got
					      : sizeof(LINE_MEMBER) - 1) != 0
			       ? -EBADMSG
			       : 0;
	ret_end->whole = from + (last + 1 - bytes);
	*last = '\0';
	first = memrchr(bytes, '\n', (size_t)(last - bytes));
	first = first ? first + 1 : bytes;
	return read_line(first, (size_t)(last - first), &ret_end->head, prev);
}

int sl_audit_read_head(int fd, struct sl_audit_head *ret_head)
{
	struct end end;
	int rc = find_end(fd, &end);

	*ret_head = end.head;
	return rc;
}

static void add_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, ",\"%s\":", name);
	sl_text_append_json_string(text, value);
}

/* One more line; the head becomes its. */
static void write_line(const struct sl_notice *notice, struct sl_audit_head *head,
		       struct sl_text *text)
{
	char at[SL_CLOCK_ISO_SIZE], hash[SL_AUDIT_HASH_SIZE];
	size_t start = text->len;

	sl_clock_format_iso(notice->wall_ms, at);
	sl_text_printf(text, LINE_MEMBER "%" PRIu64 ",\"at\":\"%s\",\"kind\":\"%s\",\"of\":\"%s\"",
		       ++head->line, at, sl_notice_kind_name(notice->kind),
		       sl_notice_of_name(notice->of));
	add_string(text, "name", notice->name);
	add_string(text, "pool", notice->pool);
	add_string(text, "who", notice->who);
	add_string(text, "text", notice->text);
	sl_text_printf(text, PREV_MEMBER "%s\"", head->hash);
	hash_of((struct sl_span){sl_text_string(text) + start, text->len - start}, hash);
	sl_text_printf(text, HASH_MEMBER "%s\"}\n", hash);
	memcpy(head->hash, hash, sizeof(hash));
}

static int append(int fd, const struct sl_notice *notices, uint32_t count,
		  struct sl_audit_head *head)
{
	struct sl_notice cut = {.kind = SL_NOTICE_STORE,
				.of = SL_NOTICE_OF_STORE,
				.name = "audit",
				.who = "daemon"};
	struct sl_text text;
	struct end end;
	int rc = find_end(fd, &end);
	uint32_t i;

	if (rc)
		return rc;
	*head = end.head;
	sl_text_init(&text, (size_t)(count + 1) * SL_AUDIT_LINE_BYTES_MAX);
	if (end.size > end.whole) {
		snprintf(cut.text, sizeof(cut.text),
			 "%lld bytes of a line that a crash had not finished were cut off",
			 (long long)(end.size - end.whole));
		cut.wall_ms = sl_clock_wall_ms();
		write_line(&cut, head, &text);
	}
	for (i = 0; i < count; i++)
		write_line(&notices[i], head, &text);
	rc = text.error;
	if (!rc && ftruncate(fd, end.whole) != 0)
		rc = -errno;
	if (!rc && lseek(fd, end.whole, SEEK_SET) < 0)
		rc = -errno;
	if (!rc) {
		rc = sl_text_write(&text, fd);
		if (rc)
			(void)!ftruncate(fd, end.whole);
	}
	sl_text_fini(&text);
	return rc;
}

int sl_audit_append(int fd, const struct sl_notice *notices, uint32_t count,
		    struct sl_audit_head *ret_head)
{
	int rc;

	if (flock(fd, LOCK_EX) != 0)
		return -errno;
	rc = append(fd, notices, count, ret_head);
	flock(fd, LOCK_UN);
	return rc;
}

/* ---- verifying ------------------------------------------------------------------------------- */

struct walk {
	const struct sl_audit_head *known;
	struct sl_audit_report *report;
	bool met; /* the known head */
	void (*each)(void *owner, struct sl_span line);
	void *owner;
};

/* False: the chain is broken here. */
static bool take_line(struct walk *walk, const char *line, size_t len)
{
	struct sl_audit_report *report = walk->report;
	char prev[SL_AUDIT_HASH_SIZE];
	struct sl_audit_head head;

	if (read_line(line, len, &head, prev)) {
		report->verdict = SL_AUDIT_CHANGED;
		return false;
	}
	if (head.line != report->head.line + 1 || strcmp(prev, report->head.hash) != 0) {
		report->verdict = SL_AUDIT_MISSING;
		return false;
	}
	report->head = head;
	report->lines++;
	if (walk->known && walk->known->line == head.line)
		walk->met = !strcmp(walk->known->hash, head.hash);
	if (walk->each)
		walk->each(walk->owner, (struct sl_span){line, len});
	return true;
}

int sl_audit_verify(int fd, const struct sl_audit_head *known, struct sl_audit_report *ret_report,
		    void (*each)(void *owner, struct sl_span line), void *owner)
{
	struct walk walk = {.known = known, .report = ret_report, .each = each, .owner = owner};
	struct sl_text rest;
	char bytes[READ_BYTES];
	ssize_t got = 0;
	off_t at = 0;
	bool good = true;

	*ret_report = (struct sl_audit_report){.verdict = SL_AUDIT_GOOD};
	memcpy(ret_report->head.hash, no_hash, sizeof(no_hash));
	sl_text_init(&rest, SL_AUDIT_LINE_BYTES_MAX);
	while (good && (got = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		const char *from = bytes, *end;

		at += got;
		while (good && (end = memchr(from, '\n', (size_t)(bytes + got - from)))) {
			good = !sl_text_append(&rest, from, (size_t)(end - from)) &&
			       take_line(&walk, sl_text_string(&rest), rest.len);
			from = end + 1;
			sl_text_reset(&rest);
		}
		if (good && sl_text_append(&rest, from, (size_t)(bytes + got - from)))
			good = false; /* no line is that long */
	}
	if (!good && ret_report->verdict == SL_AUDIT_GOOD)
		ret_report->verdict = SL_AUDIT_CHANGED;
	if (good && known && !walk.met)
		ret_report->verdict = SL_AUDIT_CUT;
	else if (good && rest.len)
		ret_report->verdict = SL_AUDIT_TORN;
	sl_text_fini(&rest);
	return got < 0 ? -errno : 0;
}

const char *sl_audit_verdict_text(enum sl_audit_verdict verdict)
{
	static const char *const texts[] = {
		[SL_AUDIT_GOOD] = "good",
		[SL_AUDIT_TORN] = "good, but for a last line that was not finished",
		[SL_AUDIT_CHANGED] = "a line was changed",
		[SL_AUDIT_MISSING] = "a line was taken out, put in or moved",
		[SL_AUDIT_CUT] =
			"the known line is not there: the end was cut off, or all of it is new",
	};

	return texts[verdict];
}
