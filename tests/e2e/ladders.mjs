// SPDX-License-Identifier: BSD-2-Clause
// ladders.mjs - see ladders.sh. `ladders.mjs serve ROLE PORT...` is one dependency, a process of its own:
//
//   model       its answer is what it was sent: {"system": [...], "tools": [names]}
//   said        says what it was told last (POST /say), in whatever shape
//   store       a vector database of Qdrant's and Chroma's shape, with one chunk
//   reranker    of Cohere's, Jina's and Text Embeddings Inference's shape: best is who speaks of lunch
//   moderation  flags texts with "knife"
//   vectors     embeddings: words, hashed
//   talker      a model that says one sentence: a summary, a judgement
//
// POST /mode with a word corrupts its answers, "" puts them right.
import http from "node:http";
import fs from "node:fs";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, check, finish, metric, post, test, waitFor } from "./lib.mjs";

const PORT = { model: 9001, short: 9021, large: 9031, store: 9002, storeToo: 9012, reranker: 9003, moderation: 9004, vectors: 9005,
  summary: 9006, judge: 9007, shadowJudge: 9008, said: 9009 };

// ---- the dependencies -------------------------------------------------------------------------
const completion = (body, message, finish = "stop") => ({
  id: "c", object: "chat.completion", created: 1, model: body.model,
  choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: finish }],
  // Tokens as the daemon estimates them, so that nothing is learnt from them.
  usage: { prompt_tokens: Math.ceil(JSON.stringify(body.messages).length / 3), completion_tokens: 1, total_tokens: 2 },
});
function vectorOf(text) {
  const vector = Array(64).fill(0.01);
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    let hash = 7;
    for (const letter of word) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
    vector[hash % 64]++;
  }
  return vector;
}
const CHUNK = "From the store: ten days.";
const RIGHT = {
  model: (body) => completion(body, { content: JSON.stringify({
    system: body.messages.filter((m) => m.role === "system").map((m) => m.content),
    tools: (body.tools ?? []).map((tool) => tool.function.name) }) }),
  store: (body) => body.query_embeddings
    ? { ids: [["41"]], distances: [[0.1]], documents: [[CHUNK]], metadatas: [[{ source: "store.txt" }]] }
    : { result: [{ id: 41, score: 0.9, payload: { text: CHUNK, source: "store.txt" } }] },
  reranker: (body) => {
    const ranked = (body.texts ?? body.documents)
      .map((text, index) => ({ index, score: text.includes("Lunch") ? 0.9 : 0.1, text }))
      .sort((a, b) => b.score - a.score);
    if (body.texts) return ranked.map(({ index, score }) => ({ index, score }));
    const results = ranked.map(({ index, score, text }) => body.model === "jina"
      ? { index, document: { text }, relevance_score: score } : { index, relevance_score: score });
    return body.model === "jina" ? { model: "jina", object: "list", usage: { total_tokens: 9 }, results }
      : { id: "r", results, meta: { api_version: { version: "2" } } };
  },
  moderation: (body) => ({ results: [{ flagged: body.input.includes("knife"), categories: {} }] }),
  vectors: (body) => ({ object: "list", data: [{ object: "embedding", index: 0, embedding: vectorOf(body.input) }] }),
  talker: (body) => completion(body, { content: /SAME/.test(JSON.stringify(body.messages)) ? "SAME" : "No." }),
};
// Answers that are none, by mode; those that only one dependency can give are in its own rung.
const CORRUPT = {
  page: "<html>It works!</html>", half: '{"results":[{"fla', other: '{"surprise":[1,2]}',
  pointless: '{"result":[{"id":1,"score":0.9,"payload":{"body":"x"}}],"ids":[["1"]],"distances":[[0.1]],"documents":[[null]]}',
  uneven: '{"result":[{"id":1}],"ids":[["1"]],"distances":[[]],"documents":[["x"]]}',
  none: '{"results":[]}', twice: '{"results":[{"index":0,"relevance_score":1},{"index":0,"relevance_score":1}]}',
  far: '{"results":[{"index":99,"relevance_score":1}]}', word: '{"results":[{"flagged":"no"}]}',
  bare: "[]", bareFar: '[{"index":99,"score":1}]',
};
// What `said` was told: {status, body}, or {events, cut}: a stream, broken off at its end.
function sayIt(told, response) {
  response.writeHead(told.status ?? 200, { "content-type": told.events ? "text/event-stream" : "application/json" });
  if (!told.events) return response.end(JSON.stringify(told.body));
  for (const event of told.events) response.write(`data: ${JSON.stringify(event)}\n\n`);
  if (told.cut) return setTimeout(() => response.destroy(), 50);
  response.end("data: [DONE]\n\n");
}
function serve(role, ports) {
  let mode = "", told = {}, asked = 0;
  const answer = async (request, response) => {
    let text = "";
    for await (const data of request) text += data;
    if (request.url === "/mode") { mode = text; return response.end(); }
    if (request.url === "/say") { told = JSON.parse(text); return response.end(); }
    if (request.url === "/asked") return response.end(String(asked));
    if (request.method === "GET") return response.end('{"data":[]}');
    asked++;
    if (role === "said") return sayIt(told, response);
    response.setHeader("content-type", "application/json");
    if (mode === "error") { response.statusCode = 500; return response.end("{}"); }
    response.end(mode ? CORRUPT[mode] : JSON.stringify(RIGHT[role](JSON.parse(text))));
  };
  let left = ports.length;
  for (const port of ports) http.createServer(answer).listen(port, "127.0.0.1", () => --left || console.log("ready"));
}
if (process.argv[2] === "serve") {
  serve(process.argv[3], process.argv.slice(4).map(Number));
  await new Promise(() => {});
}

