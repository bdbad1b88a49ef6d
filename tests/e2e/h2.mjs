// SPDX-License-Identifier: BSD-2-Clause
// h2.mjs - clients of HTTP/2: node's own, the openai SDK through fetch, and frames by hand where no
// client would send them. Started by h2.sh: h2.mjs clients|smuggling|streams|abandon|floods|slow|leave
import http2 from "node:http2";
import net from "node:net";
import { check, events, expect, finish, getJson, metric, packageFile, test, waitFor } from "./lib.mjs";

const URL_PLAIN = "http://127.0.0.1:8080";
const URL_TLS = "https://localhost:8443";
const WINDOW = 16 << 20; // of a connection: a stream that is not read must not use it up
// min_tokens: the stand-in's texts are short by themselves
const chat = (model, more = {}) =>
  JSON.stringify({ model, messages: [{ role: "user", content: "hello" }], min_tokens: more.max_tokens, ...more });

async function connect(url = URL_PLAIN, options = {}) {
  const session = http2.connect(url, options);
  session.on("error", () => {});
  await new Promise((resolve, reject) => session.once("connect", resolve).once("error", reject));
  session.setLocalWindowSize(WINDOW);
  return session;
}
// A request whose answer nobody reads yet.
function open(session, body, headers = {}) {
  const stream = session.request({
    ":method": "POST", ":path": "/v1/chat/completions", "content-type": "application/json", ...headers,
  });
  stream.on("error", (error) => (stream.problem = error));
  stream.answered = new Promise((resolve) => {
    stream.on("response", (head) => resolve((stream.head = head)));
    stream.on("close", () => resolve(null));
  });
  stream.end(body);
  return stream;
}
// Reads it to its end: {status, text, code}
async function read(stream) {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (part) => (text += part));
  await new Promise((resolve) => (stream.destroyed ? resolve() : stream.on("close", resolve)));
  return { status: stream.head?.[":status"], text, code: stream.rstCode };
}
const isWhole = ({ status, text, code }) => status === 200 && code === 0 && events(text).at(-1) === null;
const running = async (port) => (await getJson(`http://127.0.0.1:${port}/state`)).running;
const inFlight = () => metric("sluice_requests_in_flight");

// ---- clients ------------------------------------------------------------------------------------
async function clients() {
  await test("openai SDK over HTTP/2 by fetch", async () => {
    const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
    await fetch("data:,"); // loads the dispatcher
    const Agent = globalThis[Symbol.for("undici.globalDispatcher.1")].constructor;
    const dispatcher = new Agent({ allowH2: true });
    const client = new OpenAI({
      baseURL: `${URL_TLS}/v1`, apiKey: "none", maxRetries: 0,
      fetch: (url, init) => fetch(url, { ...init, dispatcher }),
    });
    const before = await metric("sluice_http_requests_total", "http/2");
    const ask = { model: "fast", messages: [{ role: "user", content: "hello" }], max_tokens: 8 };
    const answer = await client.chat.completions.create(ask);
    check("openai over HTTP/2: an answer", answer.choices[0].message.content.length > 0);
    let tokens = 0;
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true }))
      tokens += chunk.choices[0]?.delta?.content ? 1 : 0;
    expect("openai over HTTP/2: a stream", tokens, 8);
    const wrong = await client.chat.completions.create({ ...ask, model: "none" }).catch((error) => error);
    expect("openai over HTTP/2: an error", wrong.status, 404);
    const many = await Promise.all(Array.from({ length: 20 }, () => client.chat.completions.create(ask)));
    check("openai over HTTP/2: twenty at a time", many.every((a) => a.choices[0].finish_reason === "length"));
    expect("openai over HTTP/2: and it was HTTP/2", (await metric("sluice_http_requests_total", "http/2")) - before, 23);
  });
  // Not by curl: Debian's 7.88 now and then sends a part of such a body twice where the socket is full,
  // more than its Content-Length says, and is refused for that.
  await test("a body of 1.5 MB", async () => {
    const session = await connect();
    const answer = await read(open(session,
      chat("fast", { max_tokens: 2, messages: [{ role: "user", content: "word ".repeat(300_000) }] })));
    expect("a body of 1.5 MB", answer.status, 200);
    check("a body of 1.5 MB: all of it came", JSON.parse(answer.text).usage.prompt_tokens > 100_000);
    session.close();
  });
}

