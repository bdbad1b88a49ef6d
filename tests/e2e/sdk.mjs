// SPDX-License-Identifier: BSD-2-Clause
// sdk.mjs - the `openai` client through sluiced, to the stand-in server and to llama.cpp.
// Started by sdk.sh: models "chat" (stand-in, one slot "narrow"), "stories" (llama.cpp) when there.
import { URL_BASE, check, expect, finish, getJson, metric, packageFile, request, samples, test, waitFor } from "./lib.mjs";

const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const HAS_LLAMA = process.argv.includes("--llama");
const ADMIN = "http://127.0.0.1:10001"; // of the stand-in behind "chat"
const NARROW = "http://127.0.0.1:10002"; // of the one behind "narrow": one slot, slow tokens
const LLAMA = "http://127.0.0.1:9003";
const make = (more = {}) => new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey: "any", timeout: 30000, ...more });
const client = make();
const ask = (model, text, more = {}) => ({ model, messages: [{ role: "user", content: text }], temperature: 0, ...more });
const state = (admin) => getJson(`${admin}/state`);

async function readStream(stream) {
  const seen = { text: "", chunks: 0, finish: null, usage: null, calls: [] };
  for await (const chunk of stream) {
    seen.chunks++;
    seen.usage ??= chunk.usage ?? null;
    const choice = chunk.choices[0];
    if (!choice) continue;
    seen.text += choice.delta?.content ?? choice.text ?? "";
    seen.finish ??= choice.finish_reason;
    for (const call of choice.delta?.tool_calls ?? []) {
      const at = (seen.calls[call.index] ??= { name: "", arguments: "" });
      at.name += call.function?.name ?? "";
      at.arguments += call.function?.arguments ?? "";
    }
  }
  return seen;
}
// The error that a call ends with.
async function errorOf(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return new Error("no error");
}