// ---- turned off, and on -----------------------------------------------------------------------
const run = promisify(execFile);
const children = new Map();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
class Dependency {
  constructor(role, ...ports) { Object.assign(this, { role, ports }); }
  async start() {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "serve", this.role, ...this.ports], { stdio: ["ignore", "pipe", "inherit"] });
    children.set(this, child);
    await once(child.stdout, "data");
  }
  async stop() {
    const child = children.get(this), gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
  async restart() { await this.stop(); await this.start(); }
  tell(path, text) { return fetch(`http://127.0.0.1:${this.ports[0]}${path}`, { method: "POST", body: text }); }
  async asked() { return Number(await (await fetch(`http://127.0.0.1:${this.ports[0]}/asked`)).text()); }
  // What is sent to its ports is dropped: connections that stand included, and nobody hears of it.
  hole(word) { return run("nft", [word, "element", "inet", "hole", "ports", `{ ${this.ports.join(", ")} }`]); }
}
const the = {
  model: new Dependency("model", PORT.model, PORT.short, PORT.large),
  store: new Dependency("store", PORT.store, PORT.storeToo),
  reranker: new Dependency("reranker", PORT.reranker),
  moderation: new Dependency("moderation", PORT.moderation),
  vectors: new Dependency("vectors", PORT.vectors),
  summary: new Dependency("talker", PORT.summary),
  judge: new Dependency("talker", PORT.judge),
  shadowJudge: new Dependency("talker", PORT.shadowJudge),
  said: new Dependency("said", PORT.said),
};
const WAYS = {
  stopped: { off: (d) => d.stop(), on: (d) => d.start() },
  blackholed: { off: (d) => d.hole("add"), on: (d) => d.hole("delete") },
};
const corrupted = (mode) => ({ off: (d) => d.tell("/mode", mode), on: (d) => d.tell("/mode", "") });

