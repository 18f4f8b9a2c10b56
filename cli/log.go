package cli

import (
	"bytes"
	"context"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/repo/git"
)

const logLong = `Show the history of the items in a sealed FILE, newest first: which commit added, changed, removed
or rewrapped them, when they were sealed, in which envelope, and which keys could open them. FILE
may be deleted. No key is needed.

Renames are followed as git log --follow does: where branches have another name for the file, some
of their commits can be missing. A merge is shown with what it changed itself; with --first-parent
it is shown with all that it brought, and the commits that it brought are not.

What envelopes claim about keys is shown as they claim it.`

const logExample = `  seal log db.yaml
  seal log --key password -n 3 db.yaml
  seal log --first-parent -o json clusters/prod/db.yaml`

// logOptions are the flags of `seal log`.
type logOptions struct {
	key         string
	name        string
	maxCount    int
	firstParent bool
	output      reportFlag
}

func newLogCommand(env *Env) *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:               "log [flags] [--] FILE",
		Short:             "Show the history of the items in a sealed file",
		Long:              logLong,
		Example:           logExample,
		Args:              exactArgs("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLog(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.key, "key", "", "show the item `KEY` only")
	flags.StringVar(&o.name, "name", "", "show the GitSecret of this `NAME` only")
	flags.IntVarP(&o.maxCount, "max-count", "n", 0, "show the newest `N` commits only; 0 for all")
	flags.BoolVar(&o.firstParent, "first-parent", false, "follow only the first parents of merges")
	o.output.addTo(cmd)
	return cmd
}

func runLog(ctx context.Context, env *Env, o *logOptions, name string) error {
	if o.maxCount < 0 {
		return usage("", "--max-count is negative")
	}
	if err := o.output.check(); err != nil {
		return err
	}
	r, err := env.repository(ctx, "the history of a file is in a clone of its repository")
	if err != nil {
		return err
	}
	path, err := r.Rel(ctx, name)
	if err != nil {
		return err
	}
	if info, err := os.Stat(env.path(name)); err == nil && info.IsDir() {
		return failed("name a file in it; what commits changed in a folder is shown by: seal diff A B -- FOLDER", "%s: is a folder, and history is that of a file", name)
	}
	if unborn(ctx, r) {
		return failed("", "there is no history of %s: nothing is committed yet", shown(path))
	}
	h, err := newHistory(ctx, r, o)
	if err != nil {
		return err
	}
	defer h.versions.Close()
	if o.output.name == "text" {
		h.show = env.showCommit()
	}
	if err := r.Log(ctx, path, o.firstParent, func(c git.Commit) (bool, error) { return h.add(ctx, c) }); err != nil {
		return err
	}
	if err := h.nothing(path); err != nil {
		return err
	}
	if h.show != nil {
		return nil
	}
	return o.output.write(env, logReport{Path: path, Commits: h.commits}, nil)
}

// showCommit writes commits as they come, for people.
func (e *Env) showCommit() func(commitChange) error {
	first := true
	return func(c commitChange) error {
		var out bytes.Buffer
		if !first {
			out.WriteByte('\n')
		}
		first = false
		c.text(&reportText{out: &out, colour: e.colours()})
		return e.writeOut(stdinArg, out.Bytes(), 0)
	}
}

// history collects what happened to a file.
type history struct {
	o        *logOptions
	versions *versions
	recent   recentVersions
	shallow  []string
	show     func(commitChange) error // for commits as they come; nil to keep them in commits

	commits []commitChange
	seen    int  // commits of the file
	shown   int  // commits that are told
	sealed  bool // some version held a GitSecret
}

func newHistory(ctx context.Context, r *git.Repo, o *logOptions) (*history, error) {
	shallow, err := r.Shallow(ctx)
	if err != nil {
		return nil, err
	}
	v, err := newVersions(ctx, r)
	if err != nil {
		return nil, err
	}
	return &history{o: o, versions: v, shallow: shallow, commits: []commitChange{}}, nil
}

// add takes the next older commit; the result says whether older ones are wanted.
func (h *history) add(ctx context.Context, c git.Commit) (bool, error) {
	h.seen++
	after, err := h.recent.read(ctx, h.versions, c.Entry.New)
	if err != nil {
		return false, err
	}
	parents := make([]fileVersion, len(c.Entry.Old))
	for i, side := range c.Entry.Old {
		if parents[i], err = h.recent.read(ctx, h.versions, side); err != nil {
			return false, err
		}
	}
	h.sealed = h.sealed || len(after.sealed) > 0 || slices.ContainsFunc(parents, func(v fileVersion) bool { return len(v.sealed) > 0 })
	told := newCommitChange(c, parents, after)
	told.Boundary = slices.Contains(h.shallow, c.ID)
	told.narrow(h.o.name, h.o.key)
	if told.empty() {
		return true, nil
	}
	h.shown++
	if h.show != nil {
		err = h.show(told)
	} else {
		h.commits = append(h.commits, told)
	}
	return h.o.maxCount == 0 || h.shown < h.o.maxCount, err
}

// nothing is the error where there is nothing to tell of.
func (h *history) nothing(path string) error {
	switch {
	case h.shown > 0:
		return nil
	case h.seen == 0:
		return failed("is the name right, and is the file committed on this branch?", "%s: no commit has this file", shown(path))
	case !h.sealed:
		return failed("", "%s: no commit has a GitSecret in this file", shown(path))
	case h.o.key != "":
		return failed("", "%s: no commit has an item %s in this file", shown(path), shown(h.o.key))
	}
	return failed("", "%s: no commit has a GitSecret %s in this file", shown(path), shown(h.o.name))
}
