// SPDX-License-Identifier: BSD-2-Clause
// anthropic.mjs - the `openai` and `@anthropic-ai/sdk` clients through sluiced to servers of the Messages
// API, scripted here: "claude" on port 9005 (with the pool's key), "other" on 9006 (without), "probed" on
// 9007, "same" (as "other", but not asked for a rest) on 9008 behind "breaks" on 9010. Started by anthropic.sh, which has the routes.
import http from "node:http";
import { URL_BASE, check, events, expect, finish, metric, packageFile, post, samples, test, waitFor } from "./lib.mjs";

const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const { default: Anthropic } = await import(packageFile("@anthropic-ai/sdk/index.mjs"));
const chat = new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey: "sk-client", timeout: 30000, maxRetries: 0 });
const claude = new Anthropic({ baseURL: URL_BASE, apiKey: "sk-client", timeout: 30000, maxRetries: 0 });
const ask = (model, script, more = {}) => ({ model, messages: [{ role: "user", content: `script:${script}` }], ...more });
const say = (model, script, more = {}) => ({ ...ask(model, script), max_tokens: 64, ...more });
const weather = { name: "weather", description: "of a place", parameters: { type: "object", properties: { place: { type: "string" } } } };

async function errorOf(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return new Error("no error");
}
// A stream that breaks does so when its beginning has reached the client: before, it would only be an
// attempt that failed.
let release = () => {};
let begun = Promise.resolve();
const arm = () => (begun = new Promise((resolve) => (release = resolve)));
const postBreaking = (path, body) => {
  arm();
  return new Promise((resolve, reject) => {
    const req = http.request(URL_BASE + path, { method: "POST", headers: { "content-type": "application/json" } }, (res) => {
      let text = "";
      res.on("data", (part) => {
        text += part;
        release();
      });
      res.on("end", () => resolve({ body: text, complete: res.complete }));
      res.on("error", () => resolve({ body: text, complete: false }));
    });
    req.on("error", reject);
    req.end(JSON.stringify(body));
  });
};
async function readStream(stream) {
  const seen = { text: "", thoughts: "", finish: null, stop: undefined, usage: null, calls: [], model: "" };
  for await (const chunk of stream) {
    seen.usage ??= chunk.usage ?? null;
    seen.model = chunk.model;
    const choice = chunk.choices[0];
    if (!choice) continue;
    release();
    seen.text += choice.delta.content ?? "";
    seen.thoughts += choice.delta.reasoning_content ?? "";
    seen.finish ??= choice.finish_reason;
    seen.stop ??= choice.stop_reason;
    for (const call of choice.delta.tool_calls ?? []) {
      const at = (seen.calls[call.index] ??= { id: call.id, name: "", arguments: "" });
      at.name += call.function?.name ?? "";
      at.arguments += call.function?.arguments ?? "";
    }
  }
  return seen;
}
const streamOf = async (body) => readStream(await chat.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } }));

