// SPDX-License-Identifier: BSD-2-Clause
// spoken.mjs - two model servers, a on 9001 and b on 9002, that say what a test tells them to, and the
// client that tells them. `node spoken.mjs` serves. The first message of role `system`, JSON in base64 (so
// that no check sees through it), is:
//   {say}           the answer is that text; {call}: a call of the tool `find` with those arguments
//   {then}          ... once the conversation has grown (a repair): that text, or that call
//   {b}             ... from server b: that
//   {piece}         a stream comes in pieces of so many characters
// GET /last gives the last request's body.
import { execFileSync } from "node:child_process";
import http from "node:http";
import { pathToFileURL } from "node:url";
import { URL_BASE } from "./lib.mjs";

export const told = (plan) => Buffer.from(JSON.stringify({ messages: 2, ...plan })).toString("base64url");

// ---- the servers ------------------------------------------------------------------------------
function answer(name, body) {
  const plan = JSON.parse(Buffer.from(body.messages.find((m) => m.role === "system")?.content ?? "e30", "base64url").toString());
  const text =
    name === "b" && plan.b !== undefined ? plan.b
    : body.messages.length > plan.messages && plan.then !== undefined ? plan.then
    : (plan.say ?? plan.call);
  return { text, isCall: plan.call !== undefined, piece: plan.piece ?? 5 };
}

function whole(name, body) {
  const { text, isCall } = answer(name, body);
  const message = isCall
    ? { role: "assistant", content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "find", arguments: text } }] }
    : { role: "assistant", content: text };
  return {
    id: "x", object: "chat.completion", created: 1, model: `model-${name}`,
    choices: [{ index: 0, message, logprobs: null, finish_reason: isCall ? "tool_calls" : "stop" }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  };
}

function* chunks(name, body) {
  const { text, isCall, piece } = answer(name, body);
  const chunk = (delta, finish = null) => ({
    id: "x", object: "chat.completion.chunk", created: 1, model: `model-${name}`,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  yield chunk({ role: "assistant", content: isCall ? null : "" });
  if (isCall) yield chunk({ tool_calls: [{ index: 0, id: "c1", type: "function", function: { name: "find", arguments: "" } }] });
  for (let at = 0; at < text.length; at += piece) {
    const part = text.slice(at, at + piece);
    yield chunk(isCall ? { tool_calls: [{ index: 0, function: { arguments: part } }] } : { content: part });
  }
  yield chunk({}, isCall ? "tool_calls" : "stop");
}

function serve(name, port) {
  let last = "{}";
  const server = http.createServer((request, response) => {
    let text = "";
    request.on("data", (data) => (text += data));
    request.on("end", () => {
      if (request.method === "GET") return response.end(request.url === "/last" ? last : "{}");
      last = text;
      const body = JSON.parse(text);
      if (!body.stream) {
        response.setHeader("content-type", "application/json");
        return response.end(JSON.stringify(whole(name, body)));
      }
      response.setHeader("content-type", "text/event-stream");
      for (const chunk of chunks(name, body)) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
      response.end("data: [DONE]\n\n");
    });
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await serve("a", 9001);
  await serve("b", 9002);
  console.log("ready");
  await new Promise(() => {});
}

// ---- the client -------------------------------------------------------------------------------
export const last = async (port) => (await fetch(`http://127.0.0.1:${port}/last`)).json();

export async function ask(model, plan, more = {}, user = "hello") {
  const messages = [{ role: "system", content: told(plan) }, { role: "user", content: user }];
  const response = await fetch(`${URL_BASE}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages, ...more }),
  });
  return { id: response.headers.get("x-request-id"), status: response.status, degraded: response.headers.get("x-sluice-degraded"),
    cache: response.headers.get("x-sluice-cache"), text: await response.text() };
}
export async function askWhole(model, plan, more, user) {
  const got = await ask(model, plan, more, user);
  const body = JSON.parse(got.text);
  return { ...got, body, message: body.choices?.[0]?.message, finish: body.choices?.[0]?.finish_reason, error: body.error };
}
// What `sluice explain` says of the checks: "schema answer repaired: type at /{1} 1". Needs SLUICE_COMMAND.
export function explained({ id }) {
  const trail = execFileSync(process.env.SLUICE_COMMAND, ["explain", id, "--json"], { encoding: "utf8" });
  return JSON.parse(trail).events.filter(({ event }) => event === "validation").map((event) =>
    [`${event.check} ${event.of} ${event.done}:`, event.what, event.times ?? event.repair].filter((part) => part !== undefined).join(" "));
}
// The texts of a stream put together; events are checked to be whole.
export async function askStream(model, plan, more, user) {
  const got = await ask(model, plan, { stream: true, ...more }, user);
  const out = { ...got, content: "", args: "", finish: null, error: null, done: false };
  for (const event of got.text.split("\n\n")) {
    const data = event.split("\n").find((line) => line.startsWith("data: "))?.slice(6);
    if (data === undefined) continue;
    if (data === "[DONE]") { out.done = true; continue; }
    const chunk = JSON.parse(data);
    if (chunk.error) { out.error = chunk.error; continue; }
    const choice = chunk.choices[0];
    if (!choice) continue;
    out.content += choice.delta.content ?? "";
    for (const call of choice.delta.tool_calls ?? []) out.args += call.function.arguments;
    out.finish = choice.finish_reason ?? out.finish;
  }
  return out;
}
