/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/packet/lab.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void sl_lab_die(const char *what, ...)
{
	int error = errno;
	va_list args;

	fflush(stdout);
	fprintf(stderr, "packet: ");
	va_start(args, what);
	vfprintf(stderr, what, args);
	va_end(args);
	fprintf(stderr, error ? ": %s\n" : "\n", strerror(error));
	exit(2);
}

/* ---- objects ------------------------------------------------------------------------------- */

static struct bpf_object *object_open(const char *path)
{
	struct bpf_object *object = bpf_object__open(path);

	if (!object)
		sl_lab_die("%s (make bench)", path);
	return object;
}

static void map_resize(struct bpf_object *object, const char *name, uint32_t entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map || bpf_map__set_max_entries(map, entries))
		sl_lab_die("size of map \"%s\"", name);
}

static int map_fd(struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		sl_lab_die("map \"%s\"", name);
	return fd;
}

static void *map_memory(struct bpf_object *object, const char *name, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			map_fd(object, name), 0);

	if (at == MAP_FAILED)
		sl_lab_die("memory of map \"%s\"", name);
	return at;
}

static int program_fd(struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		sl_lab_die("program \"%s\"", name);
	return bpf_program__fd(program);
}

static void map_put(int fd, const void *key, const void *value)
{
	if (bpf_map_update_elem(fd, key, value, BPF_ANY))
		sl_lab_die("update of a map of the baselines");
}

static void baseline_load(struct sl_lab *lab)
{
	struct sl_base_vip vip = {.port = htons(80), .proto = IPPROTO_TCP};
	int vips, ring, reals;
	uint32_t one = 1;

	lab->baseline = object_open("build/bench/baseline.bpf.o");
	map_resize(lab->baseline, "base_flows", lab->lru_entries);
	if (bpf_object__load(lab->baseline))
		sl_lab_die("load the baselines");
	vips = map_fd(lab->baseline, "base_vips");
	ring = map_fd(lab->baseline, "base_ring");
	reals = map_fd(lab->baseline, "base_reals");
	inet_pton(AF_INET, "192.0.2.100", &vip.addr);
	map_put(vips, &vip, &one);
	for (uint32_t i = 0; i < SL_BASE_RING; i++) {
		uint32_t slot = i % SL_BASE_REALS;

		map_put(ring, &i, &slot);
	}
	for (uint32_t i = 0; i < SL_BASE_REALS; i++) {
		struct sl_base_real real = {.addr = htonl(0x0a040000u + i),
					    .snat = htonl(0x0a000002u),
					    .port = htons(8000),
					    .mac = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}};

		map_put(reals, &i, &real);
	}
}

static void rotor_load(struct sl_lab *lab)
{
	lab->rotor_object = object_open("build/bench/rotor.bpf.o");
	map_resize(lab->rotor_object, "records", lab->record_count);
	if (bpf_object__load(lab->rotor_object))
		sl_lab_die("load the rotor");
	lab->rotor = map_memory(lab->rotor_object, "rotor", sizeof(*lab->rotor));
	lab->records =
		map_memory(lab->rotor_object, "records", lab->record_count * sizeof(*lab->records));
	lab->rotor_fd = program_fd(lab->rotor_object, "rotor_turn");
	lab->next_fd = map_fd(lab->rotor_object, "next");
	/*
	 * A repeated test run of a program that is attached nowhere rewrites the kernel's XDP dispatcher
	 * and waits for all CPUs, twice 20 ms. No packet comes to this device.
	 */
	if (bpf_xdp_attach((int)if_nametoindex("rig3"), lab->rotor_fd, XDP_FLAGS_DRV_MODE, NULL))
		sl_lab_die("attach the rotor to rig3");
}

/*
 * No other task in the middle of a test run, whose time would be charged to the program. Where it is
 * not allowed the medians have to do.
 */
static void priority_raise(void)
{
	struct sched_param first = {.sched_priority = 1};

	(void)sched_setscheduler(0, SCHED_FIFO, &first);
}

void sl_lab_open(struct sl_lab *lab, uint32_t flows_max, uint32_t records)
{
	memset(lab, 0, sizeof(*lab));
	sl_rig_flow_sets = SL_FLOW_SETS(flows_max);
	lab->lru_entries = sl_rig_flow_sets * SL_FLOW_WAYS;
	lab->record_count = records ? records : 1;
	lab->turns = SL_LAB_TURNS;
	lab->piece = SL_LAB_PIECE;
	lab->warm = SL_LAB_WARM;
	sl_rig_open(&lab->rig);
	priority_raise();
	baseline_load(lab);
	rotor_load(lab);
	lab->empty_fd = sl_lab_baseline(lab, "base_empty");
	errno = 0;
}

void sl_lab_close(struct sl_lab *lab)
{
	bpf_object__close(lab->rotor_object);
	bpf_object__close(lab->baseline);
	bpf_object__close(lab->rig.object);
}

int sl_lab_baseline(const struct sl_lab *lab, const char *name)
{
	return program_fd(lab->baseline, name);
}

void sl_lab_baseline_reload(struct sl_lab *lab)
{
	bpf_object__close(lab->baseline);
	baseline_load(lab);
	lab->empty_fd = sl_lab_baseline(lab, "base_empty");
}

