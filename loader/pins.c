/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include "loader/say.h"

#define PIN_DIR_MODE 0700

const char *sl_pins_dir(const char *option, const struct sl_config *config)
{
	const char *environment = getenv("SLUICE_PIN_DIR");

	if (option)
		return option;
	if (environment && *environment)
		return environment;
	if (config && config->pin_dir)
		return config->pin_dir;
	return SL_PIN_DIR;
}

const char *sl_pins_path(const char *dir, const char *name, char path[SL_PINS_PATH_MAX])
{
	int len = snprintf(path, SL_PINS_PATH_MAX, "%s/%s", dir, name);

	if (len < 0 || (unsigned)len >= SL_PINS_PATH_MAX)
		path[0] = '\0';
	return path;
}

/* Whether the nearest existing directory at or above `path` lies on bpffs. */
static bool on_bpffs(const char *path)
{
	char at[SL_PINS_PATH_MAX];
	struct statfs fs;

	snprintf(at, sizeof(at), "%s", path);
	for (;;) {
		char *slash;

		if (!statfs(at, &fs))
			return fs.f_type == BPF_FS_MAGIC;
		slash = strrchr(at, '/');
		if (!slash || slash == at)
			return false;
		*slash = '\0';
	}
}

static bool same_mounts(const struct stat *own, pid_t pid)
{
	char path[SL_PINS_PATH_MAX];
	struct stat other;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	return stat(path, &other) || own->st_ino == other.st_ino; /* unreadable tells nothing */
}

/* Whether this mount namespace is one that `ip netns exec` or the like made for one command. */
static bool mounts_are_private(void)
{
	struct stat own;

	return !stat("/proc/self/ns/mnt", &own) &&
	       (!same_mounts(&own, 1) || !same_mounts(&own, getppid()));
}

/* Pins outlive this command only if bpffs outlives it. */
static void warn_private(const char *dir)
{
	struct stat own, init;

	if (!mounts_are_private() || stat(dir, &own) || stat("/proc/1/root" SL_PIN_ROOT, &init) ||
	    own.st_dev == init.st_dev)
		return;
	sl_say_warning("enter the network namespace with `nsenter --net=/run/netns/NAME`, which "
		       "keeps the mounts",
		       "\"%s\" lies in a private mount namespace (`ip netns exec` makes one): "
		       "everything ends with its last process",
		       dir);
}

static int mount_bpffs(const char *dir)
{
	if (strncmp(dir, SL_PIN_ROOT "/", sizeof(SL_PIN_ROOT))) {
		sl_say_error("mount one: mount -t bpf bpf MOUNTPOINT",
			     "pin directory \"%s\" does not lie on a BPF file system", dir);
		return -ENODEV;
	}
	if (mounts_are_private()) {
		sl_say_error("enter the network namespace with `nsenter --net=/run/netns/NAME`, "
			     "which keeps the mounts, or mount bpffs here yourself",
			     SL_PIN_ROOT " is not mounted in this private mount namespace (`ip "
					 "netns exec` makes one): pins would vanish with it");
		return -ENODEV;
	}
	if (mount("bpf", SL_PIN_ROOT, "bpf", 0, "mode=0700")) {
		int error = -errno;

		sl_say_error("mount -t bpf bpf " SL_PIN_ROOT " (needs CAP_SYS_ADMIN)",
			     "cannot mount the BPF file system at " SL_PIN_ROOT ": %s",
			     strerror(-error));
		return error;
	}
	return 0;
}

static int make_dirs(const char *dir)
{
	char at[SL_PINS_PATH_MAX + 1];

	snprintf(at, sizeof(at), "%s/", dir);
	for (char *slash = strchr(at + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(at, PIN_DIR_MODE) && errno != EEXIST) {
			int error = -errno;

			sl_say_error(error == -EPERM && strchr(at, '.')
					     ? "choose a name without dots: bpffs reserves them"
					     : "run as root",
				     "cannot make the pin directory \"%s\": %s", at,
				     strerror(-error));
			return error;
		}
		*slash = '/';
	}
	return 0;
}

int sl_pins_lock(const char *dir, int *ret_lock_fd)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = -errno;

	if (fd < 0) {
		if (error != -ENOENT)
			sl_say_error("run as root", "cannot open the pin directory \"%s\": %s", dir,
				     strerror(-error));
		return error;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		sl_say_error("wait for it to end and try again",
			     "another `sluice up` or `sluice down` works on \"%s\"", dir);
		return -EBUSY;
	}
	*ret_lock_fd = fd;
	return 0;
}

