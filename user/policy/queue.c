/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MIN_NS   1000000000ull /* what a refused one is told where nothing was measured */
#define GAP_SHIFT     3		    /* weight of a new gap: 1/8 */
#define SHARED_TENANT 0x5105u	    /* of those that came after SL_QUEUE_FLOWS_MAX tenants */
#define FLOWS_SIZE    (SL_QUEUE_FLOWS_MAX + SL_QUEUE_CLASSES) /* with a shared one in each class */

/* The requests of one tenant in one class. Exists while one waits. */
struct sl_queue_flow {
	uint64_t tenant;
	enum sl_key_class class;
	uint32_t count;
	int64_t deficit; /* what it has saved until the round that it stands in */
	uint32_t round;
	struct sl_queue_entry *first, *last;
	struct sl_queue_flow *next, *prev; /* of its round */
	struct sl_queue_flow *chain;	   /* of its bucket, or of the free ones */
};

int sl_queue_init(struct sl_queue *queue)
{
	memset(queue, 0, sizeof(*queue));
	queue->flows = calloc(FLOWS_SIZE, sizeof(struct sl_queue_flow));
	return queue->flows ? 0 : -ENOMEM;
}

void sl_queue_fini(struct sl_queue *queue)
{
	assert(queue->count == 0);
	free(queue->flows);
	queue->flows = NULL;
}

/* ---- the calendar ---------------------------------------------------------------------------- */

static void set_filled(struct sl_queue_class *class, uint32_t round)
{
	uint64_t bit = 1ull << (round % 64);

	if (class->rounds[round].first)
		class->filled[round / 64] |= bit;
	else
		class->filled[round / 64] &= ~bit;
}

static void leave_round(struct sl_queue_class *class, struct sl_queue_flow *flow)
{
	struct sl_queue_round *round = &class->rounds[flow->round];

	if (flow->prev)
		flow->prev->next = flow->next;
	else
		round->first = flow->next;
	if (flow->next)
		flow->next->prev = flow->prev;
	else
		round->last = flow->prev;
	set_filled(class, flow->round);
}

/* Puts the flow last into the round in which it can pay for its next request. */
static void enter_round(struct sl_queue_class *class, struct sl_queue_flow *flow, uint32_t cost)
{
	int64_t lacks = (int64_t)cost - flow->deficit;
	int64_t rounds = (lacks + SL_QUEUE_QUANTUM - 1) / SL_QUEUE_QUANTUM;
	struct sl_queue_round *round;

	if (rounds < 1)
		rounds = 1;
	if (rounds > (int64_t)SL_QUEUE_ROUNDS - 1) {
		rounds = SL_QUEUE_ROUNDS - 1; /* a debt beyond the calendar is forgiven */
		flow->deficit = (int64_t)cost - rounds * SL_QUEUE_QUANTUM;
	}
	flow->deficit += rounds * SL_QUEUE_QUANTUM;
	flow->round = (class->round + (uint32_t)rounds) % SL_QUEUE_ROUNDS;
	round = &class->rounds[flow->round];
	flow->next = NULL;
	flow->prev = round->last;
	if (round->last)
		round->last->next = flow;
	else
		round->first = flow;
	round->last = flow;
	set_filled(class, flow->round);
}

/* The flow that is next, after turning to its round. The class is not empty. */
static struct sl_queue_flow *next_flow(struct sl_queue_class *class)
{
	uint32_t at = class->round / 64, i;
	uint64_t word = class->filled[at] & (~0ull << (class->round % 64));

	for (i = 0; !word; i++) {
		assert(i <= SL_QUEUE_ROUNDS / 64);
		at = (at + 1) % (SL_QUEUE_ROUNDS / 64);
		word = class->filled[at];
	}
	class->round = at * 64 + (uint32_t)__builtin_ctzll(word);
	return class->rounds[class->round].first;
}

/* ---- tenants --------------------------------------------------------------------------------- */

static uint32_t bucket_of(uint64_t tenant, enum sl_key_class class)
{
	uint64_t mixed = (tenant ^ (uint64_t) class << 62) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)(mixed >> 32) % SL_QUEUE_FLOWS_MAX;
}

static struct sl_queue_flow *find_flow(const struct sl_queue *queue, uint64_t tenant,
				       enum sl_key_class class)
{
	struct sl_queue_flow *flow = queue->buckets[bucket_of(tenant, class)];

	while (flow && (flow->tenant != tenant || flow->class != class))
		flow = flow->chain;
	return flow;
}

static struct sl_queue_flow *new_flow(struct sl_queue *queue, uint64_t tenant,
				      enum sl_key_class class)
{
	uint32_t index = bucket_of(tenant, class);
	struct sl_queue_flow **bucket = &queue->buckets[index];
	struct sl_queue_rest *rest = &queue->rests[index];
	struct sl_queue_flow *flow = queue->free_flows;

