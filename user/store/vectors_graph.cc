/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/vectors_graph.h"

#include <algorithm>
#include <cmath>
#include <errno.h>
/* Distances are ours, and its prefetches read four bytes behind a full list of links (0.6.2). */
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>
#include <new>
#include <string.h>
#include <sys/mman.h>

extern "C" {
#include "user/store/linear.h"
#include "user/store/vectors.h"
}

namespace
{

/*
 * Links an entry, and candidates at an insertion. A search among 100 k entries of 512 numbers (median, a load
 * of 12 to 16 on two CPUs), and how many of 200 times the truly nearest was found: 32 candidates 0.17 to
 * 0.19 ms, 198; 40 0.19 ms, 200; 48 0.23 ms, 200. Side by side among 20 k, a load of
 * 23: 0.20 ms at 48; vectors of floats in the graph and nothing fetched ahead 0.52 ms. Insertions: 0.46 and
 * 1.05 ms.
 */
constexpr size_t LINKS = 16, INSERT_WIDTH = 100, CAPACITY_MIN = 1024;
constexpr size_t SEED = 1;  /* of the levels: the same insertions give the same graph */
constexpr size_t AHEAD = 8; /* entries that are fetched while one is measured */
constexpr size_t LINE = 64, HUGE_PAGE = 2 << 20;
constexpr float STEPS = 127; /* of a number of 8 bits, on either side of 0 */
constexpr float DEVIATIONS = 8;

/* An entry: its numbers are steps[] times scale. */
struct entry {
	float scale;
	int8_t steps[SL_VECTORS_DIMENSIONS_MAX];
};

struct measure {
	size_t dimensions; /* first: the library reads it there */
	const struct sl_linear *linear;
};

float distance(const void *a, const void *b, const void *by)
{
	const measure *m = static_cast<const measure *>(by);
	const entry *one = static_cast<const entry *>(a), *other = static_cast<const entry *>(b);

	return 1.0f - one->scale * other->scale *
			      static_cast<float>(m->linear->dot_bytes(one->steps, other->steps,
								      m->dimensions));
}

class space : public hnswlib::SpaceInterface<float>
{
      public:
	explicit space(size_t dimensions) : measure_{dimensions, sl_linear_best()}
	{
	}
	/* A whole number of links, so that the next entry's are in their place. */
	size_t get_data_size() override
	{
		return offsetof(entry, steps) + (measure_.dimensions + 3) / 4 * 4;
	}
	hnswlib::DISTFUNC<float> get_dist_func() override
	{
		return distance;
	}
	void *get_dist_func_param() override
	{
		return &measure_;
	}
	void quantise(const float *vector, entry &to) const
	{
		float largest = 0, factor;
		size_t i;

		for (i = 0; i < measure_.dimensions; i++)
			largest = std::max(largest, std::fabs(vector[i]));
		factor = largest > 0 ? STEPS / largest : 0;
		to.scale = largest / STEPS;
		for (i = 0; i < measure_.dimensions; i++)
			to.steps[i] = static_cast<int8_t>(std::lrint(vector[i] * factor));
		for (; i % 4; i++)
			to.steps[i] = 0;
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
	}
};

/* A search goes all over the memory: with pages of 4 KiB each step would look for its page as well. */
static void advise(const sl_graph *graph)
{
	auto from = reinterpret_cast<uintptr_t>(graph->net.data_level0_memory_);
	uintptr_t end = from + graph->net.max_elements_ * graph->net.size_data_per_element_;

	from = (from + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	end = end / HUGE_PAGE * HUGE_PAGE;
	if (from < end) /* where it is refused the small ones do */
		madvise(reinterpret_cast<void *>(from), end - from, MADV_HUGEPAGE);
}

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
		advise(*ret_graph);
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
		if (graph->net.cur_element_count == graph->net.max_elements_) {
			graph->net.resizeIndex(graph->net.max_elements_ * 2);
			advise(graph);
		}
		entry entry;

		graph->metric.quantise(vector, entry);
		graph->net.addPoint(&entry, place);
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

/* ---- a search ---------------------------------------------------------------------------------
 *
 * The library's own is not used: it measures the entries behind a link one after the other, each of which
 * waits for memory, and counts its steps in variables that all threads write.
 */

namespace
{

using net_of = hnswlib::HierarchicalNSW<float>;
using node = std::pair<float, hnswlib::tableint>; /* distance, entry */

/* The list of entries that were come by, of the graph's pool. */
struct lease {
	hnswlib::VisitedListPool &pool;
	hnswlib::VisitedList *list;

	explicit lease(hnswlib::VisitedListPool &from) : pool(from), list(from.getFreeVisitedList())
	{
	}
	~lease()
	{
		pool.releaseVisitedList(list);
	}
};

struct search {
	const net_of &net;
	const entry &query;

	/* A number is out by a step's share that is even between -1/2 and 1/2: a deviation of 1/sqrt(12). */
	sl_graph_near tell(const node &of, float query_square) const
	{
		auto at = reinterpret_cast<const entry *>(net.getDataByInternalId(of.second));
		float a = at->scale * at->scale, b = query.scale * query.scale;

		return {static_cast<uint32_t>(net.getExternalLabel(of.second)), 1 - of.first,
			DEVIATIONS * std::sqrt((query_square * a + square(*at) * b) / 12)};
	}
	float square(const entry &of) const
	{
		return 1 - net.fstdistfunc_(&of, &of, net.dist_func_param_);
	}
	float measure(hnswlib::tableint of) const
	{
		return net.fstdistfunc_(&query, net.getDataByInternalId(of), net.dist_func_param_);
	}
	void fetch(hnswlib::tableint of) const
	{
		const char *from = net.getDataByInternalId(of);

		for (size_t at = 0; at < net.data_size_; at += LINE)
			__builtin_prefetch(from + at);
	}
};

/* Down to the lowest level: to the nearest of each, step by step. */
node descend(const search &s)
{
	node nearest = {s.measure(s.net.enterpoint_node_), s.net.enterpoint_node_};

	for (int level = s.net.maxlevel_; level > 0; level--) {
		for (bool nearer = true; nearer;) {
			auto *list = s.net.get_linklist(nearest.second, level);
			auto *to = reinterpret_cast<hnswlib::tableint *>(list + 1);
			size_t count = s.net.getListCount(list);

			nearer = false;
			for (size_t i = 0; i < count; i++)
				s.fetch(to[i]);
			for (size_t i = 0; i < count; i++) {
				float distance = s.measure(to[i]);

				if (distance < nearest.first) {
					nearest = {distance, to[i]};
					nearer = true;
				}
			}
		}
	}
	return nearest;
}

/* The links of an entry that were not come by before. */
size_t unseen(const search &s, hnswlib::tableint of, hnswlib::VisitedList *seen,
	      hnswlib::tableint *ret)
{
	auto *list = s.net.get_linklist0(of);
	auto *to = reinterpret_cast<hnswlib::tableint *>(list + 1);
	size_t count = s.net.getListCount(list), fresh = 0;

	for (size_t i = 0; i < count; i++) {
		if (seen->mass[to[i]] == seen->curV)
			continue;
		seen->mass[to[i]] = seen->curV;
		ret[fresh++] = to[i];
	}
	return fresh;
}

/* What was removed is a way, but no result. */
std::priority_queue<node> spread(const search &s, node from, size_t width,
				 hnswlib::VisitedList *seen)
{
	std::priority_queue<node, std::vector<node>, std::greater<node>> ways;
	std::priority_queue<node> results; /* the farthest on top */
	hnswlib::tableint near[2 * LINKS];

	auto take = [&](node of) {
		if (results.size() == width && of.first >= results.top().first)
			return;
		ways.push(of);
		__builtin_prefetch(s.net.get_linklist0(of.second));
		if (s.net.isMarkedDeleted(of.second))
			return;
		results.push(of);
		if (results.size() > width)
			results.pop();
	};

	seen->mass[from.second] = seen->curV;
	take(from);
	while (!ways.empty()) {
		node way = ways.top();
		size_t count;

		if (results.size() == width && way.first > results.top().first)
			break;
		ways.pop();
		count = unseen(s, way.second, seen, near);
		for (size_t i = 0; i < std::min(AHEAD, count); i++)
			s.fetch(near[i]);
		for (size_t i = 0; i < count; i++) {
			if (i + AHEAD < count)
				s.fetch(near[i + AHEAD]);
			take({s.measure(near[i]), near[i]});
		}
	}
	return results;
}

} // namespace

int sl_graph_search(const struct sl_graph *graph, const float *query, uint32_t count,
		    struct sl_graph_near *ret_near)
{
	return guarded([&] {
		const auto &net = graph->net;
		int found;
		entry entry;

		if (!net.cur_element_count)
			return 0;
		graph->metric.quantise(query, entry);
		search s = {net, entry};
		lease seen(*net.visited_list_pool_);
		auto results = spread(s, descend(s), std::max(count, SL_GRAPH_WIDTH), seen.list);
		float square = s.square(entry);

		found = static_cast<int>(results.size());
		for (; !results.empty(); results.pop())
			ret_near[results.size() - 1] = s.tell(results.top(), square);
		return found;
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
