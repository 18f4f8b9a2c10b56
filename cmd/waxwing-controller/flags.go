package main

import (
	"context"
	"crypto/ed25519"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/controller"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/sources"
)

// options are the flags that are not Config's own fields.
type options struct {
	controller.Config
	kubeconfig string
	auditLog   string
	logLevel   slog.Level
	// auditStdout copies the audit log to stdout.
	auditStdout bool
	stdout      io.Writer
	// serviceAccount is the controller's own, vaultTokens a folder of token files, both to log in to Vaults with.
	serviceAccount, vaultTokens string
	sources                     *sources.Sources
}

// command is the program without its process: env reads the environment, logs takes the log.
func command(version string, env func(string) string, logs io.Writer) *cobra.Command {
	o := &options{Config: controller.Config{Version: version, Now: time.Now, Rand: crand.Reader, Jitter: rand.Float64}}
	cmd := &cobra.Command{
		Use:   "waxwing-controller",
		Short: "Opens GitSecrets inside the cluster and keeps the keys that open them",
		Example: `  # in the cluster: who and where it is comes from the pod
  waxwing-controller --audit-log /var/lib/waxwing/audit

  # from a workstation, for a try
  waxwing-controller --kubeconfig controller.kubeconfig --namespace waxwing-system --audit-log audit --leader-elect=false`,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("namespaces") && len(o.Namespaces) == 0 {
				return errors.New("--namespaces is empty: leave it out to open GitSecrets in all namespaces")
			}
			o.stdout = cmd.OutOrStdout()
			if err := o.complete(logs); err != nil {
				return err
			}
			defer o.sources.Close()
			return controller.Run(cmd.Context(), o.Config)
		},
	}
	cmd.SetVersionTemplate("{{.Version}}\n")
	o.addFlags(cmd, env)
	return cmd
}

func (o *options) addFlags(cmd *cobra.Command, env func(string) string) {
	host, _ := os.Hostname()
	replica := env("POD_NAME")
	if replica == "" {
		replica = host
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig to use (default: the pod's ServiceAccount)")
	f.StringVar(&o.Namespace, "namespace", env("POD_NAMESPACE"), "the controller's own namespace, where its keys are (default: $POD_NAMESPACE)")
	f.StringSliceVar(&o.Namespaces, "namespaces", nil, "open GitSecrets in these namespaces only, and read and write nothing in others: no right in the whole cluster is needed but that to Keyrings (default: all)")
	f.StringVar(&o.auditLog, "audit-log", "", "folder of the audit log, on a volume of its own; required")
	f.BoolVar(&o.AuditEphemeral, "audit-ephemeral", false, "say so if the audit log is on a volume that goes with the pod: every Keyring then shows Degraded")
	f.BoolVar(&o.auditStdout, "audit-stdout", false, "copy every record of the audit log to standard output, a line of JSON each, for the cluster's log pipeline; the program's own log goes to standard error")
	f.BoolVar(&o.AuditStamped, "audit-applied-by", false, "say so if an admission policy is in force that stamps each GitSecret with the user who wrote it, as annotation audit.waxwing.io/applied-by: audit records then name him. Without one anybody can write that annotation")
	f.StringVar(&o.AuditAddress, "audit-bind-address", ":8443", "where to serve the audit log's files over TLS, /v1/audit/, to those whom the API server lets get that path; 0: nowhere")
	f.StringVar(&o.AuditCertFile, "audit-tls-cert-file", "", "TLS certificate for that, read again when it changes (default: one that the process makes for itself, which nobody can check)")
	f.StringVar(&o.AuditKeyFile, "audit-tls-key-file", "", "its private key")
	f.StringVar(&o.Replica, "replica", replica, "name of this process in the audit log (default: $POD_NAME, or the host's name)")
	f.StringVar(&o.serviceAccount, "service-account", env("POD_SERVICE_ACCOUNT"), "the controller's own ServiceAccount, of which it makes tokens to log in to Vault with (default: $POD_SERVICE_ACCOUNT)")
	f.StringVar(&o.vaultTokens, "vault-tokens", "", "folder of files with tokens for Vault, which something else writes and renews; keyrings name the files (default: there is none)")
	f.IntVar(&o.Workers, "workers", 16, "how many GitSecrets are looked at at a time; they mostly wait for the API server")
	f.IntVar(&o.OffersAtMost, "rewrap-offers", 500, "how many GitSecrets have offers of new wraps in their status at a time, after a key rotation, for seal rewrap or an agent to put into Git; 0: none are made")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "where to serve /metrics; 0: nowhere")
	f.StringVar(&o.HealthAddress, "health-bind-address", ":8081", "where to serve /healthz and /readyz; 0: nowhere")
	f.StringVar(&o.RecipientsAddress, "recipients-bind-address", ":8082", "where to serve the public keys, /v1/recipients; 0: nowhere")
	f.BoolVar(&o.Elect.Enabled, "leader-elect", true, "let several replicas agree on the one that works")
	f.DurationVar(&o.Elect.LeaseDuration, "leader-elect-lease-duration", 4*time.Second, "how long a leader that has died is waited for, at least 1s")
	f.DurationVar(&o.Elect.RenewDeadline, "leader-elect-renew-deadline", 3*time.Second, "how long a leader that cannot renew goes on; an API server that is slower than this loses it the lead, and its process starts again. With many such losses in the log, set all three four times as long")
	f.DurationVar(&o.Elect.RetryPeriod, "leader-elect-retry-period", 250*time.Millisecond, "how often the leader renews and the others ask; with 250ms the leader makes 4 requests a second, every other replica 2 to 3")
	f.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "DEBUG, INFO, WARN or ERROR")
}

