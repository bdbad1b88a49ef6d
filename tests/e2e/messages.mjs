// SPDX-License-Identifier: BSD-2-Clause
// messages.mjs - the `@anthropic-ai/sdk` client through sluiced to OpenAI-compatible servers.
// Started by messages.sh: "chat" and "quick" (stand-in a), "pair" (stand-ins bad, good), "narrow" (one
// slot, slow tokens; killed at the end), "behind" (a closed port, then a), "scripted" (the node below).
import http from "node:http";
import { URL_BASE, check, expect, finish, getJson, metric, packageFile, post, request, samples, test, waitFor } from "./lib.mjs";

const { default: Anthropic } = await import(packageFile("@anthropic-ai/sdk/index.mjs"));
const CHAT = "http://127.0.0.1:10001";
const NARROW = "http://127.0.0.1:10004";
const make = (more = {}) => new Anthropic({ baseURL: URL_BASE, apiKey: "sk-any", timeout: 30000, maxRetries: 0, ...more });
const client = make();
const ask = (model, content, more = {}) => ({ model, max_tokens: 24, messages: [{ role: "user", content }], ...more });
const fault = (name, node) => ({ headers: { "x-standin-fault": name, ...(node && { "x-standin-fault-node": node }) } });
const state = (admin) => getJson(`${admin}/state`);
const weather = { name: "weather", description: "of a place", input_schema: { type: "object", properties: { place: { type: "string" } } } };

async function errorOf(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return new Error("no error");
}
// The error of a stream that breaks after its beginning.
const streamErrorOf = (body, options) =>
  errorOf(async () => {
    for await (const event of await client.messages.create({ ...body, stream: true }, options)) void event;
  });
const kind = (error) => [error.constructor.name, error.status, error.error?.error?.type];
// Names of the events of a raw stream, and the data of each.
function eventsOf(text) {
  return text
    .split("\n\n")
    .map((event) => [event.match(/^event: (.*)$/m)?.[1], event.match(/^data: (.*)$/m)?.[1]])
    .filter(([name]) => name);
}

