/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * apply.h - a configuration into the pinned maps: the libbpf side of user/base/topology.h.
 */
#ifndef SL_LOADER_APPLY_H
#define SL_LOADER_APPLY_H

#include "loader/object.h"
#include "loader/view.h"
#include "user/base/topology.h"

/*
 * Before the maps of a fresh object are pinned: version and CPU count, so that whoever finds the
 * pins can tell them from those of another version, what the sizes of its maps are, and a secret of
 * the guard. Says on stderr what failed.
 */
int sl_apply_begin(const struct sl_object *object);

/*
 * Topology, tunables, settings and VLAN devices. A seed of 0 in the configuration becomes the one
 * in use, or a drawn one. Says on stderr what failed; the caller ends *ret_topology with
 * sl_topology_fini().
 */
int sl_apply_config(const struct sl_view *view, struct sl_config *config,
		    struct sl_topology *ret_topology);

#endif
