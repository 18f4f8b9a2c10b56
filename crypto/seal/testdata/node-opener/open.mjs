// Sections 5 to 9: opening a document, in the order of section 9.

import { constants, createHash, createPrivateKey, createPublicKey, privateDecrypt, timingSafeEqual, webcrypto } from "node:crypto";

import { Decrypter, identityToRecipient } from "age-encryption";

import { parseDocument } from "./document.mjs";
import { LP, sortedKeys, utf8 } from "./notation.mjs";
import { Outcome, tampered } from "./outcome.mjs";
import { checkTarget } from "./scope.mjs";
import { verifySignature } from "./signature.mjs";

const { subtle } = webcrypto;
const prefix = "waxwing.io/seal/v1/";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

// rsaIdentity is section 14's text of a private key of section 4.1, with the key id of its recipient.
function rsaIdentity(text) {
  const key = createPrivateKey({ key: Buffer.from(text, "base64"), format: "der", type: "pkcs8" });
  const modulus = Buffer.from(createPublicKey(key).export({ format: "jwk" }).n, "base64url");
  const check = sha256(Buffer.concat([utf8(prefix + "rsa4096"), modulus])).subarray(0, 4);
  const recipient = "waxrsa1" + Buffer.concat([modulus, check]).toString("base64url");
  const id = sha256(utf8(recipient)).toString("hex").slice(0, 32);
  const unwrapFileKey = (stanzas) => {
    for (const { args, body } of stanzas) {
      if (args.length !== 2 || args[0] !== "waxwing.io/rsa4096" || args[1] !== id || body.length !== 512) continue;
      const fileKey = privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, body);
      if (fileKey.length !== 16) throw new Error("no file key");
      return new Uint8Array(fileKey);
    }
    return null;
  };
  return { id, identity: { unwrapFileKey } };
}

// keyRing puts each identity under its key id (section 4).
export async function keyRing(identities) {
  const ring = new Map();
  for (const identity of identities) {
    if (identity.startsWith("rsa:")) {
      const rsa = rsaIdentity(identity.slice(4));
      ring.set(rsa.id, rsa.identity);
      continue;
    }
    const recipient = await identityToRecipient(identity);
    ring.set(sha256(utf8(recipient)).toString("hex").slice(0, 32), identity);
  }
  return ring;
}

// open gives the values as a Map, or throws an Outcome.
export async function open(bytes, identities, requireSignature) {
  const doc = parseDocument(bytes);
  verifySignature(doc, requireSignature);
  checkTarget(doc.for, doc.target);
  const ring = await keyRing(identities);
  const named = new Set([...doc.items.values()].map((item) => item.envelope));
  const keys = new Map();
  for (const id of sortedKeys(doc.envelopes)) {
    if (named.has(id)) keys.set(id, await openEnvelope(doc, id, ring));
  }
  const values = new Map();
  for (const name of sortedKeys(doc.items)) {
    values.set(name, await openItem(doc, name, keys.get(doc.items.get(name).envelope)));
  }
  return values;
}

function info(doc, purpose, id, item) {
  return Buffer.concat([
    LP(prefix + purpose), LP("1"),
    LP(doc.for.scope), LP(doc.for.namespace), LP(doc.for.name),
    LP(id), LP(doc.envelopes.get(id).sealedAt), LP(item),
  ]);
}

async function derive(envelopeKey, context) {
  const key = await subtle.importKey("raw", envelopeKey, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: context };
  return new Uint8Array(await subtle.deriveBits(how, key, 256));
}

function findKey(envelope, ring) {
  for (const holder of sortedKeys(envelope.wraps)) {
    const wrap = envelope.wraps.get(holder);
    for (const id of wrap.keys) {
      if (ring.has(id)) return { wrap, identity: ring.get(id) };
    }
  }
  throw new Outcome("NoMatchingKey", "no holder's key is there");
}

async function openEnvelope(doc, id, ring) {
  const envelope = doc.envelopes.get(id);
  const { wrap, identity } = findKey(envelope, ring);
  let plain;
  try {
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    plain = Buffer.from(await decrypter.decrypt(wrap.age));
  } catch {
    throw tampered("a wrap does not open");
  }
  const tag = utf8(prefix + "wrap");
  const claimed = sha256(Buffer.concat(wrap.keys.map((key) => LP(key))));
  const fits = plain.length === 87 && plain.subarray(0, 23).equals(tag) && timingSafeEqual(plain.subarray(55), claimed);
  if (!fits) throw tampered("a wrap holds something else than it should");
  const envelopeKey = plain.subarray(23, 55);
  const context = info(doc, "commit", id, "");
  const raw = await derive(envelopeKey, context);
  const key = await subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const commit = Buffer.from(await subtle.sign("HMAC", key, context));
  if (!timingSafeEqual(commit, envelope.commit)) throw tampered("the commit");
  return envelopeKey;
}

async function openItem(doc, name, envelopeKey) {
  const item = doc.items.get(name);
  const context = info(doc, "value", item.envelope, name);
  const key = await subtle.importKey("raw", await derive(envelopeKey, context), "AES-GCM", false, ["decrypt"]);
  const how = { name: "AES-GCM", iv: item.value.subarray(0, 12), additionalData: context, tagLength: 128 };
  let padded;
  try {
    padded = Buffer.from(await subtle.decrypt(how, key, item.value.subarray(12)));
  } catch {
    throw tampered("a value does not open");
  }
  return unpad(padded);
}

// Section 8.
function paddedLength(n) {
  if (n <= 1024) return Math.ceil(n / 64) * 64;
  const e = Math.floor(Math.log2(n));
  const step = 2 ** (e - (Math.floor(Math.log2(e)) + 1));
  return Math.ceil(n / step) * step;
}

function unpad(padded) {
  const length = padded.readUInt32BE();
  if (4 + length > padded.length) throw tampered("the length of a value");
  if (paddedLength(4 + length) !== padded.length) throw tampered("the padded length of a value");
  if (padded.subarray(4 + length).some((b) => b !== 0)) throw tampered("the fill of a value");
  return padded.subarray(4, 4 + length);
}
