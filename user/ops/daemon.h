/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.h - the process: threads, signals, reload, drain, the admin socket.
 *
 *   control thread   signals, configuration, events of the kernel plane, admin socket
 *   worker threads   one loop each; share node states and the configuration snapshot only
 *
 *   SIGHUP           reads the file again; a bad one changes nothing and is shown in the log
 *   SIGTERM, SIGINT  drains: no new connections, open requests end, at most `drain` long; a second
 *                    one ends at once
 */
#ifndef SL_OPS_DAEMON_H
#define SL_OPS_DAEMON_H

#include <stdbool.h>

/* takeover: the daemon that runs with the same admin socket is replaced (takeover.h); where there is
 * none, this is an ordinary start. Runs until a signal ends it. Returns the exit status: 0, 1 failed to start, 2 bad configuration,
 * 3 requests were cut because the drain took too long. */
int sl_daemon_run(const char *config_path, bool takeover);

#endif
