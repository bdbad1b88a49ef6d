/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of feedback and evaluation: feedback, evaluation, routes[].evaluate. */
#include "user/base/config_key_rows.h"

#define FEEDBACK(member) offsetof(struct sl_config, feedback.member)
#define EVAL(member)	 offsetof(struct sl_config, evaluation.member)
#define ROUTE(member)	 offsetof(struct sl_config_route, evaluate.member)

#define ONE		 1000000000u
#define SHARE_EXPECTED	 "a share like 0.05, 0 to 1"
#define RUBRIC_BYTES_MAX 4000u
#define TENANTS_LEN_MAX	 1000u

static const char *const contexts[] = {"documents", "messages", "none", NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "feedback", 0, NULL, SL_CONFIG_FEEDBACK, 0, NULL,
	 false, "a map", "What clients think of answers (`POST /v1/feedback`)."},
	{SL_CONFIG_FEEDBACK, SL_CONFIG_CHOICE, "enabled", FEEDBACK(on), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "Takes ratings. Off, the endpoint is none: a gateway that keeps what people say must be "
	 "asked to."},
	{SL_CONFIG_FEEDBACK, SL_CONFIG_PATH, "path", FEEDBACK(path), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "Database of the ratings and of the newest answers that may be rated, for the daemon "
	 "alone. Without it both are forgotten with the process. Takes effect at the next start."},
	{SL_CONFIG_FEEDBACK, SL_CONFIG_U32, "per_minute", FEEDBACK(per_minute), "600", 0, 1000000,
	 NULL, false, NULL, "Ratings in a minute, of one key. 0: no limit."},
	{SL_CONFIG_FEEDBACK, SL_CONFIG_CHOICE, "comments", FEEDBACK(comments), "true", 0, 0,
	 sl_config_bools, false, NULL,
	 "Comments are kept, with personal data and secrets taken out. `false`: they are not."},
	{SL_CONFIG_FEEDBACK, SL_CONFIG_U32, "keep_days", FEEDBACK(keep_days), "90", 1, 10000, NULL,
	 false, NULL, "Older ratings are removed at the start."},

	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "evaluation", 0, NULL, SL_CONFIG_EVALUATION, 0,
	 NULL, false, "a map", "What the looking at answers may cost (`routes[].evaluate`)."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_U32, "answers_per_minute", EVAL(answers_per_minute), "120",
	 1, 100000, NULL, false, NULL,
	 "Answers that are looked at in a minute, of all routes together."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_U32, "tokens_per_minute", EVAL(tokens_per_minute),
	 "100000", 0, 1000000000, NULL, false, NULL,
	 "Tokens that judges may use in a minute; then answers are looked at without them. 0: no "
	 "limit."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_U64, "tokens_per_day", EVAL(tokens_per_day), "10000000", 0,
	 1000000000000ull, NULL, false, NULL, "The same for a day of UTC."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_U32, "queue", EVAL(queue), "256", 1, 4096, NULL, false,
	 NULL, "Answers that wait to be looked at; further ones are dropped, and counted."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_U32, "parallel", EVAL(parallel), "4", 1, 64, NULL, false,
	 NULL, "Answers that are looked at at once."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_U32, "load", EVAL(load), "80", 1, 100, NULL, false, NULL,
	 "A judge is not asked while more per cent of its places are in use: requests go first."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_TEXT, "not_of", EVAL(not_of), NULL, 0, TENANTS_LEN_MAX,
	 NULL, false, "names of tenants with commas between them",
	 "Tenants whose answers are never looked at."},
	{SL_CONFIG_EVALUATION, SL_CONFIG_TEXT, "pick_by", EVAL(pick_by), NULL, 0, TENANTS_LEN_MAX,
	 NULL, false, "names of tenants with commas between them, or *",
	 "Tenants whose keys may say by `x-sluice-pick` which pool or which version of an index "
	 "answers, so that a suite can compare two (`sluice eval run`). `*`: anybody. Without it "
	 "nobody may: the header does nothing."},

	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "evaluate", 0, NULL, SL_CONFIG_ROUTE_EVALUATE, 0,
	 NULL, false, "a map", "A share of its answers is looked at beside the clients."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MONEY, "sample", ROUTE(sample), "0", 0, ONE, NULL,
	 false, SHARE_EXPECTED,
	 "Share of its answers, within each stratum (tenant, kept, degraded, stream, roll-out). 0: "
	 "none, for what is looked at is kept in memory until then."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MONEY, "rollouts", ROUTE(rollouts), "1", 0, ONE, NULL,
	 false, SHARE_EXPECTED,
	 "The same of answers that are part of a roll-out, where it is more than `sample` and that "
	 "is not 0: the gate `quality` needs evidence soon."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MS, "rare", ROUTE(rare_ms), "60s", 0, DAY_MS, NULL,
	 false, NULL,
	 "A stratum of which none was looked at for so long has its turn at once. 0: by `sample` "
	 "alone."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_CHOICE, "context", ROUTE(context), "documents", 0, 0,
	 contexts, false, NULL,
	 "What an answer is held against: the `documents` that the route retrieved for it, the "
	 "`messages` of the conversation but the assistant's, or `none`: then nothing is said "
	 "about hallucinations."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MONEY, "relevance", ROUTE(relevance), "0", 0, ONE,
	 NULL, false, SHARE_EXPECTED,
	 "An answer whose likeness to its question (cosine) is less is not relevant. Needs "
	 "`embedding`. 0: it is not looked at."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MONEY, "poor", ROUTE(poor), "0", 0, ONE, NULL, false,
	 SHARE_EXPECTED,
	 "Share of bad answers: while there are surely more (the interval's lower end), the route "
	 "is said to be wanting, which opens an incident and counts for `slo.quality`. 0: never."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_POOL_REF, "judge", ROUTE(judge), NULL, 0, 0, NULL,
	 false, "the name of a pool under pools",
	 "Pool of a model that judges answers by `rubric`, and sentences that words and meaning "
	 "leave in doubt."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MS, "judge_timeout", ROUTE(judge_ms), "20s", 10,
	 HOUR_MS, NULL, false, NULL, "For one answer of the judge."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_TEXT, "rubric", ROUTE(rubric), NULL, 0,
	 RUBRIC_BYTES_MAX, NULL, false, "a text",
	 "What a good answer is. Without it: it answers the question, is correct as far as can be "
	 "told, and harms nobody."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_CHOICE, "steer", ROUTE(steer), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "Results move requests between the first two of its `pools`, slowly, while their "
	 "intervals do not overlap. Off: what an evaluator finds moves traffic only where that "
	 "was asked for."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MONEY, "steer_floor", ROUTE(steer_floor), "0.05",
	 1000000, 500000000, NULL, false, "a share like 0.05, 0.001 to 0.5",
	 "Least share of either pool: without any, nothing would be known of it."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MONEY, "steer_step", ROUTE(steer_step), "0.05",
	 1000000, 500000000, NULL, false, "a share like 0.05, 0.001 to 0.5",
	 "By how much a share moves at once, at most."},
	{SL_CONFIG_ROUTE_EVALUATE, SL_CONFIG_MS, "steer_every", ROUTE(steer_every_ms), "60s", 10,
	 DAY_MS, NULL, false, NULL, "Between two such moves."},
};

const struct sl_config_key_table sl_config_keys_eval = SL_CONFIG_KEY_TABLE(keys);
