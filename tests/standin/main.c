/* The stand-in inference server: a fast fake of an OpenAI-compatible server, for tests and
 * benchmarks.
 *
 * This file owns the command line. server.h says what a request and a token cost in system calls:
 * one recv and one send a request, one send a token, shared where they fall together.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/standin/server.h"
#include "tests/standin/text.h"

enum { DEFAULT_CONTEXT_TOKENS = 131072, DEFAULT_SEED = 42 };
static const double number_max = 1e12;
static const char default_address[] = "127.0.0.1:8000";

enum option_id {
	OPTION_LISTEN = 1,
	OPTION_THREADS,
	OPTION_MODEL,
	OPTION_SLOTS,
	OPTION_PREFILL,
	OPTION_TOKEN,
	OPTION_KV,
	OPTION_SEED,
	OPTION_ADMIN,
	OPTION_NAME,
	OPTION_CTX,
	OPTION_REPLY,
	OPTION_HEADERS_FIRST,
	OPTION_HELP,
};

static const struct option table[] = {
	{"listen", required_argument, NULL, OPTION_LISTEN},
	{"threads", required_argument, NULL, OPTION_THREADS},
	{"model", required_argument, NULL, OPTION_MODEL},
	{"slots", required_argument, NULL, OPTION_SLOTS},
	{"prefill-us-per-token", required_argument, NULL, OPTION_PREFILL},
	{"token-us", required_argument, NULL, OPTION_TOKEN},
	{"kv-tokens", required_argument, NULL, OPTION_KV},
	{"seed", required_argument, NULL, OPTION_SEED},
	{"admin", required_argument, NULL, OPTION_ADMIN},
	{"name", required_argument, NULL, OPTION_NAME},
	{"ctx", required_argument, NULL, OPTION_CTX},
	{"reply-tokens", required_argument, NULL, OPTION_REPLY},
	{"headers-first", no_argument, NULL, OPTION_HEADERS_FIRST},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

static const char usage[] =
	"usage: standin [option]...\n"
	"  --listen ADDR:PORT         serve here; repeatable (127.0.0.1:8000); port 0: any free "
	"one\n"
	"  --threads N                worker threads (1)\n"
	"  --model NAME               serve only this name; repeatable (any name)\n"
	"  --slots N                  requests that run at once (0: no limit)\n"
	"  --prefill-us-per-token F   time before the first token, by prompt length (0)\n"
	"  --token-us F               time between tokens (0)\n"
	"  --kv-tokens N              size of the KV cache (0: no limit)\n"
	"  --seed S                   of the texts (42); servers with one seed write the same\n"
	"  --admin ADDR:PORT          admin calls here (none)\n"
	"  --name NAME                in x-standin-name and system_fingerprint (standin)\n"
	"  --ctx N                    context length in tokens (131072; 0: no limit)\n"
	"  --reply-tokens N           natural length of a text (0: 16 to 79, by the prompt)\n"
	"  --headers-first            stream heads go out at once, not with the first token\n";

static void die(const char *message, const char *value)
{
	fprintf(stderr, "standin: %s: %s (see: standin --help)\n", message, value);
	exit(2);
}

static double parse_number(const char *text)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number >= 0 && number <= number_max))
		die("not a number from 0 on", text);
	return number;
}

static const char *parse_name(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  "._-/:@");

	if (len == 0 || text[len] || len > SL_NAME_LEN_MAX)
		die("a name is 1 to 64 of letters, digits and ._-/:@", text);
	return text;
}

static void take_option(struct sl_options *options, struct sl_model *model, int id,
			const char *value)
{
	switch (id) {
	case OPTION_LISTEN:
		if (options->address_count == SL_ADDRESS_COUNT_MAX)
			die("too many addresses", value);
		options->addresses[options->address_count++] = value;
		return;
	case OPTION_THREADS:
		options->threads = (unsigned int)parse_number(value);
		if (options->threads < 1 || options->threads > SL_THREAD_COUNT_MAX)
			die("threads are from 1 to 64", value);
		return;
	case OPTION_MODEL:
		if (options->model_count == SL_MODEL_COUNT_MAX)
			die("too many models", value);
		options->models[options->model_count++] = parse_name(value);
		return;
	case OPTION_SLOTS:
		atomic_store(&model->slots, (int64_t)parse_number(value));
		return;
	case OPTION_PREFILL:
		atomic_store(&model->prefill_ns_per_token, (int64_t)(parse_number(value) * 1000));
		return;
	case OPTION_TOKEN:
		atomic_store(&model->token_ns, (int64_t)(parse_number(value) * 1000));
		return;
	case OPTION_KV:
		atomic_store(&model->kv_limit_tokens, (int64_t)parse_number(value));
		return;
	case OPTION_SEED:
		options->seed = (uint64_t)parse_number(value);
		return;
	case OPTION_ADMIN:
		options->admin = value;
		return;
	case OPTION_NAME:
		options->name = parse_name(value);
		return;
	case OPTION_CTX:
		options->context_tokens = (uint64_t)parse_number(value);
		return;
	case OPTION_REPLY:
		options->reply_tokens = (uint64_t)parse_number(value);
		return;
	case OPTION_HEADERS_FIRST:
		options->headers_first = true;
		return;
	case OPTION_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct sl_options options = {.threads = 1,
				     .name = "standin",
				     .seed = DEFAULT_SEED,
				     .context_tokens = DEFAULT_CONTEXT_TOKENS};
	static struct sl_model model;
	int id;

	while ((id = getopt_long(argc, argv, "", table, NULL)) != -1)
		take_option(&options, &model, id, optarg);
	if (optind < argc)
		die("unexpected argument", argv[optind]);
	if (options.address_count == 0)
		options.addresses[options.address_count++] = default_address;
	signal(SIGPIPE, SIG_IGN);
	sl_text_init();
	return sl_server_run(&options, &model) ? 1 : 0;
}
