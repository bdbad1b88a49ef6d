/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_line.h - a valid file around the line under test: put one of these, or both, before it.
 */
#ifndef SL_TESTS_UNIT_CONFIG_LINE_H
#define SL_TESTS_UNIT_CONFIG_LINE_H

#define POOLS  "pools: {p: {nodes: [10.0.0.7:80]}}\n"
#define ROUTES "routes: [{model: m, pools: p}]\n"

#endif
