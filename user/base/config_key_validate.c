/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of a route's checks. */
#include "user/base/config_key_rows.h"

#define VALIDATE(member)     offsetof(struct sl_config_route, validate.member)
#define CITATION_PATTERN_MAX 512u /* wire/citation.h */
#define REFUSAL_MAX	     400u
#define REPAIRS_MAX	     2u

/* The order of enum sl_pii_kind, from its first kind on. */
static const char *const pii_choices[] = {"email", "phone",    "card",	 "iban",
					  "ssn",   "national", "secret", NULL};
static const char *const lists_choices[] = {"redact", "block", NULL};
static const char *const way_choices[] = {"in", "out", NULL};
static const char *const down_choices[] = {"closed", "open", NULL};
static const char *const citation_choices[] = {"none", "numbers", "links", NULL};
/* The order of enum sl_language. */
static const char *const language_choices[] = {"en", "de", "fr", "es", "pt", "it", "nl", "pl",
					       "sv", "cs", "tr", "ru", "uk", "el", "ar", "fa",
					       "he", "hi", "th", "ko", "ja", "zh", NULL};
static const char *const found_choices[] = {"redact", "mask", "block", NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "validate", 0, NULL, SL_CONFIG_ROUTE_VALIDATE, 0,
	 NULL, false, "a map", "Checks of what goes to models and of what comes back."},

	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_SET, "pii_in", VALIDATE(pii_in), NULL, 0, 0,
	 pii_choices, false, NULL,
	 "Personal data and secrets that are looked for in requests, before a model or a cache "
	 "sees "
	 "them."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "pii_in_found", VALIDATE(pii_in_found),
	 "redact", 0, 0, found_choices, false, NULL,
	 "`redact`: `[email]` stands where it was. `mask`: most of it becomes stars. `block`: "
	 "400."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_SET, "pii_out", VALIDATE(pii_out), NULL, 0, 0,
	 pii_choices, false, NULL,
	 "The same in answers, streams too: of these the last word is held back until it is known "
	 "to "
	 "be none."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "pii_out_found", VALIDATE(pii_out_found),
	 "redact", 0, 0, found_choices, false, NULL,
	 "As `pii_in_found`; `block`: `refusal` instead of the answer, an error event in a "
	 "stream."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_PATHS, "lists_in", VALIDATE(lists_in), NULL, 0,
	 PATH_LEN_MAX, NULL, false, NULL,
	 "Files of words, names and expressions that are looked for in requests, a line each; read "
	 "again when they change."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "lists_in_found", VALIDATE(lists_in_block),
	 "redact", 0, 0, lists_choices, false, NULL,
	 "`redact`: `[removed]` stands where it was. `block`: 400."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_PATHS, "lists_out", VALIDATE(lists_out), NULL, 0,
	 PATH_LEN_MAX, NULL, false, NULL,
	 "The same in answers, streams too: of these as much is held back as the longest match "
	 "may be long, at most 260 bytes."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "lists_out_found", VALIDATE(lists_out_block),
	 "redact", 0, 0, lists_choices, false, NULL,
	 "As `lists_in_found`; `block`: `refusal` instead of the answer, an error event in a "
	 "stream."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "schema", VALIDATE(schema), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "Answers must be as `response_format.json_schema` says, and arguments of tool calls as "
	 "the "
	 "tool's `parameters`. A schema with a keyword that is not supported is refused with 400."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "empty", VALIDATE(empty), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "An answer with neither text nor a tool call is a wrong one."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "refusals", VALIDATE(refusals), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "An answer that only says that the model will not or cannot help is a wrong one."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_SET, "language", VALIDATE(languages), NULL, 0, 0,
	 language_choices, false, NULL,
	 "Languages that an answer may be in. Short texts and those of no known language pass."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "citation", VALIDATE(citation), "none", 0, 0,
	 citation_choices, false, NULL,
	 "What an answer must name its sources by. `numbers`: [1], where the question numbers its "
	 "documents so, as those of `retrieve` are. `links`: a link, always."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_TEXT, "citation_pattern", VALIDATE(citation_pattern),
	 NULL, 1, CITATION_PATTERN_MAX, NULL, false, "a regular expression",
	 "What a citation looks like, of which an answer must have one (ECMA-262, like "
	 "`\\[doc:(?<chunk>[a-z0-9.-]+)\\]`). Where it has a group named `chunk`, that must be "
	 "the number, the id or the document of a chunk that `retrieve` gave. Where the route "
	 "retrieves and none was given, none is asked for."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_POOL_REF, "moderation", VALIDATE(moderation), NULL, 0,
	 0, NULL, false, NULL,
	 "A pool that is asked by POST /v1/moderations about questions and answers. What it flags "
	 "is refused: 400, or `refusal` instead of the answer."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_SET, "moderate", VALIDATE(moderated), NULL, 0, 0,
	 way_choices, false, NULL, "What it is asked about; both where not set."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_MS, "moderation_timeout", VALIDATE(moderation_ms),
	 "1s", 10, 60000, NULL, false, NULL, "How long it is waited for, each time."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "moderation_down", VALIDATE(moderation_open),
	 "closed", 0, 0, down_choices, false, NULL,
	 "When it does not answer in time, or not as it should. `closed`: 503 for a question, "
	 "`refusal` instead of an answer, because what was not looked at is not safe; streams are "
	 "ended by an error event. `open`: it passes, and `x-sluice-degraded` says so, of a stream "
	 "the log and the counter."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_U32, "moderation_piece", VALIDATE(moderation_piece),
	 "400", 32, 65536, NULL, false, NULL,
	 "Bytes of a stream's text that are asked about at once: from so many on where a sentence "
	 "ends, at twice as many where a word does, at four times as many anywhere."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_BYTES, "moderation_hold", VALIDATE(moderation_hold),
	 "64KiB", 0, 1048576, NULL, false, NULL,
	 "How much of a stream, its framing included, is held back until it was asked about; then "
	 "the node is not read for a while. 0: nothing, it goes out at once, and the stream is "
	 "ended when what went out is flagged."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_U32, "repairs", VALIDATE(repairs), "1", 0, REPAIRS_MAX,
	 NULL, false, NULL,
	 "Times that the same pool is asked again about a wrong answer, with the reason."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_CHOICE, "other_model", VALIDATE(other), "true", 0, 0,
	 sl_config_bools, false, NULL, "Then the next one of `pools` is asked, once."},
	{SL_CONFIG_ROUTE_VALIDATE, SL_CONFIG_TEXT, "refusal", VALIDATE(refusal),
	 "I cannot give an answer to that.", 1, REFUSAL_MAX, NULL, false, "a text",
	 "What the client is told when nothing helped, as the answer, with finish_reason "
	 "`content_filter`."},
};

const struct sl_config_key_table sl_config_keys_validate = SL_CONFIG_KEY_TABLE(keys);