// ---- the servers ------------------------------------------------------------------------------
const text = (value) => ({ type: "text", text: value });
const tool = (id, name, input) => ({ type: "tool_use", id, name, input });
const error = (type, message) => ({ type: "error", error: { type, message }, request_id: "req_up" });
const usage = { input_tokens: 10, cache_creation_input_tokens: 4, cache_read_input_tokens: 30, output_tokens: 9 };
const message = (content, stop_reason = "end_turn", stop_sequence = null) => ({
  id: "msg_up",
  type: "message",
  role: "assistant",
  model: "claude-1-2026",
  content,
  stop_reason,
  stop_sequence,
  usage,
});
const scripts = {
  text: message([text("Grüße \"an\" "), text("alle\n")]),
  tools: message([text("Look: "), tool("toolu_1", "weather", { place: "Zürich" }), tool("toolu_2", "time", {})], "tool_use"),
  thinking: message([{ type: "thinking", thinking: "hm", signature: "s" }, text("a")]),
  sequence: message([text("a")], "stop_sequence", "END"),
  cut: message([text("a")], "max_tokens"),
  refusal: message([], "refusal"),
  json: message([text('{"a":1}')]),
  heavy: { ...message([text("a")]), usage: { ...usage, input_tokens: 100000 } },
  long: message([text("one two three four five six seven eight nine ten")]),
};
const faults = {
  529: [529, error("overloaded_error", "Overloaded")],
  429: [429, error("rate_limit_error", "Too many"), { "retry-after": "7" }],
  context: [400, error("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum")],
  policy: [400, error("invalid_request_error", "Output blocked by content filtering policy")],
  credit: [400, error("invalid_request_error", "Your credit balance is too low to access the API.")],
  wrong: [400, error("invalid_request_error", "messages.0: no")],
  auth: [401, error("authentication_error", "invalid x-api-key")],
  500: [500, error("api_error", "Internal server error")],
  html: [200, "<html>"],
  strange: [200, { type: "completion", completion: "x" }],
};
const frame = (data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
// The events of a message, text and arguments in pieces.
function framesOf(whole) {
  const out = [frame({ type: "message_start", message: { ...whole, content: [], stop_reason: null, usage: { ...whole.usage, output_tokens: 1 } } }), frame({ type: "ping" })];
  whole.content.forEach((block, index) => {
    const delta = (d) => out.push(frame({ type: "content_block_delta", index, delta: d }));
    const empty = { text: text(""), tool_use: { ...block, input: {} }, thinking: { type: "thinking", thinking: "", signature: "" } };
    out.push(frame({ type: "content_block_start", index, content_block: empty[block.type] }));
    if (block.type === "text") for (const piece of block.text.match(/.{1,4}/gsu) ?? []) delta({ type: "text_delta", text: piece });
    if (block.type === "thinking") delta({ type: "thinking_delta", thinking: block.thinking });
    if (block.type === "thinking") delta({ type: "signature_delta", signature: block.signature });
    const json = JSON.stringify(block.input ?? {});
    if (block.type === "tool_use") delta({ type: "input_json_delta", partial_json: "" });
    if (block.type === "tool_use" && json !== "{}") for (const piece of json.match(/.{1,5}/gsu)) delta({ type: "input_json_delta", partial_json: piece });
    out.push(frame({ type: "content_block_stop", index }));
  });
  out.push(frame({ type: "message_delta", delta: { stop_reason: whole.stop_reason, stop_sequence: whole.stop_sequence }, usage: { output_tokens: usage.output_tokens } }));
  out.push(frame({ type: "message_stop" }));
  return out;
}
// Streams that break after five events of "long".
const breaks = {
  "cut-mid": (res) => res.destroy(),
  "end-mid": (res) => res.end(),
  "no-stop": (res) => res.end(framesOf(scripts.long).slice(5, -1).join("")),
  "error-mid": (res) => res.end(frame(error("api_error", "broke"))),
  "overloaded-mid": (res) => res.end(frame(error("overloaded_error", "Overloaded"))),
  "bad-mid": (res) => res.end(`event: content_block_delta\ndata: {"type":"content_blo\n\n${framesOf(scripts.long).slice(5).join("")}`),
  "disorder-mid": (res) => res.end(frame({ type: "content_block_delta", index: 7, delta: { type: "text_delta", text: "x" } })),
  "stall-mid": () => {},
  "ping-mid": (res) => {
    const timer = setInterval(() => res.write(frame({ type: "ping" })), 50);
    res.on("close", () => clearInterval(timer));
  },
};
// Streams that are cut after some events of another message, and what "other" says then.
const cuts = { "cut-call": ["tools", 9, "tools"], "cut-second": ["tools", 14, "tools"], "cut-thinking": ["thinking", 4, "thinking"], "cut-other": ["long", 5, "text"] };
const seen = {}; // by server: {path, headers, body} of each request
const sleepless = () => new Promise((resolve) => setImmediate(resolve));

async function answer(res, name, body) {
  if (faults[name]) {
    const [status, value, headers = {}] = faults[name];
    res.writeHead(status, { "content-type": "application/json", "request-id": "req_up", "anthropic-organization-id": "org", ...headers });
    res.end(typeof value === "string" ? value : JSON.stringify(value));
  } else if (!body.stream) {
    res.writeHead(200, { "content-type": "application/json", "request-id": "req_up", "anthropic-ratelimit-requests-limit": "5" });
    res.end(JSON.stringify(scripts[name] ?? scripts.long));
  } else {
    res.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "request-id": "req_up" });
    if (name === "overloaded-first") res.end(frame(error("overloaded_error", "Overloaded")));
    else if (breaks[name] || cuts[name]) {
      const [script, count] = cuts[name] ?? ["long", 5];
      res.write(framesOf(scripts[script]).slice(0, count).join(""));
      await begun;
      (breaks[name] ?? breaks["cut-mid"])(res);
    } else if (body.metadata?.user_id === "dribble") {
      res.socket.setNoDelay(true);
      for (const byte of Buffer.from(framesOf(scripts[name]).join(""))) {
        res.write(Buffer.of(byte));
        await sleepless();
      }
      res.end();
    } else res.end(framesOf(scripts[name]).join(""));
  }
}
function serve(name, port) {
  seen[name] = [];
  const server = http.createServer(async (req, res) => {
    const parts = [];
    for await (const part of req) parts.push(part);
    const body = parts.length ? JSON.parse(Buffer.concat(parts).toString()) : null;
    seen[name].push({ method: req.method, path: req.url, headers: req.headers, body });
    if (!body) {
      res.writeHead(200, { "content-type": "application/json" });
      res.end("{}");
      return;
    }
    const prefill = body.messages.at(-1).role === "assistant" ? body.messages.at(-1).content : null;
    const said = prefill && (typeof prefill === "string" ? prefill : prefill.map((block) => block.text).join(""));
    const script = JSON.stringify(body.messages).match(/script:([\w-]+)/)?.[1] ?? "text";
    if (said) {
      const rest = message([text(scripts.long.content[0].text.slice(said.length))]);
      res.writeHead(200, { "content-type": "text/event-stream" });
      res.end(framesOf(rest).join(""));
      return;
    }
    // "other" and "same" are well: what breaks on "claude" goes on there
    const well = name === "other" || name === "same";
    await answer(res, well && cuts[script] ? cuts[script][2] : well && (breaks[script] || faults[script] || script === "overloaded-first") ? "long" : script, body);
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}
const servers = await Promise.all([serve("claude", 9005), serve("other", 9006), serve("probed", 9007), serve("same", 9008), serve("breaks", 9010)]);
const last = (name = "claude") => seen[name].at(-1);

// ---- chat completions -------------------------------------------------------------------------
const CALLS = [
  { id: "toolu_1", name: "weather", arguments: '{"place":"Zürich"}' },
  { id: "toolu_2", name: "time", arguments: "{}" },
];
const USAGE = { prompt_tokens: 44, completion_tokens: 9, total_tokens: 53, prompt_tokens_details: { cached_tokens: 30, cache_write_tokens: 4 } };

async function chats() {
  const { data: whole, response } = await chat.chat.completions.create(ask("claude", "text")).withResponse();
  expect("chat: text", whole.choices[0].message.content, 'Grüße "an" alle\n');
  expect("chat: the shape", [whole.object, whole.model, whole.id, whole.choices[0].finish_reason, whole.created > 1.7e9], ["chat.completion", "claude-1-2026", "chatcmpl-msg_up", "stop", true]);
  expect("chat: usage, tokens of the cache are of the prompt", whole.usage, USAGE);
  expect("chat: fields of the provider's account stay here", [response.headers.get("request-id"), response.headers.get("anthropic-ratelimit-requests-limit"), response.headers.get("content-type")], [null, null, "application/json"]);
  for (const more of [{}, { user: "dribble" }]) {
    const how = more.user ? "streamed byte by byte" : "streamed";
    const streamed = await streamOf(ask("claude", "text", more));
    expect(`chat, ${how}`, [streamed.text, streamed.finish, streamed.model, streamed.usage], ['Grüße "an" alle\n', "stop", "claude-1-2026", USAGE]);
    const tools = await streamOf(ask("claude", "tools", more));
    expect(`tools, ${how}`, [tools.text, tools.calls, tools.finish], ["Look: ", CALLS, "tool_calls"]);
    const thinking = await streamOf(ask("claude", "thinking", more));
    expect(`thoughts, ${how}`, [thinking.thoughts, thinking.text], ["hm", "a"]);
  }
  const bare = await post("/v1/chat/completions", { ...ask("claude", "text"), stream: true });
  const data = events(bare.body);
  expect("a stream without include_usage has none, and its end", [data.some((chunk) => chunk?.usage), data.at(-1)], [false, null]);
  const tools = (await chat.chat.completions.create(ask("claude", "tools"))).choices[0];
  expect("tools, whole", tools.message.tool_calls.map((call) => ({ id: call.id, ...call.function })), CALLS);
  expect("tools, whole: the end", [tools.finish_reason, tools.message.content], ["tool_calls", "Look: "]);
  for (const [script, finish, stop] of [["sequence", "stop", "END"], ["cut", "length"], ["refusal", "content_filter"]]) {
    const one = (await chat.chat.completions.create(ask("claude", script))).choices[0];
    expect(`${script}, whole`, [one.finish_reason, one.stop_reason], [finish, stop]);
    const streamed = await streamOf(ask("claude", script));
    expect(`${script}, streamed`, [streamed.finish, streamed.stop], [finish, stop]);
  }
  expect("refusal: no text", (await chat.chat.completions.create(ask("claude", "refusal"))).choices[0].message.content, null);
}

async function requests() {
  await chat.chat.completions.create({
    model: "claude",
    max_completion_tokens: 99,
    temperature: 1.7,
    top_p: 0.5,
    top_k: 40,
    stop: ["\n\nEND"],
    user: "u-1",
    seed: 7,
    presence_penalty: 0.5,
    min_p: 0.1,
    parallel_tool_calls: false,
    tools: [{ type: "function", function: weather }, { type: "function", function: { name: "time" } }],
    tool_choice: "required",
    response_format: { type: "json_schema", json_schema: { name: "x", strict: true, schema: { type: "object" } } },
    messages: [
      { role: "system", content: "Be kind." },
      { role: "user", content: [{ type: "text", text: "See" }, { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw==" } }] },
      { role: "assistant", content: "", tool_calls: [{ id: "call.1:a", type: "function", function: { name: "weather", arguments: '{"place":"a\\n"}' } }, { id: "b", type: "function", function: { name: "time", arguments: "" } }] },
      { role: "tool", tool_call_id: "call.1:a", content: "rain" },
      { role: "tool", tool_call_id: "b", content: [{ type: "text", text: "noon" }] },
      { role: "user", content: "script:text" },
      { role: "developer", content: "Be short." },
      { role: "user", content: [{ type: "image_url", image_url: { url: "https://example.com/a.png" } }] },
    ],
  });
  const { path, headers, body } = last();
  expect("the server gets a message", body, {
    model: "claude-1",
    max_tokens: 99,
    system: [text("Be kind."), text("Be short.")],
    messages: [
      { role: "user", content: [text("See"), { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw==" } }] },
      { role: "assistant", content: [tool("call_1_a", "weather", { place: "a\n" }), tool("b", "time", {})] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1_a", content: "rain" },
          { type: "tool_result", tool_use_id: "b", content: [text("noon")] },
          text("script:text"),
          { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
        ],
      },
    ],
    temperature: 1,
    top_k: 40,
    stop_sequences: ["\n\nEND"],
    tools: [
      { name: "weather", description: "of a place", input_schema: weather.parameters },
      { name: "time", input_schema: { type: "object", properties: {} } },
    ],
    tool_choice: { type: "any", disable_parallel_tool_use: true },
    output_config: { format: { type: "json_schema", schema: { type: "object" } } },
    metadata: { user_id: "u-1" },
  });
  expect("its path, key and version", [path, headers["x-api-key"], headers.authorization, headers["anthropic-version"]], ["/v1/messages", "sk-ant-pool", undefined, "2023-06-01"]);
  await chat.chat.completions.create(ask("bare", "text"));
  expect("without a key of the pool, the client's", [last("other").headers["x-api-key"], last("other").headers.authorization], ["sk-client", undefined]);
  expect("a bound where the client names none", last("other").body.max_tokens, 77);
  const response = await chat.responses.create({ model: "claude", input: "script:text", instructions: "Be kind." });
  expect("responses", [response.output_text, response.status, response.usage.total_tokens], ['Grüße "an" alle\n', "completed", 53]);
  expect("responses: the server gets a message", [last().path, last().body.system], ["/v1/messages", [text("Be kind.")]]);
  let streamed = "";
  for await (const event of await chat.responses.create({ model: "claude", input: "script:text", stream: true })) {
    if (event.type === "response.output_text.delta") streamed += event.delta;
    if (event.type === "response.completed") streamed += `|${event.response.usage.input_tokens_details.cached_tokens}`;
  }
  expect("responses, streamed", streamed, 'Grüße "an" alle\n|30');
}

// ---- messages: as they are --------------------------------------------------------------------
async function messages() {
  const body = { ...say("claude", "tools"), thinking: { type: "adaptive" }, container: "c", system: [{ ...text("Be kind."), cache_control: { type: "ephemeral" } }] };
  const { data: whole, response } = await claude.messages.create(body).withResponse();
  expect("messages: the answer as it is", { ...whole }, { ...scripts.tools });
  expect("messages: ids are ours, the account is nobody's business", [/^req_[0-9a-f]{32}$/.test(response.headers.get("request-id")), response.headers.get("anthropic-ratelimit-requests-limit")], [true, null]);
  expect("messages: the server gets the body, but for the model's name", last().body, { ...body, model: "claude-1" });
  expect("messages: key and version", [last().headers["x-api-key"], last().headers.authorization, /^20/.test(last().headers["anthropic-version"])], ["sk-ant-pool", undefined, true]);
  await claude.messages.create(say("bare", "text"), { headers: { "anthropic-beta": "b-1", "anthropic-version": "2030-01-01" } });
  expect("messages: the client's key, version and betas", [last("other").headers.authorization, last("other").headers["anthropic-version"], last("other").headers["anthropic-beta"]], ["Bearer sk-client", "2030-01-01", "b-1"]);
  await post("/v1/messages", say("bare", "text"), { "x-api-key": "sk-alone" });
  expect("messages: x-api-key stays where it is, a version is added", [last("other").headers["x-api-key"], last("other").headers.authorization, last("other").headers["anthropic-version"]], ["sk-alone", undefined, "2023-06-01"]);
  for (const more of [{}, { metadata: { user_id: "dribble" } }]) {
    const how = more.metadata ? "streamed byte by byte" : "streamed";
    const streamed = await claude.messages.stream({ ...say("claude", "tools"), ...more }).finalMessage();
    expect(`messages, ${how}`, [streamed.content, streamed.stop_reason, streamed.usage.output_tokens], [scripts.tools.content, "tool_use", 9]);
    const thinking = await claude.messages.stream({ ...say("claude", "thinking", { thinking: { type: "adaptive" } }), ...more }).finalMessage();
    expect(`messages, ${how}: signatures`, thinking.content, scripts.thinking.content);
  }
  const raw = await post("/v1/messages", say("claude", "text", { stream: true }));
  expect("messages: the stream byte for byte", raw.body, framesOf(scripts.text).join(""));
}

// ---- errors -----------------------------------------------------------------------------------
async function errors() {
  const rows = [
    ["529", ["InternalServerError", 503, "server_is_overloaded"], ["OverloadedError", 529, "overloaded_error"]],
    ["429", ["RateLimitError", 429, "rate_limit_exceeded"], ["RateLimitError", 429, "rate_limit_error"]],
    ["context", ["BadRequestError", 400, "context_length_exceeded"], ["BadRequestError", 400, "invalid_request_error"]],
    ["policy", ["BadRequestError", 400, "content_policy_violation"], ["BadRequestError", 400, "invalid_request_error"]],
    ["credit", ["BadRequestError", 400, "insufficient_quota"], ["BadRequestError", 400, "invalid_request_error"]],
    ["wrong", ["BadRequestError", 400, null], ["BadRequestError", 400, "invalid_request_error"]],
    ["auth", ["InternalServerError", 502, "upstream_error"], ["InternalServerError", 500, "api_error"]],
    ["500", ["InternalServerError", 502, "upstream_error"], ["InternalServerError", 500, "api_error"]],
    ["html", ["InternalServerError", 502, "upstream_error"], ["InternalServerError", 500, "api_error"]],
    ["strange", ["InternalServerError", 502, "upstream_error"], ["InternalServerError", 500, "api_error"]],
  ];
  for (const [script, ofChat, ofMessages] of rows)
    for (const stream of [false, true]) {
      const how = stream ? ", streamed" : "";
      const one = await errorOf(() => chat.chat.completions.create(ask("claude", script, { stream })));
      expect(`${script}${how}: chat`, [one.constructor.name, one.status, one.code], ofChat);
      const two = await errorOf(() => claude.messages.create(say("claude", script, { stream })));
      expect(`${script}${how}: messages`, [two.constructor.name, two.status, two.error?.error?.type], ofMessages);
    }
  const first = await errorOf(() => chat.chat.completions.create(ask("claude", "overloaded-first", { stream: true })));
  expect("overloaded inside a stream of status 200: chat", [first.status, first.code], [503, "server_is_overloaded"]);
  const own = await errorOf(() => claude.messages.create(say("claude", "overloaded-first", { stream: true })));
  expect("overloaded inside a stream of status 200: messages", [own.status, own.error?.error?.type], [529, "overloaded_error"]);
  const signals = await samples("sluice_node_signals_total", "signal", "9005");
  check("busy and refused keys are no failures", signals.busy >= 6 && signals.http_5xx === 4, JSON.stringify(signals));
}

// ---- what cannot be said ----------------------------------------------------------------------
async function unfit() {
  const rows = [
    ["n", { n: 2 }, "n"],
    ["logprobs", { logprobs: true }, "logprobs"],
    ["json_object", { response_format: { type: "json_object" } }, "response_format.type"],
    ["a blank stop", { stop: "\n" }, "stop"],
    ["audio", { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] }, "messages[0].content[0].type"],
  ];
  for (const [name, more, param] of rows) {
    const refused = await errorOf(() => chat.chat.completions.create(ask("claude", "text", more)));
    expect(`${name}: refused by its name`, [refused.status, refused.code, refused.param], [400, "unsupported_parameter", param]);
  }
  const { data, response } = await chat.chat.completions.create(ask("back", "text", { n: 2, max_tokens: 8 })).withResponse();
  expect("n: the next pool answers", [data.choices.length, response.headers.get("x-sluice-pool"), response.headers.get("x-sluice-attempts")], [2, "chat", "1"]);
  const plain = await chat.completions.create({ model: "back", prompt: "x", max_tokens: 8 });
  check("completions: the next pool answers", plain.choices[0].text.length > 0);
  const none = await errorOf(() => chat.completions.create({ model: "claude", prompt: "x" }));
  expect("completions: refused", [none.status, none.param], [400, "model"]);
  const vectors = await errorOf(() => chat.embeddings.create({ model: "claude", input: "x" }));
  expect("embeddings: refused", [vectors.status, vectors.param], [400, "model"]);
  const passed = await samples("sluice_pool_passed_over_total", "reason", 'pool="claude"');
  expect("passed over: counted", passed, { endpoint: 1, request: 1 });
  const thinks = await claude.messages.create(say("back", "text", { thinking: { type: "adaptive" } }));
  expect("messages that only this API has: asked as they are", thinks.content.length, 2);
  const closed = await errorOf(() => claude.messages.create(say("back", "529", { thinking: { type: "adaptive" } })));
  expect("... and nowhere else", [closed.status, closed.error?.error?.type], [529, "overloaded_error"]);
}

// ---- chains -----------------------------------------------------------------------------------
async function chains() {
  for (const stream of [false, true]) {
    const how = stream ? ", streamed" : "";
    const run = async (model, script) => {
      const { data, response } = await chat.chat.completions.create(ask(model, script, { stream, max_tokens: 8 })).withResponse();
      const got = stream ? (await readStream(data)).text : data.choices[0].message.content;
      return [response.headers.get("x-sluice-pool"), response.headers.get("x-sluice-fallback"), got.length > 0];
    };
    expect(`chat to messages${how}`, await run("spare", "text"), ["claude", "1", true]);
    for (const script of ["529", "429", "500", "auth", "credit", "html"]) expect(`messages to chat, ${script}${how}`, await run("back", script), ["chat", "1", true]);
    expect(`a refusal, where another model may do it${how}`, await run("polite", "refusal"), ["chat", "1", true]);
    expect(`a policy error, where another model may do it${how}`, await run("polite", "policy"), ["chat", "1", true]);
    const own = await claude.messages.create(say("back", "529", { stream })).asResponse();
    const body = await own.text();
    check(`messages to chat, for a client of messages${how}`, own.status === 200 && (stream ? body.includes("message_stop") : JSON.parse(body).type === "message"), body);
    const there = await claude.messages.create(say("spare", "text", { stream })).asResponse();
    check(`chat to messages, for a client of messages${how}`, (await there.text()).includes("claude-1-2026"));
  }
  expect("overloaded inside a stream: another pool", (await streamOf(ask("two", "overloaded-first"))).text, scripts.long.content[0].text);
  const reset = await streamOf(ask("two", "500"));
  expect("messages to messages", [reset.text, reset.finish], [scripts.long.content[0].text, "stop"]);
}

// ---- what is charged --------------------------------------------------------------------------
async function charged() {
  for (const api of ["chat", "messages"])
    for (const stream of [false, true]) {
      const model = `metered-${api}-${stream}`;
      const path = api === "chat" ? "/v1/chat/completions" : "/v1/messages";
      const run = () => post(path, say(model, "heavy", { max_tokens: 8, stream }));
      expect(`${model}: as long as there is room`, (await run()).status, 200);
      // more than the limit was used, by the server's own count; its estimate here was some 20
      check(`${model}: the server's count is charged`, await waitFor(async () => (await run()).status === 429));
    }
}

// ---- streams that break -----------------------------------------------------------------------
async function broken() {
  for (const script of Object.keys(breaks)) {
    const waits = script === "stall-mid" || script === "ping-mid";
    const raw = await postBreaking("/v1/chat/completions", ask(waits ? "quick" : "claude", script, { stream: true }));
    const data = events(raw.body);
    expect(`${script}: chat: an error is last`, [Boolean(data.at(-1)?.error), data.includes(null), data.some((chunk) => chunk?.choices?.[0]?.finish_reason), raw.complete], [true, false, false, true]);
    const own = await postBreaking("/v1/messages", say(waits ? "quick" : "claude", script, { stream: true }));
    const names = [...own.body.matchAll(/^event: (.*)$/gm)].map((match) => match[1]);
    expect(`${script}: messages: an error is last`, [names.at(-1), names.includes("message_stop"), own.complete], ["error", false, true]);
    check(`${script}: messages: what came before is there`, names.includes("content_block_delta"), names.join());
    const model = waits ? "quick-two" : "two";
    arm();
    const continued = await streamOf(ask(model, script));
    expect(`${script}: goes on at another provider`, [continued.text, continued.finish], [scripts.long.content[0].text, "stop"]);
    const prefill = last("other").body.messages.at(-1);
    check(`${script}: by its beginning`, prefill.role === "assistant" && scripts.long.content[0].text.startsWith(prefill.content[0].text), JSON.stringify(prefill));
  }
  const resumed = await samples("sluice_streams_resumed_total", "how");
  expect("resumed: counted", resumed, { continued: Object.keys(breaks).length });
}

// ---- streams of the API that go on -------------------------------------------------------------
// The message that the events make, and what is wrong with their order.
function assemble(body) {
  const out = { names: [], blocks: [], faults: [], stop: null, usage: null, comment: body.match(/^: sluice: .*$/m)?.[0] };
  let open = -1;
  for (const [, name, data] of body.matchAll(/^event: (.*)\ndata: (.*)$/gm)) {
    const event = JSON.parse(data);
    out.names.push(name);
    if (event.type !== name) out.faults.push(`${name} is ${event.type}`);
    if (name === "message_start" && out.names.length > 1) out.faults.push("a second message_start");
    if (name === "content_block_start") {
      if (open >= 0 || event.index !== out.blocks.length) out.faults.push(`block ${event.index} begins`);
      open = event.index;
      out.blocks.push({ ...event.content_block, text: "", json: "" });
    } else if (name === "content_block_delta") {
      if (event.index !== open) out.faults.push(`a delta of block ${event.index}, not ${open}`);
      out.blocks.at(-1).text += event.delta.text ?? "";
      out.blocks.at(-1).json += event.delta.partial_json ?? "";
    } else if (name === "content_block_stop") {
      if (event.index !== open) out.faults.push(`block ${event.index} ends`);
      open = -1;
    } else if (name === "message_delta") {
      out.stop = event.delta.stop_reason;
      out.usage = event.usage;
    } else if (name === "error") out.error = event.error;
  }
  if (out.names.includes("message_stop") && open >= 0) out.faults.push("ends in a block");
  return out;
}
const goOn = async (model, script, more = {}) => assemble((await postBreaking("/v1/messages", say(model, script, { stream: true, ...more }))).body);
const textOf = (got) => got.blocks.map((block) => block.text).join("");

async function resumedAsTheyAre() {
  const before = await samples("sluice_streams_resumed_total", "how");
  const whole = scripts.long.content[0].text;
  for (const script of Object.keys(breaks)) {
    if (script === "no-stop") continue; // the client was told of an end
    const model = script === "stall-mid" || script === "ping-mid" ? "quick-two" : "two";
    const got = await goOn(model, script, { cache_control: { type: "ephemeral" } });
    expect(`${script}: messages: goes on at another provider`, [textOf(got), got.blocks.length, got.stop, got.names.at(-1), got.faults], [whole, 1, "end_turn", "message_stop", []]);
    check(`${script}: messages: a comment says who went on`, got.comment === ": sluice: continued on 127.0.0.1:9006, attempt 2", String(got.comment));
    const { body, headers, path } = last("other");
    const prefill = body.messages.at(-1);
    check(`${script}: messages: by its beginning`, prefill.role === "assistant" && prefill.content.length > 0 && whole.startsWith(prefill.content) && !/\s$/.test(prefill.content), JSON.stringify(prefill));
    expect(`${script}: messages: the rest as its client wrote it`, [path, body.model, body.max_tokens, body.cache_control, headers["anthropic-version"]], ["/v1/messages", "claude-1", 62, { type: "ephemeral" }, "2023-06-01"]);
  }
  const told = await goOn("two", "no-stop");
  expect("no-stop: messages: an end that was told is not told twice", [told.names.at(-1), told.names.filter((name) => name === "message_delta").length], ["error", 1]);
  const own = last("other");
  for (const [what, more] of [["thinking", { thinking: { type: "adaptive" } }], ["a schema", { output_config: { format: { type: "json_schema", schema: {} } } }], ["an answer begun", { messages: [...ask("", "cut-mid").messages, { role: "assistant", content: "" }] }]]) {
    const got = await goOn("two", "cut-mid", more);
    expect(`${what}: never glued`, [got.names.at(-1), got.names.includes("message_stop"), last("other") === own], ["error", false, true]);
  }
  // without prefill: once more, and what was sent is held back
  for (const script of ["cut-mid", "cut-call", "cut-second"]) {
    const got = await goOn("again", script, { temperature: 0 });
    const want = script === "cut-mid" ? scripts.long.content : scripts.tools.content;
    expect(`${script}: messages: begun anew, what was sent is held back`, [got.blocks.map((block) => (block.type === "text" ? text(block.text) : tool(block.id, block.name, JSON.parse(block.json || "{}")))), got.stop, got.faults], [want, script === "cut-mid" ? "end_turn" : "tool_use", []]);
    expect(`${script}: messages: asked for the whole`, last("same").body.messages.length, 1);
  }
  expect("usage of a restart is the answer's", (await goOn("again", "cut-mid", { temperature: 0 })).usage.output_tokens, 9);
  expect("another answer is not sent for it", (await goOn("again", "cut-other", { temperature: 0 })).names.at(-1), "error");
  expect("chance: an error is last", (await goOn("again", "cut-mid")).names.at(-1), "error");
  expect("thoughts are not compared", (await goOn("again", "cut-thinking", { temperature: 0 })).names.at(-1), "error");
  const chatted = await goOn("crossed", "cut-mid");
  check("goes on at a server of chat completions", textOf(chatted).length > textOf(await goOn("claude", "cut-mid")).length && chatted.names.at(-1) === "message_stop" && !chatted.faults.length, JSON.stringify(chatted));
  const after = await samples("sluice_streams_resumed_total", "how");
  expect("resumed: counted", [after.continued - before.continued, after.restarted], [Object.keys(breaks).length, 5]);
}

// ---- health -----------------------------------------------------------------------------------
async function health() {
  const gets = () => seen.probed.filter((request) => request.method === "GET");
  const posts = () => seen.probed.filter((request) => request.method === "POST");
  check("probes come", await waitFor(() => gets().length && posts().length));
  const [get, probe] = [gets()[0], posts()[0]];
  expect("liveness: path and key", [get.path, get.headers["x-api-key"], get.headers["anthropic-version"]], ["/vendor/v1/models", "sk-ant-probe", "2023-06-01"]);
  expect("generation: path, key, question", [probe.path, probe.headers["x-api-key"], probe.body], ["/vendor/v1/messages", "sk-ant-probe", { model: "probed", messages: [{ role: "user", content: "a" }], max_tokens: 1 }]);
  check("generation: good", await waitFor(async () => (await metric("sluice_node_health_checks_total", "9007", 'check="generate"', 'result="good"')) > 0));
}

await test("chats", chats);
await test("requests", requests);
await test("messages", messages);
await test("errors", errors);
await test("unfit", unfit);
await test("chains", chains);
await test("charged", charged);
await test("broken", broken);
await test("resumed as they are", resumedAsTheyAre);
await test("health", health);
for (const server of servers) server.close();
finish();
