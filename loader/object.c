/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include "bpf/abi.h"
#include "loader/pins.h"
#include "loader/say.h"

#define LOG_BYTES_MAX	65536u
#define LOG_LINES_SHOWN 24u

/* object.S */
extern const char sl_bpf_object[];
extern const char sl_bpf_object_end[];

/* By role and hook. What a node's host does at TC ingress is one program, XDP beside it or not. */
static const char *const program_names[][SL_PROGRAM_COUNT] = {
	[SL_ROLE_BALANCER] =
		{
			[SL_PROGRAM_XDP] = "sluice_xdp",
			[SL_PROGRAM_TC_LANE] = "sluice_tc_lane",
			[SL_PROGRAM_TC_INGRESS] = "sluice_tc_ingress",
			[SL_PROGRAM_TC_EGRESS] = "sluice_tc_egress",
		},
	[SL_ROLE_NODE] =
		{
			[SL_PROGRAM_XDP] = "sluice_node_xdp",
			[SL_PROGRAM_TC_LANE] = "sluice_node_tc_ingress",
			[SL_PROGRAM_TC_INGRESS] = "sluice_node_tc_ingress",
			[SL_PROGRAM_TC_EGRESS] = "sluice_node_tc_egress",
		},
};

/* Steps are called after the role and the hook that they are for; their array too. */
static const struct {
	const char *step_prefix;
	const char *calls;
} part_steps[][SL_OBJECT_PARTS] = {
	[SL_ROLE_BALANCER] =
		{
			[SL_OBJECT_BASE] = {"sluice_local_", "local_steps"},
			[SL_OBJECT_XDP] = {"sluice_xdp_", "xdp_steps"},
			[SL_OBJECT_LANE] = {"sluice_tc_", "tc_steps"},
		},
	[SL_ROLE_NODE] =
		{
			[SL_OBJECT_BASE] = {NULL, NULL},
			[SL_OBJECT_XDP] = {"sluice_node_xdp_", "node_xdp_steps"},
			[SL_OBJECT_LANE] = {"sluice_node_tc_", "node_tc_steps"},
		},
};

/* Scratch memory of the packet at hand: nothing that outlives it, and of no fixed layout. */
#define SCRATCH "scratch"

/* How long packets can be in an old program where the kernel cannot be asked to wait for them. */
#define GRACE_US 100000u

/* libbpf's printer has no context argument, hence a static: the newest part of its complaints. */
static char log_text[LOG_BYTES_MAX];
static size_t log_len;

static int collect_log(enum libbpf_print_level level, const char *format, va_list values)
{
	char line[LOG_BYTES_MAX / 2];
	int line_len;

	if (level != LIBBPF_WARN)
		return 0;
	line_len = vsnprintf(line, sizeof(line), format, values);
	if (line_len < 0)
		return 0;
	if ((size_t)line_len >= sizeof(line))
		line_len = sizeof(line) - 1;
	if (log_len + (size_t)line_len >= sizeof(log_text))
		log_len = 0; /* keep the newest: the verdict comes last */
	memcpy(log_text + log_len, line, (size_t)line_len + 1);
	log_len += (size_t)line_len;
	return 0;
}

static void show_log(void)
{
	const char *from = log_text + log_len;
	unsigned lines = 0;

	while (from > log_text && lines < LOG_LINES_SHOWN)
		lines += *--from == '\n';
	if (log_len)
		fprintf(stderr, "%s", from);
}

static const char *load_advice(int error)
{
	switch (error) {
	case -EPERM:
	case -EACCES:
		return "run as root, or with CAP_BPF and CAP_NET_ADMIN (an EACCES with a log is "
		       "the verifier's: report it with `uname -r`)";
	case -ENOMEM:
		return "lower kernel.flows_max, or give the host more memory";
	default:
		return "kernel 6.1 or newer is needed; report the lines above with `uname -r`";
	}
}

