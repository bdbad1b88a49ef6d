#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# schema.sh - JSON schemas against npm's json-schema-test-suite, which has draft 4: every verdict on a
# schema that we take must be right, and the ones that we refuse are those with references to other
# texts, an id within, or a keyword nobody knows (docs/apis.md).
. "$(dirname "$0")/lib.sh"

suite=$root/build/e2e/node_modules/json-schema-test-suite/tests/draft4
[[ -x $build/e2e/schema_suite ]] || { not_ok "suite" "$build/e2e/schema_suite is missing: make e2etools"; finish; }
[[ -d $suite ]] || { not_ok "suite" "$suite is missing: tests/e2e/deps.sh"; finish; }
"$build/e2e/schema_suite" draft4 "$suite"/*.json >"$work/suite" 2>&1
expect "draft 4: status" $? == 0
grep '^wrong' "$work/suite" | head -20
expect "draft 4: claimed" "$(tail -n 1 "$work/suite")" == "draft4: claimed 245 of 263 tests, 0 wrong"
expect "draft 4: as streams" "$(grep -c '^# draft4: as streams 109 of 125 invalid texts are refused before their end$' "$work/suite")" == 1
refused=$(grep '^# refused' "$work/suite" | grep -cvE 'reference to another text|outermost schema|keyword is not supported')
expect "draft 4: refused for the reasons that are stated" "$refused" == 0
"$build/e2e/schema_suite" draft4 -f "$suite"/optional/format.json >"$work/formats" 2>&1
expect "draft 4: formats" $? == 0
sed 's/^/# /' "$work/formats"
finish
