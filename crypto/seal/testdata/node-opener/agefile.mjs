// Sections 4 and 6: the armor, the header and the length of a wrap's age file,
// as far as they are checked without a key. Decrypting is age-encryption's part.

import { base64, base64Unpadded, utf8 } from "./notation.mjs";
import { invalid } from "./outcome.mjs";

const begin = "-----BEGIN AGE ENCRYPTED FILE-----\n";
const end = "-----END AGE ENCRYPTED FILE-----\n";
const maxArmor = 32 * 1024;
const payloadLength = 16 + 87 + 16;
const maxArguments = 128;

function encodeArmor(bytes) {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return begin + lines.map((line) => line + "\n").join("") + end;
}

function decodeArmor(text) {
  if (utf8(text).length > maxArmor) throw invalid("the armor is too long");
  if (!text.startsWith(begin) || !text.endsWith(end)) throw invalid("the armor's first or last line");
  const bytes = base64(text.slice(begin.length, text.length - end.length).replaceAll("\n", ""));
  if (bytes === null || encodeArmor(bytes) !== text) throw invalid("the armor is not canonical");
  return bytes;
}

// parseAge gives the bytes of the age file and the types of its stanzas.
export function parseAge(armor) {
  const bytes = decodeArmor(armor);
  let at = 0;
  const line = () => {
    const newline = bytes.indexOf(0x0a, at);
    if (newline < 0) throw invalid("the age header has no end");
    const text = bytes.toString("latin1", at, newline);
    at = newline + 1;
    return text;
  };
  if (line() !== "age-encryption.org/v1") throw invalid("the age version");
  const types = [];
  for (;;) {
    const text = line();
    if (text.startsWith("--- ")) {
      const mac = base64Unpadded(text.slice(4));
      if (mac === null || mac.length !== 32) throw invalid("the age header's MAC");
      break;
    }
    if (!/^->( [\x21-\x7e]+)+$/.test(text)) throw invalid("an age stanza");
    const [type, ...rest] = text.split(" ").slice(1);
    if (rest.length > maxArguments) throw invalid("an age stanza with too many arguments");
    types.push(type);
    for (let full = true; full; ) {
      const body = line();
      const decoded = base64Unpadded(body);
      if (decoded === null || body.length > 64) throw invalid("the body of an age stanza");
      full = body.length === 64;
    }
  }
  if (bytes.length - at !== payloadLength) throw invalid("the length of the age payload");
  return { bytes, types };
}

// classOf is section 4's class of one stanza type.
export function classOf(type) {
  if (type === "scrypt") throw invalid("a passphrase stanza");
  return type === "mlkem768x25519" || type === "mlkem768p256tag" ? "post-quantum" : "classical";
}