/* Older kernels charge maps to RLIMIT_MEMLOCK; 6.1 charges the memory cgroup. Harmless to raise. */
static void raise_memlock(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	(void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* ---- what belongs where -------------------------------------------------------------------- */

/* The part that has the program; the observers, with steps of their own, are the base's. */
static enum sl_object_part part_of(enum sl_role role, enum sl_program program)
{
	const char *const *names = program_names[role];

	if (program == SL_PROGRAM_XDP)
		return SL_OBJECT_XDP;
	return !strcmp(names[program], names[SL_PROGRAM_TC_LANE]) ? SL_OBJECT_LANE : SL_OBJECT_BASE;
}

static bool is_main(const char *name)
{
	for (unsigned role = 0; role < sizeof(program_names) / sizeof(program_names[0]); role++) {
		for (unsigned i = 0; i < SL_PROGRAM_COUNT; i++) {
			if (!strcmp(name, program_names[role][i]))
				return true;
		}
	}
	return false;
}

static bool is_wanted(enum sl_object_part part, enum sl_role role, const char *name)
{
	const char *prefix = part_steps[role][part].step_prefix;

	for (unsigned i = 0; i < SL_PROGRAM_COUNT; i++) {
		if (part_of(role, i) == part && !strcmp(name, program_names[role][i]))
			return true;
	}
	return prefix && !is_main(name) && !strncmp(name, prefix, strlen(prefix));
}

static bool is_calls(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_PROG_ARRAY;
}

/* Whether the map outlives its object. */
static bool is_state(const struct bpf_map *map)
{
	return bpf_map__autocreate(map) && !bpf_map__is_internal(map) && !is_calls(map) &&
	       strcmp(bpf_map__name(map), SCRATCH) != 0;
}

/* ---- maps ---------------------------------------------------------------------------------- */

/* Entries of the maps that the operator sizes; 0: not one of them. */
static uint32_t entries_for(const struct bpf_map *map, const struct sl_object_want *want)
{
	const char *name = bpf_map__name(map);
	uint32_t sets = SL_FLOW_SETS(want->flows_max);

	if (!strcmp(name, "flows"))
		return sets;
	if (!strcmp(name, "ports"))
		return SL_PORT_SETS(sets);
	if (!strcmp(name, "syns")) /* by the index of the flow: more than places are never used */
		return sets * SL_FLOW_WAYS < SL_SYNS_MAX ? sets * SL_FLOW_WAYS : SL_SYNS_MAX;
	return !strcmp(name, "conns") ? want->conns_max : 0;
}

/* Says what is different where the pinned map is not what this object would read in it. */
static int check_shape(const struct bpf_map *map, const struct bpf_map_info *pinned, bool sized,
		       const char *path)
{
	const struct {
		const char *what;
		uint32_t pinned, wanted;
	} sides[] = {
		{"type", pinned->type, bpf_map__type(map)},
		{"key size", pinned->key_size, bpf_map__key_size(map)},
		{"value size", pinned->value_size, bpf_map__value_size(map)},
		/* a map of devices has one more than was asked for */
		{"flags", pinned->map_flags & ~BPF_F_RDONLY_PROG, bpf_map__map_flags(map)},
		{"entries", pinned->max_entries,
		 sized ? pinned->max_entries : bpf_map__max_entries(map)},
	};

	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		if (sides[i].pinned == sides[i].wanted)
			continue;
		sl_say_error("sluice down, then sluice up CONFIG",
			     "the pinned map \"%s\" is not this version's: its %s is %u, this "
			     "command needs %u",
			     path, sides[i].what, sides[i].pinned, sides[i].wanted);
		return -EPROTO;
	}
	return 0;
}

static void warn_size(const struct bpf_map *map, uint32_t pinned, uint32_t wanted)
{
	if (pinned == wanted)
		return;
	if (!strcmp(bpf_map__name(map), "flows"))
		sl_say_warning("sluice down, then sluice up CONFIG: ends the flows",
			       "kernel.flows: the table that is up keeps its %u sets of %u flows; "
			       "asked for are %u",
			       pinned, SL_FLOW_WAYS, wanted);
	if (!strcmp(bpf_map__name(map), "conns"))
		sl_say_warning("sluice down, then sluice up CONFIG",
			       "kernel.conns: the table that is up keeps its %u entries; asked for "
			       "are %u",
			       pinned, wanted);
}

/* The pinned map takes the object's place; `sized`: its entries, as asked for, else 0. */
static int reuse_pin(struct bpf_map *map, const char *dir, uint32_t sized)
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);
	char path[SL_PINS_PATH_MAX];
	int fd = bpf_obj_get(sl_pins_path(dir, bpf_map__name(map), path));
	int error = 0;

	if (fd == -ENOENT)
		return 0; /* a map that this version adds */
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &info_len)) {
		error = fd < 0 ? fd : -errno;
		sl_say_error("sluice down, then sluice up", "cannot open the pinned map \"%s\": %s",
			     path, strerror(-error));
	}
	if (!error)
		error = check_shape(map, &info, sized != 0, path);
	if (!error && sized)
		warn_size(map, info.max_entries, sized);
	if (!error)
		error = bpf_map__reuse_fd(map, fd);
	if (fd >= 0)
		close(fd);
	return error;
}

/* The base's maps: its own, sized as wanted, or those that are pinned. */
static int prepare_base_maps(const struct sl_object *object, struct bpf_object *part, bool reuse,
			     const struct sl_object_want *want)
{
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_map(map, part)
	{
		uint32_t sized = entries_for(map, want);

		if (!error && sized)
			error = bpf_map__set_max_entries(map, sized);
		if (!error && reuse && is_state(map))
			error = reuse_pin(map, object->dir, sized);
	}
	return error;
}

