// SPDX-License-Identifier: BSD-2-Clause
// The status page: snapshots come as events, each whole; what is on the screen is changed in place, so that
// whoever reads or has the focus somewhere is not thrown out. Texts of others only ever go in as text.
"use strict";

const $ = (id) => document.getElementById(id);
const STALE_INTERVALS = 5;
const REOPEN_MS = 5000;
const PLOT_HEIGHT = 120;
const DECISIONS_SHOWN = 6;

// ---- elements ----------------------------------------------------------------------------------
function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children);
  return element;
}
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
function dress(element, name) {
  if (element.className !== name) element.className = name;
}
// One child of `parent` for each item, by key and in order; those that stay are the same elements.
function each(parent, items, keyOf, build, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = before.get(key);
    before.delete(key);
    if (!child) {
      child = build(item);
      child.dataset.key = key;
    }
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
    update(child, item);
  }
  for (const child of before.values()) child.remove();
}
// A list, or one line that says why there is none.
function list(id, items, keyOf, build, update, none) {
  const shown = items.length ? items : [{ none }];
  each(
    $(id),
    shown,
    (item) => (item.none ? "none" : keyOf(item)),
    (item) => (item.none ? make("li", "soft") : build(item)),
    (child, item) => (item.none ? say(child, item.none) : update(child, item)),
  );
}

// ---- words -------------------------------------------------------------------------------------
const number = (value) =>
  value >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : value >= 1e4 ? `${(value / 1e3).toFixed(1)} k`
    : value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
const micros = (us) => (!us ? "–" : us < 1000 ? `${us} µs` : us < 1e6 ? `${number(us / 1000)} ms` : `${number(us / 1e6)} s`);
function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h${s % 3600 >= 60 ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  return `${Math.floor(s / 86400)} d`;
}
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const percent = (share) => `${(share * 100).toFixed(share > 0.9995 || share < -0.9995 ? 0 : 1)} %`;

const MARKS = { well: "✓", degraded: "▲", down: "✕" };
const STATES = {
  closed: ["good", "● closed"],
  metrics_only: ["good", "● only measuring"],
  half_open: ["warn", "◐ half-open"],
  open: ["bad", "■ open"],
  forced_open: ["bad", "■ opened by hand"],
};

// ---- deeds -------------------------------------------------------------------------------------
let wanted = null; // what the dialog asks about
function ask(title, text, path, button) {
  wanted = { path, button };
  say($("ask-h"), title);
  say($("ask-p"), text);
  $("ask").showModal();
}
function answer(yes) {
  const { path, button } = wanted ?? {};
  wanted = null;
  $("ask").close();
  if (yes && path) act(path);
  if (button?.isConnected) button.focus();
}
async function act(path) {
  say($("said"), "…");
  try {
    const reply = await fetch(path, { method: "POST", headers: { "x-sluice-page": "1" } });
    const body = await reply.json().catch(() => ({}));
    say($("said"), body.done ?? body.error?.message ?? `refused: ${reply.status}`);
  } catch {
    say($("said"), "the daemon does not answer");
  }
  setTimeout(() => say($("said"), ""), 8000);
}
function deed(label, title, text, path) {
  const button = make("button", "", label);
  button.type = "button";
  button.setAttribute("aria-label", title);
  button.addEventListener("click", () => ask(`${title}?`, text, path, button));
  return button;
}
const of = (values) => Object.entries(values).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&");

// ---- pools and nodes ---------------------------------------------------------------------------
const COLUMNS = ["Node", "Breaker", "Checks", "In flight", "Answers/s", "Failures/s", "First byte", "What may be done"];

