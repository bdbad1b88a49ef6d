/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include "loader/pins.h"
#include "loader/say.h"

/* Linux 6.6's attach types, which the headers of the 6.1 floor do not name. */
#define TCX_INGRESS 46u
#define TCX_EGRESS  47u

/* Where the filters sit in clsact: early, and apart from the priorities that people type. */
#define CLS_PRIORITY 49u
#define CLS_HANDLE   0x51u

/* What bpffs does not allow in a name is written as a character that no device name has. */
#define NAME_DOT '+'

static const struct {
	const char *name;
	enum sl_program program;
} kinds[SL_ATTACH_KIND_COUNT] = {
#define X(id, text, hook) [SL_ATTACH_##id] = {text, SL_PROGRAM_##hook},
	SL_ATTACH_KINDS(X)
#undef X
};

/* Of the kernel, cut at BPF_OBJ_NAME_LEN: what a filter must run to be taken for ours. */
static const char *const cls_program_names[SL_ATTACH_KIND_COUNT] = {
	[SL_ATTACH_CLS_INGRESS] = "sluice_tc_ingre",
	[SL_ATTACH_CLS_EGRESS] = "sluice_tc_egres",
};

const char *sl_attach_kind_name(enum sl_attach_kind kind)
{
	return kinds[kind].name;
}

static bool is_cls(enum sl_attach_kind kind)
{
	return kind == SL_ATTACH_CLS_INGRESS || kind == SL_ATTACH_CLS_EGRESS;
}

/* ---- records ------------------------------------------------------------------------------- */

static const char *record_path(const char *dir, const struct sl_attachment *record,
			       char path[SL_PINS_PATH_MAX])
{
	char device[IF_NAMESIZE];

	memcpy(device, record->device, sizeof(device));
	for (char *c = device; *c; c++) {
		if (*c == '.')
			*c = NAME_DOT;
	}
	snprintf(path, SL_PINS_PATH_MAX, "%s/" SL_PINS_RECORDS "/%s:%u:%" PRIu64 ":%s", dir,
		 kinds[record->kind].name, record->ifindex, record->netns, device);
	return path;
}

static bool parse_record(const char *name, struct sl_attachment *ret_record)
{
	struct sl_attachment record = {0};
	char kind[16];

	if (sscanf(name, "%15[^:]:%u:%" SCNu64 ":%15s", kind, &record.ifindex, &record.netns,
		   record.device) != 4)
		return false;
	for (char *c = record.device; *c; c++) {
		if (*c == NAME_DOT)
			*c = '.';
	}
	for (unsigned i = 0; i < SL_ATTACH_KIND_COUNT; i++) {
		if (!strcmp(kinds[i].name, kind)) {
			record.kind = i;
			*ret_record = record;
			return true;
		}
	}
	return false;
}

void sl_attach_list(const char *dir, struct sl_attachment *records, uint32_t max,
		    uint32_t *ret_count)
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

/* The device's record of one kind. */
static bool find_record(const char *dir, const struct sl_netdev *device, enum sl_attach_kind kind,
			struct sl_attachment *ret_record)
{
	char path[SL_PINS_PATH_MAX];
	struct sl_attachment record = {
		.kind = kind,
		.ifindex = device->ifindex,
		.netns = sl_netdev_netns(),
	};

	memcpy(record.device, device->name, sizeof(record.device));
	*ret_record = record;
	return !access(record_path(dir, &record, path), F_OK);
}

/* Pins link or program as the record; over an older pin by rename, so that one is always there. */
static int pin_record(const char *dir, const struct sl_attachment *record, int fd)
{
	char path[SL_PINS_PATH_MAX], fresh[SL_PINS_PATH_MAX];
	int error = 0;

	sl_pins_path(dir, SL_PINS_RECORDS "/new", fresh);
	(void)unlink(fresh);
	if (bpf_obj_pin(fd, fresh) || rename(fresh, record_path(dir, record, path))) {
		error = -errno;
		sl_say_error("sluice down", "device \"%s\": cannot pin its %s record: %s",
			     record->device, kinds[record->kind].name, strerror(-error));
	}
	return error;
}

