package cli

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/cli/trail"
)

const auditTailLong = `Show the newest records of an audit log, one line each: which record it is (part/index), when it was
made, what was done or tried to which object, for whom, and what came of it.

The log is a FOLDER (of the log, of a copy, or of one of its parts) or the URL of a controller's
endpoint; the current folder if none is given. Nothing is verified: seal audit verify does that.

An operation has two records: an intent before it, and an outcome after. An intent that no outcome
follows is marked: the controller ended between the two, or is still at it. An outcome shows action,
object and actor of its intent. --action, --namespace and --since choose by those; times are what the
controller's clock said.

-o json prints the records as they are in the log, a line each.`

const auditTailExample = `  seal audit tail /var/lib/waxwing/audit
  seal audit tail -f --token-file token --ca-file ca.crt https://localhost:8443
  seal audit tail -n -1 --action unseal --action 'key.*' --namespace prod --since 24h copy
  seal audit tail -n -1 -o json copy | jq -r 'select(.phase == "intent") | .operation.object.name'`

// tailEvery is how often a log that is followed is looked at.
const tailEvery = 500 * time.Millisecond

// auditTailOptions are the flags of `seal audit tail`.
type auditTailOptions struct {
	endpointFlags
	follow    bool
	count     int
	actions   []string
	namespace string
	since     string
	from      time.Time // of since; zero for none
	output    reportFlag
}

func newAuditTailCommand(env *Env) *cobra.Command {
	var o auditTailOptions
	cmd := &cobra.Command{
		Use:               "tail [flags] [FOLDER|URL]",
		Short:             "Show the newest records of an audit log",
		Long:              auditTailLong,
		Example:           auditTailExample,
		Args:              atMost("FOLDER"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("lines") && o.since != "" {
				o.count = -1
			}
			return runAuditTail(cmd.Context(), env, &o, append(args, ".")[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVarP(&o.count, "lines", "n", 20, "show the newest `N` records of those that are chosen; -1 for all, as with --since, 0 for none")
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on with what is recorded from now on, until Ctrl-C")
	flags.StringArrayVar(&o.actions, "action", nil, "only this `ACTION`, such as unseal or 'key.*'; repeatable")
	flags.StringVar(&o.namespace, "namespace", "", "only what is about objects of this `NAMESPACE`")
	flags.StringVar(&o.since, "since", "", "only what is not older than `AGE`, such as 90m or 7d, or was made since a time such as 2026-11-23T02:22:00Z")
	o.endpointFlags.addTo(flags)
	o.output.addTo(cmd)
	return cmd
}

func (o *auditTailOptions) check(now time.Time) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.count < -1 {
		return usage("-1 shows all records", "-n is less than -1")
	}
	for _, pattern := range o.actions {
		if _, err := path.Match(pattern, ""); err != nil {
			return usage("use the name of an action, or one with * in it", "--action %s: not a pattern", shown(pattern))
		}
	}
	if err := checkNamespace(o.namespace); err != nil {
		return err
	}
	var err error
	o.from, err = sinceTime(o.since, now)
	return err
}

// sinceTime reads --since.
func sinceTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if age, ok := parseAge(text); ok {
		return now.Add(-age), nil
	}
	return time.Time{}, usage("give an age such as 30m, 24h or 7d, or a time such as 2026-11-23T02:22:00Z", "--since %s: neither an age nor a time", shown(text))
}

// parseAge is time.ParseDuration with days.
func parseAge(text string) (time.Duration, bool) {
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && text == fmt.Sprintf("%dd", days) && days >= 0 && days < 100_000 {
		return time.Duration(days) * 24 * time.Hour, true
	}
	age, err := time.ParseDuration(text)
	return age, err == nil && age >= 0
}

// wants says whether the operation of a record is chosen. A record whose operation is not known is chosen only where nothing is asked for.
func (o *auditTailOptions) wants(op *audit.Operation, at time.Time) bool {
	if at.Before(o.from) {
		return false
	}
	if op == nil {
		return len(o.actions) == 0 && o.namespace == ""
	}
	if o.namespace != "" && op.Object.Namespace != o.namespace {
		return false
	}
	return len(o.actions) == 0 || slices.ContainsFunc(o.actions, func(pattern string) bool {
		ok, err := path.Match(pattern, string(op.Action))
		return ok && err == nil
	})
}

func runAuditTail(ctx context.Context, env *Env, o *auditTailOptions, where string) error {
	if err := o.check(env.Now()); err != nil {
		return err
	}
	log, err := o.endpointFlags.open(ctx, env, where)
	if err != nil {
		return err
	}
	parts, err := unlessDone(ctx, func() ([]*trail.Part, error) { return trail.Parts(log.fsys) })
	if err != nil {
		return log.explain(err)
	}
	if len(parts) == 0 && !o.follow {
		return failed("name the folder that has 0001 in it; with -f a log is waited for", "%s: there is no audit log here", log.name)
	}
	t := tail{env: env, o: o, log: log, parts: parts, open: map[string]*audit.Operation{}}
	if err := t.run(ctx); err != nil {
		return log.explain(err)
	}
	return ctx.Err()
}

func (t *tail) run(ctx context.Context) error {
	if err := t.past(ctx); err != nil {
		return err
	}
	if t.o.follow {
		return t.follow(ctx)
	}
	switch {
	case t.unreadable > 0:
		return failed("seal audit verify says whether the log was altered; a newer seal reads newer records", "%s cannot be read", countOf(t.unreadable, "record"))
	case t.shown == 0 && t.o.count != 0:
		message(t.env.Stderr, "seal: ", "no record is chosen; the log has "+countOf(int(t.total()), "record"))
	}
	return nil
}
