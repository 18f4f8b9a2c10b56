// A strict JSON reader (RFC 8259). JSON.parse keeps the last of two members of
// one name and lets half a surrogate pair through; section 2 allows neither.
// Objects become Maps without the members that are null, numbers keep their
// spelling.

import { invalid } from "./outcome.mjs";

const maxNesting = 32;

export class JSONNumber {
  constructor(text) {
    this.text = text;
  }
}

export function parseJSON(bytes) {
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid("the document is not UTF-8");
  }
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.space();
  if (reader.at !== text.length) throw reader.error("text after the document");
  return value;
}

const spaces = /[ \t\n\r]*/y;
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;
const plain = /[^"\\\u0000-\u001f]*/y;
const escapes = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  error(what) {
    return invalid(`${what} at ${this.at}`);
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found ? found[0] : null;
  }

  space() {
    this.match(spaces);
  }

  take(symbol) {
    this.space();
    if (this.text[this.at] !== symbol) return false;
    this.at++;
    return true;
  }

  expect(symbol) {
    if (!this.take(symbol)) throw this.error(`no ${symbol}`);
  }

  value(depth) {
    this.space();
    switch (this.text[this.at]) {
      case "{":
        return this.object(depth + 1);
      case "[":
        return this.array(depth + 1);
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
    }
    const text = this.match(number);
    if (text === null) throw this.error("no value");
    return new JSONNumber(text);
  }

  word(word, value) {
    if (!this.text.startsWith(word, this.at)) throw this.error("no value");
    this.at += word.length;
    return value;
  }

  object(depth) {
    if (depth > maxNesting) throw this.error("too deeply nested");
    this.at++;
    const members = new Map();
    if (this.take("}")) return members;
    do {
      this.space();
      if (this.text[this.at] !== '"') throw this.error("no member name");
      const name = this.string();
      if (members.has(name)) throw this.error("a member stands twice");
      this.expect(":");
      members.set(name, this.value(depth));
    } while (this.take(","));
    this.expect("}");
    for (const [name, value] of members) if (value === null) members.delete(name);
    return members;
  }

  array(depth) {
    if (depth > maxNesting) throw this.error("too deeply nested");
    this.at++;
    const elements = [];
    if (this.take("]")) return elements;
    do elements.push(this.value(depth));
    while (this.take(","));
    this.expect("]");
    return elements;
  }

  string() {
    this.at++;
    let out = "";
    for (;;) {
      out += this.match(plain);
      const symbol = this.text[this.at++];
      if (symbol === '"') break;
      if (symbol !== "\\") throw this.error("a string without end or with a control character");
      const escape = this.text[this.at++];
      if (escape === "u") {
        const hex = this.text.slice(this.at, this.at + 4);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) throw this.error("a wrong escape");
        out += String.fromCharCode(parseInt(hex, 16));
        this.at += 4;
      } else if (Object.hasOwn(escapes, escape ?? "")) {
        out += escapes[escape];
      } else {
        throw this.error("a wrong escape");
      }
    }
    // The text was UTF-8, so that only an escape can have made half a pair.
    if (!out.isWellFormed()) throw this.error("half of a surrogate pair");
    return out;
  }
}
