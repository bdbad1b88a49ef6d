/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/digest.h"

#define READ_BYTES (256u << 10)

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct sl_scan_file *)a)->name,
		      ((const struct sl_scan_file *)b)->name);
}

static int add(struct sl_scan *scan, const char *name, uint64_t bytes, int64_t mtime_ns,
	       enum sl_scan_change change, struct sl_error *error)
{
	struct sl_scan_file *file;

	if (scan->count == SL_SCAN_FILES_MAX)
		return sl_error_set(error, -E2BIG, "documents: over %u files; make several indexes",
				    SL_SCAN_FILES_MAX);
	if (scan->count == scan->size) {
		uint32_t size = scan->size ? scan->size * 2 : 64;
		struct sl_scan_file *more = realloc(scan->files, size * sizeof(*more));

		if (more == NULL)
			return sl_error_set_errno(error, -ENOMEM, "documents");
		scan->files = more;
		scan->size = size;
	}
	file = &scan->files[scan->count];
	*file = (struct sl_scan_file){.name = strdup(name),
				      .print = {.bytes = bytes, .mtime_ns = mtime_ns},
				      .change = change};
	if (file->name == NULL)
		return sl_error_set_errno(error, -ENOMEM, "documents");
	scan->count++;
	return 0;
}

static int64_t mtime_of(const struct stat *info)
{
	return (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec;
}

/* A directory, opened; below: its name under the root, "" for the root itself. */
static int walk(struct sl_scan *scan, int fd, const char *below, unsigned depth,
		struct sl_error *error)
{
	DIR *stream = fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (stream == NULL) {
		rc = -errno;
		close(fd);
		return sl_error_set_errno(error, rc, "documents \"%s\"", below);
	}
	while (!rc && (entry = readdir(stream)) != NULL) {
		enum sl_chunk_format format;
		char name[PATH_MAX];
		struct stat info;
		int len;

		if (entry->d_name[0] == '.' ||
		    fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* gone meanwhile */
		len = snprintf(name, sizeof(name), "%s%s%s", below, *below ? "/" : "",
			       entry->d_name);
		if (len < 0 || len > (int)SL_DOCUMENTS_NAME_MAX)
			continue;
		if (S_ISDIR(info.st_mode) && depth < SL_SCAN_DEPTH_MAX) {
			int inner = openat(fd, entry->d_name,
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (inner >= 0)
				rc = walk(scan, inner, name, depth + 1, error);
			else
				rc = sl_error_set_errno(error, -errno,
							"documents \"%s\": cannot be read", name);
		} else if (S_ISREG(info.st_mode) && sl_chunk_format_of(name, &format) == 0) {
			rc = add(scan, name, (uint64_t)info.st_size, mtime_of(&info), SL_SCAN_NEW,
				 error);
		}
	}
	closedir(stream);
	return rc;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static int list(struct sl_scan *scan, const char *path, struct sl_error *error)
{
	struct stat info;
	int fd;

	if (stat(path, &info) < 0)
		return sl_error_set_errno(error, -errno, "documents \"%s\": cannot be read", path);
	if (!S_ISDIR(info.st_mode))
		return add(scan, last_part(path), (uint64_t)info.st_size, mtime_of(&info),
			   SL_SCAN_NEW, error);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sl_error_set_errno(error, -errno, "documents \"%s\": cannot be read", path);
	return walk(scan, fd, "", 0, error);
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct comparing {
	struct sl_scan *scan;
	const char *path;
	uint32_t found; /* files that were on the disk: sorted, the rest is gone */
	struct sl_error *error;
};

static int compare_document(void *arg, const char *name, const struct sl_documents_print *print)
{
	struct comparing *c = arg;
	struct sl_scan_file key = {.name = (char *)name};
	struct sl_scan_file *file =
		bsearch(&key, c->scan->files, c->found, sizeof(key), compare_names);
	static const uint8_t none[SL_DOCUMENTS_DIGEST_BYTES];
	struct sl_text text;
	int rc;

	if (file == NULL)
		return add(c->scan, name, print->bytes, print->mtime_ns, SL_SCAN_GONE, c->error);
	if (file->print.bytes == print->bytes && file->print.mtime_ns == print->mtime_ns) {
		file->change = SL_SCAN_SAME;
		return 0;
	}
	sl_text_init(&text, SL_CHUNK_SOURCE_BYTES_MAX);
	rc = sl_scan_read(c->path, file, &text, NULL);
	sl_text_fini(&text);
	file->change =
		rc == 0 && memcmp(file->print.digest, print->digest, sizeof(print->digest)) == 0
			? SL_SCAN_TOUCHED
			: SL_SCAN_CHANGED;
	/* It was left out, and still cannot be read. */
	if (rc == -EACCES && memcmp(print->digest, none, sizeof(none)) == 0)
		file->change = SL_SCAN_SAME;
	return 0;
}

int sl_scan_run(const char *path, struct sl_documents *documents, struct sl_scan *ret_scan,
		struct sl_error *error)
{
	struct comparing comparing = {.scan = ret_scan, .path = path, .error = error};
	int rc;

	*ret_scan = (struct sl_scan){0};
	rc = list(ret_scan, path, error);
	if (rc)
		return rc;
	if (ret_scan->count)
		qsort(ret_scan->files, ret_scan->count, sizeof(ret_scan->files[0]), compare_names);
	comparing.found = ret_scan->count;
	if (documents != NULL)
		rc = sl_documents_each(documents, compare_document, &comparing, error);
	for (uint32_t i = 0; i < ret_scan->count; i++)
		ret_scan->changed += ret_scan->files[i].change >= SL_SCAN_CHANGED;
	return rc;
}

void sl_scan_fini(struct sl_scan *scan)
{
	for (uint32_t i = 0; i < scan->count; i++)
		free(scan->files[i].name);
	free(scan->files);
	*scan = (struct sl_scan){0};
}

/* ---- reading --------------------------------------------------------------------------------- */

static int read_all(int fd, struct sl_text *out)
{
	ssize_t len;

	for (;;) {
		int rc = sl_text_reserve(out, READ_BYTES);

		if (rc)
			return rc;
		len = read(fd, out->data + out->len, READ_BYTES);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return len < 0 ? -errno : 0;
		out->len += (size_t)len;
		out->data[out->len] = '\0';
	}
}

int sl_scan_read(const char *path, struct sl_scan_file *file, struct sl_text *out,
		 struct sl_error *error)
{
	char whole[PATH_MAX];
	struct sl_span bytes;
	struct stat info;
	int fd, rc;

	if (stat(path, &info) < 0)
		return sl_error_set_errno(error, -errno, "document \"%s\"", file->name);
	if (S_ISDIR(info.st_mode))
		snprintf(whole, sizeof(whole), "%s/%s", path, file->name);
	else
		snprintf(whole, sizeof(whole), "%s", path);
	/* Below a directory nothing leads out of it; the one file is what the configuration names. */
	fd = open(whole,
		  O_RDONLY | (S_ISDIR(info.st_mode) ? O_NOFOLLOW : 0) | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return sl_error_set_errno(error, -errno, "document \"%s\": cannot be read",
					  file->name);
	rc = fstat(fd, &info) < 0 ? -errno : read_all(fd, out);
	close(fd);
	if (rc)
		return sl_error_set_errno(error, rc, "document \"%s\": cannot be read", file->name);
	bytes = sl_text_span(out);
	file->print = (struct sl_documents_print){.bytes = out->len, .mtime_ns = mtime_of(&info)};
	sl_digest_sha256(&bytes, 1, file->print.digest);
	return 0;
}
