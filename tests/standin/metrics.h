/* The metrics page: vLLM's names for what vLLM has, standin_ for the rest. Prometheus text 0.0.4.
 *
 * Threads: any worker; sums the workers' counters.
 */
#ifndef TESTS_STANDIN_METRICS_H
#define TESTS_STANDIN_METRICS_H

#include "tests/standin/buf.h"
#include "tests/standin/server.h"

void sl_metrics_render(struct sl_server *server, struct sl_buf *out);

/* The sum of one counter over the workers; offset is that of the counter in struct sl_counters. */
uint64_t sl_metrics_sum(const struct sl_server *server, size_t offset);

#endif
