// SPDX-License-Identifier: BSD-2-Clause
// smuggling.mjs - requests whose end two readers could see in two places, and answers likewise.
//
// Each request of smuggling_requests.mjs is sent whole, byte by byte, and in three pieces; the server
// behind is the recorder below, which reads strictly and keeps all that it gets. What is refused must
// get one answer, in JSON, with the status of the table, and the connection closed, though a good
// request stands behind it; and the server must not see a byte of it. What is passed must be seen as
// the table says, and nothing else. Each answer of smuggling_answers.mjs comes from the server in the
// same three ways; the next request must get its own answer. Started by smuggling.sh.
import net from "node:net";
import { BODY, HIDDEN, NEXT, NEXT_BODY, PASSED, REFUSED } from "./smuggling_requests.mjs";
import { ANSWERS, ASKED } from "./smuggling_answers.mjs";
import { check, expect, finish, notOk, ok, sleep } from "./lib.mjs";

const SLUICE = 8080;
const SERVER = 9001;
const SILENCE_MS = 15000; // no answer for so long: there is none
const QUIET_MS = 10; // behind the last answer that is due
const BYTEWISE_MAX = 4096; // a longer text goes in pieces of 64 bytes

// ---- the server: reads strictly, keeps all, answers by script ----------------------------------
const recorder = { requests: [], violations: [], connections: 0, script: null };

// The first request in text: {request, rest}, null for one that is not whole, or throws.
function readRequest(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [line, ...fields] = text.slice(0, end).split("\r\n");
  const words = line.match(/^([A-Z]+) (\/[!-~]*) HTTP\/1\.1$/);
  if (!words) throw new Error(`request line: ${line}`);
  for (const field of fields)
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t -~\x80-\xff]*$/.test(field)) throw new Error(`field: ${field}`);
  const named = (name) => fields.filter((field) => field.toLowerCase().startsWith(`${name}:`));
  if (named("transfer-encoding").length) throw new Error("a Transfer-Encoding");
  if (named("host").length !== 1) throw new Error(`${named("host").length} times Host`);
  if (named("content-length").length !== 1) throw new Error(`${named("content-length").length} times Content-Length`);
  const digits = named("content-length")[0].match(/: (0|[1-9]\d*)$/);
  if (!digits) throw new Error(named("content-length")[0]);
  const body = text.slice(end + 4, end + 4 + Number(digits[1]));
  if (body.length < Number(digits[1])) return null;
  const request = { method: words[1], target: words[2], fields: fields.map((f) => f.toLowerCase()), body };
  return { request, rest: text.slice(end + 4 + body.length) };
}

const completion = (content) =>
  JSON.stringify({
    id: "c", object: "chat.completion", created: 1, model: "chat",
    choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });
const good = (content) => {
  const body = completion(content);
  return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};

net
  .createServer((socket) => {
    let text = "";
    const number = ++recorder.connections;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (part) => {
      text += part.toString("latin1");
      try {
        for (let found; (found = readRequest(text)); text = found.rest) {
          recorder.requests.push({ ...found.request, connection: number });
          const script = recorder.script;
          recorder.script = null;
          if (script) script(socket);
          else socket.write(good(JSON.parse(found.request.body).messages[0].content), "latin1");
        }
      } catch (error) {
        recorder.violations.push(`${error.message} in ${text.slice(0, 300)}`);
        socket.destroy();
      }
    });
  })
  .listen(SERVER, "127.0.0.1");

// ---- the client ---------------------------------------------------------------------------------
// The first answer in text, the same way.
function readAnswer(text, toHead, closed) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = text.slice(0, end);
  const status = Number(head.match(/^HTTP\/1\.1 (\d{3}) /)?.[1]);
  const length = head.match(/^content-length: (\d+)$/im)?.[1];
  let rest = text.slice(end + 4);
  if (!status) throw new Error(`no answer: ${text.slice(0, 100)}`);
  if (status < 200 || toHead) return { status, head, body: "", rest };
  if (length !== undefined) {
    if (rest.length < Number(length)) return null;
    return { status, head, body: rest.slice(0, Number(length)), rest: rest.slice(Number(length)) };
  }
  if (!/^transfer-encoding: chunked$/im.test(head)) return closed ? { status, head, body: rest, rest: "" } : null;
  for (let body = ""; ; ) {
    const size = rest.match(/^([0-9a-f]+)\r\n/i);
    if (!size) return null;
    const at = size[0].length;
    const n = parseInt(size[1], 16);
    if (rest.length < at + n + 2) return null;
    body += rest.slice(at, at + n);
    rest = rest.slice(at + n + 2);
    if (!n) return { status, head, body, rest };
  }
}

