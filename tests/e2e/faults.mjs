// SPDX-License-Identifier: BSD-2-Clause
// faults.mjs - what each way in which a server can fail means for the client, the request's attempts
// and the node's breaker. The table is the test; `faults.mjs --table` prints it as documentation.
//
// Started by faults.sh, which owns the servers:
//   pair   pool {bad, good}: bad is always tried first (weight), a healthy node can take over
//   only   pool {bad}
//   chain  pool {bad}, then pool {good}
// Each has a route with patient time-outs and one NAME-quick with short ones, which only the faults
// that are found by a time-out use.
import { expect, finish, getJson, metric, notOk, ok, post, request, samples, events } from "./lib.mjs";

const ATTEMPTS = 3; // of every route
const NATIVE = process.argv[2] === "--messages"; // client and servers speak the Messages API

// How a case ends for the client.
//   fine      the server's own answer, to its end
//   no-done   a stream with a finish_reason, without [DONE], as the server sent it
//   elsewhere 200 where another node or pool is left; alone: `status`, `code`
//   busy      as elsewhere; alone: the server's own answer, `status`
//   client    the server's own answer at once, `status`
//   broken    200, tokens, then an error event with `code`, no [DONE]
const fine = { end: "fine", signals: ["success"] };
const elsewhere = (signal, status = 502, code = "upstream_error") => ({
  end: "elsewhere",
  status,
  code,
  signals: [signal],
});
const late = (signal) => ({ ...elsewhere(signal, 504, "deadline_exceeded"), quick: true });
const busy = (status) => ({ end: "busy", status, signals: ["busy"] });
const client = (status, code) => ({ end: "client", status, code, signals: ["client_error"] });
// spaced: the tokens must come one by one; what arrives in one piece with its end is not begun yet
const broken = (signal, code = "stream_interrupted") => ({
  end: "broken",
  spaced: true,
  code,
  signals: ["success", signal],
});
const stalled = { ...broken("stream_stall", "stream_stalled"), quick: true };
const both = (row) => ({ stream: row, whole: row });

// fault, what it does, then what comes of it for a stream and for a whole answer
const TABLE = [
  ["none", "no fault", both(fine)],
  ["refuse", "connection refused", both(elsewhere("connect_error"))],
  ["reset-before", "reset instead of an answer", both(elsewhere("reset"))],
  ["reset-headers", "head, then reset", both(elsewhere("reset"))],
  ["hang", "never answers", { stream: late("ttft_timeout"), whole: late("total_timeout") }],
  ["hang-headers", "head, then silence", { stream: late("ttft_timeout"), whole: late("total_timeout") }],
  ["slow-first:200", "first token late, within its bound", both(fine)],
  ["slow-token:5", "slow tokens, within their bound", both(fine)],
  ["stall:3", "silence after 3 tokens", { stream: stalled, whole: late("total_timeout") }],
  ["stall:0", "silence before the first token", { stream: late("ttft_timeout"), whole: late("total_timeout") }],
  ["keepalive-stall:3", "comments, no token after 3", { stream: stalled, whole: late("total_timeout") }],
  ["cut:3", "closed after 3 tokens", { stream: broken("stream_cut"), whole: elsewhere("stream_cut") }],
  ["cut:0", "closed before the first token", both(elsewhere("stream_cut"))],
  ["rst:3", "reset after 3 tokens", { stream: broken("reset"), whole: elsewhere("reset") }],
  ["rst:0", "reset before the first token", both(elsewhere("reset"))],
  [
    "clean-cut:3",
    "framed as complete, but is not",
    { stream: broken("stream_cut"), whole: elsewhere("bad_body") },
  ],
  ["clean-cut:0", "framed as complete, no token", { stream: elsewhere("stream_cut"), whole: elsewhere("bad_body") }],
  ["bad-chunk:3", "malformed chunk size", { stream: broken("bad_body"), whole: elsewhere("bad_body") }],
  ["bad-event:3", "JSON broken after 3 tokens", { stream: broken("bad_body"), whole: elsewhere("bad_body") }],
  ["bad-event:0", "first JSON broken", both(elsewhere("bad_body"))],
  [
    "error-event:3",
    "error event after 3 tokens; an error object with status 200",
    { stream: broken("bad_body", "server's own"), whole: elsewhere("bad_body") },
  ],
  ["error-event:0", "error event first", both(elsewhere("bad_body"))],
  ["no-done", "all but [DONE]", { stream: { end: "no-done", signals: ["success"] }, whole: fine }],
  ["429", "too many requests", both(busy(429))],
  ["429-retry:1", "the same with Retry-After", both(busy(429))],
  ["429-quota", "account used up", both(busy(429))],
  ["503-retry:1", "unavailable with Retry-After", both(busy(503))],
  ["529", "overloaded", both(busy(529))],
  ["500", "internal error", both(elsewhere("http_5xx"))],
  ["502", "bad gateway", both(elsewhere("http_5xx"))],
  ["503", "unavailable", both(elsewhere("http_5xx"))],
  ["400-context", "prompt too long", both(client(400, "context_length_exceeded"))],
  ["400-policy", "content policy", both(client(400, "content_policy_violation"))],
  ["400-prefill", "cannot continue an answer; nobody asks it to", both(fine)],
  ["401", "key refused by the server", both(client(401, "invalid_api_key"))],
  ["huge-headers", "64 KB of header fields", both(elsewhere("bad_body"))],
  ["bad-length", "length too large by 100", { stream: { ...fine, spaced: true }, whole: elsewhere("stream_cut") }],
  [
    "short-length",
    "length half of the body",
    { stream: broken("stream_cut"), whole: elsewhere("bad_body") },
  ],
  ["health-lies", "500, while /health says 200", both(elsewhere("http_5xx"))],
  ["health-down", "/health says 503, answers are right", both(fine)],
  ["empty", "200 without a body", both(elsewhere("bad_body"))],
  ["html", "200 with a page of HTML", both(elsewhere("bad_body"))],
  ["wrong-model", "the answer names another model: passed on", both(fine)],
  ["close-idle", "connection closed behind the answer", both(fine)],
];

