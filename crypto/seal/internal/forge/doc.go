// Package forge makes sealed documents from their parts, sound or not: what the tests and the vectors of the format need and a Sealer must not do.
//
// It derives everything from docs/format.md by itself and takes only types from package seal, so that a slip in one is seen by the other. It is for
// tests: it draws from crypto/rand, panics where a test could not go on, and guards nothing.
package forge