// ---- asking -----------------------------------------------------------------------------------
const user = (content) => [{ role: "user", content }];
async function chat(model, messages, more = {}) {
  const got = await post("/v1/chat/completions", { model, messages, ...more });
  const body = got.headers["content-type"]?.includes("json") ? JSON.parse(got.body) : {};
  return { status: got.status, degraded: got.headers["x-sluice-degraded"] ?? null, cache: got.headers["x-sluice-cache"] ?? null,
    prompt: got.headers["x-sluice-prompt"] ?? null, index: got.headers["x-sluice-index"] ?? null,
    code: body.error?.code ?? null, text: body.choices?.[0]?.message?.content ?? got.body };
}
const steps = (route, stage, step) => metric("sluice_ladder_steps_total", `route="${route}",stage="${stage}",step="${step}"`);
const sluice = async (...words) => (await run(process.env.SLUICE, [...words, "--admin-socket", process.env.SLUICE_ADMIN_SOCKET])).stdout.trim();
let turn = 0;
// Longer than its pool's context, and like none before: what is summarised is kept.
const long = (words) => [0, 1, 2, 3, 4, 5].flatMap((i) => [
  { role: "user", content: `${++turn} ${"word ".repeat(words)}` }, { role: "assistant", content: `yes ${i}` }]).concat(user("last"));

// ---- each dependency, and each of its ladders -------------------------------------------------
// well, down: what an answer shows while it is there, and while it is not; counts: the steps of one answer
// without it. corrupt: the modes that are no answers of its.
const travel = () => user("When are travel costs paid back?");
const index = { status: 200, degraded: "retrieve=index", has: "within two weeks" };
const stored = { status: 200, degraded: null, has: CHUNK };
const vectorModes = ["page", "half", "other", "pointless", "uneven", "error"];
const lunch = { status: 200, degraded: null, has: "Lunch is served" };
const unranked = { status: 200, degraded: "retrieve=unranked", has: "within two weeks" };
const reranked = (route, corrupt) => ({
  name: `retrieve: reranker, ${route}`, of: the.reranker, ask: () => chat(route, travel()),
  well: lunch, down: unranked, counts: [[route, "retrieve", "unranked"]], corrupt });
const RUNGS = [
  { name: "retrieve: Qdrant", of: the.store, ask: () => chat("qdrant", travel()), well: stored, down: index,
    counts: [["qdrant", "retrieve", "index"]], corrupt: vectorModes },
  { name: "retrieve: Chroma", of: the.store, ask: () => chat("chroma", travel()), well: stored, down: index,
    counts: [["chroma", "retrieve", "index"]], corrupt: vectorModes },
  { name: "retrieve: no index, an answer kept", of: the.store, ask: () => chat("kept", travel()), well: stored,
    down: { status: 200, degraded: "retrieve=answer", has: CHUNK }, counts: [["kept", "retrieve", "answer"]], corrupt: vectorModes },
  { name: "retrieve: no index, and none kept", of: the.store, ask: () => chat("unkept", travel()), well: stored,
    down: { status: 200, degraded: "retrieve=none", has: "No documents could be consulted" },
    counts: [["unkept", "retrieve", "none"]], corrupt: vectorModes },
  reranked("cohere", ["page", "half", "other", "none", "twice", "far", "error"]),
  reranked("jina", ["page", "other", "none"]),
  reranked("tei", ["page", "half", "other", "bare", "bareFar", "error"]),
  { name: "inbound: moderation, closed", of: the.moderation, ask: () => chat("closed", user("fine")),
    well: { status: 200, degraded: null }, down: { status: 503, degraded: null, code: "service_unavailable" },
    counts: [["closed", "inbound", "unmoderated"]], corrupt: ["page", "half", "other", "word", "none", "error"] },
  { name: "inbound and validate: moderation, open", of: the.moderation, ask: () => chat("open", user("fine")),
    well: { status: 200, degraded: null }, down: { status: 200, degraded: "inbound=unmoderated, validate=unmoderated" },
    counts: [["open", "inbound", "unmoderated"], ["open", "validate", "unmoderated"]], corrupt: ["page", "half", "other", "word", "none", "error"] },
  { name: "validate: moderation of answers, closed", of: the.moderation, ask: () => chat("after", user("fine")),
    well: { status: 200, degraded: null }, down: { status: 200, degraded: "validate=unmoderated, validate=refused", has: "No." },
    counts: [["after", "validate", "unmoderated"], ["after", "validate", "refused"]], corrupt: ["page", "word"] },
  { name: "semantic_cache: vectors", of: the.vectors, ask: () => chat("near", user("How do I reset my password?")),
    well: { status: 200, degraded: null, cache: "semantic" }, down: { status: 200, degraded: "semantic_cache=skipped", cache: null },
    counts: [["near", "semantic_cache", "skipped"]], corrupt: ["page", "half", "other", "error"] },
  { name: "context: summariser, a larger pool", of: the.summary, ask: () => chat("long", long(400), { max_tokens: 100 }),
    well: { status: 200, degraded: "context=summarised" }, down: { status: 200, degraded: "context=larger-pool" },
    counts: [["long", "context", "larger-pool"]], corrupt: ["page", "half", "other", "error"] },
  { name: "context: summariser, nothing behind it", of: the.summary, ask: () => chat("longest", long(1500), { max_tokens: 100 }),
    well: { status: 200, degraded: "context=summarised" }, down: { status: 400, degraded: null, code: "context_length_exceeded" },
    counts: [], corrupt: ["page", "half", "other", "error"] },
];
function shown(got, wanted) {
  const fields = Object.keys(wanted).filter((name) => name !== "has");
  const seen = Object.fromEntries(fields.map((name) => [name, got[name]]));
  if (wanted.has) seen.has = got.text.includes(wanted.has) ? wanted.has : got.text.slice(0, 200);
  return seen;
}
const shows = (got, wanted) => JSON.stringify(shown(got, wanted)) === JSON.stringify(wanted);
const isWell = (rung) => async () => shows(rung.last = await rung.ask(), rung.well);
const counted = (rung) => Promise.all(rung.counts.map((count) => steps(...count)));

