/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger.h - keeps what was spent in a file, beside the requests: a thread of its own that merges
 * once in SL_LEDGER_SAVE_MS.
 *
 * The file is the sum of what all processes have charged, so a save is read-add-write under a lock:
 * to what the file says now comes what this process has charged since its last save, and what others
 * have added to it meanwhile comes to this process. So at a takeover the old process, whose streams go
 * on, and the new one see each other's charges a second later, and nothing is handed over.
 *
 *   what happens            what is lost
 *   stop, reload, takeover  nothing
 *   kill, crash, power cut  what was charged in the last SL_LEDGER_SAVE_MS, and what the requests
 *                           under way would have been charged
 *   the file cannot be      nothing while the process lives: it counts on in memory, says so once and
 *   read or written         counts each failure; the next good save has it all
 *
 * A file that cannot be read is not replaced. Requests never wait for any of it: they see accounts
 * (policy/spend.h) alone. Also here: the turn of day and month. Threads: its own, and the control
 * thread's for open, stop and fini; the counters are read by any.
 */
#ifndef SL_OPS_LEDGER_H
#define SL_OPS_LEDGER_H

#include <sys/stat.h>
#include "user/base/config.h"
#include "user/policy/spend.h"

#define SL_LEDGER_SAVE_MS 1000u

struct sl_ledger {
	struct sl_accounts accounts;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* of stop */
	pthread_cond_t wake;
	bool stop;
	char *path;	  /* NULL: nothing is kept */
	struct stat seen; /* of the file after the last merge */
	uint32_t date;
	uint64_t saves_ok, saves_failed;
	bool failing; /* the last merge failed */
};

void sl_ledger_init(struct sl_ledger *ledger);

/* Reads the file that the configuration names and starts the thread. -ENOMEM or the thread's -errno. */
int sl_ledger_open(struct sl_ledger *ledger, const struct sl_config *config);

/* The last save; the thread ends. Accounts stay for those who still use them. */
void sl_ledger_stop(struct sl_ledger *ledger);
void sl_ledger_fini(struct sl_ledger *ledger);

/* One merge, by the given time: what the thread does. For it and for tests. 0 or -errno. */
int sl_ledger_merge(struct sl_ledger *ledger, uint64_t now_s);

#endif
