package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/cli/trail"
)

const auditProveLong = `Write a proof that a record is in the log: a C2SP .tlog-proof file, some 2 KiB beside the record, which
holds the record itself and is verified without the log, by seal audit verify or another program that
knows tlog-proof.

INDEX is what seal audit tail shows in its first column, PART/INDEX; without a part it is that of
--part, or of the only one. The log is a FOLDER or the URL of a controller's endpoint. With --key, a
checkpoint that the log's key has not signed is refused.`

const auditProveExample = `  seal audit prove 1/4711 copy --out record.tlog-proof
  seal audit verify --key log.vkey record.tlog-proof`

// auditProveOptions are the flags of `seal audit prove`.
type auditProveOptions struct {
	part     int
	out, key string
	endpointFlags
}

func newAuditProveCommand(env *Env) *cobra.Command {
	var o auditProveOptions
	cmd := &cobra.Command{
		Use:               "prove [flags] INDEX FOLDER|URL",
		Short:             "Write a proof that a record is in the log",
		Long:              auditProveLong,
		Example:           auditProveExample,
		Args:              exactArgs("INDEX", "FOLDER"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runAuditProve(cmd.Context(), env, &o, args[0], args[1])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVar(&o.part, "part", 0, "the `NUMBER` of the part")
	flags.StringVar(&o.out, "out", "", "write to `FILE` instead of standard output")
	flags.StringVar(&o.key, "key", "", "the log's public key: a `VKEY`, or a file with it")
	o.endpointFlags.addTo(flags)
	return cmd
}

func runAuditProve(ctx context.Context, env *Env, o *auditProveOptions, index, where string) error {
	part, n, err := o.position(index)
	if err != nil {
		return err
	}
	key := ""
	if o.key != "" {
		if key, err = readVerifierKey(ctx, env, o.key); err != nil {
			return err
		}
	}
	src, err := o.endpointFlags.open(ctx, env, where)
	if err != nil {
		return err
	}
	proof, err := unlessDone(ctx, func() ([]byte, error) { return proveRecord(src, part, n, key) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return src.explain(err)
	}
	if key != "" {
		// What is written is what a reader will find good.
		if _, err := verify.VerifyProof(proof, key); err != nil {
			return &failure{msg: fmt.Sprintf("%s: %v", where, err), code: exitTampered, hint: "seal audit verify says more"}
		}
	}
	return env.writeOut(o.out, proof, sealedMode)
}

// position reads INDEX; part is 0 where none is named.
func (o *auditProveOptions) position(text string) (part int, index uint64, err error) {
	part = o.part
	bad := usage("as seal audit tail shows it, such as 4711 or 1/4711", "%s: is no INDEX", shown(text))
	if before, after, ok := strings.Cut(text, "/"); ok {
		if part, err = strconv.Atoi(before); err != nil || part < 1 {
			return 0, 0, bad
		}
		if o.part != 0 && o.part != part {
			return 0, 0, usage("name it once", "--part %d does not go with %s", o.part, shown(text))
		}
		text = after
	}
	if index, err = strconv.ParseUint(text, 10, 63); err != nil {
		return 0, 0, bad
	}
	if part < 0 || part > 9999 {
		return 0, 0, usage("parts are numbered from 1", "there is no part %d", part)
	}
	return part, index, nil
}

// proveRecord finds the part and proves the record.
func proveRecord(src *auditSource, part int, index uint64, key string) ([]byte, error) {
	parts, err := trail.Parts(src.fsys)
	if err != nil {
		return nil, err
	}
	switch {
	case len(parts) == 0:
		return nil, errors.New("there is no audit log here")
	case part == 0 && len(parts) > 1:
		return nil, usage("name one with --part, or as PART/INDEX", "the log has parts %d to %d, and each has a record %d", parts[0].Number, parts[len(parts)-1].Number, index)
	case part == 0:
		part = parts[0].Number
	case !slices.ContainsFunc(parts, func(p *trail.Part) bool { return p.Number == part }):
		return nil, fmt.Errorf("there is no part %d; the log has parts %d to %d", part, parts[0].Number, parts[len(parts)-1].Number)
	}
	dir := src.fsys
	if !src.part {
		dir = trail.Sub(dir, audit.PartDir(part))
	}
	return verify.Prove(dir, part, index, key)
}