async function goDown(rung, how) {
  const before = await counted(rung);
  expect(`${rung.name}: ${how}`, shown(await rung.ask(), rung.down), rung.down);
  expect(`${rung.name}: ${how}: counted once`, (await counted(rung)).map((n, i) => n - before[i]), before.map(() => 1));
}
async function comeBack(rung, how) {
  const back = await waitFor(isWell(rung), 60000);
  check(`${rung.name}: ${how}: the way back`, back, JSON.stringify(rung.last));
}
// One dependency in one way; its ladders side by side.
async function turnOff(dependency, rungs, how, way) {
  await way.off(dependency);
  await Promise.all(rungs.map((rung) => goDown(rung, how)));
  await way.on(dependency);
  await Promise.all(rungs.map((rung) => comeBack(rung, how)));
}
async function eachWay(dependency) {
  const rungs = RUNGS.filter((rung) => rung.of === dependency);
  await Promise.all(rungs.map((rung) => comeBack(rung, "at first")));
  for (const [how, way] of Object.entries(WAYS)) await turnOff(dependency, rungs, how, way);
  for (const mode of new Set(rungs.flatMap((rung) => rung.corrupt)))
    await turnOff(dependency, rungs.filter((rung) => rung.corrupt.includes(mode)), `corrupted (${mode})`, corrupted(mode));
}

