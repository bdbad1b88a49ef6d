/* SPDX-License-Identifier: BSD-2-Clause */
/* gates_words.h - the words that gates.c knows. Lists of words apart by spaces; constant data. */
#ifndef SL_POLICY_GATES_WORDS_H
#define SL_POLICY_GATES_WORDS_H

/* Words of grammar, of asking and of politeness: without meaning of their own for the answer. */
extern const char sl_gates_fillers[];
extern const char sl_gates_negations[];
/* Each line is a group; its first word stands for all of them. Ends with NULL. */
extern const char *const sl_gates_synonyms[];
extern const char *const sl_gates_units[];
extern const char *const sl_gates_numbers[];
/* Two words that are one: "turn on" becomes "enable". Triples first, second, both. Ends with NULL. */
extern const char *const sl_gates_phrases[][3];
/* Opposites: words of one side | words of the other. Ends with NULL. */
extern const char *const sl_gates_opposites[];

#endif