// On the Messages API the same holds, in its words. A stream without message_stop is not whole there.
const TYPES = { upstream_error: "api_error", deadline_exceeded: "timeout_error", context_length_exceeded: "invalid_request_error", content_policy_violation: "invalid_request_error", invalid_api_key: "authentication_error", stream_interrupted: "api_error", stream_stalled: "timeout_error" };
const STATUSES = { 502: 500 };
const native = (row) => ({ ...row, code: TYPES[row.code] ?? row.code, status: row.end === "elsewhere" ? (STATUSES[row.status] ?? row.status) : row.status });
const ROWS = NATIVE
  ? TABLE.map(([fault, what, { stream, whole }]) => [fault, what, { stream: native(fault === "no-done" ? broken("stream_cut") : stream), whole: native(whole) }])
  : TABLE;

const TOPOLOGIES = {
  pair: { bad: 9001, good: 9002, badName: "pair-bad" },
  only: { bad: 9003, badName: "only-bad" },
  chain: { bad: 9004, good: 9005, badName: "chain-bad" },
};

const CLASS_OF = { success: "success", busy: "neutral", client_error: "neutral", client_gone: "neutral" };
const classOf = (signal) => CLASS_OF[signal] ?? "failure";

// ---- the table as documentation ---------------------------------------------------------------
function words(row) {
  const alone = row.end === "elsewhere" ? `alone: ${row.status} \`${row.code}\`` : "";
  switch (row.end) {
    case "fine":
      return "the answer";
    case "no-done":
      return "the answer, without `[DONE]`";
    case "elsewhere":
      return `another node's answer; ${alone}`;
    case "busy":
      return `another node's answer; alone: its own ${row.status}`;
    case "client":
      return `its own ${row.status}, at once`;
    default:
      return row.code.startsWith("server") ? "tokens, the server's error event" : `tokens, error event \`${row.code}\``;
  }
}
function printTable() {
  console.log("| fault | what the server does | stream | whole answer | for the breaker |");
  console.log("|---|---|---|---|---|");
  for (const [fault, what, { stream, whole }] of TABLE) {
    const signals = (row) => row.signals.map((s) => (s === "success" ? s : `${classOf(s)} (${s})`)).join(", then ");
    const verdict =
      signals(stream) === signals(whole) ? signals(stream) : `${signals(stream)}; whole: ${signals(whole)}`;
    console.log(`| \`${fault}\` | ${what} | ${words(stream)} | ${words(whole)} | ${verdict} |`);
  }
}

