/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_ask.h - what `sluice top` asks of the daemon: the document of the status page, more about one thing, and
 * the page's own deeds, which the daemon writes to its audit trail with the number of the user who did them.
 *
 * Each is one exchange on the admin socket, with its time-outs (admin.h).
 */
#ifndef SL_LOADER_TOP_ASK_H
#define SL_LOADER_TOP_ASK_H

#include "loader/document.h"
#include "user/base/text.h"

#define SL_TOP_DOCUMENT_BYTES_MAX (16u << 20)
#define SL_TOP_WHY_BYTES	  160u

/*
 * The page's document. *json keeps its text. On failure *ret_document stays, and `why` says why there is none:
 * errors of sl_admin_say(); -EPROTO: what came is no such document; -EBUSY: the daemon refused.
 */
int sl_top_ask(const char *socket, struct sl_text *json, struct sl_document **ret_document,
	       char why[SL_TOP_WHY_BYTES]);

/*
 * Does what the page's button does: "drain?pool=gpu&node=..." (values as sl_top_ask_value() writes them).
 * Returns whether it was done; `said` is what the daemon said about it, or why there is no answer.
 */
bool sl_top_ask_deed(const char *socket, const char *deed, char said[SL_TOP_WHY_BYTES]);

/*
 * The same of a node where no daemon answers: runs the command itself, "drain" or "breaker open", with the node
 * as POOL/INDEX. Returns whether it ended well; `said` is the first line that it printed.
 */
bool sl_top_ask_command(const char *const words[], const char *pin_dir,
			char said[SL_TOP_WHY_BYTES]);

/* A value of a query, with everything but letters and digits as %XX. */
void sl_top_ask_value(struct sl_text *text, const char *value);

#endif
