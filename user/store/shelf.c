/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/shelf.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILDING	"building.db"
#define NAME_DIGITS	6
#define COPY_BYTES	(1u << 20)
#define LINK_NAME_BYTES 64u

static const char *const building_tails[] = {"",     "-journal",    "-wal",
					     "-shm", SL_SHELF_NEAR, SL_SHELF_NEAR2};

static int join(const char *directory, const char *name, char out[SL_SHELF_PATH_SIZE],
		struct sl_error *error)
{
	int len = snprintf(out, SL_SHELF_PATH_SIZE, "%s/%s", directory, name);

	if (len < 0 || (size_t)len >= SL_SHELF_PATH_SIZE - 16) /* room for the tails above */
		return sl_error_set(error, -ENAMETOOLONG, "index \"%s\": path is too long",
				    directory);
	return 0;
}

int sl_shelf_path(const char *directory, uint32_t version, char out[SL_SHELF_PATH_SIZE],
		  struct sl_error *error)
{
	char name[32];

	snprintf(name, sizeof(name), "v%06u.db", version);
	return join(directory, name, out, error);
}

/* The number of "v000012.db", 0 for any other name. */
static uint32_t version_of(const char *name)
{
	uint32_t number = 0;

	if (name[0] != 'v' || strlen(name) != 1 + NAME_DIGITS + 3 ||
	    strcmp(name + 1 + NAME_DIGITS, ".db") != 0)
		return 0;
	for (size_t i = 1; i <= NAME_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(name[i] - '0');
	}
	return number;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int read_current(const char *directory, uint32_t *ret_current, struct sl_error *error)
{
	char path[SL_SHELF_PATH_SIZE], target[LINK_NAME_BYTES];
	ssize_t len;
	int rc = join(directory, "current", path, error);

	*ret_current = 0;
	if (rc)
		return rc;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return errno == ENOENT ? 0
				       : sl_error_set_errno(error, -errno,
							    "index \"%s\": cannot be read", path);
	target[len] = '\0';
	*ret_current = version_of(target);
	return 0;
}

int sl_shelf_read(const char *directory, struct sl_shelf_list *ret_list, struct sl_error *error)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	int rc = 0;

	*ret_list = (struct sl_shelf_list){0};
	if (stream == NULL)
		return sl_error_set_errno(error, -errno, "index \"%s\": cannot be opened",
					  directory);
	while ((entry = readdir(stream)) != NULL && !rc) {
		uint32_t version = version_of(entry->d_name);

		if (version == 0)
			continue;
		if (ret_list->count == SL_SHELF_VERSIONS_MAX)
			rc = sl_error_set(error, -E2BIG,
					  "index \"%s\": over %u versions; remove old ones",
					  directory, SL_SHELF_VERSIONS_MAX);
		else
			ret_list->versions[ret_list->count++] = version;
	}
	closedir(stream);
	qsort(ret_list->versions, ret_list->count, sizeof(ret_list->versions[0]), ascending);
	if (!rc)
		rc = read_current(directory, &ret_list->current, error);
	return rc;
}

/* ---- changes --------------------------------------------------------------------------------- */

static int sync_directory(const char *directory, struct sl_error *error)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc ? sl_error_set_errno(error, rc, "index \"%s\": cannot be written", directory) : 0;
}

static int take_lock(const char *directory, int *ret_fd, struct sl_error *error)
{
	char path[SL_SHELF_PATH_SIZE];
	int fd, rc = join(directory, "lock", path, error);

	if (rc)
		return rc;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return sl_error_set_errno(error, -errno, "index \"%s\": cannot be locked",
					  directory);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		close(fd);
		return rc == -EBUSY
			       ? sl_error_set(error, rc,
					      "index \"%s\": another change of it is under way",
					      directory)
			       : sl_error_set_errno(error, rc, "index \"%s\": cannot be locked",
						    directory);
	}
	*ret_fd = fd;
	return 0;
}

static void remove_all(const char *path)
{
	char tail[SL_SHELF_PATH_SIZE + 16];

	for (size_t i = 0; i < sizeof(building_tails) / sizeof(building_tails[0]); i++) {
		snprintf(tail, sizeof(tail), "%s%s", path, building_tails[i]);
		unlink(tail);
	}
}

static int copy_bytes(int from, int to)
{
	char *memory = malloc(COPY_BYTES);
	ssize_t len = 0;
	int rc = memory == NULL ? -ENOMEM : 0;

	while (!rc && (len = read(from, memory, COPY_BYTES)) > 0)
		for (ssize_t at = 0; at < len && !rc;) {
			ssize_t put = write(to, memory + at, (size_t)(len - at));

			if (put < 0 && errno != EINTR)
				rc = -errno;
			at += put > 0 ? put : 0;
		}
	if (!rc && len < 0)
		rc = -errno;
	free(memory);
	return rc;
}

static int copy_file(const char *from, const char *to, struct sl_error *error)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = in < 0 || out < 0 ? -errno : copy_bytes(in, out);

	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return rc ? sl_error_set_errno(error, rc, "index \"%s\": cannot be copied", from) : 0;
}

static int prepare(struct sl_shelf_work *work, uint32_t from, struct sl_error *error)
{
	struct sl_shelf_list list;
	char source[SL_SHELF_PATH_SIZE];
	int rc = join(work->directory, BUILDING, work->path, error);

	if (!rc)
		rc = sl_shelf_read(work->directory, &list, error);
	if (rc)
		return rc;
	work->version = list.count ? list.versions[list.count - 1] + 1 : 1;
	if (work->version > SL_SHELF_VERSION_MAX)
		return sl_error_set(error, -E2BIG, "index \"%s\": version numbers are used up",
				    work->directory);
	remove_all(work->path);
	if (from == 0)
		return 0;
	rc = sl_shelf_path(work->directory, from, source, error);
	return rc ? rc : copy_file(source, work->path, error);
}

