package controller

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
	"k8s.io/client-go/tools/leaderelection"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/keyring"
)

// Config is all that Run needs. Fields without a word about absence are required.
type Config struct {
	// REST is the cluster and who we are there. Its client-side rate limit is switched off: the API server's own fairness is limit enough.
	REST *rest.Config
	// Namespace is the controller's own: its keys, its Lease and its ConfigMaps are there, and no GitSecret of it is opened.
	Namespace string
	// Namespaces are the only ones whose GitSecrets are opened, and in which anything is read or written besides Namespace; empty means all of the cluster.
	Namespaces []string
	// Replica names this process in the audit log.
	Replica string
	// Version is that of the program, for the log.
	Version string

	// MetricsAddress, HealthAddress and RecipientsAddress are HOST:PORT to listen on; "0" switches the endpoint off.
	MetricsAddress, HealthAddress, RecipientsAddress string

	// AuditStore keeps the audit log, AuditAnchors what is known of it, and of the other replicas' logs, outside of its volume.
	AuditStore   audit.Store
	AuditAnchors audit.Anchors
	// AuditStatus tells how the store does.
	AuditStatus func() tiles.Status
	// AuditEphemeral says that the log is on a volume that goes with the pod; Keyrings then show that they are degraded.
	AuditEphemeral bool
	// AuditStamped says that an admission policy is in force by which the annotation audit.waxwing.io/applied-by of every GitSecret is the user who wrote its spec.
	AuditStamped bool
	// AuditStream gets a copy of every durable record, as a line of JSON; nil for none. What it does not take in time is left out.
	AuditStream io.Writer
	// AuditFiles serves the files of the log below /v1/audit/, to whom AuditAddress lets in; required unless that is "0".
	AuditFiles http.Handler
	// AuditAddress is HOST:PORT to serve the log on; "0" switches it off. AuditCertFile and AuditKeyFile are its TLS certificate; empty for one that it makes itself.
	AuditAddress, AuditCertFile, AuditKeyFile string
	// Workers is how many GitSecrets are looked at at a time.
	Workers int
	// OffersAtMost is how many GitSecrets have rewrap offers at a time; 0: none are made.
	OffersAtMost int
	// Elect has several replicas agree on the one that works.
	Elect Election

	// KeySource opens the sources of keyrings.
	KeySource keyring.SourceFunc
	// KeyRestores has what people want to be taken into keyrings from backups; nil: nothing is.
	KeyRestores keyring.Restores
	// KeySourceUse hears which of them are in use; nil: nobody needs to know.
	KeySourceUse func(keyring string, specs ...v1alpha1.KeySource)

	// Log takes everything that the controller and its libraries say.
	Log *slog.Logger
	// Now is the clock, Rand a cryptographically secure source, Jitter numbers in [0, 1).
	Now    func() time.Time
	Rand   io.Reader
	Jitter func() float64
}

// Election is leader election by a Lease in the controller's namespace.
type Election struct {
	Enabled bool
	// LeaseDuration is how long a leader that has died is waited for; RenewDeadline how long a leader that cannot renew goes on; RetryPeriod how often each
	// replica asks.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

// audit is what the audit log of the process needs.
func (c *Config) audit() process.Config {
	return process.Config{Store: c.AuditStore, Status: c.AuditStatus, Replica: c.Replica, Stream: c.AuditStream, Now: c.Now, Rand: c.Rand}
}

func (c *Config) auditServer() process.Server {
	return process.Server{Address: c.AuditAddress, CertFile: c.AuditCertFile, KeyFile: c.AuditKeyFile, Files: c.AuditFiles, Replica: c.Replica, Now: c.Now, Rand: c.Rand}
}

func (c *Config) election() process.Election {
	return process.Election{Enabled: c.Elect.Enabled, Namespace: c.Namespace, Lease: leaseName, Replica: c.Replica}
}

func (c *Config) check() error {
	switch {
	case c.REST == nil:
		return errors.New("no cluster is configured")
	case c.Namespace == "":
		return errors.New("the controller's namespace is not known: set --namespace or POD_NAMESPACE")
	case len(validation.IsDNS1123Label(c.Namespace)) > 0:
		return fmt.Errorf("the controller's namespace, %q, is not the name of a namespace", c.Namespace)
	case c.Replica == "":
		return errors.New("this process has no name: set --replica or POD_NAME")
	case len(validation.IsDNS1123Subdomain(c.Replica)) > 0 || len(c.Replica) > validation.LabelValueMaxLength:
		return fmt.Errorf("--replica: %q cannot be a part of the names of objects: lower-case letters, digits, '-' and '.', at most %d of them", c.Replica, validation.LabelValueMaxLength)
	case c.AuditStore == nil || c.AuditAnchors == nil || c.AuditStatus == nil:
		return errors.New("no audit log: set --audit-log; nothing is opened without one")
	case c.Workers < 1:
		return errors.New("--workers must be at least 1")
	case c.OffersAtMost < 0:
		return errors.New("--rewrap-offers must not be negative; 0 makes none")
	case (c.AuditCertFile == "") != (c.AuditKeyFile == ""):
		return errors.New("--audit-tls-cert-file and --audit-tls-key-file go together")
	case slices.Contains(c.Namespaces, c.Namespace):
		return fmt.Errorf("--namespaces has %s, the controller's own namespace, in which nothing is opened", c.Namespace)
	}
	for _, name := range c.Namespaces {
		if len(validation.IsDNS1123Label(name)) > 0 {
			return fmt.Errorf("--namespaces: %q is not the name of a namespace", name)
		}
	}
	return c.Elect.check()
}

// check holds the times against what client-go's leader election and the Lease itself take.
func (e Election) check() error {
	switch {
	case !e.Enabled:
		return nil
	case e.RetryPeriod <= 0:
		return errors.New("--leader-elect-retry-period must be more than 0")
	case e.LeaseDuration < time.Second:
		return errors.New("--leader-elect-lease-duration must be at least 1s: a Lease counts in seconds")
	case e.LeaseDuration <= e.RenewDeadline:
		return fmt.Errorf("--leader-elect-lease-duration (%s) must be longer than --leader-elect-renew-deadline (%s), so that a leader gives up before another takes over", e.LeaseDuration, e.RenewDeadline)
	case float64(e.RenewDeadline) <= leaderelection.JitterFactor*float64(e.RetryPeriod):
		return fmt.Errorf("--leader-elect-renew-deadline (%s) must be longer than %g times --leader-elect-retry-period (%s), so that a leader can ask more than once", e.RenewDeadline, leaderelection.JitterFactor, e.RetryPeriod)
	}
	return nil
}
