// SPDX-License-Identifier: BSD-2-Clause
// trace.mjs - the client of trace.sh, with the collector and the models' servers of otlp.mjs in its process.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { asked, attributesOf, collector, startCollector, startHole, startModel } from "./otlp.mjs";
import { URL_BASE, check, expect, finish, request, test, waitFor } from "./lib.mjs";

const { SLUICE_COMMAND, SLUICE_CONFIG, SLUICE_SECOND, SLUICE_PID } = process.env;
for (const port of [9001, 9002, 9003]) await startModel(port);
let sink = await startCollector(4318);
await waitFor(() => fs.existsSync(SLUICE_PID), 30000);

// ---- helpers -------------------------------------------------------------------------------------
let number = 0;
async function ask(model, text, { headers = {}, more = {} } = {}) {
  const id = `t${++number}`;
  const body = JSON.stringify({ model, messages: [{ role: "user", content: `my secret prompt ${text}` }], ...more });
  const answer = await request("POST", `${URL_BASE}/v1/chat/completions`, {
    headers: { "content-type": "application/json", "x-request-id": id, ...headers },
    body,
  });
  return { id, ...answer };
}
const rootOf = (id) => collector.spans.find((span) => span.kind === 2 && span.attributes["sluice.request.id"] === id);
// The trace of a request as {root, spans, named(name), attempts}.
async function traceOf(id) {
  const root = await waitFor(() => rootOf(id));
  if (!root) throw new Error(`no trace of ${id}`);
  const spans = collector.spans.filter((span) => span.trace === root.trace);
  const attempts = spans.filter((span) => span.kind === 3).sort((a, b) => (a.start < b.start ? -1 : 1));
  return { root, spans, attempts, named: (name) => spans.find((span) => span.name === name) };
}
const explain = (id) => JSON.parse(execFileSync(SLUICE_COMMAND, ["explain", id, "--json"], { encoding: "utf8" }));
async function metric(name, labels = "") {
  const { body } = await request("GET", `${URL_BASE}/metrics`);
  return body.split("\n").filter((line) => line.startsWith(name) && line[name.length].match(/[{ ]/) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(" ").pop()), 0);
}
// Every span has its parent in the trace (the root's may be the client's), and lies within it in time.
function checkTree(name, { root, spans }) {
  const byId = new Map(spans.map((span) => [span.id, span]));
  const orphans = spans.filter((span) => span !== root && !byId.has(span.parent));
  const outside = spans.filter((span) => span !== root && byId.has(span.parent))
    .filter((span) => span.start < byId.get(span.parent).start || span.end > byId.get(span.parent).end || span.end < span.start);
  expect(`${name}: each span has its parent`, orphans.map((span) => span.name), []);
  expect(`${name}: each lies within it`, outside.map((span) => span.name), []);
  expect(`${name}: no id twice`, byId.size, spans.length);
}
const endings = (attempts) => attempts.map((span) => `${span.attributes["server.port"]} ${span.attributes["sluice.attempt.ending"]}`);
const askedOf = (id) => asked.filter((one) => one.id === id);
const parent = (id = "4bf92f3577b34da6a3ce929d0e0e4736", flags = "01") => `00-${id}-00f067aa0ba902b7-${flags}`;

