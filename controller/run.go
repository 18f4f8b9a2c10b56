package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/go-logr/logr"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// off as an address switches an endpoint off, as controller-runtime has it.
	off = "0"
	// leaseName is the Lease of leader election.
	leaseName = "waxwing-controller"
)

// Run runs the controller until ctx ends. It returns nil then, and an error if it could not start or is not the leader any more. It sets the process-wide
// loggers of controller-runtime and client-go, so a process calls it once.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := cfg.check(); err != nil {
		return err
	}
	logger := logr.FromSlogHandler(cfg.Log.Handler())
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	log, counters, closeLog := process.Open(cfg.audit())
	defer func() { err = errors.Join(err, closeLog()) }()
	cfg.REST = rest.CopyConfig(cfg.REST)
	clock := process.NewClock(cfg.Now, log.Offset)
	cfg.REST.Wrap(clock.Wrap)
	bodies := newBodies(newMemory(cfg.Jitter), maxBodies)
	mgr, err := newManager(cfg, logger, bodies)
	if err != nil {
		return err
	}
	if err := errors.Join(counters.Register(crmetrics.Registry), add(mgr, cfg, clock, log, bodies)); err != nil {
		return err
	}
	cfg.Log.InfoContext(ctx, "starting", "version", cfg.Version, "namespace", cfg.Namespace, "replica", cfg.Replica, "workers", cfg.Workers)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running: %w", err)
	}
	return nil
}

