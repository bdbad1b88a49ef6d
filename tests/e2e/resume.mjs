// SPDX-License-Identifier: BSD-2-Clause
// resume.mjs - streams that break after their first token: what the client gets, on three APIs, when they
// can be continued (pool with prefill), restarted (seed), or neither. Started by resume.sh.
import { execFile } from "node:child_process";
import http from "node:http";
import { promisify } from "node:util";
import {
  URL_BASE, check, expect, finish, getJson, metric, packageFile, post, request, samples, sleep, test, waitFor,
} from "./lib.mjs";

const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const { default: Anthropic } = await import(packageFile("@anthropic-ai/sdk/index.mjs"));
const openai = new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey: "any", timeout: 30000, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: URL_BASE, apiKey: "any", timeout: 30000, maxRetries: 0 });
const admin = (port) => `http://127.0.0.1:${port + 1000}`;
const state = (port) => getJson(`${admin(port)}/state`);
const served = async (port) => (await state(port)).inference_requests;
const live = (port, fault, count = -1) =>
  request("POST", `${admin(port)}/fault`, { body: JSON.stringify({ fault, count }) });
const well = (port) => request("DELETE", `${admin(port)}/fault`);
const configure = (port, value) => request("POST", `${admin(port)}/config`, { body: JSON.stringify(value) });
const lastBody = async (port) => {
  const text = (await request("GET", `${admin(port)}/last`)).body;
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
};
const faultOn = (name, node) => ({ "x-standin-fault": name, ...(node && { "x-standin-fault-node": node }) });
const TOKENS = 20;

// ---- the three APIs -----------------------------------------------------------------------------
const APIS = {
  chat: {
    path: "/v1/chat/completions",
    ask: (model, text, more) => ({
      model, stream: true, max_tokens: TOKENS, ignore_eos: true, stream_options: { include_usage: true },
      messages: [{ role: "user", content: text }], ...more,
    }),
  },
  completions: {
    path: "/v1/completions",
    ask: (model, text, more) => ({
      model, stream: true, max_tokens: TOKENS, ignore_eos: true, stream_options: { include_usage: true },
      prompt: text, standin_prompt_len: text.length, ...more,
    }),
  },
  messages: {
    path: "/v1/messages",
    ask: (model, text, more) => ({
      model, stream: true, max_tokens: TOKENS, ignore_eos: true, messages: [{ role: "user", content: text }], ...more,
    }),
  },
};

// What a client sees of a stream, whichever API it is of.
function read(answer) {
  const seen = {
    text: "", tokens: 0, ids: new Set(), models: new Set(), roles: 0, finishes: [], calls: [], usage: null,
    error: null, end: 0, comments: [], complete: answer.complete, afterEnd: false, created: new Set(),
  };
  for (const event of answer.body.split("\n\n").filter(Boolean)) {
    if (event.startsWith(":")) {
      seen.comments.push(event);
      continue;
    }
    const data = event.match(/^data: ?(.*)$/m)?.[1];
    if (seen.end) seen.afterEnd = true;
    if (data === "[DONE]") seen.end++;
    else if (data !== undefined) readData(seen, JSON.parse(data));
  }
  return seen;
}
function readData(seen, data) {
  if (data.error) seen.error = data.error;
  if (data.type) return readMessageEvent(seen, data);
  if (data.id) seen.ids.add(data.id);
  if (data.model) seen.models.add(data.model);
  if (data.created) seen.created.add(data.created);
  if (data.usage) seen.usage = data.usage;
  for (const choice of data.choices ?? []) {
    const text = choice.delta?.content ?? choice.text ?? "";
    if (text) seen.tokens++;
    seen.text += text;
    if (choice.delta?.role) seen.roles++;
    if (choice.finish_reason) seen.finishes.push(choice.finish_reason);
    for (const call of choice.delta?.tool_calls ?? []) {
      const at = (seen.calls[call.index] ??= { ids: [], name: "", arguments: "" });
      if (call.id) at.ids.push(call.id);
      at.name += call.function?.name ?? "";
      at.arguments += call.function?.arguments ?? "";
    }
  }
}
function readMessageEvent(seen, data) {
  if (data.type === "message_start") {
    seen.roles++;
    seen.ids.add(data.message.id);
    seen.models.add(data.message.model);
  } else if (data.type === "content_block_start" && data.content_block.type === "tool_use") {
    seen.calls[data.index] = { ids: [data.content_block.id], name: data.content_block.name, arguments: "" };
  } else if (data.type === "content_block_delta" && data.delta.type === "text_delta") {
    seen.tokens++;
    seen.text += data.delta.text;
  } else if (data.type === "content_block_delta") {
    seen.calls[data.index].arguments += data.delta.partial_json;
  } else if (data.type === "message_delta") {
    seen.finishes.push(data.delta.stop_reason);
    seen.usage = data.usage;
  } else if (data.type === "message_stop") {
    seen.end++;
  }
}
// A machine that stalls for longer than the space between tokens gets them in one piece with the end of
// their stream. Then nothing had begun, and the daemon rightly moved on unseen: such a question is asked
// again. Live faults (of a server, not of a request) say so by `struck`.
const TRIES = 6;
async function run(api, model, text, more = {}, headers = {}, struck = Object.keys(headers).length > 0) {
  for (let left = TRIES; ; left--) {
    const seen = read(await post(APIS[api].path, APIS[api].ask(model, text, more), headers));
    run.tries = TRIES - left + 1;
    if (!struck || left === 1 || seen.error || seen.comments.some((c) => c.startsWith(": sluice: "))) return seen;
  }
}

