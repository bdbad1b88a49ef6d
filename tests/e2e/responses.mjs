// SPDX-License-Identifier: BSD-2-Clause
// responses.mjs - the `openai` client's Responses API through sluiced to servers of chat completions.
// Started by responses.sh: "chat" and "quick" (stand-in a), "pair" (stand-ins bad, good), "narrow" (one
// slot, slow tokens; killed at the end), "behind" (a closed port, then a), "scripted" (the node below).
import http from "node:http";
import { URL_BASE, check, expect, finish, getJson, metric, packageFile, post, request, samples, test, waitFor } from "./lib.mjs";

const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const { makeParseableTextFormat } = await import(packageFile("openai/lib/parser.mjs"));
const CHAT = "http://127.0.0.1:10001";
const NARROW = "http://127.0.0.1:10004";
const client = new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey: "sk-any", timeout: 30000, maxRetries: 0 });
const ask = (model, input, more = {}) => ({ model, max_output_tokens: 24, input, ...more });
const fault = (name, node) => ({ headers: { "x-standin-fault": name, ...(node && { "x-standin-fault-node": node }) } });
const state = (admin) => getJson(`${admin}/state`);
const weather = { type: "function", name: "weather", description: "of a place", strict: true, parameters: { type: "object", properties: { place: { type: "string" } } } };

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
    for await (const event of await client.responses.create({ ...body, stream: true }, options)) void event;
  });
const kind = (error) => [error.constructor.name, error.status, error.code];
// Names of the events of a raw stream, and the data of each.
function eventsOf(text) {
  return text
    .split("\n\n")
    .map((event) => [event.match(/^event: (.*)$/m)?.[1], event.match(/^data: (.*)$/m)?.[1]])
    .filter(([name]) => name)
    .map(([name, data]) => [name, JSON.parse(data)]);
}

// ---- a node of our own ------------------------------------------------------------------------
// Answers by the extra field "script" of the request, which passes through untouched.
const seen = []; // {path, headers, body} of each request
const chunk = (delta, more = {}) => ({ model: "s-1", created: 1700000000, choices: [{ index: 0, delta, finish_reason: null, ...more }] });
const call = (index, id, name, args) => ({ index, ...(id && { id, type: "function" }), function: { ...(name && { name }), arguments: args } });
const usage = {
  prompt_tokens: 40,
  completion_tokens: 9,
  total_tokens: 49,
  prompt_tokens_details: { cached_tokens: 30 },
  completion_tokens_details: { reasoning_tokens: 4 },
};
const answer = (message, more = {}) => ({ model: "s-1", created: 1700000000, choices: [{ index: 0, message, finish_reason: "stop", ...more }], usage });
const calls = (...list) => ({ content: null, tool_calls: list.map(([id, name, args]) => ({ id, type: "function", function: { name, arguments: args } })) });
const said = (text, finish_reason = "stop") => ({
  whole: () => answer({ content: text }, { finish_reason }),
  stream: () => [...[...text].map((content) => chunk({ content })), chunk({}, { finish_reason }), { choices: [], usage }],
});
const scripts = {
  parallel: {
    whole: () => answer({ ...calls(["a", "weather", '{"place":"Zürich"}'], ["b", "time", "{}"]), content: "Look: " }, { finish_reason: "tool_calls" }),
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
  plain: said("ab"),
  json: said('{"place":"Zürich","degrees":7}'),
  cut: said('{"place":"Zü', "length"),
  filtered: said("a", "content_filter"),
  refused: {
    whole: () => answer({ content: null, refusal: "No." }),
    stream: () => [chunk({ refusal: "N" }), chunk({ refusal: "o." }), chunk({}, { finish_reason: "stop" })],
  },
  reasoning: {
    whole: () => answer({ reasoning_content: "hm", content: "a" }),
    stream: () => [chunk({ reasoning_content: "hm" }), chunk({ content: "a" }), chunk({}, { finish_reason: "stop" })],
  },
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
const turn = () => new Promise((resolve) => setImmediate(resolve));
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
      await turn();
    }
    res.end();
  } else {
    res.end(bytes);
  }
});
await new Promise((resolve) => node.listen(9005, "127.0.0.1", resolve));

