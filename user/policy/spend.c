/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/spend.h"

#include <stdlib.h>
#include <string.h>

/* Names are the operator's own, so nobody chooses where they fall. */
static uint32_t bucket_of(enum sl_spend_kind kind, const char *name)
{
	uint64_t hash = (uint64_t)kind + 1;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(hash >> 32) % SL_ACCOUNTS_BUCKETS;
}

void sl_accounts_init(struct sl_accounts *accounts)
{
	memset(accounts, 0, sizeof(*accounts));
	pthread_mutex_init(&accounts->lock, NULL);
}

void sl_accounts_fini(struct sl_accounts *accounts)
{
	struct sl_account *account = accounts->newest, *older;

	for (; account; account = older) {
		older = account->older;
		free(account);
	}
	pthread_mutex_destroy(&accounts->lock);
}

static struct sl_account *new_account(struct sl_accounts *accounts, enum sl_spend_kind kind,
				      const char *name)
{
	struct sl_account **bucket = &accounts->buckets[bucket_of(kind, name)];
	struct sl_account *account = NULL;
	size_t len = strlen(name);

	if (accounts->count < SL_SPEND_ROWS_MAX && len <= SL_SPEND_NAME_MAX)
		account = aligned_alloc(_Alignof(struct sl_account), sizeof(*account));
	if (!account)
		return NULL;
	memset(account, 0, sizeof(*account));
	account->kind = kind;
	memcpy(account->name, name, len);
	account->next = *bucket;
	*bucket = account;
	account->older = accounts->newest;
	accounts->newest = account;
	accounts->count++;
	return account;
}

struct sl_account *sl_accounts_get(struct sl_accounts *accounts, enum sl_spend_kind kind,
				   const char *name)
{
	struct sl_account *account;

	pthread_mutex_lock(&accounts->lock);
	account = accounts->buckets[bucket_of(kind, name)];
	while (account && (account->kind != kind || strcmp(account->name, name) != 0))
		account = account->next;
	if (!account)
		account = new_account(accounts, kind, name);
	pthread_mutex_unlock(&accounts->lock);
	return account;
}

uint64_t sl_account_spent(const struct sl_account *account, enum sl_budget_period period)
{
	const uint64_t *base = period == SL_BUDGET_DAY	   ? &account->day_base
			       : period == SL_BUDGET_MONTH ? &account->month_base
							   : NULL;
	uint64_t from = base ? __atomic_load_n(base, __ATOMIC_SEQ_CST) : 0;
	uint64_t total = __atomic_load_n(&account->total, __ATOMIC_SEQ_CST);

	return total > from ? total - from : 0;
}

enum sl_budget_period sl_purse_reserve(const struct sl_purse *purse, uint64_t nano)
{
	struct sl_account *account = purse->account;
	uint64_t held;

	if (!nano)
		return SL_BUDGET_NONE;
	held = __atomic_add_fetch(&account->reserved, nano, __ATOMIC_SEQ_CST);
	for (unsigned i = SL_BUDGET_DAY; i < SL_BUDGET_PERIODS; i++) {
		enum sl_budget_period period = (enum sl_budget_period)i;
		uint64_t budget = sl_budget_of(&purse->budget, period);

		if (!budget || sl_account_spent(account, period) + held <= budget)
			continue;
		__atomic_sub_fetch(&account->reserved, nano, __ATOMIC_SEQ_CST);
		return period;
	}
	return SL_BUDGET_NONE;
}

void sl_purse_settle(const struct sl_purse *purse, uint64_t reserved, uint64_t used)
{
	/* charged before the reservation ends: in between too much counts, never too little */
	if (used)
		__atomic_add_fetch(&purse->account->total, used, __ATOMIC_SEQ_CST);
	if (reserved)
		__atomic_sub_fetch(&purse->account->reserved, reserved, __ATOMIC_SEQ_CST);
}