// ---- what nodes are told, what is sent --------------------------------------------------------------
await test("plain", async () => {
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const headers = { traceparent: parent(), tracestate: "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", baggage: "tenant=a%20b;private,step=3" };
  const { id, status } = await ask("pair", "plain", { headers });
  expect("plain: answered", status, 200);
  const [seen] = askedOf(id);
  check("plain: the node is asked by a child of the trace", seen.traceparent.match(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/), seen.traceparent);
  expect("plain: tracestate goes along", seen.tracestate, headers.tracestate);
  expect("plain: so does baggage, unread", seen.baggage, headers.baggage);
  const t = await traceOf(id);
  checkTree("plain", t);
  expect("plain: the trace is the client's", [t.root.trace, t.root.parent], [trace, "00f067aa0ba902b7"]);
  expect("plain: the node was told its attempt's span", seen.traceparent.split("-")[2], t.attempts[0].id);
  expect("plain: its spans", t.spans.map((span) => `${span.kind} ${span.name}`),
    ["2 POST /v1/chat/completions", "1 admit", "1 generate", "3 chat pair"]);
  const a = t.attempts[0].attributes;
  expect("plain: the attempt", [a["gen_ai.operation.name"], a["gen_ai.provider.name"], a["gen_ai.request.model"], a["gen_ai.response.model"],
    a["gen_ai.usage.input_tokens"], a["gen_ai.usage.output_tokens"], a["server.address"], a["server.port"], a["sluice.pool"],
    a["sluice.attempt.reason"], a["sluice.attempt.ending"], a["http.response.status_code"], a["error.type"]],
    ["chat", "openai", "pair", "said-1", 11, 7, "127.0.0.1", 9001, "pair", "lowest load", "ok", 200, undefined]);
  const r = t.root.attributes;
  expect("plain: the request", [r["http.request.method"], r["http.route"], r["http.response.status_code"], r["sluice.outcome"], r["gen_ai.usage.output_tokens"], t.root.error],
    ["POST", "/v1/chat/completions", 200, "good", 7, false]);
  expect("plain: the resource", [t.root.resource["service.name"], t.root.resource["deployment.environment.name"], !!t.root.resource["host.name"], t.root.resource["service.instance.id"].length],
    ["sluice", "test", true, 36]);
  expect("plain: the configured headers", [collector.headers.authorization, collector.headers["x-scope"], collector.headers["content-type"]],
    ["Bearer sesame-17", "a,b", "application/x-protobuf"]);
  check("plain: neither prompt nor answer is sent", !JSON.stringify(collector.spans, (_, v) => (typeof v === "bigint" ? `${v}` : v)).match(/secret prompt|"42"/));
  const told = explain(id);
  expect("plain: explain names the trace", [told.trace_id, told.sampled], [trace, true]);
  expect("plain: explain finds it by the trace", explain(trace).id, id);
});

await test("no and bad context", async () => {
  const { id } = await ask("pair", "own");
  const t = await traceOf(id);
  expect("own: a trace of its own", [t.root.parent, t.root.trace.length, t.root.trace !== "4bf92f3577b34da6a3ce929d0e0e4736"], ["", 32, true]);
  expect("own: the node is told of it", askedOf(id)[0].traceparent, `00-${t.root.trace}-${t.attempts[0].id}-03`);
  const bad = await ask("pair", "bad", { headers: { traceparent: parent().toUpperCase(), tracestate: "a=1" } });
  const b = await traceOf(bad.id);
  check("bad: a new trace, without the state", b.root.parent === "" && b.root.trace !== "4bf92f3577b34da6a3ce929d0e0e4736" && askedOf(bad.id)[0].tracestate === undefined, JSON.stringify(askedOf(bad.id)));
  const state = await ask("pair", "state", { headers: { traceparent: parent(), tracestate: "Foo=1" } });
  await traceOf(state.id);
  check("a bad state alone is left out", askedOf(state.id)[0].tracestate === undefined && askedOf(state.id)[0].traceparent.startsWith("00-4bf92f"));
  const not = await ask("pair", "not", { headers: { traceparent: parent("5bf92f3577b34da6a3ce929d0e0e4736", "00") } });
  check("not sampled: the node is told so", askedOf(not.id)[0].traceparent.match(/^00-5bf92f.*-00$/), askedOf(not.id)[0].traceparent);
  await traceOf((await ask("pair", "after")).id);
  expect("not sampled: it is not sent", rootOf(not.id), undefined);
});