// ---- one connection, many streams ---------------------------------------------------------------
async function streams() {
  for (const url of [URL_PLAIN, URL_TLS]) {
    await test(`100 streams, ${url}`, async () => {
      const session = await connect(url);
      const opened = Array.from({ length: 100 }, (_, i) =>
        open(session, chat("fast", { stream: i % 2 === 0, max_tokens: 30 }), { "x-request-id": `h2-${i}` }));
      const answers = await Promise.all(opened.map(read));
      check(`100 streams, ${url}: all whole`,
        answers.every((a, i) => (i % 2 ? JSON.parse(a.text).choices[0].finish_reason === "length" : isWhole(a))));
      check(`100 streams, ${url}: each its own`, opened.every((s, i) => s.head["x-request-id"] === `h2-${i}`));
      check(`100 streams, ${url}: no field of a connection`,
        opened.every((s) => !("connection" in s.head) && !("transfer-encoding" in s.head)));
      // more than may be open at a time: the client waits by itself
      const more = await Promise.all(Array.from({ length: 300 }, () => read(open(session, chat("fast", { max_tokens: 2 })))));
      check(`300 requests, ${url}: all answered`, more.every((a) => a.status === 200));
      session.close();
    });
  }
}

// ---- streams given up ---------------------------------------------------------------------------
async function abandon() {
  const session = await connect();
  const opened = Array.from({ length: 20 }, () => open(session, chat("slow", { stream: true, max_tokens: 5000 })));
  await Promise.all(opened.map((stream) => stream.answered));
  expect("twenty streams are under way", await running(10002), 20);
  const gone = await metric("sluice_http2_resets_total");
  for (const stream of opened.slice(0, 10)) stream.close(http2.constants.NGHTTP2_CANCEL);
  check("ten given up: the server stops them", await waitFor(async () => (await running(10002)) === 10), await running(10002));
  check("ten given up: they are out of flight", await waitFor(async () => (await inFlight()) === 10), await inFlight());
  expect("ten given up: counted", (await metric("sluice_http2_resets_total")) - gone, 10);
  expect("a request beside them", (await read(open(session, chat("fast", { max_tokens: 2 })))).status, 200);
  session.destroy();
  check("connection lost: the server stops the rest", await waitFor(async () => (await running(10002)) === 0), await running(10002));
  check("connection lost: nothing in flight", await waitFor(async () => (await inFlight()) === 0), await inFlight());
}

// ---- a slow reader ------------------------------------------------------------------------------
async function slow() {
  const session = await connect();
  const lazy = open(session, chat("fast", { stream: true, max_tokens: 20000 }));
  await lazy.answered;
  const beside = await Promise.all(Array.from({ length: 50 }, () => read(open(session, chat("fast", { stream: true, max_tokens: 100 })))));
  check("beside a stream that is not read: 50 streams, all whole", beside.every(isWhole));
  expect("the one that is not read is held", await running(10001), 1);
  const late = await read(lazy);
  check("read at last: it is whole", isWhole(late), `${late.status} ${late.code} ${late.text.length}`);
  expect("read at last: every token", events(late.text).filter((e) => e?.choices[0]?.delta?.content).length, 20000);
  session.close();
}

// ---- leaving ------------------------------------------------------------------------------------
async function leave() {
  const session = await connect();
  const away = new Promise((resolve) => session.on("goaway", (code) => resolve(code)));
  const closed = new Promise((resolve) => session.on("close", resolve));
  const opened = Array.from({ length: 30 }, () => open(session, chat("slow", { stream: true, max_tokens: 100 })));
  const reading = opened.map(read);
  await Promise.all(opened.map((stream) => stream.answered));
  console.log("begun");
  expect("leaving: GOAWAY without an error", await away, 0);
  const answers = await Promise.all(reading);
  expect("leaving: whole streams", answers.filter(isWhole).length, 30);
  await closed;
  check("leaving: the connection closes behind them", true);
}