// ---- judges: beside the client, who has his answer all the same -------------------------------
const spoken = (body, content) => completion(body, { content });
async function judgedDoubt() {
  const results = () => Promise.all(["settled", "failed"].map((result) => metric("sluice_grounded_judge_total", `route="judged",result="${result}"`)));
  const once_ = async (how, settled, failed) => {
    const before = await results();
    expect(`judge of grounds: ${how}: the answer`, (await chat("judged", user("Do I pay before delivery?"))).text, "Pay after delivery.");
    const after = await waitFor(async () => { const now = await results(); return now[0] + now[1] > before[0] + before[1] && now; }, 60000);
    expect(`judge of grounds: ${how}: settled, failed`, after && after.map((n, i) => n - before[i]), [settled, failed]);
  };
  await the.said.tell("/say", JSON.stringify({ body: spoken({ messages: [] }, "Pay after delivery.") }));
  await once_("there", 1, 0);
  for (const [how, way] of Object.entries(WAYS)) {
    await way.off(the.judge);
    await once_(how, 0, 1);
    await way.on(the.judge);
    await waitFor(async () => { // a connection or a breaker may have to be tried first
      const before = await results();
      await chat("judged", user("Do I pay before delivery?"));
      return waitFor(async () => (await results())[0] > before[0], 5000);
    }, 60000);
    await once_(`${how}: the way back`, 1, 0);
  }
}
async function judgedShadow() {
  const results = () => Promise.all(["judged", "failed"].map((result) => metric("sluice_semantic_cache_judged_total", `route="shadowed",result="${result}"`)));
  const ask = async (answer) => {
    await the.said.tell("/say", JSON.stringify({ body: spoken({ messages: [] }, answer) }));
    return chat("shadowed", user("How do I reset my password?"));
  };
  const once_ = async (how, judged, failed) => {
    const before = await results();
    const got = await ask(`Penguins ${++turn}.`);
    expect(`judge of shadows: ${how}: the kept answer`, [got.cache, got.text, got.degraded], ["semantic", "Open the settings.", null]);
    const after = await waitFor(async () => { const now = await results(); return now[0] + now[1] > before[0] + before[1] && now; }, 60000);
    expect(`judge of shadows: ${how}: judged, failed`, after && after.map((n, i) => n - before[i]), [judged, failed]);
  };
  await waitFor(async () => (await ask("Open the settings.")).cache === "semantic", 60000);
  await once_("there", 1, 0);
  for (const [how, way] of Object.entries(WAYS)) {
    if (how === "blackholed") await the.shadowJudge.restart(); // a new connection: the hole is seen in a second
    await way.off(the.shadowJudge);
    await once_(how, 0, 1);
    await way.on(the.shadowJudge);
    await waitFor(async () => {
      const before = await results();
      await ask(`Penguins ${++turn}.`);
      return waitFor(async () => (await results())[0] > before[0], 5000);
    }, 60000);
    await once_(`${how}: the way back`, 1, 0);
  }
}

// ---- a tool goes when its dependency is out: by its health, and by its breaker ----------------
const toolsOf = ["search", "clock"].map((name) => ({ type: "function", function: { name, parameters: { type: "object" } } }));
const askTools = () => chat("tools", user("What is new?"), { tools: toolsOf });
async function toolOut(how, way, good) {
  const seen = (got) => [got.degraded, JSON.parse(got.text).tools];
  const count = (family, state) => metric(family, 'pool="store"', `state="${state}"`);
  const until = (degraded, first) => waitFor(async () => {
    await first();
    const got = await askTools();
    return got.degraded === degraded && got;
  }, 60000);
  const travels = () => chat("qdrant", travel()); // health alone is not asked for: a breaker hears of answers
  expect(`tool: ${how}: both, while its dependency is well`, seen(await askTools()), [null, ["search", "clock"]]);
  const before = await steps("tools", "degrade", "tool");
  await way.off(the.store);
  const without = await until("degrade=tool", good ? travels : async () => {});
  expect(`tool: ${how}: without it`, without && seen(without), ["degrade=tool", ["clock"]]);
  check(`tool: ${how}: the model is told`, without && /"search\\?" is out of order/.test(without.text), without?.text);
  expect(`tool: ${how}: counted`, await steps("tools", "degrade", "tool"), before + 1);
  if (good) check("tool: by its breaker", (await metric("sluice_node_trips_total", 'pool="store"')) > 0 &&
    (await count("sluice_node_breaker_state", "closed")) < 2, "no breaker has opened");
  check(`tool: ${how}: nodes that are well, says their health: ${good}`,
    await waitFor(async () => (await count("sluice_node_health", "good")) === good, 60000), await count("sluice_node_health", "good"));
  await way.on(the.store);
  const back = await until(null, travels);
  expect(`tool: ${how}: the way back`, back && seen(back), [null, ["search", "clock"]]);
}
async function toolOuts() {
  // With errors it lives, says its health, and gives no right answer; else health alone can tell.
  await toolOut("corrupted", corrupted("error"), 2);
  for (const [how, way] of Object.entries(WAYS)) {
    await waitFor(async () => (await metric("sluice_node_health", 'pool="store"', 'state="good"')) === 2, 60000);
    await toolOut(how, way, 0);
  }
}

