/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/topology_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who has which row of `services_guard`. */
struct rows {
	bool kept[SL_SERVICES_MAX]; /* by a service that stays */
	bool busy[SL_SERVICES_MAX]; /* by one that leaves at the end */
	uint32_t leaving;
};

uint32_t sl_topology_find_service(const struct sl_topology_work *work,
				  const struct sl_endpoint *endpoint)
{
	const struct sl_config *config = work->config;

	for (uint32_t i = 0; i < config->service_count; i++)
		if (sl_topology_compare(&config->services[i].endpoint, endpoint) == 0)
			return i;
	return UINT32_MAX;
}

/* One service that is there. Two with one row (a process was killed between): the first keeps it. */
static int note_service(struct sl_topology_work *work, struct rows *rows,
			const struct sl_endpoint *endpoint)
{
	uint32_t i = sl_topology_find_service(work, endpoint);
	struct sl_service service;
	int code;

	if (i == UINT32_MAX)
		rows->leaving++;
	if (work->view->get_service == NULL)
		return 0;
	code = work->view->get_service(work->view->ctx, endpoint, &service);
	if (code < 0)
		return code == -ENOENT ? 0 : code;
	if (service.index >= SL_SERVICES_MAX)
		return 0;
	if (i != UINT32_MAX && !rows->kept[service.index]) {
		work->rows[i] = (struct sl_topology_row){.index = service.index, .is_known = true};
		rows->kept[service.index] = true;
	} else {
		rows->busy[service.index] = true;
	}
	return 0;
}

/* The lowest row that nobody has; one of a service that leaves only where there is no other. */
static uint16_t take_row(struct rows *rows)
{
	for (int may_take_busy = 0; may_take_busy < 2; may_take_busy++) {
		for (uint16_t index = 0; index < SL_SERVICES_MAX; index++) {
			if (rows->kept[index] || (rows->busy[index] && !may_take_busy))
				continue;
			rows->kept[index] = true;
			return index;
		}
	}
	return 0; /* at most SL_SERVICES_MAX services ask */
}

int sl_topology_plan_services(struct sl_topology_work *work)
{
	const struct sl_config *config = work->config;
	struct sl_endpoint *keys;
	struct rows rows = {0};
	uint32_t count;
	int code = sl_topology_list(work->view->ctx, work->view->next_service, SL_SERVICES_MAX,
				    &keys, &count);

	if (code < 0)
		return sl_error_set_errno(work->error, code, "cannot list the services");
	for (uint32_t i = 0; i < count && code == 0; i++)
		code = note_service(work, &rows, &keys[i]);
	free(keys);
	if (code < 0)
		return sl_error_set_errno(work->error, code, "cannot read the services");
	if (config->service_count + rows.leaving > SL_SERVICES_MAX)
		return sl_error_set(work->error, -ENOSPC,
				    "%u services, and %u that leave: at most %u fit at the same "
				    "time; remove services first, then add new ones",
				    config->service_count, rows.leaving, SL_SERVICES_MAX);
	for (uint32_t i = 0; i < config->service_count; i++) {
		if (!work->rows[i].is_known)
			work->rows[i] =
				(struct sl_topology_row){.index = take_row(&rows), .is_new = true};
	}
	return 0;
}

int sl_topology_write_services(struct sl_topology_work *work)
{
	const struct sl_topology_view *view = work->view;

	for (uint32_t i = 0; i < work->config->service_count; i++) {
		const struct sl_config_service *wanted = &work->config->services[i];
		const struct sl_topology_row *row = &work->rows[i];
		struct sl_service service = {.lane = (uint8_t)wanted->lane, .index = row->index};
		int code;

		if (wanted->pool < work->config->pool_count)
			service.pool = work->topology.pool_slots[wanted->pool];
		if (wanted->quic)
			service.flags |= SL_SERVICE_QUIC;
		if (row->is_new && view->services_guard != NULL)
			memset(&view->services_guard[row->index], 0,
			       sizeof(view->services_guard[row->index]));
		code = view->put_service(view->ctx, &wanted->endpoint, &service);
		if (code < 0)
			return sl_error_set_errno(work->error, code, "service %s: cannot write it",
						  wanted->text);
	}
	return 0;
}