// ---- frames by hand -----------------------------------------------------------------------------
const TYPE = { DATA: 0, HEADERS: 1, RST: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, WINDOW: 8, CONTINUATION: 9 };
const END_STREAM = 1;
const END_HEADERS = 4;
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
// RFC 7541, 5.1 and 6.2.2: literal, not indexed, not compressed
function number(value, bits) {
  const most = (1 << bits) - 1;
  if (value < most) return [value];
  const bytes = [most];
  for (value -= most; value >= 128; value >>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}
function literal(text) {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([Buffer.from(number(bytes.length, 7)), bytes]);
}
const block = (fields) => Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
const hello = () => Buffer.concat([PREFACE, frame(TYPE.SETTINGS, 0, 0)]);

// Sends bytes, reads frames until `until` is true of them or the connection ends.
function talk(bytes, until) {
  return new Promise((resolve) => {
    const socket = net.connect(8080, "127.0.0.1");
    const frames = [];
    let rest = Buffer.alloc(0);
    const end = () => {
      socket.destroy();
      resolve(frames);
    };
    socket.setTimeout(15000, end);
    socket.on("error", end);
    socket.on("close", end);
    socket.on("data", (part) => {
      rest = Buffer.concat([rest, part]);
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const length = rest.readUIntBE(0, 3);
        frames.push({ type: rest[3], flags: rest[4], stream: rest.readUInt32BE(5), payload: rest.subarray(9, 9 + length) });
        rest = rest.subarray(9 + length);
        if (until(frames.at(-1))) return end();
      }
    });
    socket.write(bytes);
  });
}
const isOver = (stream) => (f) =>
  (f.stream === stream && (f.type === TYPE.RST || (f.flags & END_STREAM && f.type <= TYPE.HEADERS))) ||
  (f.type === TYPE.GOAWAY && f.payload.readUInt32BE(4) !== 0);

// ---- requests with two possible ends ------------------------------------------------------------
const BODY = chat("recorder");
const HIDDEN = "POST /v1/chat/completions HTTP/1.1\r\nHost: hidden\r\nContent-Length: 0\r\n\r\n";
const usual = [[":method", "POST"], [":scheme", "http"], [":authority", "sluice"], [":path", "/v1/chat/completions"],
  ["content-type", "application/json"]];
const without = (name) => usual.filter(([n]) => n !== name);
const instead = (name, value) => usual.map(([n, v]) => (n === name ? [n, value] : [n, v]));
const and = (...fields) => [...usual, ...fields];