	if (flow)
		queue->free_flows = flow->chain;
	else
		flow = &queue->flows[queue->flows_used++];
	assert(queue->flows_used <= FLOWS_SIZE);
	*flow = (struct sl_queue_flow){.tenant = tenant, .class = class, .chain = *bucket};
	*bucket = flow;
	if (rest->tenant == tenant && rest->class == class)
		flow->deficit = rest->saved;
	rest->saved = 0;
	queue->classes[class].flow_count++;
	queue->flow_count++;
	return flow;
}

/* The tenant's flow. Where too many tenants wait, new ones share a flow in each class. */
static struct sl_queue_flow *flow_of(struct sl_queue *queue, uint64_t tenant,
				     enum sl_key_class class)
{
	struct sl_queue_flow *flow = find_flow(queue, tenant, class);

	if (flow)
		return flow;
	if (queue->flow_count < SL_QUEUE_FLOWS_MAX)
		return new_flow(queue, tenant, class);
	flow = find_flow(queue, SHARED_TENANT, class);
	return flow ? flow : new_flow(queue, SHARED_TENANT, class);
}

static void drop_flow(struct sl_queue *queue, struct sl_queue_flow *flow)
{
	uint32_t index = bucket_of(flow->tenant, flow->class);
	struct sl_queue_flow **link = &queue->buckets[index];
	int64_t saved = flow->deficit < SL_QUEUE_QUANTUM ? flow->deficit : SL_QUEUE_QUANTUM;

	if (saved > 0)
		queue->rests[index] =
			(struct sl_queue_rest){flow->tenant, flow->class, (uint32_t)saved};
	while (*link != flow)
		link = &(*link)->chain;
	*link = flow->chain;
	flow->chain = queue->free_flows;
	queue->free_flows = flow;
	queue->classes[flow->class].flow_count--;
	queue->flow_count--;
}

/* ---- entries --------------------------------------------------------------------------------- */

static uint32_t cost_of(const struct sl_queue_entry *entry)
{
	if (entry->cost < SL_QUEUE_QUANTUM)
		return SL_QUEUE_QUANTUM;
	return entry->cost < SL_QUEUE_COST_MAX ? entry->cost : SL_QUEUE_COST_MAX;
}

/* Into the lists of its flow and its class, at the young or at the old end. */
static void link_entry(struct sl_queue_class *class, struct sl_queue_flow *flow,
		       struct sl_queue_entry *entry, bool young)
{
	entry->flow = flow;
	entry->prev = young ? flow->last : NULL;
	entry->next = young ? NULL : flow->first;
	*(entry->prev ? &entry->prev->next : &flow->first) = entry;
	*(entry->next ? &entry->next->prev : &flow->last) = entry;
	entry->older = young ? class->youngest : NULL;
	entry->younger = young ? NULL : class->oldest;
	*(entry->older ? &entry->older->younger : &class->oldest) = entry;
	*(entry->younger ? &entry->younger->older : &class->youngest) = entry;
}

static void unlink_entry(struct sl_queue_class *class, struct sl_queue_flow *flow,
			 struct sl_queue_entry *entry)
{
	*(entry->prev ? &entry->prev->next : &flow->first) = entry->next;
	*(entry->next ? &entry->next->prev : &flow->last) = entry->prev;
	*(entry->older ? &entry->older->younger : &class->oldest) = entry->younger;
	*(entry->younger ? &entry->younger->older : &class->youngest) = entry->older;
	entry->flow = NULL;
}

static void insert(struct sl_queue *queue, struct sl_queue_entry *entry, bool young)
{
	struct sl_queue_class *class = &queue->classes[entry->class];
	struct sl_queue_flow *flow = flow_of(queue, entry->tenant, entry->class);

	link_entry(class, flow, entry, young);
	if (!flow->count++)
		enter_round(class, flow, cost_of(entry));
	class->count++;
	queue->count++;
	queue->bytes += entry->bytes;
	entry->verdict = SL_QUEUE_WAITING;
}

static void take_out(struct sl_queue *queue, struct sl_queue_entry *entry)
{
	struct sl_queue_class *class = &queue->classes[entry->class];
	struct sl_queue_flow *flow = entry->flow;

	unlink_entry(class, flow, entry);
	if (!--flow->count) {
		leave_round(class, flow);
		drop_flow(queue, flow);
	}
	if (!--class->count)
		class->passed = 0;
	queue->count--;
	queue->bytes -= entry->bytes;
}

/* ---- estimates ------------------------------------------------------------------------------- */

