#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Breaks one policy in one place at a time; the scenario named must find it: "ok NAME: scenario, seed: why".
# A mutant whose text is not found, or that does not compile, is a failure too: this list has to
# follow user/policy. Needs build/sim/policies (make sim).
#
#   tests/sim/policies/mutants.sh [NAME...]
set -u
cd "$(dirname "$0")/../../.." || exit 2
dir=build/sim/policies-mutant
limit_s=600 # against hanging; it may run on what others leave of the processors
only=" $* "
failed=0
mkdir -p "$dir"

objects=()
for source in tests/sim/policies/*.c; do objects+=("build/$source.o"); done

# mutant NAME SCENARIO FILE PERL: the whole file is one string.
mutant() {
	local name=$1 scenario=$2 file=user/policy/$3 why
	if [ "$only" != "  " ] && [[ $only != *" $name "* ]]; then return; fi
	perl -0pe "$4" "$file" >"$dir/mutant.c"
	if cmp -s "$file" "$dir/mutant.c"; then
		echo "not ok $name: its text is not in $file any more; edit tests/sim/policies/mutants.sh"
		failed=1
		return
	fi
	# First in line, so that the library's own is not taken.
	if ! gcc -std=gnu17 -O1 -D_GNU_SOURCE -fno-strict-aliasing -w -I. -c -o "$dir/mutant.o" \
		"$dir/mutant.c" 2>"$dir/log" ||
		! gcc -o "$dir/policies" "$dir/mutant.o" "${objects[@]}" build/libpolicy.a build/libbase.a \
			-lfyaml -lxxhash -lnettle -lm 2>>"$dir/log"; then
		echo "not ok $name: does not compile, see $dir/log"
		failed=1
		return
	fi
	timeout "$limit_s" "$dir/policies" "$scenario" --first >"$dir/out" 2>"$dir/log"
	case $? in
	1) why=$(grep -m1 '^# .*, seed ' "$dir/log") ;;
	134 | 124) why="# ends by an assertion, or not at all" ;;
	*) why= ;;
	esac
	if [ -n "$why" ]; then
		echo "ok $name: ${why#\# }"
	else
		echo "not ok $name: not found"
		failed=1
	fi
}

# ---- trying again -----------------------------------------------------------------------------
mutant no-retry-budget overload-long retry.c 's/(static bool pay\(.*?\n\{\n)/$1\treturn true;\n/s'
mutant retries-without-a-bound-at-once all-fail retry.c 's/if \(running > places\)/if (0)/'
mutant refund-for-every-retry overload-without retry.c 's/(void sl_retry_done\(.*?\n\{\n)/$1\tgive_back(budget, SL_RETRY_COST);\n/s'
mutant places-are-not-given-back deaths retry.c 's/__atomic_fetch_sub\(&budget->running, 1, __ATOMIC_RELAXED\);/;/'
mutant retry-after-is-not-obeyed all-busy choose.c 's/return CLASS_NONE;\n/return CLASS_FRESH;\n/'
mutant overload-opens-breakers overload-without outcome.c 's/(bool sl_outcome_is_overload\(.*?\n\{\n)/$1\treturn false;\n/s'
mutant busy-opens-breakers all-busy outcome.c 's/RULE\(NEUTRAL, BUSY/RULE(FAILURE, BUSY/'

# ---- choosing ---------------------------------------------------------------------------------
mutant slots-do-not-count deaths choose.c 's/(static bool is_full\(.*?\n\{\n)/$1\treturn false;\n/s'
mutant the-same-node-again deaths choose.c 's/if \(in->tried\[i\] == slot\)/if (0)/'

# ---- a second node ----------------------------------------------------------------------------
mutant hedges-without-a-budget hedged-slow-node hedge.c 's/(static bool pay\(.*?\n\{\n)/$1\treturn true;\n/s'
mutant hedges-earn-too-much hedged-slow-node hedge.c 's/give_back\(pool, config->percent\);/give_back(pool, 3 * config->percent);/'
mutant hedges-into-a-full-pool hedged-overload hedge.c 's/if \(!view->place\)/if (0)/'
mutant hedges-take-from-the-retries hedged-failures hedge.c 's/if \(sl_retry_is_spent\(.*?\)\)\n/if (0)\n/'
mutant hedges-keep-their-place hedged-slow-node hedge.c 's/(void sl_hedge_done\(.*?\n\{\n)\tsl_retry_done\(retries\);/$1/s'
mutant hedges-at-once hedged-quiet hedge.c 's/sl_latency_quantile_us\(times->buckets, per_mille\)/0/'

# ---- the queue --------------------------------------------------------------------------------
mutant lower-classes-starve classes queue.c 's/class->passed >= SL_QUEUE_PASSED_MAX &&/0 \&\&/'
mutant a-turn-costs-the-same tenants queue.c 's/flow->deficit -= cost_of\(entry\);/flow->deficit -= SL_QUEUE_QUANTUM;/'
mutant first-come-first-served tenants queue.c 's/flow = flow_of\(queue, entry->tenant, entry->class\)/flow = flow_of(queue, 1, entry->class)/'
mutant bytes-are-not-given-back deaths queue.c 's/queue->bytes -= entry->bytes;//'

# ---- limits -----------------------------------------------------------------------------------
mutant limit-never-falls busy-at concurrency.c 's/STORE\(node->limit, to\);(\s*STORE\(node->lowered, )/;$1/'
mutant limit-never-grows best-of-20 concurrency.c 's/(static bool grow\(.*?\n\{\n)/$1\treturn false;\n/s'
mutant lowered-before-it-had-effect best-of-40 concurrency.c 's/over = is_over\(LOAD\(node->limit\), in_flight\);/over = false;/; s/node->settling = over .*?;/node->settling = false;/s'
mutant no-ceiling busy-at concurrency.c 's/if \(ceiling && to >= ceiling\)/if (0)/'
mutant best-gap-of-any-load best-of-20 concurrency.c 's/if \(used > node->best_at \+ node->best_at \/ 4 && limit > config->min\)/if (0)/'

exit "$failed"