func newManager(cfg Config, logger logr.Logger, bodies *bodies) (ctrl.Manager, error) {
	caches := cacheOptions(bodies)
	if len(cfg.Namespaces) > 0 {
		caches = onlyIn(cfg.Namespace, bodies)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	to := rest.CopyConfig(cfg.REST)
	to.QPS = -1
	to.DisableCompression = true // compressing sealed values takes the API server longer than sending them
	to.UserAgent = "waxwing-controller/" + cfg.Version
	to.WarningHandler = rest.NoWarnings{} // a warning about a Secret may quote it
	mgr, err := ctrl.NewManager(to, ctrl.Options{
		Scheme:                        scheme,
		Logger:                        logger,
		Cache:                         caches,
		NewCache:                      newCache(bodies),
		Metrics:                       metricsserver.Options{BindAddress: cfg.MetricsAddress},
		HealthProbeBindAddress:        cfg.HealthAddress,
		LeaderElection:                cfg.Elect.Enabled,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       cfg.Namespace,
		LeaderElectionLabels:          map[string]string{process.LabelReplica: cfg.Replica},
		LeaderElectionReleaseOnCancel: true, // the process ends after Run, so the next leader need not wait
		LeaseDuration:                 &cfg.Elect.LeaseDuration,
		RenewDeadline:                 &cfg.Elect.RenewDeadline,
		RetryPeriod:                   &cfg.Elect.RetryPeriod,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up: %w", unknownKind(err))
	}
	return mgr, nil
}

// unknownKind says what to do about a cluster without Waxwing's kinds.
func unknownKind(err error) error {
	if apimeta.IsNoMatchError(err) {
		return fmt.Errorf("the cluster does not know Waxwing's kinds: install the CRDs first, with the chart or from dist/crds.yaml (%w)", err)
	}
	return err
}

// add registers everything that runs.
func add(mgr ctrl.Manager, cfg Config, clock *process.Clock, recorder *audit.Recorder, bodies *bodies) error {
	live := &keyring.Live{}
	log := process.NewTermLog(recorder, leaseName, process.TermOf(cfg.election(), mgr.GetAPIReader()), cfg.AuditAnchors.Others, cfg.Log)
	reader, listed, err := readers(mgr, cfg, bodies)
	if err != nil {
		return err
	}
	store, err := addMarks(mgr, cfg, reader, clock.Later)
	if err != nil {
		return err
	}
	rings, err := newKeyrings(mgr, cfg, log, live, &uses{store: store, objects: reader, live: mgr.GetAPIReader(), seen: bodies.seen, now: clock.Later, ahead: clock.Ahead})
	if err != nil {
		return err
	}
	marksChanged, err := store.whenMarksChange(mgr, reader, bodies.seen.lookAgain)
	if err != nil {
		return err
	}
	counters, err := newMetrics(crmetrics.Registry, reader, store)
	if err != nil {
		return err
	}
	waiters := newAuditWaiters(recorder, bodies.seen)
	events := mgr.GetEventRecorder(unseal.FieldManager)
	keyrings := &KeyringReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Namespace: cfg.Namespace, Manager: rings, Recorder: events, Now: cfg.Now, Log: cfg.Log, Jitter: cfg.Jitter,
		AuditEphemeral: cfg.AuditEphemeral,
	}
	noted, unwrapper := newNoted(), newUnwrapper(live, log, bodies.seen, cfg)
	gitSecrets := &gitSecrets{
		gather: &gatherer{
			cache: reader, namespaced: listed != nil, live: mgr.GetAPIReader(), ring: live, seen: bodies.seen, noted: noted, bodies: bodies, pace: newPace(), marks: store, waiters: waiters, unwrapper: unwrapper,
			home: cfg.Namespace, now: cfg.Now,
		},
		writer: secretWriter{mgr.GetClient()},
		report: &reporter{
			status: mgr.GetClient(), events: newAnnouncer(events, counters.events.Inc, cfg.Now), audit: log, metrics: counters,
			noted: noted, seen: bodies.seen, bodies: bodies, ring: live, now: cfg.Now, log: cfg.Log,
			waiters: waiters, stamped: cfg.AuditStamped,
		},
		macs:  &valueMAC{reader: mgr.GetAPIReader(), writer: mgr.GetClient(), home: cfg.Namespace, audit: log, rand: cfg.Rand, now: cfg.Now, log: cfg.Log},
		marks: store, gone: newGone(), unwrapper: unwrapper, audit: log, log: cfg.Log, namespaces: listed,
	}
	lane, err := addOffers(mgr, cfg, gitSecrets, rings)
	if err != nil {
		return err
	}
	return errors.Join(
		mgr.Add(log),
		mgr.Add(unwrapper),
		addDefaultKeyring(mgr, cfg),
		mgr.Add(&rewind{live: mgr.GetAPIReader(), log: cfg.Log}),
		keyrings.SetupWithManager(mgr),
		gitSecrets.setup(mgr, cfg.Workers, rings.Changed(), marksChanged, waiters.source(), unwrapper.source(), lane.source()),
		serveRecipients(mgr, cfg.RecipientsAddress, rings),
		process.Serve(mgr, cfg.auditServer()),
		addHealth(mgr, cfg, live, recorder),
	)
}

// newKeyrings makes what keeps the keys in memory and takes them through their states, with its metrics.
func newKeyrings(mgr ctrl.Manager, cfg Config, log audit.Log, live *keyring.Live, needs *uses) (*keyring.Manager, error) {
	if err := newRotations(crmetrics.Registry, mgr.GetCache(), cfg.Now); err != nil {
		return nil, err
	}
	if err := crmetrics.Registry.Register(newUsesCollector(needs, live)); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	return keyring.NewManager(keyring.Config{
		Source: cfg.KeySource, Use: cfg.KeySourceUse, Uses: needs.sure, Glance: needs.of, Audit: log, Now: cfg.Now, Rand: cfg.Rand, Live: live,
		Backups: backups{mgr.GetAPIReader(), mgr.GetClient(), cfg.Namespace}, Restores: cfg.KeyRestores,
	}), nil
}

// readers gives what GitSecrets and the metadata of Secrets are read from: the manager's cache, or in namespaced mode one for each namespace.
func readers(mgr ctrl.Manager, cfg Config, bodies *bodies) (client.Reader, *namespaces, error) {
	gauges, err := newConditionMetrics(crmetrics.Registry, cfg)
	if err != nil || len(cfg.Namespaces) == 0 {
		return mgr.GetCache(), nil, err
	}
	n := &namespaces{
		names: slices.Compact(slices.Sorted(slices.Values(cfg.Namespaces))), home: mgr.GetCache(), live: mgr.GetAPIReader(),
		tell: gauges.reachable, log: cfg.Log, jitter: cfg.Jitter, caches: map[string]cache.Cache{}, synced: map[string]bool{},
		open: func(name string) (cache.Cache, error) {
			o := onlyIn(name, bodies)
			o.Scheme, o.Mapper, o.HTTPClient = mgr.GetScheme(), mgr.GetRESTMapper(), mgr.GetHTTPClient()
			return newCache(bodies)(mgr.GetConfig(), o)
		},
	}
	return n, n, nil
}

// addDefaultKeyring has the leader make the default keyring where there is none, before it looks at anything else it can do without.
func addDefaultKeyring(mgr ctrl.Manager, cfg Config) error {
	uncached, err := client.New(mgr.GetConfig(), client.Options{Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient()})
	if err != nil {
		return fmt.Errorf("connecting to the cluster: %w", err)
	}
	return mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		for {
			err := EnsureDefault(ctx, uncached)
			if err == nil {
				return nil
			}
			cfg.Log.ErrorContext(ctx, "making the default keyring", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(keyringRetry):
			}
		}
	}))
}

// serveRecipients serves the public keys on every replica.
func serveRecipients(mgr ctrl.Manager, address string, rings *keyring.Manager) error {
	if address == off {
		return nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serving recipients: %w", err)
	}
	patience := 10 * time.Second
	return mgr.Add(&manager.Server{
		Name:     "recipients",
		Listener: listener, ShutdownTimeout: &patience,
		Server: &http.Server{
			Handler: RecipientsHandler(publishedInStatus{rings, mgr.GetCache()}), MaxHeaderBytes: 8 << 10,
			ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: time.Minute,
		},
	})
}