// ---- what both servers do ---------------------------------------------------------------------
async function common(model, prompt) {
  const text = (await client.chat.completions.create(ask(model, prompt, { max_tokens: 24 }))).choices[0].message.content;
  check(`${model}: chat`, text.length > 10, text);

  const whole = await client.chat.completions.create(ask(model, prompt, { max_tokens: 24 }));
  expect(`${model}: chat: the same text for the same question`, whole.choices[0].message.content, text);
  expect(`${model}: chat: usage adds up`, whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
  expect(`${model}: chat: finish_reason`, whole.choices[0].finish_reason, "length");

  const streamed = await readStream(
    await client.chat.completions.create(ask(model, prompt, { max_tokens: 24, stream: true, stream_options: { include_usage: true } })),
  );
  expect(`${model}: chat stream: the text of the whole answer`, streamed.text, text);
  check(`${model}: chat stream: came in pieces`, streamed.chunks > 10, streamed.chunks);
  expect(`${model}: chat stream: finish_reason`, streamed.finish, "length");
  expect(`${model}: chat stream: usage`, streamed.usage?.total_tokens, whole.usage.total_tokens);

  const completion = { model, prompt, max_tokens: 16, temperature: 0 };
  const completed = (await client.completions.create(completion)).choices[0].text;
  check(`${model}: completions`, completed.length > 5, completed);
  const pieces = await readStream(await client.completions.create({ ...completion, stream: true }));
  expect(`${model}: completions stream: the same text`, pieces.text, completed);

  const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
  const tolerated = await client.chat.completions.create(ask(model, prompt, { max_tokens: 8, tools }));
  check(`${model}: tools are passed`, tolerated.choices[0].message.content.length > 0);

  const many = await Promise.all(
    Array.from({ length: 24 }, async () =>
      readStream(await client.chat.completions.create(ask(model, prompt, { max_tokens: 24, stream: true }))),
    ),
  );
  expect(`${model}: 24 streams at once, each whole`, many.filter((seen) => seen.text === text && seen.finish === "length").length, 24);

  const models = [];
  for await (const each of await client.models.list()) models.push(each.id);
  check(`${model}: models.list names it`, models.includes(model), models.join(" "));
}

// ---- tools, embeddings: the stand-in ----------------------------------------------------------
async function standinOnly() {
  const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
  const wanted = ask("chat", "please call tool", { tools });
  const call = (await client.chat.completions.create(wanted)).choices[0];
  expect("tool call", [call.finish_reason, call.message.tool_calls?.[0].function.name], ["tool_calls", "weather"]);
  expect("tool call: arguments", JSON.parse(call.message.tool_calls[0].function.arguments), {});
  const streamed = await readStream(await client.chat.completions.create({ ...wanted, stream: true }));
  expect("tool call, streamed", [streamed.finish, streamed.calls[0]?.name, JSON.parse(streamed.calls[0]?.arguments ?? "null")], [
    "tool_calls",
    "weather",
    {},
  ]);
  const result = await client.chat.completions.create({
    model: "chat",
    messages: [
      ...wanted.messages,
      call.message,
      { role: "tool", tool_call_id: call.message.tool_calls[0].id, content: "sunny" },
      { role: "user", content: "and in one sentence?" },
    ],
    tools,
  });
  check("tool result is taken", result.choices[0].message.content?.length > 0);

  const vectors = await client.embeddings.create({ model: "chat", input: ["one", "two", "one"] });
  expect("embeddings", vectors.data.length, 3);
  check("embeddings: numbers", vectors.data[0].embedding.every(Number.isFinite) && vectors.data[0].embedding.length > 1);
  expect("embeddings: the same for the same input", vectors.data[2].embedding, vectors.data[0].embedding);

  const n = await client.chat.completions.create(ask("chat", "several", { n: 3, max_tokens: 8 }));
  expect("n = 3", n.choices.length, 3);
  const { response } = await client.chat.completions.create(ask("chat", "headers")).withResponse();
  expect("x-sluice-node by withResponse", response.headers.get("x-sluice-node"), "127.0.0.1:9001");
  check("_request_id", /^req_/.test(n._request_id), n._request_id);
}

// ---- errors: each of the client's classes -----------------------------------------------------
const fault = (name) => ({ headers: { "x-standin-fault": name } });
async function errors() {
  const missing = await errorOf(() => client.chat.completions.create(ask("nobody", "hello")));
  expect("unknown model", [missing.constructor.name, missing.status, missing.code, missing.param], [
    "NotFoundError",
    404,
    "model_not_found",
    "model",
  ]);
  const bad = await errorOf(() => client.chat.completions.create({ model: "chat", messages: "hello" }));
  expect("messages of the wrong type", [bad.constructor.name, bad.status, bad.param], ["BadRequestError", 400, "messages"]);
  const rows = [
    ["400-context", "BadRequestError", 400, "context_length_exceeded"],
    ["400-policy", "BadRequestError", 400, "content_policy_violation"],
    ["401", "AuthenticationError", 401, "invalid_api_key"],
    ["429-retry:1", "RateLimitError", 429, "rate_limit_exceeded"],
    ["500", "InternalServerError", 502, "upstream_error"],
    ["cut:0", "InternalServerError", 502, "upstream_error"],
  ];
  for (const [name, type, status, code] of rows) {
    for (const stream of [false, true]) {
      const before = (await state(ADMIN)).inference_requests;
      const error = await errorOf(() => client.chat.completions.create(ask("chat", "fault", { stream }), fault(name)));
      expect(`${name}${stream ? ", streamed" : ""}`, [error.constructor.name, error.status, error.code], [type, status, code]);
      // The client's own retries must not multiply ours: attempts of one request at most.
      const asked = (await state(ADMIN)).inference_requests - before;
      check(`${name}${stream ? ", streamed" : ""}: asked at most 4 times`, asked <= 4, asked);
    }
  }
  const broken = await errorOf(async () =>
    readStream(await client.chat.completions.create(ask("narrow", "breaks", { stream: true }), fault("rst:3"))),
  );
  expect("stream broken after its first tokens: the iterator throws", broken.code, "stream_interrupted");
  const silent = await errorOf(async () =>
    readStream(await client.chat.completions.create(ask("quick", "stalls", { stream: true }), fault("stall:3"))),
  );
  expect("stream silent after its first tokens: the iterator throws", silent.code, "stream_stalled");
}

// ---- clients that leave -----------------------------------------------------------------------
async function aborts() {
  const long = (more) => ask("narrow", "a long one", { max_tokens: 100000, ignore_eos: true, ...more });
  const gone = async () => (await state(NARROW)).client_gone;
  const running = async () => (await state(NARROW)).running;
  const waiting = async () => (await state(NARROW)).waiting;
  const before = await gone();

  const stream = await client.chat.completions.create(long({ stream: true }));
  let chunks = 0;
  for await (const chunk of stream) if (chunk && ++chunks === 3) stream.controller.abort();
  expect("abort in mid-stream: after 3 chunks", chunks, 3);
  check("abort in mid-stream: the server's slot is free", await waitFor(async () => (await running()) === 0));
  check("abort in mid-stream: the server saw the client leave", await waitFor(async () => (await gone()) === before + 1));

  // whole answer, and one that waits for the slot
  const controllers = [new AbortController(), new AbortController()];
  const calls = [];
  for (const [i, controller] of controllers.entries()) {
    calls.push(errorOf(() => client.chat.completions.create(long(), { signal: controller.signal, maxRetries: 0 })));
    check(`abort: request ${i} has arrived`, await waitFor(async () => (await running()) + (await waiting()) === i + 1));
  }
  controllers[1].abort();
  expect("abort in the server's queue", (await calls[1]).constructor.name, "APIUserAbortError");
  check("abort in the server's queue: the place is free", await waitFor(async () => (await waiting()) === 0));
  expect("abort in the server's queue: the other goes on", await running(), 1);
  controllers[0].abort();
  expect("abort before a whole answer", (await calls[0]).constructor.name, "APIUserAbortError");
  check("abort before a whole answer: the slot is free", await waitFor(async () => (await running()) === 0));
  check("abort: all seen", await waitFor(async () => (await gone()) === before + 3));
  expect("abort: counted by the daemon", await metric("sluice_client_gone_total", 'route="narrow"'), 3);
  expect("abort: neutral for the breaker", Object.keys(await samples("sluice_node_signals_total", "signal", "9002")).sort(), [
    "client_gone",
    "reset",
    "success",
  ]);

  const late = await errorOf(() => make({ timeout: 300, maxRetries: 0 }).chat.completions.create(long()));
  expect("the client's own time-out", late.constructor.name, "APIConnectionTimeoutError");
  check("the client's own time-out: the slot is free", await waitFor(async () => (await running()) === 0));
}

async function llamaOnly() {
  const llama = async (name) => {
    const { body } = await request("GET", `${LLAMA}/metrics`);
    return Number(body.match(new RegExp(`^vllm:${name}\\{[^}]*\\} (\\d+)`, "m"))[1]);
  };
  const long = await errorOf(() => client.chat.completions.create(ask("stories", "Once upon a time ".repeat(200))));
  expect("stories: prompt too long", [long.constructor.name, long.code], ["BadRequestError", "context_length_exceeded"]);

  // The model is fast: should an answer be complete before the abort arrives, try again.
  const before = await llama("request_aborted_total");
  const aborted = async () => {
    const stream = await client.chat.completions.create(ask("stories", "Once", { max_tokens: 480, stream: true }));
    for await (const chunk of stream) if (chunk) stream.controller.abort();
    return waitFor(async () => (await llama("request_aborted_total")) > before, 1000);
  };
  let seen = false;
  for (let tries = 0; tries < 5 && !seen; tries++) seen = await aborted();
  check("stories: abort in mid-stream reaches llama.cpp", seen);
  check("stories: no sequence is held", await waitFor(async () => (await llama("num_requests_running")) === 0));
}

await test("chat", () => common("chat", "Tell me a story."));
await test("stand-in", standinOnly);
await test("errors", errors);
await test("aborts", aborts);
if (HAS_LLAMA) {
  await test("stories", () => common("stories", "Once upon a time"));
  await test("llama", llamaOnly);
}
finish();
