/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_up.c - `sluice up`: from nothing, or from an older program, to a running kernel plane.
 *
 *   fresh      load -> settings -> pin maps (`settings` last) -> configuration -> attach
 *   --replace  load with the pinned maps -> configuration -> move links -> attach new, drop old
 *   --migrate  fresh, but before it attaches: carry over what the maps of the older version say,
 *              take its attachments over, move them; at the end remove its maps
 *
 * What is not pinned dies with this process, what is pinned is found by `sluice down`: a crash at
 * any step leaves nothing that `down` would not remove. A fresh `up` that fails removes all of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "loader/apply.h"
#include "loader/attach.h"
#include "loader/command.h"
#include "loader/migrate.h"
#include "loader/netdev.h"
#include "loader/object.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/view.h"
#include "user/base/address.h"

#define LOCAL_PORTS "/proc/sys/net/ipv4/ip_local_port_range"

struct up {
	struct sl_config *config;
	const char *dir;
	struct sl_attach_want want;
	struct sl_netdev devices[SL_CONFIG_DEVICES_MAX];
	uint32_t device_count;
	bool replaces;		     /* the maps were there before */
	char from[SL_PINS_PATH_MAX]; /* maps of another version that are up; "" where none are */
	uint32_t from_version;
	uint64_t from_seed;
};

static int read_config(const char *path, struct sl_config **ret_config)
{
	char *errors = NULL;
	int error = sl_config_read(path, ret_config, &errors);

	if (error) {
		fputs(errors ? errors : "", stderr);
		sl_say_error("sluice check CONFIG", "configuration \"%s\" is refused: %s", path,
			     strerror(-error));
	}
	free(errors);
	return error;
}

static int open_devices(struct up *up, const struct sl_arguments *arguments)
{
	const char *const *names = arguments->device_count
					   ? arguments->devices
					   : (const char *const *)up->config->devices;
	uint32_t count =
		arguments->device_count ? arguments->device_count : up->config->device_count;

	if (!count) {
		sl_say_error("name them in kernel.devices or by --device DEV; see: ip -br link",
			     "configuration \"%s\" names no device to attach to",
			     arguments->words[0]);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < count; i++) {
		int error = sl_netdev_open(names[i], &up->devices[i]);

		if (error) {
			sl_say_error("ip -br link lists them (of this network namespace)",
				     "device \"%s\": %s", names[i],
				     error == -ENODEV ? "is not there" : strerror(-error));
			return error;
		}
		if (!up->devices[i].up)
			sl_say_warning("ip link set dev DEV up", "device \"%s\" is down", names[i]);
	}
	up->device_count = count;
	return 0;
}

/* ---- what the host is set to --------------------------------------------------------------- */

static void warn_ports(const struct sl_config *config)
{
	FILE *file = fopen(LOCAL_PORTS, "re");
	unsigned first = 0, last = 0;

	if (file && fscanf(file, "%u %u", &first, &last) == 2 && config->nat_port_min <= last &&
	    config->nat_port_max >= first)
		sl_say_warning("sysctl -w net.ipv4.ip_local_port_range=\"FIRST LAST\", or another "
			       "kernel.nat_ports",
			       "kernel.nat_ports %u-%u overlaps net.ipv4.ip_local_port_range "
			       "%u-%u: a connection of this host to a node can collide with a flow",
			       config->nat_port_min, config->nat_port_max, first, last);
	if (file)
		fclose(file);
}

/* bpf_fib_lookup refuses to route from a device that does not forward. */
static void warn_forwarding(const struct up *up)
{
	bool families[2] = {false, false}; /* IPv4, IPv6 */

	for (uint32_t i = 0; i < up->config->service_count; i++) {
		const struct sl_config_service *service = &up->config->services[i];

		if (service->lane == SL_LANE_FAST)
			families[sl_address_is_v4(&service->endpoint.addr) ? 0 : 1] = true;
	}
	for (uint32_t i = 0; i < up->device_count; i++) {
		const struct sl_netdev *device = &up->devices[i];

		if (families[0] && !sl_netdev_forwards(device, AF_INET))
			sl_say_warning("sysctl -w net.ipv4.conf.all.forwarding=1",
				       "device \"%s\" does not forward IPv4: the fast lane drops "
				       "its packets (drop_no_route)",
				       device->name);
		if (families[1] && !sl_netdev_forwards(device, AF_INET6))
			sl_say_warning("sysctl -w net.ipv6.conf.all.forwarding=1",
				       "device \"%s\" does not forward IPv6: the fast lane drops "
				       "its packets (drop_no_route)",
				       device->name);
	}
}

/* ---- the steps ----------------------------------------------------------------------------- */