/* Descriptor of a record's link; -errno. */
static int open_link(const char *dir, const struct sl_attachment *record)
{
	char path[SL_PINS_PATH_MAX];

	return bpf_obj_get(record_path(dir, record, path));
}

bool sl_attach_alive(const char *dir, const struct sl_attachment *record)
{
	struct bpf_link_info info = {0};
	uint32_t info_len = sizeof(info);
	bool alive = false;
	int fd;

	if (is_cls(record->kind) || record->kind == SL_ATTACH_CLSACT) {
		char name[IF_NAMESIZE];

		return record->netns != sl_netdev_netns() || if_indextoname(record->ifindex, name);
	}
	fd = open_link(dir, record);
	if (fd < 0)
		return false;
	/* xdp and tcx links both begin with the ifindex, 0 once the device is gone */
	if (!bpf_obj_get_info_by_fd(fd, &info, &info_len))
		alive = info.xdp.ifindex != 0;
	close(fd);
	return alive;
}

/* ---- XDP ----------------------------------------------------------------------------------- */

static int create_link(int program_fd, uint32_t ifindex, uint32_t attach_type, uint32_t flags)
{
	union bpf_attr attributes;
	int fd;

	memset(&attributes, 0, sizeof(attributes));
	attributes.link_create.prog_fd = (uint32_t)program_fd;
	attributes.link_create.target_ifindex = ifindex;
	attributes.link_create.attach_type = attach_type;
	attributes.link_create.flags = flags;
	fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
	return fd < 0 ? -errno : fd;
}

/* Moves a recorded link to the new program. -ENOENT: there is none that lives. */
static int update_link(const char *dir, const struct sl_attachment *record, int program_fd)
{
	int fd, error;

	if (!sl_attach_alive(dir, record)) {
		char path[SL_PINS_PATH_MAX];

		(void)unlink(record_path(dir, record, path));
		return -ENOENT;
	}
	fd = open_link(dir, record);
	if (fd < 0)
		return fd;
	error = bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
	close(fd);
	if (error)
		sl_say_error("sluice down, then sluice up CONFIG",
			     "device \"%s\": cannot move its %s link to the new program: %s",
			     record->device, kinds[record->kind].name, strerror(-error));
	return error;
}

/* Refuses a device that runs the XDP program of someone else. */
static int refuse_foreign(const struct sl_netdev *device)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {0};
	uint32_t info_len = sizeof(info);
	uint32_t id;
	int fd;

	if (bpf_xdp_query((int)device->ifindex, 0, &query))
		return 0; /* the attachment itself will tell */
	id = query.drv_prog_id	 ? query.drv_prog_id
	     : query.skb_prog_id ? query.skb_prog_id
	     : query.hw_prog_id	 ? query.hw_prog_id
				 : query.prog_id;
	if (!id)
		return 0;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		(void)bpf_obj_get_info_by_fd(fd, &info, &info_len);
		close(fd);
	}
	sl_say_error("see `bpftool net show`; remove it with its own tool or `ip link set dev DEV "
		     "xdp off`, or leave the device out",
		     "device \"%s\": already runs the XDP program \"%s\" (id %u) of someone else",
		     device->name, info.name, id);
	return -EBUSY;
}

static void explain_refusal(const struct sl_netdev *device, int error,
			    char reason[SL_ATTACH_REASON_MAX])
{
	const char *driver = device->driver[0] ? device->driver : "of this device";

	if (error == -EOPNOTSUPP)
		snprintf(reason, SL_ATTACH_REASON_MAX, "driver %s has no native XDP", driver);
	else
		snprintf(reason, SL_ATTACH_REASON_MAX, "driver %s refused native XDP at MTU %u: %s",
			 driver, device->mtu, strerror(-error));
}

/* A new XDP link in the first mode that works. Returns its descriptor or -errno. */
static int create_xdp(const struct sl_netdev *device, int program_fd, enum sl_attach_hook hook,
		      enum sl_attach_kind *ret_kind, char reason[SL_ATTACH_REASON_MAX])
{
	int fd;

