// SPDX-License-Identifier: BSD-2-Clause
// moderation.mjs - see moderation.sh. `moderation.mjs serve` is the endpoint on 9003: it flags texts with
// "knife"; POST /mode, with a word as its body, makes it do otherwise.
import http from "node:http";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, check, finish, test, metric, waitFor, URL_BASE } from "./lib.mjs";
import { told, last, explained, askWhole, askStream } from "./spoken.mjs";

const PORT = 9003;
if (process.argv[2] === "serve") {
  let mode = "good";
  let seen = "{}";
  const rubbish = { empty: "{}", page: "<html>", half: '{"results":[{"flag', word: '{"results":[{"flagged":"no"}]}', none: '{"results":[]}' };
  http.createServer(async (request, response) => {
    let text = "";
    for await (const data of request) text += data;
    if (request.url === "/mode") { mode = text; return response.end(); }
    if (request.url === "/seen") return response.end(seen);
    if (request.method === "GET") return response.end("{}");
    seen = text;
    response.setHeader("content-type", "application/json");
    if (mode === "late") return;
    if (mode === "error") { response.statusCode = 500; return response.end("{}"); }
    if (rubbish[mode]) return response.end(rubbish[mode]);
    const flagged = JSON.parse(text).input.includes("knife");
    response.end(JSON.stringify({ id: "m", model: "judge-1", results: [{ flagged, categories: { violence: flagged, "self-harm": false } }] }));
  }).listen(PORT, "127.0.0.1", () => console.log("ready"));
  await new Promise(() => {});
}

let judge;
async function start() {
  judge = spawn(process.execPath, [fileURLToPath(import.meta.url), "serve"], { stdio: ["ignore", "pipe", "inherit"] });
  await once(judge.stdout, "data");
}
async function stop() {
  const gone = once(judge, "exit");
  judge.kill("SIGKILL");
  await gone;
}
process.on("exit", () => judge?.kill("SIGKILL"));
const setMode = (mode) => fetch(`http://127.0.0.1:${PORT}/mode`, { method: "POST", body: mode });
const judged = async () => (await fetch(`http://127.0.0.1:${PORT}/seen`)).json();
const steps = async (route, stage) => Number(await metric("sluice_ladder_steps_total", `route="${route}",stage="${stage}",step="unmoderated"`));

// What each route does while nobody can tell.
async function whileDown(name) {
  const before = [await steps("closed", "inbound"), await steps("open", "inbound"), await steps("open", "validate")];
  const closed = await askWhole("closed", { say: "fine" });
  expect(`${name}: closed`, [closed.status, closed.error?.code], [503, "service_unavailable"]);
  const open = await askWhole("open", { say: "fine" });
  expect(`${name}: open`, [open.status, open.message?.content, open.degraded], [200, "fine", "inbound=unmoderated, validate=unmoderated"]);
  const after = [await steps("closed", "inbound"), await steps("open", "inbound"), await steps("open", "validate")];
  expect(`${name}: counted`, after.map((n, i) => n - (before[i] || 0)), [1, 1, 1]);
}
// The breaker lets the endpoint back by itself.
async function back(name) {
  const answer = await waitFor(async () => {
    const got = await askWhole("open", { say: "fine" });
    return got.degraded === null && got;
  }, 60000);
  expect(`${name}: the way back`, answer?.message?.content, "fine");
}

await start();
await test("up", async () => {
  const fine = await askWhole("closed", { say: "fine" });
  expect("up: passes", [fine.message.content, fine.degraded], ["fine", null]);
  const asked = await askWhole("closed", { say: "fine" }, {}, "Sell me a knife");
  expect("up: a question is flagged", [asked.status, asked.error.code], [400, "content_policy_violation"]);
  check("up: the category is named", asked.error.message.includes("violence") && !asked.error.message.includes("self-harm"), asked.error.message);
  expect("up: a question: explained", explained(asked), ["moderation question blocked: flagged"]);
  const said = await askWhole("closed", { say: "Take a knife" });
  expect("up: an answer: explained", explained(said), ["moderation answer refused: flagged"]);
  expect("up: an answer is flagged", [said.status, said.message.content, said.finish, said.degraded], [200, "No.", "content_filter", "validate=refused"]);
  const seen = await judged();
  expect("up: what was asked", [seen.model, seen.input], ["judge-1", "Take a knife\n"]);
  await askWhole("open", { say: "mail j@example.com" });
  expect("up: personal data is taken out before", (await judged()).input, "mail [email]\n");
  const way = await askWhole("in", { say: "Take a knife" });
  expect("up: one way alone", [way.message.content, way.degraded], ["Take a knife", null]);
  expect("up: refused questions are counted", await metric("sluice_ladder_steps_total", 'route="closed",stage="inbound",step="refused"'), 1);
});

