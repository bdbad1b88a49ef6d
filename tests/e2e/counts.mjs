// SPDX-License-Identifier: BSD-2-Clause
// counts.mjs URL MODEL WINDOW TIMES - conversations of mixed text around a limit, of nodes that are mirrors
// with that window. Each must be answered, and what is missing must be missing for a reason: with the turn
// that was left out last it would have been too long. Prints a line for each that is not so, then how many
// were whole, cut, and needlessly cut.
const [url, model, windowText, times] = process.argv.slice(2);
const window = Number(windowText), answer = 100;
let seed = 4242;
const random = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, Math.floor((seed / 4294967296) * n));
const parts = ["the answer is forty two and nothing else ", "if (a[i]->b != 0) { x += y * 3; } ", "日本語のテキストです。", "1234567890 ", "          ", "\"quoted\" \\ ", "😀🎉 ", "Donaudampfschifffahrt ", "\n\n\t"];
const text = (size) => { let out = ""; while (out.length < size) out += parts[random(parts.length)]; return out; };
const bytes = (value) => Buffer.byteLength(value);
// As mirror.mjs counts.
const count = (messages) => model.includes("letters")
  ? messages.reduce((sum, message) => sum + bytes(message.content) + 5, 5) : Math.ceil(bytes(JSON.stringify(messages)) / 3);

let whole = 0, cut = 0, needless = 0, failed = 0;
for (let i = 0; i < Number(times); i++) {
  const messages = [{ role: "system", content: text(50) }];
  const aim = window * (0.4 + random(100) / 100);
  do messages.push({ role: "user", content: text(20 + random(300)) }, { role: "assistant", content: text(20 + random(500)) });
  while (count(messages) < aim);
  messages.push({ role: "user", content: text(40) });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST", headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, max_tokens: answer, messages }),
  });
  const body = await response.json();
  if (response.status !== 200) {
    failed++;
    console.log(`conversation ${i} of ${count(messages)}: ${response.status} ${JSON.stringify(body.error)}`);
    continue;
  }
  const left = body.seen.messages, gone = messages.length - left.length;
  if (!gone) whole++;
  else cut++;
  if (JSON.stringify([messages[0], ...messages.slice(1 + gone)]) !== JSON.stringify(left)) console.log(`conversation ${i}: not the newest turns are left`);
  if (gone && count([messages[0], ...messages.slice(1 + gone - 2)]) + answer <= window) {
    needless++;
    console.log(`conversation ${i}: cut needlessly to ${count(left)} of ${window - answer}`);
  }
}
console.log(`whole=${whole} cut=${cut} needless=${needless} failed=${failed}`);
