package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/git"
	"github.com/waxwing-io/waxwing/repo/scan"
)

const diffLong = `Show what differs in sealed files: which items were added, changed or removed, in which envelope they
are sealed and when, for which holders and keys, who signed, and what else of the object differs.
No key is needed.

Without REV, the working tree is compared with the index, as git diff does; with --staged, the
index with the last commit. With one REV, the working tree is compared with that commit, with two
(or REV..REV) the second with the first; REV...REV starts at their common ancestor. PATHs are
files or folders. Write -- before PATHs that could be taken for a REV, or that are deleted.

A changed item has another ciphertext; whether its value changed nobody can tell without a key.
With --values, both sides are opened with the identity given, and values are printed. What envelopes
claim about keys is shown as they claim it, and signatures are verified, but not who may sign.

Exit status is 0 whether or not there are differences; with --exit-code it is 5 if there are.`

const diffExample = `  seal diff
  seal diff --staged
  seal diff main...HEAD -- clusters/prod
  seal diff --values -i key.txt HEAD~1 HEAD db.yaml
  seal diff --no-index old.yaml new.yaml`

const diffWithoutGit = "two files are compared without Git by: seal diff --no-index A B"

// diffOptions are the flags of `seal diff`.
type diffOptions struct {
	identityFlags
	staged    bool
	noIndex   bool
	values    bool
	namespace string
	exitCode  bool
	output    reportFlag
}

func newDiffCommand(env *Env) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:               "diff [flags] [REV [REV]] [--] [PATH]…",
		Short:             "Show what differs in sealed files, by item",
		Long:              diffLong,
		Example:           diffExample,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDiff(cmd.Context(), env, &o, args, cmd.ArgsLenAtDash())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.staged, "staged", false, "compare the index with the last commit, or with REV")
	flags.BoolVar(&o.staged, "cached", false, "the same as --staged")
	_ = flags.MarkHidden("cached")
	flags.BoolVar(&o.noIndex, "no-index", false, "compare two files (- for standard input), without Git")
	flags.BoolVar(&o.values, "values", false, "open both sides, and print the values that differ")
	o.identityFlags.addTo(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "", "with --values, the `NAMESPACE` of GitSecrets that name none")
	flags.BoolVar(&o.exitCode, "exit-code", false, "exit with 5 if there are differences")
	o.output.addTo(cmd)
	return cmd
}

func runDiff(ctx context.Context, env *Env, o *diffOptions, args []string, dash int) error {
	if err := o.check(); err != nil {
		return err
	}
	var ids []seal.Identity
	if o.values {
		var err error
		if ids, err = o.identities(ctx, env); err != nil {
			return err
		}
	}
	files, err := o.files(ctx, env, args, dash)
	if err != nil {
		return err
	}
	report := diffReport{Files: append([]fileDiff{}, files...)}
	if o.values {
		if err := report.open(env, ids, o.namespace); err != nil {
			return err
		}
	}
	if err := o.output.write(env, report, report.text); err != nil {
		return err
	}
	if o.exitCode && len(report.Files) > 0 {
		return findings()
	}
	return nil
}

func (o *diffOptions) check() error {
	switch {
	case !o.values && len(o.identityFlags.files) > 0:
		return usage("add --values to see values", "-i is for --values")
	case !o.values && o.namespace != "":
		return usage("", "-n is for --values")
	case o.noIndex && o.staged:
		return usage("", "--staged does not go with --no-index")
	}
	return o.output.check()
}

// files are the files that differ.
func (o *diffOptions) files(ctx context.Context, env *Env, args []string, dash int) ([]fileDiff, error) {
	if o.noIndex {
		return o.twoFiles(ctx, env, args)
	}
	r, err := env.repository(ctx, diffWithoutGit)
	if err != nil {
		// As git does, two files outside of a repository are compared with each other.
		if !o.staged && dash <= 0 && len(args) == 2 && exists(env, args[0]) && exists(env, args[1]) {
			return o.twoFiles(ctx, env, args)
		}
		return nil, err
	}
	sides, err := o.sides(ctx, env, r, args, dash)
	if err != nil {
		return nil, err
	}
	entries, err := r.Diff(ctx, o.staged, sides.commits, sides.paths)
	if err != nil {
		return nil, err
	}
	return compareEntries(ctx, r, entries, !o.staged && len(sides.commits) < 2)
}

// compareEntries compares the sealed files among those that git found to differ. tree says that their new versions lie in the working tree.
func compareEntries(ctx context.Context, r *git.Repo, entries []git.Entry, tree bool) ([]fileDiff, error) {
	v, err := newVersions(ctx, r)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var out []fileDiff
	unmerged := map[string]bool{}
	for _, e := range entries {
		if e.Unmerged {
			unmerged[e.New.Path] = true
			if scan.IsManifest(e.New.Path) {
				out = append(out, fileDiff{Path: e.New.Path, Problem: []string{"has conflicts that are not resolved yet"}, Objects: []objectDiff{}})
			}
			continue
		}
		if unmerged[e.New.Path] {
			continue // git compares the working tree with one of the sides, too
		}
		before, err := v.read(ctx, e.Old[0], false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Old[0].Path, err)
		}
		after, err := v.read(ctx, e.New, tree)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.New.Path, err)
		}
		if d := newFileDiff(e.Old[0].Path, e.New.Path, before, after); !d.empty() {
			out = append(out, d)
		}
	}
	return out, nil
}

// twoFiles compares two files without git.
func (o *diffOptions) twoFiles(ctx context.Context, env *Env, args []string) ([]fileDiff, error) {
	if len(args) != 2 {
		return nil, usage("", "--no-index takes two files")
	}
	if err := once(append(args, o.identityFlags.files...)...); err != nil {
		return nil, err
	}
	var found [2]fileVersion
	for i, name := range args {
		data, err := env.read(ctx, name, "a manifest", maxManifest)
		if err != nil {
			return nil, err
		}
		file, all, err := parse(shownName(name), data)
		if err != nil {
			return nil, err
		}
		found[i] = readVersion(shownName(name), file.Bytes())
		if found[i].problem == "" && len(found[0].sealed)+len(found[i].sealed) == 0 && i == 1 {
			return nil, noneFound(shownName(name), "GitSecret", all, "")
		}
	}
	d := newFileDiff(shownName(args[0]), shownName(args[1]), found[0], found[1])
	if d.empty() {
		return nil, nil
	}
	return []fileDiff{d}, nil
}

func exists(env *Env, name string) bool {
	_, err := os.Lstat(env.path(name))
	return err == nil || !errors.Is(err, os.ErrNotExist)
}
