/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of the status page. */
#include "user/base/config_key_rows.h"

#include "user/base/address.h"
#include "user/base/config_check.h"

#define PAGE(member) offsetof(struct sl_config, page.member)

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "page", 0, NULL, SL_CONFIG_PAGE, 0, NULL, false,
	 "a map",
	 "The status page. On the admin socket it is there without any of this; see "
	 "operations.md."},
	{SL_CONFIG_PAGE, SL_CONFIG_ENDPOINT, "listen", PAGE(listen), NULL, 0, 0, NULL, false,
	 "a loopback ADDRESS:PORT, like 127.0.0.1:8090",
	 "Where browsers of this host find it, with the token of `token_file`. Plain HTTP, so "
	 "nothing but loopback is taken: from elsewhere come by `ssh -L`. Takes effect at the next "
	 "start."},
	{SL_CONFIG_PAGE, SL_CONFIG_PATH, "token_file", PAGE(token_file), NULL, 0, PATH_LEN_MAX,
	 NULL, false, "an absolute path",
	 "Its first line is the token, 32 to 256 letters, digits, `-`, `_`, `.`; others than its "
	 "owner "
	 "and group may not read it. Where there is no file the daemon draws a token and writes "
	 "it. "
	 "Read again at each reload."},
	{SL_CONFIG_PAGE, SL_CONFIG_MS, "interval", PAGE(interval_ms), "1s", 100, 60000, NULL, false,
	 NULL, "Between two snapshots, which all who watch share. Nobody watches: none is made."},
};

const struct sl_config_key_table sl_config_keys_page = SL_CONFIG_KEY_TABLE(keys);

void sl_config_check_page(const struct sl_config *config, struct sl_report *report)
{
	const struct sl_config_page *page = &config->page;
	char shown[SL_ADDRESS_TEXT_SIZE];

	if (!page->listen.port)
		return;
	if (!sl_address_is_loopback(&page->listen.addr))
		sl_report_add(report, 0, 0,
			      "page.listen: %s is no loopback address, and the page is plain HTTP "
			      "(expected 127.0.0.1:PORT or [::1]:PORT; from elsewhere: ssh -L)",
			      sl_address_format(&page->listen, shown));
	if (!page->token_file)
		sl_report_add(report, 0, 0,
			      "page.listen: anybody on this host could open it (expected "
			      "\"token_file\" beside it)");
}
