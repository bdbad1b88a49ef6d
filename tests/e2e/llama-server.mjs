// SPDX-License-Identifier: BSD-2-Clause
// llama-server.mjs - a real inference server: llama.cpp behind OpenAI's HTTP interface.
//
//   node llama-server.mjs MODEL.gguf [--listen 127.0.0.1:8000] [--sequences 4] [--name NAME]
//                         [--context 512] [--threads 1]
//
// For tests and for `make run`, not for production: it is the other side of the wire, with as little
// code as an honest one needs. One context, N sequences batched together; requests beyond N wait in
// order. A client that leaves stops its sequence at the next token.
//
// Serves POST /v1/chat/completions and /v1/completions; GET /v1/models, /health and /metrics (vLLM's
// names); as llama.cpp's own server POST /tokenize ({content, add_special} -> {tokens}) and
// /apply-template ({messages} -> {prompt}), and GET /props, whose n_ctx is what a prompt and its answer may
// take together. SIGUSR2: it counts no more (404), or again. No embeddings. Takes model, messages, prompt, stream,
// stream_options.include_usage, max_tokens, max_completion_tokens, temperature, seed, stop; `tools`
// and other members are passed over, as a model without tool training does. A prompt that does not
// fit the context is 400 context_length_exceeded, as OpenAI says it.
//
// Needs npm node-llama-cpp in build/e2e (tests/e2e/deps.sh), or in $SLUICE_NODE_MODULES.
import http from "node:http";
import path from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath, pathToFileURL } from "node:url";

const BODY_BYTES_MAX = 4 << 20;
const DEFAULT_TOKENS = 64;

function usage(why) {
  console.error(`llama-server: ${why}\nusage: llama-server.mjs MODEL.gguf [--listen ADDRESS:PORT] [--sequences N] [--name NAME] [--context N] [--threads N]`);
  process.exit(2);
}
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    listen: { type: "string", default: "127.0.0.1:8000" },
    sequences: { type: "string", default: "4" },
    name: { type: "string" },
    context: { type: "string", default: "512" },
    threads: { type: "string", default: "1" },
  },
});
if (positionals.length !== 1) usage("one model file is needed");
const modelPath = path.resolve(positionals[0]);
const modelName = options.name ?? path.basename(modelPath, ".gguf");
const contextSize = Number(options.context);
const contextMax = contextSize - 8; // a margin of its own
const [, address, port] = options.listen.match(/^\[?([^\]]*)\]?:(\d+)$/) ?? usage(`--listen ${options.listen}: expected ADDRESS:PORT`);

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.SLUICE_NODE_MODULES ?? path.join(here, "../../build/e2e/node_modules");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(path.join(modules, "node-llama-cpp/dist/index.js")).href);

// ---- the model --------------------------------------------------------------------------------
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize,
  sequences: Number(options.sequences),
  threads: Number(options.threads),
  batchSize: contextSize,
});
const free = Array.from({ length: Number(options.sequences) }, () => context.getSequence());
const waiting = []; // {take}, first come, first served
const counts = { running: 0, requests: 0, promptTokens: 0, generatedTokens: 0, gone: 0 };

// A sequence, or null when the client leaves first.
function acquire(signal) {
  if (signal.aborted) return Promise.resolve(null);
  if (free.length) return Promise.resolve(free.pop());
  return new Promise((resolve) => {
    const place = { take: resolve };
    waiting.push(place);
    signal.addEventListener("abort", () => {
      const index = waiting.indexOf(place);
      if (index < 0) return;
      waiting.splice(index, 1);
      resolve(null);
    });
  });
}
function release(sequence) {
  const next = waiting.shift();
  if (next) next.take(sequence);
  else free.push(sequence);
}

// ---- wire format ------------------------------------------------------------------------------
class RequestError extends Error {
  constructor(status, code, message, param = null) {
    super(message);
    Object.assign(this, { status, code, param });
  }
}
const errorBody = (error) =>
  JSON.stringify({
    error: {
      message: error.message,
      type: error.status >= 500 ? "server_error" : "invalid_request_error",
      param: error.param ?? null,
      code: error.code ?? null,
    },
  });
