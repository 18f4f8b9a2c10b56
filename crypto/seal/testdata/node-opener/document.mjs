// Section 2, and what sections 3 to 7 and 12 ask of a document without a key.

import { classOf, parseAge } from "./agefile.mjs";
import { JSONNumber, parseJSON } from "./json.mjs";
import { base64, sortedKeys, utf8 } from "./notation.mjs";
import { Outcome, invalid } from "./outcome.mjs";
import { checkFor } from "./scope.mjs";

const maxDocument = 1_572_864;
const maxItems = 4096;
const maxEnvelopes = 4096;
const maxWraps = 32;
const maxKeys = 8;
const maxWrappedBefore = 64;
const maxSignature = 16 * 1024;
const minValue = 12 + 64 + 16;
const maxValues = 1_048_576;

// A struct has named members; the JSON reader has dropped those that are null.
class Struct {
  constructor(value, where, known) {
    if (!(value instanceof Map)) throw invalid(`${where} is not an object`);
    this.where = where;
    this.members = value;
    for (const name of known ? value.keys() : []) {
      if (!known.includes(name)) throw invalid(`${where} has an unknown member`);
    }
  }

  get(name, kind, required) {
    const value = this.members.get(name);
    if (value === undefined) {
      if (required) throw invalid(`${this.where}.${name} is missing`);
      return undefined;
    }
    if (!kinds[kind](value)) throw invalid(`${this.where}.${name} is not of the kind ${kind}`);
    return value;
  }
}

const kinds = {
  string: (v) => typeof v === "string",
  boolean: (v) => typeof v === "boolean",
  number: (v) => v instanceof JSONNumber,
  object: (v) => v instanceof Map,
  array: (v) => Array.isArray(v),
};

export function parseDocument(bytes) {
  if (bytes.length > maxDocument) throw new Outcome("TooLarge", "the document");
  const top = new Struct(parseJSON(bytes), "the document");
  if (top.get("apiVersion", "string", true) !== "waxwing.io/v1alpha1") throw invalid("apiVersion");
  if (top.get("kind", "string", true) !== "GitSecret") throw invalid("kind");
  const metadata = new Struct(top.get("metadata", "object") ?? new Map(), "metadata");
  const spec = new Struct(top.get("spec", "object", true), "spec", [
    "format", "for", "items", "envelopes", "type", "immutable", "template", "deletionPolicy", "onImmutable", "suspend", "signature",
  ]);
  if (spec.get("format", "number", true).text !== "1") throw invalid("spec.format");
  const doc = {
    target: {
      namespace: metadata.get("namespace", "string") ?? "",
      name: metadata.get("name", "string") ?? "",
    },
    annotations: strings(metadata.get("annotations", "object"), "metadata.annotations"),
    for: parseFor(spec.get("for", "object", true)),
    items: parseItems(spec.get("items", "object")),
    envelopes: parseEnvelopes(spec.get("envelopes", "object")),
    type: spec.get("type", "string") ?? "",
    immutable: spec.get("immutable", "boolean"),
    template: parseTemplate(spec.get("template", "object")),
    deletionPolicy: spec.get("deletionPolicy", "string") ?? "",
    onImmutable: spec.get("onImmutable", "string") ?? "",
    suspend: spec.get("suspend", "boolean") ?? false,
    signature: parseSignature(spec.get("signature", "object")),
  };
  if (!["", "Delete", "Retain"].includes(doc.deletionPolicy)) throw invalid("spec.deletionPolicy");
  if (!["", "Refuse", "Recreate"].includes(doc.onImmutable)) throw invalid("spec.onImmutable");
  for (const item of doc.items.values()) {
    if (!doc.envelopes.has(item.envelope)) throw invalid("an item names an envelope that is not there");
  }
  let capacity = 0;
  for (const item of doc.items.values()) capacity += item.value.length - 12 - 16 - 4;
  if (capacity > maxValues) throw new Outcome("TooLarge", "the values in sum");
  return doc;
}

function strings(map, where) {
  const out = new Map();
  for (const [key, value] of map ?? []) {
    if (typeof value !== "string") throw invalid(`${where} holds something else than strings`);
    out.set(key, value);
  }
  return out;
}

function parseFor(value) {
  const members = new Struct(value, "spec.for", ["scope", "namespace", "name"]);
  const bound = {
    scope: members.get("scope", "string", true),
    namespace: members.get("namespace", "string") ?? "",
    name: members.get("name", "string") ?? "",
  };
  checkFor(bound);
  return bound;
}

