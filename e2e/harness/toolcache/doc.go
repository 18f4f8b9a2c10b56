// Package toolcache builds the heavy programs that the end-to-end tests run (see Catalogue) from source, once, and
// keeps them in a folder outside the tree.
//
// A program's folder is named by a hash of everything that it is built from: its module's go.mod and go.sum, its own
// sources, the Go version and platform, and the build flags. So a binary that is found is the right one, two
// checkouts share it, and whatever changes one of these builds anew. Builds wait for each other across processes,
// and a binary appears only when it is whole. Programs that nobody asked for in a month are removed.
//
// What a build needs is a Go toolchain and either a filled module cache or a module proxy. Nothing here checks what
// the programs do, and nothing is ever downloaded but the modules that go.sum names.
package toolcache
