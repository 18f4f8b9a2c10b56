// Section 11: the signed message and OpenSSH's signature format.

import { createHash, createPublicKey, verify } from "node:crypto";

import { LP, MAP, base64 } from "./notation.mjs";
import { badSignature } from "./outcome.mjs";

const namespace = "object@waxwing.io";

export function signedMessage(doc) {
  const text = (map) => MAP(map, LP);
  const options = new Map();
  if (doc.deletionPolicy !== "") options.set("deletionPolicy", doc.deletionPolicy);
  if (doc.onImmutable !== "") options.set("onImmutable", doc.onImmutable);
  if (doc.suspend) options.set("suspend", "true");
  const annotations = new Map([...doc.annotations].filter(([key]) => key.startsWith("waxwing.io/")));
  return Buffer.concat([
    LP("waxwing.io/seal/v1/signature"),
    LP("1"), LP(doc.for.scope), LP(doc.for.namespace), LP(doc.for.name),
    MAP(doc.items, (item) => Buffer.concat([LP(item.envelope), LP(item.value)])),
    MAP(doc.envelopes, (envelope) => Buffer.concat([LP(envelope.sealedAt), LP(envelope.commit)])),
    LP(doc.type), LP(doc.immutable === undefined ? "" : String(doc.immutable)),
    text(doc.template.labels), text(doc.template.annotations), text(doc.template.data),
    text(options),
    text(annotations),
  ]);
}

// Blob reads the SSH wire encoding.
class Blob {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(n) {
    if (this.at + n > this.bytes.length) throw badSignature("the signature is cut");
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }

  u32() {
    return this.take(4).readUInt32BE();
  }

  string() {
    return this.take(this.u32());
  }

  end() {
    if (this.at !== this.bytes.length) throw badSignature("the signature has more bytes than it should");
  }
}

export function verifySignature(doc, required) {
  if (doc.signature === undefined) {
    if (required) throw badSignature("a signature is required");
    return;
  }
  const armor = /^-----BEGIN SSH SIGNATURE-----\n((?:[A-Za-z0-9+/=]+\n)+)-----END SSH SIGNATURE-----\n?$/.exec(doc.signature.sshsig);
  const bytes = armor && base64(armor[1].replaceAll("\n", ""));
  if (!bytes) throw badSignature("the armor");
  const blob = new Blob(bytes);
  if (blob.take(6).toString("latin1") !== "SSHSIG" || blob.u32() !== 1) throw badSignature("the preamble");
  const key = blob.string();
  const space = blob.string();
  const reserved = blob.string();
  const hash = blob.string().toString("latin1");
  const signature = blob.string();
  blob.end();
  if (reserved.length !== 0) throw badSignature("the reserved field");
  if (space.toString("latin1") !== namespace) throw badSignature("the namespace");
  if (hash !== "sha512" && hash !== "sha256") throw badSignature("the hash");
  const fingerprint = createHash("sha256").update(key).digest("base64").replace(/=+$/, "");
  if (doc.signature.signer !== "SHA256:" + fingerprint) throw badSignature("the signer");
  const digest = createHash(hash).update(signedMessage(doc)).digest();
  const signed = Buffer.concat([Buffer.from("SSHSIG"), LP(space), LP(reserved), LP(hash), LP(digest)]);
  let good;
  try {
    good = verifyBlob(key, signature, signed);
  } catch {
    // OpenSSL throws for keys that are none, such as points off the curve.
    good = false;
  }
  if (!good) throw badSignature("the signature");
}

const curves = {
  "ecdsa-sha2-nistp256": { name: "nistp256", crv: "P-256", hash: "sha256", size: 32 },
  "ecdsa-sha2-nistp384": { name: "nistp384", crv: "P-384", hash: "sha384", size: 48 },
  "ecdsa-sha2-nistp521": { name: "nistp521", crv: "P-521", hash: "sha512", size: 66 },
};
const hardwareEd25519 = "sk-ssh-ed25519@openssh.com";
const hardwareECDSA = "sk-ecdsa-sha2-nistp256@openssh.com";

