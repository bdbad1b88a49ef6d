/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/config_check.h"
#include "user/base/config_explain.h"
#include "user/base/config_read.h"
#include "user/base/digest.h"
#include "user/base/error.h"

#define ARENA_BLOCK_BYTES 16384u
#define ARENA_BYTES_MAX	  (256u << 20)
#define READ_BYTES	  65536u

SL_STATIC_ASSERT(SL_CONFIG_BYTES_MAX <= SL_YAML_BYTES_MAX, "a legal file is legal YAML by size");

static int new_config(const char *name, struct sl_config **ret_config)
{
	struct sl_config *config = calloc(1, sizeof(*config));
	struct sl_arena *arena = malloc(sizeof(*arena));

	if (config == NULL || arena == NULL) {
		free(config);
		free(arena);
		return -ENOMEM;
	}
	sl_arena_init(arena, ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
	config->arena = arena;
	config->path = sl_arena_strdup(arena, name);
	if (config->path == NULL) {
		sl_config_close(&config);
		return -ENOMEM;
	}
	*ret_config = config;
	return 0;
}

void sl_config_close(struct sl_config **config)
{
	if (*config == NULL)
		return;
	sl_arena_fini((*config)->arena);
	free((*config)->arena);
	free(*config);
	*config = NULL;
}

static int build(struct sl_config *config, struct sl_report *report,
		 struct sl_config_explain *explain)
{
	struct sl_yaml *root;
	int rc = sl_yaml_parse(report, config->arena, &root);

	config->said = rc == 0 ? root : NULL;
	if (rc == 0)
		rc = sl_config_read_tree(config, root, config->arena, report, explain);
	if (rc == 0) {
		sl_config_join_regions(config, report);
		sl_config_check(config, root, report);
	}
	if (rc == 0 && report->count > 0)
		rc = -EINVAL;
	return rc;
}

static int parse(const char *name, const char *text, size_t text_len, struct sl_config **ret_config,
		 struct sl_config_explain *explain, char **ret_errors)
{
	struct sl_config *config;
	struct sl_report report;
	int rc = new_config(name, &config);

	*ret_errors = NULL;
	if (rc != 0)
		return rc;
	sl_digest_sha256(&(struct sl_span){text, text_len}, 1, config->digest);
	sl_report_init(&report, name, text, text_len);
	rc = build(config, &report, explain);
	if (rc == 0) {
		*ret_config = config;
	} else {
		if (report.count == 0)
			sl_report_add(&report, 0, 0, "cannot read: %s", sl_error_words(rc));
		*ret_errors = sl_report_render(&report);
		sl_config_close(&config);
	}
	sl_report_fini(&report);
	return rc;
}

int sl_config_parse(const char *name, const char *text, size_t text_len,
		    struct sl_config **ret_config, char **ret_errors)
{
	return parse(name, text, text_len, ret_config, NULL, ret_errors);
}

int sl_config_explain_parse(const char *name, const char *text, size_t text_len,
			    struct sl_config **ret_config, struct sl_config_explain *ret_explain,
			    char **ret_errors)
{
	*ret_explain = (struct sl_config_explain){0};
	return parse(name, text, text_len, ret_config, ret_explain, ret_errors);
}

/* The whole file, one byte over the limit at most. */
static int read_file(const char *path, struct sl_text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;
	int rc = 0;

	if (fd < 0)
		return -errno;
	while (got > 0 && text->len <= SL_CONFIG_BYTES_MAX && rc == 0) {
		size_t room = SL_CONFIG_BYTES_MAX + 1 - text->len;

		rc = sl_text_reserve(text, room < READ_BYTES ? room : READ_BYTES);
		if (rc != 0)
			break;
		got = read(fd, text->data + text->len, room < READ_BYTES ? room : READ_BYTES);
		if (got > 0)
			text->len += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			rc = -errno;
	}
	close(fd);
	return rc;
}

static int read_and_parse(const char *path, struct sl_config **ret_config,
			  struct sl_config_explain *explain, char **ret_errors)
{
	struct sl_report report;
	struct sl_text text;
	int rc;

	*ret_errors = NULL;
	sl_text_init(&text, SL_CONFIG_BYTES_MAX + READ_BYTES);
	rc = read_file(path, &text);
	if (rc == 0 && text.len <= SL_CONFIG_BYTES_MAX) {
		rc = parse(path, sl_text_string(&text), text.len, ret_config, explain, ret_errors);
		sl_text_fini(&text);
		return rc;
	}
	sl_report_init(&report, path, "", 0);
	if (rc == 0) {
		rc = -E2BIG;
		sl_report_add(&report, 0, 0, "larger than %u bytes", SL_CONFIG_BYTES_MAX);
	} else {
		sl_report_add(&report, 0, 0, "cannot read: %s", sl_error_words(rc));
	}
	*ret_errors = sl_report_render(&report);
	sl_report_fini(&report);
	sl_text_fini(&text);
	return rc;
}

int sl_config_read(const char *path, struct sl_config **ret_config, char **ret_errors)
{
	return read_and_parse(path, ret_config, NULL, ret_errors);
}

int sl_config_explain_read(const char *path, struct sl_config **ret_config,
			   struct sl_config_explain *ret_explain, char **ret_errors)
{
	*ret_explain = (struct sl_config_explain){0};
	return read_and_parse(path, ret_config, ret_explain, ret_errors);
}

const struct sl_config_pool *sl_config_find_pool(const struct sl_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->pool_count; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return &config->pools[i];
	return NULL;
}

const struct sl_config_route *sl_config_find_route(const struct sl_config *config,
						   const char *model)
{
	for (uint32_t i = 0; i < config->route_count; i++)
		if (strcmp(config->routes[i].model, model) == 0)
			return &config->routes[i];
	return NULL;
}
