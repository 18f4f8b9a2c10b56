//go:build !race

package verify_test

const mutationCount = manyMutations
