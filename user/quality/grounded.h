/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * grounded.h - does an answer say what its context says? Sentence by sentence.
 *
 *	the answer -> sentences (sentences.h) -> those that claim something
 *	   each is read as words (policy/gates_read.h) and held against every sentence of the context:
 *	      numbers with their units and dates; names; what is negated, opposed or exchanged; the other
 *	      words; and how near its meaning is (embed)
 *	   -> the features -> a logistic function -> the probability that the context supports it
 *
 *	probability                 verdict       what then
 *	SL_GROUNDED_SURE and above  supported     -
 *	between                     doubtful      a judge may be asked: sl_grounded_settle()
 *	below SL_GROUNDED_UNSURE    unsupported   told with a reason and the word at fault
 *
 * Questions, greetings, disclaimers ("the documents do not say"), leads ("These are the steps:"), code and
 * marks claim nothing, and do not count. An answer without a claim has nothing that could be wrong.
 *
 * Coefficients are fitted on half of tests/data/grounded-pairs.txt, once with and once without meaning; the
 * test tests/unit/quality/grounded_pairs.c fits them again and tells precision, recall and calibration of
 * the other half. English for names, negation and the like; numbers and words of any script.
 *
 * Pure but for its callbacks; any thread that may take its time: a few ms, and 3 for each embedding.
 */
#ifndef SL_QUALITY_GROUNDED_H
#define SL_QUALITY_GROUNDED_H

#include "user/policy/gates_read.h"

#define SL_GROUNDED_CLAIMS_MAX	 32u  /* of an answer; what is behind them is not looked at */
#define SL_GROUNDED_PASSAGES_MAX 256u /* sentences of a context; the same */
#define SL_GROUNDED_EMBEDS_MAX	 96u  /* texts; without more the rest is judged by its words */
#define SL_GROUNDED_SURE	 0.8
#define SL_GROUNDED_UNSURE	 0.5

enum sl_grounded_feature {
	SL_GROUNDED_ONE = 0,	  /* always 1 */
	SL_GROUNDED_UNCOVERED,	  /* share of its words that the context has nowhere */
	SL_GROUNDED_RUN,	  /* longest run of such, in quarters of four */
	SL_GROUNDED_APART,	  /* share that it has, but not in the passage nearest */
	SL_GROUNDED_CLAUSE,	  /* share that the passage has, but not in one of its clauses */
	SL_GROUNDED_FAR,	  /* 1 - similarity of the nearest passage; 0 without meaning */
	SL_GROUNDED_STRANGE,	  /* uncovered and far, multiplied */
	SL_GROUNDED_NUMBER,	  /* a number that the context has not */
	SL_GROUNDED_NUMBER_APART, /* or not in the clause that says the same, which has another */
	SL_GROUNDED_UNIT,	  /* a number with another unit */
	SL_GROUNDED_NAME,	  /* a name that the context has not */
	SL_GROUNDED_NAME_APART,	  /* or not in the passage nearest */
	SL_GROUNDED_REPLACED,	  /* a word in another's place, that the context has elsewhere */
	SL_GROUNDED_NEGATION,	  /* one says not, and the other does not */
	SL_GROUNDED_POLARITY,	  /* opposites */
	SL_GROUNDED_SWAP,	  /* exchanged: who did it to whom, what number belongs to what */
	SL_GROUNDED_FEATURES
};

enum sl_grounded_verdict {
	SL_GROUNDED_DOUBTFUL = 0,
	SL_GROUNDED_SUPPORTED,
	SL_GROUNDED_UNSUPPORTED,
};

struct sl_grounded_claim {
	struct sl_span text; /* within the answer */
	struct sl_span
		passage; /* within the context: the sentence nearest; data NULL: it is empty */
	enum sl_grounded_verdict verdict;
	enum sl_grounded_feature reason;  /* what spoke most against it; ONE: nothing */
	char word[SL_GATES_WORD_MAX + 1]; /* the number, name or word of that; or "" */
	float features[SL_GROUNDED_FEATURES];
	bool has_meaning;   /* FAR is set */
	bool judged;	    /* the verdict is a judge's */
	double probability; /* that it is supported, before a judge */
};

struct sl_grounded {
	uint32_t count;	 /* of claims */
	uint32_t silent; /* sentences that claim nothing */
	uint32_t supported, doubtful, unsupported;
	uint32_t embedded; /* texts */
	bool cut;	   /* answer or context was longer than what was looked at */
	double score; /* share of the claims that are supported, a doubtful one by its probability;
			    * 1 without claims */
	double probability; /* that all are */
	struct sl_grounded_claim claims[SL_GROUNDED_CLAIMS_MAX];
};

struct sl_grounded_ask {
	const struct sl_gates_lexicon *lexicon;
	struct sl_span context, answer;
	/* The vector of a text, of length 1 and `dimensions` numbers; not 0: none. NULL: no meaning. */
	int (*embed)(void *owner, struct sl_span text, float *ret_vector);
	void *owner;
	uint32_t dimensions;
};

/* ret_grounded's spans point into ask's texts. Returns 0 or -ENOMEM. */
int sl_grounded_run(const struct sl_grounded_ask *ask, struct sl_grounded *ret_grounded);

/*
 * Asks a judge about the doubtful claims, the most doubtful first, `most` at most: 1 supported, 0 not,
 * below 0 it cannot tell: that claim stays doubtful, and after the first such nobody is asked any more.
 * Score, probability and counts follow. Returns how many were judged.
 */
uint32_t sl_grounded_settle(struct sl_grounded *grounded, uint32_t most,
			    int (*judge)(void *owner, const struct sl_grounded_claim *claim),
			    void *owner);

/* "number", "name"; "supported". */
const char *sl_grounded_feature_name(enum sl_grounded_feature feature);
const char *sl_grounded_verdict_name(enum sl_grounded_verdict verdict);

#endif
