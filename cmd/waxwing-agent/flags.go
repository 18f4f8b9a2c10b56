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
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/waxwing-io/waxwing/agent"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// options are the flags that are not Config's own fields.
type options struct {
	agent.Config
	kubeconfig, config, credentials string
	auditLog, auditKey              string
	// auditStdout copies the audit log to stdout.
	auditStdout bool
	logLevel    slog.Level
	stdout      io.Writer
}

// command is the program without its process: env reads the environment, logs takes the log.
func command(version string, env func(string) string, logs io.Writer) *cobra.Command {
	o := &options{Config: agent.Config{Version: version, Now: time.Now, Rand: crand.Reader, Jitter: rand.Float64}}
	cmd := &cobra.Command{
		Use:   "waxwing-agent",
		Short: "Keeps the GitSecrets of Git repositories in the cluster, and puts rotations back into Git",
		Long: `Keeps the GitSecrets of Git repositories in the cluster, as SecretSyncs ask for it, and puts new wraps
and notes of key rotations back into Git. It holds no private key that opens anything, and reads no Secret.`,
		Example: `  # in the cluster: who and where it is comes from the pod
  waxwing-agent --config /etc/waxwing/agent.yaml --credentials /etc/waxwing/credentials \
    --cache /var/lib/waxwing/repositories --audit-log /var/lib/waxwing/audit

  # from a workstation, for a try
  waxwing-agent --kubeconfig agent.kubeconfig --namespace waxwing-system --cache repositories --audit-log audit --leader-elect=false`,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("namespaces") && len(o.Namespaces) == 0 {
				return errors.New("--namespaces is empty: leave it out to follow SecretSyncs in all namespaces")
			}
			o.stdout = cmd.OutOrStdout()
			end, err := o.complete(logs)
			if err != nil {
				return err
			}
			defer end()
			return agent.Run(cmd.Context(), o.Config)
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
	f.StringVar(&o.Namespace, "namespace", env("POD_NAMESPACE"), "the agent's own namespace, where its Lease and its anchor are (default: $POD_NAMESPACE)")
	f.StringSliceVar(&o.Namespaces, "namespaces", nil, "follow SecretSyncs in these namespaces only, and apply nothing in others (default: all)")
	f.StringVar(&o.config, "config", "", "configuration file: which namespaces may use which credentials for which addresses, and the ServiceAccounts to apply as; read again when it changes (default: nobody may use any)")
	f.StringVar(&o.credentials, "credentials", "", "folder with a folder of files for each credentials, NAME/{username,password | token | identity,known_hosts,ca.crt,hook-secret,signing-key,forge-token,expires}; read again on each use (default: there are none)")
	f.StringVar(&o.CacheDir, "cache", "", "folder for repositories, on a volume of its own; required. What is in it can be deleted at any time")
	f.StringVar(&o.auditLog, "audit-log", "", "folder of the audit log, on a volume that stays; required")
	f.StringVar(&o.auditKey, "audit-key", "", "file with the key that signs the audit log, made where there is none (default: that of --audit-log, with .key)")
	f.BoolVar(&o.auditStdout, "audit-stdout", false, "copy every record of the audit log to standard output, a line of JSON each, for the cluster's log pipeline; the program's own log goes to standard error")
	f.StringVar(&o.AuditAddress, "audit-bind-address", ":8443", "where to serve the audit log's files over TLS, /v1/audit/, to those whom the API server lets get that path; 0: nowhere")
	f.StringVar(&o.AuditCertFile, "audit-tls-cert-file", "", "TLS certificate for that, read again when it changes (default: one that the process makes for itself, which nobody can check)")
	f.StringVar(&o.AuditKeyFile, "audit-tls-key-file", "", "its private key")
	f.StringVar(&o.Peers.URL, "audit-peers", "", "where other replicas serve their audit logs, such as https://{replica}.{set}.waxwing-system.svc:8443, so that their checkpoints can grow in Git: {replica} is a replica's name, {set} that without its number (default: nowhere)")
	f.StringVar(&o.Peers.CAFile, "audit-peers-ca-file", "", "authorities of the certificates of --audit-peers, to which the agent's own token is sent; read again on each use")
	f.StringVar(&o.Peers.ServerName, "audit-peers-server-name", "", "the name that these certificates are for (default: the URL's host)")
	f.StringVar(&o.Replica, "replica", replica, "name of this process in the audit log (default: $POD_NAME, or the host's name)")
	f.IntVar(&o.Workers, "workers", 4, "how many SecretSyncs are dealt with at a time; they mostly wait for Git servers")
	f.StringVar(&o.HookAddress, "hook-bind-address", ":9292", "where to take webhooks of Git servers, POST /hook, over HTTP; 0: nowhere")
	f.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8080", "where to serve /metrics; 0: nowhere")
	f.StringVar(&o.HealthAddress, "health-bind-address", ":8081", "where to serve /healthz and /readyz; 0: nowhere")
	f.BoolVar(&o.Elect.Enabled, "leader-elect", true, "let several replicas agree on the one that works")
	f.DurationVar(&o.Elect.LeaseDuration, "leader-elect-lease-duration", 15*time.Second, "how long a leader that has died is waited for")
	f.DurationVar(&o.Elect.RenewDeadline, "leader-elect-renew-deadline", 10*time.Second, "how long a leader that cannot renew goes on")
	f.DurationVar(&o.Elect.RetryPeriod, "leader-elect-retry-period", 2*time.Second, "how often the leader renews and the others ask")
	f.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "DEBUG, INFO, WARN or ERROR")
}

// complete reads what the agent is told by files, connects to the cluster and wires the audit log. end lets go of it all.
func (o *options) complete(logs io.Writer) (end func(), err error) {
	// Nothing below DEBUG is let through: client-go would log the bodies of requests there.
	o.Log = slog.New(slog.NewJSONHandler(logs, &slog.HandlerOptions{Level: max(o.logLevel, slog.LevelDebug)}))
	if o.auditLog == "" {
		return nil, errors.New("no audit log: set --audit-log; nothing is applied without one")
	}
	if o.Settings, err = settings.OpenFile(o.config); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	end = func() {}
	if o.credentials != "" {
		folder, err := settings.OpenFolder(o.credentials)
		if err != nil {
			return nil, fmt.Errorf("--credentials: %w", err)
		}
		o.Credentials, end = folder, func() { _ = folder.Close() }
	}
	if o.REST, err = o.cluster(); err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	o.REST.QPS = -1 // the API server has its own fairness
	clients, err := kubernetes.NewForConfig(o.REST)
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	o.wireAudit(clients)
	return end, nil
}

// wireAudit puts the audit log together: its files and its key are in folders, its name and anchor in the cluster.
func (o *options) wireAudit(clients kubernetes.Interface) {
	key := o.auditKey
	if key == "" {
		key = filepath.Clean(o.auditLog) + ".key"
	}
	log := process.InFolder(clients.CoreV1(), o.Namespace, o.Replica, tiles.Config{Dir: o.auditLog, Now: o.Now, Log: o.Log},
		func(_ context.Context, origin string) (ed25519.PrivateKey, error) {
			return cluster.KeyFile(key, o.Rand, origin)
		})
	o.AuditStore, o.AuditAnchors, o.AuditStatus, o.AuditFiles, o.AuditDir = log.Store, log.Anchors, log.Status, log.Files, o.auditLog
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