function buildPool() {
  const head = make("tr", "", ...COLUMNS.map((name, i) => {
    const cell = make("th", i > 2 && i < 7 ? "number" : "", i === 7 ? make("span", "unseen", name) : name);
    cell.scope = "col";
    return cell;
  }));
  const table = make("table", "", make("thead", "", head), make("tbody"));
  return make("div", "pool", make("div", "pool-head", make("h3"), make("p")), table);
}
function buildNode() {
  const cells = COLUMNS.slice(1).map((name, i) => {
    const cell = make("td", i > 1 && i < 6 ? "number" : i === 6 ? "acts" : "");
    if (i < 6) cell.dataset.name = name;
    return cell;
  });
  cells[0].append(make("span", "state"), make("small"));
  const head = make("th");
  head.scope = "row";
  return make("tr", "", head, ...cells);
}
// Buttons by what the node is; the same button stays as long as its label does.
function nodeDeeds(pool, node) {
  const name = `${node.address} of pool ${pool.name}`;
  const where = of({ pool: pool.name, node: node.address });
  const deeds = [node.draining
    ? ["Undrain", `Undrain ${name}`, "It takes new requests and flows again.", `/act/undrain?${where}`]
    : ["Drain", `Drain ${name}`, `No new request or flow goes there; ${node.requests} requests and ${node.flows} flows under way go on. ${pool.available - (node.available ? 1 : 0)} of ${pool.node_count} nodes are left.`, `/act/drain?${where}`]];
  if (node.state === "forced_open")
    deeds.push(["Let breaker go", `Let go the breaker of ${name}`, "The node is due for a probe and has to prove itself.", `/act/breaker-auto?${where}`]);
  else
    deeds.push(["Open breaker", `Open the breaker of ${name}`, "Nothing new goes there until somebody lets it go; what is under way goes on.", `/act/breaker-open?${where}`]);
  if (node.state !== "closed" && node.state !== "metrics_only")
    deeds.push(["Close breaker", `Close the breaker of ${name}`, "Requests go there from now on, whatever the breaker has seen.", `/act/breaker-close?${where}`]);
  return deeds;
}
function updateNode(pool, row, node) {
  const [head, state, check, inFlight, good, bad, first, acts] = row.children;
  const [kind, word] = node.draining && node.state === "closed" ? ["warn", "▽ drains"] : STATES[node.state] ?? ["warn", node.state];
  const notes = [];
  if (node.draining && node.state !== "closed") notes.push("drains");
  if (node.state !== "closed") notes.push(node.last_signal.replaceAll("_", " "));
  if (node.probe_in_ms) notes.push(`probe in ${span(node.probe_in_ms)}`);
  if (node.doubtful && node.state === "closed") notes.push("doubtful");
  if (node.held_ms) notes.push(`left alone for ${span(node.held_ms)}`);
  if (node.zone) notes.push(`zone ${node.zone}`);
  if (node.region) notes.push(`region ${node.region}`);
  if (node.changed_ms_ago !== undefined && node.state !== "closed") notes.push(`for ${span(node.changed_ms_ago)}`);
  say(head, node.address);
  dress(state.firstChild, `state ${kind}`);
  say(state.firstChild, word);
  say(state.lastChild, notes.join(", "));
  const checks = { none: "not checked", unknown: "? not yet", good: "✓ good", not_ready: "◐ not ready", failing: "✕ failing" };
  dress(check, node.check === "failing" ? "bad" : node.check === "not_ready" ? "warn" : "");
  say(check, checks[node.check] ?? node.check);
  say(inFlight, number(node.requests + node.flows));
  say(good, number(node.answers_per_s));
  say(bad, number(node.failures_per_s));
  dress(bad, node.failures_per_s > 0 ? "number bad" : "number");
  say(first, micros(node.first_byte_us));
  each(acts, nodeDeeds(pool, node), ([label]) => label, ([label, title, text, path]) => deed(label, title, text, path), () => {});
}
function showPools(pools) {
  each($("pool-list"), pools, (pool) => pool.name, buildPool, (element, pool) => {
    const [head, table] = element.children;
    const waiting = pool.draining ? `, ${pool.draining} drain${pool.draining === 1 ? "s" : ""}` : "";
    const out = pool.out ? `, ${pool.out} out` : "";
    say(head.firstChild, pool.name);
    const rings = (pool.rings ?? []).map((r) => ` · ${r.ring} ${r.available}/${r.nodes}${r.share < 100 ? `, ${r.state} at ${r.share} %` : ""}`).join("");
    say(head.lastChild, `${pool.available} of ${pool.node_count} nodes take requests${out}${waiting}${rings}`);
    table.setAttribute("aria-label", `Nodes of pool ${pool.name}`);
    each(table.tBodies[0], pool.nodes, (node) => node.slot, buildNode, (row, node) => updateNode(pool, row, node));
  });
}

