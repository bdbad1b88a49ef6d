/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * document.h - a JSON document of the daemon, to be read.
 *
 * Wraps jansson; only document.c includes it. What is missing or of another kind reads as "", 0, false or an
 * empty list, so that a document of an older or a newer daemon is shown as far as it goes. Strings are
 * borrowed from the document, and may hold anything: safe.h is what makes them fit for a terminal.
 */
#ifndef SL_LOADER_DOCUMENT_H
#define SL_LOADER_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/text.h"

/* Any value of it; NULL reads as one that is not there. */
struct sl_document;

/* NULL: it is no JSON object, or there is no memory. */
struct sl_document *sl_document_read(struct sl_span json);
/* Everything borrowed from it ends. Takes NULL. */
void sl_document_free(struct sl_document **document);

const struct sl_document *sl_document_member(const struct sl_document *of, const char *name);
bool sl_document_has(const struct sl_document *of, const char *name); /* and it is not null */

const char *sl_document_string(const struct sl_document *of, const char *name);
double sl_document_real(const struct sl_document *of, const char *name);
uint64_t sl_document_number(const struct sl_document *of, const char *name); /* negative: 0 */
bool sl_document_true(const struct sl_document *of, const char *name);

/* Of a list: its items, and how many. Of a map: its names. */
size_t sl_document_count(const struct sl_document *list);
const struct sl_document *sl_document_at(const struct sl_document *list, size_t index);
double sl_document_value(const struct sl_document *number);

#endif