	if (hook == SL_ATTACH_HOOK_GENERIC) {
		snprintf(reason, SL_ATTACH_REASON_MAX, "asked for by --hook generic");
	} else {
		fd = create_link(program_fd, device->ifindex, BPF_XDP, XDP_FLAGS_DRV_MODE);
		*ret_kind = SL_ATTACH_XDP_NATIVE;
		if (fd >= 0) {
			snprintf(reason, SL_ATTACH_REASON_MAX, "driver %s runs XDP itself",
				 device->driver[0] ? device->driver : "of this device");
			return fd;
		}
		explain_refusal(device, fd, reason);
		if (hook == SL_ATTACH_HOOK_NATIVE) {
			sl_say_error("sluice up with --hook auto, or a smaller MTU",
				     "device \"%s\": %s", device->name, reason);
			return fd;
		}
	}
	*ret_kind = SL_ATTACH_XDP_GENERIC;
	fd = create_link(program_fd, device->ifindex, BPF_XDP, XDP_FLAGS_SKB_MODE);
	if (fd < 0)
		sl_say_error("see `bpftool net show` and `dmesg`",
			     "device \"%s\": XDP cannot be attached: %s (%s)", device->name,
			     strerror(-fd), reason);
	return fd;
}

/* Whether the device runs our XDP program, in either mode. */
static bool has_xdp(const char *dir, const struct sl_netdev *device)
{
	struct sl_attachment record;

	return (find_record(dir, device, SL_ATTACH_XDP_NATIVE, &record) &&
		sl_attach_alive(dir, &record)) ||
	       (find_record(dir, device, SL_ATTACH_XDP_GENERIC, &record) &&
		sl_attach_alive(dir, &record));
}

/* 1: the device kept its link, 0: it has none, -errno. */
static int keep_xdp(const char *dir, const struct sl_netdev *device, int program_fd,
		    enum sl_attach_hook hook, enum sl_attach_kind *ret_kind,
		    char reason[SL_ATTACH_REASON_MAX])
{
	static const struct {
		enum sl_attach_kind kind;
		enum sl_attach_hook unwanted;
	} modes[] = {
		{SL_ATTACH_XDP_NATIVE, SL_ATTACH_HOOK_GENERIC},
		{SL_ATTACH_XDP_GENERIC, SL_ATTACH_HOOK_NATIVE},
	};

	for (unsigned i = 0; i < 2; i++) {
		struct sl_attachment record;
		int error;

		if (!find_record(dir, device, modes[i].kind, &record))
			continue;
		if (hook == modes[i].unwanted) {
			error = sl_attach_remove(dir, &record); /* another mode: not atomic */
			return error;
		}
		error = update_link(dir, &record, program_fd);
		if (error == -ENOENT)
			continue;
		*ret_kind = modes[i].kind;
		snprintf(reason, SL_ATTACH_REASON_MAX, "kept its link, program replaced");
		return error ? error : 1;
	}
	return 0;
}

static int attach_xdp(const char *dir, const struct sl_netdev *device, int program_fd,
		      enum sl_attach_hook hook, enum sl_attach_kind *ret_kind,
		      char reason[SL_ATTACH_REASON_MAX])
{
	struct sl_attachment record;
	int kept = keep_xdp(dir, device, program_fd, hook, ret_kind, reason);
	int fd, error;

	if (kept)
		return kept < 0 ? kept : 0;
	fd = create_xdp(device, program_fd, hook, ret_kind, reason);
	if (fd < 0)
		return fd;
	(void)find_record(dir, device, *ret_kind, &record);
	error = pin_record(dir, &record, fd);
	close(fd);
	return error;
}

/* ---- TC ------------------------------------------------------------------------------------ */

/* -EOPNOTSUPP: this kernel has no tcx. */
static int attach_tcx(const char *dir, const struct sl_netdev *device, enum sl_attach_kind kind,
		      int program_fd)
{
	struct sl_attachment record;
	int fd, error;

	if (find_record(dir, device, kind, &record)) {
		error = update_link(dir, &record, program_fd);
		if (error != -ENOENT)
			return error;
	}
	fd = create_link(program_fd, device->ifindex,
			 kind == SL_ATTACH_TCX_INGRESS ? TCX_INGRESS : TCX_EGRESS, 0);
	if (fd == -EINVAL || fd == -EOPNOTSUPP)
		return -EOPNOTSUPP;
	if (fd < 0) {
		sl_say_error("see `bpftool net show`", "device \"%s\": %s cannot be attached: %s",
			     device->name, kinds[kind].name, strerror(-fd));
		return fd;
	}
	error = pin_record(dir, &record, fd);
	close(fd);
	return error;
}

