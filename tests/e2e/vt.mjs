// SPDX-License-Identifier: BSD-2-Clause
// vt.mjs - a terminal that remembers what stands on it: enough of ECMA-48 for what the tests' programs send. Anything
// else that begins with an escape is an error, so that a program which sends more is found.
//
//	node vt.mjs ROWS COLUMNS TYPESCRIPT [--html]    what stands there at the end, before the screen was left
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const blank = () => ({ char: " ", ink: "" });

export class Terminal {
  constructor(rows, columns) {
    Object.assign(this, { rows, columns, row: 0, column: 0, ink: "", alternate: false, hidden: false, left: 0, rest: "" });
    this.cells = Array.from({ length: rows }, () => Array.from({ length: columns }, blank));
  }

  // Lines without blanks at their ends.
  lines() {
    return this.cells.map((row) => row.map((cell) => cell.char).join("").trimEnd());
  }

  text() {
    return this.lines().join("\n").trimEnd();
  }

  write(text) {
    const all = this.rest + text;
    let at = 0;
    while (at < all.length) {
      if (all[at] !== "\x1b") {
        const char = String.fromCodePoint(all.codePointAt(at));
        this.put(char);
        at += char.length;
        continue;
      }
      const sequence = /^\x1b\[([?0-9;]*)([A-Za-z])/.exec(all.slice(at, at + 40));
      if (!sequence) {
        if (/^\x1b(\[[?0-9;]*)?$/.test(all.slice(at))) break;
        throw new Error(`the terminal was sent ${JSON.stringify(all.slice(at, at + 20))}`);
      }
      this.obey(sequence[1], sequence[2]);
      at += sequence[0].length;
    }
    this.rest = all.slice(at);
  }

  put(char) {
    if (char === "\r") this.column = 0;
    else if (char === "\n") this.row = Math.min(this.row + 1, this.rows - 1);
    else if (char < " " || (char >= "\x7f" && char < "\xa0")) throw new Error(`the terminal was sent ${JSON.stringify(char)}`);
    else if (this.column < this.columns) this.cells[this.row][this.column++] = { char, ink: this.ink };
    else throw new Error(`row ${this.row + 1} is wider than ${this.columns}: ${this.lines()[this.row]}`);
  }

  clear(row, from) {
    for (let column = from; column < this.columns; column++) this.cells[row][column] = blank();
  }

  obey(parameters, final) {
    const [first = 0, second = 0] = parameters.split(";").map(Number);
    if (final === "H") [this.row, this.column] = [Math.min(first || 1, this.rows) - 1, Math.min(second || 1, this.columns) - 1];
    else if (final === "K") this.clear(this.row, this.column);
    else if (final === "J") {
      if (first !== 2) this.clear(this.row, this.column);
      for (let row = first === 2 ? 0 : this.row + 1; row < this.rows; row++) this.clear(row, 0);
    } else if (final === "m") this.ink = parameters === "0" || parameters === "" ? "" : `${this.ink};${parameters}`;
    else if (parameters === "?1049") {
      if (final === "l") this.left++;
      this.alternate = final === "h";
    } else if (parameters === "?25") this.hidden = final === "l";
    else throw new Error(`the terminal was sent ESC [ ${parameters} ${final}`);
  }

  // One element a run of one ink, for a picture.
  html() {
    const colors = { 28: "good", 130: "warn", 160: "bad" };
    const escape = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
    const dress = (ink) => {
      const of = ink.split(";");
      const at = of.indexOf("38");
      return [at >= 0 ? colors[of[at + 2]] : "", of[1] === "1" ? "bold" : "", of[1] === "2" ? "dim" : "", of[1] === "7" ? "chosen" : ""].filter(Boolean).join(" ");
    };
    return this.cells.map((row) => {
      let line = "", run = "", ink = null;
      const flush = () => { line += run ? `<span class="${dress(ink)}">${escape(run)}</span>` : ""; run = ""; };
      for (const cell of row) {
        if (cell.ink !== ink) { flush(); ink = cell.ink; }
        run += cell.char;
      }
      flush();
      return line;
    }).join("\n");
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [rows, columns, file, html] = process.argv.slice(2);
  const sent = readFileSync(file, "utf8").replace(/^Script started[^\n]*\n/, "").replace(/\n?Script done[^\n]*\n?$/, "");
  const terminal = new Terminal(Number(rows), Number(columns));
  const end = sent.lastIndexOf("\x1b[?25h\x1b[?1049l");
  terminal.write(end < 0 ? sent : sent.slice(0, end));
  console.log(html ? terminal.html() : terminal.text());
}
