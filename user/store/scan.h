/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scan.h - the documents of an index on the disk, and what of them differs from a version.
 *
 * A directory is walked in depth; of its files those count whose names end like a format that
 * chunk.h reads. Names that begin with a dot and symbolic links are passed over: what is indexed lies
 * below the directory. Size and time decide whether a file is read at all; its SHA-256 whether it
 * changed. Thread: not a loop's.
 */
#ifndef SL_STORE_SCAN_H
#define SL_STORE_SCAN_H

#include "user/store/documents.h"

#define SL_SCAN_FILES_MAX 200000u
#define SL_SCAN_DEPTH_MAX 16u

enum sl_scan_change {
	SL_SCAN_SAME = 0,
	SL_SCAN_TOUCHED, /* another time, the same bytes */
	SL_SCAN_CHANGED,
	SL_SCAN_NEW,
	SL_SCAN_GONE
};

struct sl_scan_file {
	char *name;			 /* below the directory; for a single file its last part */
	struct sl_documents_print print; /* digest only where it had to be read */
	enum sl_scan_change change;
};

struct sl_scan {
	struct sl_scan_file *files; /* by name */
	uint32_t count;
	uint32_t size;
	uint32_t changed; /* CHANGED, NEW and GONE */
};

/*
 * Walks path (a file or a directory) and compares with a version's documents; NULL: all are new. 0;
 * -ENOENT, -EACCES, ...; -E2BIG. Free with sl_scan_fini() in any case.
 */
int sl_scan_run(const char *path, struct sl_documents *documents, struct sl_scan *ret_scan,
		struct sl_error *error);
void sl_scan_fini(struct sl_scan *scan);

/* Reads one file of a scan whole; the print's digest and size are those of what was read. */
int sl_scan_read(const char *path, struct sl_scan_file *file, struct sl_text *out,
		 struct sl_error *error);

#endif