// complete connects to the cluster and wires what package controller does not know of.
func (o *options) complete(logs io.Writer) error {
	// Nothing below DEBUG is let through: client-go would log the bodies of requests there.
	o.Log = slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: max(o.logLevel, slog.LevelDebug)}))
	var err error
	if o.REST, err = o.cluster(); err != nil {
		return fmt.Errorf("finding the cluster: %w", err)
	}
	// client-go's own five requests a second would have a first start, which makes the keys, take two seconds longer. What is tried again waits by itself, and the
	// API server has its own fairness.
	o.REST.QPS = -1
	clients, err := kubernetes.NewForConfig(o.REST)
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	o.wireKeys(clients)
	if o.auditLog == "" {
		return errors.New("no audit log: set --audit-log; nothing is opened without one")
	}
	o.wireAudit(clients)
	return nil
}

// wireKeys puts the sources of keys together.
func (o *options) wireKeys(clients kubernetes.Interface) {
	core := clients.CoreV1()
	o.sources = sources.New(sources.Config{
		Secrets: core.Secrets(o.Namespace), Cluster: sources.Cluster(core.Namespaces()),
		ServiceAccountToken: sources.Tokens(core.ServiceAccounts(o.Namespace), o.serviceAccount), TokenDir: o.vaultTokens,
		Now: o.Now, Rand: o.Rand, Jitter: o.Jitter, Log: o.Log,
	})
	o.KeySource, o.KeySourceUse = o.sources.Open, o.sources.Use
	o.KeyRestores = secretsource.NewRestores(core.Secrets(o.Namespace))
}

// wireAudit puts the audit log together: its files are in a folder, its name, key and anchor in the cluster.
func (o *options) wireAudit(clients kubernetes.Interface) {
	core := clients.CoreV1()
	log := process.InFolder(core, o.Namespace, o.Replica, tiles.Config{Dir: o.auditLog, Ephemeral: o.AuditEphemeral, Now: o.Now, Log: o.Log},
		func(ctx context.Context, origin string) (ed25519.PrivateKey, error) {
			return cluster.Key(ctx, core.Secrets(o.Namespace), o.Rand, o.Replica, origin)
		})
	o.AuditStore, o.AuditAnchors, o.AuditStatus, o.AuditFiles = log.Store, log.Anchors, log.Status, log.Files
	if o.auditStdout {
		o.AuditStream = o.stdout
	}
}

func (o *options) cluster() (*rest.Config, error) {
	if o.kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", o.kubeconfig)
}
