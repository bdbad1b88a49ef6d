// SPDX-License-Identifier: BSD-2-Clause
// tokens.mjs PROGRAM DIR - the daemon's tokenizer (e2e/token_ids) beside @huggingface/tokenizers: the same ids
// for each text, of tokenizers that are in use (Llama 2, Llama 3) and of these with the parts that others
// have (Qwen, GPT-2, GPT-4o, DeepSeek, Mistral, SentencePiece's Unigram). DIR: for what is made of them.
//
// Texts leave out what the reference does otherwise than the servers' own library, which is in Rust: the
// blanks of JavaScript are not Unicode's (U+FEFF is one there, U+0085 is none).
import fs from "node:fs";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

const [program, dir] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.SLUICE_NODE_MODULES ?? path.join(here, "../../build/e2e/node_modules");
const { Tokenizer } = await import(pathToFileURL(path.join(modules, "@huggingface/tokenizers/dist/tokenizers.mjs")).href);
const read = (name) => JSON.parse(fs.readFileSync(path.join(modules, `@lenml/tokenizer-${name}/models/tokenizer.json`)));
const llama2 = read("llama2"), llama3 = read("llama3");

// ---- texts ------------------------------------------------------------------------------------
const texts = [
  "", " ", "  ", "\n", "\n\n\n", "\t", " \n ", "a", " a", "a ", "  a  b   c    ", "\r\n\r\n", "a\r\nb\rc\n",
  "Hello, world!", "Hello world", "HELLO WORLD", "I'm you're he'd they'll we've it's don't 'tis I'M YOU'RE IT'S", "'s't're've'm'll'd''",
  "O’Neill’s naïve café résumé", "e\u0301 vs \u00e9, \u1e9b\u0323 \ufb01 \u2460 \uff21\uff22", "Å \u212b \u0041\u030a",
  "1 12 123 1234 12345 123456789 3.14159 1,000,000 2026-11-26 0x1F ٣٤٥ ५६७ Ⅷ ½ ²³",
  "def f(x):\n    return x**2  # square\n\n\nclass A:\n\tpass\n", "if (a[i]->b != NULL && *p++ == '\\0') {\n\t\treturn ~x ^ (y << 3);\n}\n",
  "<html>\n  <body class=\"x\">&nbsp;</body>\n</html>", "SELECT * FROM t WHERE a='b' -- c", "{\"a\":[1,2,{\"b\":null}],\"c\":\"\\u00e9\"}",
  "中文没有空格，标点。日本語のテキスト、カタカナとひらがな。한국어 문장입니다.", "中 文 text 混合 mixed 日本語123", "ภาษาไทยไม่มีช่องว่าง", "हिन्दी में लिखा हुआ पाठ", "مرحبا بالعالم، كيف حالك؟", "עברית שלום עולם", "Ελληνικά Πρόταση ΑΒΓ", "Русский текст, ещё немного", "Tiếng Việt có dấu",
  "😀", "😀😃 😄", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ ☃", "a😀b 🎉🎉🎉", "\u200b\u200d\u2060", "\u00a0\u2003\u3000x\u2028y", "𝕳𝖊𝖑𝖑𝖔 𝟘𝟙𝟚", "\u0300\u0301 combining first", "\u{10ffff}\u{e000}\ufffd",
  "-----", "====== ======", "!!!???...", "…—–“”‘’«»", "a_b__c___d", "foo.bar.baz/qux?x=1&y=2#z", "https://example.com/a/b?c=d", "user@example.com", "C++ C# F# .NET", "$100 €50 ¥30 £20 50%",
  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Donaudampfschifffahrtsgesellschaftskapitän", "ab".repeat(300), " ".repeat(100), "\n".repeat(77), " \n".repeat(40), "a" + " ".repeat(33) + "b", "-".repeat(200), "\t".repeat(19) + "x",
  "camelCaseWordsAndPascalCase XMLHttpRequest iPhone eBay McDonald ABCdef ABCDef", "ǅ ǈ ʰ ª ß ẞ ΣΊΣΥΦΟΣ", "x\u0301y\u0308 Z\u030c", "word\u0301s",
  "<s>", "</s> <unk> <s>x", "a<s>b</s>c", "<|begin_of_text|>", "hi<|eot_id|> there <|start_header_id|>user<|end_header_id|>\n\nhello<|eot_id|>", "<|not_a_token|> <|eot_id", "▁", "a▁b ▁▁ ▁", " ▁a", "<0x0A>", "Ġ Ċ ĉ Â",
  "the quick brown fox jumps over the lazy dog. ".repeat(30),
];
// Words put together at random, the same each time.
let seed = 12345;
const random = (n) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0, Math.floor((seed / 4294967296) * n));
const atoms = ["a", "the", "Of", "ING", "tion", "é", "e\u0301", "日", "本", "か", "한", "я", "ש", "ع", "😀", "🏽", "\u200d", "1", "22", "٣", " ", " ", " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'LL", ".", ",", "!", "/", "_", "-", "(", ")", "<", ">", "|", "▁", "\u00a0", "\u3000", "ß", "ǅ", "ʰ", "\u0308", "$", "€", "<s>", "<|eot_id|>", "\\", "\"", "x", "Q", "zz"];
for (let i = 0; i < 500; i++) texts.push(Array.from({ length: 1 + random(14) }, () => atoms[random(atoms.length)]).join(""));
for (let i = 0; i < 10; i++) texts.push(Array.from({ length: 300 }, () => atoms[random(atoms.length)]).join(""));

