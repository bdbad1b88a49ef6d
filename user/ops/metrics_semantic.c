/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_semantic.h"

#include <inttypes.h>
#include <string.h>
#include "user/policy/shadow.h"
#include "user/stage/semantic_shadow.h"
#include "user/stage/stage.h"
#include "user/store/semantic.h"

static void write_one(struct sl_text *text, const char *name, const char *type, const char *help,
		      uint64_t value)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
		       name, value);
}

static void write_lookups(const struct sl_semantic_counts *counts, struct sl_text *text)
{
	static const char *const verdicts[SL_SEMANTIC_VERDICTS] = {
		[SL_SEMANTIC_NONE] = "none",
		[SL_SEMANTIC_FAR] = "far",
		[SL_SEMANTIC_GATED] = "gated",
		[SL_SEMANTIC_HIT] = "hit",
	};

	sl_text_append_string(
		text, "# HELP sluice_semantic_cache_lookups_total Questions that were looked "
		      "for, by what was found: none, none near enough (far), near ones that "
		      "the gates refused (gated), an answer (hit).\n"
		      "# TYPE sluice_semantic_cache_lookups_total counter\n");
	for (int i = 0; i < SL_SEMANTIC_VERDICTS; i++)
		sl_text_printf(text,
			       "sluice_semantic_cache_lookups_total{result=\"%s\"} %" PRIu64 "\n",
			       verdicts[i], counts->found[i]);
	sl_text_append_string(
		text, "# HELP sluice_semantic_cache_gated_total Lookups that a gate refused, "
		      "by the gate of the nearest question.\n"
		      "# TYPE sluice_semantic_cache_gated_total counter\n");
	for (int i = SL_GATE_PASSED + 1; i < SL_GATES; i++)
		sl_text_printf(text, "sluice_semantic_cache_gated_total{gate=\"%s\"} %" PRIu64 "\n",
			       sl_gate_name((enum sl_gate)i), counts->gated[i]);
}

/* ---- shadows, of the routes that had a hit ---------------------------------------------------- */

#define ONE 1000000000.0 /* a similarity of 1 */

enum family { SHADOWS, JUDGED, TOKENS, MOVES, THRESHOLD, FALSE_HITS, FAMILIES };

static const struct {
	const char *name, *type, *help;
} families[FAMILIES] = {
	[SHADOWS] = {"sluice_semantic_cache_shadows_total", "counter",
		     "Kept answers for which the model was asked as well, by what came of it; "
		     "spared: none was, for want of tokens or room."},
	[JUDGED] =
		{"sluice_semantic_cache_judged_total", "counter",
		 "Pairs of answers that were put to the judge; failed: it was down, late or said "
		 "neither, and the vectors of the answers were compared."},
	[TOKENS] = {"sluice_semantic_cache_shadow_tokens_total", "counter",
		    "Tokens that this has used."},
	[MOVES] = {"sluice_semantic_cache_threshold_moves_total", "counter",
		   "Times that the threshold moved."},
	[THRESHOLD] = {"sluice_semantic_cache_threshold", "gauge",
		       "Similarity that the route asks for now."},
	[FALSE_HITS] = {"sluice_semantic_cache_false_hits_ratio", "gauge",
			"Share of kept answers that differed from the model's since the threshold "
			"moved, with the bounds of its 95 percent interval."},
};

static void sample(struct sl_text *text, enum family family, const char *route, const char *label,
		   double value)
{
	sl_text_printf(text, "%s{route=\"", families[family].name);
	sl_text_append_json(text, route, strlen(route));
	sl_text_printf(text, "\"%s} %.10g\n", label, value);
}

static void write_family(enum family family, const struct sl_shadow *shadow, const char *route,
			 struct sl_text *text)
{
	uint64_t samples = (uint64_t)shadow->agreed + shadow->differed;
	double low, high;

	switch (family) {
	case SHADOWS:
		sample(text, family, route, ",result=\"agreed\"", (double)shadow->all_agreed);
		sample(text, family, route, ",result=\"differed\"", (double)shadow->all_differed);
		sample(text, family, route, ",result=\"failed\"", (double)shadow->failed);
		sample(text, family, route, ",result=\"spared\"", (double)shadow->spared);
		break;
	case JUDGED:
		sample(text, family, route, ",result=\"judged\"", (double)shadow->judged);
		sample(text, family, route, ",result=\"failed\"", (double)shadow->judge_failed);
		break;
	case TOKENS:
		sample(text, family, route, "", (double)shadow->all_tokens);
		break;
	case MOVES:
		sample(text, family, route, ",direction=\"up\"", (double)shadow->raised);
		sample(text, family, route, ",direction=\"down\"", (double)shadow->lowered);
		break;
	case THRESHOLD:
		sample(text, family, route, "", (double)shadow->threshold / ONE);
		break;
	default:
		sl_shadow_wilson(shadow->differed, samples, &low, &high);
		sample(text, family, route, ",bound=\"low\"", low);
		sample(text, family, route, ",bound=\"high\"", high);
		if (samples)
			sample(text, family, route, ",bound=\"measured\"",
			       (double)shadow->differed / (double)samples);
		break;
	}
}

static void write_shadows(const struct sl_metrics_source *source, struct sl_shadows *shadows,
			  struct sl_text *text)
{
	uint32_t route, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);
	struct sl_shadow shadow;

	for (int family = 0; family < FAMILIES; family++) {
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
			       families[family].help, families[family].name, families[family].type);
		for (route = 1; route < count; route++) {
			if (sl_shadows_read(shadows, route, &shadow))
				write_family((enum family)family, &shadow,
					     source->names->names[route], text);
		}
	}
}

void sl_metrics_write_semantic(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_stores *stores = source->worker_count ? source->workers[0]->stores : NULL;
	struct sl_semantic_counts counts;

	if (!stores || !stores->semantic)
		return;
	sl_semantic_count(stores->semantic, &counts);
	write_lookups(&counts, text);
	write_one(text, "sluice_semantic_cache_entries", "gauge", "Answers kept by their meaning.",
		  counts.entries);
	write_one(text, "sluice_semantic_cache_bytes", "gauge",
		  "Memory of questions, answers and vectors.", counts.bytes);
	write_one(text, "sluice_semantic_cache_insertions_total", "counter",
		  "Answers that were kept.", counts.inserted);
	write_one(text, "sluice_semantic_cache_refused_total", "counter",
		  "Answers too large to keep, or no memory.", counts.refused);
	write_one(text, "sluice_semantic_cache_evictions_total", "counter",
		  "Answers that went for want of room.", counts.evicted);
	write_one(text, "sluice_semantic_cache_purged_total", "counter",
		  "Answers that were purged by hand.", counts.purged);
	write_one(text, "sluice_semantic_cache_disk_errors_total", "counter",
		  "Times that the database failed; the cache went on in memory.",
		  counts.disk_errors);
	write_shadows(source, stores->shadows, text);
}
