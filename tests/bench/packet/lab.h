/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lab.h - measures BPF programs side by side, packet by packet, by test run.
 *
 * Owns the rig of the BPF tests, the baselines and the rotor. One lab a process: its network
 * namespace and its table sizes are those of the process. Every failure ends the process with a
 * message: a figure that could not be measured must not be printed.
 *
 * A subject is one program with one kind of packet. The subjects of a measurement take turns of
 * SL_LAB_PIECE packets, some milliseconds: a shared machine changes its speed by half from one tenth
 * of a second to the next, so all meet the same speeds, and a turn in which another task took the
 * CPU is one of many. SL_LAB_WARM packets before each turn bring back to the caches what the others
 * pushed out. Each is charged what it costs above the empty program behind the same rotor:
 *
 *   net = (rotor -> subject) - (rotor -> base_empty, same packets)         in the same turn
 *
 * A cost is the median over the turns, a ratio the median of the turns' ratios.
 */
#ifndef SL_TESTS_BENCH_LAB_H
#define SL_TESTS_BENCH_LAB_H

#include <bpf/libbpf.h>
#include "tests/bench/packet/baseline.h"
#include "tests/bench/packet/rotor.h"
#include "tests/bpf/lib/rig.h"

#define SL_LAB_PIECE	    50000u /* packets */
#define SL_LAB_WARM	    50000u
#define SL_LAB_TURNS	    40 /* 2 * 10^6 packets of each subject */
#define SL_LAB_TURNS_MAX    SL_LAB_TURNS
#define SL_LAB_SUBJECTS_MAX 12
#define SL_LAB_ANY_VERDICT  (-1)

struct sl_lab {
	struct sl_rig rig;
	struct bpf_object *baseline;
	struct bpf_object *rotor_object;
	struct sl_rotor *rotor;		 /* memory of the map */
	struct sl_rotor_record *records; /* likewise; record_count of them */
	uint32_t record_count;
	uint32_t lru_entries;
	int rotor_fd;
	int next_fd;
	int empty_fd;
	uint32_t turns;
	uint32_t piece; /* packets of a turn */
	uint32_t warm;	/* packets before it that do not count */
};

struct sl_lab_subject {
	const char *name;
	int fd;
	struct sl_frame_spec spec; /* the template; the kind says what is written over it */
	enum sl_rotor_kind kind;
	uint32_t base;
	uint32_t flows;
	uint32_t in_turn; /* 1: flows in turn instead of at random */
	int verdict;	  /* expected of the last packet, or SL_LAB_ANY_VERDICT */
	uint64_t count;	  /* packets so far: a run goes on where the last one ended */
	double net_ns[SL_LAB_TURNS_MAX];
	double ns; /* median of net_ns */
};

/*
 * Opens everything. `flows_max` sizes the flow tables: sluice's as `sluice up` would size it, the
 * baselines' with as much room over. `records` is how many flows' nodes may answer.
 */
void sl_lab_open(struct sl_lab *lab, uint32_t flows_max, uint32_t records);
void sl_lab_close(struct sl_lab *lab);

/* The descriptor of one baseline program. */
int sl_lab_baseline(const struct sl_lab *lab, const char *name);

/* Loads the baselines again: their flow table is empty then, and descriptors are new ones. */
void sl_lab_baseline_reload(struct sl_lab *lab);
uint64_t sl_lab_baseline_misses(const struct sl_lab *lab);

/* Runs the subject over `repeat` packets. Returns ns a packet, the rotor included. */
double sl_lab_run(struct sl_lab *lab, struct sl_lab_subject *subject, uint32_t repeat);

/*
 * Fills net_ns and ns of each subject. `prepare`, where given, is called before each turn of a
 * subject, outside the measured time; it may change the subject's descriptor.
 */
void sl_lab_measure(struct sl_lab *lab, struct sl_lab_subject *subjects, uint32_t count,
		    void (*prepare)(struct sl_lab *lab, struct sl_lab_subject *subject));

/* Median over the turns of a's cost by b's. */
double sl_lab_ratio(const struct sl_lab *lab, const struct sl_lab_subject *a,
		    const struct sl_lab_subject *b);

/* Median of `count` values; sorts them. */
double sl_lab_median(double *values, uint32_t count);

/* What the kernel says a map takes: "memlock" of its descriptor, in bytes. */
uint64_t sl_lab_map_bytes(int fd);

/* Ends the process: `what`, with errno where it is set. */
__attribute__((noreturn, format(printf, 1, 2))) void sl_lab_die(const char *what, ...);

#endif
