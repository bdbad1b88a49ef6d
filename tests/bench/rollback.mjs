// SPDX-License-Identifier: BSD-2-Clause
// rollback.mjs ROUNDS - asks through the daemon while a candidate fails, and says how long it is given after the
// evidence against it suffices: one line a round, "MILLISECONDS SEEN".
import http from "node:http";
import { execFileSync } from "node:child_process";

const rounds = Number(process.argv[2]), sufficient = 6; // bad ones of a baseline without: policy/rollout.h
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const sluice = (...words) => execFileSync(process.env.SLUICE, ["rollout", ...words], { encoding: "utf8" });
let asked = 0;

const ask = () => new Promise((resolve, reject) => {
	const sent = performance.now();
	const body = JSON.stringify({ model: "chat", max_tokens: 1, messages: [{ role: "user", content: "hello" }] });
	const request = http.request({ agent, host: "127.0.0.1", port: 8080, method: "POST", path: "/v1/chat/completions",
		headers: { "content-type": "application/json", "content-length": body.length, "x-session-id": `s${asked++}` } },
	(response) => {
		const arm = response.headers["x-sluice-rollout"] ?? "";
		response.resume();
		response.on("end", () => resolve({ sent, ended: performance.now(), arm, status: response.statusCode }));
	});
	request.on("error", reject);
	request.end(body);
});

for (let round = 0; round < rounds; round++) {
	const name = `r${round}`, bad = [];
	let over = 0;
	sluice("start", name, "route=chat", "pool=new", "steps=50,100", "step=1h", "requests=1000");
	// asks on until some have been the baseline's alone, each worker by itself
	const work = async () => {
		while (over < 200 && asked < 1e6) {
			const answer = await ask();
			if (answer.status !== 200) throw new Error(`a client saw ${answer.status}`);
			if (answer.arm.endsWith("=candidate")) bad.push(answer);
			over = answer.arm ? 0 : over + 1;
		}
	};
	await Promise.all([work(), work(), work(), work()]);
	const status = JSON.parse(sluice("status", name, "--json")).rollouts[0];
	if (status.phase !== "rolled_back") throw new Error(`it is ${status.phase}`);
	bad.sort((a, b) => a.ended - b.ended);
	const suffices = bad[sufficient - 1].ended, last = Math.max(...bad.map((answer) => answer.sent));
	console.log(`${Math.max(0, last - suffices).toFixed(1)} ${bad.length}`);
	sluice("forget", name);
}
agent.destroy();