await test("retried", async () => {
  const { id, status } = await ask("pair", "9001-fail");
  expect("retried: answered", status, 200);
  const t = await traceOf(id);
  checkTree("retried", t);
  expect("retried: both attempts", endings(t.attempts), ["9001 status_5xx", "9002 ok"]);
  expect("retried: the first is an error, the request is none", [t.attempts[0].error, t.attempts[0].attributes["error.type"], t.attempts[1].error, t.root.error], [true, "status_5xx", false, false]);
  check("retried: generate tells of it", t.named("generate").events.some((event) => event.name === "retry_budget"));
  expect("retried: each node knew its own span", askedOf(id).map((one) => one.traceparent.split("-")[2]), t.attempts.map((span) => span.id));
});

await test("fallback", async () => {
  const { id, status } = await ask("chain", "9001-fail 9002-fail");
  expect("fallback: answered", status, 200);
  const t = await traceOf(id);
  checkTree("fallback", t);
  expect("fallback: the attempts", [endings(t.attempts).slice(0, 2).sort(), endings(t.attempts).pop()], [["9001 status_5xx", "9002 status_5xx"], "9003 ok"]);
  expect("fallback: an event with its pool", t.named("generate").events.filter((event) => event.name === "fallback").map((event) => event.attributes["sluice.pool"]), ["spare"]);
});

await test("failed", async () => {
  const { id, status } = await ask("pair", "9001-fail 9002-fail");
  check("failed: 5xx", status >= 500, status);
  const t = await traceOf(id);
  checkTree("failed", t);
  expect("failed: the request is an error", [t.root.error, t.root.attributes["error.type"], t.root.attributes["sluice.outcome"]], [true, `${status}`, "failed"]);
  check("failed: each attempt is too", t.attempts.length >= 2 && t.attempts.every((span) => span.error));
});

await test("refused", async () => {
  const { id, status } = await ask("nobody", "x");
  expect("refused: no such model", status, 404);
  const t = await traceOf(id);
  expect("refused: the request and its admission", t.spans.map((span) => span.name), ["POST /v1/chat/completions", "admit"]);
  expect("refused: with the reason", t.root.events.map((event) => [event.name, event.attributes["sluice.error"]]), [["refused", "model_not_found"]]);
});

await test("hedged", async () => {
  await ask("hedged", "a first one, for its time");
  const { id, status } = await ask("hedged", "9001-late");
  expect("hedged: answered", status, 200);
  const t = await traceOf(id);
  checkTree("hedged", t);
  expect("hedged: two attempts, the second won", endings(t.attempts), ["9001 cancelled", "9002 ok"]);
  check("hedged: at the same time", t.attempts[1].start < t.attempts[0].end);
  expect("hedged: which is the hedge", t.attempts.map((span) => span.attributes["sluice.attempt.hedge"]), [undefined, true]);
  check("hedged: the loser is no error", !t.attempts[0].error);
  expect("hedged: each knew its own span", askedOf(id).map((one) => one.traceparent.split("-")[2]).sort(), t.attempts.map((span) => span.id).sort());
});

await test("streamed", async () => {
  const { id, status, body } = await ask("pair", "stream", { more: { stream: true, stream_options: { include_usage: true } } });
  check("streamed: to its end", status === 200 && body.endsWith("data: [DONE]\n\n"), body);
  const t = await traceOf(id);
  checkTree("streamed", t);
  expect("streamed: one attempt with its first token", [endings(t.attempts), t.attempts[0].events.map((event) => event.name)], [["9001 ok"], ["sent", "first_token"]]);
  expect("streamed: what was counted", [t.root.attributes["gen_ai.usage.input_tokens"], t.root.attributes["gen_ai.usage.output_tokens"], t.root.attributes["gen_ai.request.stream"]], [11, 2, true]);
  const cut = await ask("pair", "9001-cut 9002-cut 9003-cut", { more: { stream: true } });
  check("cut: not a good end", !cut.body.endsWith("data: [DONE]\n\n"));
  const c = await traceOf(cut.id);
  checkTree("cut", c);
  expect("cut: the request is an error", [c.root.error, c.root.attributes["sluice.outcome"], c.attempts[0].error], [true, "broken", true]);
});