// ---- a node of our own ------------------------------------------------------------------------
// Answers by the extra field "script" of the request, which passes through untouched.
const seen = []; // {path, headers, body} of each request
const chunk = (delta, more = {}) => ({ model: "s-1", choices: [{ index: 0, delta, finish_reason: null, ...more }] });
const call = (index, id, name, args) => ({ index, ...(id && { id, type: "function" }), function: { ...(name && { name }), arguments: args } });
const usage = { prompt_tokens: 40, completion_tokens: 9, total_tokens: 49, prompt_tokens_details: { cached_tokens: 30 } };
const answer = (message, more = {}) => ({ model: "s-1", choices: [{ index: 0, message, finish_reason: "stop", ...more }], usage });
const calls = (...list) => ({ content: null, tool_calls: list.map(([id, name, args]) => ({ id, type: "function", function: { name, arguments: args } })) });
const scripts = {
  parallel: {
    whole: () => answer({ content: "Look: ", ...calls(["a", "weather", '{"place":"Zürich"}'], ["b", "time", "{}"]), content: "Look: " }, { finish_reason: "tool_calls" }),
    stream: () => [
      chunk({ role: "assistant", content: "" }),
      chunk({ content: "Look" }),
      chunk({ content: ": " }),
      chunk({ tool_calls: [call(0, "a", "weather", "")] }),
      chunk({ tool_calls: [call(0, null, null, '{"place":"Z')] }),
      chunk({ tool_calls: [call(0, null, null, 'ürich"}')] }),
      chunk({ tool_calls: [call(1, "b", "time", "{}")] }),
      chunk({}, { finish_reason: "tool_calls" }),
      { choices: [], usage },
    ],
  },
  sequence: {
    whole: () => answer({ content: "a" }, { stop_reason: "END" }),
    stream: () => [chunk({ content: "a" }), chunk({}, { finish_reason: "stop", stop_reason: "END" }), { choices: [], usage }],
  },
  filtered: {
    whole: () => answer({ content: "a" }, { finish_reason: "content_filter" }),
    stream: () => [chunk({ content: "a" }), chunk({}, { finish_reason: "content_filter" })],
  },
  reasoning: {
    whole: () => answer({ reasoning_content: "hm", content: "a" }),
    stream: () => [chunk({ reasoning_content: "hm" }), chunk({ content: "a" }), chunk({}, { finish_reason: "stop" })],
  },
  // The model slips once: the second attempt is right.
  slip: { whole: (n) => answer(calls(["a", "weather", n ? "{}" : "{oops"]), { finish_reason: "tool_calls" }) },
  slips: { whole: () => answer(calls(["a", "weather", "{oops"]), { finish_reason: "tool_calls" }) },
  strange: { whole: (n) => (n ? answer({ content: "a" }) : { object: "text_completion", choices: [{ text: "x" }] }) },
  interleaved: {
    stream: () => [
      chunk({ tool_calls: [call(0, "a", "weather", "{")] }),
      chunk({ tool_calls: [call(1, "b", "time", "{")] }),
      chunk({ tool_calls: [call(0, null, null, "}")] }),
      chunk({}, { finish_reason: "tool_calls" }),
    ],
  },
};
const counts = {};
const sleepless = () => new Promise((resolve) => setImmediate(resolve));
const node = http.createServer(async (req, res) => {
  if (req.method !== "POST") return res.writeHead(404).end(); // it shows no metrics
  const parts = [];
  for await (const part of req) parts.push(part);
  const body = JSON.parse(Buffer.concat(parts).toString());
  seen.push({ path: req.url, headers: req.headers, body });
  const script = scripts[body.script];
  const n = counts[body.script] ?? 0;
  counts[body.script] = n + 1;
  if (!body.stream) {
    res.writeHead(200, { "content-type": "application/json" });
    res.end(JSON.stringify(script.whole(n)));
    return;
  }
  res.writeHead(200, { "content-type": "text/event-stream" });
  res.flushHeaders();
  const text = `${script.stream(n).map((data) => `data: ${JSON.stringify(data)}\n\n`).join("")}data: [DONE]\n\n`;
  // every byte in a chunk and a segment of its own where the request says so
  const bytes = Buffer.from(text);
  if (body.dribble) {
    res.socket.setNoDelay(true);
    for (let i = 0; i < bytes.length; i++) {
      res.write(bytes.subarray(i, i + 1));
      await sleepless();
    }
    res.end();
  } else {
    res.end(bytes);
  }
});
await new Promise((resolve) => node.listen(9005, "127.0.0.1", resolve));

