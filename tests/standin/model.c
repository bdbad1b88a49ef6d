/* See model.h. */
#include "tests/standin/model.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

void sl_model_init(struct sl_model *model)
{
	memset(model, 0, sizeof(*model));
	pthread_mutex_init(&model->lock, NULL);
}

static bool limited(struct sl_model *model)
{
	return atomic_load_explicit(&model->slots, memory_order_relaxed) > 0 ||
	       atomic_load_explicit(&model->kv_limit_tokens, memory_order_relaxed) > 0 ||
	       atomic_load_explicit(&model->waiting, memory_order_relaxed) > 0;
}

static void start(struct sl_model *model, struct sl_ticket *ticket, enum sl_ticket_state state)
{
	ticket->state = state;
	atomic_fetch_add(&model->running, 1);
	atomic_fetch_add(&model->kv_used_tokens, (int64_t)ticket->kv_tokens);
}

/* One request alone always fits, however long its prompt is. */
static bool fits(struct sl_model *model, const struct sl_ticket *ticket)
{
	int64_t slots = atomic_load(&model->slots);
	int64_t kv_limit = atomic_load(&model->kv_limit_tokens);
	int64_t running = atomic_load(&model->running);

	if (slots > 0 && running >= slots)
		return false;
	return kv_limit == 0 || running == 0 ||
	       atomic_load(&model->kv_used_tokens) + (int64_t)ticket->kv_tokens <= kv_limit;
}

static void unlink_ticket(struct sl_ticket **head, struct sl_ticket **tail,
			  struct sl_ticket *ticket)
{
	*(ticket->prev ? &ticket->prev->next : head) = ticket->next;
	*(ticket->next ? &ticket->next->prev : tail) = ticket->prev;
	ticket->next = ticket->prev = NULL;
}

static void link_ticket(struct sl_ticket **head, struct sl_ticket **tail, struct sl_ticket *ticket)
{
	ticket->next = NULL;
	ticket->prev = *tail;
	*(*tail ? &(*tail)->next : head) = ticket;
	*tail = ticket;
}

/* With the lock held. A write of 8 bytes to an eventfd cannot fail short of overflow, which still
 * leaves it readable: the result does not matter. */
static void grant(struct sl_model *model, const struct sl_inbox *self)
{
	while (model->head && fits(model, model->head)) {
		struct sl_ticket *ticket = model->head;
		struct sl_inbox *inbox = ticket->inbox;

		unlink_ticket(&model->head, &model->tail, ticket);
		atomic_fetch_sub(&model->waiting, 1);
		start(model, ticket, SL_TICKET_GRANTED);
		link_ticket(&inbox->head, &inbox->tail, ticket);
		atomic_store(&inbox->full, true);
		if (inbox != self) {
			uint64_t one = 1;
			ssize_t ignored = write(inbox->event_fd, &one, sizeof(one));

			(void)ignored;
		}
	}
}

bool sl_model_enter(struct sl_model *model, struct sl_ticket *ticket, uint64_t kv_tokens)
{
	assert(ticket->state == SL_TICKET_IDLE);
	ticket->kv_tokens = kv_tokens;
	if (!limited(model)) {
		start(model, ticket, SL_TICKET_RUNNING);
		return true;
	}
	pthread_mutex_lock(&model->lock);
	bool runs = !model->head && fits(model, ticket);
	if (runs) {
		start(model, ticket, SL_TICKET_RUNNING);
	} else {
		ticket->state = SL_TICKET_WAITING;
		link_ticket(&model->head, &model->tail, ticket);
		atomic_fetch_add(&model->waiting, 1);
	}
	pthread_mutex_unlock(&model->lock);
	return runs;
}

void sl_model_grow(struct sl_model *model, struct sl_ticket *ticket, uint64_t kv_tokens)
{
	ticket->kv_tokens += kv_tokens;
	atomic_fetch_add_explicit(&model->kv_used_tokens, (int64_t)kv_tokens, memory_order_relaxed);
}

static void stop(struct sl_model *model, struct sl_ticket *ticket)
{
	ticket->state = SL_TICKET_IDLE;
	atomic_fetch_sub(&model->running, 1);
	atomic_fetch_sub(&model->kv_used_tokens, (int64_t)ticket->kv_tokens);
}

void sl_model_leave(struct sl_model *model, struct sl_ticket *ticket, const struct sl_inbox *self)
{
	if (ticket->state == SL_TICKET_IDLE)
		return;
	if (ticket->state == SL_TICKET_RUNNING && !limited(model)) {
		stop(model, ticket);
		/* A request may have begun to wait between the two lines above. */
		if (!limited(model))
			return;
		sl_model_regrant(model);
		return;
	}
	pthread_mutex_lock(&model->lock);
	if (ticket->state == SL_TICKET_WAITING) {
		unlink_ticket(&model->head, &model->tail, ticket);
		atomic_fetch_sub(&model->waiting, 1);
		ticket->state = SL_TICKET_IDLE;
	} else {
		if (ticket->state == SL_TICKET_GRANTED)
			unlink_ticket(&ticket->inbox->head, &ticket->inbox->tail, ticket);
		stop(model, ticket);
	}
	grant(model, self);
	pthread_mutex_unlock(&model->lock);
}

struct sl_ticket *sl_model_take(struct sl_model *model, struct sl_inbox *inbox)
{
	if (!atomic_load_explicit(&inbox->full, memory_order_acquire))
		return NULL;
	pthread_mutex_lock(&model->lock);
	struct sl_ticket *ticket = inbox->head;
	if (ticket) {
		unlink_ticket(&inbox->head, &inbox->tail, ticket);
		ticket->state = SL_TICKET_RUNNING;
	}
	atomic_store(&inbox->full, inbox->head != NULL);
	pthread_mutex_unlock(&model->lock);
	return ticket;
}

void sl_model_regrant(struct sl_model *model)
{
	pthread_mutex_lock(&model->lock);
	grant(model, NULL);
	pthread_mutex_unlock(&model->lock);
}

double sl_model_kv_usage(struct sl_model *model)
{
	int64_t limit = atomic_load(&model->kv_limit_tokens);
	int64_t used = atomic_load(&model->kv_used_tokens);

	if (limit == 0)
		return 0.0;
	return used > limit ? 1.0 : (double)used / (double)limit;
}