await test("cached", async () => {
  await ask("kept", "the same");
  const { headers } = await ask("kept", "the same", { headers: { "x-request-id": "again" } });
  expect("cached: a hit", headers["x-sluice-cache"], "hit");
  const t = await traceOf("again");
  checkTree("cached", t);
  expect("cached: nobody was asked", t.attempts.length, 0);
  expect("cached: the stage says why", t.named("cache").events.map((event) => [event.name, event.attributes["sluice.result"]]), [["cache", "hit"]]);
});

await test("degraded", async () => {
  const more = { response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } } };
  const { id, headers } = await ask("checked", "what", { more });
  check("degraded: a step down", headers["x-sluice-degraded"], JSON.stringify(headers));
  const t = await traceOf(id);
  checkTree("degraded", t);
  expect("degraded: the request says which", t.root.attributes["sluice.degraded"], headers["x-sluice-degraded"]);
  const { attributes, events } = t.named("validate");
  expect("degraded: by which check", ["check", "of", "done", "what"].map((key) => attributes[`sluice.validation.${key}`]),
    ["schema", "answer", "refused", "type"]);
  expect("degraded: as an event too", events.map((event) => [event.name, event.attributes["sluice.validation.check"]]), [["validation", "schema"]]);
  expect("degraded: nothing was wrong with the question", t.named("screen").attributes["sluice.validation.check"], undefined);
  expect("degraded: explained", explain(id).events.filter(({ event }) => event === "validation").map(({ check, done }) => `${check} ${done}`), ["schema refused"]);
  check("degraded: its stages are there", t.named("screen") && t.named("validate"), t.spans.map((span) => span.name));
});

// ---- metrics -----------------------------------------------------------------------------------------
await test("metrics", async () => {
  collector.metrics.clear();
  const seen = await waitFor(() => collector.metrics.get("sluice_requests_total"));
  check("metrics: they come by themselves", seen);
  const { body } = await request("GET", `${URL_BASE}/metrics`);
  const families = body.split("\n").filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]);
  const sampled = families.filter((name) => body.includes(`\n${name}{`) || body.includes(`\n${name} `) || body.includes(`\n${name}_count`));
  const dotted = (name) => name.replace(/_seconds$/, "").replace(/^gen_ai_(client|server)_/, "gen_ai.$1.")
    .replace("token_usage", "token.usage").replace("operation_duration", "operation.duration");
  const missing = () => sampled.filter((name) => !collector.metrics.has(name) && !collector.metrics.has(dotted(name)));
  await waitFor(() => missing().length === 0); // what began since the last export comes with the next
  expect("metrics: every family of /metrics", missing(), []);
  check("metrics: there are many", sampled.length > 80, sampled.length);
  const points = seen.sum.dataPoints.filter((point) => attributesOf(point.attributes).route === "pair" && attributesOf(point.attributes).code === "200");
  expect("metrics: a counter's value", points.map((point) => Number(point.asInt)), [await metric("sluice_requests_total", 'route="pair",code="200"')]);
  expect("metrics: a counter is one", [seen.sum.isMonotonic, seen.sum.aggregationTemporality], [true, 2]);
  const histogram = collector.metrics.get("sluice_request_duration_seconds").histogram.dataPoints
    .find((point) => attributesOf(point.attributes).route === "pair");
  expect("metrics: a histogram's buckets are its count", histogram.bucketCounts.reduce((sum, n) => sum + Number(n), 0), Number(histogram.count));
  expect("metrics: one more of them than bounds", histogram.bucketCounts.length, histogram.explicitBounds.length + 1);
  expect("metrics: the count is that of /metrics", Number(histogram.count), await metric("sluice_request_duration_seconds_count", 'route="pair"'));
  const dots = (name) => collector.metrics.get(name)?.histogram.dataPoints.map((point) => ({ ...attributesOf(point.attributes), count: Number(point.count), sum: point.sum })) ?? [];
  const of = (name, more) => dots(name).filter((point) => Object.entries({ "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", ...more }).every(([key, value]) => point[key] === value));
  const outputs = of("gen_ai.client.token.usage", { "gen_ai.request.model": "hedged", "gen_ai.token.type": "output" });
  expect("genai: tokens as the server counted them", outputs.map(({ count, sum }) => [count, sum]), [[2, 14]]);
  const [failed] = of("gen_ai.client.operation.duration", { "gen_ai.request.model": "pair", "error.type": "_OTHER" });
  check("genai: operations that failed, apart", failed.count >= 2, JSON.stringify(failed));
  expect("genai: the unit", collector.metrics.get("gen_ai.client.token.usage").unit, "{token}");
  for (const name of ["gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token"])
    check(`genai: ${name}`, of(name, { "gen_ai.request.model": "pair" })[0]?.count === 1, JSON.stringify(dots(name)));
  expect("metrics: a gauge is one", collector.metrics.get("sluice_pool_nodes").gauge.dataPoints.length, 3);
});

