package agent

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// Config is all that Run needs. Fields without a word about absence are required.
type Config struct {
	// REST is the cluster and who we are there.
	REST *rest.Config
	// Namespace is the agent's own: its Lease and its anchor are there.
	Namespace string
	// Namespaces are the only ones whose SecretSyncs are followed, and in which anything is applied; empty means all of the cluster.
	Namespaces []string
	// Replica names this process in the audit log, Version is that of the program.
	Replica, Version string

	// Settings say who may use what; Credentials are what they may use, nil for none.
	Settings    *settings.File
	Credentials *settings.Folder
	// CacheDir is a folder for repositories.
	CacheDir string

	// MetricsAddress, HealthAddress and HookAddress are HOST:PORT to listen on; "0" switches the endpoint off.
	MetricsAddress, HealthAddress, HookAddress string

	// AuditStore keeps the audit log, AuditAnchors what is known of it, and of other logs, outside of its volume. AuditStatus tells how the store does.
	AuditStore   audit.Store
	AuditAnchors audit.Anchors
	AuditStatus  func() tiles.Status
	// AuditDir is the folder with the log's files, of which write-back proves that what it keeps in Git is contained; empty: it keeps none.
	AuditDir string
	// Peers say where the logs of other replicas are served, of which write-back proves the same.
	Peers Peers
	// AuditStream gets a copy of every durable record, as a line of JSON; nil for none.
	AuditStream io.Writer
	// AuditFiles serves the files of the log below /v1/audit/, to whom AuditAddress lets in; required unless that is "0".
	AuditFiles http.Handler
	// AuditAddress is HOST:PORT to serve the log on; "0" switches it off. AuditCertFile and AuditKeyFile are its TLS certificate; empty for one that it makes itself.
	AuditAddress, AuditCertFile, AuditKeyFile string

	// Workers is how many SecretSyncs are dealt with at a time.
	Workers int
	// Elect has several replicas agree on the one that works.
	Elect Election

	// Log takes everything that the agent and its libraries say.
	Log *slog.Logger
	// Now is the clock, Rand a cryptographically secure source, Jitter numbers in [0, 1).
	Now    func() time.Time
	Rand   io.Reader
	Jitter func() float64
}

// Election is leader election by a Lease in the agent's namespace.
type Election struct {
	Enabled bool
	// LeaseDuration is how long a leader that has died is waited for; RenewDeadline how long a leader that cannot renew goes on; RetryPeriod how often each replica asks.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

func (c *Config) check() error {
	switch {
	case c.REST == nil:
		return errors.New("no cluster is configured")
	case c.Namespace == "":
		return errors.New("the agent's namespace is not known: set --namespace or POD_NAMESPACE")
	case len(validation.IsDNS1123Label(c.Namespace)) > 0:
		return fmt.Errorf("the agent's namespace, %q, is not the name of a namespace", c.Namespace)
	case c.Replica == "":
		return errors.New("this process has no name: set --replica or POD_NAME")
	case len(validation.IsDNS1123Subdomain(c.Replica)) > 0 || len(c.Replica) > validation.LabelValueMaxLength:
		return fmt.Errorf("--replica: %q cannot be a part of the names of objects: lower-case letters, digits, '-' and '.', at most %d of them", c.Replica, validation.LabelValueMaxLength)
	case c.Settings == nil:
		return errors.New("no configuration: set --config")
	case c.CacheDir == "":
		return errors.New("no folder for repositories: set --cache")
	case c.AuditStore == nil || c.AuditAnchors == nil || c.AuditStatus == nil:
		return errors.New("no audit log: set --audit-log; nothing is applied without one")
	case c.Workers < 1:
		return errors.New("--workers must be at least 1")
	case (c.AuditCertFile == "") != (c.AuditKeyFile == ""):
		return errors.New("--audit-tls-cert-file and --audit-tls-key-file go together")
	case slices.Contains(c.Namespaces, c.Namespace):
		return fmt.Errorf("--namespaces has %s, the agent's own namespace, in which nothing is applied", c.Namespace)
	}
	if err := c.Peers.check(); err != nil {
		return err
	}
	for _, name := range c.Namespaces {
		if len(validation.IsDNS1123Label(name)) > 0 {
			return fmt.Errorf("--namespaces: %q is not the name of a namespace", name)
		}
	}
	return nil
}

func (c *Config) audit() process.Config {
	return process.Config{Store: c.AuditStore, Status: c.AuditStatus, Replica: c.Replica, Stream: c.AuditStream, Now: c.Now, Rand: c.Rand}
}

func (c *Config) auditServer() process.Server {
	return process.Server{Address: c.AuditAddress, CertFile: c.AuditCertFile, KeyFile: c.AuditKeyFile, Files: c.AuditFiles, Replica: c.Replica, Now: c.Now, Rand: c.Rand}
}

func (c *Config) election() process.Election {
	return process.Election{Enabled: c.Elect.Enabled, Namespace: c.Namespace, Lease: leaseName, Replica: c.Replica}
}
