package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// sealFiles is `seal -w`, --check and --dry-run: many files at a time, in place or not at all.
func sealFiles(ctx context.Context, env *Env, o *sealOptions, args []string) error {
	source, err := o.source(ctx, env)
	if err != nil {
		return err
	}
	inputs, err := env.inputs(args, env.manifests(ctx, source.tree))
	if err != nil {
		return err
	}
	if len(inputs) == 0 {
		env.warnIgnored(ctx, source.tree, args)
	}
	t := &treeSealer{job: job{env: env, inputs: inputs}, o: o, source: source, results: make([]outcome, len(inputs))}
	if o.write {
		if t.signer, err = o.signer(ctx, env, env.folderOf(args[0])); err != nil {
			return err
		}
	}
	defer t.batch.Discard()
	if err := t.run(ctx, "sealing", t.sealOne); err != nil {
		if len(inputs) > 1 && !isUsage(err) && ctx.Err() == nil && o.write {
			err = errors.Join(err, failed("", "nothing was written"))
		}
		return err
	}
	if o.lists() {
		return t.list()
	}
	if err := t.batch.Sync(ctx); err != nil {
		return withWayOut(err)
	}
	if err := withWayOut(t.batch.Commit()); err != nil {
		return err
	}
	t.warn()
	if slices.ContainsFunc(args, env.isFolder) {
		message(env.Stderr, "seal: ", t.summary("sealed"))
	}
	return nil
}

// treeSealer seals many files.
type treeSealer struct {
	job
	o       *sealOptions
	source  *recipientSource
	signer  ssh.Signer // nil to leave the results unsigned
	batch   replace.Batch
	results []outcome
}

// outcome is what is kept of one file.
type outcome struct {
	warnings, linked []string
	secrets          []listed
	holders          []string
}

// listed is a Secret that is not sealed, as a report shows it.
type listed struct {
	File      string `json:"file"`
	Document  int    `json:"document"` // counted from 1
	Item      []int  `json:"item,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`

	label string
}

func (t *treeSealer) sealOne(ctx context.Context, i int, in input) error {
	data, err := t.read(ctx, in, scan.Finding.MayHoldPlaintext)
	if err != nil || data == nil {
		return err
	}
	r, err := sealFile(t.env, t.o, t.source, t.signer, in, data)
	if err != nil || r == nil {
		return withIgnore(in, err)
	}
	out := &t.results[i]
	out.warnings = r.warnings
	for _, obj := range r.secrets {
		l := listed{File: shownName(in.name), Document: obj.index + 1, Namespace: obj.namespace, Name: obj.node.name, label: obj.label()}
		for _, n := range obj.path {
			l.Item = append(l.Item, n+1)
		}
		out.secrets = append(out.secrets, l)
	}
	if bytes.Equal(r.in, r.out) {
		return nil
	}
	if out.holders, err = t.holders(in); err != nil || t.o.dryRun {
		return err
	}
	return t.stage(in, r, out)
}

func (t *treeSealer) holders(in input) ([]string, error) {
	at, err := t.source.at(in.name)
	if err != nil {
		return nil, err
	}
	return sealedFor(at.holders), nil
}

func (t *treeSealer) stage(in input, r *sealed, out *outcome) error {
	if err := t.hold(len(r.in)); err != nil {
		return err
	}
	path := t.env.path(in.name)
	if replace.Linked(path) {
		out.linked = []string{in.name + ": the file had another name (a hard link), which keeps the plaintext"}
	}
	return withWayOut(t.batch.Update(path, r.in, r.out))
}

// warn writes the warnings of all files, up to a number that somebody may still read.
func (t *treeSealer) warn() {
	var all []string
	for _, r := range t.results {
		all = append(all, r.warnings...)
	}
	for _, r := range t.results {
		all = append(all, r.linked...)
	}
	warn(t.env.Stderr, all[:min(len(all), maxWarnings)]...)
	if more := len(all) - maxWarnings; more > 0 {
		warn(t.env.Stderr, "and "+countOf(more, "more warning"))
	}
}

// list reports what is not sealed.
func (t *treeSealer) list() error {
	all := []listed{}
	for _, r := range t.results {
		all = append(all, r.secrets...)
	}
	_, asJSON, _ := t.o.output.syntax()
	err := t.env.writeReport(asJSON, all, func(t *reportText) {
		for _, l := range all {
			message(t.out, "", l.label)
		}
	})
	if err != nil {
		return err
	}
	t.warn()
	if t.o.dryRun {
		message(t.env.Stderr, "seal: ", t.summary("would seal"))
		return nil
	}
	if n, files := t.count(); n > 0 {
		return &failure{code: exitFindings, msg: countOf(n, "Secret") + " in " + countOf(files, "file") + " not sealed", hint: "seal -w seals them in place"}
	}
	return nil
}

// count says how many Secrets there are to seal, in how many files.
func (t *treeSealer) count() (secrets, files int) {
	for _, r := range t.results {
		secrets += len(r.secrets)
		if len(r.secrets) > 0 {
			files++
		}
	}
	return secrets, files
}

// summary is the last line of a run: "sealed 12 Secrets in 9 files for breakglass, prod-eu".
func (t *treeSealer) summary(verb string) string {
	n, files := t.count()
	if n == 0 {
		return "nothing to seal in " + countOf(len(t.inputs), "file")
	}
	names := map[string]bool{}
	for _, r := range t.results {
		for _, name := range r.holders {
			names[name] = true
		}
	}
	return fmt.Sprintf("%s %s in %s for %s", verb, countOf(n, "Secret"), countOf(files, "file"), strings.Join(slices.Sorted(maps.Keys(names)), ", "))
}