/* Another version's kernel plane beside this one: both would handle the same packets. */
static int settle_version(struct up *up, bool migrate, int *from_lock_fd)
{
	int error;

	if (!sl_pins_find_version(up->dir, up->from, &up->from_version))
		return 0;
	if (!migrate) {
		sl_say_error(
			sl_migrate_knows(up->from_version)
				? "sluice up CONFIG --migrate takes it over (established flows "
				  "of the fast lane end); or its own `sluice down`"
				: "its own `sluice down`",
			"the kernel plane of version %u is up in \"%s\"; this is version %u",
			up->from_version, up->from, SL_ABI_VERSION);
		return -EEXIST;
	}
	error = sl_pins_lock(up->from, from_lock_fd);
	return error ? error : sl_migrate_begin(up->from, up->from_version, &up->from_seed);
}

/* Decides between fresh and --replace and clears what a crash left. */
static int settle_start(struct up *up, bool replace, int *lock_fd)
{
	struct sl_view view;
	int error;

	if (sl_pins_complete(up->dir)) {
		if (!replace) {
			sl_say_error("sluice up CONFIG --replace, or sluice down",
				     "sluice is already up in \"%s\"", up->dir);
			return -EEXIST;
		}
		error = sl_view_open(up->dir, false, &view);
		if (!error)
			sl_view_close(&view);
		up->replaces = !error;
		return error;
	}
	if (sl_pins_empty(up->dir))
		return 0;
	sl_say_warning(NULL, "removing what an unfinished `sluice up` left in \"%s\"", up->dir);
	error = sl_attach_remove_all(up->dir);
	if (!error)
		error = sl_pins_remove(up->dir);
	if (error)
		return error;
	close(*lock_fd);
	*lock_fd = -1;
	return sl_pins_prepare(up->dir, lock_fd);
}

/* `ended_up`: where the lanes of the configuration's devices are. */
static bool is_wanted(const struct up *up, const struct sl_attachment *ended_up,
		      const struct sl_record *record)
{
	for (uint32_t i = 0; i < up->device_count; i++) {
		if (ended_up[i].at.ifindex == record->ifindex)
			return record->netns == sl_netdev_netns();
	}
	return false;
}

/* Devices that the configuration no longer names. */
static int drop_others(const struct up *up, const struct sl_attachment *ended_up)
{
	struct sl_record records[SL_RECORDS_MAX];
	uint64_t netns = sl_netdev_netns();
	uint32_t count;
	int error = 0;

	sl_record_list(up->dir, records, SL_RECORDS_MAX, &count);
	for (unsigned qdiscs = 0; qdiscs < 2; qdiscs++) {
		for (uint32_t i = 0; i < count && !error; i++) {
			const struct sl_record *record = &records[i];

			if ((record->kind == SL_RECORD_CLSACT) != (qdiscs == 1) ||
			    is_wanted(up, ended_up, record))
				continue;
			error = sl_attach_remove(up->dir, record);
			(void)sl_netdev_enter_netns(netns);
			if (!error &&
			    (sl_record_is_xdp(record->kind) || sl_record_is_lane(record->kind)))
				printf("  %s: detached\n", record->device);
		}
	}
	return error;
}

static int attach_all(const struct up *up, struct sl_object *object)
{
	struct sl_attachment ended_up[SL_CONFIG_DEVICES_MAX];

	for (uint32_t i = 0; i < up->device_count; i++) {
		struct sl_attachment *to = &ended_up[i];
		int error = sl_attach_device(up->dir, &up->devices[i], object, &up->want, to);

		if (error)
			return error;
		printf("  %s: %s (%s)\n", to->at.name, sl_attach_hook_name(to->hook), to->reason);
	}
	return drop_others(up, ended_up);
}

/* What the other version's maps say, and what it is attached to. */
static int take_over(const struct up *up, const struct sl_view *view)
{
	struct sl_migrated migrated;
	int error = sl_migrate_carry(up->from, view, up->config, &migrated);

	if (!error)
		error = sl_migrate_take(up->from, up->dir);
	if (!error)
		printf("sluice: migrated from version %u: numbers: %u, drains: %u, breakers forced "
		       "open: %u; its flows end\n",
		       up->from_version, migrated.tunables, migrated.drains, migrated.forced);
	return error;
}

static int configure(const struct up *up)
{
	struct sl_topology topology;
	struct sl_view view;
	int error = sl_view_open(up->dir, false, &view);

	if (error)
		return error;
	if (!view.settings->seed)
		view.settings->seed = up->from_seed;
	error = sl_apply_config(&view, up->config, &topology);
	if (!error) {
		printf("sluice: %s: pools: %u, services: %u, nodes added: %u, removed: %u; maps in "
		       "%s\n",
		       up->replaces ? "replaced" : "up", topology.pool_count,
		       up->config->service_count, topology.nodes_added, topology.nodes_removed,
		       up->dir);
		if (topology.nodes_unroutable)
			sl_say_warning("ip route, then sluice up CONFIG --replace",
				       "%u nodes have no route from this host",
				       topology.nodes_unroutable);
		sl_topology_fini(&topology);
	}
	if (!error && up->from[0])
		error = take_over(up, &view);
	sl_view_close(&view);
	return error;
}