// ---- the other panels --------------------------------------------------------------------------
const twoLines = () => make("li", "", make("p"), make("p", "soft"));
const withDeed = () => make("li", "", make("div", "row", make("p"), make("div")), make("p", "soft"));

function showTiles(totals) {
  const tiles = [
    ["requests/s", number(totals.requests_per_s)],
    ["errors/s", number(totals.errors_per_s)],
    ["tokens/s", number(totals.tokens_per_s)],
    ["first token, median", micros(totals.ttft_p50_us)],
    ["in flight", number(totals.in_flight)],
    ["waiting", number(totals.waiting)],
  ];
  each($("tiles"), tiles, ([name]) => name, ([name]) => make("div", "", make("dt", "", name), make("dd")),
    (tile, [name, value]) => {
      say(tile.lastChild, value);
      dress(tile.lastChild, name === "errors/s" && totals.errors_per_s > 0 ? "bad" : "");
    });
}
function showIncidents(incidents, now) {
  list("incident-list", incidents, (i) => i.id, twoLines, (element, i) => {
    const lasted = span((i.open ? now : i.recovered_ms) - i.began_ms);
    const where = i.pool && i.pool !== i.name ? ` of pool ${i.pool}` : "";
    dress(element.firstChild, i.open ? (i.level === "bad" ? "bad" : "warn") : "");
    say(element.firstChild, `${i.open ? "▲ open" : "✓ closed"} · ${i.id}: ${i.of} ${i.name}${where}`);
    say(element.lastChild, `began ${clock(i.began_ms)}, ${i.open ? "open for" : "over after"} ${lasted}; ${i.harmed} harmed, ${i.saved} saved · sluice incidents show ${i.id}`);
  }, "None yet.");
}
function showDecisions(decisions) {
  list("decision-list", decisions.slice(0, DECISIONS_SHOWN), (d) => `${d.id} ${d.started_ms}`, () => make("li", "", make("p"), make("p", "what")), (element, d) => {
    say(element.firstChild, `${clock(d.started_ms)} ${d.model || "no route"} · ${d.id}`);
    say(element.lastChild, d.what);
  }, "Nothing had to be decided lately.");
}
function showLadders(routes) {
  list("ladder-list", routes, (r) => r.model, () => make("li", "", make("p"), make("p"), make("p"), make("p", "soft")), (element, r) => {
    const [head, chain, steps, foot] = element.children;
    dress(head, r.pool === null ? "bad" : "");
    say(head, `${r.pool === null ? "✕ " : ""}${r.model}: ${r.pool === null ? "nobody answers it" : `answered by pool ${r.pool}`}`);
    each(chain, r.chain, (p) => p.pool, () => make("span"), (rung, p) => {
      const here = p.pool === r.pool;
      dress(rung, `rung${here ? ` here ${p.pool === r.chain[0].pool ? "good" : "warn"}` : ""}`);
      say(rung, `${here ? "▶ " : ""}${p.pool} ${p.available}/${p.nodes}`);
    });
    each(steps, r.steps, (s) => s.step, () => make("span"), (rung, s) => {
      dress(rung, `rung${s.now ? " here warn" : ""}`);
      say(rung, `${s.now ? "▼ " : ""}${s.step} ×${number(s.count)}`);
      rung.title = s.means;
    });
    const rules = r.rules_in_force.length ? `; rule ${r.rules_in_force.join(", ")} of degradation in force` : "";
    say(foot, `${number(r.requests_per_s)}/s, ${number(r.errors_per_s)} errors/s, first token ${micros(r.ttft_p50_us)} (95 %: ${micros(r.ttft_p95_us)}), ${number(r.fallbacks)} fallbacks${rules}`);
  }, "No routes.");
}
function showSlo(objectives) {
  list("slo-list", objectives, (o) => `${o.route} ${o.slo}`, twoLines, (element, o) => {
    const burns = o.alerts.filter((a) => a.burns).map((a) => a.level);
    const bad = burns.includes("page");
    const mark = bad ? "✕ pages" : burns.length ? "▲ will not last" : "✓";
    dress(element.firstChild, bad ? "bad" : burns.length ? "warn" : "");
    say(element.firstChild, `${mark} ${o.route}: ${o.slo} ${percent(o.objective)}, ${percent(o.budget_left)} of the budget left`);
    say(element.lastChild, `burns ${o.burn.map((b) => `${b.rate.toFixed(1)}× over ${span(b.window_ms)}`).join(", ")}`);
  }, "No route has objectives (slo, routes[].slo).");
}
function showQueues(queues) {
  const busy = queues.filter((q) => q.waiting || q.overloaded);
  list("queue-list", busy, (q) => q.pool, twoLines, (element, q) => {
    dress(element.firstChild, q.overloaded ? "warn" : "");
    say(element.firstChild, `${q.overloaded ? "▲ " : ""}${q.pool}: ${q.waiting} wait${q.overloaded ? ", overloaded: the lowest class is shed" : ""}`);
    say(element.lastChild, `a new request of the lowest class would wait ${span(q.estimate_ms)}; critical ${q.critical}, interactive ${q.interactive}, standard ${q.standard}, batch ${q.batch}`);
  }, `Nobody waits in ${queues.length === 1 ? "the queue" : `any of ${queues.length} queues`}.`);
}
function showRollouts(rollouts) {
  list("rollout-list", rollouts, (r) => r.name, withDeed, (element, r) => {
    const [row, foot] = element.children;
    const under = r.phase === "running" || r.phase === "paused";
    const a = r.candidate_requests, b = r.baseline_requests;
    dress(row.firstChild, r.phase === "rolled_back" ? "warn" : "");
    say(row.firstChild, `${r.phase === "rolled_back" ? "▲ " : ""}${r.name}: ${r.kind} ${r.subject} → ${r.candidate}: ${r.phase.replaceAll("_", " ")}${under ? `, step ${r.step + 1}, ${percent(r.share)} of the requests` : ""}`);
    say(foot, `candidate ${a.requests} requests, ${a.errors} errors; baseline ${b.requests}, ${b.errors}${r.reason ? `; ended: ${r.reason}` : ""}${r.held ? `; held: ${r.held}` : ""}`);
    each(row.lastChild, under ? [r.name] : [], (name) => name,
      (name) => deed("Abort", `Abort roll-out ${name}`, "The baseline is served to everybody at once.", `/act/rollout-abort?${of({ name })}`), () => {});
  }, "Nothing is rolled out.");
}
function showChaos(experiments) {
  list("chaos-list", experiments, (c) => `${c.word} ${c.number}`, withDeed, (element, c) => {
    const [row, foot] = element.children;
    dress(row.firstChild, "warn");
    say(row.firstChild, `▲ ${c.name}, ${c.percent} % of the ${c.what}`);
    say(foot, `${number(c.hits)} ${c.what} hit, ends in ${span(c.left_ms)} at the latest`);
    each(row.lastChild, [c.number], (n) => n,
      (n) => deed("Abort", `Abort experiment ${c.name}`, "It ends at once; the command that began it says so.", `/act/${c.word}?${of({ number: n })}`), () => {});
  }, "None runs.");
}