// ---- a backup index ---------------------------------------------------------------------------
async function backupIndex() {
  const question = () => user("How many days of paid vacation?");
  const ask = () => chat("backed", question());
  const isSoon = (wanted) => waitFor(async () => { const got = await ask(); return got.degraded === wanted.degraded && got; }, 60000);
  const fromBackup = { status: 200, degraded: "retrieve=backup", index: "spare@1", has: "twenty days" };
  const make = async (version) => {
    await sluice("index", "build", "main");
    await sluice("index", "promote", "main", version);
  };
  const ready = await isSoon({ degraded: "retrieve=backup" });
  expect("backup: the index was never made", shown(ready, fromBackup), fromBackup);
  const before = await steps("backed", "retrieve", "backup");
  await ask();
  expect("backup: counted", await steps("backed", "retrieve", "backup"), before + 1);
  await make("1");
  const made = { status: 200, degraded: null, index: "main@1", has: "thirty days" };
  expect("backup: the way back, once it is made", shown(await isSoon(made), made), made);
  fs.truncateSync(`${process.env.SLUICE_WORK}/main/v000001.db`, 8192);
  const torn = await waitFor(async () => { const got = await chat("backed", user(`Which days ${++turn} are vacation?`)); return got.degraded && got; }, 60000);
  expect("backup: the index is torn", shown(torn, fromBackup), fromBackup);
  await make("2");
  const again = { ...made, index: "main@2" };
  expect("backup: the way back from a torn one", shown(await isSoon(again), again), again);
}

