package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/repo/git"
)

const doctorLong = `Go through what seal needs here, and say of each thing whether it is well and what to do if not: git
and the repository, .seal.yaml and its notes, what seal install adds, identity files, the editor, the
SSH agent; and with --cluster, --context or --kubeconfig the cluster:

  cluster     the API server answers; its version
  clock       how far the clock here is from the API server's
  CRDs        installed, served, and with all fields that this seal writes
  rights      what you may do in the namespace of your context, and which commands need it
  keyring     ready; pin and note are what it publishes. Without a pin, all keyrings
  controller  one leads, and its replicas are ready
  volume      the audit log lies on a volume that stays
  versions    the controller is as new as this seal

Nothing is changed, and without one of these flags nothing leaves this machine. What cannot be seen
without a right is skipped, and is no failure. The exit status is 5 if a line begins with fail.`

const doctorExample = `  seal doctor
  seal doctor --context prod
  seal doctor -o json`

// doctorPatience is how long each thing that may not answer is waited for.
const doctorPatience = 5 * time.Second

// doctorOptions are the flags of `seal doctor`.
type doctorOptions struct {
	cluster bool
	timeout time.Duration
	output  reportFlag
	fetch   fetchOptions // where the cluster is
}

func newDoctorCommand(env *Env) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:               "doctor",
		Short:             "Say what is missing or wrong in this set-up",
		Long:              doctorLong,
		Example:           doctorExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDoctor(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.cluster, "cluster", false, "look at the cluster, too")
	flags.StringVar(&o.fetch.context, "context", "", "the `CONTEXT` of the kubeconfig; implies --cluster")
	flags.StringVar(&o.fetch.kubeconfig, "kubeconfig", "", "the kubeconfig `FILE`; implies --cluster")
	flags.StringVarP(&o.fetch.namespace, "namespace", "n", "waxwing-system", "the `NAMESPACE` of the controller")
	flags.DurationVar(&o.timeout, "timeout", doctorPatience, "how long to wait for what does not answer, such as a cluster")
	o.output.addTo(cmd)
	return cmd
}

// health is how well a thing is.
type health string

const (
	healthOK   health = "ok"
	healthWarn health = "warn"
	healthFail health = "fail"
	healthSkip health = "skip" // it could not be looked at
)

// diagnosis is one line of the report.
type diagnosis struct {
	Check   string `json:"check"`
	State   health `json:"state"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// doctor collects diagnoses. No check ends it: each error is a diagnosis.
type doctor struct {
	env     *Env
	o       *doctorOptions
	repo    *git.Repo // nil where there is none
	signed  bool      // an environment wants signatures
	results []diagnosis
}

func (d *doctor) say(check string, state health, hint, format string, args ...any) {
	d.results = append(d.results, diagnosis{check, state, fmt.Sprintf(format, args...), hint})
}

func runDoctor(ctx context.Context, env *Env, o *doctorOptions) error {
	if err := o.output.check(); err != nil {
		return err
	}
	d := &doctor{env: env, o: o}
	d.checkGit(ctx)
	holders := d.checkSettings(ctx)
	if d.repo != nil {
		d.checkDrivers(ctx)
		d.checkAttributes(ctx)
		d.checkHook(ctx)
	}
	d.checkProgram()
	d.checkIdentities(ctx)
	d.checkEditor()
	d.checkAgent(ctx)
	if o.cluster || o.fetch.context != "" || o.fetch.kubeconfig != "" {
		d.checkCluster(ctx, holders)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	failures := 0
	for _, r := range d.results {
		if r.State == healthFail {
			failures++
		}
	}
	if err := o.output.writeLine(env, map[string]any{"checks": d.results}, d.text); err != nil {
		return err
	}
	if failures > 0 {
		return findings()
	}
	return nil
}

func (d *doctor) text(out *bytes.Buffer) {
	for _, r := range d.results {
		message(out, "", fmt.Sprintf("%-4s  %-10s  %s", r.State, r.Check, r.Message))
		if r.Hint != "" && r.State != healthOK {
			message(out, strings.Repeat(" ", 18)+"hint: ", r.Hint)
		}
	}
}

// checkProgram looks for the seal that Git and hooks would run.
func (d *doctor) checkProgram() {
	path, err := exec.LookPath("seal")
	if err != nil {
		d.say("seal", healthWarn, "put it into a folder of the PATH", "there is no seal in the PATH: Git's drivers and the hook need it")
		return
	}
	self, err := os.Executable()
	if err == nil && resolved(self) != resolved(path) {
		d.say("seal", healthWarn, "remove the one that is not meant", "%s comes first in the PATH, and this is %s", path, self)
		return
	}
	d.say("seal", healthOK, "", "%s, %s", path, buildVersion(d.env.Version).Version)
}

// checkIdentities looks at the private keys that are used without being named.
func (d *doctor) checkIdentities(ctx context.Context) {
	names := filepath.SplitList(d.env.Getenv(envIdentities))
	if len(names) == 0 {
		d.say("identities", healthOK, "", "%s is not set; seal open needs -i then", envIdentities)
	}
	for _, name := range names {
		if name == stdinArg {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, d.o.timeout)
		b, err := readFile(ctx, d.env.path(name), name, maxKeyFile)
		cancel()
		var held string
		if err == nil {
			held, err = d.identitiesIn(ctx, name, b)
			clear(b)
		}
		info, statErr := os.Stat(d.env.path(name))
		switch {
		case err != nil:
			d.say("identities", healthFail, hint(err), "%v", err)
		case runtime.GOOS != "windows" && statErr == nil && info.Mode().Perm()&0o077 != 0:
			d.say("identities", healthFail, "chmod 600 "+fileHint(name), "%s can be read by other users (mode %04o)", name, info.Mode().Perm())
		default:
			d.say("identities", healthOK, "", "%s: %s, readable by its owner only", name, held)
		}
	}
}

// identitiesIn says what an identity file holds, without asking anybody for a passphrase.
func (d *doctor) identitiesIn(ctx context.Context, name string, b []byte) (string, error) {
	if isAgeFile(b) {
		return "identities under a passphrase", nil
	}
	alone := *d.env
	alone.Terminal = nil
	ids, err := (&identityFlags{}).parse(ctx, &alone, name, b)
	return countedIdentities(len(ids)), err
}

func countedIdentities(n int) string {
	if n == 1 {
		return "1 identity"
	}
	return fmt.Sprintf("%d identities", n)
}
