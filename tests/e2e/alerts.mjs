// SPDX-License-Identifier: BSD-2-Clause
// alerts.mjs - the receiver of alerts.sh: writes each message to the file CALLS, a line of JSON, and answers 200;
// 500 while the file FAIL is there; nothing at all while HANG is. Port 9010.
import crypto from "node:crypto";
import fs from "node:fs";
import http from "node:http";

const { CALLS, FAIL, HANG } = process.env;
http
  .createServer((req, res) => {
    const parts = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
      const body = Buffer.concat(parts);
      const status = fs.existsSync(HANG) ? 0 : fs.existsSync(FAIL) ? 500 : 200;
      const signed = `sha256=${crypto.createHmac("sha256", "sign-secret").update(body).digest("hex")}`;
      const call = { status, url: req.url, authorization: req.headers.authorization };
      call.signed = req.headers["x-sluice-signature"] === signed;
      call.body = JSON.parse(body.toString());
      fs.appendFileSync(CALLS, `${JSON.stringify(call)}\n`);
      if (status) res.writeHead(status).end();
    });
  })
  .listen(9010, "127.0.0.1", () => fs.writeFileSync(CALLS, ""));
