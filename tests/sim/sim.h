/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.h - every interleaving of several actors at one pool's breakers.
 *
 *   subject.c     bpf/breaker.h, compiled so that each access to memory calls a hook
 *   hooks.c       those hooks: what is shared is logged, checked, and a point to switch at
 *   explore.c     actors as coroutines, the depth-first search, the table of states seen
 *   check.c       what must hold at each change of a word, at rest, and afterwards
 *   scenarios.c   who does what
 *   main.c        runs them, prints TAP
 *   mutants.sh    breaks breaker.h in many ways; each must be found
 *
 * An actor is a plane or an operator with a list of operations. It runs until its next access to a
 * word that another actor touches too; there any other actor may go on instead. Where the paths
 * meet again in one state (memory, what each actor has read in its operation at hand, the results
 * of those before) the rest is explored once, and the count of interleavings added up.
 *
 * A location that only one actor touches, or whose value never changes, is no point to switch at:
 * such accesses commute with everything. Which locations these are is not declared but found: the
 * search starts with none as shared and begins anew when it sees one that is. Statistics, which
 * breaker.h writes and never reads, are none either; reading one is an error. An actor that may be
 * killed can be so at each of its accesses, so it is switched at each.
 *
 * Memory is sequentially consistent here. breaker.h hands over by compare-and-swap and atomic adds
 * alone; a plain store that a processor delays is visible at the latest with its actor's next one.
 */
#ifndef SL_TESTS_SIM_H
#define SL_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "bpf/breaker.h"

#define SIM_NODES_MAX  4u
#define SIM_ACTORS_MAX 4u
#define SIM_OPS_MAX    6u
#define SIM_T0	       1000400ull /* ms; all times of scenarios are relative to it */
#define SIM_ACCESS_MAX 400u	  /* accesses of one operation: it ends however others race */

enum sim_verb {
	SIM_END = 0,
	SIM_ADMIT,
	SIM_REPORT, /* with the ticket of the last ADMIT of this node; left out when refused */
	SIM_PANIC,  /* the same, but sends although refused */
	SIM_FORCE,
	SIM_ADMIN_SET,
	SIM_ADMIN_CLEAR,
	SIM_RESIZE, /* the configuration's count of nodes */
};

struct sim_op {
	uint8_t verb;
	uint8_t node;	 /* 1..node_count */
	uint8_t arg;	 /* outcome, order, bits, or count */
	uint8_t metrics; /* this caller already sees breaker.mode 1 */
	int32_t at_ms;
};

struct sim_actor {
	enum sl_plane plane;
	bool is_mortal; /* may be killed between any two accesses */
	/* Held from before, plus one; 0: none. */
	int32_t ticket[SIM_NODES_MAX + 1];
	struct sim_op ops[SIM_OPS_MAX + 1];
};

struct sim_start {
	uint8_t state;
	uint8_t probe;
	uint8_t exponent;
	uint8_t successes;
	uint32_t generation;
	int32_t until_ms;
	uint32_t consecutive;
	uint32_t admin;		 /* beside PRESENT */
	uint32_t failures, fine; /* in the bucket of T0's second */
};

struct sim_run;

struct sim_scenario {
	const char *name;
	uint32_t node_count;
	uint32_t counted; /* sl_pool_state.node_count where it is less: a configuration shrank */
	uint32_t consecutive;
	uint32_t volume;
	uint32_t successes;
	/* Its actors overlap in ways that no order of whole operations has; see docs/breaker.md. */
	bool has_overlap;
	struct sim_start start[SIM_NODES_MAX + 1];
	struct sim_actor actors[SIM_ACTORS_MAX];
	/* More that must hold at rest: NULL, or what is wrong. */
	const char *(*rest)(const struct sim_run *run);
};

extern const struct sim_scenario sim_scenarios[];
extern const size_t sim_scenario_count;

/* ---- what the search saves, restores and compares ------------------------------------------- */

struct sim_world {
	struct sl_node_state nodes[SIM_NODES_MAX + 1]; /* slot 0 unused, as in the map */
	struct sl_pool_state pools[2];
};

struct sim_result {
	uint32_t ticket;
	uint8_t verdict; /* ADMIT: enum sl_breaker_verdict; FORCE: done */
	uint8_t cap_denied;
	uint8_t lost;
	uint8_t edge; /* 0, or SIM_EDGE(from, to) */
};

#define SIM_EDGE(from, to) (0x80u | (from) << 3 | (to))
#define SIM_REFUSED	   (1 << 30) /* in an actor's ticket: not to be used but in panic */

struct sim_actor_state {
	int32_t ticket[SIM_NODES_MAX + 1];
	struct sim_result results[SIM_OPS_MAX];
	uint64_t history; /* of what the operation at hand has read */
	uint32_t accesses;
	uint8_t op;
	uint8_t is_inside; /* an operation has begun */
	uint8_t is_stale;  /* a report whose ticket was of another generation from the start */
	uint8_t is_done;
	uint8_t is_dead;
	uint8_t pad[3];
};

struct sim_run {
	const struct sim_scenario *scenario;
	struct sim_world world;
	struct sim_actor_state actors[SIM_ACTORS_MAX];
	uint32_t actor_count;
	uint32_t actor; /* the one that runs */
	bool is_hooked; /* accesses are the actors' */
	bool is_serial; /* switch between operations only */
	bool is_full;	/* switch at every access, needed or not */
	bool is_strict; /* as if no scenario had overlap, to look at it */
	bool is_failed;
	bool is_unsettled;		    /* a location turned out to be shared: begin anew */
	struct sl_breaker_config config[2]; /* the second with metrics only */
};

extern struct sim_run sim;

/* ---- subject.c ------------------------------------------------------------------------------ */

/* Runs one operation and writes down its result. */
void sim_subject_op(struct sim_world *world, const struct sl_breaker_config *config,
		    const struct sim_op *op, enum sl_plane plane, int32_t *ticket,
		    struct sim_result *ret_result);

/* sl_breaker_available() */
int sim_subject_available(const struct sl_node_state *node, uint64_t now_ms);

/* ---- hooks.c -------------------------------------------------------------------------------- */

/* Forgets which locations are shared: before a scenario. */
void sim_hooks_init(void);

/* Takes notice of the last plain store's value; before anybody else runs. */
void sim_hooks_settle(void);

/* The log of accesses on the way to the state at hand. */
uint32_t sim_log_length(void);
void sim_log_cut(uint32_t length);
void sim_log_print(void);

/* ---- explore.c ------------------------------------------------------------------------------ */

struct sim_count {
	double interleavings;
	uint64_t states;
	uint64_t ends;	   /* different states at rest */
	uint64_t overlaps; /* of these, those that no order of whole operations has */
};

/* Explores; 0, or -1 when something did not hold: printed then. */
int sim_explore(const struct sim_scenario *scenario, struct sim_count *ret_count);

/* From an actor: lets the others run. */
void sim_yield(void);

/* Notes that something did not hold, with the way there. From anywhere; the search ends soon. */
__attribute__((format(printf, 1, 2))) void sim_fail(const char *format, ...);

/* ---- check.c -------------------------------------------------------------------------------- */

/* Fills world and config. */
void sim_check_init(struct sim_run *run);

/* An actor's swap of the word succeeded; `world` has the new one already. */
void sim_check_word(const struct sim_run *run, uint32_t node, uint64_t old, uint64_t next);

/* All actors have ended. May change the world. */
void sim_check_rest(struct sim_run *run);

#endif