function answer(response, status, body, type = "application/json") {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
  response.end(body);
}

async function readJson(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > BODY_BYTES_MAX) throw new RequestError(413, "request_too_large", "The body is too large.");
    parts.push(part);
  }
  try {
    const value = JSON.parse(Buffer.concat(parts).toString());
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
  } catch {}
  throw new RequestError(400, "invalid_json", "The body is not a JSON object.");
}

function textOf(content) {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map((part) => part?.text ?? "").join("");
  return "";
}
function readPrompt(ask, chat) {
  if (!chat) {
    if (typeof ask.prompt === "string") return ask.prompt;
    throw new RequestError(400, "invalid_type", "prompt must be a string.", "prompt");
  }
  if (!Array.isArray(ask.messages) || !ask.messages.length)
    throw new RequestError(400, "invalid_value", "messages must be a list that is not empty.", "messages");
  return ask.messages.map((message) => textOf(message?.content)).join("\n");
}
function tokensOf(text, special) {
  const tokens = model.tokenize(text);
  if (special && model.tokens.bos !== null) tokens.unshift(model.tokens.bos);
  return tokens;
}
function readPlan(ask, chat) {
  const tokens = tokensOf(readPrompt(ask, chat), true);
  const room = contextMax - tokens.length;
  if (room < 1)
    throw new RequestError(
      400,
      "context_length_exceeded",
      `This model's maximum context length is ${contextMax} tokens; the prompt has ${tokens.length}.`,
      "messages",
    );
  const asked = ask.max_completion_tokens ?? ask.max_tokens ?? DEFAULT_TOKENS;
  if (!Number.isInteger(asked) || asked < 1)
    throw new RequestError(400, "invalid_value", "max_tokens must be a whole number from 1.", "max_tokens");
  return {
    tokens,
    max: Math.min(asked, room),
    stops: [ask.stop ?? []].flat().filter((stop) => typeof stop === "string" && stop),
    sampling: { temperature: Number(ask.temperature ?? 0), seed: Number.isInteger(ask.seed) ? ask.seed : undefined },
  };
}

// ---- one request ------------------------------------------------------------------------------
// Calls onText for each piece; returns {text, count, reason}.
async function generate(sequence, plan, signal, onText) {
  const out = [];
  let text = "";
  let count = 0;
  await sequence.clearHistory();
  for await (const token of sequence.evaluate(plan.tokens, plan.sampling)) {
    if (signal.aborted) return { text, count, reason: "abort" };
    if (model.isEogToken(token)) return { text, count, reason: "stop" };
    out.push(token);
    count++;
    counts.generatedTokens++;
    // Detokenized as a whole: a character may take several tokens.
    const whole = model.detokenize(out);
    if (!whole.endsWith("\uFFFD")) {
      const stop = plan.stops.map((s) => whole.indexOf(s)).find((at) => at >= 0);
      const upTo = stop ?? whole.length;
      if (upTo > text.length) onText(whole.slice(text.length, upTo));
      text = whole.slice(0, upTo);
      if (stop !== undefined) return { text, count, reason: "stop" };
    }
    if (count >= plan.max) break;
  }
  return { text, count, reason: "length" };
}

async function infer(request, response, chat) {
  const ask = await readJson(request);
  const plan = readPlan(ask, chat);
  const abort = new AbortController();
  response.on("close", () => abort.abort());
  const sequence = await acquire(abort.signal);
  if (!sequence) {
    counts.gone++;
    return;
  }
  counts.running++;
  counts.promptTokens += plan.tokens.length;
  try {
    await reply(ask, plan, sequence, response, chat, abort.signal);
  } finally {
    counts.running--;
    if (abort.signal.aborted && !response.writableFinished) counts.gone++;
    release(sequence);
  }
}

