/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shared_state.h - the shared structs without BPF: one sealed memory file, four parts.
 *
 *   part       entries           value                   the map of abi.h with the same content
 *   settings   1                 struct sl_settings      settings
 *   nodes      SL_NODES_MAX      struct sl_node_state    nodes, slot 0 unused
 *   pools      SL_POOLS_MAX      struct sl_pool_state    pools, slot 0 unused
 *   tunables   SL_TUNABLES_SIZE  u64                     tunables, row * SL_TUNABLE_KEYS + id
 *
 * The parts follow each other in this order, each from a page on. The daemon makes the file where
 * no kernel plane is loaded and hands its descriptor over the admin socket; the command maps it.
 * Both agree by SL_ABI_VERSION, which the maker writes into the settings. The file's size is
 * sealed, so nobody who maps it meets a page that is gone. Any thread; no locks: the structs are
 * read and written with atomics, as the maps are.
 */
#ifndef SL_BASE_SHARED_STATE_H
#define SL_BASE_SHARED_STATE_H

#include <stdint.h>
#include "bpf/abi.h"

enum sl_shared_part {
	SL_SHARED_SETTINGS = 0,
	SL_SHARED_NODES,
	SL_SHARED_POOLS,
	SL_SHARED_TUNABLES,
	SL_SHARED_PARTS
};

struct sl_shared_range {
	uint64_t offset_bytes;
	uint64_t size_bytes; /* whole pages */
	uint32_t entries;
};

struct sl_shared_layout {
	struct sl_shared_range parts[SL_SHARED_PARTS];
	uint64_t size_bytes;
};

/* Where the parts lie, for pages of page_bytes (a power of two). */
void sl_shared_state_layout(uint64_t page_bytes, struct sl_shared_layout *ret_layout);

/* The same for this host's pages. */
void sl_shared_state_layout_here(struct sl_shared_layout *ret_layout);

/*
 * Makes the memory, all zeros, its size sealed. The caller closes *ret_fd. -errno of
 * memfd_create(2), ftruncate(2) or fcntl(2).
 */
int sl_shared_state_create(int *ret_fd);

/*
 * Whether a descriptor from elsewhere is such memory and stays it. -EPROTO: another size, so
 * another version of the structs; -EPERM: its size is not sealed; -errno of fstat(2).
 */
int sl_shared_state_check(int fd);

/*
 * Maps one part, shared, to read and to write; munmap(2) it by the layout's size. -errno of
 * mmap(2).
 */
int sl_shared_state_map(int fd, const struct sl_shared_layout *layout, enum sl_shared_part part,
			void **ret_memory);

#endif