// ---- one case ---------------------------------------------------------------------------------
// What the table demands of this case, as plain text; `seen` is made the same way.
function wanted(row, topology, streaming) {
  const alone = topology === "only";
  const moves = row.end === "elsewhere" || row.end === "busy";
  let attempts = moves ? 2 : 1;
  let atBad = 1;
  if (alone && row.end === "elsewhere") attempts = atBad = ATTEMPTS;
  if (alone && row.quick && row.end === "elsewhere") attempts = atBad = 1; // nor a silent one
  if (alone && row.end === "busy") attempts = atBad = 1; // asking a busy node again helps nobody
  const failed = moves && alone;
  const ending =
    row.end === "broken"
      ? `error event ${row.code}`
      : failed || row.end === "client"
        ? `error ${row.end === "busy" ? "server's own" : row.code}`
        : row.end === "no-done"
          ? "whole without [DONE]"
          : "whole";
  const signals = {};
  for (const signal of row.signals) signals[signal] = atBad;
  // A request's last attempt may be ended by the deadline rather than by its own bound.
  if (row.quick && failed && streaming) return { ...base(), signals: "failure" };
  function base() {
    return {
      status: failed || row.end === "client" ? row.status : 200,
      ending,
      bad: atBad,
      good: moves && !alone ? 1 : 0,
      fallback: moves && topology === "chain",
      attempts,
      signals,
    };
  }
  return base();
}

function endingOfStream(answer) {
  const list = events(answer.body);
  const error = list.find((event) => event?.error);
  const done = list.at(-1) === null;
  const finished = list.some((event) => event?.choices?.some((choice) => choice.finish_reason));
  const tokens = list.filter((event) => event?.choices?.some((c) => c.delta?.content || c.text)).length;
  if (!answer.complete) return "cut";
  if (list.some((event) => event?.invalid)) return "an invalid event was passed on";
  if (error && list.includes(null)) return "a false [DONE]";
  if (error && !tokens) return "error event without a token";
  if (error) return `error event ${["stream_interrupted", "stream_stalled"].includes(error.error.code) ? error.error.code : "server's own"}`;
  if (!finished) return "no finish_reason";
  return done ? "whole" : "whole without [DONE]";
}
function endingOfMessage(answer) {
  const list = [...answer.body.matchAll(/^data: (.*)$/gm)].map(([, data]) => {
    try {
      return JSON.parse(data);
    } catch {
      return { type: "invalid" };
    }
  });
  const of = (type) => list.filter((event) => event.type === type);
  const error = of("error")[0]?.error;
  if (!answer.complete) return "cut";
  if (of("invalid").length) return "an invalid event was passed on";
  if (error && of("message_stop").length) return "a false message_stop";
  if (error && !of("content_block_delta").length) return "error event without a token";
  if (error) return `error event ${error.message.includes("engine died") ? "server's own" : error.type}`;
  if (of("message_start").length !== 1 || !of("message_delta").length) return "no stop_reason";
  return of("message_stop").length === 1 ? "whole" : "no message_stop";
}
function endingOf(answer, streaming, busyStatus) {
  if (!answer.complete) return "cut";
  if (streaming && answer.headers["content-type"]?.startsWith("text/event-stream")) return NATIVE ? endingOfMessage(answer) : endingOfStream(answer);
  let value;
  try {
    value = JSON.parse(answer.body);
  } catch {
    return "not JSON";
  }
  if (value.error) return `error ${busyStatus && answer.headers["x-sluice-node"] ? "server's own" : NATIVE ? value.error.type : value.error.code}`;
  if (NATIVE) return value.type === "message" && value.stop_reason ? "whole" : "no stop_reason";
  return value.choices?.[0]?.finish_reason ? "whole" : "no finish_reason";
}

const admin = (port) => `http://127.0.0.1:${port + 1000}`;
const served = async (port) => (port ? (await getJson(`${admin(port)}/state`)).inference_requests : 0);
const signalsAt = (port) => samples("sluice_node_signals_total", "signal", `127.0.0.1:${port}"`);

