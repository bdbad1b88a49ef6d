// SPDX-License-Identifier: BSD-2-Clause
// autoscale.mjs - the autoscaler of autoscale.sh: writes each call to the file CALLS, a line of JSON, and
// answers 204; 500 while the file FAIL is there. Plain on port 9010, TLS on 9443.
import fs from "node:fs";
import http from "node:http";
import https from "node:https";

const { CALLS, FAIL, KEY, CERTIFICATE } = process.env;
function handle(scheme, req, res) {
  const parts = [];
  req.on("data", (part) => parts.push(part));
  req.on("end", () => {
    const failed = fs.existsSync(FAIL);
    const call = { scheme, failed, method: req.method, url: req.url, authorization: req.headers.authorization };
    call.body = JSON.parse(Buffer.concat(parts).toString());
    fs.appendFileSync(CALLS, `${JSON.stringify(call)}\n`);
    res.writeHead(failed ? 500 : 204).end();
  });
}
http.createServer((req, res) => handle("http", req, res)).listen(9010, "127.0.0.1");
https
  .createServer({ key: fs.readFileSync(KEY), cert: fs.readFileSync(CERTIFICATE) }, (req, res) => handle("https", req, res))
  .listen(9443, "127.0.0.1", () => fs.writeFileSync(CALLS, ""));
