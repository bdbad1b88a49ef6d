// SPDX-License-Identifier: BSD-2-Clause
// validate.mjs - see validate.sh.
import { expect, check, finish, test, metric, URL_BASE } from "./lib.mjs";
import { told, last, explained, askWhole, askStream } from "./spoken.mjs";

const dirty = 'Write to jane.doe@example.com or\ncall +1 415 555 2671, "pay" 4111 1111 1111 1111 \u00e9\u4f60 sk-abcdefghijklmnopqrstuv123456789012345 bye 12 34';
const clean = 'Write to [email] or\ncall [phone], "pay" [card] \u00e9\u4f60 [secret] bye 12 34';
const pem = `key:\n-----BEGIN PRIVATE KEY-----\n${"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n".repeat(30)}-----END PRIVATE KEY-----\nend`;

await test("nothing is checked where nothing is configured", async () => {
  const got = await askWhole("plain", { say: dirty });
  expect("plain: the answer as it is", got.message.content, dirty);
  expect("plain: nothing degraded", got.degraded, null);
});

await test("personal data in a question", async () => {
  const got = await askWhole("redact", { say: "fine" }, {}, "I am bob@example.org, card 4242424242424242.");
  const seen = await last(9001);
  expect("question: what the model saw", seen.messages[1].content, "I am [email], card [card].");
  expect("question: told", got.degraded, "inbound=redacted");
  expect("question: explained", explained(got), ["pii question redacted: email 1", "pii question redacted: card 1"]);
  const parts = await askWhole("redact", { say: "fine" }, {
    messages: [{ role: "system", content: told({ say: "fine" }) },
      { role: "user", content: [{ type: "text", text: "mail a@example.org" }, { type: "text", text: "and none" }] }],
  });
  expect("question: parts", (await last(9001)).messages[1].content.map((p) => p.text), ["mail [email]", "and none"]);
  expect("question: parts: status", parts.status, 200);
  const masked = await askWhole("mask", { say: "fine" }, {}, "card 4242 4242 4242 4242");
  expect("question: masked", (await last(9001)).messages[1].content, "card **** **** **** 4242");
  expect("question: masked: status", masked.status, 200);
  const blocked = await askWhole("block", { say: "fine" }, {}, "card 4242424242424242");
  expect("question: blocked", [blocked.status, blocked.error.code], [400, "content_policy_violation"]);
  check("question: blocked: the error names the kind", blocked.error.message.includes("card"), blocked.error.message);
  expect("question: blocked: explained", explained(blocked), ["pii question blocked: card"]);
  check("question: blocked: and not the number", !blocked.text.includes("4242424242424242"));
  const escaped = await fetch(`${URL_BASE}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"model":"block","messages":[{"role":"user","c\\u006fntent":"card \\u0034242424242424242"}]}',
  });
  expect("question: escapes hide nothing", escaped.status, 400);
});

await test("personal data in an answer", async () => {
  const got = await askWhole("redact", { say: dirty });
  expect("answer: redacted", got.message.content, clean);
  expect("answer: told", got.degraded, "validate=redacted");
  expect("answer: explained", explained(got),
    ["email", "phone", "card", "secret"].map((kind) => `pii answer redacted: ${kind} 1`));
  expect("answer: masked", (await askWhole("mask", { say: "4111-1111-1111-1111." })).message.content, "****-****-****-1111.");
  const call = await askWhole("redact", { call: '{"to":"jane@example.com","n":1}' });
  expect("answer: arguments", call.message.tool_calls[0].function.arguments, '{"to":"[email]","n":1}');
  const broken = await askWhole("redact", { call: '{"card":4111111111111111}' });
  expect("answer: arguments that would break are refused", [broken.finish, broken.message.tool_calls], ["content_filter", undefined]);
  const blocked = await askWhole("block", { say: "it is 4111111111111111" });
  expect("answer: blocked", [blocked.status, blocked.message.content, blocked.finish, blocked.degraded],
    [200, "No.", "content_filter", "validate=refused"]);
  expect("answer: blocked: explained", explained(blocked), ["pii answer refused: card"]);
  const response = await fetch(`${URL_BASE}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({ model: "block", max_tokens: 50, system: told({ say: "it is 4111111111111111" }), messages: [{ role: "user", content: "x" }] }),
  });
  const message = await response.json();
  expect("answer: blocked, to Anthropic's client", [message.content.map((part) => part.text), message.stop_reason], [["No."], "refusal"]);
  const responses = await fetch(`${URL_BASE}/v1/responses`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "block", instructions: told({ say: "it is 4111111111111111" }), input: "x" }),
  });
  const answered = await responses.json();
  expect("answer: blocked, to a client of Responses", [answered.status, answered.output?.[0]?.content?.[0]?.text], ["incomplete", "No."]);
});

