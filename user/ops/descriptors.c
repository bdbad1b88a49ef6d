/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/descriptors.h"

#include <sys/resource.h>

#define DESCRIPTORS_WANT 1048576u

void sl_descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_max < DESCRIPTORS_WANT) {
		struct rlimit more = {DESCRIPTORS_WANT, DESCRIPTORS_WANT};

		if (!setrlimit(RLIMIT_NOFILE, &more))
			return;
	}
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
