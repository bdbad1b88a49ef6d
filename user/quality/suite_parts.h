/* SPDX-License-Identifier: BSD-2-Clause */
/* suite_parts.h - what suite.c and suite_report.c share. */
#ifndef SL_QUALITY_SUITE_PARTS_H
#define SL_QUALITY_SUITE_PARTS_H

#include "user/io/fiber.h"
#include "user/quality/suite.h"

#define SL_SUITE_DETAIL_BYTES 384u

struct sl_suite_item {
	char *name;
	char *body; /* what is asked */
	char *of;   /* its checks */
	size_t body_len, of_len;
	enum sl_suite_verdict verdict;
	char detail[SL_SUITE_DETAIL_BYTES];
	uint32_t ms;
	int64_t tokens; /* of the answer; -1: not known */
};

struct sl_suite {
	struct sl_suite_options options;
	struct sl_suite_place place;
	char *name, *model;
	struct sl_suite_item *items;
	uint32_t count, next;
	uint32_t answered;	   /* atomic: others look at the progress */
	uint32_t started, running; /* fibers */
	struct sl_fiber *fibers[SL_SUITE_PARALLEL_MAX];
	uint64_t until_ns;
	bool gone;
};

#endif
