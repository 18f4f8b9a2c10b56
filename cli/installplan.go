package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/cli/wiring"
	"github.com/waxwing-io/waxwing/repo/git"
)

const (
	attributesName = ".gitattributes"
	// maxWired bounds the files that seal adds lines to, in bytes.
	maxWired = 1 << 20
	// hookMode is the mode (before umask) of a new hook.
	hookMode fs.FileMode = 0o777
)

// installPlan is what seal install is about to change.
type installPlan struct {
	repo       *git.Repo
	settings   []settingChange
	files      []fileChange
	attributes bool // .gitattributes is among the files
	said       []string
}

// settingChange sets a line of Git's configuration; empty for none.
type settingChange struct{ key, old, new string }

// planDrivers compares Git's configuration of this clone with the drivers.
func (p *installPlan) planDrivers(ctx context.Context, uninstall bool) error {
	for _, s := range wiring.Drivers() {
		out, err := p.repo.Output(ctx, "config", "--local", "--get-all", s.Key)
		const notSet = 1
		var refused *git.Error
		if err != nil && (!errors.As(err, &refused) || refused.Code != notSet) {
			return err
		}
		old := strings.TrimRight(string(out), "\r\n")
		switch {
		case strings.ContainsAny(old, "\r\n"):
			return failed("git config --unset-all "+s.Key, "the configuration of Git sets %s several times", s.Key)
		case uninstall && old == s.Value:
			p.settings = append(p.settings, settingChange{key: s.Key, old: old})
		case !uninstall && old != s.Value:
			p.settings = append(p.settings, settingChange{key: s.Key, old: old, new: s.Value})
		}
	}
	switch {
	case len(p.settings) > 0 && uninstall:
		p.said = append(p.said, "removed the drivers from Git's configuration of this clone")
	case len(p.settings) > 0:
		p.said = append(p.said, "added the drivers to Git's configuration of this clone")
	}
	return nil
}

func (p *installPlan) planAttributes(ctx context.Context, uninstall bool) error {
	f := fileChange{path: filepath.Join(p.repo.Root, attributesName), name: attributesName, mode: sealedMode}
	if err := f.read(ctx); err != nil {
		return err
	}
	if err := f.edit(wiring.Attributes(f.old), uninstall, wiring.Block.Append); err != nil {
		return err
	}
	p.attributes = p.add(f, uninstall)
	return nil
}

func (p *installPlan) planHook(ctx context.Context, uninstall bool) error {
	folder, name, err := p.hooks(ctx)
	if err != nil {
		return err
	}
	f := fileChange{path: filepath.Join(folder, "pre-commit"), name: name + "/pre-commit", mode: hookMode}
	info, err := os.Lstat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		if !uninstall {
			f.new = wiring.NewHook()
			p.add(f, false)
		}
		return nil
	}
	if err != nil {
		return withPrintHint(fmt.Errorf("%s: %w", f.name, pathCause(err)))
	}
	if err := f.read(ctx); err != nil {
		return err
	}
	if !uninstall {
		if err := hookFits(f, info); err != nil {
			return err
		}
		if err := p.hookStays(ctx, f); err != nil {
			return err
		}
	}
	if err := f.edit(wiring.Hook(), uninstall, wiring.Block.AppendAfterFirstLine); err != nil {
		return err
	}
	p.add(f, uninstall)
	return nil
}

// hookFits says whether lines can be added to somebody's hook.
func hookFits(f fileChange, info fs.FileInfo) error {
	const byHand = "run " + hookCheck + " in it yourself, and pass --no-hook here"
	switch {
	case len(bytes.TrimSpace(f.old)) == 0 || !wiring.IsShell(f.old):
		return failed(byHand, "%s is not a script of a POSIX shell", f.name)
	case wiring.HasCarriageReturns(f.old):
		return failed("write it again with line ends of LF, or pass --no-hook", "%s has line ends of Windows, which its shell does not read", f.name)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0:
		return failed("chmod +x it if it is meant to run, or move it away", "%s is not executable: Git does not run it", f.name)
	}
	return nil
}