// ---- answers ----------------------------------------------------------------------------------
async function answers() {
  const { data: whole, request_id } = await client.messages.create(ask("chat", "Tell me a story.")).withResponse();
  const text = whole.content[0].text;
  check("whole: text", text.length > 20, text);
  expect("whole: the shape", [whole.type, whole.role, whole.model, whole.content.length, whole.stop_reason, whole.stop_sequence], [
    "message",
    "assistant",
    "chat",
    1,
    "max_tokens",
    null,
  ]);
  expect("whole: usage", [whole.usage.input_tokens > 0, whole.usage.output_tokens], [true, 24]);
  check("whole: ids", /^msg_[0-9a-f]{32}$/.test(whole.id) && request_id === whole.id.replace("msg_", "req_"), [whole.id, request_id].join());

  const ended = await client.messages.create(ask("chat", "Short.", { max_tokens: 4000 }));
  expect("whole: ends by itself", ended.stop_reason, "end_turn");

  const stream = client.messages.stream(ask("chat", "Tell me a story."));
  const deltas = [];
  stream.on("text", (delta) => deltas.push(delta));
  const final = await stream.finalMessage();
  expect("stream: the text of the whole answer", final.content, whole.content);
  expect("stream: came token by token", deltas.length, 24);
  expect("stream: stop reason and usage", [final.stop_reason, final.usage.input_tokens, final.usage.output_tokens], [
    "max_tokens",
    whole.usage.input_tokens,
    24,
  ]);
  const raw = await post("/v1/messages", ask("chat", "Tell me a story.", { stream: true, max_tokens: 2 }));
  expect("stream: order of events", eventsOf(raw.body).map(([name]) => name), [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
  ]);
  check("stream: content type", raw.headers["content-type"].startsWith("text/event-stream"), raw.headers["content-type"]);
  check("stream: no chunk of the other format", !raw.body.includes("[DONE]") && !raw.body.includes("choices"), raw.body);

  const used = await client.messages.create(ask("chat", "call tool", { tools: [weather] }));
  expect("tool: whole", [used.stop_reason, used.content.map(({ type, name, input }) => ({ type, name, input }))], [
    "tool_use",
    [{ type: "tool_use", name: "weather", input: {} }],
  ]);
  const streamed = await client.messages.stream(ask("chat", "call tool", { tools: [weather] })).finalMessage();
  expect("tool: streamed", [streamed.stop_reason, streamed.content.map(({ type, name, input }) => ({ type, name, input }))], [
    "tool_use",
    [{ type: "tool_use", name: "weather", input: {} }],
  ]);
  const again = await client.messages.create({
    model: "chat",
    max_tokens: 8,
    tools: [weather],
    messages: [
      { role: "user", content: "weather?" },
      { role: "assistant", content: used.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: used.content[0].id, content: "rain" }] },
    ],
  });
  check("tool: its result goes back", again.content[0].text.length > 5, JSON.stringify(again));
  const all = await client.messages.create(ask("chat", "Tell me a story.", { max_tokens: 12 }));
  const half = all.content[0].text.slice(0, all.content[0].text.length / 2);
  const rest = await client.messages.create({
    model: "chat",
    max_tokens: 12,
    messages: [
      { role: "user", content: "Tell me a story." },
      { role: "assistant", content: half },
    ],
  });
  check("the assistant's beginning is continued", (half + rest.content[0].text).startsWith(all.content[0].text), rest.content[0].text);
}

const PARALLEL = [
  { type: "text", text: "Look: " },
  { type: "tool_use", id: "a", name: "weather", input: { place: "Zürich" } },
  { type: "tool_use", id: "b", name: "time", input: {} },
];
const blocks = (message) => message.content.map(({ type, text, id, name, input }) => (type === "text" ? { type, text } : { type, id, name, input }));

async function scripted() {
  const run = (script, more = {}) => client.messages.create(ask("scripted", "x", { script, ...more }));
  const runStream = (script, more = {}) => client.messages.stream(ask("scripted", "x", { script, ...more })).finalMessage();
  for (const [way, message] of [
    ["whole", await run("parallel")],
    ["streamed", await runStream("parallel")],
    ["streamed byte by byte", await runStream("parallel", { dribble: true })],
  ]) {
    expect(`tools in parallel, ${way}`, blocks(message), PARALLEL);
    expect(`tools in parallel, ${way}: the end`, [message.stop_reason, message.model], ["tool_use", "s-1"]);
    expect(
      `tools in parallel, ${way}: usage, the cache apart`,
      [message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens],
      [10, 30, 9],
    );
  }
  for (const [way, message] of [
    ["whole", await run("sequence", { stop_sequences: ["END"] })],
    ["streamed", await runStream("sequence", { stop_sequences: ["END"] })],
  ])
    expect(`stop sequence, ${way}`, [message.stop_reason, message.stop_sequence], ["stop_sequence", "END"]);
  expect("stop sequence: told to the node", seen.at(-1).body.stop, ["END"]);
  expect("refusal, whole", (await run("filtered")).stop_reason, "refusal");
  expect("refusal, streamed", (await runStream("filtered")).stop_reason, "refusal");
  expect("reasoning is not shown, whole", blocks(await run("reasoning")), [{ type: "text", text: "a" }]);
  expect("reasoning is not shown, streamed", blocks(await runStream("reasoning")), [{ type: "text", text: "a" }]);

  const slip = await run("slip");
  expect("arguments that are no JSON: tried again", [blocks(slip), counts.slip], [[{ type: "tool_use", id: "a", name: "weather", input: {} }], 2]);
  expect("arguments that are never JSON", [kind(await errorOf(() => run("slips"))), counts.slips], [["InternalServerError", 500, "api_error"], 2]);
  expect("arguments that are no JSON: neutral for the breaker", (await samples("sluice_node_signals_total", "signal", "9005")).bad_body, undefined);
  expect("an answer that is no chat completion: tried again", [blocks(await run("strange")), counts.strange], [[{ type: "text", text: "a" }], 2]);
  expect("calls that are mixed: an honest end", (await streamErrorOf(ask("scripted", "x", { script: "interleaved" }))).error?.error?.type, "api_error");
}

