/* SPDX-License-Identifier: BSD-2-Clause */
/* grounded_weights.c - fitted by tests/unit/quality/grounded_pairs.c (SLUICE_FIT=1), never by hand. */
#include "user/quality/grounded_parts.h"

const double sl_grounded_weights[2][SL_GROUNDED_FEATURES] = {
	{3.814, -0.283, -5.258, 0.000, -4.410, 0.000, 0.000, -4.657, -2.553, -5.625, -4.907, 0.000,
	 -4.661, -5.700, -3.034, -5.616},
	{3.813, 0.000, -5.032, 0.000, -4.404, -0.002, -1.390, -4.655, -2.557, -5.623, -4.957, 0.000,
	 -4.661, -5.697, -3.107, -5.617},
};

const double sl_grounded_answer_weights[2][3] = {
	{-1.559, 1.447, 0.814},
	{-1.600, 1.453, 0.823},
};
