/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keyring.h - the API keys as requests see them: an immutable snapshot, swapped whole.
 *
 *   kind     why                                        what a request without a good key gets
 *   OPEN     the configuration names no keys            is admitted
 *   KEYED    the file of keys was read                  401
 *   BROKEN   it could not be read, and never was        503: nobody can tell, so it is no 401
 *
 * A check is a hash of the id, a probe or two, and one SHA-256 whether the id is known or not: no
 * lock, no allocation, no system call; 0.4 us (tests/unit/stage/admit.c). References are counted
 * atomically; each request holds one from its check to its end. Any thread.
 */
#ifndef SL_POLICY_KEYRING_H
#define SL_POLICY_KEYRING_H

#include "user/base/config.h"
#include "user/base/key_file.h"
#include "user/policy/limit.h"
#include "user/policy/spend.h"

enum sl_keyring_kind { SL_KEYRING_BROKEN = 0, SL_KEYRING_KEYED, SL_KEYRING_OPEN };

enum sl_keyring_verdict {
	SL_KEYRING_UNSET = 0,
	SL_KEYRING_ADMITTED,  /* with *ret_key, NULL where everybody is */
	SL_KEYRING_MISSING,   /* no key was sent */
	SL_KEYRING_MALFORMED, /* what was sent has not the form of a key */
	SL_KEYRING_UNKNOWN,   /* no such id, or another secret: the same to the outside */
	SL_KEYRING_EXPIRED,
	SL_KEYRING_REVOKED,
	SL_KEYRING_UNCHECKED, /* the ring is broken */
	SL_KEYRING_VERDICTS
};

/* Limits of a key or tenant: what it may use, and what it has. */
struct sl_keyring_entry {
	const char *name; /* of the tenant; NULL for a key */
	struct sl_rates rates;
	struct sl_meter *meter;		       /* a reference */
	struct sl_purse purse;		       /* account NULL: money is not counted */
	const struct sl_keyring_entry *tenant; /* of a key; NULL: without limits */
};

struct sl_keyring {
	uint32_t refs;
	enum sl_keyring_kind kind;
	struct sl_key_file *file;	  /* NULL unless KEYED */
	struct sl_keyring_entry *entries; /* one for each record */
	struct sl_keyring_entry *tenants; /* those of the configuration */
	uint32_t tenant_count;
	uint32_t *buckets; /* open addressing by id; value index + 1 */
	uint32_t bucket_mask;
};

/* A ring of a kind without keys. NULL without memory. */
struct sl_keyring *sl_keyring_new(enum sl_keyring_kind kind);

/*
 * A ring of the file's keys, with the limits of the configuration for keys and tenants (NULL: none)
 * and the meters of the ring before it (NULL: none), by id and name, so that a reload forgives
 * nothing. Takes the file (also on failure). NULL without memory.
 */
struct sl_keyring *sl_keyring_build(struct sl_key_file **file, const struct sl_config *config,
				    const struct sl_keyring *former);

/*
 * Gives keys and tenants their accounts, where the configuration has prices. Before the ring is
 * handed out. -ENOMEM: not all have one.
 */
int sl_keyring_set_accounts(struct sl_keyring *ring, const struct sl_config *config,
			    struct sl_accounts *accounts);

struct sl_keyring *sl_keyring_get(struct sl_keyring *ring);
void sl_keyring_put(struct sl_keyring **ring);

/*
 * Judges a key as the client sent it (NULL: none). *ret_key lives as long as the ring. That a key
 * has expired or was revoked is told only to who has its secret.
 */
enum sl_keyring_verdict sl_keyring_check(const struct sl_keyring *ring, const char *text,
					 size_t len, uint64_t now_s,
					 const struct sl_key_record **ret_key);

/* The limits of a key that sl_keyring_check() gave. */
const struct sl_keyring_entry *sl_keyring_entry_of(const struct sl_keyring *ring,
						   const struct sl_key_record *key);

/* Whether the key may use the model. */
bool sl_keyring_may(const struct sl_key_record *key, const char *model, size_t model_len);

#endif
