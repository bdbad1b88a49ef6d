// SPDX-License-Identifier: BSD-2-Clause
// top.mjs - `sluice top` in a terminal of its own (script(1) and vt.mjs), beside the page of the same cluster: the
// same truth, keys, deeds after y alone, another size, the terminal given back. Whatever the terminal is sent that is
// no row, no ink and no move of the cursor fails the test.
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import http from "node:http";
import { check, expect, finish, sleep, test, waitFor } from "./lib.mjs";
import { Terminal } from "./vt.mjs";

const { SLUICE_ADMIN_SOCKET: socketPath, SLUICE_AUDIT: audit, SLUICE_WORK: work, SLUICE_KEY: key } = process.env;
const sluice = `${process.env.SLUICE_BUILD ?? "build"}/sluice`;
const run = (...words) => execFileSync(sluice, words, { encoding: "utf8" });
const soon = (condition) => waitFor(async () => (await condition()) || void (await sleep(50)), 30000);

const status = () => new Promise((resolve, reject) => {
  http.get({ socketPath, path: "/status.json", headers: { host: "localhost" } }, (answer) => {
    let body = "";
    answer.on("data", (part) => (body += part));
    answer.on("end", () => resolve(JSON.parse(body)));
  }).on("error", reject);
});
const nodeOf = async (address) => (await status()).pools.flatMap((pool) => pool.nodes).find((node) => node.address === address);
const rolloutOf = async (name) => (await status()).rollouts.find((rollout) => rollout.name === name);
const ask = (model) => new Promise((resolve) => {
  const request = http.request("http://127.0.0.1:8080/v1/chat/completions", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  }, (answer) => answer.resume().on("close", resolve));
  request.on("error", resolve);
  request.end(JSON.stringify({ model, messages: [{ role: "user", content: "x" }] }));
});

// ---- the terminal ------------------------------------------------------------------------------
const sessions = [];
process.on("exit", () => sessions.forEach((session) => session.end()));

