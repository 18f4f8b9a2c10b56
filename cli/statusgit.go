package cli

import (
	"cmp"
	"context"
	"maps"
	"math"
	"os"
	"slices"
	"sync"

	"github.com/waxwing-io/waxwing/cli/standing"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// statusWalk reads the Git half: the GitSecrets in files.
type statusWalk struct {
	env     *Env
	o       *statusOptions
	book    *rulebook
	folders bool // a folder was among the arguments

	mu     sync.Mutex
	people map[string]map[string][]string // by environment: see standing.File.People
}

// files gives what the files hold. unread joins what is wrong with some of them; err ends the command.
func (w *statusWalk) files(ctx context.Context, args []string) (files []standing.File, unread, err error) {
	for _, arg := range args {
		if arg == stdinArg {
			continue
		}
		if _, err := os.Lstat(w.env.path(arg)); err != nil {
			return nil, nil, failed("", "%s: %v", arg, pathCause(err))
		}
		w.folders = w.folders || w.env.isFolder(arg)
	}
	inputs, err := w.env.inputs(args, w.env.listed(ctx, scan.Options{Settings: w.book.tree}))
	if err != nil {
		return nil, nil, err
	}
	w.people = map[string]map[string][]string{}
	j := job{env: w.env, inputs: inputs}
	found := make([][]standing.File, len(inputs))
	unread = j.run(ctx, "reading", func(ctx context.Context, i int, in input) (err error) {
		found[i], err = w.file(ctx, &j, in)
		return err
	})
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if isUsage(unread) {
		return nil, nil, unread
	}
	if len(inputs) == 0 {
		w.env.warnIgnored(ctx, w.book.tree, args)
	}
	return slices.Concat(found...), unread, nil
}

func (w *statusWalk) file(ctx context.Context, j *job, in input) ([]standing.File, error) {
	data, err := j.read(ctx, in, scan.Finding.MayBeSealed)
	if err != nil || data == nil {
		return nil, err
	}
	name := shownName(in.name)
	file, err := manifest.Parse(name, data)
	if err != nil {
		return nil, withIgnore(in, err)
	}
	all := objects(name, file, math.MaxInt)
	sealed := slices.DeleteFunc(slices.Clone(all), func(o object) bool { return o.role != isSealed })
	if len(sealed) == 0 {
		if in.found {
			return nil, nil
		}
		return nil, noneSealed(name, "", all)
	}
	path, err := settingsPath(w.env, in.name)
	if err != nil {
		return nil, err
	}
	rules, _, err := w.book.rules(path)
	if err != nil {
		return nil, err
	}
	var out []standing.File
	for _, obj := range sealed {
		if f := w.object(obj, rules); w.o.namespace == "" || f.Place == w.o.namespace {
			out = append(out, f)
		}
	}
	return out, nil
}

// object is what is kept of a GitSecret in a file. rules may be nil.
func (w *statusWalk) object(obj object, rules *repo.Rules) standing.File {
	f := standing.File{Path: obj.name, Document: obj.index + 1}
	if _, err := seal.ParseDocument(obj.raw); err != nil {
		f.Problem = err.Error()
	}
	// What can be read of a broken one is shown.
	if s, err := standing.Read(obj.raw); err == nil {
		f.Sealed = s
	} else {
		f.Sealed = standing.Sealed{Namespace: obj.namespace, Name: obj.node.name}
		f.Problem = cmp.Or(f.Problem, err.Error())
	}
	given, said := "", ""
	if f.For.Allows(seal.Target{Namespace: w.o.namespace, Name: f.Name}) {
		given = w.o.namespace
	}
	if rules != nil {
		said, f.People = rules.Namespace, w.holders(rules)
	}
	f.Place = cmp.Or(f.Namespace, given, said, f.For.Namespace)
	return f
}

// holders are the present key ids of the environment's holders. A note that cannot be read is for seal check and seal doctor to tell.
func (w *statusWalk) holders(rules *repo.Rules) map[string][]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := rules.File + "\x00" + rules.Environment
	if known, ok := w.people[key]; ok {
		return known
	}
	people := map[string][]string{}
	for _, h := range rules.Holders {
		set, err := w.book.tree.Set(h)
		if err != nil {
			continue
		}
		ids := map[string]bool{}
		for _, r := range set.Recipients {
			ids[r.KeyID()] = true
		}
		people[h.Name] = slices.Sorted(maps.Keys(ids))
	}
	w.people[key] = people
	return people
}
