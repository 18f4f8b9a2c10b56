package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/repo/git"
	"github.com/waxwing-io/waxwing/repo/merge"
)

const mergeDriverLong = `Merge three versions of a file that holds GitSecrets, item by item and without a private key. Git calls
this as a merge driver, with its own arguments: the result is written to OURS, and the exit status is
0 for a merge, 1 for one with conflicts, which stand in OURS between markers, and 129 for a failure,
which leaves OURS as it was.

Files without GitSecrets, and files that cannot be read, are merged as git does it.`

const mergeDriverExample = `  git config merge.seal.name 'merge sealed files'
  git config merge.seal.driver 'seal merge-driver %O %A %B --marker-size %L --path %P'
  echo '*.yaml merge=seal' >> .gitattributes`

const (
	// exitDriver is how a merge driver says that it has failed rather than found conflicts: above 128, by gitattributes(5).
	exitDriver = 129
	// maxMarker bounds conflict markers, which git itself leaves open.
	maxMarker = 1 << 10
	// maxConflicts is how many conflicts are told one by one.
	maxConflicts = 16
)

// mergeOptions are the arguments of `seal merge-driver`.
type mergeOptions struct {
	base, ours, theirs     string
	markerSize             int
	path                   string
	oursLabel, theirsLabel string
}

func newMergeDriverCommand(env *Env) *cobra.Command {
	var o mergeOptions
	cmd := &cobra.Command{
		Use:               "merge-driver [flags] BASE OURS THEIRS",
		Short:             "Merge sealed files, called by git",
		Long:              mergeDriverLong,
		Example:           mergeDriverExample,
		Hidden:            true,
		ValidArgsFunction: completeFiles,
		Args: func(cmd *cobra.Command, args []string) error {
			return asDriver(exactArgs("BASE", "OURS", "THEIRS")(cmd, args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.base, o.ours, o.theirs = args[0], args[1], args[2]
			found, err := runMergeDriver(cmd.Context(), env, &o)
			if err != nil {
				return asDriver(err)
			}
			return o.report(found)
		},
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return asDriver(usage(helpHint(cmd), "%s", flagMessage(err)))
	})
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&o.markerSize, "marker-size", merge.DefaultMarkerSize, "the length `N` of conflict markers (git's %L)")
	flags.StringVar(&o.path, "path", "", "the `PATH` of the file in the repository (git's %P)")
	flags.StringVar(&o.oursLabel, "ours-label", "ours", "the `LABEL` of ours in conflicts")
	flags.StringVar(&o.theirsLabel, "theirs-label", "theirs", "the `LABEL` of theirs in conflicts")
	return cmd
}

// asDriver gives failures the exit code that git expects of drivers, those of the command line too: 2 would be a conflict to git, with ours alone in the file.
func asDriver(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &failure{msg: err.Error(), hint: hint(err), code: exitDriver}
}

// name is what messages call the file.
func (o *mergeOptions) name() string {
	if o.path != "" {
		return o.path
	}
	return o.ours
}

func runMergeDriver(ctx context.Context, env *Env, o *mergeOptions) ([]merge.Conflict, error) {
	if o.markerSize < 1 || o.markerSize > maxMarker {
		return nil, usage("", "--marker-size must be 1 to %d", maxMarker)
	}
	if slices.Contains([]string{o.base, o.ours, o.theirs}, stdinArg) {
		return nil, usage("", "a merge driver works on files, not on standard input")
	}
	v, err := o.read(ctx, env)
	if err != nil {
		return nil, err
	}
	t := &textMerger{ctx: ctx, env: env, o: o}
	defer t.close()
	result, err := o.merge(ctx, env, v, t)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.write(env, v.ours, result.Data); err != nil {
		return nil, err
	}
	for _, w := range result.Warnings {
		warn(env.Stderr, o.name()+": "+w)
	}
	return result.Conflicts, nil
}

// threeFiles are the contents of BASE, OURS and THEIRS.
type threeFiles struct{ base, ours, theirs []byte }

func (o *mergeOptions) read(ctx context.Context, env *Env) (v threeFiles, err error) {
	for _, f := range []struct {
		name string
		data *[]byte
	}{{o.base, &v.base}, {o.ours, &v.ours}, {o.theirs, &v.theirs}} {
		if *f.data, err = env.read(ctx, f.name, "a version", maxMerged); err != nil {
			return v, err
		}
	}
	return v, nil
}