// One whole answer: the text of an undisturbed one, one of each thing that there is one of.
function whole(name, seen, reference, how) {
  expect(
    `${name}: one whole answer`,
    {
      text: seen.text, ids: seen.ids.size, models: [...seen.models], roles: seen.roles, finishes: seen.finishes,
      end: seen.end, error: seen.error, complete: seen.complete, afterEnd: seen.afterEnd,
      created: seen.created.size <= 1, how: seen.comments.filter((c) => c.startsWith(": sluice: ")).map((c) => c.split(" ")[2]),
    },
    {
      text: reference.text, ids: 1, models: [...reference.models], roles: reference.roles, finishes: reference.finishes,
      end: 1, error: null, complete: true, afterEnd: false, created: true, how: [how].flat(),
    },
  );
}
function broken(name, seen, code, reference = null) {
  const text = reference ? reference.text.startsWith(seen.text) : true;
  expect(
    `${name}: an error event, nothing false`,
    { code: seen.error?.code ?? seen.error?.type, end: seen.end, finishes: seen.finishes, complete: seen.complete, text, begun: seen.tokens > 0 || seen.calls.length > 0 },
    { code, end: 0, finishes: [], complete: true, text, begun: true },
  );
  if (reference) check(`${name}: what came is a beginning`, text, seen.text);
}
// of an error of ours, and of the stand-in's own error event
const CUT = { chat: "stream_interrupted", completions: "stream_interrupted", messages: "api_error" };
const STALLED = { chat: "stream_stalled", completions: "stream_stalled", messages: "timeout_error" };
const OWN = { chat: "internal_error", completions: "internal_error", messages: "api_error" };

// ---- every fault, every API, every way ---------------------------------------------------------
const FAULTS = [
  ["cut:3", CUT], ["rst:3", CUT], ["clean-cut:3", CUT], ["bad-chunk:3", CUT], ["bad-event:3", CUT],
  ["error-event:3", OWN], ["stall:3", STALLED], ["keepalive-stall:3", STALLED],
];
async function matrix(api) {
  for (const [fault, codes] of FAULTS) {
    const quick = fault.includes("stall") ? "-quick" : "";
    const seeded = { seed: 11 };
    const text = `${api} and ${fault}`;
    const seen = await run(api, `pre${quick}`, text, {}, faultOn(fault, "pre-bad"));
    whole(`${api} ${fault}, prefill`, seen, await run(api, `pre${quick}`, text), "continued");

    const again = await run(api, `plain${quick}`, text, seeded, faultOn(fault, "plain-bad"));
    const reference = await run(api, `plain${quick}`, text, seeded);
    whole(`${api} ${fault}, restart`, again, reference, "restarted");
    expect(`${api} ${fault}, restart: usage`, again.usage, reference.usage);

    const neither = await run(api, `plain${quick}`, text, {}, faultOn(fault, "plain-bad"));
    broken(`${api} ${fault}, neither`, neither, codes[api], await run(api, "plain", text));
  }
}

