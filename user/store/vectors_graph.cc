/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/vectors_graph.h"

#include <algorithm>
#include <errno.h>
/* Distances are ours, and its prefetches read four bytes behind a full list of links (0.6.2). */
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>
#include <new>
#include <string.h>

extern "C" {
#include "user/store/linear.h"
}

namespace
{

/*
 * Links an entry, candidates at an insertion and at a search. At 100 k entries of 512 numbers, on a busy
 * machine, a search of 48 takes 0.4 ms (median), of 24 0.24 ms, of 16 0.18 ms; but 16 finds too little
 * where entries have come and gone (tests/unit/store/vectors.c).
 */
constexpr size_t LINKS = 16, INSERT_WIDTH = 100, SEARCH_WIDTH = 48, CAPACITY_MIN = 1024;
constexpr size_t SEED = 1; /* of the levels: the same insertions give the same graph */

struct measure {
	size_t dimensions; /* first: the library reads it there */
	const struct sl_linear *linear;
};

float distance(const void *a, const void *b, const void *by)
{
	const measure *m = static_cast<const measure *>(by);

	return 1.0f - m->linear->dot(static_cast<const float *>(a), static_cast<const float *>(b),
				     m->dimensions);
}

class space : public hnswlib::SpaceInterface<float>
{
      public:
	explicit space(size_t dimensions) : measure_{dimensions, sl_linear_best()}
	{
	}
	size_t get_data_size() override
	{
		return measure_.dimensions * sizeof(float);
	}
	hnswlib::DISTFUNC<float> get_dist_func() override
	{
		return distance;
	}
	void *get_dist_func_param() override
	{
		return &measure_;
	}

      private:
	measure measure_;
};

/* What the file says of a graph, in front of the links of its upper levels. */
struct head {
	uint64_t count, capacity, element_bytes, links;
	int64_t top_level;
	uint64_t entry;
};

} // namespace

struct sl_graph {
	space metric;
	hnswlib::HierarchicalNSW<float> net;

	sl_graph(size_t dimensions, size_t capacity)
	    : metric(dimensions), net(&metric, capacity, LINKS, INSERT_WIDTH, SEED)
	{
		net.setEf(SEARCH_WIDTH);
	}
};

template <typename F> static int guarded(F work) noexcept
{
	try {
		return work();
	} catch (const std::bad_alloc &) {
		return -ENOMEM;
	} catch (const std::exception &error) {
		return strstr(error.what(), "memory") ? -ENOMEM : -EBADMSG;
	}
}

int sl_graph_open(uint32_t dimensions, uint32_t capacity, struct sl_graph **ret_graph)
{
	return guarded([&] {
		*ret_graph = new sl_graph(dimensions, std::max<size_t>(capacity, CAPACITY_MIN));
		return 0;
	});
}

void sl_graph_close(struct sl_graph **graph)
{
	delete *graph;
	*graph = nullptr;
}

int sl_graph_add(struct sl_graph *graph, uint32_t place, const float *vector)
{
	return guarded([&] {
		if (graph->net.cur_element_count == graph->net.max_elements_)
			graph->net.resizeIndex(graph->net.max_elements_ * 2);
		graph->net.addPoint(vector, place);
		return 0;
	});
}

int sl_graph_remove(struct sl_graph *graph, uint32_t place)
{
	return guarded([&] {
		graph->net.markDelete(place);
		return 0;
	});
}

int sl_graph_search(const struct sl_graph *graph, const float *query, uint32_t count,
		    struct sl_graph_hit *ret_hits)
{
	return guarded([&] {
		auto found = graph->net.searchKnn(query, count);
		int hits = static_cast<int>(found.size());

		for (int i = hits - 1; i >= 0; i--, found.pop())
			ret_hits[i] = {static_cast<uint32_t>(found.top().second),
				       1.0f - found.top().first};
		return hits;
	});
}

size_t sl_graph_bytes(const struct sl_graph *graph)
{
	/* Of the upper levels, which one of LINKS entries has, about a tenth more. */
	return graph->net.max_elements_ * (graph->net.size_data_per_element_ + 64);
}

