package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/manifest"
)

const (
	// maxTaken is how many Secrets are sealed at once; all of them are kept in memory until they are written.
	maxTaken = 1000
	// maxHandOver is how many names stand in one command that hands Secrets over.
	maxHandOver = 16
)

// taker seals Secrets of a cluster, all or none.
type taker struct {
	env    *Env
	o      *fromClusterOptions
	client *cluster.Client
	source *recipientSource
	signer ssh.Signer // nil to leave them unsigned

	target   *target         // without --out-dir
	files    map[string]bool // of --out-dir: paths that are spoken for
	taken    []made
	warnings []string
}

// wanted lists the Secrets to take.
func (t *taker) wanted(ctx context.Context, args []string) ([]inCluster, error) {
	namespace := cmp.Or(t.o.namespace, t.client.Namespace())
	if !t.o.several() {
		return t.o.named(args, namespace)
	}
	names, err := t.client.SecretNames(ctx, namespace, t.o.selector, secret.Types(), maxTaken)
	if err != nil {
		return nil, fmt.Errorf("listing the Secrets of namespace %s: %w", shown(namespace), t.withHint(err, namespace))
	}
	var out []inCluster
	for _, name := range names {
		if !secret.ValidName(name) {
			return nil, failed("", "the API server names a Secret %s, which cannot be", shown(name))
		}
		out = append(out, inCluster{namespace, name})
	}
	if len(out) == 0 {
		return nil, failed("tokens of service accounts and records of Helm releases are left out", "there is no Secret to seal in namespace %s", shown(namespace))
	}
	return out, nil
}

func (t *taker) withHint(err error, namespace string) error {
	var status *cluster.StatusError
	hint := ""
	switch {
	case !errors.As(err, &status):
		return withClusterHint(err)
	case status.Code == 403 && t.o.several():
		hint = "ask for the right to list and to get secrets there, or name the Secrets"
	case status.Code == 403:
		hint = "ask for the right to get secrets there"
	case status.Code == 404:
		hint = "look at kubectl get secrets -n " + namespace
	case status.Code == 400 && t.o.selector != "":
		hint = "a selector is written KEY=VALUE, several with commas"
	default:
		return withClusterHint(err)
	}
	return failed(hint, "%s", err)
}

// open looks at where the results go, before any Secret is read.
func (t *taker) open(ctx context.Context, wanted []inCluster) error {
	if t.o.outDir == "" {
		var err error
		if t.target, err = t.o.open(ctx, t.env); err != nil {
			return err
		}
		for _, s := range wanted {
			if _, _, err := t.target.find(s.namespace, s.name); err != nil {
				return err
			}
		}
		return t.checkPlace(t.o.out)
	}
	t.files = map[string]bool{}
	for _, s := range wanted {
		file := t.file(s)
		if t.files[file] {
			return failed("take one namespace at a time", "%s would be written twice", file)
		}
		t.files[file] = true
		if _, err := os.Lstat(t.env.path(file)); err == nil {
			return failed("nothing was written; choose another folder, or remove the file", "%s exists already", file)
		}
		if err := t.checkPlace(file); err != nil {
			return err
		}
	}
	return nil
}

func (t *taker) checkPlace(name string) error {
	at, err := t.source.at(name)
	if err == nil && len(at.holders) == 0 {
		err = noRecipients()
	}
	return err
}

// file is where a Secret goes with --out-dir.
func (t *taker) file(s inCluster) string {
	ext := ".yaml"
	if t.o.syntaxOf("") == manifest.JSON {
		ext = ".json"
	}
	return filepath.Join(t.o.outDir, s.name+ext)
}

