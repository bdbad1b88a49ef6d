/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * object.h - the BPF object: embedded bytes, opened, sized, loaded, pinned.
 *
 * The object is loaded in parts, each when it is first asked for, because the verifier takes its
 * time for programs that no device will run:
 *
 *   base   all maps; the observers at TC, which every device runs
 *   XDP    the fast lane at XDP, and the steps it calls
 *   lane   the fast lane at TC, and the steps it calls
 *
 * Maps of an object that replaces another are the pinned ones, as far as their shape is the same.
 * The arrays of its tail calls are its own: they hold its own programs.
 */
#ifndef SL_LOADER_OBJECT_H
#define SL_LOADER_OBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"

/* What the object has for a device, by hook. The lane at TC observes as well. */
enum sl_program {
	SL_PROGRAM_XDP = 0,
	SL_PROGRAM_TC_LANE,
	SL_PROGRAM_TC_INGRESS,
	SL_PROGRAM_TC_EGRESS,
	SL_PROGRAM_COUNT
};

enum sl_object_part { SL_OBJECT_BASE = 0, SL_OBJECT_XDP, SL_OBJECT_LANE, SL_OBJECT_PARTS };

struct sl_object_want {
	enum sl_role role;  /* whose programs */
	uint32_t flows_max; /* sizes the flow tables */
	uint32_t conns_max; /* sizes the table of the local stack's connections */
};

struct bpf_object;

struct sl_object {
	const char *dir;			   /* borrowed */
	struct bpf_object *parts[SL_OBJECT_PARTS]; /* NULL: not loaded */
	enum sl_role role;
};

/*
 * Loads the base. With `reuse` the maps pinned in `dir` take the place of its own. Says on stderr
 * what failed, with the end of the verifier's log. -EPROTO: a pinned map has another shape; -EPERM:
 * privilege; -E2BIG, -EINVAL and the like from the kernel.
 */
int sl_object_load(const char *dir, bool reuse, const struct sl_object_want *want,
		   struct sl_object *ret_object);

/*
 * Descriptor of a program, borrowed from the object. Loads its part and pins the part's tail calls
 * in SL_PINS_CALLS under names of their own: the kernel empties an array of programs when its last
 * pin or descriptor goes, whoever still runs through it. -errno as sl_object_load().
 */
int sl_object_program(struct sl_object *object, enum sl_program program);

/* Descriptor of a map, borrowed; -ENOENT. */
int sl_object_map(const struct sl_object *object, const char *name);

/* Its entries, 0 where there is no such map. */
uint32_t sl_object_entries(const struct sl_object *object, const char *name);

/* Pins each map that has no pin yet, SL_PINS_MARK last. What it pinned stays on failure. */
int sl_object_pin(const struct sl_object *object);

/*
 * Once every device runs this object's programs: waits until no packet is in an older one, then
 * unpins the tail calls of all others.
 */
void sl_object_retire_others(const struct sl_object *object);

void sl_object_close(struct sl_object *object);

#endif
