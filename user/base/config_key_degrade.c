/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of degradation: routes[].degrade. */
#include "user/base/config_key_rows.h"

#define ROUTE(member) offsetof(struct sl_config_route, degrade.member)
#define RULE(member)  offsetof(struct sl_config_degrade_rule, member)
#define TOOL(member)  offsetof(struct sl_config_degrade_tool, member)

/* enum sl_key_class */
static const char *const class_choices[] = {"batch", "standard", "interactive", "critical", NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "degrade", 0, NULL, SL_CONFIG_DEGRADE, 0, NULL,
	 false, "a map", "What is saved while the route's first pool is in need; see ladders.md."},

	{SL_CONFIG_DEGRADE, SL_CONFIG_ITEM_LIST, "rules", ROUTE(rules), NULL,
	 SL_CONFIG_DEGRADE_RULE, SL_CONFIG_DEGRADE_RULES_MAX, NULL, false,
	 "a list of up to 8 rules",
	 "Each has at least one bound and one thing that it saves. All that are in force count."},
	{SL_CONFIG_DEGRADE, SL_CONFIG_ITEM_MAP, "tools", ROUTE(tools), NULL, SL_CONFIG_DEGRADE_TOOL,
	 SL_CONFIG_DEGRADE_TOOLS_MAX, NULL, false, "a map of NAME: {pool: POOL}",
	 "Tools, by the name that requests give them, and the pool that serves each. While no node "
	 "of that pool takes requests (breakers, health checks), the tool is taken out of requests "
	 "and the model is told that it is missing."},

	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_U32, "load", RULE(load), "0", 0, 10000, NULL, false,
	 NULL,
	 "Enter above so many percent: requests at the first pool's nodes and in its queue, of the "
	 "places that the nodes have (`slots`, `concurrency`). 0: does not count."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_U32, "breakers", RULE(breakers), "0", 0, 99, NULL, false,
	 NULL,
	 "Or when more than so many percent of its nodes fail or take no requests. 0: does not "
	 "count."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_MS, "wait", RULE(wait_ms), "0", 0, DAY_MS, NULL, false,
	 NULL, "Or when the oldest request in its queue has waited longer. 0: does not count."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_MS, "ttft", RULE(ttft_ms), "0", 0, DAY_MS, NULL, false,
	 NULL,
	 "Or when one in twenty of the route's streams of the last five to ten seconds had its "
	 "first token later. 0: does not count."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_U32, "leave", RULE(leave), "75", 1, 100, NULL, false,
	 NULL, "Leave when all are at most so many percent of their bounds,"},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_MS, "dwell", RULE(dwell_ms), "30s", 0, DAY_MS, NULL,
	 false, NULL, "have been for so long, and the rule has been in force for so long."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_SET, "classes", RULE(classes), NULL, 0, 0, class_choices,
	 false, NULL,
	 "Classes of requests that it is for; one, or a list. Without it all but critical."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_U32, "max_tokens", RULE(max_tokens), "0", 0, 1000000,
	 NULL, false, NULL, "Answers have at most so many tokens. 0: as many as they like."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_POOL_REF, "model", RULE(model), NULL, 0, 0, NULL, false,
	 "a pool's name", "The pool of a smaller model, asked first, and the route's after it."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_U32, "messages", RULE(messages), "0", 0, 100000, NULL,
	 false, NULL,
	 "At most so many of the latest messages, beginning with one of the user; those of the "
	 "system stay. 0: all of them."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_CHOICE, "no_hedge", RULE(no_hedge), "false", 0, 0,
	 sl_config_bools, false, NULL, "No second node is asked beside a slow one."},
	{SL_CONFIG_DEGRADE_RULE, SL_CONFIG_MONEY, "similarity", RULE(similarity), NULL,
	 SL_CONFIG_DEGRADE_SIMILARITY_MIN, 1000000000u, NULL, false, "a similarity from 0.7 to 1",
	 "The route's semantic cache gives answers to questions that are at least so near, where "
	 "its `threshold` asks for more; the gates stay."},

	{SL_CONFIG_DEGRADE_TOOL, SL_CONFIG_POOL_REF, "pool", TOOL(pool), NULL, 0, 0, NULL, true,
	 "a pool's name", "What the tool needs. A pool of its health checks alone will do."},
};

const struct sl_config_key_table sl_config_keys_degrade = SL_CONFIG_KEY_TABLE(keys);