const REFUSED = {
  "a length and less": [and(["content-length", String(BODY.length + 5)])],
  "a length and more": [and(["content-length", "5"])],
  "a length of 0 and a body": [and(["content-length", "0"])],
  "two lengths": [and(["content-length", String(BODY.length)], ["content-length", String(BODY.length)])],
  "a list of lengths": [and(["content-length", `${BODY.length}, ${BODY.length}`])],
  "a length with a sign": [and(["content-length", `+${BODY.length}`])],
  "a length with a line end": [and(["content-length", `${BODY.length}\r\n`])],
  "transfer-encoding: chunked": [and(["transfer-encoding", "chunked"]), `0\r\n\r\n${HIDDEN}`],
  "transfer-encoding: identity": [and(["transfer-encoding", "identity"])],
  "Transfer-Encoding in capitals": [and(["Transfer-Encoding", "chunked"]), `0\r\n\r\n${HIDDEN}`],
  "connection names a field": [and(["connection", "content-length"])],
  "connection: close": [and(["connection", "close"])],
  "proxy-connection": [and(["proxy-connection", "keep-alive"])],
  "keep-alive": [and(["keep-alive", "timeout=5"])],
  "upgrade: h2c": [and(["upgrade", "h2c"])],
  "upgrade: websocket": [and(["upgrade", "websocket"])],
  "te: chunked": [and(["te", "chunked"])],
  "a request in a value": [and(["x-a", `b\r\n\r\n${HIDDEN}`])],
  "a field in a value": [and(["x-a", "b\r\ntransfer-encoding: chunked"])],
  "an LF in a value": [and(["x-a", "b\ntransfer-encoding: chunked"])],
  "a CR in a value": [and(["x-a", "b\rtransfer-encoding: chunked"])],
  "a NUL in a value": [and(["x-a", "b\0c"])],
  "a field in a name": [and(["x-a: b\r\ntransfer-encoding", "chunked"])],
  "a colon in a name": [and(["transfer-encoding: chunked\r\nx", "b"])],
  "a name that ends in a colon": [and(["transfer-encoding:", "chunked"])],
  "a name with a blank behind": [and(["transfer-encoding ", "chunked"])],
  "an empty name": [and(["", "b"])],
  "a request in the path": [instead(":path", `/ HTTP/1.1\r\nHost: a\r\n\r\n${HIDDEN}`)],
  "a version in the path": [instead(":path", "/v1/chat/completions HTTP/1.1")],
  "a path of another host": [instead(":path", "http://hidden/v1/chat/completions")],
  "an empty path": [instead(":path", "")],
  "no path": [without(":path")],
  "two paths": [[[":path", "/v1/models"], ...usual]],
  "a request in the method": [instead(":method", `GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST`)],
  "a target in the method": [instead(":method", "POST /v1/models HTTP/1.1\r\nx:")],
  "two methods": [[[":method", "GET"], ...usual]],
  "no method": [without(":method")],
  "no scheme": [without(":scheme")],
  "a request in the scheme": [instead(":scheme", `http://a/ HTTP/1.1\r\n\r\n${HIDDEN}`)],
  "a field in the authority": [instead(":authority", "sluice\r\nx-a: b")],
  "a path in the authority": [instead(":authority", "sluice/v1")],
  "two authorities": [[[":authority", "other"], ...usual]],
  "host and authority differ": [and(["host", "hidden"])],
  "two hosts": [[...without(":authority"), ["host", "sluice"], ["host", "hidden"]]],
  "neither host nor authority": [without(":authority")],
  "a pseudo field of an answer": [[[":status", "200"], ...usual]],
  "a pseudo field behind others": [[...without(":path"), [":path", "/v1/chat/completions"]]],
  "CONNECT": [[[":method", "CONNECT"], [":authority", "hidden:80"]]],
  "extended CONNECT": [[...instead(":method", "CONNECT"), [":protocol", "websocket"]]],
  "two keys": [and(["authorization", "Bearer a"], ["authorization", "Bearer b"])],
};
const PASSED = {
  "a length": { fields: and(["content-length", String(BODY.length)]) },
  "no length": { fields: usual },
  "the host alone": { fields: [...without(":authority"), ["host", "sluice"]] },
  "the host beside the authority": { fields: and(["host", "sluice"]) },
  "te: trailers": { fields: and(["te", "trailers"]), not: ["te:"] },
  "cookies": { fields: and(["cookie", "a=1"], ["cookie", "b=2"]), with: ["cookie: a=1; b=2"] },
  "trailers that would be framing and rights": {
    fields: usual, not: ["authorization:", "x-late:"],
    trailers: [["authorization", "Bearer x"], ["x-late", "1"]],
  },
  "expect": { fields: and(["expect", "100-continue"], ["content-length", String(BODY.length)]), not: ["expect:"] },
  "a request as body of a field value that is allowed": { fields: and(["x-a", "POST / HTTP/1.1"]), with: ["x-a: POST / HTTP/1.1"] },
};

