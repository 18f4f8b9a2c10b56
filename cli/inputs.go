package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

const (
	// maxErrors is how many errors of a run over many files are shown; nobody reads more.
	maxErrors = 20
	// maxWarnings is how many warnings are.
	maxWarnings = 100
	// maxHeld bounds what a run keeps in memory to be able to put files back, in bytes.
	maxHeld = 512 << 20
)

// input is a file that a command works on.
type input struct {
	name  string
	found bool  // in a folder, and not named
	err   error // why it cannot be looked at
}

// finder finds the files to work on in a folder.
type finder func(dir string) ([]input, error)

// isFolder says whether an argument is a folder.
func (e *Env) isFolder(arg string) bool {
	if arg == stdinArg {
		return false
	}
	info, err := os.Stat(e.path(arg))
	return err == nil && info.IsDir()
}

// folderOf is the folder that an argument is, or lies in.
func (e *Env) folderOf(arg string) string {
	if e.isFolder(arg) {
		return arg
	}
	return filepath.Dir(arg)
}

// inputs are the files that args name, and those that find finds in the folders among them; each once, in the order of args. A file that is named and found counts as
// named.
func (e *Env) inputs(args []string, find finder) ([]input, error) {
	var all []input
	at := map[string]int{}
	add := func(in input) error {
		path, err := filepath.Abs(e.path(in.name))
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		if i, known := at[path]; known {
			if !in.found {
				all[i].found, all[i].err = false, nil
			}
			return nil
		}
		at[path] = len(all)
		all = append(all, in)
		return nil
	}
	for _, arg := range args {
		found := []input{{name: arg}}
		if e.isFolder(arg) {
			var err error
			if found, err = find(arg); err != nil {
				return nil, err
			}
		}
		for _, in := range found {
			if err := add(in); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// manifests finds the manifests that are to be sealed, or rewrapped.
func (e *Env) manifests(ctx context.Context, tree *repo.Tree) finder {
	return e.listed(ctx, scan.Options{Settings: tree})
}

// listed finds what scan.List does.
func (e *Env) listed(ctx context.Context, o scan.Options) finder {
	o.Environ = e.folderEnviron()
	return func(dir string) ([]input, error) {
		abs, err := filepath.Abs(e.path(dir))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		names, err := scan.List(ctx, dir, abs, o)
		if err != nil {
			return nil, err
		}
		found := make([]input, len(names))
		for i, name := range names {
			found[i] = input{name: name, found: true}
		}
		return found, nil
	}
}

// warnIgnored says which of the folders args, in which nothing was found, are left out as a whole: somebody who names one thinks that it was looked at.
func (e *Env) warnIgnored(ctx context.Context, tree *repo.Tree, args []string) {
	for _, arg := range args {
		abs, err := filepath.Abs(e.path(arg))
		if err != nil {
			continue
		}
		// What is wrong with settings was told when the folder was listed.
		if by, err := scan.Ignored(ctx, abs, tree, e.folderEnviron()); err == nil && by != "" {
			warn(e.Stderr, shownName(arg)+" is ignored by "+by+": nothing in it was looked at; name the files in it")
		}
	}
}

// folderEnviron is gitEnviron without what points git to one repository: here the folder decides, also in a hook.
func (e *Env) folderEnviron() []string {
	return slices.DeleteFunc(gitEnviron(e), func(v string) bool { return strings.HasPrefix(v, "GIT_") && !strings.HasPrefix(v, "GIT_CONFIG_") })
}

// job works on many files at a time, in memory that does not grow with their number, and reports in their order.
type job struct {
	env    *Env
	inputs []input
	bar    *progress
	held   atomic.Int64
}

// run calls do for each input, several at a time. It goes on after an error, so that the user sees all of them at once, unless the command line is at fault.
func (j *job) run(ctx context.Context, verb string, do func(ctx context.Context, i int, in input) error) error {
	j.bar = newProgress(j.env, verb, len(j.inputs))
	defer j.bar.finish()
	errs := make([]error, len(j.inputs))
	inner, stop := context.WithCancel(ctx)
	defer stop()
	_ = scan.Parallel(inner, len(j.inputs), func(i int) {
		if errs[i] = do(inner, i, j.inputs[i]); isUsage(errs[i]) {
			stop()
		}
		j.bar.step()
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	if i := slices.IndexFunc(errs, isUsage); i >= 0 {
		return errs[i]
	}
	return someErrors(errs)
}

// hold counts bytes that stay in memory.
func (j *job) hold(n int) error {
	if j.held.Add(int64(n)) > maxHeld {
		return failed("do a part of the folders at a time", "the files to change are more than %d MiB together", maxHeld>>20)
	}
	return nil
}

func isUsage(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.code == exitUsage
}

// someErrors joins the first errors, and says how many more there are. Those that say the same, such as what is wrong with settings, are one. The exit code is
// that of all.
func someErrors(errs []error) error {
	joined := errors.Join(errs...)
	if joined == nil {
		return nil
	}
	said := map[string]bool{}
	all := slices.DeleteFunc(split(joined), func(err error) bool {
		again := said[err.Error()]
		said[err.Error()] = true
		return again
	})
	if len(all) <= maxErrors {
		return errors.Join(all...)
	}
	more := failure{msg: "and " + countOf(len(all)-maxErrors, "more error"), code: exitCode(errors.Join(all[maxErrors:]...))}
	return errors.Join(append(all[:maxErrors:maxErrors], &more)...)
}

// read gives the content of an input, or nil where it was found and wanted says that it need not be looked at.
func (j *job) read(ctx context.Context, in input, wanted func(scan.Finding) bool) ([]byte, error) {
	if in.found {
		if info, err := os.Stat(j.env.path(in.name)); err == nil && info.Size() > scan.MaxFile {
			return nil, j.tooLarge(ctx, in, wanted)
		}
	}
	data, err := j.env.read(ctx, in.name, "a manifest", maxManifest)
	if err != nil || !in.found || wanted(scan.Bytes(data)) {
		return data, err
	}
	return nil, nil
}

// tooLarge refuses a file that was found and cannot be read at once, unless it holds nothing that is wanted.
func (j *job) tooLarge(ctx context.Context, in input, wanted func(scan.Finding) bool) error {
	files, err := scan.Files(ctx, []string{j.env.path(in.name)})
	if err != nil || !wanted(files[0].Finding) {
		return err
	}
	return failed(ignoreHint, "%s: is longer than %d MiB, and may hold Secrets", in.name, scan.MaxFile>>20)
}

const ignoreHint = "if it is no manifest of yours, leave it out: name it under ignore in " + repo.SettingsName

// withIgnore adds to refusals of files that were found how to leave them out.
func withIgnore(in input, err error) error {
	if err == nil || !in.found {
		return err
	}
	var all []error
	for _, e := range split(err) {
		var m *manifest.Error
		if errors.As(e, &m) {
			h := ignoreHint
			if m.Hint != "" {
				h = m.Hint + "; " + ignoreHint
			}
			e = failed(h, "%v", e)
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}