// merge merges sealed documents where there are any, and the file as text where it cannot be taken apart.
func (o *mergeOptions) merge(ctx context.Context, env *Env, v threeFiles, t *textMerger) (*merge.Result, error) {
	notes := &authors{ctx: ctx, env: env, path: o.path}
	result, err := merge.Merge(o.name(), v.base, v.ours, v.theirs, merge.Options{
		MarkerSize: o.markerSize, Ours: o.oursLabel, Theirs: o.theirsLabel, Text: t.merge, Note: notes.of,
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case t.err != nil: // no git, no room: that makes neither a conflict nor a merge by line
		return nil, fmt.Errorf("%s: %w", o.name(), t.err)
	case err == nil:
		return result, nil
	}
	return o.asText(v, t, err)
}

// asText merges the file as git does. A merge without conflicts that breaks a sealed object is none: it takes a side for the whole file.
// why says what stood against merging its objects.
func (o *mergeOptions) asText(v threeFiles, t *textMerger, why error) (*merge.Result, error) {
	merged, clean, err := t.whole()
	switch {
	case errors.Is(err, git.ErrBinary):
		return &merge.Result{Data: v.ours, Conflicts: []merge.Conflict{{Reason: "is binary, and was changed on both sides; ours is kept"}}}, nil
	case err != nil:
		return nil, err
	case !clean:
		reason := "was changed on both sides"
		if !errors.Is(why, merge.ErrNotSealed) {
			reason += ", and is merged by line: " + strings.TrimPrefix(why.Error(), o.name()+": ")
		}
		return &merge.Result{Data: merged, Conflicts: []merge.Conflict{{Reason: reason}}}, nil
	}
	broken := merge.Sound(o.name(), merged)
	// When git replays a recorded resolution, theirs is that resolution, and the others have conflict markers in them.
	must := merge.Sound(o.name(), v.theirs) == nil && (hasMarkers(v.base, o.markerSize) || merge.Sound(o.name(), v.ours) == nil)
	if broken == nil {
		broken = o.repeats(v, merged)
		must = true
	}
	if broken == nil || !must {
		return &merge.Result{Data: merged}, nil
	}
	return merge.Choose(v.ours, v.theirs, merge.Options{MarkerSize: o.markerSize, Ours: o.oursLabel, Theirs: o.theirsLabel},
		"does not merge line by line: "+strings.TrimPrefix(broken.Error(), o.name()+": ")), nil
}

// repeats refuses a merge that has a GitSecret twice where one side has none twice: by line, nobody knows which of the two that side has changed.
func (o *mergeOptions) repeats(v threeFiles, merged []byte) error {
	twice, err := merge.Repeated(o.name(), merged)
	if err != nil || twice == "" {
		return nil
	}
	for _, side := range [][]byte{v.ours, v.theirs} {
		if other, err := merge.Repeated(o.name(), side); err == nil && other == "" {
			return fmt.Errorf("%s stands in it twice, and on one side once", twice)
		}
	}
	return nil
}

func hasMarkers(text []byte, size int) bool {
	return beginsLine(text, strings.Repeat("<", size))
}

// write replaces OURS as a whole, so that a driver that is killed leaves it old or new.
func (o *mergeOptions) write(env *Env, was, now []byte) error {
	if bytes.Equal(was, now) {
		return nil
	}
	var batch replace.Batch
	defer batch.Discard()
	if err := batch.Update(env.path(o.ours), was, now); err != nil {
		return withWayOut(err)
	}
	return withWayOut(batch.Commit())
}

// report tells each conflict; none is no error.
func (o *mergeOptions) report(all []merge.Conflict) error {
	var errs []error
	for i, c := range all {
		msg := o.name() + ": "
		if c.Document != "" {
			msg += c.Document + ": "
		}
		if c.Field != "" {
			msg += c.Field + " "
		}
		msg += c.Reason
		if i == maxConflicts {
			msg = fmt.Sprintf("%s: %d more conflicts", o.name(), len(all)-i)
		}
		errs = append(errs, failed("between each pair of markers keep one side, delete the markers, then git add the file", "%s", msg))
		if i == maxConflicts {
			break
		}
	}
	return errors.Join(errs...)
}
