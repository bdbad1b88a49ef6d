/* SPDX-License-Identifier: BSD-2-Clause */
/* config_sampling.h - `routes[].sampling`: how the model's words are chosen (stage/sampling.h). */
#ifndef SL_BASE_CONFIG_SAMPLING_H
#define SL_BASE_CONFIG_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

enum sl_sampling {
	SL_SAMPLING_TEMPERATURE = 0,
	SL_SAMPLING_TOP_P,
	SL_SAMPLING_TOP_K,
	SL_SAMPLING_MIN_P,
	SL_SAMPLING_SEED,
	SL_SAMPLING_FREQUENCY,
	SL_SAMPLING_PRESENCE,
	SL_SAMPLING_REPETITION,
	SL_SAMPLINGS
};

struct sl_sampling_info {
	const char *name; /* of the key here and of the requests' member */
	uint8_t name_len;
	bool whole; /* an integer */
	double min, max;
};

extern const struct sl_sampling_info sl_samplings[SL_SAMPLINGS];

#define SL_SAMPLING_VALUE_MAX 32u /* bytes of a number */

/* What becomes of a request that says something else. */
enum sl_config_sampling_mode {
	SL_CONFIG_SAMPLING_PIN = 0, /* it is overruled */
	SL_CONFIG_SAMPLING_DEFAULT, /* it has its way */
	SL_CONFIG_SAMPLING_REFUSE,  /* 400 */
};

struct sl_config_sampling {
	enum sl_config_sampling_mode mode;
	const char *values[SL_SAMPLINGS]; /* JSON numbers as written; NULL: not fixed */
};

bool sl_config_sampling_is_on(const struct sl_config_sampling *sampling);

#endif
