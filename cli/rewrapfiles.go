package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// rewrapper works on many files.
type rewrapper struct {
	job
	o       *rewrapOptions
	source  *recipientSource
	cluster *clusterOffers // nil where no cluster was asked
	ids     []seal.Identity
	signer  ssh.Signer // nil to leave unsigned what is sealed anew
	batch   replace.Batch
	results []rewrapped
	only    func(*seal.Document) bool // with --fresh, what is sealed anew; nil for all
}

// rewrapped is what is kept of one file.
type rewrapped struct {
	findings []wrapFinding
	left     []wrapFinding   // what stays stale
	objects  int             // GitSecrets that were looked at
	known    bool            // one of them has a wrap of the holder that --holder names
	changed  int             // wraps that were replaced, or GitSecrets that were sealed anew
	holders  map[string]bool // whose wraps those are, or for whom they were sealed
	dropped  map[string]int  // GitSecrets that a holder can no longer open
	unsigned []string        // GitSecrets that lost their signature
	out      []byte          // for --out
}

// What is wrong between an object and its holders.
const (
	problemStale  = "stale"     // for other keys than the holder has now
	problemAbsent = "missing"   // the settings name a holder that the object is not sealed for
	problemGone   = "no holder" // the object is sealed for somebody whom the settings do not name
	problemNote   = "old note"  // the cluster has newer recipients than the note of the repository
)

// wrapFinding is one thing that is wrong, or is left so, as reports have it.
type wrapFinding struct {
	File      string   `json:"file"`
	Document  int      `json:"document,omitempty"` // counted from 1; absent for a note
	Item      []int    `json:"item,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name"`
	Holder    string   `json:"holder"`
	Problem   string   `json:"problem"`
	Envelopes []string `json:"envelopes,omitempty"` // whose wraps are stale
	Keys      []string `json:"keys,omitempty"`      // key ids that they are for
	Now       []string `json:"now,omitempty"`       // key ids of the holder
	Back      bool     `json:"back,omitempty"`      // the wraps were for those keys before: somebody may have put back an older note
	Offered   []string `json:"offered,omitempty"`   // envelopes for which the cluster offers wraps
	Why       string   `json:"why,omitempty"`       // why it does not for the others

	label string
	hint  string
}

func (r *rewrapper) rewrapAll(ctx context.Context) error {
	defer r.batch.Discard()
	r.results = make([]rewrapped, len(r.inputs))
	verb := "rewrapping"
	if r.o.check {
		verb = "checking"
	}
	err := r.run(ctx, verb, r.rewrapOne)
	if err == nil {
		err = r.holderSeen()
	}
	switch {
	case err != nil && len(r.inputs) > 1 && ctx.Err() == nil && !isUsage(err) && !r.o.check:
		return errors.Join(err, failed("", "nothing was written"))
	case err != nil:
		return err
	case r.o.check:
		return r.report()
	}
	if err := r.write(ctx); err != nil {
		return err
	}
	return r.tell()
}

// write writes what was made: the file that --out names, or all files and notes together.
func (r *rewrapper) write(ctx context.Context) error {
	switch {
	case r.o.dryRun:
		return nil
	case r.o.out != "":
		return r.env.writeOut(r.o.out, r.results[0].out, sealedMode)
	}
	for _, n := range r.notes() {
		if err := saveNote(&r.batch, n); err != nil {
			return err
		}
	}
	if err := r.batch.Sync(ctx); err != nil {
		return withWayOut(err)
	}
	return withWayOut(r.batch.Commit())
}

// notes are those that are to be renewed.
func (r *rewrapper) notes() []*holderNews {
	if r.cluster == nil || r.o.out != "" {
		return nil
	}
	return r.cluster.renewed()
}

// saveNote stages the note of a holder.
func saveNote(batch *replace.Batch, n *holderNews) error {
	dir := filepath.Dir(n.holder.Note)
	if err := notThroughLinks(dir, n.holder.Note); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return fmt.Errorf("making the folder of notes: %w", err)
	}
	return withWayOut(batch.Write(n.holder.Note, n.Note, sealedMode))
}

// rewrapOne works on one file.
func (r *rewrapper) rewrapOne(ctx context.Context, i int, in input) error {
	data, err := r.read(ctx, in, scan.Finding.MayBeSealed)
	if err != nil || data == nil {
		return err
	}
	name := shownName(in.name)
	file, err := manifest.Parse(name, data)
	if err != nil {
		return withIgnore(in, err)
	}
	all := objects(name, file, math.MaxInt)
	todo, err := r.sealedObjects(file, all)
	if err != nil {
		return err
	}
	if len(todo) == 0 {
		if in.found {
			return nil
		}
		return noneSealed(name, "", all)
	}
	at, err := r.source.at(r.placeOf(in))
	if err != nil {
		return err
	}
	if len(at.holders) == 0 {
		return noRecipients()
	}
	f := &fileRewrapper{rewrapper: r, at: at, out: &r.results[i]}
	if err := f.all(todo); err != nil || r.o.check {
		return err
	}
	out := file.Bytes()
	switch {
	case r.o.out != "":
		r.results[i].out = out
		return nil
	case bytes.Equal(data, out), r.o.dryRun:
		return nil
	}
	if err := r.hold(len(data)); err != nil {
		return err
	}
	return withWayOut(r.batch.Update(r.env.path(in.name), data, out))
}

func (r *rewrapper) placeOf(in input) string {
	if in.name == stdinArg && r.o.out != "" {
		return r.o.out
	}
	return in.name
}

// sealedObject is a GitSecret, with what edits it.
type sealedObject struct {
	object
	text *manifest.Doc
	doc  *seal.Document
}

// sealedObjects are the GitSecrets of a file, checked.
func (r *rewrapper) sealedObjects(file *manifest.File, all []object) ([]sealedObject, error) {
	texts := rewrap.Sealed(file)
	var out []sealedObject
	var errs []error
	for _, obj := range all {
		if obj.role != isSealed {
			continue
		}
		if len(out)+len(errs) == len(texts) {
			return nil, failed("", "%s: the list cannot be edited", obj.label())
		}
		doc, err := seal.ParseDocument(obj.raw)
		if err != nil {
			errs = append(errs, obj.error(err))
			continue
		}
		out = append(out, sealedObject{object: obj, text: texts[len(out)+len(errs)], doc: doc})
	}
	return out, errors.Join(errs...)
}

// holderSeen refuses the name of a holder that nothing is sealed for: it is probably misspelled.
func (r *rewrapper) holderSeen() error {
	if r.o.holder == "" {
		return nil
	}
	objects := 0
	for _, res := range r.results {
		if res.known {
			return nil
		}
		objects += res.objects
	}
	if objects == 0 {
		return nil
	}
	return failed("holders are named in wraps, below spec.envelopes; give recipients of theirs with -r, -R or "+repo.SettingsName,
		"none of %s is sealed for a holder %s whose recipients are known", countOf(objects, "GitSecret"), shown(r.o.holder))
}
