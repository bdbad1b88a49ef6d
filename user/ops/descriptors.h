/* SPDX-License-Identifier: BSD-2-Clause */
/* descriptors.h - as many open files as the system allows: each connection is one. At the start. */
#ifndef SL_OPS_DESCRIPTORS_H
#define SL_OPS_DESCRIPTORS_H

void sl_descriptors_raise(void);

#endif
