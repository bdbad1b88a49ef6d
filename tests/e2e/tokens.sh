#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tokens.sh - the tokenizers of models in use, read from their tokenizer.json: the same ids as another
# implementation gives.
. "$(dirname "$0")/lib.sh"

node "$e2e/tokens.mjs" "$build/e2e/token_ids" "$work" || failures=$((failures + 1))
finish
