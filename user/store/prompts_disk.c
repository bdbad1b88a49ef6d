/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory of the prompts: versions' files and the log of changes. See prompts.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "user/base/log.h"
#include "user/store/prompts.h"
#include "user/store/prompts_parts.h"

#define SUFFIX	  ".prompt"
#define AUDIT	  "audit.log"
#define NAME_SIZE (SL_PROMPT_HASH_SIZE + 32)

static void step(struct sl_prompts *prompts, const char *what)
{
	if (prompts->step)
		prompts->step(prompts->owner, what);
}

int sl_prompts_read_file(int dir_fd, const char *name, size_t max, struct sl_text *out)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char part[16384];
	ssize_t got = 0;
	int rc = 0;

	if (fd < 0)
		return -errno;
	while (rc == 0 && (got = read(fd, part, sizeof(part))) > 0) {
		if (out->len + (size_t)got > max)
			rc = -E2BIG;
		else
			rc = sl_text_append(out, part, (size_t)got);
	}
	if (got < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The prompt's directory, made where it is missing. Returns its descriptor or -errno. */
static int open_prompt_dir(struct sl_prompts *prompts, const char *id)
{
	int fd;

	step(prompts, "make the directory");
	if (mkdirat(prompts->dir_fd, id, 0755) == 0) {
		step(prompts, "sync the directory above");
		if (fsync(prompts->dir_fd) != 0)
			return -errno;
	} else if (errno != EEXIST) {
		return -errno;
	}
	fd = openat(prompts->dir_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static int write_synced(struct sl_prompts *prompts, int dir_fd, const char *name,
			struct sl_span text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int rc = 0;

	if (fd < 0)
		return -errno;
	step(prompts, "write the text");
	while (rc == 0 && text.len) {
		ssize_t written = write(fd, text.data, text.len);

		if (written < 0 && errno != EINTR)
			rc = -errno;
		if (written > 0) {
			text.data += written;
			text.len -= (size_t)written;
		}
	}
	step(prompts, "sync the text");
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

int sl_prompts_write_file(struct sl_prompts *prompts, const char *id, const char *hash,
			  const char *suffix, struct sl_span text)
{
	char name[NAME_SIZE], temporary[NAME_SIZE];
	int dir_fd = open_prompt_dir(prompts, id), rc;

	if (dir_fd < 0)
		return dir_fd;
	snprintf(name, sizeof(name), "%s%s", hash, suffix);
	snprintf(temporary, sizeof(temporary), ".%s%s.new", hash, suffix);
	rc = write_synced(prompts, dir_fd, temporary, text);
	step(prompts, "rename");
	if (rc == 0 && renameat(dir_fd, temporary, dir_fd, name) != 0)
		rc = -errno;
	step(prompts, "sync the directory");
	if (rc == 0 && fsync(dir_fd) != 0)
		rc = -errno;
	if (rc != 0)
		unlinkat(dir_fd, temporary, 0);
	close(dir_fd);
	return rc;
}

static void put_hash(struct sl_text *line, const char *name,
		     const struct sl_prompt_version *version)
{
	sl_text_printf(line, ",\"%s\":", name);
	if (version)
		sl_text_printf(line, "\"%s\"", version->hash);
	else
		sl_text_append_string(line, "null");
}

static void write_line(struct sl_prompts *prompts, const struct sl_prompt_line *what,
		       struct sl_text *line)
{
	const struct sl_prompt *prompt = what->prompt;
	time_t now = time(NULL);
	struct tm parts;
	char at[32];

	gmtime_r(&now, &parts);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &parts);
	sl_text_printf(line, "{\"line\":%llu,\"at\":\"%s\",\"who\":",
		       (unsigned long long)prompts->lines + 1, at);
	sl_text_append_json_string(line, what->who);
	sl_text_printf(line, ",\"action\":\"%s\",\"id\":\"%s\",\"version\":\"%s\"", what->action,
		       prompt->id, what->hash);
	if (what->label) {
		sl_text_printf(line, ",\"label\":\"%s\"", what->label);
		put_hash(line, "from", what->from);
	}
	put_hash(line, "stable", prompt->labels[SL_PROMPT_STABLE]);
	put_hash(line, "canary", prompt->labels[SL_PROMPT_CANARY]);
	put_hash(line, "known_good", prompt->labels[SL_PROMPT_KNOWN_GOOD]);
	put_hash(line, "former", prompt->former);
	put_hash(line, "forced", prompt->forced);
	sl_text_append_string(line, "}\n");
}

int sl_prompts_write_line(struct sl_prompts *prompts, const struct sl_prompt_line *what)
{
	struct sl_text line;
	ssize_t written;
	int rc = 0;

	sl_text_init(&line, 4096);
	write_line(prompts, what, &line);
	if (line.error)
		rc = line.error;
	else if (prompts->audit_len + line.len > SL_PROMPTS_AUDIT_BYTES_MAX)
		rc = -EFBIG;
	step(prompts, "cut what is torn off the log");
	if (rc == 0 && ftruncate(prompts->audit_fd, (off_t)prompts->audit_len) != 0)
		rc = -errno;
	step(prompts, "write the line");
	if (rc == 0) {
		written = write(prompts->audit_fd, line.data, line.len);
		if (written != (ssize_t)line.len)
			rc = written < 0 ? -errno : -ENOSPC;
	}
	step(prompts, "sync the line");
	if (rc == 0 && fsync(prompts->audit_fd) != 0)
		rc = -errno;
	if (rc == 0) {
		prompts->audit_len += line.len;
		prompts->lines++;
	} else {
		(void)!ftruncate(prompts->audit_fd, (off_t)prompts->audit_len);
	}
	sl_text_fini(&line);
	return rc;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Is the name HASH.prompt? */
static bool version_name(const char *name, char hash[SL_PROMPT_HASH_SIZE])
{
	if (strlen(name) != SL_PROMPT_HASH_SIZE - 1 + sizeof(SUFFIX) - 1 ||
	    strcmp(name + SL_PROMPT_HASH_SIZE - 1, SUFFIX) != 0 ||
	    strspn(name, "0123456789abcdef") < SL_PROMPT_HASH_SIZE - 1)
		return false;
	memcpy(hash, name, SL_PROMPT_HASH_SIZE - 1);
	hash[SL_PROMPT_HASH_SIZE - 1] = '\0';
	return true;
}

static struct sl_prompt_version *read_version(struct sl_prompts *prompts, int dir_fd,
					      const char *id, const char *name, const char *hash)
{
	struct sl_prompt_version *version = NULL;
	char found[SL_PROMPT_HASH_SIZE] = "";
	struct sl_text text;
	int rc;

	sl_text_init(&text, SL_TEMPLATE_BYTES_MAX + 1);
	rc = sl_prompts_read_file(dir_fd, name, SL_TEMPLATE_BYTES_MAX, &text);
	if (rc == 0)
		sl_prompt_hash(sl_text_span(&text), found);
	if (rc != 0 || strcmp(found, hash) != 0)
		sl_log(SL_LOG_ERROR, "prompts: %s/%s/%s is left out: %s", prompts->dir, id, name,
		       rc ? strerror(-rc) : "its text is not the one that its name says");
	else
		version = sl_prompt_version_make(sl_text_span(&text), hash);
	if (version)
		sl_prompt_load_result(prompts, id, version);
	sl_text_fini(&text);
	return version;
}

static void read_versions(struct sl_prompts *prompts, const struct sl_prompt_set *former,
			  struct sl_prompt *prompt)
{
	const struct sl_prompt *known =
		former ? sl_prompt_find(former, sl_span_string(prompt->id)) : NULL;
	int dir_fd = openat(prompts->dir_fd, prompt->id,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	struct dirent *entry;
	char hash[SL_PROMPT_HASH_SIZE];

	while (dir && (entry = readdir(dir))) {
		struct sl_prompt_version *version = NULL;

		if (!version_name(entry->d_name, hash))
			continue;
		if (known)
			version = sl_prompt_by_hash(known, hash);
		if (version && version->template)
			sl_prompt_version_get(version);
		else
			version = read_version(prompts, dir_fd, prompt->id, entry->d_name, hash);
		if (version && sl_prompt_add_version(prompt, version) != 0)
			sl_log(SL_LOG_ERROR,
			       "prompts: %s/%s: over %u versions, the rest is left out",
			       prompts->dir, prompt->id, SL_PROMPT_VERSIONS_MAX);
	}
	if (dir)
		closedir(dir);
	else if (dir_fd >= 0)
		close(dir_fd);
}

static struct sl_prompt_version *version_in(const struct sl_prompt *prompt,
					    const struct sl_json_field *field)
{
	char hash[SL_PROMPT_HASH_SIZE];

	return sl_json_string(field, hash, sizeof(hash)) > 0 ? sl_prompt_by_hash(prompt, hash)
							     : NULL;
}

/*
 * The version that a label names. One whose file is missing or damaged stays under its label, without a
 * text: who asks for it is to get known-good, not to hear that there is none.
 */
static struct sl_prompt_version *labelled_in(struct sl_prompt *prompt, uint64_t line,
					     const struct sl_json_field *field)
{
	struct sl_prompt_version *version = version_in(prompt, field);
	char hash[SL_PROMPT_HASH_SIZE];

	if (version || sl_json_string(field, hash, sizeof(hash)) != SL_PROMPT_HASH_SIZE - 1 ||
	    strspn(hash, "0123456789abcdef") != SL_PROMPT_HASH_SIZE - 1)
		return version;
	version = sl_prompt_version_lost(hash);
	if (!version)
		return NULL;
	version->line = line;
	return sl_prompt_add_version(prompt, version) ? NULL : version;
}

/* One line of the log; false: it is damaged. */
static bool take_line(struct sl_prompts *prompts, struct sl_prompt_set *set, struct sl_span line)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("line"),    SL_JSON_FIELD("id"),
				    SL_JSON_FIELD("version"), SL_JSON_FIELD("stable"),
				    SL_JSON_FIELD("canary"),  SL_JSON_FIELD("known_good"),
				    SL_JSON_FIELD("former"),  SL_JSON_FIELD("forced")};
	char id[SL_PROMPT_ID_MAX + 1];
	struct sl_prompt_version *version;
	struct sl_prompt *prompt;
	int64_t number;
	int len;

	if (sl_json_scan(line.data, line.len, f, 8) < 0 || sl_json_int(&f[0], &number) < 0)
		return false;
	len = sl_json_string(&f[1], id, sizeof(id));
	if (len < 0 || !sl_prompt_id_valid(sl_span_make(id, (size_t)len)))
		return false;
	if (number > 0 && (uint64_t)number > prompts->lines)
		prompts->lines = (uint64_t)number;
	prompt = (struct sl_prompt *)sl_prompt_find(set, sl_span_make(id, (size_t)len));
	if (!prompt) /* its directory was taken away */
		return true;
	version = version_in(prompt, &f[2]);
	if (version && !version->line)
		version->line = (uint64_t)number;
	for (int i = 0; i < SL_PROMPT_LABELS; i++)
		prompt->labels[i] = labelled_in(prompt, (uint64_t)number, &f[3 + i]);
	prompt->former = version_in(prompt, &f[6]);
	prompt->forced = version_in(prompt, &f[7]);
	sl_prompt_forget_lost(prompt);
	return true;
}

static int read_log(struct sl_prompts *prompts, struct sl_prompt_set *set)
{
	struct sl_span rest;
	struct sl_text text;
	size_t number = 0;
	int rc;

	sl_text_init(&text, SL_PROMPTS_AUDIT_BYTES_MAX + 4096);
	rc = sl_prompts_read_file(prompts->dir_fd, AUDIT, SL_PROMPTS_AUDIT_BYTES_MAX, &text);
	prompts->lines = prompts->audit_len = 0;
	rest = sl_text_span(&text);
	while (rc == 0 && rest.data && memchr(rest.data, '\n', rest.len)) {
		struct sl_span line = sl_span_cut(&rest, '\n');

		number++;
		prompts->audit_len += line.len + 1;
		if (!take_line(prompts, set, line))
			sl_log(SL_LOG_ERROR,
			       "prompts: %s/" AUDIT ": line %zu is damaged and left out",
			       prompts->dir, number);
	}
	sl_text_fini(&text);
	return rc == -ENOENT ? 0 : rc;
}

static int older(const void *a, const void *b)
{
	const struct sl_prompt_version *x = *(struct sl_prompt_version *const *)a,
				       *y = *(struct sl_prompt_version *const *)b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return strcmp(x->hash, y->hash);
}

int sl_prompts_load(struct sl_prompts *prompts, const struct sl_prompt_set *former,
		    struct sl_prompt_set *set, struct sl_error *error)
{
	int copy = openat(prompts->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	struct stat stat;
	int rc;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return sl_error_set_errno(error, -errno, "prompts: %s", prompts->dir);
	}
	while ((entry = readdir(dir))) {
		struct sl_span id = sl_span_string(entry->d_name);

		if (!sl_prompt_id_valid(id) ||
		    fstatat(prompts->dir_fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISDIR(stat.st_mode))
			continue;
		if (!sl_prompt_set_add(set, id))
			sl_log(SL_LOG_ERROR, "prompts: %s: over %u prompts, the rest is left out",
			       prompts->dir, SL_PROMPTS_MAX);
	}
	closedir(dir);
	for (uint32_t i = 0; i < set->count; i++) {
		read_versions(prompts, former, &set->prompts[i]);
		sl_prompt_note_suite(prompts, &set->prompts[i], NULL);
	}
	rc = read_log(prompts, set);
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->prompts[i].version_count)
			qsort(set->prompts[i].versions, set->prompts[i].version_count,
			      sizeof(*set->prompts[i].versions), older);
	}
	return rc ? sl_error_set_errno(error, rc, "prompts: %s/" AUDIT, prompts->dir) : 0;
}