async function reply(ask, plan, sequence, response, chat, signal) {
  const common = {
    id: `${chat ? "chatcmpl" : "cmpl"}-${process.pid.toString(16)}-${++counts.requests}`,
    object: chat ? "chat.completion" : "text_completion",
    created: Math.floor(Date.now() / 1000),
    model: modelName,
  };
  const usageOf = (count) => ({
    prompt_tokens: plan.tokens.length,
    completion_tokens: count,
    total_tokens: plan.tokens.length + count,
  });
  if (!ask.stream) {
    const { text, count, reason } = await generate(sequence, plan, signal, () => {});
    const choice = chat ? { index: 0, message: { role: "assistant", content: text } } : { index: 0, text };
    answer(
      response,
      200,
      JSON.stringify({ ...common, choices: [{ ...choice, logprobs: null, finish_reason: reason }], usage: usageOf(count) }),
    );
    return;
  }
  if (chat) common.object = "chat.completion.chunk";
  const send = (value) => response.write(`data: ${JSON.stringify(value)}\n\n`);
  const piece = (delta, reason) =>
    send({
      ...common,
      choices: [{ index: 0, ...(chat ? { delta } : { text: delta.content ?? "" }), logprobs: null, finish_reason: reason }],
    });
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  if (chat) piece({ role: "assistant", content: "" }, null);
  const { count, reason } = await generate(sequence, plan, signal, (text) => piece({ content: text }, null));
  if (signal.aborted) return;
  piece({}, reason);
  if (ask.stream_options?.include_usage) send({ ...common, choices: [], usage: usageOf(count) });
  response.end("data: [DONE]\n\n");
}

// ---- HTTP -------------------------------------------------------------------------------------
function metrics() {
  const line = (name, type, value) => `# TYPE vllm:${name} ${type}\nvllm:${name}{model_name="${modelName}"} ${value}\n`;
  return (
    line("num_requests_running", "gauge", counts.running) +
    line("num_requests_waiting", "gauge", waiting.length) +
    line("prompt_tokens_total", "counter", counts.promptTokens) +
    line("generation_tokens_total", "counter", counts.generatedTokens) +
    line("request_aborted_total", "counter", counts.gone)
  );
}
let counting = true;
async function count(request, response, work) {
  if (!counting) throw new RequestError(404, "unknown_url", "It does not count.");
  answer(response, 200, JSON.stringify(work(await readJson(request))));
}
function tokenize(ask) {
  if (typeof ask.content !== "string") throw new RequestError(400, "invalid_type", "content must be a string.", "content");
  return { tokens: tokensOf(ask.content, ask.add_special === true) };
}
const routes = {
  "GET /props": (_, response) =>
    answer(response, 200, JSON.stringify({ default_generation_settings: { n_ctx: contextMax }, total_slots: Number(options.sequences), model_path: modelPath })),
  "POST /tokenize": (request, response) => count(request, response, tokenize),
  "POST /apply-template": (request, response) => count(request, response, (ask) => ({ prompt: readPrompt(ask, true) })),
  "GET /health": (_, response) => answer(response, 200, "{}"),
  "GET /metrics": (_, response) => answer(response, 200, metrics(), "text/plain; version=0.0.4"),
  "GET /v1/models": (_, response) =>
    answer(
      response,
      200,
      JSON.stringify({ object: "list", data: [{ id: modelName, object: "model", created: 0, owned_by: "local" }] }),
    ),
  "POST /v1/chat/completions": (request, response) => infer(request, response, true),
  "POST /v1/completions": (request, response) => infer(request, response, false),
};

const server = http.createServer(async (request, response) => {
  const route = routes[`${request.method} ${request.url.split("?")[0]}`];
  try {
    if (!route) throw new RequestError(404, "unknown_url", `Unknown request URL: ${request.method} ${request.url}.`);
    await route(request, response);
  } catch (error) {
    const known = error instanceof RequestError ? error : Object.assign(error, { status: 500, code: "internal_error" });
    if (known.status === 500) console.error(error);
    if (response.headersSent) response.destroy();
    else answer(response, known.status, errorBody(known));
  }
});
server.keepAliveTimeout = 75000; // longer than a proxy keeps idle connections: it closes first
server.on("error", (error) => {
  console.error(`llama-server: listen ${options.listen}: ${error.message}`);
  process.exit(1);
});
server.listen(Number(port), address, () => console.log(`llama-server ${modelName}: listening on ${options.listen}`));
process.on("SIGUSR2", () => {
  counting = !counting;
  console.log(`counting ${counting}`);
});
for (const signal of ["SIGTERM", "SIGINT"])
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
