/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/base/random.h"

#define DRAWN_BYTES 32u

/* Only where nothing is there yet: another daemon may be drawing one too. */
static int draw(const char *path, struct sl_error *error)
{
	uint8_t bytes[DRAWN_BYTES];
	char text[2 * DRAWN_BYTES + 2];
	int rc = sl_random_secure(bytes, sizeof(bytes)), fd;

	if (rc)
		return sl_error_set_errno(error, rc, "page.token_file: %s", path);
	for (uint32_t i = 0; i < DRAWN_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[2 * DRAWN_BYTES] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno == EEXIST
			       ? 0
			       : sl_error_set_errno(error, -errno, "page.token_file: %s", path);
	rc = write(fd, text, 2 * DRAWN_BYTES + 1) == 2 * DRAWN_BYTES + 1 ? 0 : -EIO;
	close(fd);
	explicit_bzero(text, sizeof(text));
	if (rc)
		unlink(path);
	return rc ? sl_error_set_errno(error, rc, "page.token_file: %s", path) : 0;
}

static int read_line(int fd, const char *path, uint8_t digest[SL_DIGEST_BYTES],
		     struct sl_error *error)
{
	char text[SL_PAGE_TOKEN_MAX + 2];
	struct sl_span rest, token;
	struct stat file;
	ssize_t len;

	if (fstat(fd, &file) || !S_ISREG(file.st_mode))
		return sl_error_set(error, -EINVAL, "page.token_file: %s: is no file", path);
	if (file.st_mode & S_IRWXO)
		return sl_error_set(
			error, -EPERM,
			"page.token_file: %s: anybody may read or write it (chmod 0600)", path);
	len = read(fd, text, sizeof(text));
	if (len < 0)
		return sl_error_set_errno(error, -errno, "page.token_file: %s", path);
	rest = sl_span_make(text, (size_t)len);
	token = sl_span_trim(sl_span_cut(&rest, '\n'));
	if (!sl_page_token_is_formed(token)) {
		explicit_bzero(text, sizeof(text));
		return sl_error_set(error, -EINVAL,
				    "page.token_file: %s: its first line is no token (expected %u "
				    "to %u letters, digits, '-', '_', '.'; without the file one is "
				    "drawn)",
				    path, SL_PAGE_TOKEN_MIN, SL_PAGE_TOKEN_MAX);
	}
	sl_digest_sha256(&token, 1, digest);
	explicit_bzero(text, sizeof(text));
	return 0;
}

int sl_page_token_load(const char *path, uint8_t digest[SL_DIGEST_BYTES], struct sl_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;

	if (fd < 0 && errno == ENOENT) {
		rc = draw(path, error);
		if (rc)
			return rc;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	}
	if (fd < 0)
		return sl_error_set_errno(error, -errno, "page.token_file: %s", path);
	rc = read_line(fd, path, digest, error);
	close(fd);
	return rc;
}
