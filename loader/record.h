/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.h - the records of what is attached where, by which `down` finds all of it again.
 *
 * One record an attachment, DIR/attached/KIND:IFINDEX:NETNS:NAME (dots of NAME written as `+`, for
 * bpffs allows none). What is pinned there:
 *
 *   kind                                pinned object   the attachment goes when
 *   xdp_native, xdp_generic             BPF link        the link is detached
 *   tcx_lane, tcx_ingress, tcx_egress   BPF link        the link is detached (Linux 6.6 and newer)
 *   cls_lane, cls_ingress, cls_egress   the program     the filter is deleted by netlink
 *   clsact                              the program     the qdisc, which was not there before, is
 *                                                       deleted
 *
 * A device has the fast lane at one hook: xdp_* with *_ingress beside it, or *_lane alone, which
 * does the work of both. Two of them at once mean that an `up` was stopped between the two steps of
 * a change; the next `up` or `down` mends it.
 *
 * The cls records are pinned before their netlink call, so a crash between the two leaves a record
 * of nothing and never an attachment without a record. A link without a pin ends with its process.
 */
#ifndef SL_LOADER_RECORD_H
#define SL_LOADER_RECORD_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "loader/netdev.h"
#include "user/base/config.h"

#define SL_RECORD_KINDS(X)            \
	X(XDP_NATIVE, "xdp_native")   \
	X(XDP_GENERIC, "xdp_generic") \
	X(TCX_LANE, "tcx_lane")       \
	X(TCX_INGRESS, "tcx_ingress") \
	X(TCX_EGRESS, "tcx_egress")   \
	X(CLS_LANE, "cls_lane")       \
	X(CLS_INGRESS, "cls_ingress") \
	X(CLS_EGRESS, "cls_egress")   \
	X(CLSACT, "clsact")

enum sl_record_kind {
#define X(id, name) SL_RECORD_##id,
	SL_RECORD_KINDS(X)
#undef X
		SL_RECORD_KIND_COUNT
};

/* XDP, two TC hooks and a qdisc a device; a change in progress adds one. */
#define SL_RECORDS_MAX (SL_CONFIG_DEVICES_MAX * 5u)

struct sl_record {
	enum sl_record_kind kind;
	uint32_t ifindex;
	uint64_t netns;
	char device[IF_NAMESIZE];
};

const char *sl_record_kind_name(enum sl_record_kind kind);
bool sl_record_is_xdp(enum sl_record_kind kind);
bool sl_record_is_lane(enum sl_record_kind kind); /* at TC */
bool sl_record_is_cls(enum sl_record_kind kind);  /* a filter, not its qdisc */

/* Fills at most `max` records and *ret_count. A missing directory holds none. */
void sl_record_list(const char *dir, struct sl_record *records, uint32_t max, uint32_t *ret_count);

/* The device's record of one kind, and whether it is there. */
bool sl_record_find(const char *dir, const struct sl_netdev *device, enum sl_record_kind kind,
		    struct sl_record *ret_record);

/* Whether the device of the record is still there. */
bool sl_record_alive(const char *dir, const struct sl_record *record);

/* Both of the above: the device's living record of this kind. */
bool sl_record_holds(const char *dir, const struct sl_netdev *device, enum sl_record_kind kind);

/*
 * Pins a link or a program as the record; over an older pin by rename, so that one is always there.
 * Says on stderr what failed.
 */
int sl_record_pin(const char *dir, const struct sl_record *record, int fd);

/* Descriptor of what is pinned, owned by the caller; -errno. */
int sl_record_open(const char *dir, const struct sl_record *record);

/* The record under another kind, *record included. Says on stderr what failed. */
int sl_record_rename(const char *dir, struct sl_record *record, enum sl_record_kind kind);

/*
 * The record from one pin directory into another. -EEXIST, in silence: it is there already. Says
 * on stderr what failed otherwise.
 */
int sl_record_move(const char *from, const char *dir, const struct sl_record *record);

/* Takes the pin away, nothing else; it need not be there. Returns 0 or -errno, in silence. */
int sl_record_unpin(const char *dir, const struct sl_record *record);

/* What an `up` that was killed between pinning and naming a record left. */
void sl_record_clear_unfinished(const char *dir);

#endif
