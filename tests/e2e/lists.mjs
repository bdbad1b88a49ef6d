// SPDX-License-Identifier: BSD-2-Clause
// lists.mjs - see lists.sh.
import { writeFileSync, renameSync } from "node:fs";
import { expect, check, finish, test, metric, waitFor } from "./lib.mjs";
import { told, last, explained, askWhole, askStream } from "./spoken.mjs";

const work = process.env.SLUICE_WORK;
// As an editor does: the new file takes the old one's place at once.
function rewrite(name, text) {
  writeFileSync(`${work}/${name}.new`, text);
  renameSync(`${work}/${name}.new`, `${work}/${name}`);
}
const count = async (name, list) => Number(await metric(name, `list="${work}/${list}"`));

const dirty = "Ask JOHN appleseed (j@example.com) of Project Bluebird\u2019s proj-0042, no Project Bluebirds; \u4f60\u0411\u041e\u041c\u0411\u0410 bomb recipe \u00e9";
const clean = "Ask [removed] ([email]) of [removed]\u2019s [removed], no Project Bluebirds; \u4f60[removed] [removed] \u00e9";

await test("whole", async () => {
  expect("plain: nothing is looked for", (await askWhole("plain", { say: dirty })).message.content, dirty);
  const got = await askWhole("names", { say: dirty });
  expect("answer: removed", got.message.content, clean);
  expect("answer: told", got.degraded, "validate=redacted");
  expect("answer: explained by the list's file", explained(got),
    ["pii answer redacted: email 1", "list answer redacted: names 3", "list answer redacted: harm 2"]);
  expect("answer: counted", [await count("sluice_list_matches_total", "names"), await count("sluice_list_matches_total", "harm")], [3, 2]);
  const asked = await askWhole("names", { say: "fine" }, {}, "Who is john appleseed?");
  expect("question: what the model saw", (await last(9001)).messages[1].content, "Who is [removed]?");
  expect("question: told", asked.degraded, "inbound=redacted");
  const blocked = await askWhole("harm", { say: "fine" }, {}, "A Bomb Recipe, please");
  expect("question: blocked", [blocked.status, blocked.error.code], [400, "content_policy_violation"]);
  expect("question: blocked: explained", explained(blocked), ["list question blocked: harm"]);
  check("question: the model was not asked", !JSON.stringify(await last(9001)).includes("Recipe"));
  const refused = await askWhole("harm", { say: "my bomb recipe" });
  expect("answer: blocked", [refused.status, refused.message.content, refused.finish, refused.degraded],
    [200, "No.", "content_filter", "validate=refused"]);
  expect("answer: blocked: explained", explained(refused), ["list answer refused: harm"]);
  const call = await askWhole("names", { call: '{"q":"John Appleseed"}' });
  expect("answer: arguments", call.message.tool_calls[0].function.arguments, '{"q":"[removed]"}');
});

await test("streams", async () => {
  let wrong = 0;
  for (let piece = 1; piece <= dirty.length; piece += piece < 10 ? 1 : 13) {
    const got = await askStream("names", { say: dirty, piece });
    if (got.content === clean && got.finish === "stop" && got.done) continue;
    wrong++;
    check(`stream: pieces of ${piece}`, false, JSON.stringify(got));
  }
  expect("stream: removed, in pieces of every size", wrong, 0);
  const blocked = await askStream("harm", { say: "so far all is well, and now my bomb recipe: take", piece: 3 });
  expect("stream: blocked", [blocked.error?.code, blocked.done], ["content_policy_violation", false]);
  expect("stream: blocked: explained", explained(blocked), ["list answer ended: harm"]);
  check("stream: blocked: what was before it", "so far all is well, and now my ".startsWith(blocked.content) && blocked.content.length > 8, blocked.content);
  const plain = await askStream("names", { say: "Nothing of the kind, 1 2 3.", piece: 3 });
  expect("stream: nothing found", [plain.content, plain.done], ["Nothing of the kind, 1 2 3.", true]);
});

await test("a list that was never good", async () => {
  for (const model of ["bad-in", "bad-out"]) {
    const got = await askWhole(model, { say: "fine" });
    expect(`${model}: refused`, [got.status, got.error?.code], [500, "internal_error"]);
    expect(`${model}: explained`, explained(got), ["list question blocked: bad"]);
  }
  expect("bad: told", [await count("sluice_list_current", "bad"), await count("sluice_list_loads_failed_total", "bad")], [0, 1]);
});

await test("a list that changes", async () => {
  const body = { say: "the zebra and John Appleseed" };
  const before = await askWhole("names", body);
  expect("change: before", before.message.content, "the zebra and [removed]");
  const kept = { say: "the zebra" };
  await askWhole("model-a", kept, { temperature: 0 });
  const hit = await askWhole("model-a", kept, { temperature: 0 });
  expect("change: kept answers", [hit.message.content, hit.cache], ["the zebra", "hit"]);
  rewrite("names", "zebra\n");
  await waitFor(async () => (await count("sluice_list_patterns", "names")) === 1);
  const after = await askWhole("names", body);
  expect("change: no kept answer of the list before", (await askWhole("model-a", kept, { temperature: 0 })).message.content, "the [removed]");
  expect("change: after", after.message.content, "the [removed] and John Appleseed");
  rewrite("names", "zebra\n/[/\n");
  await waitFor(async () => (await count("sluice_list_loads_failed_total", "names")) === 1);
  expect("bad by now: told", await count("sluice_list_current", "names"), 0);
  expect("bad by now: as it was", (await askWhole("names", body)).message.content, "the [removed] and John Appleseed");
  rewrite("names", "John Appleseed\n");
  await waitFor(async () => (await count("sluice_list_current", "names")) === 1);
  expect("good again", (await askWhole("names", body)).message.content, "the zebra and [removed]");
});
finish();