int sl_graph_write(const struct sl_graph *graph, struct sl_span *ret_base, struct sl_text *links)
{
	const auto &net = graph->net;
	head of = {net.cur_element_count, net.max_elements_,   net.size_data_per_element_, net.M_,
		   net.maxlevel_,	  net.enterpoint_node_};

	sl_text_append(links, &of, sizeof(of));
	for (size_t i = 0; i < net.cur_element_count; i++) {
		uint32_t levels = static_cast<uint32_t>(net.element_levels_[i]);

		sl_text_append(links, &levels, sizeof(levels));
		if (levels)
			sl_text_append(links, net.linkLists_[i],
				       levels * net.size_links_per_element_);
	}
	*ret_base = {net.data_level0_memory_, net.cur_element_count * net.size_data_per_element_};
	return links->error;
}

static bool take(struct sl_span *from, void *to, size_t len)
{
	if (from->len < len)
		return false;
	memcpy(to, from->data, len);
	from->data += len;
	from->len -= len;
	return true;
}

/* A link that leads out of the graph would be read as a vector. */
static bool links_fit(hnswlib::HierarchicalNSW<float> &net, size_t element)
{
	for (int level = 0; level <= net.element_levels_[element]; level++) {
		auto *list =
			net.get_linklist_at_level(static_cast<hnswlib::tableint>(element), level);
		size_t count = net.getListCount(list);
		auto *to = reinterpret_cast<hnswlib::tableint *>(list + 1);

		if (count > (level ? net.maxM_ : net.maxM0_))
			return false;
		for (size_t i = 0; i < count; i++) {
			if (to[i] >= net.cur_element_count || net.element_levels_[to[i]] < level)
				return false;
		}
	}
	return true;
}

static int read_links(struct sl_graph *graph, const head &of, struct sl_span links)
{
	auto &net = graph->net;

	for (size_t i = 0; i < of.count; i++) {
		uint32_t levels;

		if (!take(&links, &levels, sizeof(levels)) || levels > 64)
			return -EBADMSG;
		net.linkLists_[i] = nullptr;
		net.element_levels_[i] = 0;
		net.cur_element_count = i + 1;
		if (levels) {
			size_t bytes = levels * net.size_links_per_element_;

			net.linkLists_[i] = static_cast<char *>(malloc(bytes));
			if (!net.linkLists_[i])
				return -ENOMEM;
			net.element_levels_[i] = static_cast<int>(levels);
			if (!take(&links, net.linkLists_[i], bytes))
				return -EBADMSG;
		}
		net.label_lookup_[net.getExternalLabel(static_cast<hnswlib::tableint>(i))] =
			static_cast<hnswlib::tableint>(i);
		if (net.isMarkedDeleted(static_cast<hnswlib::tableint>(i)))
			net.num_deleted_++;
	}
	net.maxlevel_ = static_cast<int>(of.top_level);
	net.enterpoint_node_ = static_cast<hnswlib::tableint>(of.entry);
	if (net.label_lookup_.size() != of.count)
		return -EBADMSG;
	for (size_t i = 0; i < of.count; i++) {
		if (!links_fit(net, i))
			return -EBADMSG;
	}
	return links.len ? -EBADMSG : 0;
}

int sl_graph_read(uint32_t dimensions, struct sl_span base, struct sl_span links,
		  struct sl_graph **ret_graph)
{
	struct sl_graph *graph = nullptr;
	head of;
	int rc;

	if (!take(&links, &of, sizeof(of)) || !of.count || of.capacity < of.count ||
	    of.capacity > UINT32_MAX || of.links != LINKS || of.entry >= of.count ||
	    of.top_level < 0)
		return -EBADMSG;
	rc = sl_graph_open(dimensions, static_cast<uint32_t>(of.capacity), &graph);
	if (rc < 0)
		return rc;
	if (graph->net.size_data_per_element_ != of.element_bytes ||
	    base.len != of.count * of.element_bytes) {
		sl_graph_close(&graph);
		return -EBADMSG;
	}
	memcpy(graph->net.data_level0_memory_, base.data, base.len);
	rc = guarded([&] { return read_links(graph, of, links); });
	if (rc == 0 && graph->net.element_levels_[of.entry] != of.top_level)
		rc = -EBADMSG;
	if (rc < 0)
		sl_graph_close(&graph);
	else
		*ret_graph = graph;
	return rc;
}