// The server: keeps what it gets, answers each whole request.
const seen = [];
function recorder() {
  const answer = JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "recorder",
    choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }] });
  return new Promise((resolve) => {
    const server = net.createServer((socket) => {
      let text = "";
      socket.on("error", () => {});
      socket.on("data", (part) => {
        text += part.toString("latin1");
        if (text.startsWith("GET /metrics ")) // the daemon's own, about its load
          return void socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        const end = text.indexOf("\r\n\r\n");
        const length = Number(text.match(/^content-length: (\d+)$/im)?.[1]);
        if (end < 0 || text.length < end + 4 + length) return;
        seen.push(text);
        text = "";
        socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`);
      });
    }).listen(9003, "127.0.0.1", () => resolve(server));
  });
}

// A request of those fields; the next stream's is a good one where the connection survives.
function requestBytes({ fields, body = BODY, trailers }) {
  const parts = [hello(), frame(TYPE.HEADERS, END_HEADERS, 1, block(fields)),
    frame(TYPE.DATA, trailers ? 0 : END_STREAM, 1, Buffer.from(body))];
  if (trailers) parts.push(frame(TYPE.HEADERS, END_HEADERS | END_STREAM, 1, block(trailers)));
  return Buffer.concat(parts);
}

async function smuggling() {
  const server = await recorder();
  for (const [what, [fields, body = BODY]] of Object.entries(REFUSED)) {
    seen.length = 0;
    const frames = await talk(requestBytes({ fields, body }), isOver(1));
    const last = frames.at(-1);
    // HEADERS begin with an indexed or literal :status; 0x88 is 200
    const answered = frames.find((f) => f.type === TYPE.HEADERS && f.stream === 1);
    check(`${what}: refused, the server sees nothing`,
      !seen.length && last && isOver(1)(last) && (!answered || answered.payload[0] !== 0x88),
      `${JSON.stringify(seen)} ${JSON.stringify(frames.map((f) => [f.type, f.flags, f.stream]))}`);
  }
  for (const [what, row] of Object.entries(PASSED)) {
    seen.length = 0;
    const frames = await talk(requestBytes(row), isOver(1));
    const answered = frames.filter((f) => f.type === TYPE.HEADERS && f.stream === 1).at(-1);
    const text = seen[0] ?? "";
    const [head] = text.split("\r\n\r\n");
    const good = seen.length === 1 && answered?.payload[0] === 0x88 && text.endsWith(`\r\n\r\n${BODY}`) &&
      head.startsWith("POST /v1/chat/completions HTTP/1.1\r\n") && head.match(/^host:/gim).length === 1 &&
      head.match(/^content-length:/gim).length === 1 && !/^transfer-encoding:/im.test(head) &&
      (row.with ?? []).every((line) => head.split("\r\n").includes(line)) &&
      (row.not ?? []).every((name) => !head.toLowerCase().includes(`\r\n${name}`));
    check(`${what}: the server sees one request`, good, JSON.stringify(seen));
  }
  // not frames
  for (const [what, bytes] of Object.entries({
    "HTTP/1 behind the preface": Buffer.concat([PREFACE, Buffer.from(HIDDEN)]),
    "HTTP/1 behind a request": Buffer.concat([requestBytes({ fields: usual, body: "{}" }), Buffer.from(HIDDEN)]),
    "no SETTINGS first": Buffer.concat([PREFACE, frame(TYPE.PING, 0, 0, Buffer.alloc(8))]),
  })) {
    seen.length = 0;
    const frames = await talk(bytes, (f) => f.type === TYPE.GOAWAY);
    check(`${what}: GOAWAY, the server sees nothing`, !seen.length && frames.at(-1)?.type === TYPE.GOAWAY, JSON.stringify(seen));
  }
  server.close();
}

// ---- floods -------------------------------------------------------------------------------------
async function floods() {
  const many = (count, make) => Buffer.concat([hello(), ...Array.from({ length: count }, (_, i) => make(i))]);
  const ask = block([...usual.slice(0, 4)]);
  const rows = {
    "rapid reset": many(2000, (i) => Buffer.concat([frame(TYPE.HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, ask),
      frame(TYPE.RST, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8]))])),
    "pings": many(5000, () => frame(TYPE.PING, 0, 0, Buffer.alloc(8))),
    "settings": many(5000, () => frame(TYPE.SETTINGS, 0, 0)),
    "continuations": Buffer.concat([hello(), frame(TYPE.HEADERS, 0, 1, ask),
      ...Array.from({ length: 100 }, () => frame(TYPE.CONTINUATION, 0, 1, block([["x", "y"]])))]),
  };
  for (const [what, bytes] of Object.entries(rows)) {
    const frames = await talk(bytes, (f) => f.type === TYPE.GOAWAY);
    const last = frames.at(-1);
    expect(`${what}: GOAWAY, be calm`, last?.type === TYPE.GOAWAY && last.payload.readUInt32BE(4), 0xb);
  }
  check("floods: nothing in flight", await waitFor(async () => (await inFlight()) === 0), await inFlight());
}

const parts = { clients, smuggling, streams, abandon, floods, slow, leave };
await parts[process.argv[2]]();
finish();
