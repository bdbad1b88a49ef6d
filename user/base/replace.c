/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The name lasts only when its directory is on the disk too. */
static int sync_parent(const char *path)
{
	char parent[PATH_MAX];
	char *slash;
	int fd;
	int rc;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		strcpy(parent, ".");
	else
		slash[slash == parent] = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) != 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int open_new(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* With the owner of the file that it replaces: the daemon need not run as root. */
static int create_beside(const char *path, const char *temporary, int *ret_fd)
{
	struct stat old;
	int fd = open_new(temporary);
	int rc = 0;

	/* left by a process of the same number that was killed: in a container each one's is 1 */
	if (fd < 0 && errno == EEXIST && unlink(temporary) == 0)
		fd = open_new(temporary);
	if (fd < 0)
		return -errno;
	if (stat(path, &old) == 0 && (old.st_uid != geteuid() || old.st_gid != getegid()) &&
	    fchown(fd, old.st_uid, old.st_gid) != 0)
		rc = -errno;
	if (rc == 0 && fchmod(fd, 0600) != 0)
		rc = -errno;
	if (rc != 0) {
		close(fd);
		unlink(temporary);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int write_parts(int fd, const struct sl_span *parts, size_t part_count)
{
	for (size_t i = 0; i < part_count; i++) {
		size_t done = 0;

		while (done < parts[i].len) {
			ssize_t put = write(fd, parts[i].data + done, parts[i].len - done);

			if (put < 0 && errno != EINTR)
				return -errno;
			done += put > 0 ? (size_t)put : 0;
		}
	}
	return fsync(fd) != 0 ? -errno : 0;
}

static int replace(const char *path, const struct sl_span *parts, size_t part_count)
{
	char temporary[PATH_MAX];
	int fd = -1;
	int rc;

	if (snprintf(temporary, sizeof(temporary), "%s.new.%ld", path, (long)getpid()) >=
	    (int)sizeof(temporary))
		return -ENAMETOOLONG;
	rc = create_beside(path, temporary, &fd);
	if (rc != 0)
		return rc;
	rc = write_parts(fd, parts, part_count);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(temporary, path) != 0)
		rc = -errno;
	if (rc != 0)
		unlink(temporary);
	return rc != 0 ? rc : sync_parent(path);
}

int sl_replace_file_parts(const char *path, const struct sl_span *parts, size_t part_count)
{
	char *real = realpath(path, NULL);
	int rc = replace(real != NULL ? real : path, parts, part_count);

	free(real);
	return rc;
}

int sl_replace_file(const char *path, const struct sl_text *text)
{
	struct sl_span part = sl_text_span(text);

	return sl_replace_file_parts(path, &part, 1);
}
