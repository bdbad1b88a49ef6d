/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link.h - BPF links: attachments that an atomic update moves to another program.
 */
#ifndef SL_LOADER_LINK_H
#define SL_LOADER_LINK_H

#include <stdint.h>
#include "loader/record.h"

/* Linux 6.6's attach types, which the headers of the 6.1 floor do not name. */
#define SL_LINK_TCX_INGRESS 46u
#define SL_LINK_TCX_EGRESS  47u

/* A new link; `flags` are XDP's mode. Returns its descriptor or -errno. */
int sl_link_create(int program_fd, uint32_t ifindex, uint32_t attach_type, uint32_t flags);

/*
 * Moves a recorded link to the program; no packet sees neither. -ENOENT: there is none that lives,
 * and its record is gone. Says on stderr what failed otherwise.
 */
int sl_link_update(const char *dir, const struct sl_record *record, int program_fd);

/* Detaches; the record stays. What is gone already is no error. */
int sl_link_detach(const char *dir, const struct sl_record *record);

#endif