uint64_t sl_lab_baseline_misses(const struct sl_lab *lab)
{
	int cpus = libbpf_num_possible_cpus();
	struct sl_base_stats *rows = calloc((size_t)cpus, sizeof(*rows));
	uint32_t zero = 0;
	uint64_t sum = 0;

	if (!rows || bpf_map_lookup_elem(map_fd(lab->baseline, "base_stats"), &zero, rows))
		sl_lab_die("counters of the baselines");
	for (int i = 0; i < cpus; i++)
		sum += rows[i].misses;
	free(rows);
	return sum;
}

/* ---- running ------------------------------------------------------------------------------- */

static void rotor_set(struct sl_lab *lab, const struct sl_lab_subject *subject)
{
	struct sl_frame frame;

	sl_frame_build(&frame, &subject->spec);
	if (frame.len != SL_ROTOR_FRAME)
		sl_lab_die("%s: frame of %zu bytes, not %u", subject->name, frame.len,
			   SL_ROTOR_FRAME);
	lab->rotor->count = subject->count;
	lab->rotor->kind = subject->kind;
	lab->rotor->base = subject->base;
	lab->rotor->flows = subject->flows ? subject->flows : 1;
	lab->rotor->random = !subject->in_turn;
	memcpy(lab->rotor->frame, frame.bytes, SL_ROTOR_FRAME);
}

double sl_lab_run(struct sl_lab *lab, struct sl_lab_subject *subject, uint32_t repeat)
{
	struct xdp_md context = {
		.data_end = SL_ROTOR_FRAME,
		.ingress_ifindex = lab->rig.one_arm.ifindex,
	};
	uint8_t in[SL_ROTOR_FRAME] = {0}, out[SL_FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = SL_ROTOR_FRAME,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)repeat);
	uint32_t zero = 0;

	rotor_set(lab, subject);
	if (bpf_map_update_elem(lab->next_fd, &zero, &subject->fd, BPF_ANY))
		sl_lab_die("program array");
	if (bpf_prog_test_run_opts(lab->rotor_fd, &run))
		sl_lab_die("%s: test run", subject->name);
	if (subject->verdict != SL_LAB_ANY_VERDICT && (int)run.retval != subject->verdict) {
		errno = 0;
		sl_lab_die("%s: verdict %u, expected %d", subject->name, run.retval,
			   subject->verdict);
	}
	subject->count = lab->rotor->count;
	return run.duration;
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double sl_lab_median(double *values, uint32_t count)
{
	qsort(values, count, sizeof(*values), order);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/*
 * perf looks on only while it is told to: PACKET_PERF=CONTROL:ACKNOWLEDGE:TEXT names its two FIFOs
 * and the subjects to look at, those with TEXT in their names (profile.sh).
 */
static void perf_say(const struct sl_lab_subject *subject, const char *order)
{
	static FILE *control, *acknowledge;
	static char text[256], *subjects;
	char answer[16];

	if (!control) {
		char *save = NULL;

		if (!getenv("PACKET_PERF"))
			return;
		snprintf(text, sizeof(text), "%s", getenv("PACKET_PERF"));
		control = fopen(strtok_r(text, ":", &save), "w");
		acknowledge = fopen(strtok_r(NULL, ":", &save), "r");
		subjects = strtok_r(NULL, ":", &save);
		if (!control || !acknowledge || !subjects)
			sl_lab_die("PACKET_PERF");
	}
	if (!strstr(subject->name, subjects))
		return;
	fprintf(control, "%s\n", order);
	fflush(control);
	if (!fgets(answer, sizeof(answer), acknowledge))
		sl_lab_die("perf went away");
}

/* One run of the subject less one of the empty program over the same kind of packets. */
static double net_run(struct sl_lab *lab, struct sl_lab_subject *subject)
{
	struct sl_lab_subject empty = *subject;
	double base_ns, with_ns;

	empty.fd = lab->empty_fd;
	empty.verdict = XDP_TX;
	base_ns = sl_lab_run(lab, &empty, lab->piece);
	if (lab->warm)
		sl_lab_run(lab, subject, lab->warm);
	perf_say(subject, "enable");
	with_ns = sl_lab_run(lab, subject, lab->piece);
	perf_say(subject, "disable");
	return with_ns - base_ns;
}

void sl_lab_measure(struct sl_lab *lab, struct sl_lab_subject *subjects, uint32_t count,
		    void (*prepare)(struct sl_lab *lab, struct sl_lab_subject *subject))
{
	double values[SL_LAB_TURNS_MAX];

	for (uint32_t turn = 0; turn < lab->turns; turn++) {
		for (uint32_t i = 0; i < count; i++) {
			struct sl_lab_subject *subject = &subjects[(i + turn) % count];

			if (prepare)
				prepare(lab, subject);
			subject->net_ns[turn] = net_run(lab, subject);
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		memcpy(values, subjects[i].net_ns, lab->turns * sizeof(*values));
		subjects[i].ns = sl_lab_median(values, lab->turns);
	}
}

double sl_lab_ratio(const struct sl_lab *lab, const struct sl_lab_subject *a,
		    const struct sl_lab_subject *b)
{
	double values[SL_LAB_TURNS_MAX];

	for (uint32_t turn = 0; turn < lab->turns; turn++)
		values[turn] = a->net_ns[turn] / (b->net_ns[turn] > 1 ? b->net_ns[turn] : 1);
	return sl_lab_median(values, lab->turns);
}

uint64_t sl_lab_map_bytes(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	if (!file)
		sl_lab_die("%s", path);
	while (fgets(line, sizeof(line), file) && sscanf(line, "memlock: %llu", &bytes) != 1)
		;
	fclose(file);
	return bytes;
}