function parseItems(map) {
  const items = new Map();
  if ((map?.size ?? 0) > maxItems) throw invalid("too many items");
  for (const [name, value] of map ?? []) {
    if (!/^[-._a-zA-Z0-9]{1,253}$/.test(name) || name === "." || name.startsWith("..")) throw invalid("an item's name");
    const item = new Struct(value, "an item", ["envelope", "value"]);
    const sealed = base64(item.get("value", "string", true));
    if (sealed === null || sealed.length < minValue) throw invalid("an item's value");
    items.set(name, { envelope: item.get("envelope", "string", true), value: sealed });
  }
  return items;
}

function parseEnvelopes(map) {
  const envelopes = new Map();
  if ((map?.size ?? 0) > maxEnvelopes) throw invalid("too many envelopes");
  const classes = new Set();
  for (const [id, value] of map ?? []) {
    const members = new Struct(value, "an envelope", ["sealedAt", "commit", "wraps"]);
    const sealedAt = members.get("sealedAt", "string", true);
    if (sealedAt !== timeOf(id)) throw invalid("sealedAt is not the time of the envelope id");
    const commit = base64(members.get("commit", "string", true));
    if (commit?.length !== 32) throw invalid("an envelope's commit");
    const wraps = parseWraps(members.get("wraps", "object", true), classes);
    envelopes.set(id, { sealedAt, commit, wraps });
  }
  if (classes.size > 1) throw invalid("wraps of two classes");
  return envelopes;
}

const crockford = "0123456789abcdefghjkmnpqrstvwxyz";

// timeOf checks an envelope id and gives the sealedAt that belongs to it.
function timeOf(id) {
  if (!/^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(id)) throw invalid("an envelope's id");
  let ms = 0;
  for (const symbol of id.slice(0, 10)) ms = ms * 32 + crockford.indexOf(symbol);
  const iso = new Date(ms).toISOString();
  if (!/^[0-9]{4}-/.test(iso)) throw invalid("a year above 9999");
  return iso.slice(0, 19) + "Z";
}

function parseWraps(map, classes) {
  if (map.size < 1 || map.size > maxWraps) throw invalid("the number of wraps");
  const wraps = new Map();
  for (const holder of sortedKeys(map)) {
    if (holder.length > 63 || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(holder)) throw invalid("a holder's name");
    const members = new Struct(map.get(holder), "a wrap", ["keys", "wrappedBefore", "age"]);
    const keys = keyIDs(members.get("keys", "array", true), maxKeys);
    if (keys.length === 0) throw invalid("a wrap without keys");
    keyIDs(members.get("wrappedBefore", "array") ?? [], maxWrappedBefore);
    const { bytes, types } = parseAge(members.get("age", "string", true));
    if (types.length !== keys.length) throw invalid("as many stanzas as keys");
    for (const type of types) classes.add(classOf(type));
    wraps.set(holder, { keys, age: bytes });
  }
  return wraps;
}

function keyIDs(list, limit) {
  if (list.length > limit) throw invalid("too many key ids");
  if (!list.every((id) => typeof id === "string" && /^[0-9a-f]{32}$/.test(id))) throw invalid("a key id");
  if (new Set(list).size !== list.length) throw invalid("a key id stands twice");
  return list;
}

function parseTemplate(map) {
  const template = new Struct(map ?? new Map(), "spec.template", ["metadata", "data"]);
  const metadata = new Struct(template.get("metadata", "object") ?? new Map(), "spec.template.metadata", ["labels", "annotations"]);
  return {
    labels: strings(metadata.get("labels", "object"), "labels"),
    annotations: strings(metadata.get("annotations", "object"), "annotations"),
    data: strings(template.get("data", "object"), "spec.template.data"),
  };
}

function parseSignature(map) {
  if (map === undefined) return undefined;
  const members = new Struct(map, "spec.signature", ["signer", "sshsig"]);
  const signature = { signer: members.get("signer", "string", true), sshsig: members.get("sshsig", "string", true) };
  if (!/^SHA256:[A-Za-z0-9+/]{43}$/.test(signature.signer)) throw invalid("spec.signature.signer");
  const length = utf8(signature.sshsig).length;
  if (length === 0 || length > maxSignature) throw invalid("the length of the signature's armor");
  return signature;
}
