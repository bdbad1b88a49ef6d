/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/link.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/bpf.h>
#include "loader/say.h"

/* By hand: libbpf 1.1 asks for a BTF id that tcx does not have. */
int sl_link_create(int program_fd, uint32_t ifindex, uint32_t attach_type, uint32_t flags)
{
	union bpf_attr attributes;
	int fd;

	memset(&attributes, 0, sizeof(attributes));
	attributes.link_create.prog_fd = (uint32_t)program_fd;
	attributes.link_create.target_ifindex = ifindex;
	attributes.link_create.attach_type = attach_type;
	attributes.link_create.flags = flags;
	fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes));
	return fd < 0 ? -errno : fd;
}

int sl_link_update(const char *dir, const struct sl_record *record, int program_fd)
{
	int fd, error;

	if (!sl_record_alive(dir, record)) {
		(void)sl_record_unpin(dir, record);
		return -ENOENT;
	}
	fd = sl_record_open(dir, record);
	if (fd < 0)
		return fd;
	error = bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
	close(fd);
	if (error)
		sl_say_error("sluice down, then sluice up CONFIG",
			     "device \"%s\": cannot move its %s link to the new program: %s",
			     record->device, sl_record_kind_name(record->kind), strerror(-error));
	return error;
}

int sl_link_detach(const char *dir, const struct sl_record *record)
{
	int fd = sl_record_open(dir, record);
	int error;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* detached by name, not by its last reference: that one may end later, in a work queue */
	error = bpf_link_detach(fd) ? -errno : 0;
	close(fd);
	return error == -ENOLINK ? 0 : error;
}