int sl_pins_prepare(const char *dir, int *ret_lock_fd)
{
	char path[SL_PINS_PATH_MAX];
	int error;

	if (dir[0] != '/' || strlen(dir) > SL_PINS_PATH_MAX / 2) {
		sl_say_error("give an absolute path below " SL_PIN_ROOT,
			     "pin directory \"%s\" is not an absolute path of fewer than %u bytes",
			     dir, SL_PINS_PATH_MAX / 2);
		return -EINVAL;
	}
	if (!on_bpffs(dir)) {
		error = mount_bpffs(dir);
		if (error)
			return error;
	}
	error = make_dirs(sl_pins_path(dir, SL_PINS_RECORDS, path));
	if (!error)
		error = make_dirs(sl_pins_path(dir, SL_PINS_CALLS, path));
	if (error)
		return error;
	warn_private(dir);
	return sl_pins_lock(dir, ret_lock_fd);
}

bool sl_pins_complete(const char *dir)
{
	char path[SL_PINS_PATH_MAX];

	return !access(sl_pins_path(dir, SL_PINS_MARK, path), F_OK);
}

/* The next entry that is neither `.` nor `..`, or NULL. */
static const struct dirent *next_entry(DIR *entries)
{
	const struct dirent *entry;

	do
		entry = readdir(entries);
	while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

static bool dir_empty(const char *path)
{
	DIR *entries = opendir(path);
	bool empty = !entries || !next_entry(entries);

	if (entries)
		closedir(entries);
	return empty;
}

static bool is_subdir(const char *name)
{
	return !strcmp(name, SL_PINS_RECORDS) || !strcmp(name, SL_PINS_CALLS);
}

bool sl_pins_empty(const char *dir)
{
	char path[SL_PINS_PATH_MAX];
	const struct dirent *entry;
	DIR *entries = opendir(dir);
	bool empty = true;

	if (!entries)
		return true;
	while (empty && (entry = next_entry(entries)))
		empty = is_subdir(entry->d_name) &&
			dir_empty(sl_pins_path(dir, entry->d_name, path));
	closedir(entries);
	return empty;
}

/* The number of a directory's name `vN`; 0: it is called otherwise. */
static uint32_t version_of(const char *name)
{
	uint32_t version;
	char rest;

	return sscanf(name, "v%5u%c", &version, &rest) == 1 ? version : 0;
}

bool sl_pins_find_version(const char *dir, char ret_path[SL_PINS_PATH_MAX], uint32_t *ret_version)
{
	char above[SL_PINS_PATH_MAX];
	char *slash;
	const struct dirent *entry;
	uint32_t own, found = 0;
	DIR *entries;

	snprintf(above, sizeof(above), "%s", dir);
	slash = strrchr(above, '/');
	own = slash ? version_of(slash + 1) : 0;
	if (!own)
		return false;
	*slash = '\0';
	entries = opendir(above);
	while (entries && (entry = next_entry(entries))) {
		uint32_t version = version_of(entry->d_name);
		char path[SL_PINS_PATH_MAX];

		if (!version || version == own || (found && version > found) ||
		    !sl_pins_complete(sl_pins_path(above, entry->d_name, path)))
			continue;
		found = version;
		memcpy(ret_path, path, sizeof(path));
	}
	if (entries)
		closedir(entries);
	*ret_version = found;
	return found != 0;
}

/* Removes an own file or empty directory; keeps the first error. */
static void remove_one(const char *path, bool is_dir, int *error)
{
	if (!(is_dir ? rmdir(path) : unlink(path)) || errno == ENOENT)
		return;
	if (!*error)
		*error = -errno;
	sl_say_error("look with: bpftool map show pinned PATH", "cannot remove \"%s\": %s", path,
		     strerror(errno));
}

/* Every file of the directory; subdirectories stay. */
static void remove_files(const char *dir, int *error)
{
	const struct dirent *entry;
	DIR *entries = opendir(dir);

	while (entries && (entry = next_entry(entries))) {
		char path[SL_PINS_PATH_MAX];

		if (!is_subdir(entry->d_name))
			remove_one(sl_pins_path(dir, entry->d_name, path), false, error);
	}
	if (entries)
		closedir(entries);
}

int sl_pins_remove(const char *dir)
{
	char path[SL_PINS_PATH_MAX];
	char *slash;
	int error = 0;

	/* the mark first: from here on the directory counts as incomplete */
	remove_one(sl_pins_path(dir, SL_PINS_MARK, path), false, &error);
	remove_files(dir, &error);
	remove_files(sl_pins_path(dir, SL_PINS_CALLS, path), &error);
	remove_one(path, true, &error);
	remove_one(sl_pins_path(dir, SL_PINS_RECORDS, path), true, &error);
	remove_one(dir, true, &error);
	snprintf(path, sizeof(path), "%s", dir);
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	if (slash && !strcmp(path, SL_PIN_ROOT "/sluice"))
		(void)rmdir(path); /* other versions may live there */
	return error;
}
