/* SPDX-License-Identifier: BSD-2-Clause */
/* version.h - of the programs. */
#ifndef SL_LOADER_VERSION_H
#define SL_LOADER_VERSION_H

#ifndef SL_VERSION
#define SL_VERSION "0.1.0"
#endif

#endif
