#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ipip.sh - direct return through IP in IP; see tests/net/direct/tunnel.sh.
mode=ipip
. "$(dirname "$0")/direct/tunnel.sh"