// ---- by which rule -------------------------------------------------------------------------------------
await test("reload", async () => {
  const before = await metric("sluice_config_reloads_total", "success");
  fs.renameSync(SLUICE_SECOND, SLUICE_CONFIG);
  process.kill(Number(fs.readFileSync(SLUICE_PID, "utf8")), "SIGHUP");
  check("reload: in force", await waitFor(async () => (await metric("sluice_config_reloads_total", "success")) > before));
});

await test("kept", async () => {
  const plain = await ask("pair", "plain", { headers: { traceparent: parent("6bf92f3577b34da6a3ce929d0e0e4736") } });
  const failed = await ask("pair", "9001-fail 9002-fail");
  const fallback = await ask("chain", "9001-fail 9002-fail");
  check("kept: a failed one is sent", (await traceOf(failed.id)).root);
  check("kept: a fallback too", (await traceOf(fallback.id)).root);
  expect("kept: one that went well is not, whatever its client says", rootOf(plain.id), undefined);
  check("kept: its node was told that it is not", askedOf(plain.id)[0].traceparent.match(/^00-6bf92f.*-00$/), askedOf(plain.id)[0].traceparent);
});

// ---- the collector's bad days -----------------------------------------------------------------------------
const fail = () => ask("pair", "9001-fail 9002-fail"); // which is always sent
async function badDay(mode, reason) {
  const before = await metric("sluice_otlp_dropped_total", `reason="${reason}"`);
  collector.mode = mode;
  const { id } = await fail();
  check(`${mode}: counted as ${reason}`, await waitFor(async () => (await metric("sluice_otlp_dropped_total", `reason="${reason}"`)) > before, 30000));
  collector.mode = "ok";
  return id;
}
await test("bad answers", async () => {
  expect("refuse: it is not sent again", rootOf(await badDay("refuse", "refused")), undefined);
  await badDay("rubbish", "bad_answer");
  await badDay("partial", "rejected");
});
await test("again", async () => {
  for (const mode of ["busy", "noise", "silent"]) {
    const before = collector.exports;
    collector.mode = mode;
    const { id } = await fail();
    const { status } = await ask("pair", "plain");
    expect(`${mode}: requests are answered`, status, 200);
    check(`${mode}: it was tried`, await waitFor(() => collector.exports > before));
    collector.mode = "ok";
    check(`${mode}: it arrives afterwards`, (await traceOf(id)).root);
  }
});
await test("gone", async () => {
  sink.closeAllConnections();
  await new Promise((resolve) => sink.close(resolve));
  const dropped = () => metric("sluice_otlp_dropped_total", 'reason="undelivered"');
  const before = await dropped();
  const { id } = await fail();
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask("pair", "plain")));
  check("gone: requests are answered as ever", answers.every(({ status }) => status === 200));
  check("gone: in the end traces are dropped, and counted", await waitFor(async () => (await dropped()) > before, 30000));
  const hole = await startHole(4318);
  expect("a black hole: requests are answered", (await ask("pair", "plain")).status, 200);
  const late = await fail();
  await waitFor(() => hole.taken);
  hole.stop();
  sink = await startCollector(4318);
  check("back: what waited arrives", (await traceOf(late.id)).root);
  expect("back: what was dropped does not", rootOf(id), undefined);
});
finish();