// takeAll goes on after an error that is one Secret's own, so that the user sees all of them at once.
func (t *taker) takeAll(ctx context.Context, wanted []inCluster) error {
	var errs []error
	for _, s := range wanted {
		doc, err := t.client.Secret(ctx, s.namespace, s.name)
		var status *cluster.StatusError
		switch {
		case errors.As(err, &status) && status.Code == 404 && t.o.several():
			continue // gone since it was listed
		case err != nil:
			err = fmt.Errorf("%s: %w", s, t.withHint(err, s.namespace))
			if status == nil || ctx.Err() != nil {
				return err
			}
			errs = append(errs, err)
			continue
		}
		errs = append(errs, t.take(s, doc))
		clear(doc)
	}
	if err := errors.Join(errs...); err != nil {
		if len(wanted) > 1 {
			err = errors.Join(err, failed("", "nothing was written"))
		}
		return err
	}
	return nil
}

// take seals one Secret.
func (t *taker) take(s inCluster, doc []byte) error {
	taken, err := secret.Take(doc, t.o.allowOwned)
	if err != nil {
		if t.o.several() {
			t.warnings = append(t.warnings, fmt.Sprintf("%s is left out: %v", s, err))
			return nil
		}
		return fmt.Errorf("%s: %w", s, err)
	}
	defer clear(taken.JSON)
	name := t.o.out
	if t.o.outDir != "" {
		name = t.file(s)
	}
	at, err := t.source.at(name)
	if err != nil {
		return err
	}
	sealed, err := secret.Seal(taken.JSON, secret.SealOptions{
		Sealer: t.env.sealer(), Holders: at.holders, Scope: at.scope(t.o.scope), Namespace: s.namespace, AllowEmpty: t.o.allowEmpty,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	signed, unsigned, err := signNew(t.env, at, s.String(), sealed.JSON, t.signer)
	if err != nil {
		return err
	}
	warnings := slices.Concat(taken.Warnings, sealed.Warnings)
	if len(taken.Owners) > 0 {
		warnings = append(warnings, "it belongs to "+some(taken.Owners)+": stop what makes it, and remove metadata.ownerReferences before you hand it over")
	}
	for _, w := range warnings {
		t.warnings = append(t.warnings, s.String()+": "+w)
	}
	t.warnings = append(t.warnings, unsigned...)
	t.taken = append(t.taken, made{namespace: s.namespace, name: s.name, json: signed})
	return nil
}

func (t *taker) write(ctx context.Context) error {
	if t.o.outDir == "" {
		return t.target.write(ctx, t.env, t.taken...)
	}
	var batch replace.Batch
	defer batch.Discard()
	if err := os.MkdirAll(t.env.path(t.o.outDir), folderMode); err != nil {
		return fmt.Errorf("making the folder %s: %w", t.o.outDir, pathCause(err))
	}
	for _, m := range t.taken {
		doc, err := renderAs(t.o.syntaxOf(""), m.json)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := batch.Create(t.env.path(t.file(inCluster{m.namespace, m.name})), doc, sealedMode); err != nil {
			return withWayOut(err)
		}
	}
	return withWayOut(batch.Commit())
}

// handOver are the commands that hand the Secrets over to the controller.
func (t *taker) handOver() []string {
	byNamespace := map[string][]string{}
	var order []string
	for _, m := range t.taken {
		if byNamespace[m.namespace] == nil {
			order = append(order, m.namespace)
		}
		byNamespace[m.namespace] = append(byNamespace[m.namespace], m.name)
	}
	where := ""
	if t.o.kubeconfig != "" {
		where += " --kubeconfig " + shellWord(t.o.kubeconfig)
	}
	if t.o.context != "" {
		where += " --context " + shellWord(t.o.context)
	}
	var out []string
	for _, namespace := range order {
		for names := range slices.Chunk(byNamespace[namespace], maxHandOver) {
			out = append(out, "kubectl annotate secret "+strings.Join(names, " ")+" -n "+namespace+" "+v1alpha1.AnnotationAdopt+"=true"+where)
		}
	}
	return out
}

// shellWord is text as a shell reads it as one word.
func shellWord(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(plainChars+":@", r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
