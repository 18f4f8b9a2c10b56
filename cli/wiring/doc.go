// Package wiring is the text that seal adds to files of other owners: marked blocks in .gitattributes and in a pre-commit hook, and Git's settings for its
// drivers.
//
// It guarantees that adding a block twice changes nothing, and that removing it gives back what was there before, byte for byte. It reads and writes no
// files and runs no program.
package wiring
