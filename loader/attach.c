/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/attach.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "loader/link.h"
#include "loader/say.h"
#include "loader/xdp.h"

/* What our XDP programs are called: those of another `sluice up`, when they are not ours. */
#define OUR_XDP_PREFIX "sluice_"

/*
 * Drivers for which XDP costs more than it gives: with a program attached they pass packets one
 * by one that they would hand on in segments of up to 64 KB (veth: bulk at a tenth of the rate).
 */
static const char *const offload_drivers[] = {"veth", "virtio_net", "tun", "vif"};

const char *sl_attach_hook_name(enum sl_config_hook hook)
{
	static const char *const names[] = {
		[SL_CONFIG_HOOK_AUTO] = "nothing",
		[SL_CONFIG_HOOK_NATIVE] = "native XDP",
		[SL_CONFIG_HOOK_GENERIC] = "generic XDP",
		[SL_CONFIG_HOOK_TC] = "TC",
	};

	return names[hook];
}

__attribute__((format(printf, 2, 3))) static void give_reason(struct sl_attachment *to,
							      const char *format, ...)
{
	va_list values;

	va_start(values, format);
	vsnprintf(to->reason, sizeof(to->reason), format, values);
	va_end(values);
}

static const char *driver_of(const struct sl_netdev *device)
{
	return device->driver[0] ? device->driver : "of this device";
}

/* ---- the choice ---------------------------------------------------------------------------- */

static bool xdp_costs(const struct sl_netdev *device)
{
	for (unsigned i = 0; i < sizeof(offload_drivers) / sizeof(offload_drivers[0]); i++) {
		if (!strcmp(device->driver, offload_drivers[i]))
			return true;
	}
	return false;
}

/* The hook that the device has the lane at; SL_CONFIG_HOOK_AUTO: none. */
static enum sl_config_hook hook_of(const char *dir, const struct sl_netdev *device)
{
	if (sl_record_holds(dir, device, SL_RECORD_XDP_NATIVE))
		return SL_CONFIG_HOOK_NATIVE;
	if (sl_record_holds(dir, device, SL_RECORD_XDP_GENERIC))
		return SL_CONFIG_HOOK_GENERIC;
	return sl_tc_has_lane(dir, device) ? SL_CONFIG_HOOK_TC : SL_CONFIG_HOOK_AUTO;
}

static bool open_parent(const struct sl_netdev *device, struct sl_netdev *ret_parent)
{
	char name[IF_NAMESIZE];

	return device->parent && if_indextoname(device->parent, name) &&
	       !sl_netdev_open(name, ret_parent);
}