uint64_t sl_queue_estimate_ns(const struct sl_queue *queue, enum sl_key_class class,
			      uint64_t tenant)
{
	const struct sl_queue_class *own = &queue->classes[class];
	const struct sl_queue_flow *flow = find_flow(queue, tenant, class);
	uint64_t ahead, turns, higher = 0;
	int c;

	if (queue->gap_count < SL_QUEUE_GAPS_MIN)
		return 0;
	for (c = (int)class + 1; c < SL_QUEUE_CLASSES; c++)
		higher += queue->classes[c].count;
	/* each tenant has as many turns as this one needs, and none more than it has requests */
	turns = ((flow ? flow->count : 0) + 1ull) * (own->flow_count + !flow);
	ahead = own->count + 1ull < turns ? own->count + 1ull : turns;
	/* of those above, a class that waits has its share all the same */
	if (higher > ahead * SL_QUEUE_PASSED_MAX)
		higher = ahead * SL_QUEUE_PASSED_MAX;
	return (ahead + higher) * queue->gap_ns;
}

static void measure(struct sl_queue *queue, uint64_t now_ns)
{
	uint64_t gap_ns;

	if (queue->last_grant_ns) {
		gap_ns = now_ns > queue->last_grant_ns ? now_ns - queue->last_grant_ns : 0;
		if (queue->gap_count < SL_QUEUE_GAPS_MIN) {
			queue->gap_ns = (queue->gap_ns * queue->gap_count + gap_ns) /
					(queue->gap_count + 1);
			queue->gap_count++;
		} else {
			queue->gap_ns -= queue->gap_ns >> GAP_SHIFT;
			queue->gap_ns += gap_ns >> GAP_SHIFT;
		}
	}
	queue->last_grant_ns = now_ns;
}

void sl_queue_pause(struct sl_queue *queue)
{
	queue->last_grant_ns = 0;
	queue->window_ns = 0;
}

/* ---- overload -------------------------------------------------------------------------------- */

static void open_window(struct sl_queue *queue, uint64_t now_ns)
{
	queue->window_ns = now_ns;
	queue->window_pushes = queue->window_grants = 0;
}

/*
 * The oldest of the class whose turn it was by rank had waited for age_ns. Out of overload it goes at
 * half the target, because shedding alone keeps everybody at the target.
 */
static void note_age(struct sl_queue *queue, const struct sl_queue_config *config, uint64_t age_ns,
		     uint64_t now_ns)
{
	uint64_t good_ns = queue->overloaded ? config->target_ns / 2 : config->target_ns;

	if (!config->target_ns || age_ns <= good_ns) {
		queue->overloaded = false;
		queue->window_ns = 0;
		return;
	}
	if (!queue->window_ns)
		open_window(queue, now_ns);
	if (now_ns - queue->window_ns < config->interval_ns)
		return;
	queue->overloaded = queue->window_pushes >= queue->window_grants;
	open_window(queue, now_ns);
}

static void shed(struct sl_queue *queue, struct sl_queue_entry *entry, enum sl_queue_verdict why)
{
	take_out(queue, entry);
	entry->verdict = why;
	queue->counts[why][entry->class]++;
	entry->next = queue->shed;
	queue->shed = entry;
}

void sl_queue_tick(struct sl_queue *queue, const struct sl_queue_config *config, uint64_t now_ns)
{
	struct sl_queue_class *class = queue->classes;

	if (!queue->count) {
		queue->overloaded = false;
		queue->window_ns = 0;
	}
	if (!queue->overloaded)
		return;
	while (!class->count)
		class ++;
	while (class->oldest && now_ns - class->oldest->born_ns > config->target_ns)
		shed(queue, class->oldest, SL_QUEUE_SHED);
}

struct sl_queue_entry *sl_queue_take_shed(struct sl_queue *queue)
{
	struct sl_queue_entry *entry = queue->shed;

	if (entry)
		queue->shed = entry->next;
	return entry;
}

/* ---- in and out ------------------------------------------------------------------------------ */

static enum sl_queue_verdict refuse(struct sl_queue *queue, struct sl_queue_entry *entry,
				    enum sl_queue_verdict why, uint64_t wait_ns,
				    uint64_t *ret_wait_ns)
{
	queue->counts[why][entry->class]++;
	entry->verdict = why;
	*ret_wait_ns = wait_ns ? wait_ns : WAIT_MIN_NS;
	return why;
}

/* Makes room at the cost of lower classes, the newest of the lowest first. */
static enum sl_queue_verdict make_room(struct sl_queue *queue, const struct sl_queue_config *config,
				       const struct sl_queue_entry *entry)
{
	struct sl_queue_class *lowest = queue->classes;

	if (entry->bytes > config->bytes_max)
		return SL_QUEUE_BYTES;
	while (queue->count >= config->count_max ||
	       queue->bytes + entry->bytes > config->bytes_max) {
		while (lowest < &queue->classes[entry->class] && !lowest->count)
			lowest++;
		if (lowest == &queue->classes[entry->class])
			return queue->count >= config->count_max ? SL_QUEUE_COUNT : SL_QUEUE_BYTES;
		shed(queue, lowest->youngest, SL_QUEUE_DISPLACED);
	}
	return SL_QUEUE_WAITING;
}