static struct bpf_tc_hook cls_hook(uint32_t ifindex, enum sl_attach_kind kind)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = kind == SL_ATTACH_CLS_INGRESS  ? BPF_TC_INGRESS
				: kind == SL_ATTACH_CLS_EGRESS ? BPF_TC_EGRESS
							       : BPF_TC_INGRESS | BPF_TC_EGRESS,
	};
}

/* The qdisc that both hooks need; recorded when it was not there, so that `down` removes it. */
static int ensure_clsact(const char *dir, const struct sl_netdev *device, int program_fd)
{
	struct bpf_tc_hook hook = cls_hook(device->ifindex, SL_ATTACH_CLSACT);
	struct sl_attachment record;
	bool has = false;
	int error = sl_netdev_has_clsact(device->ifindex, &has);

	if (!error && (find_record(dir, device, SL_ATTACH_CLSACT, &record) || !has)) {
		error = pin_record(dir, &record, program_fd);
		if (error)
			return error;
		error = bpf_tc_hook_create(&hook);
		if (error == -EEXIST)
			error = 0;
	}
	if (error)
		sl_say_error("modprobe sch_ingress cls_bpf",
			     "device \"%s\": cannot add the clsact qdisc: %s", device->name,
			     strerror(-error));
	return error;
}

static int attach_cls(const char *dir, const struct sl_netdev *device, enum sl_attach_kind kind,
		      int program_fd)
{
	struct bpf_tc_hook hook = cls_hook(device->ifindex, kind);
	struct sl_attachment record;
	bool known = find_record(dir, device, kind, &record);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .handle = CLS_HANDLE,
		    .priority = CLS_PRIORITY, .flags = known ? BPF_TC_F_REPLACE : 0);
	int error = pin_record(dir, &record, program_fd);

	if (error)
		return error;
	error = bpf_tc_attach(&hook, &options);
	if (error) {
		char path[SL_PINS_PATH_MAX];

		if (!known)
			(void)unlink(record_path(dir, &record, path));
		sl_say_error(error == -EEXIST ? "tc filter show dev DEV ingress; tc filter del the "
						"one with priority 49"
					      : "modprobe cls_bpf",
			     "device \"%s\": cannot add the %s filter: %s", device->name,
			     kinds[kind].name, strerror(-error));
	}
	return error;
}

static int attach_tc(const char *dir, const struct sl_netdev *device,
		     const struct sl_object *object, enum sl_attach_tc tc)
{
	int ingress = object->programs[SL_PROGRAM_TC_INGRESS];
	int egress = object->programs[SL_PROGRAM_TC_EGRESS];
	struct sl_attachment record;
	int error = -EOPNOTSUPP;

	/* what `up` chose once stays, so that --replace never measures a packet twice */
	if (tc == SL_ATTACH_TC_AUTO && find_record(dir, device, SL_ATTACH_CLS_INGRESS, &record))
		tc = SL_ATTACH_TC_CLSACT;
	if (tc != SL_ATTACH_TC_CLSACT) {
		error = attach_tcx(dir, device, SL_ATTACH_TCX_INGRESS, ingress);
		if (!error)
			error = attach_tcx(dir, device, SL_ATTACH_TCX_EGRESS, egress);
		if (error == -EOPNOTSUPP && tc == SL_ATTACH_TC_TCX)
			sl_say_error("sluice up with --tc auto",
				     "device \"%s\": this kernel has no tcx links (Linux 6.6 has)",
				     device->name);
		if (error != -EOPNOTSUPP || tc == SL_ATTACH_TC_TCX)
			return error;
	}
	error = ensure_clsact(dir, device, ingress);
	if (!error)
		error = attach_cls(dir, device, SL_ATTACH_CLS_INGRESS, ingress);
	if (!error)
		error = attach_cls(dir, device, SL_ATTACH_CLS_EGRESS, egress);
	return error;
}