// hookStays refuses a hook of the working tree that Git ignores: a hook manager, such as husky, writes it anew whenever it is run, without our lines.
func (p *installPlan) hookStays(ctx context.Context, f fileChange) error {
	if !filepath.IsLocal(f.name) || strings.HasPrefix(f.name, ".git/") || bytes.Contains(f.old, []byte(hookCheck)) {
		return nil
	}
	_, err := p.repo.Output(ctx, "--no-literal-pathspecs", "check-ignore", "--quiet", "--", "./"+f.name)
	if err == nil {
		return failed("run "+hookCheck+" in the hook that you give the hook manager, such as .husky/pre-commit, and pass --no-hook here",
			"%s is not in Git: the hook manager that made it will write it anew", f.name)
	}
	return ctx.Err()
}

// hookCheck is what a hook has to run.
const hookCheck = "seal check --staged"

// hooks is the folder of hooks, with its name for messages. One that several repositories share is not touched.
func (p *installPlan) hooks(ctx context.Context) (folder, name string, err error) {
	var paths []string
	for _, args := range [][]string{{"rev-parse", "--git-path", "hooks"}, {"rev-parse", "--git-common-dir"}} {
		out, err := p.repo.Output(ctx, args...)
		if err != nil {
			return "", "", err
		}
		path := filepath.FromSlash(strings.TrimRight(string(out), "\r\n"))
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.repo.Root, path)
		}
		paths = append(paths, path)
	}
	folder = paths[0]
	// A path is shown as seen from the top of the repository, where it lies in it.
	name = filepath.ToSlash(folder)
	for _, base := range []string{p.repo.Root, paths[1]} {
		rel, err := filepath.Rel(resolved(base), resolved(folder))
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		if base == p.repo.Root {
			name = filepath.ToSlash(rel)
		}
		return folder, name, nil
	}
	return "", "", failed("run "+hookCheck+" in its pre-commit hook yourself, and pass --no-hook here",
		"core.hooksPath leads to %s, outside of this repository: other repositories may use it, too", folder)
}

// resolved is path without symbolic links, as far as it exists.
func resolved(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(resolved(parent), filepath.Base(path))
	}
	return path
}

// add takes f into the plan if it changes.
func (p *installPlan) add(f fileChange, uninstall bool) bool {
	if f.new != nil && f.old != nil && bytes.Equal(f.old, f.new) || f.new == nil && f.old == nil {
		return false
	}
	p.files = append(p.files, f)
	switch {
	case f.new == nil:
		p.said = append(p.said, "removed "+f.name)
	case uninstall:
		p.said = append(p.said, "removed the lines of seal from "+f.name)
	case f.old == nil:
		p.said = append(p.said, "wrote "+f.name)
	default:
		p.said = append(p.said, "added lines to "+f.name)
	}
	return true
}

// apply changes everything, or nothing.
func (p *installPlan) apply(ctx context.Context) (err error) {
	var batch replace.Batch
	defer batch.Discard()
	for _, f := range p.files {
		if err := f.stage(&batch); err != nil {
			return withPrintHint(err)
		}
	}
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for _, back := range undo {
			err = errors.Join(err, back())
		}
	}()
	for _, s := range p.settings {
		if err := p.set(ctx, s.key, s.new); err != nil {
			return err
		}
		// Also after an interruption.
		undo = append(undo, func() error { return p.set(context.WithoutCancel(ctx), s.key, s.old) })
	}
	for _, f := range p.files {
		if f.new != nil {
			continue
		}
		if err := os.Remove(f.path); err != nil {
			return withPrintHint(fmt.Errorf("removing %s: %w", f.name, pathCause(err)))
		}
		undo = append(undo, func() error { return replace.Create(f.path, f.old, f.mode) })
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := batch.Commit(); err != nil {
		return withPrintHint(err)
	}
	return nil
}

func (p *installPlan) set(ctx context.Context, key, value string) error {
	var err error
	if value == "" {
		_, err = p.repo.Output(ctx, "config", "--local", "--unset-all", key)
	} else {
		_, err = p.repo.Output(ctx, "config", "--local", "--replace-all", key, value)
	}
	return err
}

// withPrintHint adds to errors of writing what can be done without this command.
func withPrintHint(err error) error {
	return failed("seal install --print shows what belongs where", "%v", err)
}