function difference(after, before) {
  const result = {};
  for (const [key, value] of Object.entries(after))
    if (value !== (before[key] ?? 0)) result[key] = value - (before[key] ?? 0);
  return result;
}

const SPACED_US = 10000;
const SPACED_TRIES = 5;

// A machine that stalls for longer than the space between tokens gets them in one piece, and then the
// daemon rightly moves to another node: such a case is run again.
async function runCase(topology, fault, row, streaming, reuse) {
  const { bad } = TOPOLOGIES[topology];
  const setPace = (us) => request("POST", `${admin(bad)}/config`, { body: `{"token_us":${us}}` });
  if (row.spaced) await setPace(SPACED_US);
  for (let left = row.spaced ? SPACED_TRIES : 1; left > 0; left--) {
    const { seen, want, name, answer } = await tryCase(topology, fault, row, streaming, reuse);
    if (JSON.stringify(seen) === JSON.stringify(want)) {
      ok(name);
      break;
    }
    if (left === 1 || !(Number(answer.headers["x-sluice-attempts"] ?? 2) > 1)) {
      notOk(name, `got ${JSON.stringify(seen)}, wanted ${JSON.stringify(want)}: ${answer.body.slice(-200)}`);
      break;
    }
  }
  if (row.spaced) await setPace(0);
}

async function tryCase(topology, fault, row, streaming, reuse) {
  const { bad, good, badName } = TOPOLOGIES[topology];
  const name = `${topology} ${fault} ${streaming ? "stream" : "whole"}${reuse ? " reused" : ""}`;
  const refuse = fault === "refuse";
  const want = wanted(row, topology, streaming);
  if (refuse) {
    await request("POST", `${admin(bad)}/fault`, { body: '{"fault":"refuse"}' });
    want.bad = 0; // nothing arrives
  }
  const [bad0, good0, signals0] = [await served(bad), await served(good), await signalsAt(bad)];
  const answer = await post(
    NATIVE ? "/v1/messages" : "/v1/chat/completions",
    {
      model: topology + (row.quick ? "-quick" : ""),
      stream: streaming,
      max_tokens: 8,
      ignore_eos: true,
      messages: [{ role: "user", content: `fault ${fault}` }],
    },
    refuse ? {} : { "x-standin-fault": fault, "x-standin-fault-node": badName },
  );
  if (refuse) await request("DELETE", `${admin(bad)}/fault`);
  const signals = difference(await signalsAt(bad), signals0);
  const seen = {
    status: answer.status,
    ending: endingOf(answer, streaming, row.end === "busy"),
    bad: (await served(bad)) - bad0,
    good: (await served(good)) - good0,
    fallback: answer.headers["x-sluice-fallback"] !== undefined,
    attempts: Number(answer.headers["x-sluice-attempts"] ?? want.attempts),
    signals:
      want.signals === "failure"
        ? [...new Set(Object.keys(signals).map(classOf))].join(" ")
        : signals,
  };
  if (reuse) {
    // A stale connection costs a request that nobody counts; how many there are is chance.
    for (const key of ["bad", "good", "attempts", "signals"]) delete seen[key], delete want[key];
  }
  return { seen, want, name, answer };
}

async function runAll(reuse) {
  await Promise.all(
    Object.keys(TOPOLOGIES).map(async (topology) => {
      for (const [fault, , rows] of ROWS) {
        // the waiting was tested without reuse, and refusing is nothing that an open connection sees
        if (reuse && (rows.stream.quick || fault === "refuse")) continue;
        for (const streaming of [true, false])
          await runCase(topology, fault, streaming ? rows.stream : rows.whole, streaming, reuse).catch((error) =>
            notOk(`${topology} ${fault}`, error.stack),
          );
      }
    }),
  );
  expect("no breaker tripped meanwhile", await metric("sluice_node_trips_total"), 0);
}

if (process.argv[2] === "--table") printTable();
else if (process.argv[2] === "--names") for (const [fault] of TABLE) console.log(fault.split(":")[0]);
else await runAll(process.argv[2] === "--reuse");
finish();