class Session {
  constructor(rows, columns, options = "--watch=200ms") {
    this.terminal = new Terminal(rows, columns);
    this.after = "";
    this.pidFile = `${work}/top-${sessions.length}.pid`;
    const shell = `ulimit -c 0; stty rows ${rows} cols ${columns}; before=$(stty -g); (echo $BASHPID >${this.pidFile}; exec ${sluice} top ${options}); ` +
      "code=$?; [ \"$before\" = \"$(stty -g)\" ] && echo \"as before, $code\"";
    this.child = spawn("script", ["-qefc", shell, "/dev/null"], {
      env: { ...process.env, SHELL: "/bin/bash", TERM: "xterm-256color", LC_ALL: "C.UTF-8" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.child.stdin.on("error", () => {});
    this.child.stdout.setEncoding("utf8");
    this.child.stdout.on("data", (part) => this.take(part));
    this.over = new Promise((resolve) => this.child.on("close", resolve));
    sessions.push(this);
  }

  take(part) {
    // The old picture may still be under way; a new one begins with an empty screen. stty(1) sets the height first.
    const clear = this.next ? part.lastIndexOf("\x1b[H\x1b[2J") : -1;
    if (clear >= 0) {
      this.terminal = new Terminal(...this.next);
      part = part.slice(clear);
    }
    try {
      this.after = this.terminal.left ? this.after + part : "";
      this.terminal.write(part);
    } catch (error) {
      this.broken = this.broken ?? String(error);
    }
  }

  // What stands there, rows joined: a sentence may be broken between two.
  words() {
    return this.terminal.lines().map((line) => line.trim()).join(" ");
  }

  has(words) {
    return soon(() => this.words().includes(words));
  }

  async shows(name, words) {
    check(name, await this.has(words), `no "${words}" on\n${this.terminal.text()}`);
  }

  // Asked for anew each time: an incident may open between two looks.
  async showsSummary(name) {
    let sentence;
    check(name, await soon(async () => this.words().includes((sentence = (await status()).summary))),
      `no "${sentence}" on\n${this.terminal.text()}`);
  }

  press(keys) {
    this.child.stdin.write(keys);
  }

  chosen() {
    return this.terminal.lines().find((line) => line.startsWith(">")) ?? "";
  }

  // By the filter, which leaves the line with the words alone.
  choose(words) {
    this.press(`/${"\x7f".repeat(30)}${words}\r`);
    return soon(() => this.words().includes(`FILTER ${words} (Esc)`) && this.chosen().includes(words));
  }

  pid() {
    return Number(readFileSync(this.pidFile, "utf8"));
  }

  end() {
    this.child.kill("SIGKILL");
    try {
      process.kill(this.pid(), "SIGKILL");
    } catch {
      // it is over
    }
  }
}

const top = new Session(34, 110);

await test("top: the page's truth", async () => {
  await top.showsSummary("its sentence");
  check("its sign", /^[✓▲✕] /.test(top.terminal.lines()[0]), top.terminal.lines()[0]);
  top.press("1");
  await soon(() => top.terminal.lines().at(-1).startsWith("0 all"));
  const words = { closed: "closed", open: "open", half_open: "half-open", forced_open: "forced" };
  const line = (node) => `${node.address} ${" ".repeat(21 - node.address.length)}${node.draining ? "drains, " : ""}${words[node.state]}`;
  for (const { address } of (await status()).pools.flatMap((pool) => pool.nodes))
    check(`node ${address}`, await soon(async () => top.words().includes(line(await nodeOf(address)))), top.terminal.text());
  top.press("2");
  const ladder = ({ model, pool }) => (pool ? `${model}: answered by pool ${pool}` : `${model}: nobody answers it`);
  for (const { model } of (await status()).routes)
    check(`ladder of ${model}`, await soon(async () => top.words().includes(ladder((await status()).routes.find((route) => route.model === model)))),
      top.terminal.text());
  top.press("4");
  await top.shows("the budgets", "chat: availability 90 %");
  top.press("5");
  const incident = (await status()).incidents.find((one) => one.open && one.of === "node");
  await top.shows("the incident", `open ${incident.id}: node ${incident.name} of pool ${incident.pool}`);
  check("chosen", await top.choose(`open ${incident.id}:`));
  top.press("\r");
  await top.shows("its timeline", `incident ${incident.id} open`);
  check("as the command tells it", await soon(() => run("incidents", "show", String(incident.id)).split("\n").filter(Boolean).slice(3, 6)
    .every((line) => top.words().includes(line.trim().slice(0, 60)))), top.terminal.text());
  top.press("\x1b\x1b");
  await ask("evil\x1b]0;owned\x07\x1b[2J");
  top.press("0");
  await top.showsSummary("and back");
});

await test("top: deeds", async () => {
  const node = "127.0.0.1:9001";
  top.press("1");
  await top.has("node                  breaker");
  const first = top.chosen();
  top.press("j");
  check("another line", await soon(() => top.chosen().slice(0, 24) !== first.slice(0, 24)), top.terminal.text());
  check("the drained node is chosen", await top.choose(node), top.terminal.text());
  top.press("u");
  await top.shows("it asks, and names it", `Undrain ${node} of pool gpu? y: yes, any other key: no.`);
  top.press("n");
  await top.shows("no: nothing", "nothing was done");
  check("it drains still", (await nodeOf(node)).draining);
  top.press("u");
  await top.has("Undrain");
  top.press("y");
  check("yes: done", await soon(async () => !(await nodeOf(node)).draining));
  await top.shows("it says so", `${node}: undrained`);
  top.press("1");
  check("the node is chosen", await top.choose(node));
  top.press("b");
  await top.shows("which way", `Breaker of ${node} of pool gpu: o open, c close, a auto`);
  top.press("o");
  await top.shows("it asks", `Open the breaker of ${node} of pool gpu?`);
  top.press("y");
  check("open", await soon(async () => (await nodeOf(node)).state === "forced_open"));
  await top.shows("on the screen, too", `${node}        forced`);
  check("still chosen", await top.choose(node));
  top.press("b");
  await top.has("Breaker of");
  top.press("c");
  await top.has("Close the breaker");
  top.press("y");
  check("closed", await soon(async () => (await nodeOf(node)).state === "closed"));
  run("rollout", "start", "r2", "route=chat", "pool=small", "steps=50", "step=1h", "errors=0", "invalid=0", "slow=0");
  top.press("\x1b6");
  await top.shows("the roll-out", "r2: model chat -> small: running, step 1, 50.0 %");
  check("it is chosen", await top.choose("r2:"));
  top.press("a");
  await top.shows("it asks", "Abort roll-out r2?");
  top.press("\x1b");
  await top.shows("Escape: nothing", "nothing was done");
  expect("it runs", (await rolloutOf("r2")).phase, "running");
  top.press("a");
  await top.has("Abort roll-out r2?");
  top.press("y");
  check("aborted", await soon(async () => (await rolloutOf("r2")).phase === "aborted"));
  run("chaos", "start", "error", "--node", "127.0.0.1:9004", "--share", "50%", "--limit", "100", "--detach");
  top.press("\x1b7");
  await top.shows("the experiment", "50 % of the requests");
  top.press("a");
  await top.has("Abort experiment");
  top.press("y");
  check("ended", await soon(() => run("chaos", "list", "--json").trim() === "[]"));
  const deeds = () => readFileSync(audit, "utf8").split("\n").filter((line) => line.includes('"who":"uid 0'));
  for (const told of ['"text":"undrained"', "breaker forced open", "breaker closed by hand", '"text":"r2: aborted'])
    check(`audited once: ${told}`, await soon(() => deeds().filter((line) => line.includes(told)).length === 1), deeds().join("\n"));
});

await test("top: filter, size, end", async () => {
  top.press("0");
  check("the filter", await top.choose("9004"), top.terminal.text());
  check("only what has it", await soon(() => !top.words().includes("127.0.0.1:9003")), top.terminal.text());
  top.press("\x1b");
  await top.has("127.0.0.1:9003");
  const tty = execFileSync("readlink", [`/proc/${top.pid()}/fd/0`], { encoding: "utf8" }).trim();
  top.next = [12, 110];
  execFileSync("stty", ["-F", tty, "rows", "12", "cols", "50"]);
  check("another size", await soon(() => top.terminal.rows === 12 && top.terminal.lines()[11].startsWith("? help") &&
    top.terminal.lines().every((line) => line.length <= 50)), top.terminal.text());
  top.press("q");
  await top.over;
  expect("the terminal was sent nothing else", top.broken, undefined);
  expect("it is left as it was, with status 0", [top.terminal.left, top.terminal.hidden, top.after.trim().split("\n").at(-1)], [1, false, "as before, 0"]);
});

await test("top: stopped, and on again", async () => {
  const session = new Session(24, 80);
  await session.shows("it runs", "1 nodes");
  const state = () => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${session.pid()}/status`, "utf8"))[1];
  process.kill(session.pid(), "SIGTSTP");
  check("stopped", await soon(() => state() === "T"));
  check("the terminal is the shell's", await soon(() => session.terminal.left === 1 && !session.terminal.hidden));
  session.terminal = new Terminal(24, 80);
  process.kill(session.pid(), "SIGCONT");
  await session.shows("all of it anew", "1 nodes");
  check("and it goes on", await soon(() => session.terminal.alternate && session.terminal.hidden && session.words().includes("? help")));
  session.press("q");
  await session.over;
  check("and ends", session.after.includes("as before, 0"), session.after);
});

await test("top: ended by signals", async () => {
  for (const [signal, code] of [["SIGTERM", 0], ["SIGABRT", 134]]) {
    const session = new Session(24, 80);
    await session.shows("it runs", "1 nodes");
    process.kill(session.pid(), signal);
    await session.over;
    check(`${signal}: the terminal is given back`, session.terminal.left >= 1 && !session.terminal.hidden && session.after.includes(`as before, ${code}`), session.after);
  }
});

await test("top: lines", async () => {
  const plain = spawn(sluice, ["top", "--plain", "--watch=200ms"], { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  plain.stdout.on("data", (part) => (told += part));
  check("all of it once", await soon(() => told.includes("nodes: 127.0.0.1:9004 of pool one: closed")), told);
  const before = told.length;
  run("drain", "one/0");
  check("then what changes", await soon(() => told.slice(before).includes("nodes: 127.0.0.1:9004 of pool one: drains, closed")), told);
  check("and nothing else of the nodes", !told.slice(before).includes("127.0.0.1:9001 of pool gpu"), told.slice(before));
  run("undrain", "one/0");
  plain.kill("SIGTERM");
  const seen = JSON.parse(run("top", "--json", "--once", "--watch=100ms"));
  const now = await status();
  expect("--json: the maps and the page's document", [seen.pools.map((pool) => pool.name), seen.daemon.routes.map((route) => route.model), seen.daemon.pid],
    [now.pools.map((pool) => pool.name), now.routes.map((route) => route.model), now.pid]);
  check("--once is whole, without a sequence", /^[✓▲✕.!X] .*\n[\s\S]*9 kernel/.test(run("top", "--once", "--watch=100ms")) && !run("top", "--once", "--watch=100ms").includes("\x1b"));
});

finish();
