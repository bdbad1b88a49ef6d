#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Breaks bpf/breaker.h in one place at a time; the simulation must find each: "ok NAME: scenario: why".
# A mutant whose text is not found, or that does not compile, is a failure too: this list has to
# follow breaker.h. Needs build/sim/breaker (make sim).
#
#   tests/sim/mutants.sh [NAME...]
set -u
cd "$(dirname "$0")/../.." || exit 2
dir=build/sim/mutant
limit_s=600 # against hanging; it may run on what others leave of the processors
only=" $* "
failed=0
mkdir -p "$dir/bpf"

flags=(-std=gnu17 -O1 -D_GNU_SOURCE -fno-strict-aliasing -Wno-unused
	-fsanitize=thread --param=tsan-distinguish-volatile=1)
objects=()
for source in tests/sim/*.c; do
	[ "$source" = tests/sim/subject.c ] || objects+=("build/$source.o")
done

# mutant NAME PERL: the whole header is one string.
mutant() {
	local name=$1 why
	if [ "$only" != "  " ] && [[ $only != *" $name "* ]]; then return; fi
	perl -0pe "$2" bpf/breaker.h >"$dir/bpf/breaker.h"
	if cmp -s bpf/breaker.h "$dir/bpf/breaker.h"; then
		echo "not ok $name: its text is not in bpf/breaker.h any more; edit tests/sim/mutants.sh"
		failed=1
		return
	fi
	if ! gcc "${flags[@]}" -I"$dir" -I. -c -o "$dir/subject.o" tests/sim/subject.c 2>"$dir/log" ||
		! gcc -Wl,--wrap=nanosleep -o "$dir/breaker" "$dir/subject.o" "${objects[@]}" build/libbase.a \
			-lboost_context -lfyaml -lxxhash -lm 2>>"$dir/log"; then
		echo "not ok $name: does not compile, see $dir/log"
		failed=1
		return
	fi
	timeout "$limit_s" "$dir/breaker" --first >"$dir/out" 2>"$dir/log"
	if [ $? -eq 1 ] && grep -q '^not ok' "$dir/out"; then
		why=$(grep -m1 '; the way there:' "$dir/log")
		why=${why#\# }
		echo "ok $name: ${why%; the way there:}"
	else
		echo "not ok $name: not found"
		failed=1
	fi
}

# ---- places -----------------------------------------------------------------------------------
mutant cap-checked-before-increment \
	's/if \(__sync_val_compare_and_swap\(&call->pool->ejected, taken, taken \+ 1u\) == taken\)\s*return/__sync_fetch_and_add(&call->pool->ejected, 1u);\n\t\treturn/'
mutant cap-checked-after-increment \
	's/__u32 taken = sl_breaker_load32\(&call->pool->ejected\);/__u32 taken = __sync_fetch_and_add(&call->pool->ejected, 1u);/; s/(got = SL_BREAKER_PLACE_DENIED;)/__sync_fetch_and_add(&call->pool->ejected, ~0u);\n$1/; s/if \(__sync_val_compare_and_swap\(&call->pool->ejected, taken, taken \+ 1u\) == taken\)\s*return/return/'
mutant cap-off-by-one 's/\(__s32\)taken >= \(__s32\)cap/(__s32)taken > (__s32)cap/'
mutant trip-keeps-the-place-on-a-lost-race \
	's/(generation \+ 1, until_ms\)\)\))\s*sl_breaker_place_give\(call->node, call->pool\);/$1\n\t\treturn;/'
mutant denied-trip-keeps-the-place \
	's/\(void\)__sync_lock_test_and_set\(&call->node->ejected, 0u\);\s*if \(got/if (got/'
mutant place-taken-without-swap \
	's/if \(__sync_val_compare_and_swap\(&call->node->ejected, 0u, 1u\) != 0\)\s*return got;/if (sl_breaker_load32(&call->node->ejected) != 0)\n\t\treturn got;\n\t*(volatile __u32 *)&call->node->ejected = 1;/'
mutant place-given-on-a-lost-race \
	's/(SL_BREAKER_INLINE int sl_breaker_leave.*?)\t\treturn 0;\n\tsl_breaker_place_give/$1\t\t;\n\tsl_breaker_place_give/s'
mutant place-given-before-the-word \
	's/(SL_BREAKER_INLINE int sl_breaker_leave.*?\n\{\n)/$1\tsl_breaker_place_give(call->node, call->pool);\n/s'
mutant count-not-given-back \
	's/__sync_fetch_and_add\(&pool->ejected, ~0u\);//'
mutant over-the-cap-keeps-the-place \
	's/if \(!sl_breaker_leave\(call, word, SL_BREAKER_CLOSED,\s*call->now_ms \+ SL_BREAKER_DENIED_MS\)\)/if (!sl_breaker_swap(call, word, sl_breaker_pack(SL_BREAKER_CLOSED, 0, generation, call->now_ms + SL_BREAKER_DENIED_MS)))/'
mutant count-given-before-the-word-when-over \
	's/(if \(sl_breaker_over_cap\(call\)\) \{)(.*?)return 0;/$1 __sync_fetch_and_add(&call->pool->ejected, ~0u);$2\{ __sync_fetch_and_add(&call->pool->ejected, 1u); return 0; \} __sync_fetch_and_add(&call->pool->ejected, 1u);/s'
mutant forced-open-takes-no-place \
	's/if \(!holds && !sl_breaker_place_take\(call->node, call->pool\)\)\s*return 0;//'
mutant forced-open-keeps-the-place-on-a-lost-race \
	's/if \(!holds\)\s*sl_breaker_place_give\(call->node, call->pool\);//'

# ---- the word ---------------------------------------------------------------------------------
mutant word-stored-not-swapped \
	's/if \(__sync_val_compare_and_swap\(&call->node->breaker, old, next\) != old\)\s*return 0;/if (sl_breaker_load(&call->node->breaker) != old)\n\t\treturn 0;\n\t__sync_lock_test_and_set(&call->node->breaker, next);/'
mutant no-generation-fence \
	's/if \(sl_breaker_generation\(word\) != ticket >> 1\)\s*return;//'
mutant generation-stays-with-a-probe \
	's/(sl_breaker_pack\(SL_BREAKER_HALF_OPEN, exponent, sl_breaker_generation\(word\)) \+ 1/$1/'
mutant generation-stays-at-a-reopen \
	's/(sl_breaker_reopen.*?generation = sl_breaker_generation\(word\)) \+ 1/$1/s'
mutant probe-bit-in-a-second-swap \
	's/next \|= SL_BREAKER_PROBE_BIT;//; s/(if \(!sl_breaker_swap\(call, word, next\)\)\s*return 0;)\s*\*ret_ticket/$1\n\t(void)sl_breaker_swap(call, next, next | SL_BREAKER_PROBE_BIT);\n\t*ret_ticket/'
mutant probe-for-everybody \
	's/if \(!sl_breaker_probe\(word\)\) \{/if (1) {/'
mutant probe-before-its-time \
	's/if \(sl_breaker_wait_ms\(word, call->now_ms\) != 0\)\s*return SL_BREAKER_REFUSE;//'
mutant lost-probe-waits-for-ever \
	's/call->signal = SL_SIGNAL_PROBE_LOST;\s*if \(sl_breaker_reopen/return SL_BREAKER_REFUSE;\n\t\tif (sl_breaker_reopen/'
mutant late-probe-counts \
	's/if \(sl_breaker_wait_ms\(word, call->now_ms\) == 0 && outcome/if (0 && outcome/'
mutant any-ticket-decides-half-open \
	's/\(ticket & 1u\) != 0 && //'
mutant answered-probe-decides-again \
	's/ && sl_breaker_probe\(word\)\) \{\s*sl_breaker_report_probe/) {\n\t\tsl_breaker_report_probe/'
mutant order-after-one-lost-race-says-done \
	's/if \(!sl_breaker_force_once\(&call, to\)\)\s*continue;/(void)sl_breaker_force_once(&call, to);/'

# ---- rows, window, bits -----------------------------------------------------------------------
mutant row-added-without-atomic \
	's/consecutive = __sync_fetch_and_add\(&call->node->consecutive, 1u\) \+ 1u;/{ consecutive = sl_breaker_load32(&call->node->consecutive) + 1u; *(volatile __u32 *)&call->node->consecutive = consecutive; }/'
mutant bucket-stored-not-swapped \
	's/if \(__sync_val_compare_and_swap\(at, old, next\) == old\)\s*return 0;/*(volatile __u64 *)at = next;\n\t\treturn 0;/'
mutant window-not-emptied \
	's/for \(__u32 i = 0; i < SL_WINDOW_BUCKETS; i\+\+\)\s*\*\(volatile __u64 \*\)&node->window\[i\] = 0;//'
mutant row-not-emptied \
	's/(&node->window\[i\] = 0;\s*)\*\(volatile __u32 \*\)&node->consecutive = 0;/$1/'
mutant wipe-takes-the-current-second \
	's/if \(bucket >> 48 != \(second & 0xffffu\)\)/if (1)/'
mutant retired-bit-stored \
	's/__sync_fetch_and_and\(&node->admin, ~SL_NODE_RETIRED\);/*(volatile __u32 *)&node->admin = sl_breaker_load32(&node->admin) & ~SL_NODE_RETIRED;/'
mutant plain-access \
	's/\*\(volatile __u64 \*\)&node->window\[i\] = 0;/node->window[i] = 0;/'

exit "$failed"
