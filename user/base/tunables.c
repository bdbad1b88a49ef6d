/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/tunables.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

const struct sl_tunable_info sl_tunable_info[SL_TUNABLE_COUNT] = {
#define X(id, name, def, min, max, unit, help) \
	[SL_TUNABLE_##id] = {name, def, min, max, unit, help},
	SL_TUNABLES(X)
#undef X
};

int sl_tunable_find(const char *name)
{
	for (int id = 0; id < SL_TUNABLE_COUNT; id++) {
		if (strcmp(sl_tunable_info[id].name, name) == 0)
			return id;
	}
	return -ENOENT;
}

uint64_t sl_tunable_get(const uint64_t *tunables, uint32_t pool, enum sl_tunable id)
{
	const struct sl_tunable_info *info = &sl_tunable_info[id];
	uint64_t value = SL_TUNABLE_INHERIT;

	if (pool != 0 && pool < SL_POOLS_MAX)
		value = __atomic_load_n(&tunables[pool * SL_TUNABLE_KEYS + id], __ATOMIC_RELAXED);
	if (value == SL_TUNABLE_INHERIT)
		value = __atomic_load_n(&tunables[id], __ATOMIC_RELAXED);
	if (value == SL_TUNABLE_INHERIT)
		return info->initial;
	return value < info->min ? info->min : value > info->max ? info->max : value;
}

void sl_breaker_config_fill(const uint64_t *tunables, uint32_t pool,
			    struct sl_breaker_config *ret_config)
{
	struct sl_breaker_config config = {
#define GET(id) (uint32_t) sl_tunable_get(tunables, pool, SL_TUNABLE_BREAKER_##id)
		.consecutive = GET(CONSECUTIVE),
		.failure_percent = GET(RATIO),
		.volume = GET(VOLUME),
		.slow_percent = GET(SLOW_PERCENT),
		.open_ms = GET(OPEN_MS),
		.open_max_ms = GET(OPEN_MAX_MS),
		.probe_ms = GET(PROBE_MS),
		.successes = GET(SUCCESSES),
		.eject_percent = GET(EJECT_PERCENT),
		.metrics_only = GET(MODE),
#undef GET
	};

	*ret_config = config;
}

static const char head[] =
	"# Tunables\n"
	"\n"
	"<!-- Generated from SL_TUNABLES in bpf/limits.h: SL_WRITE_PAGES=1 "
	"build/unit/base/tunables. -->\n"
	"\n"
	"Every number below may be changed while packets and requests flow. Both planes read it "
	"at\n"
	"the next decision; nothing is restarted. The numbers live in the pinned map `tunables`, "
	"one\n"
	"64-bit number a key, in rows of 64: row 0 is global, row P belongs to the pool in slot P\n"
	"(`sluice status` shows the slot). In a pool's row the value 18446744073709551615 (all "
	"ones)\n"
	"means: the global number counts.\n"
	"\n"
	"A number outside its range counts as the nearest one inside. `sluice tune` and the\n"
	"configuration file refuse it; `bpftool` checks nothing.\n"
	"\n"
	"| key | name | unit | default | range | meaning |\n"
	"|---:|---|---|---:|---|---|\n";

static const char tail[] =
	"\n"
	"## By name\n"
	"\n"
	"```sh\n"
	"sluice tune                                  # every number, and where it differs by "
	"pool\n"
	"sluice tune breaker.open_ms                  # one\n"
	"sluice tune breaker.open_ms=10000            # change it everywhere, now\n"
	"sluice tune --pool chat breaker.open_ms=2000 # for one pool\n"
	"sluice tune --pool chat breaker.open_ms=inherit\n"
	"sluice tune breaker.open_ms=default\n"
	"```\n"
	"\n"
	"## By key, with bpftool\n"
	"\n"
	"The key of the map is `row * 64 + key`, four bytes, lowest first; the value is eight "
	"bytes,\n"
	"lowest first. `breaker.open_ms` is key %d; 10000 is 0x2710:\n"
	"\n"
	"```sh\n"
	"# global: key %d\n"
	"bpftool map lookup pinned %s/tunables key hex %02x 00 00 00\n"
	"bpftool map update pinned %s/tunables \\\n"
	"    key hex %02x 00 00 00 value hex 10 27 00 00 00 00 00 00\n"
	"\n"
	"# the pool in slot 2 alone: key 2 * 64 + %d = %d\n"
	"bpftool map update pinned %s/tunables \\\n"
	"    key hex %02x 00 00 00 value hex 10 27 00 00 00 00 00 00\n"
	"\n"
	"# and back to the global number\n"
	"bpftool map update pinned %s/tunables \\\n"
	"    key hex %02x 00 00 00 value hex ff ff ff ff ff ff ff ff\n"
	"```\n"
	"\n"
	"## What lasts\n"
	"\n"
	"The map outlives the daemon and the command. When the configuration is applied again\n"
	"(`sluice up`, a start of the daemon, a reload), a number that the file names is set to "
	"what\n"
	"the file says; every other number keeps what an operator gave it. A number of the "
	"file's\n"
	"`profile` (profiles.md) counts as a default: what was tuned live stays. `sluice down` "
	"forgets\n"
	"all of them.\n";

void sl_tunables_write_markdown(FILE *file)
{
	int key = SL_TUNABLE_BREAKER_OPEN_MS;
	int pool_key = 2 * (int)SL_TUNABLE_KEYS + key;

	fputs(head, file);
	for (int id = 0; id < SL_TUNABLE_COUNT; id++) {
		const struct sl_tunable_info *info = &sl_tunable_info[id];

		fprintf(file,
			"| %d | `%s` | %s | %" PRIu64 " | %" PRIu64 " to %" PRIu64 " | %s |\n", id,
			info->name, info->unit, info->initial, info->min, info->max, info->help);
	}
	fprintf(file, tail, key, key, SL_PIN_DIR, key, SL_PIN_DIR, key, key, pool_key, SL_PIN_DIR,
		pool_key, SL_PIN_DIR, pool_key);
}
