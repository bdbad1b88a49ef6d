// SPDX-License-Identifier: BSD-2-Clause
// page.mjs - the status page in headless Chromium: each panel against the snapshot and against what was done to
// the cluster; a node that dies; orders by keyboard and by mouse; narrow and dark; names and roles; contrast.
// One browser and one page for all: starting one is what costs. SLUICE_SHOTS: a folder for pictures.
import { execFileSync } from "node:child_process";
import http from "node:http";
import { check, expect, finish, ok, packageFile, sleep, test, waitFor } from "./lib.mjs";

const { chromium } = (await import(packageFile("playwright-core/index.js"))).default;
const { SLUICE_PAGE: base, SLUICE_TOKEN: token, SLUICE_KEY: key, SLUICE_SHOTS: shots } = process.env;

// ---- the cluster -------------------------------------------------------------------------------
function chat(model, { held, ...more } = {}) {
  return new Promise((resolve) => {
    const request = http.request("http://127.0.0.1:8080/v1/chat/completions", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "x-session-id": String(Math.random()) },
    }, (answer) => {
      answer.resume();
      answer.on("close", () => resolve(`${answer.statusCode} ${answer.headers["x-sluice-pool"]}`));
    });
    request.on("error", () => resolve(0));
    request.end(JSON.stringify({ model, max_tokens: 4, stream: true, messages: [{ role: "user", content: `x ${Math.random()}` }], ...more }));
    held?.push(request);
  });
}
let traffic = true;
async function keepAsking() {
  while (traffic) {
    await chat("chat");
    await sleep(40);
  }
}

// Each look is a call into the browser: not every 20 ms.
const soon = (condition) => waitFor(async () => (await condition()) || void (await sleep(130)), 30000);

// ---- the browser -------------------------------------------------------------------------------
const browser = await chromium.launch({
  executablePath: process.env.SLUICE_BROWSER,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--mute-audio", "--disable-background-networking", "--disable-component-update", "--renderer-process-limit=1"],
});
const context = await browser.newContext({
  httpCredentials: { username: "any", password: token, send: "unauthorized" },
  viewport: { width: 1200, height: 1250 },
  colorScheme: "light",
});
const page = await context.newPage();
page.setDefaultTimeout(30000);
const complaints = [];
page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
await page.addInitScript(() => {
  document.addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
});
const text = (selector) => page.locator(selector).innerText();
const has = (selector, wanted) => soon(async () => (await text(selector)).includes(wanted));
async function shows(name, selector, wanted) {
  check(name, await has(selector, wanted), `${selector} is: ${await text(selector)}`);
}
const row = (node) => page.locator("#pool-list tr", { hasText: node });
const rowShows = async (name, node, wanted) =>
  check(name, await soon(async () => (await row(node).innerText()).includes(wanted)), await row(node).innerText());
const snapshot = () => page.evaluate(() => fetch("/status.json").then((r) => r.json()));
async function picture(name) {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
}

await test("well", async () => {
  keepAsking();
  await page.goto(`${base}/`);
  await shows("live", "#link", "live");
  await shows("verdict", "#summary", "✓ Well: 4 of 4 nodes in 3 pools take requests; 1 roll-out is under way.");
  for (const [pool, nodes] of [["gpu", "2 of 2"], ["small", "1 of 1"], ["one", "1 of 1"]])
    await shows(`pool ${pool}`, "#pool-list", `${pool}\n\n${nodes} nodes take requests`);
  await rowShows("a node's state in words", "127.0.0.1:9001", "● closed");
  await rowShows("its checks", "127.0.0.1:9001", "✓ good");
  const rate = async (node) => Number(await row(node).locator("td").nth(3).innerText());
  check("rates", await soon(async () => (await rate("127.0.0.1:9001")) + (await rate("127.0.0.1:9002")) > 0));
  await shows("the ladder stands on its first pool", "#ladder-list", "chat: answered by pool gpu");
  await shows("the chain", "#ladder-list", "▶ gpu 2/2");
  await shows("objectives", "#slo-list", "✓ chat: availability 90.0 %, 100 % of the budget left");
  await shows("no incident", "#incident-list", "None yet.");
  await shows("the roll-out", "#rollout-list", "r1: model chat → small: running, step 1, 50.0 % of the requests");
  await shows("no experiment", "#chaos-list", "None runs.");
  await shows("nobody waits", "#queue-list", "Nobody waits in any of 3 queues.");
  check("the plots are drawn", await soon(async () => (await page.locator("#plots canvas").count()) === 3));
  check("and move", await soon(async () => /requests\/s [1-9]/.test(await page.locator("#plot-rate").getAttribute("aria-label"))));
  const tile = () => page.locator("#tiles div", { hasText: "requests/s" }).innerText();
  const rises = async () => Number((await tile()).match(/[\d.]+/)[0]) > 0 && (await snapshot()).totals.requests_per_s > 0;
  check("tiles", await soon(rises), await tile());
});

