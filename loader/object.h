/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * object.h - the BPF object: embedded bytes, opened, sized, loaded, pinned.
 */
#ifndef SL_LOADER_OBJECT_H
#define SL_LOADER_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

/* The programs of the object, by hook. */
enum sl_program {
	SL_PROGRAM_XDP = 0,
	SL_PROGRAM_TC_INGRESS = 1,
	SL_PROGRAM_TC_EGRESS = 2,
	SL_PROGRAM_COUNT
};

struct bpf_object;

struct sl_object {
	struct bpf_object *object;
	int programs[SL_PROGRAM_COUNT]; /* descriptors, borrowed from the object */
};

/*
 * Loads the object. With `reuse` the maps pinned in `dir` take the place of its own, whatever their
 * size; else `flows_max` sizes the flow tables. Says on stderr what failed, with the end of the
 * verifier's log. -EPERM: privilege; -E2BIG, -EINVAL and the like from the kernel.
 */
int sl_object_load(const char *dir, bool reuse, uint32_t flows_max, struct sl_object *ret_object);

/* Entries of a map; 0 when there is none of that name. */
uint32_t sl_object_entries(const struct sl_object *object, const char *name);

/* Descriptor of a map, borrowed; -ENOENT. */
int sl_object_map(const struct sl_object *object, const char *name);

/* Pins each map that has no pin yet, SL_PINS_MARK last. What it pinned stays on failure. */
int sl_object_pin(const struct sl_object *object, const char *dir);

void sl_object_close(struct sl_object *object);

#endif
