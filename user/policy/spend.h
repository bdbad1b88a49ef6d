/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spend.h - what keys, tenants and models have spent, and whether they may spend more.
 *
 * An account is one of them. It only ever grows: what was spent in a day is its total less what the
 * total was when the day began. Whoever keeps the accounts (ops/ledger.h) sets these marks, within a
 * second of midnight UTC; requests add to the total and compare:
 *
 *	admitted  <=>  spent in the period  +  all reservations  <=  budget      for each period
 *
 * A request reserves what it may cost at most and is settled with what it did cost, which may be
 * more: those who come later pay for it. Who reserves nothing, because the model costs nothing, is
 * always admitted. A reservation is one atomic addition and loads (undone when refused), a settlement
 * two; two that race for the last of a budget may both be refused.
 *
 * Accounts live as long as their table, across reloads: a key that is read again finds its own.
 * Threads: any; the table has a lock, which no request takes.
 */
#ifndef SL_POLICY_SPEND_H
#define SL_POLICY_SPEND_H

#include <pthread.h>
#include "user/base/spend_file.h"

#define SL_ACCOUNTS_BUCKETS 4096u

/* What the ledger knows of an account's row in the file; its thread's. */
struct sl_account_saved {
	uint64_t day, month, total; /* as the file said when it was read or written last */
	uint32_t row;		    /* while the two are merged: its position + 1; 0: none */
};

struct sl_account {
	enum sl_spend_kind kind;
	char name[SL_SPEND_NAME_MAX + 1];
	struct sl_account *next;  /* in its bucket */
	struct sl_account *older; /* of all */
	struct sl_account_saved saved;
	__attribute__((aligned(64))) uint64_t total; /* nano */
	uint64_t reserved;
	uint64_t day_base, month_base; /* the total when they began */
};

struct sl_accounts {
	pthread_mutex_t lock; /* of the lists */
	struct sl_account *buckets[SL_ACCOUNTS_BUCKETS];
	struct sl_account *newest;
	uint32_t count; /* at most SL_SPEND_ROWS_MAX */
};

/* An account with what it may spend; account NULL: nothing is counted. */
struct sl_purse {
	struct sl_account *account;
	struct sl_budget budget;
};

void sl_accounts_init(struct sl_accounts *accounts);
void sl_accounts_fini(struct sl_accounts *accounts);

/* The account of that name, a new one where there is none. NULL without memory or at the bound. */
struct sl_account *sl_accounts_get(struct sl_accounts *accounts, enum sl_spend_kind kind,
				   const char *name);

/* Spent in the period. */
uint64_t sl_account_spent(const struct sl_account *account, enum sl_budget_period period);

/* Reserves; SL_BUDGET_NONE: done. Else the period whose budget is too small, and nothing is. */
enum sl_budget_period sl_purse_reserve(const struct sl_purse *purse, uint64_t nano);

/* Ends a reservation and charges what it did cost. */
void sl_purse_settle(const struct sl_purse *purse, uint64_t reserved, uint64_t used);

#endif
