/* SPDX-License-Identifier: BSD-2-Clause */
/* page_token.h - the file of the status page's token: read, or drawn where there is none. Thread: control. */
#ifndef SL_OPS_PAGE_TOKEN_H
#define SL_OPS_PAGE_TOKEN_H

#include "user/base/error.h"
#include "user/ops/page_auth.h"

/*
 * The digest of the first line of the file. Where there is no file one is made (0600) with 256 bits of the
 * system's. 0, or with a text: -EPERM (others than owner and group may read it), -EINVAL (no token), -errno.
 */
int sl_page_token_load(const char *path, uint8_t digest[SL_DIGEST_BYTES], struct sl_error *error);

#endif