/* A port of the bond for which XDP would cost too much. */
static bool find_costly_port(const struct sl_netdev *device, struct sl_netdev *ret_port)
{
	struct sl_netdev ports[SL_NETDEV_PORTS_MAX];
	uint32_t count;

	if ((strcmp(device->kind, "bond") && strcmp(device->kind, "team")) ||
	    sl_netdev_ports(device, ports, &count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (xdp_costs(&ports[i])) {
			*ret_port = ports[i];
			return true;
		}
	}
	return false;
}

/* Fills hook and reason for a device that has no lane yet, with SL_CONFIG_HOOK_AUTO asked for. */
static void choose_by_device(const struct sl_netdev *device, struct sl_attachment *to)
{
	struct sl_netdev port;

	to->hook = SL_CONFIG_HOOK_TC;
	if (xdp_costs(device)) {
		give_reason(to, "driver %s: XDP would switch its segmentation offload off",
			    device->driver);
	} else if (find_costly_port(device, &port)) {
		give_reason(to, "port %s, driver %s: XDP would switch its segmentation offload off",
			    port.name, port.driver);
	} else {
		to->hook = SL_CONFIG_HOOK_NATIVE;
		give_reason(to, "driver %s runs XDP itself", driver_of(device));
	}
}

/* A VLAN device that has no lane yet: XDP at its parent where that can, else TC on the device. */
static void choose_by_parent(const char *dir, const struct sl_netdev *device,
			     struct sl_attachment *to)
{
	struct sl_netdev parent;

	to->hook = SL_CONFIG_HOOK_TC;
	if (!open_parent(device, &parent)) {
		give_reason(to, "a VLAN whose parent is not in this network namespace");
		return;
	}
	to->hook = hook_of(dir, &parent);
	if (to->hook != SL_CONFIG_HOOK_AUTO) {
		to->at = parent;
		give_reason(to, "the parent of %s, as it was; program replaced", device->name);
		return;
	}
	choose_by_device(&parent, to);
	if (to->hook == SL_CONFIG_HOOK_TC) {
		give_reason(to,
			    "a VLAN of %s, driver %s: XDP would switch segmentation offload off",
			    parent.name, driver_of(&parent));
	} else if (sl_netdev_strips_tags(&parent)) {
		to->hook = SL_CONFIG_HOOK_TC;
		give_reason(to,
			    "a VLAN of %s, which takes tags off before XDP sees them (ethtool -K "
			    "%s rxvlan off)",
			    parent.name, parent.name);
	} else {
		to->at = parent;
		give_reason(to, "the parent of %s; driver %s runs XDP itself", device->name,
			    driver_of(&parent));
	}
}

static void choose(const char *dir, const struct sl_netdev *device, enum sl_config_hook wanted,
		   struct sl_attachment *to)
{
	struct sl_netdev parent;
	bool is_vlan = !strcmp(device->kind, "vlan");

	*to = (struct sl_attachment){.at = *device, .hook = wanted};
	give_reason(to, "as asked for");
	if (wanted == SL_CONFIG_HOOK_NATIVE && is_vlan && open_parent(device, &parent)) {
		to->at = parent;
		give_reason(to, "the parent of %s, as asked for", device->name);
	}
	if (wanted != SL_CONFIG_HOOK_AUTO)
		return;
	to->hook = hook_of(dir, device);
	if (to->hook != SL_CONFIG_HOOK_AUTO)
		give_reason(to, "as it was; program replaced");
	else if (is_vlan)
		choose_by_parent(dir, device, to);
	else
		choose_by_device(device, to);
}

/* ---- programs of others -------------------------------------------------------------------- */

static int refuse_stranger(const struct sl_netdev *device, const char *what)
{
	sl_say_error("see `bpftool net show`; sluice down --pin-dir DIR, with the directory that "
		     "the other was given",
		     "device \"%s\": already runs the %s of another sluice", device->name, what);
	return -EBUSY;
}

/* Someone else's XDP program: auto steps aside to TC, which the packets that it passes reach. */
static int settle_foreign(const char *dir, const struct sl_netdev *device, bool may_choose,
			  struct sl_attachment *to)
{
	struct sl_xdp_program program;
	enum sl_config_hook has = hook_of(dir, &to->at);

	if (sl_tc_has_stranger(dir, &to->at))
		return refuse_stranger(&to->at, "TC program");
	if (has == SL_CONFIG_HOOK_NATIVE || has == SL_CONFIG_HOOK_GENERIC ||
	    !sl_xdp_runs(&to->at, &program))
		return 0;
	if (!strncmp(program.name, OUR_XDP_PREFIX, sizeof(OUR_XDP_PREFIX) - 1)) {
		char what[64];

		snprintf(what, sizeof(what), "XDP program \"%.15s\" (id %u)", program.name,
			 program.id);
		return refuse_stranger(&to->at, what);
	}
	if (to->hook == SL_CONFIG_HOOK_TC)
		return 0;
	if (may_choose) {
		to->hook = SL_CONFIG_HOOK_TC;
		give_reason(to, "%s runs the XDP program \"%.15s\" (id %u) of someone else",
			    to->at.name, program.name, program.id);
		to->at = *device;
		return 0;
	}
	sl_say_error("sluice up with --hook tc, beside it; or remove it with its own tool (see "
		     "`bpftool net show`)",
		     "device \"%s\": already runs the XDP program \"%.15s\" (id %u) of someone "
		     "else",
		     to->at.name, program.name, program.id);
	return -EBUSY;
}

/* ---- one device ---------------------------------------------------------------------------- */

static int attach_tc(const char *dir, const struct sl_attachment *to, struct sl_object *object,
		     bool lane, enum sl_tc_means means)
{
	struct sl_tc_programs programs = {
		.ingress = sl_object_program(object,
					     lane ? SL_PROGRAM_TC_LANE : SL_PROGRAM_TC_INGRESS),
		.egress = sl_object_program(object, SL_PROGRAM_TC_EGRESS),
		.lane = lane,
	};

	if (programs.ingress < 0 || programs.egress < 0)
		return programs.ingress < 0 ? programs.ingress : programs.egress;
	return sl_tc_attach(dir, &to->at, &programs, means);
}

/* Drops the device's XDP record of this kind, where it has one. */
static int drop_xdp(const char *dir, const struct sl_netdev *device, enum sl_record_kind kind)
{
	struct sl_record record;

	return sl_record_find(dir, device, kind, &record) ? sl_attach_remove(dir, &record) : 0;
}

static int attach_lane(const char *dir, const struct sl_attachment *to, struct sl_object *object,
		       enum sl_tc_means means)
{
	int error = attach_tc(dir, to, object, true, means);

	if (!error)
		error = drop_xdp(dir, &to->at, SL_RECORD_XDP_NATIVE);
	return error ? error : drop_xdp(dir, &to->at, SL_RECORD_XDP_GENERIC);
}

static void explain_refusal(struct sl_attachment *to, int error)
{
	if (error == -EOPNOTSUPP)
		give_reason(to, "driver %s has no native XDP", driver_of(&to->at));
	else
		give_reason(to, "driver %s refused native XDP at MTU %u: %s", driver_of(&to->at),
			    to->at.mtu, strerror(-error));
}

static enum sl_record_kind xdp_kind(enum sl_config_hook hook)
{
	return hook == SL_CONFIG_HOOK_NATIVE ? SL_RECORD_XDP_NATIVE : SL_RECORD_XDP_GENERIC;
}

static enum sl_record_kind other_xdp_kind(enum sl_config_hook hook)
{
	return hook == SL_CONFIG_HOOK_NATIVE ? SL_RECORD_XDP_GENERIC : SL_RECORD_XDP_NATIVE;
}

/* The device's XDP link in the mode of to->hook. The kernel's refusal is returned in silence. */
static int attach_xdp(const char *dir, const struct sl_attachment *to, int program_fd)
{
	int error = drop_xdp(dir, &to->at, other_xdp_kind(to->hook));
	enum sl_record_kind has;
	int updated;

	if (error)
		return error;
	updated = sl_xdp_update(dir, &to->at, program_fd, &has);
	if (updated)
		return updated < 0 ? updated : 0;
	return sl_xdp_attach(dir, &to->at, xdp_kind(to->hook), program_fd);
}

/* Everything that the device has in `dir`. */
static int remove_device(const char *dir, const struct sl_netdev *device)
{
	int error = 0;

	/* clsact, the last kind, after its filters */
	for (unsigned kind = 0; !error && kind < SL_RECORD_KIND_COUNT; kind++) {
		struct sl_record record;

		if (sl_record_find(dir, device, kind, &record))
			error = sl_attach_remove(dir, &record);
	}
	return error;
}

/* After `auto` found no XDP: TC, and that on the VLAN itself and not on its parent. */
static int step_aside(const char *dir, const struct sl_netdev *device, struct sl_attachment *to,
		      struct sl_object *object, enum sl_tc_means means)
{
	int error = 0;

	if (to->at.ifindex != device->ifindex)
		error = remove_device(dir, &to->at);
	to->at = *device;
	to->hook = SL_CONFIG_HOOK_TC;
	return error ? error : attach_lane(dir, to, object, means);
}

/* XDP with its observers; where it is refused and `auto` was asked for, TC. */
static int attach_fast(const char *dir, const struct sl_netdev *device, struct sl_attachment *to,
		       struct sl_object *object, const struct sl_attach_want *want)
{
	/*
	 * Observers first: what XDP hands over for want of a neighbour must find them. Where the
	 * lane is at TC it stays until XDP is there; and it bridges the change between the two
	 * modes of XDP, of which a device can have one.
	 */
	bool lane_first = sl_tc_has_lane(dir, &to->at) ||
			  sl_record_holds(dir, &to->at, other_xdp_kind(to->hook));
	int program = sl_object_program(object, SL_PROGRAM_XDP);
	int error = program < 0 ? program : attach_tc(dir, to, object, lane_first, want->tc);

	if (error)
		return error;
	error = attach_xdp(dir, to, program);
	if (!error)
		return lane_first ? attach_tc(dir, to, object, false, want->tc) : 0;
	if (to->hook == SL_CONFIG_HOOK_NATIVE)
		explain_refusal(to, error);
	if (want->hook == SL_CONFIG_HOOK_AUTO)
		return step_aside(dir, device, to, object, want->tc);
	sl_say_error(to->hook == SL_CONFIG_HOOK_NATIVE
			     ? "sluice up with --hook auto or --hook tc, or a smaller MTU"
			     : "sluice up with --hook tc; see `bpftool net show` and `dmesg`",
		     "device \"%s\": %s cannot be attached: %s", to->at.name,
		     sl_attach_hook_name(to->hook),
		     to->hook == SL_CONFIG_HOOK_NATIVE ? to->reason : strerror(-error));
	return error;
}

int sl_attach_device(const char *dir, const struct sl_netdev *device, struct sl_object *object,
		     const struct sl_attach_want *want, struct sl_attachment *ret_attachment)
{
	struct sl_attachment to;
	int error;

	choose(dir, device, want->hook, &to);
	error = settle_foreign(dir, device, want->hook == SL_CONFIG_HOOK_AUTO, &to);
	if (!error)
		error = to.hook == SL_CONFIG_HOOK_TC ? attach_lane(dir, &to, object, want->tc)
						     : attach_fast(dir, device, &to, object, want);
	if (!error)
		*ret_attachment = to;
	return error;
}

/* ---- removal ------------------------------------------------------------------------------- */

int sl_attach_remove(const char *dir, const struct sl_record *record)
{
	int error;

	if (sl_record_is_cls(record->kind) || record->kind == SL_RECORD_CLSACT)
		error = sl_tc_remove(record);
	else
		error = sl_link_detach(dir, record);
	if (!error)
		error = sl_record_unpin(dir, record);
	if (error)
		sl_say_error("see `bpftool net show`", "device \"%s\": cannot detach %s: %s",
			     record->device, sl_record_kind_name(record->kind), strerror(-error));
	return error;
}

int sl_attach_remove_all(const char *dir)
{
	struct sl_record records[SL_RECORDS_MAX];
	uint32_t count;
	int error = 0;

	sl_record_clear_unfinished(dir);
	sl_record_list(dir, records, SL_RECORDS_MAX, &count);
	for (unsigned qdiscs = 0; qdiscs < 2; qdiscs++) {
		for (uint32_t i = 0; i < count; i++) {
			int removed = 0;

			if ((records[i].kind == SL_RECORD_CLSACT) == (qdiscs == 1))
				removed = sl_attach_remove(dir, &records[i]);
			error = error ? error : removed;
		}
	}
	return error;
}
