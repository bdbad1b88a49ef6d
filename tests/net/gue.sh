#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# gue.sh - direct return through IP in UDP; see tests/net/direct/tunnel.sh.
mode=gue
. "$(dirname "$0")/direct/tunnel.sh"
