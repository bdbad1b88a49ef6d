/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/shared_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/base/tunables.h"

#define SEALS_WANTED (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct part_shape {
	uint32_t entries;
	uint32_t value_bytes;
};

static const struct part_shape shapes[SL_SHARED_PARTS] = {
	[SL_SHARED_SETTINGS] = {1, sizeof(struct sl_settings)},
	[SL_SHARED_NODES] = {SL_NODES_MAX, sizeof(struct sl_node_state)},
	[SL_SHARED_POOLS] = {SL_POOLS_MAX, sizeof(struct sl_pool_state)},
	[SL_SHARED_TUNABLES] = {SL_TUNABLES_SIZE, sizeof(uint64_t)},
};

void sl_shared_state_layout(uint64_t page_bytes, struct sl_shared_layout *ret_layout)
{
	uint64_t at = 0;

	for (unsigned part = 0; part < SL_SHARED_PARTS; part++) {
		uint64_t bytes = (uint64_t)shapes[part].entries * shapes[part].value_bytes;

		bytes = (bytes + page_bytes - 1) / page_bytes * page_bytes;
		ret_layout->parts[part] = (struct sl_shared_range){at, bytes, shapes[part].entries};
		at += bytes;
	}
	ret_layout->size_bytes = at;
}

void sl_shared_state_layout_here(struct sl_shared_layout *ret_layout)
{
	sl_shared_state_layout((uint64_t)sysconf(_SC_PAGESIZE), ret_layout);
}

int sl_shared_state_create(int *ret_fd)
{
	struct sl_shared_layout layout;
	int fd = memfd_create("sluice-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -errno;
	sl_shared_state_layout_here(&layout);
	if (ftruncate(fd, (off_t)layout.size_bytes) || fcntl(fd, F_ADD_SEALS, SEALS_WANTED)) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret_fd = fd;
	return 0;
}

int sl_shared_state_check(int fd)
{
	struct sl_shared_layout layout;
	struct stat file;
	int seals;

	if (fstat(fd, &file))
		return -errno;
	sl_shared_state_layout_here(&layout);
	if (!S_ISREG(file.st_mode) || (uint64_t)file.st_size != layout.size_bytes)
		return -EPROTO;
	seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & F_SEAL_SHRINK) ? 0 : -EPERM;
}

int sl_shared_state_map(int fd, const struct sl_shared_layout *layout, enum sl_shared_part part,
			void **ret_memory)
{
	const struct sl_shared_range *range = &layout->parts[part];
	void *memory = mmap(NULL, range->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    (off_t)range->offset_bytes);

	if (memory == MAP_FAILED)
		return -errno;
	*ret_memory = memory;
	return 0;
}
