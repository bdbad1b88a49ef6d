// SPDX-License-Identifier: BSD-2-Clause
// handbook.mjs - the pictures and printed blocks of the handbook (docs/runbooks, docs/operations.md), from what
// tests with SLUICE_HANDBOOK=DIR have kept there (shows.sh). `make pictures` does all of it.
//
//   page URL FILE PART...         parts of the status page at URL, as a picture: #PANEL, pool:NAME, route:NAME, without:WORD
//   terminal DIR NAME...          DIR/NAME.txt as it looks in a terminal: DIR/NAME.png
//   report FILE PICTURE           the first screen of a game day's report
//   fill DIR PAGE...              puts DIR/NAME.txt into the block behind <!-- shown: NAME --> of each page
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageFile } from "./e2e/lib.mjs";

const WIDTH = 1000; // hardly wider than a page of documentation
const COLUMNS = 132;
const LINES = 18; // of a block in a page: a screen is not a log

async function browser(options) {
  const { chromium } = (await import(packageFile("playwright-core/index.js"))).default;
  const running = await chromium.launch({
    executablePath: process.env.SLUICE_BROWSER ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--renderer-process-limit=1"],
  });
  const page = await running.newPage(options);
  page.setDefaultTimeout(15000);
  return { page, end: () => running.close() };
}

// Only the parts that are meant stay: the page's own order and look otherwise.
async function shootPage([url, file, ...selectors]) {
  const { page, end } = await browser({ viewport: { width: WIDTH, height: 900 }, colorScheme: "light" });
  await page.goto(url);
  await page.waitForFunction(() => document.querySelector("#link").textContent.includes("live"));
  await page.waitForTimeout(1500);
  await page.evaluate((kept) => {
    document.querySelector("#more").style.columns = "1";
    const named = (word) => kept.filter((one) => one.startsWith(`${word}:`)).map((one) => one.slice(word.length + 1));
    const [pools, routes, without, panels] = [named("pool"), named("route"), named("without"), kept.filter((one) => one.startsWith("#"))];
    const hide = (selector, isMeant) => {
      for (const element of document.querySelectorAll(selector)) if (!isMeant(element)) element.style.display = "none";
    };
    hide("main section", (section) => panels.includes(`#${section.id}`) || (section.id === "pools" && pools.length));
    hide("#pool-list > *", (pool) => !pools.length || pools.includes(pool.firstElementChild.firstChild.textContent));
    hide("#ladder-list > *, #slo-list > *", (line) => !routes.length || routes.some((route) => line.textContent.includes(`${route}: `)));
    hide("#incident-list > *", (line) => !without.some((word) => line.textContent.includes(word)));
  }, selectors);
  await page.locator("main").screenshot({ path: file });
  await end();
}

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const wrap = (line) => line.match(new RegExp(`.{1,${COLUMNS}}`, "g")) ?? [""];
async function shootTerminal([dir, ...names]) {
  const { page, end } = await browser({ viewport: { width: WIDTH, height: 400 } });
  for (const name of names) {
    const text = readFileSync(path.join(dir, `${name}.txt`), "utf8").trimEnd();
    const lines = text.split("\n").flatMap((line) => wrap(line));
    const html = lines.map((line) => line.startsWith("$ ") ? `<b>${escape(line)}</b>` : escape(line)).join("\n");
    await page.setContent(`<style>body{margin:0;background:#fff}pre{margin:0;padding:12px 14px;background:#14181d;
      color:#dde3ea;font:12px/1.5 "DejaVu Sans Mono",monospace;border-radius:8px;white-space:pre;width:${WIDTH - 28}px}
      b{color:#7fd3a0;font-weight:600}</style><pre>${html}</pre>`);
    await page.locator("pre").screenshot({ path: path.join(dir, `${name}.png`), omitBackground: true });
  }
  await end();
}

async function shootReport([file, picture]) {
  const { page, end } = await browser({ viewport: { width: 1000, height: 850 }, colorScheme: "light" });
  await page.goto(`file://${path.resolve(file)}`);
  await page.screenshot({ path: picture });
  await end();
}

function fill([dir, ...pages]) {
  let missing = 0;
  for (const page of pages) {
    const text = readFileSync(page, "utf8");
    const filled = text.replace(/(<!-- shown: ([a-z0-9-]+) -->\n```console\n)[\s\S]*?```/g, (all, head, name) => {
      const kept = path.join(dir, `${name}.txt`);
      if (!existsSync(kept)) {
        console.log(`${page}: nothing was shown as "${name}"`);
        missing++;
        return all;
      }
      const lines = readFileSync(kept, "utf8").trimEnd().split("\n").map((line) => line.trimEnd());
      return `${head}${[...lines.slice(0, LINES), ...(lines.length > LINES ? ["..."] : [])].join("\n")}\n\`\`\``;
    });
    if (filled !== text) writeFileSync(page, filled);
  }
  process.exitCode = missing ? 1 : 0;
}

const work = { page: shootPage, terminal: shootTerminal, report: shootReport, fill };
const [command, ...words] = process.argv.slice(2);
if (!work[command]) {
  console.error("usage: handbook.mjs page|terminal|report|fill ...");
  process.exit(2);
}
await work[command](words);
