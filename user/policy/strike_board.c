/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/strike_board.h"

#include <string.h>

/* ---- control thread -------------------------------------------------------------------------- */

/* Readers that meet an odd number, or another one at the end, pass on. */
static void open_row(struct sl_strike_row *row)
{
	__atomic_store_n(&row->sequence, row->sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void close_row(struct sl_strike_row *row)
{
	__atomic_store_n(&row->sequence, row->sequence + 1, __ATOMIC_RELEASE);
}

#define SET(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define GET(field)	  __atomic_load_n(&(field), __ATOMIC_RELAXED)

static void write_order(struct sl_strike_order *to, const struct sl_strike_order *from)
{
	SET(to->strike.kind, from->strike.kind);
	SET(to->strike.number, from->strike.number);
	SET(to->strike.status, from->strike.status);
	SET(to->strike.delay_ms, from->strike.delay_ms);
	SET(to->strike.jitter_ms, from->strike.jitter_ms);
	SET(to->strike.after, from->strike.after);
	SET(to->strike.after_bytes, from->strike.after_bytes);
	SET(to->strike.bad_chunk, from->strike.bad_chunk);
	SET(to->store, from->store);
	SET(to->share, from->share);
	SET(to->hits_max, from->hits_max);
	SET(to->checks, from->checks);
	/* what this thread alone reads */
	to->aim = from->aim;
	to->time_ms = from->time_ms;
	to->lease_ms = from->lease_ms;
	to->limit_percent = from->limit_percent;
	to->limit_nodes = from->limit_nodes;
	to->despite_burn = from->despite_burn;
	memcpy(to->at, from->at, sizeof(to->at));
	memcpy(to->name, from->name, sizeof(to->name));
}

static uint64_t lease_end(const struct sl_strike_row *row, uint64_t now_ms)
{
	uint64_t until_ms = now_ms + row->order.lease_ms;

	return until_ms < row->end_ms ? until_ms : row->end_ms;
}

uint32_t sl_strike_board_begin(struct sl_strike_board *board, const struct sl_strike_order *order,
			       const uint64_t *nodes, uint64_t now_ms)
{
	struct sl_strike_order numbered = *order;
	struct sl_strike_row *row = board->rows;

	while (row < board->rows + SL_STRIKES_MAX && row->runs)
		row++;
	if (row == board->rows + SL_STRIKES_MAX)
		return 0;
	numbered.strike.number = ++board->last_number;
	open_row(row);
	write_order(&row->order, &numbered);
	for (uint32_t i = 0; i < SL_STRIKE_WORDS; i++)
		SET(row->nodes[i], nodes ? nodes[i] : 0);
	SET(row->seen, 0);
	SET(row->hits, 0);
	row->end_ms = now_ms + order->time_ms;
	SET(row->until_ms, lease_end(row, now_ms));
	row->runs = true;
	close_row(row);
	__atomic_fetch_add(&board->on, 1, __ATOMIC_RELEASE);
	return numbered.strike.number;
}

static bool is_over(const struct sl_strike_row *row, uint64_t now_ms)
{
	return GET(row->until_ms) <= now_ms || GET(row->hits) >= GET(row->order.hits_max);
}

struct sl_strike_row *sl_strike_board_find(struct sl_strike_board *board, uint32_t number)
{
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		if (number && board->rows[i].order.strike.number == number)
			return &board->rows[i];
	}
	return NULL;
}

void sl_strike_board_renew(struct sl_strike_row *row, uint64_t now_ms)
{
	SET(row->until_ms, lease_end(row, now_ms));
}

bool sl_strike_board_narrow(struct sl_strike_row *row, const uint64_t *nodes)
{
	uint64_t left = 0;

	open_row(row);
	for (uint32_t i = 0; i < SL_STRIKE_WORDS; i++) {
		SET(row->nodes[i], row->nodes[i] & nodes[i]);
		left |= row->nodes[i];
	}
	close_row(row);
	return left;
}

void sl_strike_board_end(struct sl_strike_board *board, struct sl_strike_row *row,
			 enum sl_strike_end end)
{
	open_row(row);
	SET(row->order.strike.kind, SL_STRIKE_NONE);
	row->runs = false;
	row->ended = end;
	close_row(row);
	__atomic_fetch_sub(&board->on, 1, __ATOMIC_RELAXED);
	SET(board->ended[end], board->ended[end] + 1);
}

enum sl_strike_end sl_strike_board_sweep(struct sl_strike_board *board, uint64_t now_ms,
					 struct sl_strike_order *ret_order)
{
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		struct sl_strike_row *row = &board->rows[i];
		enum sl_strike_end end = SL_STRIKE_ORPHANED;

		if (!row->runs || !is_over(row, now_ms))
			continue;
		if (GET(row->hits) >= row->order.hits_max)
			end = SL_STRIKE_SPENT;
		else if (row->end_ms <= now_ms)
			end = SL_STRIKE_RAN;
		*ret_order = row->order;
		sl_strike_board_end(board, row, end);
		return end;
	}
	return SL_STRIKE_RUNS;
}

