//go:build race

package verify_test

// The verifier has one goroutine: the race detector learns nothing more from the rest, and is slow.
const mutationCount = manyMutations / 50
