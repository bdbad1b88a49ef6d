/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include "loader/link.h"

bool sl_xdp_runs(const struct sl_netdev *device, struct sl_xdp_program *ret_program)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info = {0};
	uint32_t info_len = sizeof(info);
	uint32_t id;
	int fd;

	if (bpf_xdp_query((int)device->ifindex, 0, &query))
		return false; /* the attachment itself will tell */
	id = query.drv_prog_id	 ? query.drv_prog_id
	     : query.skb_prog_id ? query.skb_prog_id
	     : query.hw_prog_id	 ? query.hw_prog_id
				 : query.prog_id;
	if (!id)
		return false;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		(void)bpf_obj_get_info_by_fd(fd, &info, &info_len);
		close(fd);
	}
	ret_program->id = id;
	memcpy(ret_program->name, info.name, sizeof(ret_program->name));
	return true;
}

int sl_xdp_attach(const char *dir, const struct sl_netdev *device, enum sl_record_kind kind,
		  int program_fd)
{
	uint32_t mode = kind == SL_RECORD_XDP_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	struct sl_record record;
	int fd = sl_link_create(program_fd, device->ifindex, BPF_XDP, mode);
	int error;

	if (fd < 0)
		return fd;
	(void)sl_record_find(dir, device, kind, &record);
	error = sl_record_pin(dir, &record, fd);
	close(fd);
	return error;
}

int sl_xdp_update(const char *dir, const struct sl_netdev *device, int program_fd,
		  enum sl_record_kind *ret_kind)
{
	static const enum sl_record_kind kinds[] = {SL_RECORD_XDP_NATIVE, SL_RECORD_XDP_GENERIC};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct sl_record record;
		int error;

		if (!sl_record_find(dir, device, kinds[i], &record))
			continue;
		error = sl_link_update(dir, &record, program_fd);
		if (error == -ENOENT)
			continue;
		*ret_kind = kinds[i];
		return error ? error : 1;
	}
	return 0;
}
