/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/tc.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include "loader/link.h"
#include "loader/say.h"

/* Where the filters sit in clsact: early, and apart from the priorities that people type. */
#define CLS_PRIORITY 49u
#define CLS_HANDLE   0x51u

/* What a program must be named like to be taken for ours. */
#define OUR_PREFIX "sluice_"

#define TCX_PROGRAMS_MAX 64u /* the kernel's limit of one hook */

struct hook {
	enum sl_record_kind kind;  /* what is wanted here */
	enum sl_record_kind other; /* what may be here instead: `kind` where nothing may */
	int program;
};

static bool is_ours(int program_fd)
{
	struct bpf_prog_info info = {0};
	uint32_t info_len = sizeof(info);

	return !bpf_obj_get_info_by_fd(program_fd, &info, &info_len) &&
	       !strncmp(info.name, OUR_PREFIX, sizeof(OUR_PREFIX) - 1);
}

/* ---- tcx ----------------------------------------------------------------------------------- */

/* The record becomes one of `kind` after its link runs the program. */
static int move_tcx(const char *dir, const struct sl_netdev *device, enum sl_record_kind from,
		    const struct hook *hook)
{
	struct sl_record record;
	int error;

	if (!sl_record_find(dir, device, from, &record))
		return -ENOENT;
	error = sl_link_update(dir, &record, hook->program);
	if (!error && from != hook->kind)
		error = sl_record_rename(dir, &record, hook->kind);
	return error;
}

/* -EOPNOTSUPP: this kernel has no tcx. */
static int attach_tcx(const char *dir, const struct sl_netdev *device, const struct hook *hook)
{
	struct sl_record record;
	int fd;
	int error = move_tcx(dir, device, hook->kind, hook);

	if (error == -ENOENT && hook->other != hook->kind)
		error = move_tcx(dir, device, hook->other, hook);
	if (error != -ENOENT)
		return error;
	fd = sl_link_create(
		hook->program, device->ifindex,
		hook->kind == SL_RECORD_TCX_EGRESS ? SL_LINK_TCX_EGRESS : SL_LINK_TCX_INGRESS, 0);
	if (fd == -EINVAL || fd == -EOPNOTSUPP)
		return -EOPNOTSUPP;
	if (fd < 0) {
		sl_say_error("see `bpftool net show`", "device \"%s\": %s cannot be attached: %s",
			     device->name, sl_record_kind_name(hook->kind), strerror(-fd));
		return fd;
	}
	(void)sl_record_find(dir, device, hook->kind, &record);
	error = sl_record_pin(dir, &record, fd);
	close(fd);
	return error;
}

/* ---- clsact -------------------------------------------------------------------------------- */

static struct bpf_tc_hook cls_hook(uint32_t ifindex, enum sl_record_kind kind)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = (int)ifindex,
		.attach_point = kind == SL_RECORD_CLSACT       ? BPF_TC_INGRESS | BPF_TC_EGRESS
				: kind == SL_RECORD_CLS_EGRESS ? BPF_TC_EGRESS
							       : BPF_TC_INGRESS,
	};
}

