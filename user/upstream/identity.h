/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * identity.h - what the nodes say they are: the names in their answers, held against those before.
 *
 * An answer names its model, and with some servers a fingerprint of what runs it. Of each node, for each
 * name that it is asked for, the pair that it said last is kept as one word, which any thread may read: an
 * answer that says the same costs a look at that word. Any other takes the lock.
 *
 *   record     means                                           leaves by
 *   accepted   says the name it was asked for, one that its    another name, a new fingerprint
 *              pool expects, or what it said at first
 *   changed    says something else                             the accepted names, accept(), sweep()
 *
 * A pool with a changed record has its alarm on the board of policy/drift.h. Fingerprints: a fleet behind
 * one address alternates, so all that were seen when they are accepted are right from then on; one that has
 * more than SL_IDENTITY_SEEN_MAX of them says nothing by them, and only its model is looked at. A name that
 * is missing is no other name.
 *
 *   word     63-32  tag: the node's incarnation and what it was asked for; the word is 0 when there is none
 *            31-2   hash of what it said
 *            1      of the model alone
 *            0      changed
 *
 * A change that two hashes of 30 bits hide is one in 10^9. What is first said is taken as right, so a new
 * process begins anew.
 *
 * Thread: any, where nothing else is said.
 */
#ifndef SL_UPSTREAM_IDENTITY_H
#define SL_UPSTREAM_IDENTITY_H

#include "user/base/text.h"
#include "user/upstream/upstream.h"

struct sl_drift_board;

#define SL_IDENTITY_ASKED_MAX \
	16u /* names that one node is asked for; of further ones nothing is kept */
#define SL_IDENTITY_SEEN_MAX   8u   /* different ones of a record that are told apart */
#define SL_IDENTITY_TEXT_BYTES 128u /* kept of a name; NUL included */

struct sl_identities;

/* What one answer says. All borrowed for the call. */
struct sl_identity_said {
	struct sl_span asked;	    /* the model that the node was asked for, plain */
	bool listed;		    /* by its list of models instead of an answer */
	struct sl_span model;	    /* a JSON string as it came; never empty */
	struct sl_span fingerprint; /* the same; empty: not said */
};

/* Does it name what was asked for, or a name that the pool expects in its place? */
bool sl_identity_is_expected(const struct sl_upstream_pool *pool,
			     const struct sl_identity_said *said);

/* Takes it in. Returns true while what the node says is not accepted. ids NULL: never. */
bool sl_identity_note(struct sl_identities *ids, const struct sl_upstream_pool *pool,
		      const struct sl_upstream_node *node, const struct sl_identity_said *said);

/* One record, for whoever shows it; borrowed for the call. */
struct sl_identity_view {
	uint32_t slot;
	const char *pool, *node, *asked;
	bool listed;
	const char *model, *accepted; /* says, and said when it was accepted */
	const char *fingerprint;      /* "" : never said */
	bool model_changed, fingerprint_changed;
	bool differs; /* from another node of the pool that was asked for the same */
};

/* Calls fn for each record, under the lock. */
void sl_identities_each(struct sl_identities *ids,
			void (*fn)(void *arg, const struct sl_identity_view *view), void *arg);

struct sl_identity_counts {
	uint64_t models, fingerprints; /* changes, those back included */
	uint64_t unwatched;	       /* answers beyond SL_IDENTITY_ASKED_MAX names */
	uint32_t changed;	       /* records that are */
};

/* Of one node slot since the start of the process. */
struct sl_identity_counts sl_identity_counts(const struct sl_identities *ids, uint32_t slot);

/* What the pool's nodes say is right from now on. Returns how many records were not. */
uint32_t sl_identities_accept(struct sl_identities *ids, const char *pool);

/* Forgets the nodes that keep() does not want. */
void sl_identities_sweep(struct sl_identities *ids,
			 bool (*keep)(void *arg, uint32_t slot, uint32_t incarnation,
				      const char *pool),
			 void *arg);

/* board: borrowed, with the pools' names in it; NULL: none. 0 or -ENOMEM. */
int sl_identities_open(struct sl_drift_board *board, struct sl_identities **ret_ids);
void sl_identities_close(struct sl_identities **ids);

#endif
