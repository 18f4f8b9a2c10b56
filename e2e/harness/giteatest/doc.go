// Package giteatest runs a real Gitea for tests, unmodified and built from its Go module: Git over HTTP and SSH, accounts with tokens and keys, webhooks, branches that are
// protected, pull requests. And it does with it what people do: clone, commit, push, review, merge.
//
// Each Gitea is the test's own: SQLite and repositories in a folder that goes with the test process, free ports of the loopback, TLS with a private certificate authority, an SSH
// host key of its own. It is ready in two seconds, takes 180 MB, and ends with the test, or with the test process however that ends.
//
// Gitea is a module of its own under e2e/tools/gitea, so nothing of it is among the dependencies of what ships. It reads its templates from its folder in the module cache.
package giteatest
