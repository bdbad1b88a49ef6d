/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/failover.h"

enum sl_failover sl_failover_choose(const struct sl_failover_facts *facts)
{
	if (facts->nothing_sent)
		return SL_FAILOVER_RESTART;
	if (facts->takes_rest && facts->may_continue && facts->text_only && !facts->finished)
		return SL_FAILOVER_CONTINUE;
	if (facts->same_again)
		return SL_FAILOVER_RESTART;
	return SL_FAILOVER_GIVE_UP;
}
