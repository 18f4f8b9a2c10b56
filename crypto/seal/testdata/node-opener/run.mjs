// Runs the opener over every vector of the folders that it is given. Prints a
// line for each vector that differs and one line of totals; exits 1 if any did.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { open } from "./open.mjs";
import { Outcome } from "./outcome.mjs";

// documentOf is section 14's way from a vector to the document's bytes.
function documentOf(vector) {
  const bytes = "document_base64" in vector ? Buffer.from(vector.document_base64, "base64") : Buffer.from(vector.document);
  const spaces = Math.max(0, (vector.document_length ?? 0) - bytes.length);
  return Buffer.concat([bytes, Buffer.alloc(spaces, " ")]);
}

async function outcomeOf(vector) {
  try {
    const values = await open(documentOf(vector), vector.identities ?? [], vector.require_signature ?? false);
    const out = [...values].sort().map(([name, value]) => [name, value.toString("base64")]);
    return { word: "ok", values: JSON.stringify(out) };
  } catch (error) {
    if (!(error instanceof Outcome)) throw error;
    return { word: error.word, why: error.message };
  }
}

let count = 0;
let wrong = 0;
for (const folder of process.argv.slice(2)) {
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
    const { vectors } = JSON.parse(readFileSync(join(folder, file), "utf8"));
    for (const [index, vector] of vectors.entries()) {
      count++;
      const got = await outcomeOf(vector);
      const same = got.word === vector.expect &&
        (got.word !== "ok" || got.values === JSON.stringify(Object.entries(vector.values).sort()));
      if (same) continue;
      wrong++;
      console.log(`${file} ${index} (${vector.description}): got ${got.word}, want ${vector.expect}; ${got.why ?? "values"}`);
    }
  }
}
console.log(`${count} vectors, ${wrong} wrong`);
process.exitCode = count > 0 && wrong === 0 ? 0 : 1;
