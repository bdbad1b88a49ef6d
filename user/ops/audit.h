/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * audit.h - the part of the watch that keeps the audit trail (base/audit.h): what somebody did, who, when.
 *
 *   notices that are deeds (`audit`) ---+
 *   tunables that have another value ---+--> waiting (SL_AUDIT_WAITING_MAX) --> a job --> the file of `audit.file`
 *   nodes drained or undrained, --------+
 *   breakers forced, or let go
 *
 * `sluice tune`, `drain` and `breaker` write the shared state directly, and so may bpftool: once in
 * SL_AUDIT_LOOK_MS it is compared with what it was, so that a deed is found whatever tool it was done with (the
 * status page tells of its own, with who did it), and
 * every part hears of it (notices TUNE and OVERRIDE). What changes at a reload is told as done by the configuration.
 *
 * A file that cannot be written loses nothing while the process lives and there is room: lines wait, it is said
 * once and tried again every SL_AUDIT_RETRY_MS. A file whose end is no line of a chain is put aside
 * (FILE.broken-TIME) and a new chain begins with a line that names it. Requests never wait for any of it.
 */
#ifndef SL_OPS_AUDIT_H
#define SL_OPS_AUDIT_H

#include "user/ops/watch.h"

#define SL_AUDIT_WAITING_MAX 4096u
#define SL_AUDIT_BATCH	     64u /* lines of a job */
#define SL_AUDIT_LOOK_MS     1000u
#define SL_AUDIT_RETRY_MS    5000u

/*
 * On the admin socket:
 *
 *	audit FORMAT path	the file's path; '!' and why when there is none
 */
extern const struct sl_watch_part sl_audit_part;

#endif
