// Package manifest reads and edits files of Kubernetes documents, in YAML and
// in JSON, so that bytes nobody touched stay exactly as they are.
//
// # What it does
//
// Parse splits a file into documents: YAML documents between their "---" and
// "..." marks, or one or several concatenated JSON values. Each document can be
// read as JSON, replaced as a whole, or edited entry by entry. An edit splices
// text: it changes the lines of its entry and no others, keeps the line
// endings, the indentation and the missing or present final newline, and leaves
// comments on other lines alone.
//
// # Guarantees
//
//   - File.Bytes returns the input byte for byte as long as nothing was edited,
//     and every document that was not edited is returned byte for byte.
//   - After each edit the document is parsed again and compared with what was
//     asked for; of an entry of strings on lines of its own, these lines alone
//     where they cannot mean anything else in their place. Where a minimal
//     splice does not give what was asked for, the smallest enclosing mapping is
//     rendered anew; where that does not either, the edit is an error and the
//     document is unchanged.
//   - Parse and every edit run in bounded memory and time on hostile input: the
//     limits on size, number of documents, nesting, nodes and alias expansion
//     are constants of this package.
//   - Errors carry a file, a line and names of keys, never a scalar value of a
//     document: it may be the plaintext of a Secret.
//
// # How YAML is read
//
// JSON follows what kubectl does (YAML 1.1 as sigs.k8s.io/yaml reads it): plain
// yes, no, on, off, y and n are booleans, 0x1f, 0b1, 017 and 1_000 are integers,
// 1e3 is a number, plain timestamps stay strings as written, quoted scalars are
// always strings, and keys that are numbers or booleans become strings. What
// readers read differently is refused: a key that appears twice, a merge ("<<")
// after an entry that it would replace, a byte order mark in the middle of a
// file, and, where the value is asked for, a tag that is not one of YAML's own.
//
// # What it does not do
//
// It knows no Kubernetes types and validates nothing against a schema, reads and
// writes no files, and renders no templates: Helm templates are refused, with a
// hint to render the chart first. Actions of other template languages inside
// plain scalars (a Prometheus rule's "{{ $value }}") pass through, except in a
// Secret, where they would be taken for the value. A File and its Docs are not
// safe for concurrent use.
package manifest