// ---- single questions ---------------------------------------------------------------------------
const notResumed = (route) => samples("sluice_streams_not_resumed_total", "reason", `route="${route}"`);
async function rises(name, route, reason, act) {
  const before = (await notResumed(route))[reason] ?? 0;
  await act();
  check(name, ((await notResumed(route))[reason] ?? 0) > before, JSON.stringify(await notResumed(route)));
}

async function requestOfTheRest() {
  await configure(9002, { record: true });
  const text = "the request of the rest";
  const seen = await run("chat", "pre", text, { max_completion_tokens: 30, max_tokens: undefined }, faultOn("cut:3", "pre-bad"));
  const body = await lastBody(9002);
  const last = body.messages.at(-1);
  expect("prefill: the rest of the tokens is asked for", body.max_completion_tokens, 27);
  expect("prefill: fields", [body.continue_final_message, body.add_generation_prompt], [true, false]);
  check("prefill: a last message with the text so far", last.role === "assistant" && last.content && seen.text.startsWith(last.content), JSON.stringify(body.messages));
  check("prefill: no blank at its end", last.content === last.content.trimEnd(), last.content);
  expect("prefill: tokens in all", seen.tokens, 30);
  expect("prefill: usage: what was sent is completion", seen.usage.completion_tokens, 30);
  const reference = await run("chat", "pre", text, { max_completion_tokens: 30, max_tokens: undefined });
  check("prefill: usage: the prompt is charged once", Math.abs(seen.usage.prompt_tokens - reference.usage.prompt_tokens) <= 6, JSON.stringify([seen.usage, reference.usage]));
  expect("prefill: usage adds up", seen.usage.total_tokens, seen.usage.prompt_tokens + seen.usage.completion_tokens);

  await run("completions", "pre", "a prompt", {}, faultOn("cut:3", "pre-bad"));
  const completion = await lastBody(9002);
  check("completions: the text is behind the prompt", completion.prompt.startsWith("a prompt") && completion.prompt.length > 8, completion.prompt);
  expect("completions: the rest of the tokens", completion.max_tokens, TOKENS - 3);
  await configure(9002, { record: false });
}

async function refusals() {
  await live(9002, "400-prefill");
  await rises("prefill refused: counted", "pre", "refused", async () =>
    broken("prefill refused: the first cause", await run("chat", "pre", "refused", {}, faultOn("cut:3", "pre-bad")), "stream_interrupted"),
  );
  const seen = await run("chat", "pre", "refused", { seed: 3 }, faultOn("cut:3", "pre-bad"));
  whole("prefill refused, but a seed", seen, await run("chat", "pre", "refused", { seed: 3 }), "restarted");
  await well(9002);
  await live(9002, "500");
  const failed = await run("chat", "pre", "broken too", {}, faultOn("cut:3", "pre-bad"));
  broken("the other node fails: the first cause", failed, "stream_interrupted");
  check("the other node fails: its words are not told", !JSON.stringify(failed.error).includes("500"), JSON.stringify(failed.error));
  const own = await run("chat", "pre", "broken too", {}, faultOn("error-event:3", "pre-bad"));
  broken("the other node fails: the first one's own event", own, "internal_error");
  await well(9002);
}

async function secondFailure() {
  for (const [api, more] of [["chat", {}], ["completions", {}], ["messages", {}], ["chat", { seed: 5, response_format: { type: "json_object" } }]]) {
    const how = more.seed ? "restarted" : "continued";
    const name = `${api} ${how}, second failure`;
    const reference = await run(api, "trio", name, more);
    await live(9007, "cut:3");
    await live(9008, "cut:5");
    const seen = await run(api, "trio", name, more, {}, true);
    whole(name, seen, reference, [how, how]);
    await live(9009, "cut:2");
    const last = await run(api, "trio", name, more, {}, true);
    broken(`${name}, and all after it`, last, CUT[api], reference);
    for (const port of [9007, 9008, 9009]) await well(port);
  }
  // the second one breaks before anything new has come: the first cause stays
  await live(9007, "error-event:4");
  await live(9008, "cut:2");
  await live(9009, "500");
  broken("broken again while it catches up", await run("chat", "trio", "catching up", { seed: 5, response_format: { type: "json_object" } }, {}, true), "internal_error");
  for (const port of [9007, 9008, 9009]) await well(port);
  const before = (await served(9001)) + (await served(9002));
  await live(9001, "cut:3");
  await live(9002, "cut:3");
  await rises("attempts are bounded: counted", "twice", "attempts", async () =>
    broken("attempts are bounded", await run("chat", "twice", "two attempts", {}, {}, true), "stream_interrupted"),
  );
  expect("attempts are bounded: two", (await served(9001)) + (await served(9002)) - before, 2 * run.tries);
  await well(9001);
  await well(9002);
}