// ---- tokenizers -------------------------------------------------------------------------------
const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
const split = (regex, behavior = "Isolated", invert = false) => ({ type: "Split", pattern: { Regex: regex }, behavior, invert });
const cut = (...pretokenizers) => ({ type: "Sequence", pretokenizers });
const space = (more) => ({ type: "Metaspace", replacement: "▁", ...more });
const contractions = "'s|'t|'re|'ve|'m|'ll|'d";
const qwen = `(?i:${contractions})|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const gpt4o = `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+(?i:${contractions})?|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*(?i:${contractions})?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const deepseek = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const model = (from, more) => ({ ...from.model, ...more });
// The first 12,000 tokens, all letters, and the merges that make them: quicker to open.
const least = (json, max) => {
  const vocab = Object.fromEntries(Object.entries(json.model.vocab).filter(([text, id]) => id < max || [...text].length === 1));
  return { ...json, model: { ...json.model, vocab, merges: json.model.merges.filter((merge) => [...merge.split(" "), merge.replace(" ", "")].every((text) => Object.hasOwn(vocab, text))) } };
};
const little = least(llama3, 12000), narrow = least(llama2, 12000), plain = { ignore_merges: false };

// Of Llama 2's words, with scores that fall with the number: any will do.
const unigram = (more) => ({
  type: "Unigram", unk_id: 0, fuse_unk: true, // the library fuses always, the reference when told
  vocab: Object.entries(narrow.model.vocab).sort((a, b) => a[1] - b[1]).map(([text, id]) => [text, id < 259 ? -20 - id / 512 : -Math.log(id)]), ...more,
});
const small = unigram({}), byteless = { ...small, vocab: small.vocab.filter(([text]) => !/^<0x/.test(text) && !/^[^\x00-\x7f▁]$/.test(text)) };

// name: [tokenizer, texts that the reference cuts otherwise than the library in Rust]
const runs = /  |▁▁| ▁|▁ /; // it does not cut between two of Metaspace's marks
const tokenizers = {
  "llama 2": [llama2],
  "llama 3": [llama3],
  "merges as pairs": [{ ...little, model: model(little, { merges: little.model.merges.map((merge) => merge.split(" ")) }) }],
  qwen: [{ ...little, normalizer: { type: "NFC" }, pre_tokenizer: cut(split(qwen), bytes), model: model(little, plain) }],
  "gpt-2": [{ ...little, pre_tokenizer: { ...bytes, use_regex: true }, model: model(little, plain) }],
  "gpt-2, a space in front": [{ ...little, pre_tokenizer: { ...bytes, use_regex: true, add_prefix_space: true } }],
  "gpt-4o": [{ ...little, pre_tokenizer: cut(split(gpt4o), bytes) }],
  deepseek: [{ ...little, pre_tokenizer: cut(split("\\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(deepseek), bytes) }],
  starcoder: [{ ...little, pre_tokenizer: cut({ type: "Digits", individual_digits: true }, { ...bytes, use_regex: true }) }, /(?![0-9])\p{N}/u],
  "llama 2 by words": [{ ...narrow, normalizer: null, pre_tokenizer: space({ prepend_scheme: "always", split: true }) }, runs],
  "llama 2, first": [{ ...narrow, normalizer: null, pre_tokenizer: space({ prepend_scheme: "first", split: false }) }],
  gemma: [{ ...narrow, normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" }, pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false } }],
  unigram: [{ ...narrow, normalizer: { type: "NFKC" }, pre_tokenizer: space({ prepend_scheme: "always", split: true }), model: small }, runs],
  "unigram, unknown": [{ ...narrow, normalizer: null, pre_tokenizer: space({ prepend_scheme: "always", split: true }), model: byteless }, runs],
};

let failures = 0;
const verdict = (good, name, why) => {
  console.log(`${good ? "ok" : "not ok"} tokens: ${name}${good ? "" : `: ${why}`}`);
  failures += !good;
};
const frames = Buffer.concat(texts.flatMap((text) => {
  const data = Buffer.from(text), head = Buffer.alloc(4);
  head.writeUInt32LE(data.length);
  return [head, data];
}));
for (const [name, [json, skip]] of Object.entries(tokenizers)) {
  const file = path.join(dir, "tokenizer.json");
  fs.writeFileSync(file, JSON.stringify(json));
  const ours = spawnSync(program, [file], { input: frames, maxBuffer: 1 << 28, encoding: "utf8" });
  if (ours.status !== 0) {
    verdict(false, name, `status ${ours.status}: ${ours.stderr}`);
    continue;
  }
  const lines = ours.stdout.split("\n"), reference = new Tokenizer(json, {});
  let tokens = 0, wrong = 0, first = "";
  for (let i = 0; i < texts.length; i++) {
    if (skip?.test(texts[i]) || skip?.test(texts[i].normalize("NFKC"))) continue;
    const ids = reference.encode(texts[i], { add_special_tokens: false }).ids.join(" ");
    tokens += ids.split(" ").length;
    if (ids !== lines[i]) {
      wrong++;
      first ||= `${JSON.stringify(texts[i].slice(0, 80))}: ${lines[i]}, reference ${ids}`;
    }
  }
  verdict(wrong === 0, `${name}: the same ids`, `${wrong} differ, the first ${first}`);
  if (tokens < 4000) verdict(false, `${name}: enough tokens`, `${tokens}`);
}
process.exit(failures ? 1 : 0);