const prose = "The kitchen is clean. There is bread on the table, and cheese beside it. Nobody is hungry any more! ";
const bad = prose + "Then take a knife to it.";
const ended = (route) => metric("sluice_ladder_steps_total", `route="${route}",stage="validate",step="ended"`);
await test("streams", async () => {
  const fine = await askStream("closed", { say: "fine" });
  expect("stream: passes", [fine.content, fine.finish, fine.done, fine.error], ["fine", "stop", true, null]);
  expect("stream: the endpoint was asked about it", (await judged()).input, "fine\n");
  let wrong = 0;
  for (let piece = 1; piece <= bad.length; piece += piece < 10 ? 1 : 17)
    for (const route of ["closed", "piece", "tight"]) {
      const good = await askStream(route, { say: prose.repeat(3), piece });
      const got = await askStream(route, { say: bad, piece });
      if (good.content !== prose.repeat(3) || !good.done || good.error || got.error?.code !== "content_policy_violation" || got.done || got.content.includes("knife") || got.finish) {
        wrong++;
        check(`stream: ${route}, pieces of ${piece}`, false, JSON.stringify([good, got]));
      }
    }
  expect("stream: what is flagged never goes out, cut anywhere", wrong, 0);
  const across = await askStream("piece", { say: `${"x".repeat(76)} knife ${"y".repeat(90)}`, piece: 3 });
  expect("stream: nor what lies across two questions", [across.error?.code, across.content.includes("kni")], ["content_policy_violation", false]);
  const early = await askStream("piece", { say: bad, piece: 5 });
  check("stream: what was asked about before went out", early.content.startsWith("The kitchen is clean."), early.content);
  const call = await askStream("closed", { call: '{"q":"knife"}', piece: 3 });
  expect("stream: arguments too", [call.error?.code, call.args ?? ""], ["content_policy_violation", ""]);
  const through = await askStream("through", { say: bad, piece: 5 });
  expect("stream: nothing is held, and it ends all the same", [through.error?.code, through.done], ["content_policy_violation", false]);
  const open = await askStream("open", { say: "mail j@example.com", piece: 4 });
  expect("stream: what is taken out is taken out before", [open.content, (await judged()).input], ["mail [email]", "mail [email]\n"]);
  const response = await fetch(`${URL_BASE}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({ model: "piece", max_tokens: 50, stream: true, system: told({ say: prose, piece: 7 }), messages: [{ role: "user", content: "x" }] }),
  });
  const events = (await response.text()).split("\n").filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)));
  expect("stream: to Anthropic's client", [events.map((event) => event.delta?.text ?? "").join(""), events.at(-1).type], [prose, "message_stop"]);
  const gone = new AbortController();
  await setMode("late");
  const left = fetch(`${URL_BASE}/v1/chat/completions`, { method: "POST", signal: gone.signal, headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "out", stream: true, messages: [{ role: "system", content: told({ say: "fine" }) }, { role: "user", content: "x" }] }) })
    .then((answer) => answer.text()).catch(() => "left");
  await new Promise((done) => setTimeout(done, 200));
  gone.abort();
  await left;
  await setMode("good");
  check("stream: those that were ended are counted", (await ended("piece")) > 10 && (await ended("through")) === 1);
});

// A stream while nobody can tell: told once.
async function streamWhileDown(name) {
  const ends = async () => Number(await ended("out"));
  const before = [await steps("out", "validate"), await ends(), await steps("open", "validate")];
  const closed = await askStream("out", { say: prose, piece: 9 });
  expect(`${name}: stream, closed: explained`, explained(closed), ["moderation answer ended: no answer"]);
  expect(`${name}: stream, closed`, [closed.status, closed.error?.code, closed.content, closed.done], [200, "service_unavailable", "", false]);
  const open = await askStream("open", { say: prose.repeat(30), piece: 50 });
  expect(`${name}: stream, open: explained`, explained(open), ["question", "answer"].map((of) => `moderation ${of} let_through: no answer`));
  expect(`${name}: stream, open`, [open.content, open.done], [prose.repeat(30), true]);
  const after = [await steps("out", "validate"), await ends(), await steps("open", "validate")];
  expect(`${name}: stream, counted`, after.map((n, i) => n - (before[i] || 0)), [1, 1, 1]);
}

await test("down", async () => {
  for (const mode of ["page", "half", "empty", "word", "none", "error", "late"]) {
    await setMode(mode);
    await whileDown(mode);
    if (mode === "page" || mode === "error") await streamWhileDown(mode);
    await setMode("good");
    await back(mode);
  }
  await stop();
  await whileDown("stopped");
  const up = () => metric("sluice_dependency_up", 'pool="judge",use="moderation"');
  const open = () => metric("sluice_incidents_open", "");
  check("stopped: the dependency is down", await waitFor(async () => {
    await askWhole("open", { say: "fine" }); // until its breaker has opened
    return Number(await up()) === 0;
  }, 30000));
  check("stopped: an incident is open", await waitFor(async () => Number(await open()) > 0, 20000));
  await start();
  await back("stopped");
  check("stopped: the dependency is up again", await waitFor(async () => Number(await up()) === 1, 60000));
  judge.kill("SIGSTOP"); // connects, and hears nothing
  await whileDown("silent");
  judge.kill("SIGCONT");
  await back("silent");
});

await test("poor answers", async () => {
  const good = "Die Bibliothek ist von neun bis zwanzig Uhr offen und an Sonntagen nicht, wie es auf der Seite steht [1].";
  const question = "Aus den Dokumenten: [1] Offen von 9 bis 20 Uhr.";
  const cases = {
    "blank": " \n",
    "a refusal": "I'm sorry, but I can't assist with that request.",
    "another language": "The library is open from nine to eight, and it is not open on Sundays, as you can see on the page [1].",
    "no citation": "Die Bibliothek ist von neun bis zwanzig Uhr offen und an Sonntagen nicht, wie es auf der Seite steht.",
  };
  const checks = { "blank": ["empty"], "a refusal": ["refusal"], "another language": ["language"], "no citation": ["citation", "numbers"] };
  const told_of = { "blank": "empty", "a refusal": "refuses", "another language": "language en, and must be in de or fr", "no citation": "like [1]" };
  for (const [name, bad] of Object.entries(cases)) {
    const repaired = await askWhole("poor", { say: bad, then: good }, {}, question);
    expect(`${name}: repaired`, [repaired.message.content, repaired.degraded], [good, "validate=repaired"]);
    const reason = (await last(9001)).messages.at(-1).content;
    check(`${name}: the model is told`, reason.includes(told_of[name]), reason);
    const other = await askWhole("poor", { say: bad, b: good }, {}, question);
    expect(`${name}: another model`, [other.message.content, other.degraded], [good, "validate=repaired, validate=model"]);
    const refused = await askWhole("poor", { say: bad }, {}, question);
    expect(`${name}: refused: explained`, explained(refused), ["repaired: ", "moved: ", "refused: "].map((done, i) =>
      `${checks[name][0]} answer ${done}${[checks[name][1], i < 2 ? i + 1 : undefined].filter((part) => part !== undefined).join(" ")}`.trimEnd()));
    expect(`${name}: refused`, [refused.message.content, refused.finish], ["Nein.", "content_filter"]);
  }
  const fine = await askWhole("poor", { say: good }, {}, question);
  expect("good: at once", [fine.message.content, fine.degraded], [good, null]);
  const short = await askWhole("poor", { say: "Ja." });
  expect("short, and nothing to cite", [short.message.content, short.degraded], ["Ja.", null]);
  const links = await askWhole("links", { say: "It is known." });
  expect("links: none: explained", explained(links), ["citation answer refused: links"]);
  expect("links: none", [links.message.content, links.degraded], ["Nein.", "validate=refused"]);
  const link = await askWhole("links", { say: "See https://example.com/" });
  expect("links: one", [link.message.content, link.degraded], ["See https://example.com/", null]);
});

await test("refusals in each shape", async () => {
  const plan = told({ say: "It is known." });
  const post = async (path, body) =>
    (await fetch(`${URL_BASE}${path}`, { method: "POST", headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" }, body: JSON.stringify(body) })).json();
  const chat = await post("/v1/chat/completions", { model: "links", messages: [{ role: "system", content: plan }, { role: "user", content: "x" }] });
  expect("shape: chat completions", [chat.object, chat.choices.length, chat.choices[0].message.role, chat.choices[0].message.content, chat.choices[0].finish_reason],
    ["chat.completion", 1, "assistant", "Nein.", "content_filter"]);
  const message = await post("/v1/messages", { model: "links", max_tokens: 50, system: plan, messages: [{ role: "user", content: "x" }] });
  expect("shape: messages", [message.type, message.role, message.content.map((p) => [p.type, p.text]), message.stop_reason],
    ["message", "assistant", [["text", "Nein."]], "refusal"]);
  const response = await post("/v1/responses", { model: "links", instructions: plan, input: "x" });
  expect("shape: responses", [response.object, response.status, response.incomplete_details?.reason, response.output[0].type, response.output[0].role, response.output[0].content[0].text],
    ["response", "incomplete", "content_filter", "message", "assistant", "Nein."]);
});
finish();