async function calls() {
  const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
  const asked = (more) => ({ tools, ...more });
  for (const cut of ["cut:2"]) {
    const seen = await run("chat", "pre", "call tool", asked({ seed: 4 }), faultOn(cut, "pre-bad"));
    const reference = await run("chat", "pre", "call tool", asked({ seed: 4 }));
    whole(`tool call ${cut}, seed`, seen, reference, "restarted");
    expect(`tool call ${cut}: one id, one name, whole arguments`, seen.calls.map((c) => [c.ids.length, c.name, c.arguments]), [[1, "weather", "{}"]]);
    await rises(`tool call ${cut}: counted`, "pre", "chance", async () =>
      broken(`tool call ${cut}, never spliced`, await run("chat", "pre", "call tool", asked(), faultOn(cut, "pre-bad")), "stream_interrupted"),
    );
  }
  const before = await served(9002);
  const format = { response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } } };
  broken("structured output, never spliced", await run("chat", "pre", "json", format, faultOn("cut:3", "pre-bad")), "stream_interrupted");
  expect("structured output: nobody else was asked", (await served(9002)) - before, 0);
  const seen = await run("chat", "pre", "json", { ...format, temperature: 0 }, faultOn("cut:3", "pre-bad"));
  whole("structured output, temperature 0", seen, await run("chat", "pre", "json", { ...format, temperature: 0 }), "restarted");
  const anthropicTools = [{ name: "weather", input_schema: { type: "object", properties: {} } }];
  const message = await run("messages", "pre", "call tool", { tools: anthropicTools, temperature: 0 }, faultOn("cut:2", "pre-bad"));
  expect("messages: tool call restarted", message.calls.filter(Boolean).map((c) => [c.ids.length, c.name, c.arguments]), [[1, "weather", "{}"]]);
  expect("messages: tool call: stop_reason", message.finishes, ["tool_use"]);
}

async function neitherWay() {
  await rises("another text: counted", "other", "differs", async () => {
    const seen = await run("chat", "other", "another text", { seed: 9 }, faultOn("cut:3", "other-bad"));
    const reference = await run("chat", "other", "another text", { seed: 9 });
    broken("another text is not glued on", seen, "stream_interrupted", reference);
  });
  expect("another text: the node did nothing wrong", (await samples("sluice_node_signals_total", "signal", "127.0.0.1:9006")).stream_cut ?? 0, 0);
  broken("another text, Messages API", await run("messages", "other", "another text", { temperature: 0 }, faultOn("cut:3", "other-bad")), "api_error");
  const off = await run("chat", "off", "not wanted", { seed: 1 }, faultOn("cut:3", "pre-bad"));
  broken("resume: off", off, "stream_interrupted");
  const chained = await run("chat", "behind", "the like behind", { seed: 1 }, faultOn("cut:3", "one"));
  whole("a pool behind with the same model", chained, await run("chat", "behind", "the like behind", { seed: 1 }), "continued");
  expect("a pool behind with another model is passed by", await served(9012), 0);
  broken("a single node", await run("chat", "lone", "alone", { seed: 1 }, faultOn("cut:3", "one")), "stream_interrupted");
  const used = { max_tokens: 8 };
  broken("max_tokens used up", await run("chat", "pre", "used up", used, faultOn("cut:8", "pre-bad")), "stream_interrupted");
  const seen = await run("chat", "pre", "used up", { ...used, seed: 2 }, faultOn("cut:8", "pre-bad"));
  whole("max_tokens used up, seed", seen, await run("chat", "pre", "used up", { ...used, seed: 2 }), "restarted");
  const prefilled = { messages: [{ role: "user", content: "x" }, { role: "assistant", content: "y" }] };
  broken("the client prefills itself", await run("chat", "pre", "", prefilled, faultOn("cut:3", "pre-bad")), "stream_interrupted");
  broken("several choices", await run("chat", "pre", "n", { n: 2, seed: 1 }, faultOn("cut:3", "pre-bad")), "stream_interrupted");
  await rises("budget spent: counted", "spent", "budget", async () => {
    for (let i = 0; i < 4; i++) {
      await run("chat", "spent", "budget", {}, faultOn("cut:3", "spent-bad"));
      await run("chat", "spent", "budget", {}, faultOn("500"));
    }
  });
}