int sl_attach_device(const char *dir, const struct sl_netdev *device,
		     const struct sl_object *object, enum sl_attach_hook hook, enum sl_attach_tc tc,
		     enum sl_attach_kind *ret_kind, char reason[SL_ATTACH_REASON_MAX])
{
	int program_fd = object->programs[SL_PROGRAM_XDP];
	int error = has_xdp(dir, device) ? 0 : refuse_foreign(device);

	/* TC first: a fast-lane flow must not start before its return path is observed */
	if (!error)
		error = attach_tc(dir, device, object, tc);
	return error ? error : attach_xdp(dir, device, program_fd, hook, ret_kind, reason);
}

/* ---- removal ------------------------------------------------------------------------------- */

/* Whether the filter in our place runs our program. */
static bool cls_is_ours(const struct bpf_tc_hook *hook, enum sl_attach_kind kind)
{
	LIBBPF_OPTS(bpf_tc_opts, query, .handle = CLS_HANDLE, .priority = CLS_PRIORITY);
	struct bpf_prog_info info = {0};
	uint32_t info_len = sizeof(info);
	bool ours = false;
	int fd;

	if (bpf_tc_query(hook, &query))
		return false;
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (fd < 0)
		return false;
	if (!bpf_obj_get_info_by_fd(fd, &info, &info_len))
		ours = !strncmp(info.name, cls_program_names[kind], sizeof(info.name) - 1);
	close(fd);
	return ours;
}

static int remove_cls(const struct sl_attachment *record)
{
	struct bpf_tc_hook hook = cls_hook(record->ifindex, record->kind);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLS_HANDLE, .priority = CLS_PRIORITY);
	char name[IF_NAMESIZE];

	if (sl_netdev_enter_netns(record->netns)) {
		sl_say_warning("where it still lives, there: tc qdisc del dev DEV clsact",
			       "device \"%s\": its network namespace is gone or out of reach",
			       record->device);
		return 0;
	}
	if (!if_indextoname(record->ifindex, name))
		return 0;
	if (record->kind == SL_ATTACH_CLSACT) {
		bool in_use = false;
		int error = sl_netdev_has_filters(record->ifindex, &in_use);

		if (error || in_use) /* others have moved in meanwhile: it is theirs now */
			return error;
		error = bpf_tc_hook_destroy(&hook);
		return error == -ENOENT || error == -EINVAL ? 0 : error;
	}
	return cls_is_ours(&hook, record->kind) ? bpf_tc_detach(&hook, &options) : 0;
}

static int remove_link(const char *dir, const struct sl_attachment *record)
{
	int fd = open_link(dir, record);
	int error;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* detached by name, not by its last reference: that one may end later, in a work queue */
	error = bpf_link_detach(fd) ? -errno : 0;
	close(fd);
	return error == -ENOLINK ? 0 : error;
}

int sl_attach_remove(const char *dir, const struct sl_attachment *record)
{
	char path[SL_PINS_PATH_MAX];
	int error;

	if (is_cls(record->kind) || record->kind == SL_ATTACH_CLSACT)
		error = remove_cls(record);
	else
		error = remove_link(dir, record);
	if (!error && unlink(record_path(dir, record, path)) && errno != ENOENT)
		error = -errno;
	if (error)
		sl_say_error("see `bpftool net show`", "device \"%s\": cannot detach %s: %s",
			     record->device, kinds[record->kind].name, strerror(-error));
	return error;
}

int sl_attach_remove_all(const char *dir)
{
	struct sl_attachment records[SL_ATTACH_RECORDS_MAX];
	char path[SL_PINS_PATH_MAX];
	uint32_t count;
	int error = 0;

	(void)unlink(sl_pins_path(dir, SL_PINS_RECORDS "/new", path));
	sl_attach_list(dir, records, SL_ATTACH_RECORDS_MAX, &count);
	for (unsigned qdiscs = 0; qdiscs < 2; qdiscs++) {
		for (uint32_t i = 0; i < count; i++) {
			int removed = 0;

			if ((records[i].kind == SL_ATTACH_CLSACT) == (qdiscs == 1))
				removed = sl_attach_remove(dir, &records[i]);
			error = error ? error : removed;
		}
	}
	return error;
}
