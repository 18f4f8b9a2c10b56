package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/cli/trail"
)

const auditVerifyLong = `Verify audit logs offline, with public data alone: that no record was changed, dropped, put in another
order or added unsigned, that nothing which is anchored is missing, that parts and leaders follow each
other, and which operations have no outcome. A PATH is the folder of a log or of a copy, the folder of
one part, or a .tlog-proof file, which proves one record alone. Logs of several replicas that are given
together are held against each other, too.

Two things have to come from elsewhere than the log, or they prove nothing about who has written it and
how much of it is there:

  --key     the log's public key: what seal audit anchor shows, or a file with it
  --anchor  what was known of the log before: what seal audit anchor -o json prints, the ConfigMap as
            kubectl prints it, or the checkpoint of an older copy. It names the key, too.

The first line says what it comes to, and where the log was altered, the first record that is concerned.

EXIT STATUS
  0  all is as it was recorded
  1  a PATH is no log, or cannot be read
  4  a log or a proof was altered, or is not complete as far as it is anchored
  5  nothing was altered, but there are findings: uses without outcome, no key or no anchor from
     elsewhere, missing first parts, terms out of order`

const auditVerifyExample = `  seal audit verify --anchor anchors.json copy
  seal audit verify --anchor anchors.json --anchor last-year.json copy-0 copy-1
  seal audit verify --key log.vkey -o json copy/0001
  seal audit verify --key "$(cat log.vkey)" record.tlog-proof`

// auditVerifyOptions are the flags of `seal audit verify`.
type auditVerifyOptions struct {
	auditTrust
	progress progressFlag
	output   reportFlag
}

// auditTrust is what is known about logs from elsewhere.
type auditTrust struct {
	keyArgs, anchorFiles []string

	keys    []string
	anchors []audit.Anchor
}

func (f *auditTrust) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.keyArgs, "key", nil, "the log's public key: a `VKEY` (CLUSTER/REPLICA+HASH+KEY), or a file with it; repeatable, for several logs")
	flags.StringArrayVar(&f.anchorFiles, "anchor", nil, "what was once known of the log, in `FILE`; repeatable")
}

func newAuditVerifyCommand(env *Env) *cobra.Command {
	var o auditVerifyOptions
	cmd := &cobra.Command{
		Use:               "verify [flags] PATH…",
		Short:             "Verify audit logs and proofs, offline",
		Long:              auditVerifyLong,
		Example:           auditVerifyExample,
		ValidArgsFunction: completeFiles,
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(helpHint(cmd), "missing PATH")
			}
			return runAuditVerify(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.auditTrust.addTo(flags)
	o.progress.addTo(flags)
	o.output.addTo(cmd)
	return cmd
}

func runAuditVerify(ctx context.Context, env *Env, o *auditVerifyOptions, paths []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := o.read(ctx, env); err != nil {
		return err
	}
	var logs []verify.Log
	proofs := []provedRecord{}
	for _, path := range paths {
		if isURL(path) {
			return usage("copy it first: seal audit fetch "+shown(path)+" --out FOLDER", "%s: a log is verified offline", shown(path))
		}
		info, err := os.Stat(env.path(path))
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", path, pathCause(err))
		case info.IsDir():
			log, err := o.log(env, path)
			if err != nil {
				return err
			}
			logs = append(logs, log)
		default:
			proof, err := o.proof(ctx, env, path)
			if err != nil {
				return err
			}
			proofs = append(proofs, proof)
		}
	}
	r := auditReport{Report: &verify.Report{Verdict: verify.OK, Logs: []verify.LogReport{}, Findings: []verify.Finding{}}, Proofs: proofs}
	if len(logs) > 0 {
		found, err := o.verify(ctx, env, logs)
		if err != nil {
			return err
		}
		r.Report = found
	}
	r.judgeProofs()
	if err := o.output.write(env, &r, r.text); err != nil {
		return err
	}
	return r.failure()
}

func (o *auditVerifyOptions) verify(ctx context.Context, env *Env, logs []verify.Log) (*verify.Report, error) {
	bar := o.progress.start(env, "verifying", "records")
	defer bar.finish()
	// A file system may hang.
	r, err := unlessDone(ctx, func() (*verify.Report, error) {
		return verify.Verify(ctx, logs, verify.Options{Progress: func(p verify.Progress) {
			bar.set(fmt.Sprintf("%s part %d", shown(p.Log), p.Part), int(p.Done), int(p.Size))
		}})
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, verify.ErrNoLog):
		return nil, failed("name the folder that has 0001 in it, one of such folders, or a .tlog-proof file", "%v", err)
	}
	return r, err
}

// read reads what the flags name.
func (f *auditTrust) read(ctx context.Context, env *Env) error {
	if err := once(append(append([]string{}, f.keyArgs...), f.anchorFiles...)...); err != nil {
		return err
	}
	for _, arg := range f.keyArgs {
		key, err := readVerifierKey(ctx, env, arg)
		if err != nil {
			return err
		}
		f.keys = append(f.keys, key)
	}
	for _, name := range f.anchorFiles {
		b, err := env.read(ctx, name, "anchors", trail.MaxAnchorFile)
		if err != nil {
			return err
		}
		some, err := trail.ReadAnchors(name, b)
		if err != nil {
			return err
		}
		f.anchors = append(f.anchors, some...)
	}
	return nil
}

// readVerifierKey reads a verifier key, or the file of one.
func readVerifierKey(ctx context.Context, env *Env, arg string) (string, error) {
	if _, err := note.NewVerifier(arg); err == nil {
		return arg, nil
	}
	b, err := env.read(ctx, arg, "a verifier key", maxKeyFile)
	if err != nil {
		return "", err
	}
	text, err := keyText(arg, b)
	if err != nil {
		return "", err
	}
	for _, line := range keyLines(text) {
		if _, err := note.NewVerifier(line); err != nil {
			break
		}
		return line, nil
	}
	return "", failed("a key is CLUSTER/REPLICA+HASH+KEY on a line, as seal audit anchor shows it", "%s: has no verifier key", arg)
}

// keyFor is the key that was given for a log that says it is origin. With keys for other logs only, one of them is taken: what it has not signed is not trusted.
func (f *auditTrust) keyFor(origin string) string {
	for _, key := range f.keys {
		if name, _, _ := strings.Cut(key, "+"); name == origin {
			return key
		}
	}
	if len(f.keys) > 0 {
		return f.keys[0]
	}
	return ""
}

// log is the log in a folder with what is known about it.
func (f *auditTrust) log(env *Env, path string) (verify.Log, error) {
	src, err := openFolder(env, path)
	if err != nil {
		return verify.Log{}, err
	}
	return verify.Log{Name: path, Dir: src.fsys, Key: f.keyFor(claimedOrigin(src)), Anchors: f.anchors}, nil
}

// claimedOrigin is what a log says that it is; empty where it says nothing.
func claimedOrigin(src *auditSource) string {
	parts, err := trail.Parts(src.fsys)
	if err != nil || len(parts) == 0 {
		return ""
	}
	origin := parts[0].Origin
	return origin[:max(0, strings.LastIndexByte(origin, '/'))]
}
