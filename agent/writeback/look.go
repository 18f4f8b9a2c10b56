// Package writeback puts what rotations ask for back into Git: the wraps that keyrings offer, their notes, and checkpoints of audit logs.
//
// It guarantees that only what verifies under a statement key that the repository pins, and that the Keyring shows, gets into a file, in the place of a wrap of the same
// holder for that very envelope; that no other line changes; that a commit is made upon one that was fetched and verified; and that nobody else's commit is ever pushed
// over. What is due is found by content: a repository that has it gets no commit. Look and Pace decide and do nothing; Writer acts, through interfaces.
package writeback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// What one look takes at the most, whatever files there are: each may stand at any number of paths.
const (
	maxRules   = 4 << 20   // bytes of settings and notes
	maxEdited  = 256 << 20 // bytes of files that are parsed to be changed
	maxChanged = 64 << 20  // bytes of files that are changed, unless Input says another number
	maxUntaken = 1000      // objects that nothing helps
)

// Input is what is looked at.
type Input struct {
	// Folder is spec.source.path: files below it are looked into. Settings and notes may lie above.
	Folder string
	// Files are all files of a commit, and Read reads one of them by its Blob.
	Files []source.File
	Read  func(ctx context.Context, blob string) ([]byte, error)
	// Keyrings and Objects are those of the cluster.
	Keyrings []Keyring
	Objects  []Object
	Memory   *Memory
	// Edited is how many bytes of files are parsed to be changed, and Changed how many change, at the most, give or take a file; those that are left are due afterwards. 0: 256 and 64 MiB.
	Edited, Changed int64
	// Begin is which file is the first one that may be changed: Found.Next of a look that has found nothing due. 0: the first of all.
	Begin int
}

// Due is what is to be put into Git for one holder.
type Due struct {
	Holder string
	// Set is that of the keyring's newest recipients.
	Set Set
	// Old are the ids of keys that the replaced wraps were for; sorted.
	Old []string
	// Objects and Wraps that change; both may be 0 where it is only the note.
	Objects, Wraps int
	// Changes are the new contents of files by path, upon those of the Due before.
	Changes map[string][]byte
}

// Found is what a look has come to.
type Found struct {
	Due []Due // by holder
	// Want are the files that all of Due together change.
	Want map[string][]byte
	// Digest tells one Due from another, whatever else is in the files. Empty: nothing is due.
	Digest string
	// Unhelped are objects of files with wraps that are not for the present keys, which nothing in the cluster helps; by path and document.
	Unhelped []v1alpha1.SyncRefusal
	// Problems say why nothing is written for a holder; sorted.
	Problems []string
	// RefusedOffers counts those that do not verify.
	RefusedOffers int
	// Next is what a look begins at that goes on after this one; 0 where this one has come to the end.
	Next int
}

// look is one look.
type look struct {
	in       Input
	keyrings map[string]*Keyring
	objects  map[[2]string]*Object
	live     map[string]*rewrap.Live
	byPath   map[string]source.File
	read     repo.ReadFile
	tree     *repo.Tree
	files    []file
	news     map[newsKey]*heard
	offers   *rewrap.Offers
	found    *Found
	digest   hash.Hash
	done     func() // ends the turn that settings which take much memory are parsed in; nil: nobody has it

	from, to       int                 // which of files are edited
	shown          map[string][]string // by keyring
	rules, changed int64               // bytes, so far
}

// file is one with a wrap of a holder whose keyring the cluster has.
type file struct {
	source.File
	claims *claims
	news   map[string]*heard // of its holders, by name
	err    error             // why its settings do not hold
}

