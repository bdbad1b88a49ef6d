/* The service model: how many requests run at once, who waits, what fills the KV cache.
 *
 * Owns: the run count, the KV token count, the first-come-first-served queue, the speeds.
 *
 *   ticket state   entered by                          left by
 *   IDLE           sl_model_leave                      sl_model_enter
 *   WAITING        sl_model_enter, all slots taken     a grant (-> GRANTED), sl_model_leave
 *   GRANTED        a grant, in its worker's inbox      sl_model_take (-> RUNNING), sl_model_leave
 *   RUNNING        sl_model_enter, a slot was free     sl_model_leave
 *
 * Invariants: a ticket waits only while a limit is set and no one before it fits; GRANTED and
 * RUNNING hold a slot; KV tokens are given back when the ticket leaves. Threads: any worker.
 * Without limits (slots and KV both 0) entering and leaving are two atomic adds; with a limit they
 * take one mutex, and a grant to another worker writes to its eventfd.
 */
#ifndef TESTS_STANDIN_MODEL_H
#define TESTS_STANDIN_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum sl_ticket_state { SL_TICKET_IDLE, SL_TICKET_WAITING, SL_TICKET_GRANTED, SL_TICKET_RUNNING };

struct sl_inbox {
	struct sl_ticket *head, *tail;
	_Atomic bool full;
	int event_fd; /* wakes the worker that owns the inbox */
};

struct sl_ticket {
	struct sl_ticket *next, *prev;
	struct sl_inbox *inbox; /* of the worker that owns the ticket */
	enum sl_ticket_state state;
	uint64_t kv_tokens; /* held; while waiting: wanted */
};

struct sl_model {
	pthread_mutex_t lock;
	_Atomic int64_t running;
	_Atomic int64_t waiting;
	_Atomic int64_t kv_used_tokens;
	/* settings; 0 slots, 0 KV tokens: no limit */
	_Atomic int64_t slots;
	_Atomic int64_t kv_limit_tokens;
	_Atomic int64_t prefill_ns_per_token;
	_Atomic int64_t token_ns;
	struct sl_ticket *head, *tail; /* waiting */
};

void sl_model_init(struct sl_model *model);

/* Asks for a slot and `kv_tokens` of cache. True: running; false: waits, and will turn up in the
 * inbox (self: the calling worker's own, which needs no waking). */
bool sl_model_enter(struct sl_model *model, struct sl_ticket *ticket, uint64_t kv_tokens);

/* Adds generated tokens to what a running ticket holds. */
void sl_model_grow(struct sl_model *model, struct sl_ticket *ticket, uint64_t kv_tokens);

/* Leaves, from any state, and grants what that freed. */
void sl_model_leave(struct sl_model *model, struct sl_ticket *ticket, const struct sl_inbox *self);

/* Takes the next granted ticket from an inbox, now running; NULL when there is none. */
struct sl_ticket *sl_model_take(struct sl_model *model, struct sl_inbox *inbox);

/* Grants again after a setting has changed. */
void sl_model_regrant(struct sl_model *model);

/* The share of the KV cache that is used, 0 to 1; 0 without a limit. */
double sl_model_kv_usage(struct sl_model *model);

#endif
