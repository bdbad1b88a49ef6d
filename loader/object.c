/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "bpf/limits.h"
#include "loader/pins.h"
#include "loader/say.h"

#define LOG_BYTES_MAX	65536u
#define LOG_LINES_SHOWN 24u

/* object.S */
extern const char sl_bpf_object[];
extern const char sl_bpf_object_end[];

static const char *const program_names[SL_PROGRAM_COUNT] = {
	[SL_PROGRAM_XDP] = "sluice_xdp",
	[SL_PROGRAM_TC_INGRESS] = "sluice_tc_ingress",
	[SL_PROGRAM_TC_EGRESS] = "sluice_tc_egress",
};

/* The tables that `flows_max` sizes. */
static const char *const flow_maps[] = {"flows", "ports"};

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

static int reuse_map(struct bpf_map *map, const char *dir)
{
	char path[SL_PINS_PATH_MAX];
	int fd, error;

	if (bpf_map__is_internal(map))
		return 0;
	fd = bpf_obj_get(sl_pins_path(dir, bpf_map__name(map), path));
	if (fd == -ENOENT)
		return 0; /* a map that this version adds */
	if (fd < 0) {
		sl_say_error("sluice down, then sluice up", "cannot open the pinned map \"%s\": %s",
			     path, strerror(-fd));
		return fd;
	}
	error = bpf_map__reuse_fd(map, fd);
	close(fd);
	return error;
}

static int prepare_maps(struct bpf_object *object, const char *dir, bool reuse, uint32_t flows_max)
{
	struct bpf_map *map;
	int error;

	bpf_object__for_each_map(map, object)
	{
		for (size_t i = 0; i < sizeof(flow_maps) / sizeof(flow_maps[0]); i++) {
			if (strcmp(bpf_map__name(map), flow_maps[i]))
				continue;
			error = bpf_map__set_max_entries(map, SL_FLOW_SETS(flows_max));
			if (error)
				return error;
		}
		if (bpf_map__type(map) == BPF_MAP_TYPE_PROG_ARRAY)
			continue;
		error = reuse ? reuse_map(map, dir) : 0;
		if (error)
			return error;
	}
	return 0;
}

static int find_programs(struct sl_object *object)
{
	for (unsigned i = 0; i < SL_PROGRAM_COUNT; i++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(object->object, program_names[i]);

		if (!program) {
			sl_say_error("build again: make clean, make",
				     "the BPF object has no program \"%s\"", program_names[i]);
			return -ENOENT;
		}
		object->programs[i] = bpf_program__fd(program);
	}
	return 0;
}

int sl_object_load(const char *dir, bool reuse, uint32_t flows_max, struct sl_object *ret_object)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "sluice");
	struct sl_object object = {0};
	int error;

	raise_memlock();
	libbpf_set_print(collect_log);
	object.object = bpf_object__open_mem(
		sl_bpf_object, (uintptr_t)sl_bpf_object_end - (uintptr_t)sl_bpf_object, &options);
	if (!object.object) {
		error = -errno;
		show_log();
		sl_say_error("build again: make clean, make",
			     "the embedded BPF object is not valid: %s", strerror(-error));
		return error;
	}
	error = prepare_maps(object.object, dir, reuse, flows_max);
	if (!error)
		error = bpf_object__load(object.object);
	if (error) {
		show_log();
		sl_say_error(load_advice(error), "the kernel refused the BPF object: %s",
			     strerror(-error));
	} else {
		error = find_programs(&object);
	}
	if (error)
		bpf_object__close(object.object);
	else
		*ret_object = object;
	return error;
}

uint32_t sl_object_entries(const struct sl_object *object, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object->object, name);

	return map ? bpf_map__max_entries(map) : 0;
}

int sl_object_map(const struct sl_object *object, const char *name)
{
	return bpf_object__find_map_fd_by_name(object->object, name);
}

static int pin_one(const struct bpf_map *map, const char *dir)
{
	char path[SL_PINS_PATH_MAX];
	int error = 0;

	sl_pins_path(dir, bpf_map__name(map), path);
	if (!access(path, F_OK))
		return 0;
	if (bpf_obj_pin(bpf_map__fd(map), path)) {
		error = -errno;
		sl_say_error("sluice down, then sluice up", "cannot pin the map at \"%s\": %s",
			     path, strerror(-error));
	}
	return error;
}

int sl_object_pin(const struct sl_object *object, const char *dir)
{
	const struct bpf_map *mark = NULL;
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_map(map, object->object)
	{
		if (bpf_map__is_internal(map) || error)
			continue;
		if (!strcmp(bpf_map__name(map), SL_PINS_MARK))
			mark = map;
		else
			error = pin_one(map, dir);
	}
	return error ? error : mark ? pin_one(mark, dir) : -ENOENT;
}

void sl_object_close(struct sl_object *object)
{
	bpf_object__close(object->object);
	*object = (struct sl_object){0};
}
