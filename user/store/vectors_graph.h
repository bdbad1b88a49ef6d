/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vectors_graph.h - hnswlib behind C functions: the graph of vectors.c, whose places are its labels.
 *
 * It holds each number of a vector in 8 bits: a fourth of the memory that a search waits for. The
 * caller has the vectors themselves.
 *
 * Only vectors_graph.cc includes the library, and no exception leaves it. Thread: changes alone,
 * searches beside each other; the caller's lock sees to that.
 */
#ifndef SL_STORE_VECTORS_GRAPH_H
#define SL_STORE_VECTORS_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "user/base/text.h"

struct sl_graph;

#define SL_GRAPH_WIDTH 40u /* candidates of a search, at least */

/* All return 0 (search: a count), -ENOMEM, or -EBADMSG where the graph contradicts itself. */
int sl_graph_open(uint32_t dimensions, uint32_t capacity, struct sl_graph **ret_graph);
void sl_graph_close(struct sl_graph **graph);

/* A place that was removed before may be taken again. Grows by itself. */
int sl_graph_add(struct sl_graph *graph, uint32_t place, const float *vector);
int sl_graph_remove(struct sl_graph *graph, uint32_t place);
/*
 * What is near, the nearest first, and about how far: of numbers that were rounded to 8 bits. That is out by
 * more than `rounding` once in some 10^15 times: it is eight times the deviation of a sum of such roundings.
 */
struct sl_graph_near {
	uint32_t place;
	float score; /* the dot product */
	float rounding;
};

/*
 * Places that are near: by numbers of 8 bits, so the caller measures them again. As many as count, but
 * SL_GRAPH_WIDTH at least, where there are; ret_near has room for them. Returns how many.
 */
int sl_graph_search(const struct sl_graph *graph, const float *query, uint32_t count,
		    struct sl_graph_near *ret_near);

size_t sl_graph_bytes(const struct sl_graph *graph);

/*
 * Its bytes: *ret_base borrows the vectors with their nearest links, links gets the rest. Loading
 * copies both; what does not fit together gives -EBADMSG.
 */
int sl_graph_write(const struct sl_graph *graph, struct sl_span *ret_base, struct sl_text *links);
int sl_graph_read(uint32_t dimensions, struct sl_span base, struct sl_span links,
		  struct sl_graph **ret_graph);

#ifdef __cplusplus
}
#endif

#endif