await test("a queue", async () => {
  const held = [];
  chat("one", { max_tokens: 2000, held });
  check("the first has its place", await soon(async () => (await (await fetch("http://127.0.0.1:10004/state")).json()).inference_requests === 1));
  const second = chat("one", { max_tokens: 2 });
  await shows("who waits", "#queue-list", "one: 1 wait");
  held[0].destroy();
  expect("the second's turn", await second, "200 one");
  await shows("and no more", "#queue-list", "Nobody waits in any of 3 queues.");
  await shows("what was decided", "#decision-list", "queue_end pool=one result=granted");
});

await test("names and roles", async () => {
  for (const name of ["Is it well?", "Now", "The last two minutes", "Pools and nodes", "Incidents", "Last decisions", "Routes and their ladders", "Error budgets", "Queues", "Roll-outs", "Experiments"])
    expect(`region ${name}`, await page.getByRole("region", { name, exact: true }).count(), 1);
  for (const role of ["banner", "main"]) expect(`landmark ${role}`, await page.getByRole(role).count(), 1);
  expect("one first heading", await page.getByRole("heading", { level: 1 }).count(), 1);
  expect("a table for each pool", await page.getByRole("table", { name: /^Nodes of pool / }).count(), 3);
  expect("its columns", await page.getByRole("columnheader", { name: "Breaker" }).count(), 3);
  expect("its rows have headers", await page.getByRole("rowheader", { name: "127.0.0.1:9001" }).count(), 1);
  expect("plots have names", await page.getByRole("img", { name: /^Plot of the last two minutes; now / }).count(), 3);
  expect("the verdict is announced", await page.locator("#summary").getAttribute("aria-live"), "polite");
  const buttons = await page.locator("main button").evaluateAll((all) => all.map((b) => b.getAttribute("aria-label")));
  check("every button says what it does to whom", buttons.length >= 9 && new Set(buttons).size === buttons.length && !buttons.includes(null), buttons.join());
  expect("the language", await page.locator("html").getAttribute("lang"), "en");
});

// The contrast of each text with what is behind it, as WCAG 2.1 counts it.
const tooFaint = () => page.evaluate(() => {
  const parse = (c) => (c.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(`${e.tagName} "${e.textContent.slice(0, 20)}" ${ratio.toFixed(1)}`);
  }
  return faint;
});

