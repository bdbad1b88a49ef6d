/* See fault.h. */
#include "tests/standin/fault.h"

#include <errno.h>
#include <stdatomic.h>

#include "tests/standin/text.h"

enum { ARG_DIGITS_MAX = 9 };

static const struct {
	const char *name;
	bool has_arg;
	int64_t arg;
	int status;
} kinds[SL_FAULT_KIND_COUNT] = {
#define X(name, kind, has_arg, arg, status) {name, has_arg, arg, status},
	SL_FAULTS(X)
#undef X
};

void sl_fault_set_init(struct sl_fault_set *set, uint64_t seed)
{
	memset(set, 0, sizeof(*set));
	pthread_mutex_init(&set->lock, NULL);
	set->dice = seed;
}

const char *sl_fault_name(enum sl_fault_kind kind)
{
	return kinds[kind].name;
}

int sl_fault_status(enum sl_fault_kind kind)
{
	return kinds[kind].status;
}

int sl_fault_parse(struct sl_str text, struct sl_fault *ret_fault)
{
	const char *colon = memchr(text.data, ':', text.len);
	struct sl_str name = {.data = text.data,
			      .len = colon ? (size_t)(colon - text.data) : text.len};
	int kind = 0;
	int64_t arg = 0;

	while (kind < SL_FAULT_KIND_COUNT && !sl_str_is(name, kinds[kind].name))
		kind++;
	if (kind == SL_FAULT_KIND_COUNT || (colon && !kinds[kind].has_arg))
		return -EINVAL;
	if (!colon) {
		*ret_fault = (struct sl_fault){(enum sl_fault_kind)kind, kinds[kind].arg};
		return 0;
	}
	size_t digits = text.len - name.len - 1;
	if (digits == 0 || digits > ARG_DIGITS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++) {
		if (colon[1 + i] < '0' || colon[1 + i] > '9')
			return -EINVAL;
		arg = arg * 10 + (colon[1 + i] - '0');
	}
	*ret_fault = (struct sl_fault){(enum sl_fault_kind)kind, arg};
	return 0;
}

int sl_fault_add(struct sl_fault_set *set, struct sl_fault fault, int64_t count, double share)
{
	int err = 0;

	pthread_mutex_lock(&set->lock);
	unsigned int at = atomic_load(&set->count);
	if (at == SL_FAULT_LIVE_MAX)
		err = -ENOSPC;
	else {
		set->live[at] = (struct sl_fault_live){fault, count, share, 0};
		atomic_store(&set->count, at + 1);
	}
	pthread_mutex_unlock(&set->lock);
	return err;
}

void sl_fault_clear(struct sl_fault_set *set)
{
	pthread_mutex_lock(&set->lock);
	atomic_store(&set->count, 0);
	pthread_mutex_unlock(&set->lock);
}

static bool roll(struct sl_fault_set *set, double share)
{
	if (share >= 1.0)
		return true;
	set->dice++;
	return (double)(sl_text_mix(set->dice, 0) >> 11) * 0x1p-53 < share;
}

struct sl_fault sl_fault_draw(struct sl_fault_set *set, bool health)
{
	struct sl_fault drawn = {0};

	if (atomic_load_explicit(&set->count, memory_order_relaxed) == 0)
		return drawn;
	pthread_mutex_lock(&set->lock);
	unsigned int count = atomic_load(&set->count);
	for (unsigned int i = 0; i < count; i++) {
		struct sl_fault_live *live = &set->live[i];

		if ((live->fault.kind == SL_FAULT_HEALTH_DOWN) != health || live->left == 0 ||
		    live->fault.kind == SL_FAULT_REFUSE || !roll(set, live->share))
			continue;
		live->hits++;
		if (live->left > 0)
			live->left--;
		drawn = live->fault;
		break;
	}
	pthread_mutex_unlock(&set->lock);
	return drawn;
}

void sl_fault_count(struct sl_fault_set *set, enum sl_fault_kind kind)
{
	atomic_fetch_add_explicit(&set->hits[kind], 1, memory_order_relaxed);
}
