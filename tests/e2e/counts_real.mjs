// SPDX-License-Identifier: BSD-2-Clause
// counts_real.mjs URL SERVER MODEL TIMES - conversations around the context of a real server (llama-server.mjs),
// through sluice at URL. Each must be answered, and what is missing must be missing for a reason: with the turn
// that was left out last it would have been too long, as the server itself counts. What the server got is told
// by the tokens of its usage. Prints a line for each that is not so, then how many were whole, cut, and so on.
const [url, server, model, times] = process.argv.slice(2);
const answer = 8;
let seed = 77;
const random = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, Math.floor((seed / 4294967296) * n));
const parts = ["once upon a time ", "there was a little girl named Lily. ", "She liked to play in the park! ", "12345 ", "{\"a\": [1, 2]} ", "日本 ", "😀 ", "xyzzy-q ", "\n\n"];
const text = (size) => { let out = ""; while (out.length < size) out += parts[random(parts.length)]; return out; };
const post = async (to, body) => {
  const response = await fetch(to, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
};
const count = async (messages) => {
  const { prompt } = (await post(`${server}/apply-template`, { messages })).body;
  return (await post(`${server}/tokenize`, { content: prompt, add_special: true })).body.tokens.length;
};
const window = (await (await fetch(`${server}/props`)).json()).default_generation_settings.n_ctx;

let whole = 0, cut = 0, needless = 0, failed = 0, unknown = 0;
for (let i = 0; i < Number(times); i++) {
  const messages = [{ role: "system", content: text(30) }];
  const aim = (window * (45 + random(60))) / 100;
  do for (let turn = 0; turn < 3; turn++) messages.push({ role: "user", content: text(10 + random(60)) }, { role: "assistant", content: text(10 + random(90)) });
  while ((await count(messages)) < aim);
  messages.push({ role: "user", content: text(20) });
  const { status, body } = await post(`${url}/v1/chat/completions`, { model, max_tokens: answer, messages });
  if (status !== 200) {
    failed++;
    console.log(`conversation ${i} of ${await count(messages)}: ${status} ${JSON.stringify(body.error)}`);
    continue;
  }
  const left = (gone) => [messages[0], ...messages.slice(1 + gone)];
  let gone = 0;
  while (gone < messages.length - 1 && (await count(left(gone))) !== body.usage.prompt_tokens) gone += 2;
  if (gone >= messages.length - 1) {
    unknown++;
    console.log(`conversation ${i}: ${body.usage.prompt_tokens} tokens are none of its ends`);
  } else if (!gone) whole++;
  else cut++;
  if (gone && (await count(left(gone - 2))) + answer <= window) {
    needless++;
    console.log(`conversation ${i}: cut needlessly to ${body.usage.prompt_tokens} of ${window - answer}`);
  }
}
console.log(`whole=${whole} cut=${cut} needless=${needless} failed=${failed} unknown=${unknown}`);
