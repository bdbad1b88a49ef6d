/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/ledger.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/base/key_file.h"
#include "user/base/log.h"
#include "user/base/notice.h"

/* The list from its newest on; what is older does not change. */
static struct sl_account *newest_of(struct sl_ledger *ledger)
{
	struct sl_account *account;

	pthread_mutex_lock(&ledger->accounts.lock);
	account = ledger->accounts.newest;
	pthread_mutex_unlock(&ledger->accounts.lock);
	return account;
}

/* ---- day and month ------------------------------------------------------------------------- */

/* The marks move to where the totals are. */
static void turn(struct sl_ledger *ledger, uint32_t today)
{
	bool month = ledger->date / 100u != today / 100u, first = !ledger->date;
	struct sl_account *account = newest_of(ledger);

	if (ledger->date == today)
		return;
	ledger->date = today;
	if (first)
		return;
	for (; account; account = account->older) {
		uint64_t total = __atomic_load_n(&account->total, __ATOMIC_SEQ_CST);

		account->saved.day = 0;
		__atomic_store_n(&account->day_base, total, __ATOMIC_SEQ_CST);
		if (!month)
			continue;
		account->saved.month = 0;
		__atomic_store_n(&account->month_base, total, __ATOMIC_SEQ_CST);
	}
}

/* ---- file ---------------------------------------------------------------------------------- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Brings one account into its row. A file that says less than it did was lost or is an old copy:
 * then what is known here counts. Returns whether the row has changed.
 */
static bool merge_row(struct sl_account *account, struct sl_spend_row *row)
{
	uint64_t total = __atomic_load_n(&account->total, __ATOMIC_SEQ_CST);
	uint64_t own = total - account->saved.total;
	const struct sl_spend_row old = *row;

	row->total = larger(row->total, account->saved.total) + own;
	row->day = larger(row->day, account->saved.day) + smaller(own, total - account->day_base);
	row->month = larger(row->month, account->saved.month) +
		     smaller(own, total - account->month_base);
	return row->total != old.total || row->day != old.day || row->month != old.month;
}

/* What others have added comes in; the total first, so that nobody sees too little. */
static void take_row(struct sl_account *account, const struct sl_spend_row *row, uint64_t own)
{
	uint64_t others = row->total - own - account->saved.total;

	__atomic_add_fetch(&account->total, others, __ATOMIC_SEQ_CST);
	__atomic_store_n(&account->day_base, row->total - row->day, __ATOMIC_SEQ_CST);
	__atomic_store_n(&account->month_base, row->total - row->month, __ATOMIC_SEQ_CST);
	account->saved.total = row->total;
	account->saved.day = row->day;
	account->saved.month = row->month;
}

/* Each row of the file has its account, which knows its row. */
static int match(struct sl_ledger *ledger, const struct sl_spend_file *file)
{
	struct sl_account *account = newest_of(ledger);

	for (; account; account = account->older)
		account->saved.row = 0;
	for (uint32_t i = 0; i < file->count; i++) {
		account =
			sl_accounts_get(&ledger->accounts, file->rows[i].kind, file->rows[i].name);
		if (!account)
			return -ENOMEM;
		account->saved.row = i + 1;
	}
	return 0;
}

static struct sl_spend_row *row_of(struct sl_account *account, struct sl_spend_file *file)
{
	struct sl_spend_row *row;

	if (account->saved.row)
		return &file->rows[account->saved.row - 1];
	row = sl_spend_file_add(file);
	if (!row)
		return NULL;
	row->kind = account->kind;
	memcpy(row->name, account->name, sizeof(row->name));
	account->saved.row = file->count;
	return row;
}

/* Under the file's lock. own: room for a number of each account. */
static int merge_file(struct sl_ledger *ledger, struct sl_spend_file *file,
		      struct sl_account *first, uint64_t *own, struct sl_error *error)
{
	struct sl_account *account;
	bool changed = false;
	uint32_t i = 0;
	int rc = 0;

	for (account = first; account; account = account->older, i++) {
		uint64_t before = account->saved.total;
		struct sl_spend_row *row = row_of(account, file);

		if (!row)
			return -ENOMEM;
		own[i] = larger(row->total, before);
		changed |= merge_row(account, row);
		own[i] = row->total - own[i];
	}
	if (changed)
		rc = sl_spend_file_write(ledger->path, file, error);
	i = 0;
	for (account = first; account && !rc; account = account->older, i++)
		take_row(account, &file->rows[account->saved.row - 1], own[i]);
	return rc;
}

