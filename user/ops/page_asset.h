/* SPDX-License-Identifier: BSD-2-Clause */
/* page_asset.h - the files of the status page, as bytes of the daemon (page_asset.S). Constant; any thread. */
#ifndef SL_OPS_PAGE_ASSET_H
#define SL_OPS_PAGE_ASSET_H

#include "user/base/text.h"

struct sl_page_asset {
	const char *path; /* as a browser asks for it */
	const char *type;
	struct sl_span bytes;
};

/* The file of that path; false: there is none. */
bool sl_page_asset_find(struct sl_span path, struct sl_page_asset *ret_asset);

#endif
