package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/waxwing-io/waxwing/cli/keyuse"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// keyFiles are the GitSecrets of a repository, as far as keys are concerned.
type keyFiles struct {
	files []keyuse.File
	// where says what was looked at, for people; empty for nothing.
	where    string
	warnings []string // what could not be read
}

// repositoryOf gives the arguments that stand for the repository around the current folder, and what it is called; nil where there is none.
func repositoryOf(env *Env) ([]string, string, error) {
	dir, err := filepath.Abs(env.path("."))
	if err != nil {
		return nil, "", fmt.Errorf("finding the current folder: %w", err)
	}
	root, ok := repo.Root(dir)
	if !ok {
		return nil, "", nil
	}
	name, err := filepath.Rel(dir, root)
	if err != nil {
		name = root
	}
	return []string{name}, "this repository", nil
}

// keyFilesIn reads the files that args name, or the repository around the current folder; also those that .seal.yaml ignores, because a key opens them as well. What cannot
// be read becomes a warning: the others count all the same.
func keyFilesIn(ctx context.Context, env *Env, args []string) (*keyFiles, error) {
	found := &keyFiles{where: "the files given"}
	if len(args) == 0 {
		var err error
		if args, found.where, err = repositoryOf(env); err != nil || len(args) == 0 {
			return found, err
		}
	}
	book, err := env.rulebook()
	if err != nil {
		return nil, err
	}
	inputs, err := env.inputs(args, env.listed(ctx, scan.Options{}))
	if err != nil {
		return nil, err
	}
	j := job{env: env, inputs: inputs}
	all := make([][]keyuse.File, len(inputs))
	unread := j.run(ctx, "reading", func(ctx context.Context, i int, in input) (err error) {
		all[i], err = readKeyFile(ctx, &j, book, in)
		return err
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if unread != nil {
		for _, err := range split(unread) {
			found.warnings = append(found.warnings, err.Error())
		}
	}
	found.files = slices.Concat(all...)
	return found, nil
}

// readKeyFile reads the GitSecrets of one file. Those that break the format count by what can be read of them.
func readKeyFile(ctx context.Context, j *job, book *rulebook, in input) ([]keyuse.File, error) {
	data, err := j.read(ctx, in, scan.Finding.MayBeSealed)
	if err != nil || data == nil {
		return nil, err
	}
	name := shownName(in.name)
	file, err := manifest.Parse(name, data)
	if err != nil {
		return nil, err
	}
	path, err := settingsPath(j.env, in.name)
	if err != nil {
		return nil, err
	}
	rules, _, err := book.rules(path)
	if err != nil {
		return nil, err
	}
	var out []keyuse.File
	var errs []error
	for _, obj := range objects(name, file, math.MaxInt) {
		if obj.role != isSealed {
			continue
		}
		o, err := keyuse.Read(obj.raw)
		if err != nil {
			errs = append(errs, obj.error(errors.New("breaks the format: seal check says how")))
			continue
		}
		f := keyuse.File{Object: o, Path: name, Document: obj.index + 1}
		said := ""
		if rules != nil {
			said = rules.Namespace
		}
		f.Place = cmp.Or(o.Namespace, said, o.For.Namespace)
		out = append(out, f)
	}
	return out, errors.Join(errs...)
}

// places are the namespaces that the files go to, as far as they are ones that Kubernetes allows.
func (k *keyFiles) places() []string {
	names := make([]string, 0, len(k.files))
	for i := range k.files {
		if place := k.files[i].Place; secret.ValidNamespace(place) {
			names = append(names, place)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fileKey is a file that is sealed for a key, as reports have it.
type fileKey struct {
	File      string   `json:"file"`
	Document  int      `json:"document"` // counted from 1
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name"`
	Items     []string `json:"items"`
}

// sealedForKey lists the GitSecrets in files that are sealed for the key as they are.
func (k *keyFiles) sealedForKey(id string) []fileKey {
	keys, all := map[string]bool{id: true}, []fileKey{}
	for i := range k.files {
		f := &k.files[i]
		if items := f.Can(keys); len(items) > 0 {
			all = append(all, fileKey{f.Path, f.Document, f.Place, f.Name, items})
		}
	}
	return all
}

// text names the object for people.
func (f *fileKey) text() string {
	text := f.File
	if f.Document > 1 {
		text += fmt.Sprintf(" (%d)", f.Document)
	}
	return text + ": " + seal.Kind + " " + placeText(f.Namespace, f.Name)
}
