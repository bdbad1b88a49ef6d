/* SPDX-License-Identifier: BSD-2-Clause */
/* grounded_parts.h - what the files of grounded.c share. */
#ifndef SL_QUALITY_GROUNDED_PARTS_H
#define SL_QUALITY_GROUNDED_PARTS_H

#include "user/quality/grounded.h"
#include "user/quality/sentences.h"

#define SL_GROUNDED_PLAIN_BYTES 1024u
#define SL_GROUNDED_FIGURES_MAX 16u

/* A number of a sentence. */
struct sl_grounded_figure {
	double value;
	const char *unit;    /* root of its unit in the reading, or NULL */
	const char *literal; /* its text, where it is no number: an address, a version; or NULL */
	uint8_t at;	     /* its word, */
	uint8_t end;	     /* and the one behind it and its unit */
	bool about;	     /* "about", "nearly" */
};

/* A sentence, read; of one with more words than are read at once a piece. */
struct sl_grounded_passage {
	struct sl_span text;
	struct sl_span plain; /* within `room` */
	char room[SL_GROUNDED_PLAIN_BYTES];
	struct sl_gates_reading reading;
	struct sl_grounded_figure figures[SL_GROUNDED_FIGURES_MAX];
	uint32_t figure_count;
	bool cut;      /* its end was not read */
	float *vector; /* NULL: not embedded */
	bool tried;
};

struct sl_grounded_work {
	const struct sl_grounded_ask *ask;
	struct sl_grounded *grounded;
	struct sl_grounded_passage *passages;
	uint32_t passage_count;
	bool unread; /* there is more in the context than in the passages */
	struct sl_grounded_passage claim;
	struct sl_grounded_passage clause, other; /* of a claim, of a passage: for the while */
	float *vectors;				  /* room for SL_GROUNDED_EMBEDS_MAX */
	uint32_t vector_count;
};

/*
 * A sentence as the readers want it: no marks of citation and of type, ISO dates and times of day, "50k",
 * "3.4bn" and units after numbers written out. out: SL_GROUNDED_PLAIN_BYTES. Returns what was written;
 * ret_cut: there was more.
 */
struct sl_span sl_grounded_plain(struct sl_span sentence, char *out, bool *ret_cut);

/* Plain, words, figures. */
void sl_grounded_read(const struct sl_gates_lexicon *lexicon, struct sl_span sentence,
		      struct sl_grounded_passage *ret_passage);

/* How a figure stands to another. */
enum sl_grounded_match { SL_GROUNDED_OTHER = 0, SL_GROUNDED_OTHER_UNIT, SL_GROUNDED_EQUAL };
enum sl_grounded_match sl_grounded_compare(const struct sl_grounded_figure *a,
					   const struct sl_grounded_figure *b);

/* Does a sentence claim anything? */
bool sl_grounded_claims(struct sl_span sentence, enum sl_sentence_kind kind,
			const struct sl_grounded_passage *read);

/* Features, passage, reason's word of one claim, which is work->claim. */
void sl_grounded_look(struct sl_grounded_work *work, struct sl_grounded_claim *claim);

/* How much a word counts: 0 for those of grammar and of talk about documents. */
float sl_grounded_weight(const struct sl_gates_word *word);
/* The same word, or of the same stem. */
bool sl_grounded_akin(const struct sl_gates_word *a, const struct sl_gates_word *b);

/* Exchanged roles: figures and what they belong to; who did it to whom. */
bool sl_grounded_is_swapped(const struct sl_grounded_work *work,
			    const struct sl_grounded_passage *nearest,
			    const struct sl_gates_word **ret_word);
/* A word of the claim that is negated where it says yes, or the other way; NULL: none. beside: NULL too. */
const struct sl_gates_word *sl_grounded_negated(const struct sl_grounded_work *work,
						const struct sl_grounded_passage *nearest,
						const struct sl_grounded_passage *beside);
/* Opposites: rise and fall, before and after. */
bool sl_grounded_opposed(const struct sl_gates_reading *a, const struct sl_gates_reading *b);
/* The passage says the same as the claim, but for another word in the place of one that the context has
 * elsewhere: that one. here, anywhere: bit by word of the claim, what passage and context have. Or NULL. */
const struct sl_gates_word *sl_grounded_replaced(const struct sl_gates_reading *claim,
						 const struct sl_gates_reading *passage,
						 uint64_t here, uint64_t anywhere);

/* Coefficients: of claims with and without meaning; of answers (1, logit of the worst claim, ln count). */
extern const double sl_grounded_weights[2][SL_GROUNDED_FEATURES];
extern const double sl_grounded_answer_weights[2][3];

double sl_grounded_logistic(const double *weights, const double *values, uint32_t count);

#endif