static int bring_up(const struct up *up)
{
	struct sl_object_want want = {
		.role = up->config->role,
		.flows_max = up->config->flows_max,
		.conns_max = up->config->conns_max,
	};
	struct sl_object object;
	int error = sl_object_load(up->dir, up->replaces, &want, &object);

	if (error)
		return error;
	if (!up->replaces)
		error = sl_apply_begin(&object);
	if (!error)
		error = sl_object_pin(&object);
	if (!error)
		error = configure(up);
	if (!error)
		error = attach_all(up, &object);
	if (!error)
		sl_object_retire_others(&object);
	if (!error && up->from[0])
		error = sl_pins_remove(up->from);
	sl_object_close(&object);
	return error;
}

/* A fresh `up` leaves nothing; what others or an older program attached goes on. */
static void undo(const struct up *up)
{
	struct sl_record records[SL_RECORDS_MAX];
	uint32_t count;

	sl_record_list(up->dir, records, SL_RECORDS_MAX, &count);
	if (up->replaces || (up->from[0] && count))
		sl_say_warning(up->from[0] ? "mend it and: sluice up CONFIG --replace --migrate"
					   : "mend it and: sluice up CONFIG --replace",
			       "what was up before stays; devices already moved run the new "
			       "program");
	else if (!sl_attach_remove_all(up->dir))
		(void)sl_pins_remove(up->dir);
}

static int run_locked(struct up *up, const struct sl_arguments *arguments, int *lock_fd)
{
	int from_lock_fd = -1;
	int error = settle_start(up, arguments->replace, lock_fd);

	if (error)
		return error;
	error = settle_version(up, arguments->migrate, &from_lock_fd);
	if (!error)
		error = bring_up(up);
	if (error)
		undo(up);
	if (from_lock_fd >= 0)
		close(from_lock_fd);
	return error;
}

/* NULL: not said, as the configuration says. */
static enum sl_config_hook hook_named(const char *name, enum sl_config_hook configured)
{
	static const char *const names[] = {
		[SL_CONFIG_HOOK_AUTO] = "auto",
		[SL_CONFIG_HOOK_NATIVE] = "native",
		[SL_CONFIG_HOOK_GENERIC] = "generic",
		[SL_CONFIG_HOOK_TC] = "tc",
	};
	enum sl_config_hook hook = configured;

	for (unsigned i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		hook = strcmp(name, names[i]) ? hook : i;
	return hook;
}

static int run_up(const struct sl_command *command, const struct sl_arguments *arguments)
{
	struct up up = {0};
	int lock_fd = -1;
	int error;

	(void)command;
	if (arguments->tc && !strcmp(arguments->tc, "tcx"))
		up.want.tc = SL_TC_TCX;
	if (arguments->tc && !strcmp(arguments->tc, "clsact"))
		up.want.tc = SL_TC_CLSACT;
	error = read_config(arguments->words[0], &up.config);
	if (error)
		return SL_EXIT_FAILED;
	up.dir = sl_pins_dir(arguments->pin_dir, up.config);
	up.want.hook = hook_named(arguments->hook, up.config->hook);
	error = open_devices(&up, arguments);
	if (!error) {
		warn_ports(up.config);
		warn_forwarding(&up);
		error = sl_pins_prepare(up.dir, &lock_fd);
	}
	if (!error)
		error = run_locked(&up, arguments, &lock_fd);
	if (lock_fd >= 0)
		close(lock_fd);
	sl_config_close(&up.config);
	return error ? SL_EXIT_FAILED : SL_EXIT_OK;
}

static const struct sl_option up_options[] = {
	{SL_OPTION_DEVICES, "device", "DEV", NULL, 0,
	 "attach to this device; repeat it for more (default: kernel.devices)"},
	{SL_OPTION_TEXT, "hook", "HOOK", "|auto|native|generic|tc|",
	 offsetof(struct sl_arguments, hook),
	 "fast lane at: auto (by device), native XDP, generic XDP, tc (default: kernel.hook)"},
	{SL_OPTION_TEXT, "tc", "MODE", "|auto|tcx|clsact|", offsetof(struct sl_arguments, tc),
	 "TC hooks by: auto (tcx where the kernel has it), tcx, clsact"},
	{SL_OPTION_FLAG, "replace", NULL, NULL, offsetof(struct sl_arguments, replace),
	 "put this program and configuration in place of what runs; maps and flows stay"},
	{SL_OPTION_FLAG, "migrate", NULL, NULL, offsetof(struct sl_arguments, migrate),
	 "take over from the kernel plane of an older version; its flows end"},
	SL_OPTION_PIN_DIR,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_up = {
	.name = "up",
	.words = "CONFIG",
	.words_min = 1,
	.words_max = 1,
	.summary = "load the kernel plane and attach it",
	.description =
		"Loads the programs, fills the maps from the file, pins both below the pin "
		"directory\n"
		"and attaches the fast lane to each device, at XDP or at TC; says for each which "
		"it is\n"
		"and why. All of it outlives the command and the daemon; `sluice down` removes it.",
	.options = up_options,
	.run = run_up,
};
