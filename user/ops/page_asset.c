/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page_asset.h"

#define EMBEDDED(name) extern const char sl_page_##name[], sl_page_##name##_end[]

EMBEDDED(html);
EMBEDDED(css);
EMBEDDED(js);
EMBEDDED(uplot_js);
EMBEDDED(uplot_css);

/* The addresses are the linker's, and so the lengths. */
#define BYTES(name)                  \
	sl_span_make(sl_page_##name, \
		     (size_t)((uintptr_t)sl_page_##name##_end - (uintptr_t)sl_page_##name))

bool sl_page_asset_find(struct sl_span path, struct sl_page_asset *ret_asset)
{
	const struct sl_page_asset assets[] = {
		{"/", "text/html; charset=utf-8", BYTES(html)},
		{"/page.css", "text/css; charset=utf-8", BYTES(css)},
		{"/page.js", "text/javascript; charset=utf-8", BYTES(js)},
		{"/uplot.js", "text/javascript; charset=utf-8", BYTES(uplot_js)},
		{"/uplot.css", "text/css; charset=utf-8", BYTES(uplot_css)},
	};

	for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
		if (!sl_span_equal(path, sl_span_string(assets[i].path)))
			continue;
		*ret_asset = assets[i];
		return true;
	}
	return false;
}