/* ---- any thread ------------------------------------------------------------------------------ */

/* A row as of one moment. */
struct seen {
	struct sl_strike strike;
	enum sl_strike_store store;
	uint64_t nodes; /* the word that was asked for */
	uint64_t until_ms, hits, hits_max;
	uint32_t share;
	bool checks;
};

/* False: it has just changed. */
static bool read_row(const struct sl_strike_row *row, uint32_t word, struct seen *seen)
{
	uint32_t sequence = __atomic_load_n(&row->sequence, __ATOMIC_ACQUIRE);

	*seen = (struct seen){
		.strike = {.kind = GET(row->order.strike.kind),
			   .number = GET(row->order.strike.number),
			   .status = GET(row->order.strike.status),
			   .delay_ms = GET(row->order.strike.delay_ms),
			   .jitter_ms = GET(row->order.strike.jitter_ms),
			   .after = GET(row->order.strike.after),
			   .after_bytes = GET(row->order.strike.after_bytes),
			   .bad_chunk = GET(row->order.strike.bad_chunk)},
		.store = GET(row->order.store),
		.nodes = GET(row->nodes[word]),
		.until_ms = GET(row->until_ms),
		.hits = GET(row->hits),
		.hits_max = GET(row->order.hits_max),
		.share = GET(row->order.share),
		.checks = GET(row->order.checks),
	};
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !(sequence & 1) && sequence == GET(row->sequence);
}

static bool has_run_out(const struct seen *seen, uint64_t now_ms)
{
	return seen->strike.kind == SL_STRIKE_NONE || seen->until_ms <= now_ms ||
	       seen->hits >= seen->hits_max;
}

/* It means the request: does it strike it? A hit more than hits_max may be given back. */
static bool strikes(struct sl_strike_board *board, struct sl_strike_row *row,
		    const struct seen *seen, const char *id, uint64_t *key)
{
	uint64_t before = __atomic_fetch_add(&row->seen, 1, __ATOMIC_RELAXED);

	*key = id ? sl_strike_key(id) : before;
	if (!sl_strike_takes(seen->strike.number, *key, seen->share))
		return false;
	if (__atomic_fetch_add(&row->hits, 1, __ATOMIC_RELAXED) >= seen->hits_max) {
		__atomic_fetch_sub(&row->hits, 1, __ATOMIC_RELAXED);
		return false;
	}
	__atomic_fetch_add(&board->hits[seen->strike.kind], 1, __ATOMIC_RELAXED);
	return true;
}

bool sl_strike_board_pick(struct sl_strike_board *board, uint32_t slot, const char *id, bool check,
			  uint64_t now_ms, struct sl_strike *ret_strike, uint64_t *ret_key)
{
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		struct sl_strike_row *row = &board->rows[i];
		struct seen seen;

		if (!read_row(row, slot / 64, &seen) || has_run_out(&seen, now_ms) ||
		    !(seen.nodes >> slot % 64 & 1) || (check && !seen.checks) ||
		    !strikes(board, row, &seen, id, ret_key))
			continue;
		*ret_strike = seen.strike;
		return true;
	}
	return false;
}

bool sl_strike_board_is_down(struct sl_strike_board *board, enum sl_strike_store store,
			     const char *id, uint64_t now_ms)
{
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		struct sl_strike_row *row = &board->rows[i];
		struct seen seen;
		uint64_t key;

		if (read_row(row, 0, &seen) && !has_run_out(&seen, now_ms) && seen.store == store &&
		    strikes(board, row, &seen, id, &key))
			return true;
	}
	return false;
}
