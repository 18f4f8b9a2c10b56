package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/cli/trail"
)

const auditAnchorLong = `Show what the cluster knows of its audit logs: for each replica the key that signs its log, and the
newest checkpoint that was anchored. Both are public.

Keep the output of -o json where those who run the cluster cannot change it, and give it to seal audit
verify with --anchor: a log that does not contain what was anchored then was cut, put back or forked.
Every older one that you have kept is worth giving, too.

It needs the right to list ConfigMaps in the controller's namespace, which the Role waxwing-auditor
allows there.`

const auditAnchorExample = `  seal audit anchor
  seal audit anchor -o json > anchors-$(date +%F).json
  seal audit anchor --replica waxwing-controller-0 -n waxwing-system --context prod`

// anchorFlags pick anchors in the cluster.
type anchorFlags struct {
	replica, namespace string
	clusterFlags
}

func (f *anchorFlags) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.replica, "replica", "", "the `NAME` of the replica, that of its pod")
	flags.StringVarP(&f.namespace, "namespace", "n", "waxwing-system", "the `NAMESPACE` of the controller")
	f.clusterFlags.addTo(flags)
}

func (f *anchorFlags) check() error {
	if f.replica != "" && !secret.ValidName(f.replica) {
		return usage("it is that of the pod, such as waxwing-controller-0", "--replica %s: no name of a pod", shown(f.replica))
	}
	if f.namespace == "" {
		return usage("", "--namespace is empty")
	}
	return checkNamespace(f.namespace)
}

// auditAnchorOptions are the flags of `seal audit anchor`.
type auditAnchorOptions struct {
	anchorFlags
	output reportFlag
}

func newAuditAnchorCommand(env *Env) *cobra.Command {
	var o auditAnchorOptions
	cmd := &cobra.Command{
		Use:               "anchor",
		Short:             "Show the keys and anchors of audit logs, to be kept elsewhere",
		Long:              auditAnchorLong,
		Example:           auditAnchorExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runAuditAnchor(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.anchorFlags.addTo(flags)
	o.output.addTo(cmd)
	return cmd
}

func runAuditAnchor(ctx context.Context, env *Env, o *auditAnchorOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	found, err := o.find(ctx, env)
	if err != nil {
		return err
	}
	anchors := make([]audit.Anchor, len(found))
	for i, f := range found {
		anchors[i] = f.anchor
	}
	return o.output.write(env, anchors, func(t *reportText) {
		for i := range found {
			if i > 0 {
				t.line(0, "")
			}
			found[i].text(t)
		}
	})
}

// clusterAnchor is an anchor as it lies in the cluster.
type clusterAnchor struct {
	replica string
	anchor  audit.Anchor
	in      cluster.ConfigMap
	client  *cluster.Client
}

// find gives the anchors that are asked for. What is labelled as one and is none is warned of.
func (f *anchorFlags) find(ctx context.Context, env *Env) ([]clusterAnchor, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	client, err := f.client(env)
	if err != nil {
		return nil, err
	}
	maps, err := unlessDone(ctx, func() ([]cluster.ConfigMap, error) { return client.AuditAnchors(ctx, f.namespace) })
	if isForbidden(err) {
		return nil, failed("ask for the Role waxwing-auditor in namespace "+f.namespace, "%v", err)
	}
	if err != nil {
		return nil, withClusterHint(err)
	}
	var all []clusterAnchor
	var others []string
	for _, m := range maps {
		replica, ok := strings.CutPrefix(m.Metadata.Name, cluster.AuditAnchorName(""))
		a, err := trail.AnchorOfData(m.Data)
		if err == nil && (!ok || a.Origin == "") {
			err = fmt.Errorf("the ConfigMap is no anchor")
		}
		switch {
		case err != nil:
			warn(env.Stderr, fmt.Sprintf("%s: %v", shown(m.Metadata.Name), err))
		case f.replica != "" && replica != f.replica:
			others = append(others, shown(replica))
		default:
			all = append(all, clusterAnchor{replica, a, m, client})
		}
	}
	if len(all) == 0 {
		hint := "name the controller's namespace with -n; a controller makes the anchor when its log has its first record"
		if len(others) > 0 {
			hint = "there are anchors of " + some(others)
		}
		return nil, failed(hint, "there is no anchor of an audit log %sin namespace %s", forReplica(f.replica), f.namespace)
	}
	slices.SortFunc(all, func(a, b clusterAnchor) int { return strings.Compare(a.replica, b.replica) })
	return all, nil
}

func forReplica(name string) string {
	if name == "" {
		return ""
	}
	return "for replica " + name + " "
}

func (a *clusterAnchor) text(t *reportText) {
	t.line(0, t.bold(shown(a.replica)))
	t.note(1, "log     "+cut(a.anchor.Origin, maxColumn))
	t.note(1, "key     "+cut(a.anchor.Key, maxColumn*2))
	for _, signed := range append(slices.Clone(a.anchor.Closed), a.anchor.Checkpoint) {
		if c, err := verify.ParseCheckpoint([]byte(signed)); err == nil {
			number := c.Origin[strings.LastIndexByte(c.Origin, '/')+1:]
			part, _ := strconv.Atoi(number)
			t.note(1, fmt.Sprintf("part %d  %s, root %s", part, countOf(int(c.Size), "record"), c.Root))
		}
	}
	if a.anchor.Checkpoint == "" {
		t.note(1, fmt.Sprintf("part %d  nothing is anchored yet", a.anchor.Part))
	}
	if r := a.anchor.Restart; r != nil {
		t.mark(1, '~', fmt.Sprintf("a restart is asked for, giving part %d up: %s", r.Part, cut(r.Reason, maxFinding)))
	}
}

// anchoredSize is how many records of the present part are anchored.
func (a *clusterAnchor) anchoredSize() int {
	c, err := verify.ParseCheckpoint([]byte(a.anchor.Checkpoint))
	if err != nil {
		return 0
	}
	return int(c.Size)
}
