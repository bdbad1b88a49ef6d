/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_grounded.h"

#include <string.h>
#include "user/policy/shadow.h"
#include "user/stage/retrieve_grounded.h"

enum family { ANSWERS, CLAIMS, SKIPPED, JUDGED, PROBES, RATE, POOR, FAMILIES };

static const struct {
	const char *name, *type, *help;
} families[FAMILIES] = {
	[ANSWERS] = {"sluice_grounded_answers_total", "counter",
		     "Answers made with documents that were judged: do they say what these say?"},
	[CLAIMS] = {"sluice_grounded_claims_total", "counter", "Sentences of them, by verdict."},
	[SKIPPED] = {"sluice_grounded_skipped_total", "counter",
		     "Answers whose turn it was and that were not judged, by reason."},
	[JUDGED] = {"sluice_grounded_judge_total", "counter",
		    "Doubtful sentences that the judge settled, and answers of which it could not "
		    "tell."},
	[PROBES] = {"sluice_grounded_probes_total", "counter",
		    "Questions that got documents to see whether answers follow them again."},
	[RATE] =
		{"sluice_hallucination_ratio", "gauge",
		 "Share of the judged answers, of late, that had an unsupported sentence, with the "
		 "bounds of its 95 percent interval."},
	[POOR] = {"sluice_grounded_poor", "gauge",
		  "1: answers do not follow the documents, and the route goes on without them."},
};

static void sample(struct sl_text *text, enum family family, const char *route, const char *label,
		   double value)
{
	sl_text_printf(text, "%s{route=\"", families[family].name);
	sl_text_append_json(text, route, strlen(route));
	sl_text_printf(text, "\"%s} %.10g\n", label, value);
}

static void write_rate(const struct sl_grounding_counts *counts, const char *route,
		       struct sl_text *text)
{
	double low, high;

	sl_shadow_wilson(counts->recent_ungrounded, counts->recent, &low, &high);
	sample(text, RATE, route, ",bound=\"low\"", low);
	sample(text, RATE, route, ",bound=\"high\"", high);
	if (counts->recent)
		sample(text, RATE, route, ",bound=\"measured\"",
		       (double)counts->recent_ungrounded / (double)counts->recent);
}

static void write_family(enum family family, const struct sl_grounding_counts *counts,
			 const char *route, struct sl_text *text)
{
	uint64_t supported = counts->claims - counts->unsupported - counts->doubtful;

	switch (family) {
	case ANSWERS:
		sample(text, family, route, ",verdict=\"grounded\"",
		       (double)(counts->answers - counts->ungrounded));
		sample(text, family, route, ",verdict=\"ungrounded\"", (double)counts->ungrounded);
		break;
	case CLAIMS:
		sample(text, family, route, ",verdict=\"supported\"", (double)supported);
		sample(text, family, route, ",verdict=\"doubtful\"", (double)counts->doubtful);
		sample(text, family, route, ",verdict=\"unsupported\"",
		       (double)counts->unsupported);
		break;
	case SKIPPED:
		sample(text, family, route, ",reason=\"budget\"", (double)counts->spared);
		sample(text, family, route, ",reason=\"full\"", (double)counts->full);
		sample(text, family, route, ",reason=\"too_long\"", (double)counts->too_long);
		sample(text, family, route, ",reason=\"no_claim\"", (double)counts->silent);
		break;
	case JUDGED:
		sample(text, family, route, ",result=\"settled\"", (double)counts->judged);
		sample(text, family, route, ",result=\"failed\"", (double)counts->unjudged);
		break;
	case PROBES:
		sample(text, family, route, "", (double)counts->probes);
		break;
	case RATE:
		write_rate(counts, route, text);
		break;
	default:
		sample(text, family, route, "", counts->poor);
		break;
	}
}

void sl_metrics_write_grounded(const struct sl_metrics_source *source, struct sl_text *text)
{
	uint32_t route, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);
	const struct sl_stores *stores = source->workers[0]->stores;
	struct sl_grounding_counts counts;

	if (!stores || !stores->groundings)
		return;
	for (int family = 0; family < FAMILIES; family++) {
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
			       families[family].help, families[family].name, families[family].type);
		for (route = 1; route < count; route++) {
			if (sl_groundings_read(stores->groundings, route, &counts))
				write_family((enum family)family, &counts,
					     source->names->names[route], text);
		}
	}
}