// Look finds what is due in a commit. An error is of reading it, or of ctx.
func Look(ctx context.Context, in Input) (*Found, error) {
	l := &look{
		in: in, keyrings: map[string]*Keyring{}, objects: map[[2]string]*Object{}, live: map[string]*rewrap.Live{}, byPath: make(map[string]source.File, len(in.Files)),
		news: map[newsKey]*heard{}, shown: map[string][]string{}, found: &Found{Want: map[string][]byte{}}, digest: sha256.New(),
	}
	for i := range in.Keyrings {
		l.keyrings[in.Keyrings[i].Name] = &in.Keyrings[i]
	}
	if err := l.list(ctx); err != nil {
		return nil, err
	}
	l.read = l.reader(ctx)
	l.tree = repo.NewCommitTree(l.inTurn(ctx))
	for i := range l.files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l.settings(&l.files[i])
	}
	l.judge()
	l.window()
	l.take()
	for _, k := range slices.SortedFunc(slices.Values(in.Keyrings), func(a, b Keyring) int { return strings.Compare(a.Name, b.Name) }) {
		if err := l.rotate(ctx, k.Name); err != nil {
			return nil, err
		}
	}
	f := l.found
	if len(f.Due) > 0 {
		f.Digest = hex.EncodeToString(l.digest.Sum(nil))
	}
	slices.Sort(f.Problems)
	f.Problems = slices.Compact(f.Problems)
	slices.SortStableFunc(f.Unhelped, func(a, b v1alpha1.SyncRefusal) int {
		if a.Path != b.Path {
			return strings.Compare(a.Path, b.Path)
		}
		return int(a.Document - b.Document)
	})
	f.Unhelped = slices.Compact(f.Unhelped)
	return f, ctx.Err()
}

// list finds the files that matter.
func (l *look) list(ctx context.Context) error {
	var all []source.File
	for _, f := range l.in.Files {
		l.byPath[f.Path] = f
		if f.Kind == source.Regular && f.Size <= MaxFile && below(l.in.Folder, f.Path) && plain(f.Path) && scan.IsManifest(path.Base(f.Path)) {
			all = append(all, f)
		}
	}
	found, errs := make([]*claims, len(all)), make([]error, len(all))
	if err := scan.Parallel(ctx, len(all), func(i int) { found[i], errs[i] = l.in.Memory.of(ctx, all[i], l.in.Read) }); err != nil {
		return err
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, f := range all {
		if found[i].over {
			l.found.Problems = append(l.found.Problems, fmt.Sprintf("the files claim more wraps and keys than the %d MiB that are kept of them: those that are left are not looked into", maxKnown>>20))
		}
		if found[i].sealed && found[i].has(l.keyrings) {
			l.files = append(l.files, file{File: f, claims: found[i]})
		}
	}
	return nil
}

// below says whether a path is of a file in a folder.
func below(folder, name string) bool {
	folder = strings.Trim(path.Clean("/"+folder), "/")
	return folder == "" || strings.HasPrefix(name, folder+"/")
}

// plain says whether a path is one that honest Git has, so that it can be written to. What is in files with others nobody syncs.
func plain(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.ContainsFunc(part, unicode.IsControl) {
			return false
		}
	}
	return utf8.ValidString(name)
}

// reader reads files of the commit by path.
func (l *look) reader(ctx context.Context) repo.ReadFile {
	return func(name string) ([]byte, error) {
		f, ok := l.byPath[name]
		switch {
		case !ok:
			return nil, fs.ErrNotExist
		case f.Kind != source.Regular:
			return nil, repo.ErrNotRegular
		case f.Size > MaxFile:
			return nil, fmt.Errorf("is longer than %d KiB", MaxFile>>10)
		}
		if l.rules += f.Size; l.rules > maxRules {
			return nil, fmt.Errorf("is not read: settings and notes have more than %d KiB", maxRules>>10)
		}
		b, err := l.in.Read(ctx, f.Blob)
		if err == nil && scan.Nodes(b) > scan.MaxNodes {
			return nil, fmt.Errorf("holds more than %d values", scan.MaxNodes)
		}
		return b, err
	}
}

// inTurn reads files that are parsed at once: those that take much memory in their turn, which lasts until there is an answer for a file (settings).
func (l *look) inTurn(ctx context.Context) repo.ReadFile {
	return func(name string) ([]byte, error) {
		b, err := l.read(name)
		if err != nil || l.done != nil || !scan.Dear(b) {
			return b, err
		}
		l.done, err = l.in.Memory.turn.Take(ctx, b)
		return b, err
	}
}

// settings finds what holds for a file.
func (l *look) settings(f *file) {
	defer func() {
		if l.done != nil {
			l.done()
			l.done = nil
		}
	}()
	place := repo.PlaceOf(f.Path)
	if ignored, err := l.tree.Ignored(place); ignored || err != nil {
		f.err = err
		return
	}
	rules, err := l.tree.Rules(place)
	if err != nil {
		f.err = err
		return
	}
	f.news = map[string]*heard{}
	for _, h := range rules.Holders {
		if k := l.keyrings[h.Name]; k != nil && h.StatementKey != "" {
			f.news[h.Name] = l.hear(h, k)
		}
	}
}
