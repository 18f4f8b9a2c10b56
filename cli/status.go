package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/standing"
)

const statusLong = `Show how the GitSecrets of files stand in the cluster, one row an object: whether Git and cluster have
the same, what the controller says, how the Secret stands to what was written, and whether it is sealed
for the keys that its holders have now. No key is needed, nothing is changed, and no Secret's data is read.

  GIT      in sync, not applied, cluster older or newer (by the dates of the envelopes), differs,
           cluster only (no file has it), elsewhere (for keyrings that this cluster does not have),
           broken (the file breaks the format)
  READY    yes, stalled (somebody has to act), waiting (the controller tries again), suspended, unseen
           (the controller has not looked at this version), deleting
  SECRET   ok, old (of an earlier version), changed (after it was written), missing, none (never written);
           with a question mark it is the controller's word alone
  SEALED   for whom; "rewrap" where that is for keys which are no longer sealed to, "exposed" where a
           compromised key could ever have opened a value of it

FILEs are taken as they are, folders with all manifests below them; the current folder if none is given.
The cluster is asked for the namespaces that occur in them, or for that of -n, or for all with -A; its
other GitSecrets there are shown where a folder was looked at.

It needs the rights to list gitsecrets and to get keyrings. Metadata of Secrets is looked at where
listing them is allowed.

EXIT STATUS
  0  all that was looked at is in Git and in the cluster as it should be
  1  a file cannot be read, or the cluster cannot be asked; what is known is shown
  5  an object is not applied, not in sync, broken, not ready (but for suspended ones), of no known
     namespace, its Secret is old, changed or missing, or it is sealed for a compromised key or exposed
     to one; what is only in the cluster, is for another cluster or has to be rewrapped does not count`

const statusExample = `  seal status
  seal status clusters/prod --context prod
  seal status -A --problems
  seal status -n shop -o json db.yaml`

// statusOptions are the flags of `seal status`.
type statusOptions struct {
	clusterFlags
	namespace     string
	all, problems bool
	output        reportFlag
}

func newStatusCommand(env *Env) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:               "status [flags] [FILE|FOLDER]…",
		Short:             "Show how sealed files stand in the cluster",
		Long:              statusLong,
		Example:           statusExample,
		ValidArgsFunction: completeFiles,
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runStatus(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.namespace, "namespace", "n", "", "only this `NAMESPACE`; it is that of files that name none, too")
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "ask the cluster for all namespaces")
	flags.BoolVar(&o.problems, "problems", false, "show only the objects with which something is wrong")
	o.clusterFlags.addTo(flags)
	o.output.addTo(cmd)
	return cmd
}

func (o *statusOptions) check(args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.all && o.namespace != "" {
		return usage("give one of the two", "-A does not go with -n")
	}
	if err := checkNamespace(o.namespace); err != nil {
		return err
	}
	return once(args...)
}

func runStatus(ctx context.Context, env *Env, o *statusOptions, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	book, err := env.rulebook()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"."}
	}
	walk := statusWalk{env: env, o: o, book: book}
	files, unread, err := walk.files(ctx, args)
	if err != nil {
		return err
	}
	ask := statusAsk{env: env, o: o, files: files, rest: walk.folders}
	look, unasked := ask.look(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	r := newStatusReport(standing.Join(files, look))
	failure := errors.Join(unread, unasked)
	r.problemsOnly, r.warnings, r.failure = o.problems, ask.warnings, failure
	if err := o.output.write(env, r.json(), r.text); err != nil {
		return err
	}
	warn(env.Stderr, ask.warnings...)
	if r.summary.Wrong > 0 && unasked == nil {
		failure = errors.Join(failure, findings())
	}
	return failure
}