/* Another part's maps are the base's, but for its constants and its own tail calls. */
static int share_maps(const struct sl_object *object, struct bpf_object *part)
{
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_map(map, part)
	{
		if (error || bpf_map__is_internal(map) || is_calls(map) ||
		    !bpf_map__autocreate(map))
			continue;
		error = bpf_map__reuse_fd(map, sl_object_map(object, bpf_map__name(map)));
	}
	return error;
}

/* ---- programs ------------------------------------------------------------------------------ */

/*
 * Whether XDP programs may take frames of several buffers, which jumbo frames need: only where the
 * kernel redirects them too (Linux 6.3, which brought this enum along). On an older one a driver
 * would attach the program at MTU 9000 and the kernel drop what it redirects; without the flag the
 * driver refuses such an MTU. No kernel from 6.1 on and no driver refuses a program for the flag.
 */
static bool redirects_frags(void)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	bool known = kernel && btf__find_by_name_kind(kernel, "netdev_xdp_act", BTF_KIND_ENUM) > 0;

	btf__free(kernel);
	return known;
}

/*
 * Leaves out the programs of other parts, and their arrays of tail calls: made a plain array, for
 * libbpf would fill an array of programs with those that are not loaded.
 */
static int narrow(struct bpf_object *part, enum sl_object_part which, enum sl_role role)
{
	const char *calls = part_steps[role][which].calls;
	uint32_t frags = which == SL_OBJECT_XDP && redirects_frags() ? BPF_F_XDP_HAS_FRAGS : 0;
	struct bpf_program *program;
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_program(program, part)
	{
		bool wanted = is_wanted(which, role, bpf_program__name(program));

		if (!error)
			error = bpf_program__set_autoload(program, wanted);
		if (!error && wanted && bpf_program__type(program) == BPF_PROG_TYPE_XDP)
			error = bpf_program__set_flags(program,
						       bpf_program__flags(program) | frags);
	}
	bpf_object__for_each_map(map, part)
	{
		if (!is_calls(map) || (calls && !strcmp(bpf_map__name(map), calls)))
			continue;
		if (!error)
			error = bpf_map__set_type(map, BPF_MAP_TYPE_ARRAY);
		if (!error)
			error = bpf_map__set_autocreate(map, false);
	}
	return error;
}

static int check_programs(struct bpf_object *part, enum sl_object_part which, enum sl_role role)
{
	for (unsigned i = 0; i < SL_PROGRAM_COUNT; i++) {
		if (part_of(role, i) != which ||
		    bpf_object__find_program_by_name(part, program_names[role][i]))
			continue;
		sl_say_error("build again: make clean, make",
			     "the BPF object has no program \"%s\"", program_names[role][i]);
		return -ENOENT;
	}
	return 0;
}

static int open_part(enum sl_object_part which, enum sl_role role, struct bpf_object **ret_part)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "sluice");
	struct bpf_object *part;
	int error;

	log_len = 0;
	libbpf_set_print(collect_log);
	part = bpf_object__open_mem(
		sl_bpf_object, (uintptr_t)sl_bpf_object_end - (uintptr_t)sl_bpf_object, &options);
	if (!part) {
		error = -errno;
		show_log();
		sl_say_error("build again: make clean, make",
			     "the embedded BPF object is not valid: %s", strerror(-error));
		return error;
	}
	error = check_programs(part, which, role);
	if (!error)
		error = narrow(part, which, role);
	if (error)
		bpf_object__close(part);
	else
		*ret_part = part;
	return error;
}

/* Takes the part over: loaded it is the object's, else it is closed. */
static int load_part(struct sl_object *object, enum sl_object_part which, struct bpf_object *part)
{
	int error = bpf_object__load(part);

	if (error) {
		show_log();
		sl_say_error(load_advice(error), "the kernel refused the BPF object: %s",
			     strerror(-error));
		bpf_object__close(part);
		return error;
	}
	object->parts[which] = part;
	return 0;
}

int sl_object_load(const char *dir, bool reuse, const struct sl_object_want *want,
		   struct sl_object *ret_object)
{
	struct sl_object object = {.dir = dir, .role = want->role};
	struct bpf_object *base;
	int error;

	raise_memlock();
	error = open_part(SL_OBJECT_BASE, want->role, &base);
	if (error)
		return error;
	error = prepare_base_maps(&object, base, reuse, want);
	if (error) {
		bpf_object__close(base);
		return error;
	}
	error = load_part(&object, SL_OBJECT_BASE, base);
	if (!error)
		*ret_object = object;
	return error;
}

