/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keys.h - keeps the ring of API keys in step with the file that the configuration names.
 *
 *   the file       before             the ring then
 *   none named     anything           open, said loudly
 *   good           anything           its keys
 *   bad            keys were read     as before, said; 401 and 200 as those keys have it
 *   bad            none ever          broken: 503 for all, until the file is good
 *
 * A file that fails is never taken for one without keys, and one that is gone opens no door.
 * Thread: the control thread's.
 */
#ifndef SL_OPS_KEYS_H
#define SL_OPS_KEYS_H

#include <pthread.h>
#include <sys/stat.h>
#include "user/policy/keyring.h"
#include "user/request/worker.h"

#define SL_KEYS_POLL_MS 1000u /* how soon a change of the file is seen */

struct sl_keys {
	pthread_mutex_t lock; /* of the pointer to the ring, for readers of other threads */
	struct sl_keyring
		*ring; /* the control thread's reference; never NULL after the first load */
	struct sl_accounts *accounts; /* for what keys and tenants spend */
	struct stat seen; /* of the file when it was read last; all 0: it was not there */
	uint64_t loads_ok, loads_failed;
	bool last_ok; /* the ring is what the file says now; read by any thread, as the next */
	bool broken;  /* nobody is served */
};

/*
 * Reads the file that the configuration names and replaces keys->ring when it says something new. only_if
 * changed: leaves a file alone that looks as it did. Returns true when there is a new ring, which
 * the caller hands to the workers. -ENOMEM keeps the ring and counts as a bad file.
 */
bool sl_keys_load(struct sl_keys *keys, const struct sl_config *config, bool only_if_changed);

/* Gives the ring to running workers. */
void sl_keys_hand_out(const struct sl_keys *keys, struct sl_worker *const *workers, uint32_t count);

/* The ring, with a reference for the caller; NULL before the first load. Any thread. */
struct sl_keyring *sl_keys_peek(struct sl_keys *keys);

void sl_keys_init(struct sl_keys *keys);
void sl_keys_fini(struct sl_keys *keys);

#endif
