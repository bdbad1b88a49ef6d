// SPDX-License-Identifier: BSD-2-Clause
// turns.mjs SCENARIO COUNT - a model server on 9001 and the client of turns.sh in one process, so that both
// read one clock. The client asks one request after the other, over one connection.
//   plain exact semantic retrieve validate   whole answers
//   stream                                   tokens with a gap; prints how long each was on its way
import http from "node:http";

const [scenario, countText] = process.argv.slice(2);
const count = Number(countText);
const GAP_MS = 4, TOKENS = 120;
const items = Array.from({ length: 62 }, (_, i) => ({ id: i + 1, name: "a thing with a name", kind: "film", price: i + 0.25 }));
const say = scenario === "validate" ? JSON.stringify({ items, total: 7 }) : "You can change it on the page of your account.";
const words = " The order of 12 March has 3 items and weighs 4.5 kg; it leaves the house on Monday, call +41 44 555".split(/(?= )/);
const sent = [];

async function stream(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const event = (delta, finish = null) => response.write(`data: ${JSON.stringify({ id: "x", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
  let bytes = 0;
  for (let i = 0; i < TOKENS; i++) {
    const text = words[i % words.length];
    bytes += text.length;
    sent.push({ bytes, at: process.hrtime.bigint() });
    event({ content: text });
    await new Promise((done) => setTimeout(done, GAP_MS));
  }
  event({}, "stop");
  response.end("data: [DONE]\n\n");
}
const server = http.createServer((request, response) => {
  let text = "";
  request.on("data", (data) => (text += data));
  request.on("end", () => {
    if (request.method === "GET") return response.end("{}");
    const { model, stream: streams } = JSON.parse(text);
    if (streams) return void stream(response);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ id: "x", object: "chat.completion", created: 1, model,
      choices: [{ index: 0, message: { role: "assistant", content: say }, logprobs: null, finish_reason: "stop" }],
      usage: { prompt_tokens: 20, completion_tokens: 20, total_tokens: 40 } }));
  });
});
await new Promise((done) => server.listen(9001, "127.0.0.1", done));

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const schema = { type: "object", properties: { items: { type: "array", items: { type: "object", properties: { id: { type: "integer", minimum: 1 }, name: { type: "string", maxLength: 80 }, kind: { enum: ["book", "film", "song"] }, price: { type: "number" } }, required: ["id", "name", "kind", "price"], additionalProperties: false } }, total: { type: "integer" } }, required: ["items", "total"], additionalProperties: false };
const ask = (model, question, more = {}, onData) => new Promise((done, fail) => {
  const request = http.request({ port: 8080, method: "POST", path: "/v1/chat/completions", agent, headers: { "content-type": "application/json" } }, (response) => {
    let text = "";
    response.on("data", (data) => { text += data; onData?.(data); });
    response.on("end", () => done({ status: response.statusCode, cache: response.headers["x-sluice-cache"], index: response.headers["x-sluice-index"], degraded: response.headers["x-sluice-degraded"], text }));
  });
  request.on("error", fail);
  request.end(JSON.stringify({ model, messages: [{ role: "user", content: question }], ...more }));
});
const check = (got, good) => { if (got.status !== 200 || !good) { console.error(`turns: ${scenario}: ${JSON.stringify(got).slice(0, 400)}`); process.exit(1); } };

const question = "How can I change the billing address of my account?";
const like = "how can I change my account's billing address?";
async function one(i) {
  if (scenario === "plain") return check(await ask("plain", `${question} ${i}`), true);
  if (scenario === "exact") { const got = await ask("exact", question); return check(got, i === 0 || got.cache?.startsWith("hit")); }
  if (scenario === "semantic") { const got = await ask("semantic", i === 0 ? question : like); return check(got, i === 0 || got.cache?.startsWith("semantic")); }
  if (scenario === "retrieve") { const got = await ask("retrieve", `How many days of vacation do I get in part ${i % 50}?`); return check(got, got.index); }
  if (scenario === "validate") { const got = await ask("validate", question, { response_format: { type: "json_schema", json_schema: { name: "n", schema } } }); return check(got, !got.degraded); }
}
// When each byte of the text came out, against when it went in: microseconds, sorted.
async function streamed(model) {
  sent.length = 0;
  const late = [];
  let rest = "", bytes = 0, next = 0;
  const got = await ask(model, question, { stream: true }, (data) => {
    const now = process.hrtime.bigint();
    rest += data;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const line = rest.slice(6, end);
      if (line !== "[DONE]") bytes += JSON.parse(line).choices[0]?.delta?.content?.length ?? 0;
    }
    for (; next < sent.length && sent[next].bytes <= bytes; next++) late.push(Number(now - sent[next].at) / 1000);
  });
  check(got, late.length === TOKENS);
  return late;
}
if (scenario === "stream") {
  for (const model of ["plain", "screened", "listed"]) {
    const late = [];
    for (let i = 0; i < count; i++) late.push(...(await streamed(model)));
    late.sort((a, b) => a - b);
    const at = (share) => late[Math.min(late.length - 1, Math.floor(late.length * share))].toFixed(0);
    const gap = GAP_MS * 1000, mean = late.reduce((a, b) => a + b, 0) / late.length;
    console.log(`${model} ${mean.toFixed(0)} ${at(0.5)} ${at(0.99)} ${(mean / gap).toFixed(2)}`);
  }
} else {
  for (let i = 0; i < count; i++) await one(i);
}
process.exit(0);