// ---- a full queue of the pool of threads ------------------------------------------------------
// More questions at once than the queue has places (256), longer each time, until the threads do not get
// through them meanwhile: a slow build is full at once, and must get through what waits then.
async function fullQueue() {
  const flood = (words) => Promise.all(Array.from({ length: 700 }, (_, i) =>
    floodOne(i % 2 ? "flooded" : "booked", `${++turn} ${"word of many ".repeat(words)}`)));
  const isFull = async () => (await metric("sluice_work_refused_total")) > 0 &&
    ["semantic_cache=skipped", "retrieve=none"].every((step) => all.some((got) => got.degraded === step));
  let all = [];
  for (let words = 2; words <= 128 && !(await isFull()); words *= 4) all = await flood(words);
  check("full queue: jobs are refused", await isFull(), `${await metric("sluice_work_refused_total")} were`);
  expect("full queue: everybody has an answer", all.filter((got) => got.status !== 200), []);
  for (const [route, stage, step] of [["flooded", "semantic_cache", "skipped"], ["booked", "retrieve", "none"]]) {
    const told = all.filter((got) => got.degraded === `${stage}=${step}`).length;
    check(`full queue: ${stage}=${step} is told`, told > 0, "by nobody");
    check(`full queue: ${stage}=${step} is counted`, (await steps(route, stage, step)) >= told, await steps(route, stage, step));
    const back = await waitFor(async () => (await chat(route, user("How many days of paid vacation?"))).degraded === null, 60000);
    check(`full queue: ${stage}=${step}: the way back`, back);
  }
}
async function floodOne(route, text) {
  const response = await fetch("http://127.0.0.1:8080/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: route, messages: user(text) }) });
  await response.arrayBuffer();
  return { status: response.status, degraded: response.headers.get("x-sluice-degraded") };
}

// ---- what the semantic cache never keeps ------------------------------------------------------
const chunk = (delta, finish = null) => ({ id: "x", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] });
const stream = (content, finish = "stop") => [chunk({ role: "assistant", content: "" }), chunk({ content }), chunk({}, finish)];
const whole = (message, finish) => completion({ messages: [] }, message, finish);
const call = [{ index: 0, id: "c1", type: "function", function: { name: "f", arguments: "{}" } }];
const format = { response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object", required: ["n"] } } } };
const NEVER = [
  ["cut at its bound", { body: whole({ content: "Half of" }, "length") }],
  ["filtered", { body: whole({ content: "Nothing" }, "content_filter") }],
  ["a refusal", { body: whole({ content: null, refusal: "I will not." }) }],
  ["a call of a tool", { body: whole({ content: null, tool_calls: call }, "tool_calls") }],
  ["a call of a tool that says stop", { body: whole({ content: "Look:", tool_calls: call }) }],
  ["a call of a function", { body: whole({ content: null, function_call: { name: "f", arguments: "{}" } }, "function_call") }],
  ["an error", { status: 500, body: { error: { message: "no" } } }],
  ["an empty answer", { body: whole({ content: "" }) }],
  ["personal data in the answer", { body: whole({ content: "Write to jane.doe@example.com, please." }) }],
  ["a secret in the answer", { body: whole({ content: "The key is sk-abcdefghijklmnopqrstuv123456789012345." }) }],
  ["an answer from which personal data was taken", { body: whole({ content: "Write to jane.doe@example.com, please." }) }, "redacted"],
  ["an answer that is not as its schema says", { body: whole({ content: "no" }) }, "strict", format],
  ["a stream that is cut at its bound", { events: stream("Half of", "length") }],
  ["a stream that breaks", { events: stream("Half of").slice(0, 2), cut: true }],
  ["a stream without an end", { events: stream("Half of").slice(0, 2) }],
  ["a stream that calls a tool", { events: [chunk({ tool_calls: call }), chunk({}, "tool_calls")] }],
  ["a stream with a refusal", { events: [chunk({ refusal: "I will not." }), chunk({}, "stop")] }],
  ["a stream with personal data", { events: [chunk({ content: "Write to jane.d" }), chunk({ content: "oe@example.com" }), chunk({}, "stop")] }],
  ["a stream from which personal data was taken", { events: stream("Write to jane.doe@example.com, please.") }, "redacted"],
  ["a stream that is not as its schema says", { events: stream("no") }, "strict", format],
];
const TOPICS = ["mountains", "rivers", "bakeries", "telescopes", "violins", "harbours", "deserts", "glaciers", "castles", "orchards", "lanterns",
  "submarines", "volcanoes", "libraries", "parrots", "bridges", "meadows", "turbines", "mosaics", "cathedrals", "beetles", "trams", "kites", "clocks"];
async function neverKept() {
  const insertions = () => metric("sluice_semantic_cache_insertions_total");
  // Twice; whether the second one was a kept answer.
  const twice = async (told, model, topic, more) => {
    await the.said.tell("/say", JSON.stringify(told));
    const ask = async () => post("/v1/chat/completions", { model, stream: !!told.events, messages: user(`Tell me about ${topic}`), ...more }).catch(() => ({ headers: {} }));
    const before = await insertions();
    await ask();
    return { before, again: ask };
  };
  const keptSoon = async (name, told, model, topic, more) => {
    const { before, again } = await twice(told, model, topic, more);
    check(`${name}: kept`, await waitFor(async () => (await insertions()) === before + 1, 60000), await insertions());
    expect(`${name}: given`, (await again()).headers["x-sluice-cache"], "semantic");
  };
  for (const [i, [name, told, model = "careful", more = {}]] of NEVER.entries()) {
    const { again } = await twice(told, model, TOPICS[i], more);
    expect(`never kept: ${name}`, (await again()).headers["x-sluice-cache"] ?? null, null);
  }
  // The same routes keep what is right: the last of them comes behind whatever was still to be written.
  const before = await insertions();
  await keptSoon("a plain answer", { body: whole({ content: "They are tall." }) }, "careful", TOPICS[20], {});
  await keptSoon("a plain stream", { events: stream("They are tall.") }, "careful", TOPICS[21], {});
  await keptSoon("an answer with nothing to take", { body: whole({ content: "They are tall." }) }, "redacted", TOPICS[22], {});
  await keptSoon("an answer as its schema says", { body: whole({ content: '{"n":1}' }) }, "strict", TOPICS[23], format);
  expect("never kept: nothing but these four", await insertions(), before + 4);
}

// ---- versions are part of a kept answer's fingerprint -----------------------------------------
async function versions() {
  const vacation = () => user("How many days of paid vacation?");
  const cached = (route) => async () => (await chat(route, vacation())).cache === "semantic";
  const promote = async (label, text) => {
    const path = `${process.env.SLUICE_WORK}/${label}.prompt`;
    fs.writeFileSync(path, text);
    const version = (await sluice("prompt", "push", "versed", path)).split(" ")[1];
    await sluice("prompt", "promote", "versed", version);
    return version;
  };
  const one = await promote("one", "@system\nBe one.\n");
  check("versions: a kept answer", await waitFor(cached("versed"), 60000));
  const two = await promote("two", "@system\nBe two.\n");
  const fresh = await chat("versed", vacation());
  expect("versions: another prompt, another answer", [fresh.cache, fresh.prompt, JSON.parse(fresh.text).system], [null, `versed@${two.slice(0, 12)}`, ["Be two."]]);
  check("versions: which is kept, too", await waitFor(cached("versed"), 60000));
  await sluice("prompt", "rollback", "versed");
  const back = await chat("versed", vacation());
  expect("versions: rolled back, the first again", [back.cache, back.prompt, JSON.parse(back.text).system], ["semantic", `versed@${one.slice(0, 12)}`, ["Be one."]]);

  const list = JSON.parse(await sluice("cache", "list", "--json", "route=versed")).entries;
  expect("purge: two versions are kept", new Set(list.map((entry) => entry.version)).size, 2);
  const mine = list.find((entry) => entry.version.startsWith(one.slice(0, 8)))?.version ?? list[0].version;
  expect("purge: by version", await sluice("cache", "purge", `version=${mine}`), "purged: exact=0 semantic=1");
  const left = JSON.parse(await sluice("cache", "list", "--json", "route=versed")).entries.map((entry) => entry.version);
  expect("purge: the other version stays", left, list.map((entry) => entry.version).filter((version) => version !== mine));
  const gone = await chat("versed", vacation());
  expect("purge: what is gone is asked for again", [gone.cache, JSON.parse(gone.text).system], [mine.startsWith(one.slice(0, 8)) ? null : "semantic", ["Be one."]]);

  check("versions: a kept answer of an index", await waitFor(cached("read"), 60000));
  fs.writeFileSync(`${process.env.SLUICE_WORK}/book/vacation.txt`, "Every employee has forty days of paid vacation in a year.\n");
  await sluice("index", "append", "book");
  check("versions: not before it is served", await cached("read")());
  await sluice("index", "promote", "book", "2");
  const reread = await waitFor(async () => { const got = await chat("read", vacation()); return got.index === "book@2" && got; }, 60000);
  expect("versions: another index, another answer", [reread.cache, reread.text.includes("forty days")], [null, true]);
  check("versions: which is kept as well", await waitFor(cached("read"), 60000));
}

// ---- all of it --------------------------------------------------------------------------------
await Promise.all(Object.values(the).map((dependency) => dependency.start()));
await run("nft", ["table inet hole { set ports { type inet_service; }; chain in { type filter hook input priority 0; tcp dport @ports drop; }; }"]);
await test("the indexes", async () => {
  for (const name of ["handbook", "spare", "book"]) {
    await sluice("index", "build", name);
    await sluice("index", "promote", name, "1");
  }
});
await test("backup index", backupIndex);
await test("tool", toolOuts);
await Promise.all([the.store, the.reranker, the.moderation, the.vectors, the.summary].map((dependency) =>
  test(dependency.role, () => eachWay(dependency))));
await test("judge of grounds", judgedDoubt);
await test("judge of shadows", judgedShadow);
await test("never kept", neverKept);
await test("versions", versions);
await test("full queue", fullQueue);
finish();
