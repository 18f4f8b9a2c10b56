// Section 3: `for`, and the target that it allows.

import { Outcome, invalid } from "./outcome.mjs";

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const glob = /^[-a-z0-9*]{1,63}$/;

const isNamespace = (s) => s.length <= 63 && label.test(s);
const isName = (s) => s.length <= 253 && s.split(".").every((part) => label.test(part));

export function checkFor({ scope, namespace, name }) {
  const want = (namespaceNeeded, nameNeeded) => {
    if (namespaceNeeded ? !isNamespace(namespace) : namespace !== "") throw invalid("for.namespace");
    if (nameNeeded ? !isName(name) : name !== "") throw invalid("for.name");
  };
  if (scope === "strict") want(true, true);
  else if (scope === "namespace") want(true, false);
  else if (scope === "cluster") want(false, false);
  else if (scope.startsWith("match:") && glob.test(scope.slice(6))) want(false, true);
  else throw invalid("for.scope");
}

export function checkTarget({ scope, namespace, name }, target) {
  let fits;
  if (scope === "strict") fits = target.namespace === namespace && target.name === name;
  else if (scope === "namespace") fits = target.namespace === namespace;
  else if (scope === "cluster") fits = true;
  else fits = target.name === name && matches(scope.slice(6), target.namespace);
  if (!fits) throw new Outcome("ScopeMismatch", "the target is not the one that was sealed for");
}

// matches looks for the pieces between the stars from left to right: the
// leftmost place of each is always as good as any later one.
function matches(pattern, text) {
  if (text === "") return false;
  const pieces = pattern.split("*");
  if (pieces.length === 1) return text === pattern;
  const first = pieces.shift();
  const last = pieces.pop();
  if (text.length < first.length + last.length) return false;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  const end = text.length - last.length;
  let at = first.length;
  for (const piece of pieces) {
    const found = text.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