// Those on packets are the kernel plane's, those on requests the daemon's.
const experimentsOf = (status) => [
  ...status.chaos.map((c) => ({ ...c, name: `${c.kind} ${c.aim}`, what: "packets", word: "chaos-abort" })),
  ...status.strikes.map((c) => ({ ...c, percent: Number((c.share * 100).toPrecision(3)), left_ms: c.left_s * 1000, what: "requests", word: "strike-abort" })),
];

// ---- plots -------------------------------------------------------------------------------------
const PLOTS = [
  { id: "plot-rate", series: [["requests/s", "requests_per_s", "--accent"], ["errors/s", "errors_per_s", "--bad"]] },
  { id: "plot-ttft", series: [["median", "ttft_p50_ms", "--accent"], ["95 %", "ttft_p95_ms", "--second"]] },
  { id: "plot-load", series: [["in flight", "in_flight", "--accent"], ["waiting", "waiting", "--second"]] },
];
const dark = matchMedia("(prefers-color-scheme: dark)");
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function buildPlot(plot, data) {
  const box = $(plot.id);
  const axis = { stroke: color("--soft"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
  plot.chart?.destroy();
  plot.chart = new uPlot({
    width: box.clientWidth,
    height: PLOT_HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { live: false },
    cursor: { show: false },
    scales: { y: { range: (u, min, max) => [0, Math.max(max ?? 0, 1) * 1.1] } },
    axes: [{ ...axis, space: 70, size: 24, values: (u, at) => at.map((s) => clock(s * 1000)) }, { ...axis, size: 44 }],
    series: [{}, ...plot.series.map(([label, , name], i) => ({ label, stroke: color(name), width: 2, dash: i ? [6, 3] : [], points: { show: false } }))],
  }, data, box);
}
function showPlots(history) {
  for (const plot of PLOTS) {
    plot.data = [history.at_ms.map((ms) => ms / 1000), ...plot.series.map(([, key]) => history[key])];
    if (plot.chart) plot.chart.setData(plot.data);
    else buildPlot(plot, plot.data);
    const last = plot.series.map(([label, key]) => `${label} ${number(history[key].at(-1) ?? 0)}`).join(", ");
    $(plot.id).setAttribute("aria-label", `Plot of the last two minutes; now ${last}`);
  }
}
dark.addEventListener("change", () => PLOTS.forEach((plot) => plot.data && buildPlot(plot, plot.data)));
new ResizeObserver(() => {
  for (const plot of PLOTS) {
    const width = $(plot.id).clientWidth;
    if (plot.chart && width !== plot.chart.width) plot.chart.setSize({ width, height: PLOT_HEIGHT });
  }
}).observe($("plots"));

// ---- snapshots ---------------------------------------------------------------------------------
let last = 0; // when one came
let interval = 1000;

function show(status) {
  say($("host"), `on ${status.host}`);
  document.title = `${MARKS[status.level]} sluice ${status.host}`;
  dress($("verdict"), status.level);
  say($("summary"), `${MARKS[status.level]} ${status.summary}`);
  const plane = status.kernel_plane === "bpf" ? "Kernel plane up" : "No kernel plane: the daemon works alone";
  say($("plane"), `${plane}; up for ${span(Date.now() - status.started_ms)}.`);
  showTiles(status.totals);
  showPlots(status.history);
  showPools(status.pools);
  showIncidents(status.incidents, Date.parse(status.time));
  showDecisions(status.decisions);
  showLadders(status.routes);
  showSlo(status.objectives);
  showQueues(status.queues);
  showRollouts(status.rollouts);
  showChaos(experimentsOf(status));
}
function tell(text, lost) {
  say($("link"), text);
  dress($("link"), lost ? "lost" : "");
}
function watch() {
  const events = new EventSource("/events");
  events.onmessage = (event) => {
    const status = JSON.parse(event.data);
    last = Date.now();
    interval = status.interval_ms;
    tell("● live");
    show(status);
  };
  events.onerror = () => {
    tell("✕ the daemon does not answer; trying again", true);
    if (events.readyState === EventSource.CLOSED) setTimeout(watch, REOPEN_MS);
  };
}
setInterval(() => {
  if (last && Date.now() - last > Math.max(STALE_INTERVALS * interval, 3000))
    tell(`✕ no news for ${span(Date.now() - last)}; what is below is old`, true);
}, 1000);

$("ask-yes").addEventListener("click", () => answer(true));
$("ask-no").addEventListener("click", () => answer(false));
$("ask").addEventListener("cancel", (event) => {
  event.preventDefault();
  answer(false);
});
watch();
