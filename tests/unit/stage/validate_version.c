/* SPDX-License-Identifier: BSD-2-Clause */
/* Each setting that decides which answers pass makes another version; the others do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "user/stage/validate_parts.h"

#define AT(member) offsetof(struct sl_config_validate, member)

static void test_versions(void **state)
{
	static const size_t counts[] = {
		AT(pii_in),	     AT(pii_in_found),	  AT(pii_out),	 AT(pii_out_found),
		AT(lists_in_block),  AT(lists_out_block), AT(schema),	 AT(moderated),
		AT(moderation_open), AT(refusals),	  AT(languages), AT(citation),
		AT(empty),
	};
	static const size_t others[] = {AT(repairs), AT(other), AT(moderation_ms)};
	struct sl_config_validate v = {0};
	uint64_t seen[sizeof(counts) / sizeof(counts[0])], none = sl_validate_version(&v, "");

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memset(&v, 0, sizeof(v));
		memcpy((char *)&v + counts[i], &(uint32_t){1}, sizeof(uint32_t));
		seen[i] = sl_validate_version(&v, "");
		assert_int_not_equal(seen[i], none);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		memset(&v, 0, sizeof(v));
		memcpy((char *)&v + others[i], &(uint32_t){1}, sizeof(uint32_t));
		assert_int_equal(sl_validate_version(&v, ""), none);
	}
	assert_int_not_equal(sl_validate_version(&v, "one"), sl_validate_version(&v, "two"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