// Nobody else can be asked: the node whose stream broke is, unless it fell silent.
async function nobodyElse() {
  const sluice = (verb) => promisify(execFile)(process.env.SLUICE, [verb, "127.0.0.1:9004"]);
  await sluice("drain");
  await live(9003, "cut:3", 1);
  const seen = await run("chat", "plain", "the same node", { seed: 6 }, {}, false);
  const reference = await run("chat", "plain", "the same node", { seed: 6 });
  if (seen.comments.length) whole("the same node again", seen, reference, "restarted");
  else expect("the same node again: had moved unseen", seen.text, reference.text);
  const before = await served(9003);
  await rises("a silent node: counted", "plain-quick", "no_node", async () =>
    broken("a silent node is not asked again", await run("chat", "plain-quick", "silent", { seed: 6 }, faultOn("stall:3")), "stream_stalled"),
  );
  expect("a silent node: one attempt", (await served(9003)) - before, run.tries);
  await sluice("undrain");
}

async function bigOnes() {
  const many = { max_tokens: 9000 };
  for (const port of [9001, 9002]) await configure(port, { token_us: 0 });
  const reference = await run("chat", "pre", "many", many);
  // a client that reads nothing for a while: the node is paused, cut meanwhile, and all comes in the end
  const answer = await new Promise((resolve, reject) => {
    const body = JSON.stringify(APIS.chat.ask("pre", "many", many));
    const headers = { "content-type": "application/json", ...faultOn("cut:6000", "pre-bad") };
    const req = http.request(`${URL_BASE}/v1/chat/completions`, { method: "POST", headers }, async (res) => {
      const parts = [];
      await sleep(300);
      res.on("data", (part) => {
        parts.push(part);
        if (parts.length % 64 === 0) {
          res.pause();
          setTimeout(() => res.resume(), 5);
        }
      });
      res.on("end", () => resolve({ body: Buffer.concat(parts).toString(), complete: res.complete }));
      res.on("error", reject);
    });
    req.end(body);
  });
  whole("a slow client", read(answer), reference, "continued");
  await rises("more text than is kept: counted", "pre", "too_long", async () => {
    const seen = await run("chat", "pre", "too much", { max_tokens: 80000 }, faultOn("cut:75000", "pre-bad"));
    broken("more text than is kept", seen, "stream_interrupted");
  });
  for (const port of [9001, 9002]) await configure(port, { token_us: 8000 });
}

async function clientGone() {
  for (const how of ["continued", "restarted"]) {
    const [bad, good, model] = how === "continued" ? ["pre-bad", 9002, "pre"] : ["plain-bad", 9004, "plain"];
    await live(good, "hang");
    const before = (await state(good)).client_gone;
    const controller = new AbortController();
    const stream = await openai.chat.completions.create(
      APIS.chat.ask(model, "gone", { seed: 1 }),
      { headers: faultOn("cut:3", bad), signal: controller.signal },
    );
    const reading = (async () => {
      try {
        for await (const chunk of stream) void chunk;
      } catch {}
    })();
    check(`client gone while it is ${how}: the other node was asked`, await waitFor(async () => (await state(good)).connections_open > 0));
    controller.abort();
    await reading;
    check(`client gone while it is ${how}: its node hears of it`, await waitFor(async () => (await state(good)).client_gone > before));
    check(`client gone while it is ${how}: nothing in flight`, await waitFor(async () => (await metric("sluice_requests_in_flight")) === 0));
    await well(good);
  }
}

