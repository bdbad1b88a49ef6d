// SPDX-License-Identifier: BSD-2-Clause
// keys.mjs - what the `openai` client makes of good and bad keys.
// Started by keys.sh: keys.mjs GOOD WRONG NARROW (NARROW may use the model "other" alone)
import { URL_BASE, expect, finish, packageFile, test } from "./lib.mjs";

const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const [good, wrong, narrow] = process.argv.slice(2);
const client = (apiKey) => new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey, timeout: 30000 });
const ask = (model) => ({ model, messages: [{ role: "user", content: "hello" }] });

async function errorOf(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return new Error("no error");
}
const shape = (error) => [error.constructor.name, error.status, error.code];

await test("a good key", async () => {
  const answer = await client(good).chat.completions.create(ask("chat"));
  expect("openai: a good key", answer.choices[0].message.role, "assistant");
  let chunks = 0;
  for await (const chunk of await client(good).chat.completions.create({ ...ask("chat"), stream: true })) chunks += chunk.choices.length;
  expect("openai: a good key, streamed", chunks > 1, true);
});
await test("bad keys", async () => {
  const unknown = await errorOf(() => client(wrong).chat.completions.create(ask("chat")));
  expect("openai: a wrong key", shape(unknown), ["AuthenticationError", 401, "invalid_api_key"]);
  const streamed = await errorOf(() => client(wrong).chat.completions.create({ ...ask("chat"), stream: true }));
  expect("openai: a wrong key, streamed", shape(streamed), ["AuthenticationError", 401, "invalid_api_key"]);
  const forbidden = await errorOf(() => client(narrow).chat.completions.create(ask("chat")));
  expect("openai: a model that is not the key's", shape(forbidden), ["PermissionDeniedError", 403, "permission_denied"]);
});
await test("models", async () => {
  const listed = [];
  for await (const model of client(narrow).models.list()) listed.push(model.id);
  expect("openai: models of the key", listed, ["other"]);
});
finish();
