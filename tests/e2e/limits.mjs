// SPDX-License-Identifier: BSD-2-Clause
// limits.mjs - what the `openai` client makes of limits.
// Started by limits.sh: limits.mjs LIMITED SPENT (keys: with room left, without)
import { URL_BASE, check, expect, finish, packageFile, test } from "./lib.mjs";

const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const [limited, spent] = process.argv.slice(2);
const client = (apiKey, more = {}) => new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey, timeout: 30000, maxRetries: 0, ...more });
const ask = { model: "chat", max_tokens: 4, messages: [{ role: "user", content: "hello" }] };

await test("headers", async () => {
  const { response } = await client(limited).chat.completions.create(ask).withResponse();
  expect("openai: x-ratelimit-limit-tokens", response.headers.get("x-ratelimit-limit-tokens"), "5000");
  check("openai: x-ratelimit-remaining-tokens", Number(response.headers.get("x-ratelimit-remaining-tokens")) < 5000);
  const stream = await client(limited).chat.completions.create({ ...ask, stream: true }).withResponse();
  check("openai: headers of a stream", Number(stream.response.headers.get("x-ratelimit-remaining-requests")) <= 3);
  for await (const chunk of stream.data) check.last = chunk;
});
await test("429", async () => {
  const error = await client(spent).chat.completions.create(ask).then(
    () => new Error("no error"),
    (thrown) => thrown,
  );
  expect("openai: over the limit", [error.constructor.name, error.status, error.code], ["RateLimitError", 429, "rate_limit_exceeded"]);
  check("openai: retry-after-ms", Number(error.headers?.get("retry-after-ms")) > 0);
});
finish();
