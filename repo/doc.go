// Package repo is a repository of sealed files: what its .seal.yaml files say, and the notes of recipients beside them.
//
// docs/settings.md describes the file. The package guarantees that the search for settings ends at the repository's root, that a keyring's recipients are
// taken only from a note that verifies under the pinned statement key, that settings name no path outside of the repository and no program, and that
// reading them takes bounded memory and time. It decides nothing about a file's content, writes no file, and does not talk to a cluster.
package repo