await test("looks", async () => {
  expect("contrast, light", await tooFaint(), []);
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  if (shots) await sleep(12000);
  await picture("well-light");
  await page.emulateMedia({ colorScheme: "dark" });
  check("dark is another page", (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) !== paper);
  expect("contrast, dark", await tooFaint(), []);
  await picture("well-dark");
  await page.setViewportSize({ width: 360, height: 740 });
  check("a phone does not scroll sideways", await soon(() => page.evaluate(() => document.documentElement.scrollWidth <= 360)),
    String(await page.evaluate(() => document.documentElement.scrollWidth)));
  const cut = () => page.evaluate(() => [...document.querySelectorAll("main *")].filter((e) => {
    const r = e.getBoundingClientRect();
    return r.width > 1 && !e.closest(".unseen, thead, canvas") && (r.right > 361 || r.left < -1);
  }).map((e) => `${e.tagName}.${e.className}`));
  check("nor is anything cut there", await soon(async () => (await cut()).length === 0), (await cut()).join());
  const small = await page.locator("main button").evaluateAll((all) => all.filter((b) => b.getBoundingClientRect().height < 40).length);
  expect("buttons are for fingers", small, 0);
  await picture("well-phone-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1200, height: 1250 });
});

await test("a node dies", async () => {
  process.kill(Number(process.env.SLUICE_N2), "SIGKILL");
  await rowShows("its breaker, live", "127.0.0.1:9002", "■ open");
  await rowShows("its checks", "127.0.0.1:9002", "✕ failing");
  await shows("the verdict", "#summary", "▲ Degraded: node 127.0.0.1:9002 is out (breaker ");
  await shows("the pool", "#pool-list", "1 of 2 nodes take requests, 1 out");
  await shows("the incident", "#incident-list", "▲ open · 1: node 127.0.0.1:9002 of pool gpu");
  await shows("the ladder", "#ladder-list", "▶ gpu 1/2");
  if (shots) await sleep(6000);
  await picture("broken-light");
});

await test("a drain by keyboard", async () => {
  const status = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  await page.reload();
  await shows("the page again", "#link", "live");
  await page.keyboard.press("Tab");
  expect("first of all, past the head", await page.evaluate(() => document.activeElement.textContent), "Skip to the nodes");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  expect("the first node's first deed", await status(), "Drain 127.0.0.1:9001 of pool gpu");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Drain 127.0.0.1:9001 of pool gpu?" });
  check("it asks", await soon(() => dialog.isVisible()));
  await picture("broken-asks");
  check("with the way out first", (await page.evaluate(() => document.activeElement.id)) === "ask-no");
  await page.keyboard.press("Escape");
  check("Escape: nothing", !(await dialog.isVisible()) && !(await snapshot()).pools[0].nodes[0].draining);
  expect("the focus is back", await status(), "Drain 127.0.0.1:9001 of pool gpu");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await shows("it says what it did", "#said", "drained");
  await rowShows("the node drains", "127.0.0.1:9001", "▽ drains");
  await shows("the fallback answers", "#ladder-list", "chat: answered by pool small");
  const pools = [];
  for (let i = 0; i < 5; i++) pools.push(await chat("chat"));
  expect("it really drains: requests go to the fallback", pools, Array(5).fill("200 small"));
  await picture("broken-fallback");
  await page.getByRole("button", { name: "Undrain 127.0.0.1:9001 of pool gpu" }).click();
  await page.getByRole("button", { name: "Do it" }).click();
  await rowShows("and takes requests again", "127.0.0.1:9001", "● closed");
});

await test("breaker and roll-out", async () => {
  await page.getByRole("button", { name: "Open the breaker of 127.0.0.1:9003 of pool small" }).click();
  await page.getByRole("button", { name: "Do it" }).click();
  await rowShows("opened by hand", "127.0.0.1:9003", "■ opened by hand");
  await page.getByRole("button", { name: "Close the breaker of 127.0.0.1:9003 of pool small" }).click();
  await page.getByRole("button", { name: "Do it" }).click();
  await rowShows("and closed", "127.0.0.1:9003", "● closed");
  await page.getByRole("button", { name: "Abort roll-out r1" }).click();
  await page.getByRole("button", { name: "Do it" }).click();
  await shows("the roll-out is over", "#rollout-list", "r1: model chat → small: aborted");
  expect("and has no button", await page.locator("#rollout-list button").count(), 0);
});

await test("an experiment", async () => {
  const chaos = (...words) => execFileSync(`${process.env.SLUICE_BUILD ?? "build"}/sluice`, ["chaos", ...words]);
  chaos("start", "error", "--node", "127.0.0.1:9004", "--share", "50%", "--limit", "100", "--detach");
  await shows("is told", "#chaos-list", "▲ error");
  await shows("and in the verdict", "#summary", "1 experiment runs");
  await page.getByRole("button", { name: /^Abort experiment error/ }).click();
  await page.getByRole("button", { name: "Do it" }).click();
  await shows("aborted", "#chaos-list", "None runs.");
  expect("it really is", JSON.parse(chaos("list", "--json")), []);
});

await test("all down", async () => {
  for (const node of ["127.0.0.1:9001 of pool gpu", "127.0.0.1:9003 of pool small"]) {
    await page.getByRole("button", { name: `Drain ${node}`, exact: true }).click();
    await page.getByRole("button", { name: "Do it" }).click();
  }
  await shows("the verdict", "#summary", '✕ Not well: route "chat" has nobody to answer it');
  await shows("the ladder", "#ladder-list", "✕ chat: nobody answers it");
  expect("contrast of what is broken", await tooFaint(), []);
  await page.setViewportSize({ width: 360, height: 740 });
  await picture("broken-phone");
});

traffic = false;
expect("no violation of the policy, nothing else in the console", complaints, []);
await browser.close();
ok("the browser is closed");
finish();