async function sdks() {
  const messages = [{ role: "user", content: "for the SDKs" }];
  const plain = await openai.chat.completions.create({ model: "pre", max_tokens: TOKENS, messages, ignore_eos: true });
  const runner = openai.chat.completions.stream(
    { model: "pre", max_tokens: TOKENS, messages, ignore_eos: true, stream_options: { include_usage: true } },
    { headers: faultOn("cut:3", "pre-bad") },
  );
  const completion = await runner.finalChatCompletion();
  expect("openai: the answer of a stream that was continued", completion.choices[0].message.content, plain.choices[0].message.content);
  expect("openai: finish_reason, usage", [completion.choices[0].finish_reason, completion.usage.completion_tokens], ["length", TOKENS]);
  const ask = { model: "pre", max_tokens: TOKENS, messages, ignore_eos: true };
  const message = await anthropic.messages.stream(ask, { headers: faultOn("cut:3", "pre-bad") }).finalMessage();
  expect("anthropic: the answer of a stream that was continued", message.content.map((c) => c.text), [plain.choices[0].message.content]);
  expect("anthropic: stop_reason", message.stop_reason, "max_tokens");
  const restarted = await anthropic.messages.stream({ ...ask, model: "plain", temperature: 0 }, { headers: faultOn("cut:3", "plain-bad") }).finalMessage();
  expect("anthropic: and of one that was restarted", restarted.content.map((c) => c.text), [plain.choices[0].message.content]);
}

// ---- malformed, but nothing lost ---------------------------------------------------------------
const CHUNK = (delta, finish_reason = null) =>
  `data: ${JSON.stringify({ id: "s", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
const SCRIPTS = {
  skippable: () => ["data:\n\n", CHUNK({ role: "assistant", content: "" }), CHUNK({ content: "a" }), "data:\n\n", "data:   \n\n", ": comment\n\n", "id: 7\nretry: 5\n\n", "strange: field\n\n", CHUNK({ content: "b" }), CHUNK({}, "stop"), "data: [DONE]\n\n"],
  "no-done": () => [CHUNK({ content: "a" }), CHUNK({ content: "b" }), CHUNK({}, "stop")],
  unfinished: () => [CHUNK({ content: "a" }), CHUNK({ content: "b" })],
  unframed: () => [CHUNK({ content: "a" }), CHUNK({ content: "b" }), CHUNK({}, "stop"), null],
  nonsense: () => [CHUNK({ content: "a" }), "data: {oops\n\n", CHUNK({ content: "b" }), CHUNK({}, "stop"), "data: [DONE]\n\n"],
};
async function scripted() {
  const node = http.createServer(async (req, res) => {
    if (req.method !== "POST") return res.writeHead(404).end(); // it shows no metrics
    const parts = [];
    for await (const part of req) parts.push(part);
    const pieces = SCRIPTS[JSON.parse(Buffer.concat(parts).toString()).script]();
    res.writeHead(200, { "content-type": "text/event-stream" });
    res.socket.setNoDelay(true);
    for (const piece of pieces) {
      await sleep(20);
      if (piece === null) return res.socket.destroy();
      res.write(piece);
    }
    await sleep(20);
    res.end();
  });
  await new Promise((resolve) => node.listen(9020, "127.0.0.1", resolve));
  const ask = (api, script) => run(api, "scripted", "x", { script, stream_options: undefined, ignore_eos: undefined });
  for (const api of ["chat", "messages"]) {
    const seen = await ask(api, "skippable");
    expect(`${api}: skippable events are skipped`, [seen.text, seen.end, seen.error], ["ab", 1, null]);
    const open = await ask(api, "no-done");
    expect(`${api}: without [DONE], cleanly ended: complete`, [open.text, open.error, open.complete], ["ab", null, true]);
    for (const script of ["unfinished", "unframed", "nonsense"]) {
      const bad = await ask(api, script);
      expect(`${api}: ${script}: an error event`, [!!bad.error, bad.end, bad.complete], [true, 0, true]);
    }
  }
  const stream = await openai.chat.completions.create({ model: "scripted", script: "skippable", stream: true, messages: [{ role: "user", content: "x" }] });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  expect("openai: does not stumble over skippable events", text, "ab");
  node.close();
  node.closeAllConnections();
}

await Promise.all(Object.keys(APIS).map((api) => test(api, () => matrix(api))));
await test("the rest", requestOfTheRest);
await test("refusals", refusals);
await test("second failure", secondFailure);
await test("calls", calls);
await test("neither way", neitherWay);
await test("nobody else", nobodyElse);
await test("SDKs", sdks);
await test("scripted", scripted);
await test("client gone", clientGone);
await test("big ones", bigOnes);
expect("no node has a request left", await metric("sluice_node_requests"), 0);
check("counted: continued", (await samples("sluice_streams_resumed_total", "how")).continued > 20, "");
check("counted: restarted", (await samples("sluice_streams_resumed_total", "how")).restarted > 20, "");
check("counted: held back", (await metric("sluice_stream_held_back_bytes_total")) > 100, "");
finish();
