/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/topology_work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include "user/base/prefix.h"

/* ---- beacons ------------------------------------------------------------------------------- */

/* Writing what is there already changes nothing, so beacons are checked without a gap meanwhile. */
static int write_beacon_keys(const struct sl_topology_work *work)
{
	const struct sl_topology_view *view = work->view;
	const struct sl_config_beacon *beacon = &work->config->beacon;

	for (uint32_t i = 0; i < SL_BEACON_KEYS_MAX; i++) {
		struct sl_beacon_key key = {0};
		int code;

		if (i < beacon->key_count) {
			key.id = beacon->keys[i].id;
			key.key[0] = beacon->keys[i].key[0];
			key.key[1] = beacon->keys[i].key[1];
		}
		code = view->put_beacon_key(view->ctx, i, &key);
		if (code < 0)
			return sl_error_set_errno(work->error, code,
						  "kernel.beacon.keys[%u]: cannot write it", i);
	}
	return 0;
}

/* ---- allow and deny ------------------------------------------------------------------------ */

static int compare_prefixes(const void *left, const void *right)
{
	return sl_prefix_compare(left, right);
}

static int put_prefixes(const struct sl_topology_work *work,
			const struct sl_config_prefix **ret_bad)
{
	const struct sl_topology_view *view = work->view;

	for (uint32_t i = 0; i < work->config->prefix_count; i++) {
		const struct sl_config_prefix *wanted = &work->config->prefixes[i];
		int code = view->put_prefix(view->ctx, &wanted->prefix,
					    (uint32_t)wanted->rule | SL_PREFIX_OF_FILE);

		*ret_bad = wanted;
		if (code < 0)
			return code;
	}
	return 0;
}

/* Those that an earlier file made; the caller frees. */
static int list_of_file(const struct sl_topology_view *view, struct sl_prefix **ret_prefixes,
			uint32_t *ret_count)
{
	struct sl_prefix *prefixes = calloc(SL_PREFIXES_MAX + 1, sizeof(*prefixes));
	struct sl_prefix at, next;
	uint32_t count = 0, value;
	int code = prefixes == NULL ? -ENOMEM : 0;

	for (uint32_t steps = 0; code == 0 && steps < SL_PREFIXES_MAX; steps++) {
		code = view->next_prefix(view->ctx, steps == 0 ? NULL : &at, &next, &value);
		at = next;
		if (code == 0 && (value & SL_PREFIX_OF_FILE))
			prefixes[count++] = next;
	}
	if (code < 0 && code != -ENOENT) {
		free(prefixes);
		return code;
	}
	*ret_prefixes = prefixes;
	*ret_count = count;
	return 0;
}

static int remove_prefixes(const struct sl_topology_work *work)
{
	uint32_t wanted_count = work->config->prefix_count, count;
	struct sl_prefix *wanted = calloc(wanted_count + 1, sizeof(*wanted));
	struct sl_prefix *prefixes;
	int code = wanted == NULL ? -ENOMEM : list_of_file(work->view, &prefixes, &count);

	if (code < 0) {
		free(wanted);
		return code;
	}
	for (uint32_t i = 0; i < wanted_count; i++)
		wanted[i] = work->config->prefixes[i].prefix;
	qsort(wanted, wanted_count, sizeof(*wanted), compare_prefixes);
	for (uint32_t i = 0; i < count && code == 0; i++) {
		if (bsearch(&prefixes[i], wanted, wanted_count, sizeof(*wanted), compare_prefixes))
			continue;
		code = work->view->del_prefix(work->view->ctx, &prefixes[i]);
		if (code == -ENOENT)
			code = 0;
	}
	free(prefixes);
	free(wanted);
	return code;
}

/* New entries first, so that nobody slips through; a full list makes room first. */
static int write_prefixes(const struct sl_topology_work *work)
{
	const struct sl_config_prefix *bad = NULL;
	char text[SL_PREFIX_TEXT_SIZE];
	int code = put_prefixes(work, &bad);

	if (code == -ENOSPC && remove_prefixes(work) == 0)
		code = put_prefixes(work, &bad);
	if (code < 0)
		return sl_error_set_errno(
			work->error, code,
			"%s %s: cannot write it (at most %u prefixes, with those made by hand)",
			bad->rule == SL_PREFIX_ALLOW ? "kernel.allow:" : "kernel.deny:",
			sl_prefix_format(&bad->prefix, text), SL_PREFIXES_MAX);
	code = remove_prefixes(work);
	if (code < 0)
		return sl_error_set_errno(work->error, code,
					  "cannot remove former entries of kernel.allow and "
					  "kernel.deny");
	return 0;
}

/* The node role believes others than the allowed ones only where nobody is. */
static void write_allow_count(const struct sl_topology_work *work)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < work->config->prefix_count; i++)
		count += work->config->prefixes[i].rule == SL_PREFIX_ALLOW;
	sl_topology_store32(&work->view->settings->allow_count, count);
}

int sl_topology_write_guard(struct sl_topology_work *work)
{
	const struct sl_topology_view *view = work->view;
	int code = view->put_beacon_key == NULL ? 0 : write_beacon_keys(work);

	if (code < 0)
		return code;
	__atomic_store_n(&view->settings->beacon_port, htons((uint16_t)work->config->beacon.port),
			 __ATOMIC_RELEASE);
	code = view->put_prefix == NULL ? 0 : write_prefixes(work);
	if (code == 0)
		write_allow_count(work);
	return code;
}