await test("personal data in a stream", async () => {
  let wrong = 0;
  for (let piece = 1; piece <= dirty.length; piece += piece < 12 ? 1 : 9) {
    const got = await askStream("redact", { say: dirty, piece });
    if (got.content !== clean || got.finish !== "stop" || !got.done) {
      wrong++;
      check(`stream: pieces of ${piece}`, false, JSON.stringify(got));
    }
  }
  expect("stream: redacted, in pieces of every size", wrong, 0);
  const three = await askStream("redact", { say: "a@example.com b@example.com 4111111111111111 c@example.com.", piece: 9 });
  expect("stream: explained, what is found again counted", explained(three), ["pii answer redacted: email 3", "pii answer redacted: card 1"]);
  const key = await askStream("redact", { say: pem, piece: 40 });
  expect("stream: a private key", [key.content, key.done], ["key:\n[secret]\nend", true]);
  const call = await askStream("redact", { call: '{"to":"jane@example.com","n":1}', piece: 4 });
  expect("stream: arguments", [call.args, call.finish], ['{"to":"[email]","n":1}', "tool_calls"]);
  const broken = await askStream("redact", { call: '{"card":4111111111111111}', piece: 4 });
  expect("stream: arguments that would break", [broken.error?.code, broken.done], ["content_policy_violation", false]);
  const plain = await askStream("redact", { say: "Nothing of the kind, 1 2 3.", piece: 3 });
  expect("stream: nothing found", [plain.content, plain.done], ["Nothing of the kind, 1 2 3.", true]);
  const blocked = await askStream("block", { say: "well, it is 4111111111111111, see", piece: 3 });
  expect("stream: blocked", [blocked.content, blocked.error?.code, blocked.done], ["well, ", "content_policy_violation", false]);
  expect("stream: blocked: explained", explained(blocked), ["pii answer ended: card"]);
  const response = await fetch(`${URL_BASE}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({ model: "redact", max_tokens: 50, stream: true, system: told({ say: "mail jane@example.com now", piece: 3 }), messages: [{ role: "user", content: "x" }] }),
  });
  const text = (await response.text()).split("\n").filter((line) => line.startsWith("data: "))
    .map((line) => JSON.parse(line.slice(6))).map((event) => event.delta?.text ?? "").join("");
  expect("stream: redacted, to Anthropic's client", text, "mail [email] now");
});

const format = {
  response_format: { type: "json_schema", json_schema: { name: "n", strict: true, schema: {
    type: "object", properties: { n: { type: "integer" } }, required: ["n"], additionalProperties: false } } },
};
const tools = { tools: [{ type: "function", function: { name: "find", parameters: {
  type: "object", properties: { q: { type: "string" } }, required: ["q"] } } }] };

await test("schemas", async () => {
  const good = await askWhole("schema", { say: '{"n":1}' }, format);
  expect("schema: valid", [good.message.content, good.degraded], ['{"n":1}', null]);
  const repaired = await askWhole("schema", { say: '{"n":"1"}', then: '{"n":1}' }, format);
  expect("schema: repaired", [repaired.message.content, repaired.degraded], ['{"n":1}', "validate=repaired"]);
  const seen = (await last(9001)).messages;
  expect("schema: the model sees its answer", seen[2], { role: "assistant", content: '{"n":"1"}' });
  check("schema: and the reason", seen[3].content.includes("at /n: expected integer, found string"), seen[3].content);
  const other = await askWhole("schema", { say: "no", b: '{"n":2}' }, format);
  expect("schema: repaired: explained", explained(repaired), ["schema answer repaired: type at /{1} 1"]);
  expect("schema: valid: nothing to explain", explained(good), []);
  expect("schema: another model", [other.message.content, other.degraded, other.body.model.includes("b")],
    ['{"n":2}', "validate=repaired, validate=model", true]);
  const refused = await askWhole("schema", { say: "no" }, format);
  expect("schema: refused", [refused.status, refused.finish, refused.degraded],
    [200, "content_filter", "validate=repaired, validate=model, validate=refused"]);
  expect("schema: refused: explained", explained(refused),
    ["schema answer repaired: json 1", "schema answer moved: json 2", "schema answer refused: json"]);
  const steps = await Promise.all(["repaired", "model", "refused"].map((step) =>
    metric("sluice_ladder_steps_total", `route="schema",stage="validate",step="${step}"`)));
  expect("schema: each step is counted when it is tried", steps, [3, 2, 1]);
  const again = await askWhole("schema", { say: '{"n":4}' }, format);
  expect("schema: the way back", [again.message.content, again.degraded, again.body.model.includes("a")], ['{"n":4}', null, true]);
  const call = await askWhole("schema", { call: '{"p":1}', then: '{"q":"x"}' }, tools);
  expect("schema: arguments repaired", [call.message.tool_calls[0].function.arguments, call.degraded], ['{"q":"x"}', "validate=repaired"]);
  const empty = await askWhole("schema", { say: "", then: "something" });
  expect("empty: repaired: explained", explained(empty), ["empty answer repaired: 1"]);
  expect("empty: repaired", [empty.message.content, empty.degraded], ["something", "validate=repaired"]);
  // What is long is looked at on a thread of the pool: the same comes of it.
  const long = "word ".repeat(4000), jobs = () => metric("sluice_work_jobs_total", "");
  const before = await jobs();
  const full = await askWhole("schema", { say: `{"n":1,"m":"${long}"}`, then: '{"n":3}' }, format);
  expect("schema: a long answer is repaired", [full.message.content, full.degraded], ['{"n":3}', "validate=repaired"]);
  const cleaned = await askWhole("redact", { say: `${long}${dirty}` });
  expect("answer: a long one is redacted", [cleaned.message.content, cleaned.degraded], [`${long}${clean}`, "validate=redacted"]);
  await askWhole("redact", { say: "fine" }, {}, `${long}jane@example.com`);
  check("question: a long one is redacted", (await last(9001)).messages.at(-1).content.endsWith("[email]"));
  expect("question: a long one is blocked", (await askWhole("block", { say: "x" }, {}, `${long} 4242424242424242`)).status, 400);
  check("long ones went to the pool", (await jobs()) - before >= 4);
  const alone = await askWhole("alone", { say: "no" }, format);
  expect("alone: refused at once", [alone.message.content, alone.degraded], ["Sorry.", "validate=refused"]);
  const back = await askWhole("alone", { say: '{"n":3}' }, format);
  expect("alone: the way back", [back.message.content, back.degraded], ['{"n":3}', null]);
  const unsupported = await askWhole("schema", { say: "x" }, {
    response_format: { type: "json_schema", json_schema: { name: "n", schema: { unevaluatedProperties: false } } } });
  expect("schema: a keyword that is not supported", [unsupported.status, unsupported.error.param], [400, "response_format"]);
  expect("schema: explained", explained(unsupported), ["schema question blocked: response_format"]);
  check("schema: is named", unsupported.error.message.includes("unevaluatedProperties"), unsupported.error.message);
  const tool = await askWhole("schema", { say: "x" }, { tools: [{ type: "function", function: { name: "f", parameters: { nullable: 1 } } }] });
  expect("schema: a tool's too", [tool.status, tool.error.param], [400, "tools"]);
});

await test("schemas in streams", async () => {
  const good = await askStream("schema", { say: '{"n":1}', piece: 2 }, format);
  expect("stream: valid", [good.content, good.done, good.error], ['{"n":1}', true, null]);
  const bad = await askStream("schema", { say: '{"n":"1"}', piece: 2 }, format);
  expect("stream: not as its schema says", [bad.error?.code, bad.done, bad.finish], ["invalid_answer", false, null]);
  const lacking = await askStream("schema", { say: "{ }", piece: 2 }, format);
  expect("stream: explained", [lacking.error?.code, explained(lacking)], ["invalid_answer", ["schema answer ended: required"]]);
  const call = await askStream("schema", { call: '{"q":1}', piece: 2 }, tools);
  expect("stream: arguments not as theirs", [call.error?.code, call.done], ["invalid_answer", false]);
  const fine = await askStream("schema", { call: '{"q":"1"}', piece: 2 }, tools);
  expect("stream: arguments as theirs", [fine.args, fine.done], ['{"q":"1"}', true]);
});

await test("counters", async () => {
  const count = (step) => metric("sluice_ladder_steps_total", step);
  check("counted: inbound redacted", (await count('step="redacted"')) > 0);
  expect("counted: refused, of the route alone", await count('route="alone",stage="validate",step="refused"'), 1);
  expect("counted: streams that were ended, each once", await count('route="schema",stage="validate",step="ended"'), 3);
  expect("counted: a blocked one", await count('route="block",stage="validate",step="ended"'), 1);
  check("counted: other model", (await count('stage="validate",step="model"')) >= 2);
});
finish();