function verifyBlob(keyBytes, signatureBytes, signed) {
  const key = new Blob(keyBytes);
  const type = key.string().toString("latin1");
  const outer = new Blob(signatureBytes);
  const algorithm = outer.string().toString("latin1");
  const signature = outer.string();
  if (type === "ssh-rsa") {
    outer.end();
    return verifyRSA(key, algorithm, signed, signature);
  }
  if (algorithm !== type) return false;
  if (type === "ssh-ed25519") {
    outer.end();
    return verify(null, signed, ed25519Key(key), signature);
  }
  if (Object.hasOwn(curves, type)) {
    outer.end();
    return verifyECDSA(curves[type], ecdsaKey(curves[type], key), signed, signature);
  }
  if (type === hardwareEd25519) {
    const publicKey = ed25519Key(key, "application follows");
    return verify(null, hardwareMessage(key, outer, signed), publicKey, signature);
  }
  if (type === hardwareECDSA) {
    const curve = curves["ecdsa-sha2-nistp256"];
    const publicKey = ecdsaKey(curve, key, "application follows");
    return verifyECDSA(curve, publicKey, hardwareMessage(key, outer, signed), signature);
  }
  return false;
}

// hardwareMessage is what a hardware key signs in place of the message (PROTOCOL.u2f).
function hardwareMessage(key, outer, signed) {
  const application = key.string();
  key.end();
  const flagsAndCounter = outer.take(5);
  outer.end();
  if ((flagsAndCounter[0] & 1) === 0) throw badSignature("nobody was present");
  const sha256 = (bytes) => createHash("sha256").update(bytes).digest();
  return Buffer.concat([sha256(application), flagsAndCounter, sha256(signed)]);
}

function ed25519Key(key, more) {
  const x = key.string();
  if (!more) key.end();
  return jwk({ kty: "OKP", crv: "Ed25519", x: url(x) });
}

function ecdsaKey(curve, key, more) {
  const name = key.string().toString("latin1");
  const point = key.string();
  if (!more) key.end();
  if (name !== curve.name || point.length !== 1 + 2 * curve.size || point[0] !== 4) throw badSignature("the key");
  const x = url(point.subarray(1, 1 + curve.size));
  const y = url(point.subarray(1 + curve.size));
  return jwk({ kty: "EC", crv: curve.crv, x, y });
}

function verifyECDSA(curve, key, signed, signature) {
  const pair = new Blob(signature);
  const rs = Buffer.concat([fill(natural(pair.string()), curve.size), fill(natural(pair.string()), curve.size)]);
  pair.end();
  return verify(curve.hash, signed, { key, dsaEncoding: "ieee-p1363" }, rs);
}

function verifyRSA(key, algorithm, signed, signature) {
  const e = minimal(key.string());
  const n = minimal(key.string());
  key.end();
  const bits = n.length === 0 ? 0 : n.length * 8 - Math.clz32(n[0]) + 24;
  if (bits < 2048 || bits > 16384 || e.length > 3) throw badSignature("the size of the key");
  if (algorithm !== "rsa-sha2-512" && algorithm !== "rsa-sha2-256") return false;
  const publicKey = jwk({ kty: "RSA", n: url(n), e: url(e) });
  return verify("sha" + algorithm.slice(-3), signed, publicKey, fill(signature, n.length));
}

const url = (bytes) => bytes.toString("base64url");
const jwk = (key) => createPublicKey({ key, format: "jwk" });

// natural gives the bytes of an mpint without zeros in front.
function natural(mpint) {
  if (mpint.length > 0 && mpint[0] >= 0x80) throw badSignature("a negative number");
  let at = 0;
  while (at < mpint.length && mpint[at] === 0) at++;
  return mpint.subarray(at);
}

// minimal is natural for an mpint with no more zeros in front than it needs.
function minimal(mpint) {
  if (mpint.length > 0 && mpint[0] === 0 && !(mpint[1] >= 0x80)) throw badSignature("a number with needless zeros");
  return natural(mpint);
}

function fill(bytes, size) {
  if (bytes.length > size) throw badSignature("a number is too large");
  return Buffer.concat([Buffer.alloc(size - bytes.length), bytes]);
}
