/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attach.h - programs on devices, and the records that let `down` find them again.
 *
 * One record an attachment, DIR/attached/KIND:IFINDEX:NETNS:NAME (dots of NAME written as `+`, for
 * bpffs allows none). What is pinned there:
 *
 *   kind                        pinned object   the attachment goes when
 *   xdp_native, xdp_generic     BPF link        the link is detached
 *   tcx_ingress, tcx_egress     BPF link        the link is detached (Linux 6.6 and newer)
 *   cls_ingress, cls_egress     the program     the filter is deleted by netlink
 *   clsact                      the program     the qdisc, which was not there before, is deleted
 *
 * The cls records are pinned before their netlink call, so a crash between the two leaves a record
 * of nothing and never an attachment without a record. A link without a pin ends with its process.
 */
#ifndef SL_LOADER_ATTACH_H
#define SL_LOADER_ATTACH_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "loader/netdev.h"
#include "loader/object.h"
#include "user/base/config.h"

#define SL_ATTACH_KINDS(X)                        \
	X(XDP_NATIVE, "xdp_native", XDP)          \
	X(XDP_GENERIC, "xdp_generic", XDP)        \
	X(TCX_INGRESS, "tcx_ingress", TC_INGRESS) \
	X(TCX_EGRESS, "tcx_egress", TC_EGRESS)    \
	X(CLS_INGRESS, "cls_ingress", TC_INGRESS) \
	X(CLS_EGRESS, "cls_egress", TC_EGRESS)    \
	X(CLSACT, "clsact", TC_INGRESS)

enum sl_attach_kind {
#define X(id, name, program) SL_ATTACH_##id,
	SL_ATTACH_KINDS(X)
#undef X
		SL_ATTACH_KIND_COUNT
};

/* XDP, two TC hooks and a qdisc a device. */
#define SL_ATTACH_RECORDS_MAX (SL_CONFIG_DEVICES_MAX * 4u)
#define SL_ATTACH_REASON_MAX  128u

struct sl_attachment {
	enum sl_attach_kind kind;
	uint32_t ifindex;
	uint64_t netns;
	char device[IF_NAMESIZE];
};

/* How `up` was asked to attach. */
enum sl_attach_hook {
	SL_ATTACH_HOOK_AUTO = 0, /* native where the driver can, else generic */
	SL_ATTACH_HOOK_NATIVE,
	SL_ATTACH_HOOK_GENERIC,
};
enum sl_attach_tc {
	SL_ATTACH_TC_AUTO = 0, /* tcx where the kernel has it, else clsact */
	SL_ATTACH_TC_TCX,
	SL_ATTACH_TC_CLSACT,
};

const char *sl_attach_kind_name(enum sl_attach_kind kind);

/* Fills at most `max` records and *ret_count. A missing directory holds none. */
void sl_attach_list(const char *dir, struct sl_attachment *records, uint32_t max,
		    uint32_t *ret_count);

/* Whether the device of the record is still there. */
bool sl_attach_alive(const char *dir, const struct sl_attachment *record);

/*
 * Attaches XDP and both TC hooks to the device, or moves the attachments it has to the new
 * programs, each atomically. *ret_kind is the XDP mode it got, reason why (never empty).
 * Says on stderr what failed: -EBUSY for an XDP program of someone else, -EOPNOTSUPP where the
 * wanted mode is not to be had, and the kernel's errors. What was attached stays recorded.
 */
int sl_attach_device(const char *dir, const struct sl_netdev *device,
		     const struct sl_object *object, enum sl_attach_hook hook, enum sl_attach_tc tc,
		     enum sl_attach_kind *ret_kind, char reason[SL_ATTACH_REASON_MAX]);

/* Detaches and removes the record. A device that is gone is no error. */
int sl_attach_remove(const char *dir, const struct sl_attachment *record);

/* Every record, in an order that lets a qdisc go after its filters. Returns the first error. */
int sl_attach_remove_all(const char *dir);

#endif