int sl_shelf_begin(const char *directory, uint32_t from, struct sl_shelf_work *ret_work,
		   struct sl_error *error)
{
	struct sl_shelf_work work = {.lock = -1};
	int rc;

	if ((size_t)snprintf(work.directory, sizeof(work.directory), "%s", directory) >=
	    sizeof(work.directory))
		return sl_error_set(error, -ENAMETOOLONG, "index \"%s\": path is too long",
				    directory);
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return sl_error_set_errno(error, -errno, "index \"%s\": cannot be made", directory);
	rc = take_lock(directory, &work.lock, error);
	if (rc)
		return rc;
	rc = prepare(&work, from, error);
	if (rc) {
		close(work.lock);
		return rc;
	}
	*ret_work = work;
	return 0;
}

static int rename_tail(const char *from, const char *to, const char *tail, bool must)
{
	char old_path[SL_SHELF_PATH_SIZE + 16], new_path[SL_SHELF_PATH_SIZE + 16];

	snprintf(old_path, sizeof(old_path), "%s%s", from, tail);
	snprintf(new_path, sizeof(new_path), "%s%s", to, tail);
	if (rename(old_path, new_path) == 0)
		return 0;
	if (must || errno != ENOENT)
		return -errno;
	unlink(new_path); /* of one that was killed here, once */
	return 0;
}

int sl_shelf_finish(struct sl_shelf_work *work, struct sl_error *error)
{
	char path[SL_SHELF_PATH_SIZE];
	int fd, rc = sl_shelf_path(work->directory, work->version, path, error);

	if (rc)
		return rc;
	fd = open(work->path, O_RDONLY | O_CLOEXEC);
	rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	/* The graph first: a version without it is one that is slow, a graph without one is nothing. */
	if (!rc)
		rc = rename_tail(work->path, path, SL_SHELF_NEAR, false);
	if (!rc)
		rc = rename_tail(work->path, path, SL_SHELF_NEAR2, false);
	if (!rc)
		rc = rename_tail(work->path, path, "", true);
	if (rc)
		return sl_error_set_errno(error, rc, "index \"%s\": cannot become version %u",
					  work->directory, work->version);
	return sync_directory(work->directory, error);
}

void sl_shelf_end(struct sl_shelf_work *work)
{
	if (work->lock < 0)
		return;
	remove_all(work->path);
	close(work->lock);
	work->lock = -1;
}

static bool has_version(const struct sl_shelf_list *list, uint32_t version)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->versions[i] == version)
			return true;
	return false;
}

/* The link is made under another name and renamed over the old one: there is always one. */
static int point_to(const char *directory, uint32_t version, struct sl_error *error)
{
	char link[SL_SHELF_PATH_SIZE], next[SL_SHELF_PATH_SIZE], target[32];
	int rc = join(directory, "current", link, error);

	if (!rc)
		rc = join(directory, "current.next", next, error);
	if (rc)
		return rc;
	snprintf(target, sizeof(target), "v%06u.db", version);
	unlink(next);
	if (symlink(target, next) < 0 || rename(next, link) < 0)
		return sl_error_set_errno(error, -errno, "index \"%s\": cannot serve version %u",
					  directory, version);
	return sync_directory(directory, error);
}

int sl_shelf_promote(const char *directory, uint32_t version, struct sl_error *error)
{
	struct sl_shelf_list list;
	int fd, rc = take_lock(directory, &fd, error);

	if (rc)
		return rc;
	rc = sl_shelf_read(directory, &list, error);
	if (!rc && !has_version(&list, version))
		rc = sl_error_set(error, -ENOENT,
				  "index \"%s\": has no version %u (see: sluice index list)",
				  directory, version);
	if (!rc)
		rc = point_to(directory, version, error);
	close(fd);
	return rc;
}

static uint32_t before(const struct sl_shelf_list *list, uint32_t version)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < list->count && list->versions[i] < version; i++)
		found = list->versions[i];
	return found;
}

int sl_shelf_rollback(const char *directory, uint32_t *ret_version, struct sl_error *error)
{
	struct sl_shelf_list list;
	uint32_t version = 0;
	int fd, rc = take_lock(directory, &fd, error);

	if (rc)
		return rc;
	rc = sl_shelf_read(directory, &list, error);
	if (!rc) {
		version = before(&list, list.current);
		if (version == 0)
			rc = sl_error_set(error, -ENOENT, "index \"%s\": has no version before %u",
					  directory, list.current);
	}
	if (!rc)
		rc = point_to(directory, version, error);
	if (!rc)
		*ret_version = version;
	close(fd);
	return rc;
}

int sl_shelf_prune(const char *directory, uint32_t keep, uint32_t candidate, struct sl_error *error)
{
	struct sl_shelf_list list;
	char path[SL_SHELF_PATH_SIZE];
	uint32_t left, spare;
	int fd, rc = take_lock(directory, &fd, error);

	assert(keep >= 2);
	if (rc)
		return rc;
	rc = sl_shelf_read(directory, &list, error);
	left = list.count;
	spare = before(&list, list.current);
	for (uint32_t i = 0; i < list.count && left > keep && !rc; i++) {
		if (list.versions[i] == list.current || list.versions[i] == spare ||
		    list.versions[i] == candidate || i == list.count - 1)
			continue;
		rc = sl_shelf_path(directory, list.versions[i], path, error);
		if (!rc) {
			remove_all(path);
			left--;
		}
	}
	close(fd);
	return rc;
}