enum sl_queue_verdict sl_queue_push(struct sl_queue *queue, const struct sl_queue_config *config,
				    struct sl_queue_entry *entry, uint64_t now_ns,
				    uint64_t *ret_wait_ns)
{
	uint64_t wait_ns = sl_queue_estimate_ns(queue, entry->class, entry->tenant);
	enum sl_queue_verdict verdict;

	assert(!entry->flow);
	if (entry->deadline_ns <= now_ns || wait_ns > entry->deadline_ns - now_ns)
		return refuse(queue, entry, SL_QUEUE_DEADLINE, wait_ns, ret_wait_ns);
	verdict = make_room(queue, config, entry);
	if (verdict != SL_QUEUE_WAITING)
		return refuse(queue, entry, verdict, wait_ns, ret_wait_ns);
	if (!queue->count)
		queue->last_grant_ns = now_ns;
	queue->window_pushes++;
	insert(queue, entry, true);
	return SL_QUEUE_WAITING;
}

void sl_queue_return(struct sl_queue *queue, struct sl_queue_entry *entry)
{
	assert(!entry->flow);
	queue->counts[SL_QUEUE_GRANTED][entry->class]--;
	insert(queue, entry, false);
}

static struct sl_queue_class *choose_class(struct sl_queue *queue)
{
	struct sl_queue_class *chosen = NULL;
	int c;

	for (c = SL_QUEUE_CLASSES - 1; c >= 0; c--) {
		struct sl_queue_class *class = &queue->classes[c];

		if (class->count && (!chosen || (class->passed >= SL_QUEUE_PASSED_MAX &&
						 class->passed > chosen->passed)))
			chosen = class;
	}
	return chosen;
}

static void note_passed(struct sl_queue *queue, const struct sl_queue_class *served)
{
	int c;

	for (c = 0; c < SL_QUEUE_CLASSES; c++) {
		struct sl_queue_class *class = &queue->classes[c];

		if (class == served || !class->count)
			class->passed = 0;
		else
			class->passed++;
	}
}

struct sl_queue_entry *sl_queue_pop(struct sl_queue *queue, const struct sl_queue_config *config,
				    uint64_t now_ns)
{
	struct sl_queue_class *class = choose_class(queue);
	struct sl_queue_entry *entry;
	struct sl_queue_flow *flow;

	if (!class)
		return NULL;
	flow = next_flow(class);
	queue->window_grants++;
	if (class->passed < SL_QUEUE_PASSED_MAX) {
		uint64_t born_ns = class->oldest->born_ns;

		note_age(queue, config, now_ns > born_ns ? now_ns - born_ns : 0, now_ns);
	}
	entry = queue->overloaded ? flow->last : flow->first;
	flow->deficit -= cost_of(entry);
	/* Whoever has paid for the next one too stays where it is: it is still its turn. */
	if (flow->count > 1) {
		const struct sl_queue_entry *follows =
			entry == flow->first ? entry->next : flow->first;

		if (flow->deficit < (int64_t)cost_of(follows)) {
			leave_round(class, flow);
			enter_round(class, flow, cost_of(follows));
		}
	}
	note_passed(queue, class);
	take_out(queue, entry);
	measure(queue, now_ns);
	if (!queue->count)
		queue->last_grant_ns = 0;
	entry->verdict = SL_QUEUE_GRANTED;
	queue->counts[SL_QUEUE_GRANTED][entry->class]++;
	return entry;
}

void sl_queue_remove(struct sl_queue *queue, struct sl_queue_entry *entry,
		     enum sl_queue_verdict why)
{
	assert(entry->flow);
	take_out(queue, entry);
	if (!queue->count)
		queue->last_grant_ns = 0;
	entry->verdict = why;
	queue->counts[why][entry->class]++;
}

const char *sl_queue_verdict_name(enum sl_queue_verdict verdict)
{
	static const char *const names[SL_QUEUE_VERDICTS] = {
		[SL_QUEUE_UNSET] = "",
		[SL_QUEUE_WAITING] = "waiting",
		[SL_QUEUE_GRANTED] = "granted",
		[SL_QUEUE_COUNT] = "count",
		[SL_QUEUE_BYTES] = "bytes",
		[SL_QUEUE_DEADLINE] = "deadline",
		[SL_QUEUE_DISPLACED] = "displaced",
		[SL_QUEUE_SHED] = "shed",
		[SL_QUEUE_EXPIRED] = "expired",
		[SL_QUEUE_LEFT] = "left",
		[SL_QUEUE_MOVED] = "moved",
	};

	return (unsigned)verdict < SL_QUEUE_VERDICTS ? names[verdict] : "";
}
