package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/cli/trail"
)

const auditRestartLong = `Have a controller begin a new part of its audit log, because it refuses to go on with the present one.

A controller that refuses is not ready and opens nothing: its volume has not what was anchored. That
happens when the volume was lost, put back from a snapshot or a backup, or altered. If the right
volume can still be had, bring it back instead, and the log goes on by itself.

After a restart the present part is given up as it was anchored last: what was recorded behind that, if
anything, is vouched for by nobody. The new part begins with a record of the restart, with REASON,
which cites the last anchor; auditors see it for ever. Copy the volume first if there is something on it:
it may be evidence.

The request is written into the ConfigMap waxwing-audit-REPLICA, which takes the right to list and
patch ConfigMaps in the controller's namespace. A controller whose pod is ready does not refuse, and
needs no restart: with --force it gets the request all the same, and minds it at its next start.`

const auditRestartExample = `  seal audit restart --reason "volume of node 7 lost, ticket 4711"
  seal audit restart --replica waxwing-controller-1 --reason "restored from the snapshot of Monday" --yes`

// maxReason bounds a reason, in bytes: a record has room for so much.
const maxReason = 250

// auditRestartOptions are the flags of `seal audit restart`.
type auditRestartOptions struct {
	reason     string
	yes, force bool
	anchorFlags
}

func newAuditRestartCommand(env *Env) *cobra.Command {
	var o auditRestartOptions
	cmd := &cobra.Command{
		Use:               "restart --reason TEXT",
		Short:             "Give up a part of an audit log that cannot be gone on with",
		Long:              auditRestartLong,
		Example:           auditRestartExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAuditRestart(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.reason, "reason", "", "`TEXT` that says why; it is recorded for ever")
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	flags.BoolVar(&o.force, "force", false, "ask for it although the controller does not refuse, or nobody can see whether it does")
	o.anchorFlags.addTo(flags)
	return cmd
}

func (o *auditRestartOptions) check() error {
	switch {
	case strings.TrimSpace(o.reason) == "":
		return usage("say what has happened to the volume", "--reason is missing")
	case len(o.reason) > maxReason:
		return usage("", "--reason is longer than %d bytes", maxReason)
	case strings.ContainsFunc(o.reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return usage("one line of plain text", "--reason has characters that do not print")
	}
	return nil
}

func runAuditRestart(ctx context.Context, env *Env, o *auditRestartOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	found, err := o.find(ctx, env)
	if err != nil {
		return err
	}
	if len(found) > 1 {
		names := make([]string, len(found))
		for i := range found {
			names[i] = shown(found[i].replica)
		}
		return usage("name one with --replica", "there are several audit logs: %s", strings.Join(names, ", "))
	}
	a := &found[0]
	part := a.anchor.Part
	if r := a.anchor.Restart; r != nil && r.Part == part && !o.force {
		return failed("it is minded when the controller looks at its anchor next; --force replaces the reason", "a restart is asked for already: %s", cut(r.Reason, maxFinding))
	}
	if err := o.refuses(ctx, a); err != nil {
		return err
	}
	if err := o.confirm(ctx, env, a); err != nil {
		return err
	}
	request, err := json.Marshal(audit.Restart{Reason: o.reason, Part: part})
	if err != nil {
		return err
	}
	_, err = unlessDone(ctx, func() (struct{}, error) {
		return struct{}{}, a.client.SetData(ctx, o.namespace, &a.in, map[string]string{trail.RestartKey: string(request)})
	})
	switch {
	case refusedWith(err, http.StatusConflict):
		return failed("look whether it is ready now: kubectl -n "+o.namespace+" get pod "+a.replica, "the anchor has changed meanwhile: the controller has written it, so it may go on by itself")
	case isForbidden(err):
		return failed("ask for the right to patch the ConfigMap "+a.in.Metadata.Name+" in namespace "+o.namespace, "%v", err)
	case err != nil:
		return withClusterHint(err)
	}
	message(env.Stderr, "seal: ", fmt.Sprintf("asked for: %s goes on in part %d within some seconds, if it refuses part %d", a.replica, part+1, part))
	return nil
}

// refuses is nil where the controller seems to refuse its log, or --force was given.
func (o *auditRestartOptions) refuses(ctx context.Context, a *clusterAnchor) error {
	if o.force {
		return nil
	}
	ready, err := unlessDone(ctx, func() (bool, error) { return a.client.PodReady(ctx, o.namespace, a.replica) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return failed("if you know that it refuses its log, say so with --force", "whether %s refuses its log cannot be seen: %v", a.replica, err)
	case ready:
		return failed("a restart would leave a gap that nobody needs; --force asks for it all the same", "%s is ready: it does not refuse its log", a.replica)
	}
	return nil
}

// confirm tells what the consequence is, and asks.
func (o *auditRestartOptions) confirm(ctx context.Context, env *Env, a *clusterAnchor) error {
	part := a.anchor.Part
	message(env.Stderr, "seal: ", fmt.Sprintf("part %d of the log of %s is given up: %s of it are anchored, and for what was recorded behind them nobody vouches any more",
		part, a.replica, countOf(a.anchoredSize(), "record")))
	message(env.Stderr, "seal: ", fmt.Sprintf("part %d begins with a record of the restart, with your reason; auditors see it for ever", part+1))
	if o.yes {
		return nil
	}
	yes, err := env.confirmed(ctx, fmt.Sprintf("Give up part %d of the log of %s?", part, a.replica))
	if err != nil {
		return err
	}
	if !yes {
		return failed("", "not asked for: the log is as it was")
	}
	return nil
}