int sl_object_map(const struct sl_object *object, const char *name)
{
	return bpf_object__find_map_fd_by_name(object->parts[SL_OBJECT_BASE], name);
}

uint32_t sl_object_entries(const struct sl_object *object, const char *name)
{
	const struct bpf_map *map =
		bpf_object__find_map_by_name(object->parts[SL_OBJECT_BASE], name);

	return map ? bpf_map__max_entries(map) : 0;
}

/* ---- pins ---------------------------------------------------------------------------------- */

static int pin_at(const struct bpf_map *map, const char *path)
{
	int error = 0;

	if (!access(path, F_OK))
		return 0;
	if (bpf_obj_pin(bpf_map__fd(map), path)) {
		error = -errno;
		sl_say_error("sluice down, then sluice up", "cannot pin the map at \"%s\": %s",
			     path, strerror(-error));
	}
	return error;
}

static int pin_state(const struct bpf_map *map, const char *dir)
{
	char path[SL_PINS_PATH_MAX];

	return pin_at(map, sl_pins_path(dir, bpf_map__name(map), path));
}

/* calls/NAME:ID of an array, or "" where the kernel does not tell its id. */
static void calls_name(const struct bpf_map *map, char name[SL_PINS_PATH_MAX])
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);

	name[0] = '\0';
	if (!bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &info_len))
		snprintf(name, SL_PINS_PATH_MAX, SL_PINS_CALLS "/%s:%u", bpf_map__name(map),
			 info.id);
}

static int pin_calls(const struct sl_object *object, struct bpf_object *part)
{
	char name[SL_PINS_PATH_MAX], path[SL_PINS_PATH_MAX];
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_map(map, part)
	{
		if (error || !is_calls(map))
			continue;
		calls_name(map, name);
		error = name[0] ? pin_at(map, sl_pins_path(object->dir, name, path)) : -EPERM;
	}
	return error;
}

int sl_object_pin(const struct sl_object *object)
{
	const struct bpf_map *mark = NULL;
	struct bpf_map *map;
	int error = pin_calls(object, object->parts[SL_OBJECT_BASE]);

	bpf_object__for_each_map(map, object->parts[SL_OBJECT_BASE])
	{
		if (error || !is_state(map))
			continue;
		if (!strcmp(bpf_map__name(map), SL_PINS_MARK))
			mark = map;
		else
			error = pin_state(map, object->dir);
	}
	return error ? error : mark ? pin_state(mark, object->dir) : -ENOENT;
}

int sl_object_program(struct sl_object *object, enum sl_program program)
{
	enum sl_object_part which = part_of(object->role, program);
	struct bpf_object *part;
	int error;

	if (!object->parts[which]) {
		error = open_part(which, object->role, &part);
		if (error)
			return error;
		error = share_maps(object, part);
		if (error) {
			bpf_object__close(part);
			return error;
		}
		error = load_part(object, which, part);
		if (!error)
			error = pin_calls(object, part);
		if (error)
			return error;
	}
	return bpf_program__fd(bpf_object__find_program_by_name(
		object->parts[which], program_names[object->role][program]));
}

/* Until no packet is in a program that was replaced before. */
static void wait_for_packets(void)
{
	/* the kernel's own grace period; a host with nohz_full CPUs refuses the command */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(GRACE_US);
}

static bool has_calls(const struct sl_object *object, const char *name)
{
	for (unsigned i = 0; i < SL_OBJECT_PARTS; i++) {
		struct bpf_map *map = NULL;

		while (object->parts[i] &&
		       (map = bpf_object__next_map(object->parts[i], map)) != NULL) {
			char own[SL_PINS_PATH_MAX];

			if (!is_calls(map))
				continue;
			calls_name(map, own);
			if (own[0] && !strcmp(own + sizeof(SL_PINS_CALLS), name))
				return true;
		}
	}
	return false;
}

void sl_object_retire_others(const struct sl_object *object)
{
	char path[SL_PINS_PATH_MAX];
	const struct dirent *entry;
	DIR *entries = opendir(sl_pins_path(object->dir, SL_PINS_CALLS, path));

	wait_for_packets();
	while (entries && (entry = readdir(entries))) {
		char name[SL_PINS_PATH_MAX];

		if (entry->d_name[0] == '.' || has_calls(object, entry->d_name))
			continue;
		snprintf(name, sizeof(name), SL_PINS_CALLS "/%s", entry->d_name);
		(void)unlink(sl_pins_path(object->dir, name, path));
	}
	if (entries)
		closedir(entries);
}

void sl_object_close(struct sl_object *object)
{
	for (unsigned i = 0; i < SL_OBJECT_PARTS; i++)
		bpf_object__close(object->parts[i]); /* NULL is none */
	*object = (struct sl_object){0};
}
