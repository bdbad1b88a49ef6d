/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LiteLLM files: whatever can be taken of one becomes a configuration that our own reader accepts,
 * and the report of it is JSON.
 */
#include "loader/litellm.h"
#include "tests/fuzz/fuzz.h"
#include "user/base/report.h"
#include "user/wire/json_scan.h"

static void check_made(struct sl_litellm *import)
{
	struct sl_config *config = NULL;
	char *errors = NULL;
	struct sl_text made;

	sl_text_init(&made, 64u << 20);
	sl_litellm_write(import, &made);
	CHECK(!made.error);
	if (sl_config_parse("made", sl_text_string(&made), made.len, &config, &errors)) {
		fprintf(stderr, "%s\n%s", errors, sl_text_string(&made));
		CHECK(!"the configuration that was made is good");
	}
	CHECK(config->route_count == sl_litellm_routes(import));
	sl_config_close(&config);
	sl_text_fini(&made);
}

static void check_findings(struct sl_litellm *import)
{
	struct sl_text text;

	sl_text_init(&text, 64u << 20);
	sl_litellm_write_json(import, NULL, NULL, &text);
	CHECK(!text.error && !sl_json_check(sl_text_string(&text), text.len, NULL));
	sl_text_reset(&text);
	sl_litellm_write_findings(import, "", &text);
	for (size_t i = 0; i < text.len; i++)
		CHECK((unsigned char)text.data[i] >= 0x20 || text.data[i] == '\n');
	sl_text_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct sl_litellm import;
	struct sl_report report;
	struct sl_yaml *root = NULL;

	sl_litellm_init(&import, "fuzz.yaml", "127.0.0.1:4000");
	sl_report_init(&report, "fuzz.yaml", text, size);
	if (!sl_yaml_parse(&report, &import.arena, &root) && !report.count &&
	    root->kind == SL_YAML_MAP) {
		CHECK(!sl_litellm_read(&import, root));
		CHECK(!sl_litellm_build(&import));
		if (sl_litellm_routes(&import))
			check_made(&import);
		check_findings(&import);
	}
	sl_report_fini(&report);
	sl_litellm_fini(&import);
	free(text);
	return 0;
}