static int merge_locked(struct sl_ledger *ledger, struct sl_error *error)
{
	struct sl_spend_file file = {0};
	struct sl_account *first;
	uint64_t *own = NULL;
	int rc = sl_spend_file_read(ledger->path, ledger->date, &file, error);

	if (rc == -ENOENT)
		rc = 0;
	file.date = ledger->date;
	if (!rc)
		rc = match(ledger, &file);
	pthread_mutex_lock(&ledger->accounts.lock);
	first = ledger->accounts.newest; /* those that come later are merged the next time */
	own = calloc(ledger->accounts.count + 1u, sizeof(*own));
	pthread_mutex_unlock(&ledger->accounts.lock);
	if (!rc)
		rc = own ? merge_file(ledger, &file, first, own, error) : -ENOMEM;
	if (stat(ledger->path, &ledger->seen))
		memset(&ledger->seen, 0, sizeof(ledger->seen));
	free(own);
	sl_spend_file_fini(&file);
	return rc;
}

/* Something was charged here, or the file is another one than it was. */
static bool is_due(struct sl_ledger *ledger)
{
	const struct sl_account *account = newest_of(ledger);
	struct stat now;

	for (; account; account = account->older)
		if (__atomic_load_n(&account->total, __ATOMIC_RELAXED) != account->saved.total)
			return true;
	if (stat(ledger->path, &now))
		return false; /* nothing was lost that another charge would not bring back */
	return now.st_ino != ledger->seen.st_ino || now.st_size != ledger->seen.st_size ||
	       now.st_mtim.tv_sec != ledger->seen.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != ledger->seen.st_mtim.tv_nsec;
}

static void say(struct sl_ledger *ledger, int rc, const struct sl_error *error)
{
	bool was_failing = __atomic_exchange_n(&ledger->failing, rc != 0, __ATOMIC_RELAXED);

	__atomic_add_fetch(rc ? &ledger->saves_failed : &ledger->saves_ok, 1, __ATOMIC_RELAXED);
	if ((rc != 0) != was_failing)
		sl_notice_tell_store("spend", rc != 0,
				     !rc	      ? ""
				     : error->text[0] ? error->text
						      : strerror(-rc));
	if (rc && !was_failing)
		sl_log(SL_LOG_ERROR,
		       "SPEND IS NOT KEPT: %s: it is counted in memory alone, and forgotten when "
		       "the "
		       "daemon ends before the file can be written again",
		       error->text[0] ? error->text : strerror(-rc));
	else if (!rc && was_failing)
		sl_log(SL_LOG_WARN, "spend: %s is kept again", ledger->path);
}

int sl_ledger_merge(struct sl_ledger *ledger, uint64_t now_s)
{
	struct sl_error error = {{0}};
	int lock, rc;

	turn(ledger, sl_money_date(now_s));
	if (!ledger->path || !is_due(ledger))
		return 0;
	rc = sl_key_file_lock(ledger->path, &lock, &error);
	if (!rc) {
		rc = merge_locked(ledger, &error);
		close(lock);
	}
	say(ledger, rc, &error);
	return rc;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void *run(void *arg)
{
	struct sl_ledger *ledger = arg;
	struct timespec until;
	bool stop = false;

	while (!stop) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += SL_LEDGER_SAVE_MS / 1000u;
		pthread_mutex_lock(&ledger->lock);
		while (!ledger->stop &&
		       pthread_cond_timedwait(&ledger->wake, &ledger->lock, &until) != ETIMEDOUT)
			;
		stop = ledger->stop;
		pthread_mutex_unlock(&ledger->lock);
		sl_ledger_merge(ledger, sl_clock_wall_ms() / 1000u);
	}
	return NULL;
}

void sl_ledger_init(struct sl_ledger *ledger)
{
	pthread_condattr_t attributes;

	memset(ledger, 0, sizeof(*ledger));
	sl_accounts_init(&ledger->accounts);
	pthread_mutex_init(&ledger->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&ledger->wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

int sl_ledger_open(struct sl_ledger *ledger, const struct sl_config *config)
{
	sigset_t all, before;
	int rc;

	if (config->spend_file) {
		ledger->path = strdup(config->spend_file);
		if (!ledger->path)
			return -ENOMEM;
	} else if (config->price_count) {
		sl_log(SL_LOG_WARN, "spend: no spend.file: what was spent is forgotten when the "
				    "daemon ends, and budgets begin anew");
	}
	/* a file that cannot be read is said, and no reason not to serve */
	sl_ledger_merge(ledger, sl_clock_wall_ms() / 1000u);
	sigfillset(&all); /* signals are the control thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&ledger->thread, NULL, run, ledger);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	ledger->running = rc == 0;
	return rc;
}

void sl_ledger_stop(struct sl_ledger *ledger)
{
	if (!ledger->running)
		return;
	pthread_mutex_lock(&ledger->lock);
	ledger->stop = true;
	pthread_cond_signal(&ledger->wake);
	pthread_mutex_unlock(&ledger->lock);
	pthread_join(ledger->thread, NULL);
	ledger->running = false;
}

void sl_ledger_fini(struct sl_ledger *ledger)
{
	sl_ledger_stop(ledger);
	sl_accounts_fini(&ledger->accounts);
	pthread_cond_destroy(&ledger->wake);
	pthread_mutex_destroy(&ledger->lock);
	free(ledger->path);
	ledger->path = NULL;
}
