package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/trail"
)

const auditFetchLong = `Copy the audit log of a running controller from its endpoint into a folder: tiles, checkpoints, key,
and the anchor as the controller tells it (anchor.json). Run it again with the same folder, and it
fetches what is new; a run that was ended goes on where it was. The copy is a whole log at every moment.

The folder keeps what it has: where the endpoint's log does not go on from the copy (it was put back,
forked, or has another key), nothing is replaced and the exit status is 4. Otherwise nothing is verified
here: seal audit verify does that, offline.

Each replica has a log and an endpoint of its own; give each a folder of its own. It needs a token that
may get /v1/audit/, which the role waxwing-auditor allows:

  kubectl -n waxwing-system port-forward pod/waxwing-controller-0 8443 &
  kubectl -n waxwing-system create token auditor > token`

const auditFetchExample = `  seal audit fetch https://localhost:8443 --token-file token --ca-file ca.crt --out copy
  seal audit fetch https://localhost:8443 --token-file token --insecure-skip-tls-verify --out copy
  seal audit fetch https://audit.example.org --context prod --out copy`

// auditFetchOptions are the flags of `seal audit fetch`.
type auditFetchOptions struct {
	out      string
	progress progressFlag
	endpointFlags
	output reportFlag
}

func newAuditFetchCommand(env *Env) *cobra.Command {
	var o auditFetchOptions
	cmd := &cobra.Command{
		Use:               "fetch [flags] URL --out FOLDER",
		Short:             "Copy a running controller's audit log",
		Long:              auditFetchLong,
		Example:           auditFetchExample,
		Args:              exactArgs("URL"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runAuditFetch(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.out, "out", "", "the `FOLDER` of the copy: a new one, or an older copy of the same log")
	o.endpointFlags.addTo(flags)
	o.progress.addTo(flags)
	o.output.addTo(cmd)
	return cmd
}

func runAuditFetch(ctx context.Context, env *Env, o *auditFetchOptions, where string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.out == "" {
		return usage("name a new folder, or an older copy of the same log", "--out is missing")
	}
	if !isURL(where) {
		return usage("such as https://localhost:8443; a folder can be read as it is", "%s is no URL", shown(where))
	}
	if err := o.endpointFlags.check(true); err != nil {
		return err
	}
	e, err := o.endpoint(ctx, env, where)
	if err != nil {
		return err
	}
	bar := o.progress.start(env, "fetching", "files")
	defer bar.finish()
	c := trail.Copier{Endpoint: e, Dir: env.path(o.out), Progress: func(part, done, total int) {
		bar.set(fmt.Sprintf("part %d", part), done, total)
	}}
	// What a credential plugin of the kubeconfig does in the meantime does not keep the command.
	copied, err := unlessDone(ctx, func() (*trail.Copied, error) { return c.Run(ctx) })
	bar.finish()
	if err := ctx.Err(); err != nil {
		return err
	}
	if errors.Is(err, trail.ErrNotThatLog) {
		return &failure{msg: fmt.Sprintf("%s: %v", where, err), code: exitTampered,
			hint: "keep the copy, it may be what is left of the truth: verify it, and fetch into another folder to compare"}
	}
	if err != nil {
		return (&auditSource{name: where}).explain(err)
	}
	if copied.NoAnchor != "" {
		warn(env.Stderr, "the log was copied without its anchor: "+copied.NoAnchor)
	}
	return o.output.write(env, copied, func(t *reportText) {
		for _, p := range copied.Parts {
			text := fmt.Sprintf("part %d: %s", p.Part, countOf(int(p.Size), "record"))
			if p.Before > 0 {
				text += fmt.Sprintf(", %d of them new", p.Size-p.Before)
			}
			t.note(0, text)
		}
		t.note(0, fmt.Sprintf("%s fetched, %s", countOf(copied.Files, "file"), sizeWords(int(copied.Bytes))))
	})
}
