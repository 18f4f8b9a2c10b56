// Package source fetches Git repositories into a private cache and reads commits from it.
//
// It guarantees that a repository, however hostile, costs no more than its Limits in bytes, objects, files, history and time, that no file of it is ever made on the disk
// (objects stay in the object store), that no symlink is followed and no program of it is run, and that a push never takes the place of a commit that was not seen. It knows
// no Kubernetes and decides nothing about what is in the files.
package source

import (
	"time"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// Place is a branch or tag of a repository.
type Place struct {
	URL    string // as v1alpha1.SyncSource has it
	Branch string // either this
	Tag    string // or that
}

// Commit is a commit of a repository.
type Commit struct {
	ID     string // hex
	Parent []string
	Tree   string
	// Author and Message are text from outside: clean them before they are shown.
	Author, Message string
	When            time.Time // when it was committed, as it says
	// Tag is the tag object that named it, where Place is an annotated tag: that is what Verify looks at then.
	Tag string
}

// Kind is what a tree entry is.
type Kind int

// Kinds.
const (
	Regular   Kind = iota
	Symlink        // its content, where it points to, is not read
	Submodule      // a commit of another repository, which is not looked at
	Folder         // one that was not looked into, because it is too deep, or its path too long
	Malformed      // what no honest Git makes: two entries of one name, names that are empty or hold a /, unknown modes
)

// File is an entry of a commit's tree. Folders are only those that were not looked into.
type File struct {
	Path string // from the root of the repository, with /; not cleaned: text from outside
	Kind Kind
	Size int64  // of a Regular one
	Blob string // hex; equal ids have equal content
}

// Relation is how a commit stands to one that was seen before.
type Relation string

// Relations.
const (
	Same      Relation = "same"
	Ahead     Relation = "ahead"     // it descends from it
	Rewritten Relation = "rewritten" // it does not
	Unknown   Relation = "unknown"   // the history that was fetched does not reach so far
)

// Limits bound what a repository may cost. Zero values are the defaults.
type Limits struct {
	PackBytes   int64         // of one fetch, as it comes over the network; 256 MiB
	ObjectBytes int64         // of one object, inflated; 32 MiB
	TotalBytes  int64         // of all objects of one fetch, inflated; 2 GiB
	Objects     int64         // of one fetch; 2,000,000
	CacheBytes  int64         // of a repository's cache on the disk, which is made anew when it is larger; 1 GiB
	Files       int           // of a tree; 100,000
	FileBytes   int64         // of a file that is read; 1 MiB
	PathDepth   int           // folders in folders; 32
	Depth       int           // of the history that is fetched, in commits, and that is looked through for a commit; 5,000
	Timeout     time.Duration // of one fetch or push; 2 min
	// Turn is what the repositories of a process share, so that they do not all take the memory that each may; nil: each is by itself.
	Turn *pack.Turn
}

// Reason is why a repository cannot be used; one word, for conditions.
type Reason string

// Reasons.
const (
	FetchFailed          Reason = "FetchFailed"          // anything else; it is tried again
	AuthenticationFailed Reason = "AuthenticationFailed" // it does not take the credentials
	HostUnknown          Reason = "HostUnknown"          // its SSH host key, or its certificate, is not one that was given
	RefNotFound          Reason = "RefNotFound"          // it has no such branch or tag
	RepositoryEmpty      Reason = "RepositoryEmpty"
	RepositoryTooLarge   Reason = "RepositoryTooLarge" // it is over a limit, which the message names
	RepositoryUnsafe     Reason = "RepositoryUnsafe"   // it has what no honest Git makes
	TimedOut             Reason = "TimedOut"
	CredentialsRefused   Reason = "CredentialsRefused" // the agent's configuration does not let them be used here
	CommitNotSigned      Reason = "CommitNotSigned"    // or by nobody who is allowed to
	HistoryRewritten     Reason = "HistoryRewritten"
	PushRejected         Reason = "PushRejected"    // somebody else has pushed meanwhile
	BranchProtected      Reason = "BranchProtected" // the server does not let this branch be pushed to
)

// Error is why a repository cannot be used. Its text has no credentials in it.
type Error struct {
	Reason Reason
	Msg    string
	Err    error // may be nil
}

// Error is the message.
func (e *Error) Error() string { return e.Msg }

// Unwrap gives what is behind it.
func (e *Error) Unwrap() error { return e.Err }
