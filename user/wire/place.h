/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the translation of a request stands, and what refusing a part of it needs. Shared by those
 * who translate into chat completions and out of them. Pure but for sl_text; any thread.
 *
 * Functions return SL_OPENAI_OK or the id of an error that they have written to s->error.
 */
#ifndef SL_USER_WIRE_PLACE_H
#define SL_USER_WIRE_PLACE_H

#include "user/base/text.h"
#include "user/wire/openai.h"

#define SL_PLACE_PARAM_BYTES 128 /* longest path of a field in an error, NUL included */

/*
 * What an error's path is made of, formatted only for an error: list[item].inner[part].inner[deep].key,
 * or as the Messages API says it, list.item.inner.part.inner.deep.key.
 */
struct sl_place {
	struct sl_text *out;
	struct sl_openai_error *error;
	char *param;	   /* SL_PLACE_PARAM_BYTES */
	const char *list;  /* "input", "tools", or the path itself */
	long item;	   /* -1: none */
	const char *inner; /* "content" or another array of the item */
	long part;	   /* -1: none */
	long deep;	   /* -1: none */
	bool dots;
};

/* At the top level. All is borrowed. */
void sl_place_init(struct sl_place *s, struct sl_text *out, struct sl_openai_error *error,
		   char param[SL_PLACE_PARAM_BYTES]);

/* An error about `key` at the present place; "" or NULL: about the place itself. */
enum sl_openai_error_id sl_place_refuse(struct sl_place *s, enum sl_openai_error_id id,
					const char *key, const char *expected);

/* The same about a field of the top level. */
enum sl_openai_error_id sl_place_refuse_top(struct sl_place *s, enum sl_openai_error_id id,
					    const char *key, const char *expected);

/*
 * Reads an object (valid as part of a scanned text) into fields; others are not looked at, but for
 * strict: then a field that is not among them and not null is refused.
 */
enum sl_openai_error_id sl_place_object_read(struct sl_place *s, const struct sl_json_field *object,
					     struct sl_json_field *fields, size_t field_count,
					     bool strict);

/* The first member that is neither among the fields nor null. Returns false when there is none. */
bool sl_place_unknown(const struct sl_json_field *object, const struct sl_json_field *fields,
		      size_t field_count, struct sl_json_field *ret_key);
enum sl_openai_error_id sl_place_refuse_unknown(struct sl_place *s,
						const struct sl_json_field *key);

#endif