async function writeAll(socket, pieces) {
  for (const piece of pieces) {
    if (socket.destroyed || !socket.writable) return;
    await new Promise((resolve) => socket.write(Buffer.from(piece, "latin1"), resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// Sends pieces and reads answers: until `count` of them are there and nothing more comes, or the
// connection ends. {answers, rest, closed}
function exchange(pieces, { count, head = false, interim = false, waitClose = false }) {
  return new Promise((resolve) => {
    const socket = net.connect(SLUICE, "127.0.0.1");
    const answers = [];
    let text = "";
    let timer;
    const end = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      take(closed);
      resolve({ answers, rest: text, closed });
    };
    const take = (closed) => {
      try {
        for (let found; (found = readAnswer(text, head && !answers.length, closed)); text = found.rest)
          if (found.status >= 200 || !interim) answers.push(found);
          else text = found.rest;
      } catch (error) {
        answers.push({ status: 0, head: error.message, body: "" });
        text = "";
      }
    };
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(() => end(false), answers.length >= count && !waitClose ? QUIET_MS : SILENCE_MS);
    };
    socket.setNoDelay(true);
    socket.on("connect", () => writeAll(socket, pieces));
    socket.on("data", (part) => {
      text += part.toString("latin1");
      take(false);
      arm();
    });
    for (const event of ["end", "error", "close"]) socket.on(event, () => end(true));
    arm();
  });
}

// ---- ways to send -------------------------------------------------------------------------------
function bytewise(text) {
  const pieces = [];
  const size = text.length > BYTEWISE_MAX ? 64 : 1;
  for (let at = 0; at < text.length; at += size) pieces.push(text.slice(at, at + size));
  return pieces;
}
// Cut at two places that follow from the text itself, so that a failure repeats.
function inThree(text) {
  let hash = 7;
  for (const byte of text) hash = (hash * 31 + byte.charCodeAt(0)) % 1000003;
  const [a, b] = [hash % text.length, (hash * 17) % text.length].sort((x, y) => x - y);
  return [text.slice(0, a), text.slice(a, b), text.slice(b)].filter((piece) => piece);
}
const WAYS = { whole: (text) => [text], "byte by byte": bytewise, "in three pieces": inThree };

// Runs `width` at a time; what runs alone sees a recorder of its own.
async function each(list, width, run) {
  const left = list[Symbol.iterator]();
  await Promise.all(Array.from({ length: width }, async () => {
    for (const item of left) await run(item).catch((error) => notOk(String(item[0]?.what ?? item[0]), error.stack));
  }));
}
const everyWay = (rows) => rows.flatMap((row) => Object.keys(WAYS).map((way) => [row, way]));

// ---- requests -----------------------------------------------------------------------------------
async function refusedCase([[what, bytes, status], way]) {
  const name = `${what}, ${way}`;
  const { answers, rest, closed } = await exchange([...WAYS[way](bytes), HIDDEN], { count: 2, waitClose: true });
  const why = `${answers.map((a) => a.status)}, ${closed ? "closed" : "left open"}, ${answers[0]?.body} ${rest}`;
  if (answers.length !== 1 || answers[0].status !== status || !closed || rest) return notOk(`${name}: ${status}`, why);
  if (!/^content-type: application\/json$/im.test(answers[0].head) || !JSON.parse(answers[0].body).error.message)
    return notOk(`${name}: says why`, answers[0].body);
  ok(name);
}

function differsFrom(want, got) {
  if (!got) return "the server did not see it";
  if (got.method !== "POST" || got.target !== want.target) return `the server saw ${got.method} ${got.target}`;
  if (got.body !== want.body) return `the server saw the body ${got.body.slice(0, 200)}`;
  if (!got.fields.includes(`host: 127.0.0.1:${SERVER}`)) return "the server saw another Host";
  const names = got.fields.map((field) => field.slice(0, field.indexOf(":")));
  for (const name of want.without ?? []) if (names.includes(name)) return `the server saw ${name}`;
  for (const field of want.with ?? []) if (!got.fields.some((f) => f.trim() === field)) return `the server did not see ${field.slice(0, 80)}`;
  return null;
}

async function passedCase([row, way]) {
  const name = `${row.what}, ${way}`;
  const follow = row.closed ? [] : [NEXT];
  const wanted = [...row.answers, ...follow.map(() => 200)];
  recorder.requests = [];
  const { answers, rest, closed } = await exchange([...WAYS[way](row.bytes), ...follow], {
    count: wanted.length, head: row.head, interim: row.interim, waitClose: row.closed,
  });
  const got = answers.map((answer) => answer.status);
  if (`${got}` !== `${wanted}` || rest) return notOk(name, `answers ${got}, wanted ${wanted}; ${answers.at(-1)?.body.slice(0, 200)} ${rest.slice(0, 200)}`);
  if (closed !== Boolean(row.closed)) return notOk(name, closed ? "closed" : "left open");
  const sees = [...row.sees, ...follow.map(() => ({ target: "/v1/chat/completions", body: NEXT_BODY }))];
  if (recorder.requests.length !== sees.length) return notOk(name, `the server saw ${recorder.requests.length} requests, wanted ${sees.length}`);
  for (const [i, want] of sees.entries()) {
    const why = differsFrom(want, recorder.requests[i]);
    if (why) return notOk(name, `request ${i}: ${why}`);
  }
  ok(name);
}

// ---- answers ------------------------------------------------------------------------------------
async function answerCase([row, way], index) {
  const name = `answer: ${row.what}, ${way}`;
  const token = `token ${index}`;
  let answerIsThere, dropped;
  const answered = new Promise((resolve) => (answerIsThere = resolve));
  const closed = new Promise((resolve) => (dropped = resolve));
  recorder.requests = [];
  recorder.script = async (socket) => {
    await writeAll(socket, WAYS[way](row.bytes));
    if (row.then === "fin") socket.end();
    if (!row.later) return;
    await answered;
    socket.once("close", dropped);
    socket.write(row.later, "latin1");
  };
  const first = await exchange([ASKED], { count: 1 });
  answerIsThere();
  const [answer] = first.answers;
  const why = `${first.answers.map((a) => a.status)} ${answer?.body.slice(0, 200)} ${first.rest.slice(0, 100)}`;
  if (first.answers.length !== 1 || first.rest || answer.status !== row.status) return notOk(`${name}: ${row.status}`, why);
  if (row.text !== undefined && answer.body !== row.text) return notOk(`${name}: the body`, why);
  if (row.status === 502 && JSON.parse(answer.body).error.code !== "upstream_error") return notOk(name, why);
  for (const field of row.without ?? []) if (answer.head.toLowerCase().includes(`\r\n${field}:`)) return notOk(`${name}: ${field} is passed on`, answer.head);
  for (const field of row.with ?? []) if (!answer.head.toLowerCase().includes(`\r\n${field}`)) return notOk(`${name}: ${field} is not passed on`, answer.head);
  // what comes unasked ends the connection: before the next request, or it would be that one's answer
  if (row.later && (await Promise.race([closed.then(() => 1), sleep(SILENCE_MS)])) !== 1)
    return notOk(name, "the connection was kept");
  const body = BODY.replace("smuggled", token);
  const second = await exchange([ASKED.replace(/Content-Length: \d+/, `Content-Length: ${body.length}`).replace(BODY, body)], { count: 1 });
  const content = second.answers[0]?.status === 200 ? JSON.parse(second.answers[0].body).choices?.[0].message.content : second.answers[0]?.body;
  if (content !== token) return notOk(`${name}: the next answer is its own`, content);
  if (recorder.requests.length !== 2) return notOk(`${name}: 2 requests seen`, recorder.requests.length);
  const reused = recorder.requests[0].connection === recorder.requests[1].connection;
  if (reused !== Boolean(row.reused)) return notOk(name, reused ? "the connection was used again" : "the connection was not used again");
  ok(name);
}

// ---- all of it ----------------------------------------------------------------------------------
check(`${REFUSED.length + PASSED.length} requests`, REFUSED.length + PASSED.length >= 200);
check(`${ANSWERS.length} answers`, ANSWERS.length >= 40);
await each(everyWay(REFUSED), 16, refusedCase);
expect("the server saw nothing of what was refused", recorder.requests, []);
await each(everyWay(PASSED), 1, passedCase);
let index = 0;
await each(everyWay(ANSWERS), 1, (item) => answerCase(item, index++));
expect("all that the server saw was exactly framed", recorder.violations, []);
finish();