/* The qdisc that both hooks need; recorded when it was not there, so that `down` removes it. */
static int ensure_clsact(const char *dir, const struct sl_netdev *device, int program_fd)
{
	struct bpf_tc_hook hook = cls_hook(device->ifindex, SL_RECORD_CLSACT);
	struct sl_record record;
	bool has = false;
	int error = sl_netdev_has_clsact(device->ifindex, &has);

	if (!error && (sl_record_find(dir, device, SL_RECORD_CLSACT, &record) || !has)) {
		error = sl_record_pin(dir, &record, program_fd);
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

/*
 * One filter serves lane and observer: the new record is pinned first and the old one goes last, so
 * that `down` finds the filter by either.
 */
static int attach_cls(const char *dir, const struct sl_netdev *device, const struct hook *hook)
{
	struct bpf_tc_hook at = cls_hook(device->ifindex, hook->kind);
	struct sl_record record, other;
	bool has_other =
		hook->other != hook->kind && sl_record_find(dir, device, hook->other, &other);
	bool known = sl_record_find(dir, device, hook->kind, &record);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = hook->program, .handle = CLS_HANDLE,
		    .priority = CLS_PRIORITY, .flags = known || has_other ? BPF_TC_F_REPLACE : 0);
	int error = sl_record_pin(dir, &record, hook->program);

	if (error)
		return error;
	error = bpf_tc_attach(&at, &options);
	if (!error && has_other)
		error = sl_record_unpin(dir, &other);
	if (error) {
		if (!known)
			(void)sl_record_unpin(dir, &record);
		sl_say_error(error == -EEXIST ? "tc filter show dev DEV ingress; tc filter del the "
						"one with priority 49"
					      : "modprobe cls_bpf",
			     "device \"%s\": cannot add the %s filter: %s", device->name,
			     sl_record_kind_name(hook->kind), strerror(-error));
	}
	return error;
}

/* ---- both ---------------------------------------------------------------------------------- */

static bool has_any(const char *dir, const struct sl_netdev *device,
		    const enum sl_record_kind *kinds, unsigned count)
{
	struct sl_record record;

	for (unsigned i = 0; i < count; i++) {
		if (sl_record_find(dir, device, kinds[i], &record))
			return true;
	}
	return false;
}

int sl_tc_attach(const char *dir, const struct sl_netdev *device,
		 const struct sl_tc_programs *programs, enum sl_tc_means means)
{
	static const enum sl_record_kind cls[] = {SL_RECORD_CLS_LANE, SL_RECORD_CLS_INGRESS};
	const struct hook tcx_hooks[] = {
		{programs->lane ? SL_RECORD_TCX_LANE : SL_RECORD_TCX_INGRESS,
		 programs->lane ? SL_RECORD_TCX_INGRESS : SL_RECORD_TCX_LANE, programs->ingress},
		{SL_RECORD_TCX_EGRESS, SL_RECORD_TCX_EGRESS, programs->egress},
	};
	const struct hook cls_hooks[] = {
		{programs->lane ? SL_RECORD_CLS_LANE : SL_RECORD_CLS_INGRESS,
		 programs->lane ? SL_RECORD_CLS_INGRESS : SL_RECORD_CLS_LANE, programs->ingress},
		{SL_RECORD_CLS_EGRESS, SL_RECORD_CLS_EGRESS, programs->egress},
	};
	int error = 0;

	if (means == SL_TC_AUTO && has_any(dir, device, cls, 2))
		means = SL_TC_CLSACT;
	if (means != SL_TC_CLSACT) {
		for (unsigned i = 0; !error && i < 2; i++)
			error = attach_tcx(dir, device, &tcx_hooks[i]);
		if (error == -EOPNOTSUPP && means == SL_TC_TCX)
			sl_say_error("sluice up with --tc auto",
				     "device \"%s\": this kernel has no tcx links (Linux 6.6 has)",
				     device->name);
		if (error != -EOPNOTSUPP || means == SL_TC_TCX)
			return error;
	}
	error = ensure_clsact(dir, device, programs->ingress);
	for (unsigned i = 0; !error && i < 2; i++)
		error = attach_cls(dir, device, &cls_hooks[i]);
	return error;
}

bool sl_tc_has_lane(const char *dir, const struct sl_netdev *device)
{
	return sl_record_holds(dir, device, SL_RECORD_TCX_LANE) ||
	       sl_record_holds(dir, device, SL_RECORD_CLS_LANE);
}

bool sl_tc_has_stranger(const char *dir, const struct sl_netdev *device)
{
	uint32_t ids[TCX_PROGRAMS_MAX], flags = 0, count = TCX_PROGRAMS_MAX, strangers = 0;

	/* the descriptor's place in the call is the ifindex's too; a kernel without tcx has none */
	if (bpf_prog_query((int)device->ifindex, SL_LINK_TCX_INGRESS, 0, &flags, ids, &count))
		return false;
	for (uint32_t i = 0; i < count && i < TCX_PROGRAMS_MAX; i++) {
		int fd = bpf_prog_get_fd_by_id(ids[i]);

		strangers += fd >= 0 && is_ours(fd);
		if (fd >= 0)
			close(fd);
	}
	return strangers > (uint32_t)(sl_record_holds(dir, device, SL_RECORD_TCX_LANE) ||
				      sl_record_holds(dir, device, SL_RECORD_TCX_INGRESS));
}

/* Whether the filter in our place runs our program. */
static bool cls_is_ours(const struct bpf_tc_hook *hook)
{
	LIBBPF_OPTS(bpf_tc_opts, query, .handle = CLS_HANDLE, .priority = CLS_PRIORITY);
	bool ours;
	int fd;

	if (bpf_tc_query(hook, &query))
		return false;
	fd = bpf_prog_get_fd_by_id(query.prog_id);
	if (fd < 0)
		return false;
	ours = is_ours(fd);
	close(fd);
	return ours;
}

int sl_tc_remove(const struct sl_record *record)
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
	if (record->kind == SL_RECORD_CLSACT) {
		bool in_use = false;
		int error = sl_netdev_has_filters(record->ifindex, &in_use);

		if (error || in_use) /* others have moved in meanwhile: it is theirs now */
			return error;
		error = bpf_tc_hook_destroy(&hook);
		return error == -ENOENT || error == -EINVAL ? 0 : error;
	}
	return cls_is_ours(&hook) ? bpf_tc_detach(&hook, &options) : 0;
}
