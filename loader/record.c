/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/record.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include "loader/pins.h"
#include "loader/say.h"

/* What bpffs does not allow in a name is written as a character that no device name has. */
#define NAME_DOT '+'

/* A fresh pin before it gets its name. */
#define UNFINISHED SL_PINS_RECORDS "/new"

static const char *const kind_names[SL_RECORD_KIND_COUNT] = {
#define X(id, name) [SL_RECORD_##id] = name,
	SL_RECORD_KINDS(X)
#undef X
};

const char *sl_record_kind_name(enum sl_record_kind kind)
{
	return kind_names[kind];
}

bool sl_record_is_xdp(enum sl_record_kind kind)
{
	return kind == SL_RECORD_XDP_NATIVE || kind == SL_RECORD_XDP_GENERIC;
}

bool sl_record_is_lane(enum sl_record_kind kind)
{
	return kind == SL_RECORD_TCX_LANE || kind == SL_RECORD_CLS_LANE;
}

bool sl_record_is_cls(enum sl_record_kind kind)
{
	return kind == SL_RECORD_CLS_LANE || kind == SL_RECORD_CLS_INGRESS ||
	       kind == SL_RECORD_CLS_EGRESS;
}

static const char *record_path(const char *dir, const struct sl_record *record,
			       char path[SL_PINS_PATH_MAX])
{
	char device[IF_NAMESIZE];

	memcpy(device, record->device, sizeof(device));
	for (char *c = device; *c; c++) {
		if (*c == '.')
			*c = NAME_DOT;
	}
	snprintf(path, SL_PINS_PATH_MAX, "%s/" SL_PINS_RECORDS "/%s:%u:%" PRIu64 ":%s", dir,
		 kind_names[record->kind], record->ifindex, record->netns, device);
	return path;
}

static bool parse_record(const char *name, struct sl_record *ret_record)
{
	struct sl_record record = {0};
	char kind[16];

	if (sscanf(name, "%15[^:]:%u:%" SCNu64 ":%15s", kind, &record.ifindex, &record.netns,
		   record.device) != 4)
		return false;
	for (char *c = record.device; *c; c++) {
		if (*c == NAME_DOT)
			*c = '.';
	}
	for (unsigned i = 0; i < SL_RECORD_KIND_COUNT; i++) {
		if (!strcmp(kind_names[i], kind)) {
			record.kind = i;
			*ret_record = record;
			return true;
		}
	}
	return false;
}

void sl_record_list(const char *dir, struct sl_record *records, uint32_t max, uint32_t *ret_count)
{
	char path[SL_PINS_PATH_MAX];
	const struct dirent *entry;
	uint32_t count = 0;
	DIR *entries = opendir(sl_pins_path(dir, SL_PINS_RECORDS, path));

	while (entries && count < max && (entry = readdir(entries)))
		count += parse_record(entry->d_name, &records[count]);
	if (entries)
		closedir(entries);
	*ret_count = count;
}

bool sl_record_find(const char *dir, const struct sl_netdev *device, enum sl_record_kind kind,
		    struct sl_record *ret_record)
{
	char path[SL_PINS_PATH_MAX];
	struct sl_record record = {
		.kind = kind,
		.ifindex = device->ifindex,
		.netns = sl_netdev_netns(),
	};

	memcpy(record.device, device->name, sizeof(record.device));
	*ret_record = record;
	return !access(record_path(dir, &record, path), F_OK);
}

bool sl_record_alive(const char *dir, const struct sl_record *record)
{
	struct bpf_link_info info = {0};
	uint32_t info_len = sizeof(info);
	bool alive = false;
	int fd;

	if (sl_record_is_cls(record->kind) || record->kind == SL_RECORD_CLSACT) {
		char name[IF_NAMESIZE];

		return record->netns != sl_netdev_netns() || if_indextoname(record->ifindex, name);
	}
	fd = sl_record_open(dir, record);
	if (fd < 0)
		return false;
	/* xdp and tcx links both begin with the ifindex, 0 once the device is gone */
	if (!bpf_obj_get_info_by_fd(fd, &info, &info_len))
		alive = info.xdp.ifindex != 0;
	close(fd);
	return alive;
}

bool sl_record_holds(const char *dir, const struct sl_netdev *device, enum sl_record_kind kind)
{
	struct sl_record record;

	return sl_record_find(dir, device, kind, &record) && sl_record_alive(dir, &record);
}

int sl_record_pin(const char *dir, const struct sl_record *record, int fd)
{
	char path[SL_PINS_PATH_MAX], fresh[SL_PINS_PATH_MAX];
	int error = 0;

	sl_pins_path(dir, UNFINISHED, fresh);
	(void)unlink(fresh);
	if (bpf_obj_pin(fd, fresh) || rename(fresh, record_path(dir, record, path))) {
		error = -errno;
		sl_say_error("sluice down", "device \"%s\": cannot pin its %s record: %s",
			     record->device, kind_names[record->kind], strerror(-error));
	}
	return error;
}

int sl_record_open(const char *dir, const struct sl_record *record)
{
	char path[SL_PINS_PATH_MAX];

	return bpf_obj_get(record_path(dir, record, path));
}

static int rename_record(const char *from, const char *to, const struct sl_record *record)
{
	int error;

	if (!rename(from, to))
		return 0;
	error = -errno;
	sl_say_error("sluice down, then sluice up CONFIG",
		     "device \"%s\": cannot rename its %s record to \"%s\": %s", record->device,
		     kind_names[record->kind], to, strerror(-error));
	return error;
}

int sl_record_rename(const char *dir, struct sl_record *record, enum sl_record_kind kind)
{
	char from[SL_PINS_PATH_MAX], to[SL_PINS_PATH_MAX];
	struct sl_record renamed = *record;
	int error;

	renamed.kind = kind;
	error = rename_record(record_path(dir, record, from), record_path(dir, &renamed, to),
			      record);
	if (!error)
		*record = renamed;
	return error;
}

int sl_record_move(const char *from, const char *dir, const struct sl_record *record)
{
	char old_path[SL_PINS_PATH_MAX], new_path[SL_PINS_PATH_MAX];

	if (!access(record_path(dir, record, new_path), F_OK))
		return -EEXIST;
	return rename_record(record_path(from, record, old_path), new_path, record);
}

int sl_record_unpin(const char *dir, const struct sl_record *record)
{
	char path[SL_PINS_PATH_MAX];

	return unlink(record_path(dir, record, path)) && errno != ENOENT ? -errno : 0;
}

void sl_record_clear_unfinished(const char *dir)
{
	char path[SL_PINS_PATH_MAX];

	(void)unlink(sl_pins_path(dir, UNFINISHED, path));
}
