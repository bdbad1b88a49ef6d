/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_check.h - what no single key can say: contradictions between parts of a configuration.
 * Internal to config*.c. One thread.
 */
#ifndef SL_BASE_CONFIG_CHECK_H
#define SL_BASE_CONFIG_CHECK_H

#include "user/base/config.h"
#include "user/base/report.h"
#include "user/base/yaml.h"

/* Every contradiction becomes a complaint. Parts already complained about are skipped. */
void sl_config_check(const struct sl_config *config, const struct sl_yaml *root,
		     struct sl_report *report);

/* Regions of zones go to all who are in them; a zone in two of them is a complaint (config_region.c). */
void sl_config_join_regions(struct sl_config *config, struct sl_report *report);

/* The part about services, modes, spills, server ids, prefixes and beacons. */
void sl_config_check_kernel(const struct sl_config *config, const struct sl_yaml *root,
			    struct sl_report *report);

/* What routes degrade (config_check_degrade.c). */
void sl_config_check_degrade(const struct sl_config *config, struct sl_report *report);

/* Fixed sampling of routes (config_sampling.c). */
void sl_config_check_sampling(const struct sl_config *config, struct sl_report *report);

/* Prices and budgets (config_spend.c). */
void sl_config_check_spend(const struct sl_config *config, const struct sl_yaml *root,
			   struct sl_report *report);

/* Embeddings and the semantic cache (config_key_semantic.c). */
void sl_config_check_semantic(const struct sl_config *config, struct sl_report *report);
/* Indexes, sources, rerankers and the routes that name them (config_check_retrieve.c). */
void sl_config_check_retrieve(const struct sl_config *config, const struct sl_yaml *root,
			      struct sl_report *report);

/* Objectives (config_key_slo.c). */
void sl_config_check_slo(const struct sl_config *config, struct sl_report *report);
/* The status page (config_key_page.c). */
void sl_config_check_page(const struct sl_config *config, struct sl_report *report);

/* Receivers of alerts, recovery hooks (config_key_alert.c). */
void sl_config_check_alert(const struct sl_config *config, struct sl_report *report);

/* Programs that roll-outs ask (config_key_rollout.c). */
void sl_config_check_rollout(const struct sl_config *config, struct sl_report *report);

/* Headers and attributes that are no pairs (config_key_otlp.c). */
void sl_config_check_otlp(const struct sl_config *config, struct sl_report *report);

#endif
