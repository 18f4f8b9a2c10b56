// Section 1: u32, LP, MAP, base64 and hex.

export const utf8 = (text) => Buffer.from(text, "utf8");

export function u32(n) {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
}

export function LP(x) {
  const b = typeof x === "string" ? utf8(x) : Buffer.from(x);
  return Buffer.concat([u32(b.length), b]);
}

// byteOrder compares the UTF-8 of two strings. JavaScript's own order is that
// of UTF-16 and differs above U+FFFF.
export const byteOrder = (a, b) => Buffer.compare(utf8(a), utf8(b));

export const sortedKeys = (map) => [...map.keys()].sort(byteOrder);

export function MAP(map, encode) {
  const parts = [u32(map.size)];
  for (const key of sortedKeys(map)) parts.push(LP(key), encode(map.get(key)));
  return Buffer.concat(parts);
}

// base64 gives the bytes, or null when the text is not in the one canonical form.
export function base64(text) {
  const b = Buffer.from(text, "base64");
  return b.toString("base64") === text ? b : null;
}

// base64Unpadded is the same for RFC 4648 without the padding.
export function base64Unpadded(text) {
  const b = Buffer.from(text, "base64");
  return b.toString("base64").replace(/=+$/, "") === text ? b : null;
}