// ---- what the node gets -----------------------------------------------------------------------
async function requests() {
  const run = (body, options) => client.messages.create({ model: "scripted", max_tokens: 7, script: "sequence", ...body }, options);
  await run({
    system: [{ type: "text", text: "Be kind.", cache_control: { type: "ephemeral" } }],
    messages: [
      { role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw==" } }, { type: "text", text: "What?" }] },
      { role: "assistant", content: [{ type: "text", text: "Let me see." }, { type: "tool_use", id: "t1", name: "weather", input: { place: "a\n\"b\"" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", is_error: true, content: [{ type: "text", text: "no net" }] }, { type: "text", text: "Go on." }] },
    ],
    tools: [weather],
    tool_choice: { type: "any", disable_parallel_tool_use: true },
    temperature: 0.5,
    top_p: 0.9,
    top_k: 40,
    stop_sequences: ["\n\n"],
    metadata: { user_id: "u-1" },
  });
  const { path, headers, body } = seen.at(-1);
  expect("the node gets a chat completion", body, {
    model: "scripted",
    messages: [
      { role: "system", content: "Be kind." },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,iVBORw==" } }, { type: "text", text: "What?" }] },
      { role: "assistant", content: "Let me see.", tool_calls: [{ id: "t1", type: "function", function: { name: "weather", arguments: '{"place":"a\\n\\"b\\""}' } }] },
      { role: "tool", tool_call_id: "t1", content: "Error: no net" },
      { role: "user", content: "Go on." },
    ],
    max_tokens: 7,
    temperature: 0.5,
    top_p: 0.9,
    top_k: 40,
    stop: ["\n\n"],
    user: "u-1",
    tools: [{ type: "function", function: { name: "weather", description: weather.description, parameters: weather.input_schema } }],
    parallel_tool_calls: false,
    tool_choice: "required",
    script: "sequence",
  });
  expect("the node gets the path and the key of its API", [path, headers.authorization, headers["x-api-key"]], ["/v1/chat/completions", "Bearer sk-any", undefined]);
  await post("/v1/messages", ask("scripted", "x", { script: "sequence" }), { "x-api-key": "sk-alone" });
  const alone = seen.at(-1).headers;
  expect("x-api-key alone becomes Authorization", [alone.authorization, alone["x-api-key"]], ["Bearer sk-alone", undefined]);
  await client.beta.messages.create({ model: "scripted", max_tokens: 7, script: "sequence", messages: [{ role: "user", content: "x" }] });
  expect("?beta=true is no other path", seen.at(-1).path, "/v1/chat/completions");
}

// ---- errors -----------------------------------------------------------------------------------
async function errors() {
  const rows = [
    ["unknown model", ask("none", "x"), undefined, ["NotFoundError", 404, "not_found_error"]],
    ["no max_tokens", { model: "chat", messages: [{ role: "user", content: "x" }] }, undefined, ["BadRequestError", 400, "invalid_request_error"], "max_tokens"],
    ["a document", ask("chat", [{ type: "document", source: { type: "url", url: "x" } }]), undefined, ["BadRequestError", 400, "invalid_request_error"], "messages.0.content.0.type"],
    ["thinking", ask("chat", "x", { thinking: { type: "enabled", budget_tokens: 1024 } }), undefined, ["BadRequestError", 400, "invalid_request_error"], "thinking"],
    ["another version", ask("chat", "x"), { headers: { "anthropic-version": "2023-01-01" } }, ["BadRequestError", 400, "invalid_request_error"], "anthropic-version"],
    ["a body that is too large", ask("chat", "x".repeat(5 << 20)), undefined, ["ContentTooLargeError", 413, "request_too_large"]],
    ["400-context", ask("chat", "x"), fault("400-context"), ["BadRequestError", 400, "invalid_request_error"], "prompt is too long"],
    ["401", ask("chat", "x"), fault("401"), ["AuthenticationError", 401, "authentication_error"]],
    ["429-retry:1", ask("chat", "x"), fault("429-retry:1"), ["RateLimitError", 429, "rate_limit_error"]],
    ["500", ask("chat", "x"), fault("500"), ["InternalServerError", 500, "api_error"]],
    ["503-retry:1", ask("chat", "x"), fault("503-retry:1"), ["OverloadedError", 529, "overloaded_error"]],
    ["529", ask("chat", "x"), fault("529"), ["OverloadedError", 529, "overloaded_error"]],
    ["cut:0", ask("chat", "x"), fault("cut:0"), ["InternalServerError", 500, "api_error"]],
    ["html", ask("chat", "x"), fault("html"), ["InternalServerError", 500, "api_error"]],
    ["a closed port", ask("closed", "x"), undefined, ["InternalServerError", 500, "api_error"]],
  ];
  for (const [name, body, options, wanted, words] of rows)
    for (const stream of [false, true]) {
      const error = await errorOf(() => client.messages.create({ ...body, stream }, options));
      const label = `${name}${stream ? ", streamed" : ""}`;
      expect(label, kind(error), wanted);
      if (words) check(`${label}: says what`, error.message.includes(words), error.message);
      if (name !== "a body that is too large") check(`${label}: the id`, error.requestID?.startsWith("req_"), error.requestID);
    }
  expect("tokens are not counted", kind(await errorOf(() => client.messages.countTokens({ model: "chat", messages: [{ role: "user", content: "x" }] }))), [
    "NotFoundError",
    404,
    "not_found_error",
  ]);
  const wrong = await request("GET", `${URL_BASE}/v1/messages`);
  expect("GET", [wrong.status, wrong.headers.allow, JSON.parse(wrong.body).error.type], [405, "POST", "invalid_request_error"]);
  const busy = await post("/v1/messages", ask("chat", "x"), { "x-standin-fault": "429-retry:7" });
  expect("busy: Retry-After and no multiplied retries", [busy.headers["retry-after"], busy.headers["x-should-retry"]], ["7", "false"]);
  const counted = await samples("sluice_requests_total", "code", 'route="chat"');
  check("counted by the status that was sent", counted[529] > 0 && counted[200] > 0 && !counted[503], JSON.stringify(counted));
}

// ---- retries, fallback ------------------------------------------------------------------------
async function saved() {
  for (const name of ["500", "reset-before", "cut:0", "html", "error-event:0"])
    for (const stream of [false, true]) {
      const response = await client.messages.create({ ...ask("pair", "Tell me."), stream }, fault(name, "bad")).asResponse();
      const text = await response.text();
      const good = response.status === 200 && (stream ? text.includes("message_stop") && !text.includes("event: error") : JSON.parse(text).type === "message");
      check(`${name}${stream ? ", streamed" : ""}: another node takes over unseen`, good && Number(response.headers.get("x-sluice-attempts")) <= 3, text);
    }
  const { response } = await client.messages.create(ask("behind", "Tell me.")).withResponse();
  expect("fallback", [response.headers.get("x-sluice-pool"), response.headers.get("x-sluice-fallback")], ["chat", "1"]);
}

// ---- streams that break -----------------------------------------------------------------------
async function broken() {
  const rows = [
    ["rst:3", "chat", "api_error"],
    ["cut:3", "chat", "api_error"],
    ["clean-cut:3", "chat", "api_error"],
    ["bad-chunk:3", "chat", "api_error"],
    ["bad-event:3", "chat", "api_error"],
    ["error-event:3", "chat", "api_error"],
    ["stall:3", "quick", "timeout_error"],
    ["keepalive-stall:3", "quick", "timeout_error"],
  ];
  for (const [name, model, type] of rows) {
    // Where all of it comes at once there is no stream yet that could break: the next one then.
    const error = await waitFor(async () => {
      const one = await streamErrorOf(ask(model, "x"), fault(name));
      return one.status ? null : one;
    });
    expect(`${name}: the iterator throws`, error?.error?.error?.type, type);
    const raw = await waitFor(async () => {
      const one = await post("/v1/messages", ask(model, "x", { stream: true }), { "x-standin-fault": name });
      return one.status === 200 && one;
    });
    const events = eventsOf(raw.body);
    const [last, data] = events.at(-1);
    const names = events.map(([event]) => event);
    expect(`${name}: the error is last, nothing feigns an end`, [last, names.includes("message_stop"), names.includes("message_delta"), raw.complete], [
      "error",
      false,
      false,
      true,
    ]);
    expect(`${name}: names the request`, JSON.parse(data).request_id, raw.headers["request-id"]);
    check(`${name}: what came before is there`, names.filter((event) => event === "content_block_delta").length >= 2, names.join());
  }
  const whole = await client.messages.stream(ask("chat", "x"), fault("no-done")).finalMessage();
  expect("no-done: a finished answer is complete", whole.stop_reason, "max_tokens");
}

// ---- clients that leave, a node that dies ------------------------------------------------------
const long = (more) => ask("narrow", "a long one", { max_tokens: 100000, ignore_eos: true, ...more });
const running = async () => (await state(NARROW)).running;

async function leaves() {
  const stream = client.messages.stream(long());
  let deltas = 0;
  const error = await errorOf(async () => {
    for await (const event of stream) if (event.type === "content_block_delta" && ++deltas === 3) stream.abort();
    await stream.finalMessage();
  });
  expect("abort in mid-stream", [error.constructor.name, deltas], ["APIUserAbortError", 3]);
  check("abort in mid-stream: the server's slot is free", await waitFor(async () => (await running()) === 0));
  const controller = new AbortController();
  const whole = errorOf(() => client.messages.create(long(), { signal: controller.signal }));
  check("abort before a whole answer: has arrived", await waitFor(async () => (await running()) === 1));
  controller.abort();
  expect("abort before a whole answer", (await whole).constructor.name, "APIUserAbortError");
  check("abort before a whole answer: the slot is free", await waitFor(async () => (await running()) === 0));
  expect("aborts: counted", await metric("sluice_client_gone_total", 'route="narrow"'), 2);
}

async function killed() {
  let events = 0;
  const names = [];
  const error = await errorOf(async () => {
    for await (const event of await client.messages.create(long({ stream: true }))) {
      names.push(event.type);
      if (++events === 5) process.kill(Number(process.env.NARROW_PID), "SIGKILL");
    }
  });
  expect("node killed in mid-stream: an honest error", [error.error?.error?.type, names.includes("message_stop")], ["api_error", false]);
  const next = await errorOf(() => client.messages.create(long()));
  expect("node killed: the next request", kind(next), ["InternalServerError", 500, "api_error"]);
}

await test("answers", answers);
await test("scripted", scripted);
await test("requests", requests);
await test("errors", errors);
await test("saved", saved);
await test("broken", broken);
await test("leaves", leaves);
await test("killed", killed);
node.close();
finish();