// ---- answers ----------------------------------------------------------------------------------
async function answers() {
  const { data: whole, request_id } = await client.responses.create(ask("chat", "Tell me a story.")).withResponse();
  const text = whole.output_text;
  check("whole: text", text.length > 20, text);
  expect("whole: cut by max_output_tokens", [whole.object, whole.status, whole.incomplete_details, whole.error, whole.output.length], [
    "response",
    "incomplete",
    { reason: "max_output_tokens" },
    null,
    1,
  ]);
  expect("whole: usage", [whole.usage.input_tokens > 0, whole.usage.output_tokens, whole.usage.total_tokens - whole.usage.input_tokens], [true, 24, 24]);
  check("whole: ids", /^resp_[0-9a-f]{32}$/.test(whole.id) && request_id === whole.id.replace("resp_", "req_"), [whole.id, request_id].join());
  check("whole: created", Math.abs(whole.created_at - Date.now() / 1000) < 3600, whole.created_at);

  const ended = await client.responses.create(ask("chat", "Short.", { max_output_tokens: 4000 }));
  expect("whole: ends by itself", [ended.status, ended.incomplete_details, ended.output[0].status], ["completed", null, "completed"]);

  const stream = client.responses.stream(ask("chat", "Tell me a story."));
  const deltas = [];
  stream.on("response.output_text.delta", (event) => deltas.push(event.delta));
  const final = await stream.finalResponse();
  expect("stream: the text of the whole answer", [final.output_text, deltas.join("")], [text, text]);
  expect("stream: came token by token", deltas.length, 24);
  expect("stream: its end and usage", [final.status, final.incomplete_details, final.usage], ["incomplete", { reason: "max_output_tokens" }, whole.usage]);
  const raw = await post("/v1/responses", ask("chat", "Tell me a story.", { stream: true, max_output_tokens: 2 }));
  expect("stream: order of events", eventsOf(raw.body).map(([name]) => name), [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.incomplete",
  ]);
  expect("stream: numbers of events", eventsOf(raw.body).map(([, data]) => data.sequence_number), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  check("stream: content type", raw.headers["content-type"].startsWith("text/event-stream"), raw.headers["content-type"]);
  check("stream: no chunk of the other format", raw.complete && !raw.body.includes("[DONE]") && !raw.body.includes("choices"), raw.body);

  const tools = { tools: [weather], tool_choice: "auto" };
  const used = await client.responses.create(ask("chat", "call tool", tools));
  expect("tool: whole", used.output.map(({ type, name, arguments: args, status }) => [type, name, args, status]), [["function_call", "weather", "{}", "completed"]]);
  const streamed = await client.responses.stream(ask("chat", "call tool", tools)).finalResponse();
  expect("tool: streamed", streamed.output.map(({ type, name, arguments: args, status }) => [type, name, args, status]), [["function_call", "weather", "{}", "completed"]]);
  const again = await client.responses.create(
    ask("chat", [{ role: "user", content: "weather?" }, ...used.output, { type: "function_call_output", call_id: used.output[0].call_id, output: "rain" }], tools),
  );
  check("tool: its result goes back", again.output_text.length > 5, JSON.stringify(again));
}

const PARALLEL = [
  ["message", "Look: "],
  ["function_call", "a", "weather", '{"place":"Zürich"}'],
  ["function_call", "b", "time", "{}"],
];
const items = (response) =>
  response.output.map((item) =>
    item.type === "message" ? [item.type, ...item.content.map((part) => part.text ?? part.refusal)] : [item.type, item.call_id, item.name, item.arguments],
  );

async function scripted() {
  const run = (script, more = {}) => client.responses.create(ask("scripted", "x", { script, ...more }));
  const runStream = (script, more = {}) => client.responses.stream(ask("scripted", "x", { script, ...more })).finalResponse();
  for (const [way, response] of [
    ["whole", await run("parallel")],
    ["streamed", await runStream("parallel")],
    ["streamed byte by byte", await runStream("parallel", { dribble: true })],
  ]) {
    expect(`tools in parallel, ${way}`, items(response), PARALLEL);
    expect(`tools in parallel, ${way}: the end`, [response.status, response.model, response.created_at], ["completed", "s-1", 1700000000]);
    expect(`tools in parallel, ${way}: usage`, response.usage, {
      input_tokens: 40,
      input_tokens_details: { cached_tokens: 30 },
      output_tokens: 9,
      output_tokens_details: { reasoning_tokens: 4 },
      total_tokens: 49,
    });
  }
  for (const [script, wanted, status, reason] of [
    ["filtered", [["message", "a"]], "incomplete", "content_filter"],
    ["refused", [["message", "No."]], "completed"],
    ["reasoning", [["message", "a"]], "completed"],
  ])
    for (const [way, response] of [
      ["whole", await run(script)],
      ["streamed", await runStream(script)],
    ])
      expect(`${script}, ${way}`, [items(response), response.status, response.incomplete_details?.reason], [wanted, status, reason]);
  expect("an answer that is no chat completion: tried again", [items(await run("strange")), counts.strange], [[["message", "a"]], 2]);
  const mixed = await streamErrorOf(ask("scripted", "x", { script: "interleaved" }));
  expect("calls that are mixed: an honest end", [mixed.constructor.name, mixed.code], ["APIError", "stream_interrupted"]);
}

// ---- structured output ------------------------------------------------------------------------
async function structured() {
  const schema = { type: "object", properties: { place: { type: "string" }, degrees: { type: "number" } } };
  const format = makeParseableTextFormat({ type: "json_schema", name: "report", strict: true, schema }, (text) => JSON.parse(text));
  const body = (script) => ask("scripted", "x", { script, text: { format } });
  const wanted = { place: "Zürich", degrees: 7 };
  expect("parse: whole", (await client.responses.parse(body("json"))).output_parsed, wanted);
  expect("parse: the node is told the schema", seen.at(-1).body.response_format, { type: "json_schema", json_schema: { name: "report", schema, strict: true } });
  expect("parse: streamed", (await client.responses.stream(body("json")).finalResponse()).output_parsed, wanted);
  const cut = await client.responses.parse(body("cut"));
  expect("parse: a cut answer is not parsed", [cut.status, cut.output_parsed], ["incomplete", null]);
}

// ---- what the node gets -----------------------------------------------------------------------
async function requests() {
  const run = (body, options) => client.responses.create({ model: "scripted", script: "plain", ...body }, options);
  const response = await run({
    instructions: "Be kind.",
    input: [
      { role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,iVBORw==", detail: "low" }, { type: "input_text", text: "What?" }] },
      { type: "reasoning", id: "rs_1", summary: [] },
      { type: "message", id: "msg_1", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Let me see.", annotations: [] }] },
      { type: "function_call", id: "fc_1", call_id: "t1", name: "weather", arguments: '{"place":"a\\n\\"b\\""}', status: "completed" },
      { type: "function_call_output", call_id: "t1", output: "no net" },
      { role: "developer", content: "Go on." },
    ],
    tools: [weather],
    tool_choice: "required",
    parallel_tool_calls: false,
    max_output_tokens: 7,
    temperature: 0.5,
    top_p: 0.9,
    safety_identifier: "u-1",
    metadata: { a: "b" },
    reasoning: { effort: "low", summary: "auto" },
    text: { verbosity: "low" },
    store: true,
    include: ["reasoning.encrypted_content"],
    seed: 3,
  });
  const { path, headers, body } = seen.at(-1);
  expect("the node gets a chat completion", body, {
    model: "scripted",
    messages: [
      { role: "system", content: "Be kind." },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,iVBORw==", detail: "low" } }, { type: "text", text: "What?" }] },
      { role: "assistant", content: "Let me see.", tool_calls: [{ id: "t1", type: "function", function: { name: "weather", arguments: '{"place":"a\\n\\"b\\""}' } }] },
      { role: "tool", tool_call_id: "t1", content: "no net" },
      { role: "system", content: "Go on." },
    ],
    max_tokens: 7,
    temperature: 0.5,
    top_p: 0.9,
    safety_identifier: "u-1",
    tools: [{ type: "function", function: { name: "weather", description: weather.description, parameters: weather.parameters, strict: true } }],
    tool_choice: "required",
    parallel_tool_calls: false,
    verbosity: "low",
    reasoning_effort: "low",
    script: "plain",
    seed: 3,
  });
  expect("the node gets the path and the key", [path, headers.authorization], ["/v1/chat/completions", "Bearer sk-any"]);
  expect("the response repeats the request", [response.instructions, response.tools, response.tool_choice, response.metadata, response.max_output_tokens, response.store], [
    "Be kind.",
    [weather],
    "required",
    { a: "b" },
    7,
    false,
  ]);
  // A body with line ends between its tokens must not end a line of the stream.
  const pretty = JSON.stringify({ model: "scripted", input: "x", script: "plain", stream: true, tools: [weather] }, null, 2);
  const raw = await request("POST", `${URL_BASE}/v1/responses`, { headers: { "content-type": "application/json" }, body: pretty });
  const events = eventsOf(raw.body);
  expect("a stream repeats it too, on one line", [events[0][1].response.tools, events.at(-1)[1].response.tools], [[weather], [weather]]);
  await run({ input: "x" });
  expect("what the SDK sends by itself is enough", seen.at(-1).body, { model: "scripted", messages: [{ role: "user", content: "x" }], script: "plain" });
}

// ---- errors -----------------------------------------------------------------------------------
async function errors() {
  const rows = [
    ["unknown model", ask("none", "x"), undefined, ["NotFoundError", 404, "model_not_found"]],
    ["no input", { model: "chat" }, undefined, ["BadRequestError", 400, "missing_required_parameter"], "input"],
    ["a file", ask("chat", [{ role: "user", content: [{ type: "input_file", file_id: "f" }] }]), undefined, ["BadRequestError", 400, "unsupported_parameter"], "input[0].content[0].type"],
    ["a hosted tool", ask("chat", "x", { tools: [{ type: "web_search" }] }), undefined, ["BadRequestError", 400, "unsupported_parameter"], "OpenAI's own servers"],
    ["previous_response_id", ask("chat", "x", { previous_response_id: "resp_1" }), undefined, ["BadRequestError", 400, "unsupported_parameter"], "responses are not kept"],
    ["background", ask("chat", "x", { background: true }), undefined, ["BadRequestError", 400, "unsupported_parameter"], "background"],
    ["400-context", ask("chat", "x"), fault("400-context"), ["BadRequestError", 400, "context_length_exceeded"]],
    ["401", ask("chat", "x"), fault("401"), ["AuthenticationError", 401]],
    ["429-retry:1", ask("chat", "x"), fault("429-retry:1"), ["RateLimitError", 429]],
    ["500", ask("chat", "x"), fault("500"), ["InternalServerError", 502]],
    ["503-retry:1", ask("chat", "x"), fault("503-retry:1"), ["InternalServerError", 503]],
    ["cut:0", ask("chat", "x"), fault("cut:0"), ["InternalServerError", 502, "upstream_error"]],
    ["html", ask("chat", "x"), fault("html"), ["InternalServerError", 502, "upstream_error"]],
    ["a closed port", ask("closed", "x"), undefined, ["InternalServerError", 502, "upstream_error"]],
  ];
  for (const [name, body, options, wanted, words] of rows)
    for (const stream of [false, true]) {
      const error = await errorOf(() => client.responses.create({ ...body, stream }, options));
      const label = `${name}${stream ? ", streamed" : ""}`;
      expect(label, kind(error).slice(0, wanted.length), wanted);
      if (words) check(`${label}: says what`, error.message.includes(words), error.message);
      check(`${label}: the id`, error.requestID?.startsWith("req_"), error.requestID);
    }
  for (const [name, run] of [
    ["retrieve", () => client.responses.retrieve("resp_1")],
    ["delete", () => client.responses.delete("resp_1")],
    ["cancel", () => client.responses.cancel("resp_1")],
  ]) {
    const error = await errorOf(run);
    expect(`${name}: nothing is stored`, [...kind(error), error.message.includes("not stored")], ["NotFoundError", 404, "unknown_url", true]);
  }
  const wrong = await request("GET", `${URL_BASE}/v1/responses`);
  expect("GET", [wrong.status, wrong.headers.allow], [405, "POST"]);
  const counted = await samples("sluice_requests_total", "code", 'route="chat"');
  check("counted by status", counted[200] > 0 && counted[400] > 0 && counted[503] > 0, JSON.stringify(counted));
}

// ---- retries, fallback ------------------------------------------------------------------------
async function saved() {
  for (const name of ["500", "reset-before", "cut:0", "html", "error-event:0"])
    for (const stream of [false, true]) {
      const response = await client.responses.create({ ...ask("pair", "Tell me."), stream }, fault(name, "bad")).asResponse();
      const text = await response.text();
      const good = response.status === 200 && (stream ? text.includes("event: response.incomplete") && !text.includes("event: error") : JSON.parse(text).object === "response");
      check(`${name}${stream ? ", streamed" : ""}: another node takes over unseen`, good && Number(response.headers.get("x-sluice-attempts")) <= 3, text);
    }
  const { response } = await client.responses.create(ask("behind", "Tell me.")).withResponse();
  expect("fallback", [response.headers.get("x-sluice-pool"), response.headers.get("x-sluice-fallback")], ["chat", "1"]);
}

// ---- streams that break -----------------------------------------------------------------------
const ENDS = ["response.completed", "response.incomplete"];
async function broken() {
  const rows = [
    ["rst:3", "chat", "stream_interrupted"],
    ["cut:3", "chat", "stream_interrupted"],
    ["clean-cut:3", "chat", "stream_interrupted"],
    ["bad-chunk:3", "chat", "stream_interrupted"],
    ["bad-event:3", "chat", "stream_interrupted"],
    ["error-event:3", "chat", "server_error"],
    ["stall:3", "quick", "stream_stalled"],
    ["keepalive-stall:3", "quick", "stream_stalled"],
  ];
  for (const [name, model, code] of rows) {
    // Where all of it comes at once there is no stream yet that could break: the next one then.
    const error = await waitFor(async () => {
      const one = await streamErrorOf(ask(model, "x"), fault(name));
      return one.status ? null : one;
    });
    expect(`${name}: the iterator throws`, [error?.constructor.name, error?.code], ["APIError", code]);
    const raw = await waitFor(async () => {
      const one = await post("/v1/responses", ask(model, "x", { stream: true }), { "x-standin-fault": name });
      return one.status === 200 && one;
    });
    const events = eventsOf(raw.body);
    const names = events.map(([event]) => event);
    expect(`${name}: the failure is last, nothing feigns an end`, [names.slice(-2), names.some((event) => ENDS.includes(event)), raw.complete, raw.body.includes("[DONE]")], [
      ["error", "response.failed"],
      false,
      true,
      false,
    ]);
    expect(`${name}: numbers of events`, events.map(([, data]) => data.sequence_number), [...events.keys()]);
    const deltas = events.filter(([event]) => event === "response.output_text.delta").map(([, data]) => data.delta);
    const { response } = events.at(-1)[1];
    check(`${name}: what came before is there`, deltas.length >= 2, names.join());
    expect(
      `${name}: the failed response tells it`,
      [response.status, response.error.code, response.output[0].status, response.output[0].content[0].text],
      ["failed", "server_error", "incomplete", deltas.join("")],
    );
  }
  const whole = await client.responses.stream(ask("chat", "x"), fault("no-done")).finalResponse();
  expect("no-done: a finished answer is complete", whole.status, "incomplete");
}

// A stream that breaks goes on, on the other node: one response, as if nothing had been.
async function resumed() {
  const body = ask("pair", "Tell me of broken streams.", { temperature: 0, stream: true });
  const whole = await client.responses.create({ ...body, stream: false });
  for (const name of ["rst:3", "cut:3", "error-event:3"]) {
    // Until the first node is the one that fails, and what it sent did not come at once.
    const raw = await waitFor(async () => {
      const one = await post("/v1/responses", body, fault(name, "bad").headers);
      return one.body.includes(": sluice: ") && one;
    });
    check(`${name}: broke, and went on`, raw);
    const events = eventsOf(raw.body);
    expect(`${name}: one response`, [events.at(-1)[0], events.at(-1)[1].response.output[0].content[0].text], ["response.incomplete", whole.output_text]);
    expect(`${name}: numbers of events`, events.map(([, data]) => data.sequence_number), [...events.keys()]);
  }
}

// ---- clients that leave, a node that dies ------------------------------------------------------
const long = (more) => ask("narrow", "a long one", { max_output_tokens: 100000, ignore_eos: true, ...more });
const running = async () => (await state(NARROW)).running;

async function leaves() {
  const stream = client.responses.stream(long());
  let deltas = 0;
  const error = await errorOf(async () => {
    for await (const event of stream) if (event.type === "response.output_text.delta" && ++deltas === 3) stream.abort();
    await stream.finalResponse();
  });
  expect("abort in mid-stream", [error.constructor.name, deltas], ["APIUserAbortError", 3]);
  check("abort in mid-stream: the server's slot is free", await waitFor(async () => (await running()) === 0));
  const controller = new AbortController();
  const whole = errorOf(() => client.responses.create(long(), { signal: controller.signal }));
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
    for await (const event of await client.responses.create(long({ stream: true }))) {
      names.push(event.type);
      if (++events === 7) process.kill(Number(process.env.NARROW_PID), "SIGKILL");
    }
  });
  expect("node killed in mid-stream: an honest error", [error.code, names.some((name) => ENDS.includes(name))], ["stream_interrupted", false]);
  const next = await errorOf(() => client.responses.create(long()));
  expect("node killed: the next request", kind(next), ["InternalServerError", 502, "upstream_error"]);
}

await test("answers", answers);
await test("scripted", scripted);
await test("structured", structured);
await test("requests", requests);
await test("errors", errors);
await test("saved", saved);
await test("broken", broken);
await test("resumed", resumed);
await test("leaves", leaves);
await test("killed", killed);
node.close();
finish();
