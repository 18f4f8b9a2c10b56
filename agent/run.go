package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	crmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/agent/live"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/process"
)

const (
	// off as an address switches an endpoint off, as controller-runtime has it.
	off = "0"
	// leaseName is the Lease of leader election.
	leaseName = "waxwing-agent"
	// maxOffers is what the rewrap offers of all objects together take in memory, in bytes. A rotation under way has 500 of some KB each for a keyring.
	maxOffers = 32 << 20
)

// Run runs the agent until ctx ends. It returns nil then, and an error if it could not start or is not the leader any more. It sets the process-wide loggers of
// controller-runtime and client-go, so a process calls it once.
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
	cfg.REST.Wrap(process.NewClock(cfg.Now, log.Offset).Wrap)
	repos, err := openRepositories(cfg.CacheDir, func() source.Limits {
		conf, _ := cfg.Settings.Now() // that it is not valid is told elsewhere
		return conf.SourceLimits()
	}, openSource)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repos.Close()) }()
	room := live.NewRoom(maxOffers)
	mgr, err := newManager(cfg, logger, room)
	if err != nil {
		return err
	}
	if err := errors.Join(counters.Register(crmetrics.Registry), add(ctx, mgr, cfg, log, repos, room)); err != nil {
		return err
	}
	cfg.Log.InfoContext(ctx, "starting", "version", cfg.Version, "namespace", cfg.Namespace, "replica", cfg.Replica, "workers", cfg.Workers)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running: %w", err)
	}
	return nil
}

func newManager(cfg Config, logger logr.Logger, room *live.Room) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	caches := cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.GitSecret{}: {Transform: room.Transform}, &v1alpha1.SecretSync{}: {Transform: slim},
		},
	}
	for _, name := range cfg.Namespaces {
		if caches.DefaultNamespaces == nil {
			caches.DefaultNamespaces = map[string]cache.Config{}
		}
		caches.DefaultNamespaces[name] = cache.Config{}
	}
	mgr, err := ctrl.NewManager(connection(cfg), ctrl.Options{
		Scheme:                        scheme,
		Logger:                        logger,
		Cache:                         caches,
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

// connection is how the API server is asked, by the agent and by the accounts that it is.
func connection(cfg Config) *rest.Config {
	to := rest.CopyConfig(cfg.REST)
	to.QPS = -1
	to.DisableCompression = true // compressing each event of sealed values takes the API server longer than sending them
	to.UserAgent = "waxwing-agent/" + cfg.Version
	to.WarningHandler = rest.NoWarnings{}
	return to
}

// unknownKind says what to do about a cluster without Waxwing's kinds.
func unknownKind(err error) error {
	if apimeta.IsNoMatchError(err) {
		return fmt.Errorf("the cluster does not know Waxwing's kinds: install the CRDs first, with the chart or from dist/crds.yaml (%w)", err)
	}
	return err
}

// add registers everything that runs.
func add(ctx context.Context, mgr ctrl.Manager, cfg Config, recorder *audit.Recorder, repos *repositories, room *live.Room) error {
	log := process.NewTermLog(recorder, leaseName, process.TermOf(cfg.election(), mgr.GetAPIReader()), cfg.AuditAnchors.Others, cfg.Log)
	var creds credentials
	if cfg.Credentials != nil {
		creds = cfg.Credentials
	}
	counters, err := newMetrics(crmetrics.Registry, cfg.Settings, creds)
	if err != nil {
		return err
	}
	known, q := newMemory(newReader), &queue{}
	store, synced, err := watchObjects(ctx, mgr, cfg, known, q)
	if err != nil {
		return err
	}
	store.Bound(room)
	account, err := newAccounts(mgr, cfg, store)
	if err != nil {
		return err
	}
	r := &syncs{
		reader: mgr.GetAPIReader(), cluster: mgr.GetClient(), settings: cfg.Settings, credentials: creds, repos: repos,
		live: owned(store, existing(mgr.GetCache(), cfg.Namespaces)), marked: store.Marked, synced: synced, accounts: account, around: surroundingsOf(mgr.GetCache(), mgr.GetAPIReader(), store, cfg), forges: forge.New,
		memory: known, audit: log, metrics: counters, events: mgr.GetEventRecorder(fieldManager), room: rate.NewLimiter(rate.Every(eventEvery), eventBurst), lane: newLane(cfg.Workers),
		log: cfg.Log, now: cfg.Now, jitter: cfg.Jitter,
	}
	h := &hooks{settings: cfg.Settings, credentials: creds, cache: mgr.GetCache(), memory: known, queue: q, now: cfg.Now}
	return errors.Join(
		mgr.Add(log),
		mgr.Add(sweeper(mgr.GetAPIReader(), cfg, repos)),
		watchKeyrings(ctx, mgr, known, q),
		r.setup(mgr, cfg.Workers, q),
		serveHooks(mgr, cfg.HookAddress, h, counters.hook),
		process.Serve(mgr, cfg.auditServer()),
		mgr.AddHealthzCheck("ping", func(*http.Request) error { return nil }),
		mgr.AddReadyzCheck("audit", func(*http.Request) error { return recorder.Err() }),
	)
}

// existing says whether a SecretSync, NAMESPACE/NAME, is there. Of one in a namespace that is not looked at that is taken for true.
func existing(from client.Reader, namespaces []string) func(string) bool {
	looked := seen(namespaces)
	return func(name string) bool {
		key, ok := keyFrom(name)
		if !ok {
			return false
		}
		if !looked(key.Namespace) {
			return true
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the cache answers from memory
		defer cancel()
		return !isGone(from.Get(ctx, key, &v1alpha1.SecretSync{}))
	}
}

// sweeper removes the caches of SecretSyncs that went while no agent ran.
func sweeper(reader client.Reader, cfg Config, repos *repositories) manager.Runnable {
	return manager.RunnableFunc(func(ctx context.Context) error {
		keep := map[types.UID]bool{}
		for _, namespace := range everywhere(cfg.Namespaces) {
			all := metav1.PartialObjectMetadataList{}
			all.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("SecretSyncList"))
			if err := reader.List(ctx, &all, client.InNamespace(namespace)); err != nil {
				cfg.Log.LogAttrs(ctx, slog.LevelWarn, "caches of SecretSyncs that are gone are not removed: they cannot be listed", slog.Any("error", err))
				return nil
			}
			for i := range all.Items {
				keep[all.Items[i].UID] = true
			}
		}
		if err := repos.sweep(keep); err != nil {
			cfg.Log.WarnContext(ctx, "caches of SecretSyncs that are gone cannot be removed", "error", err)
		}
		return nil
	})
}

// everywhere are the namespaces to list in: all at once where none is named.
func everywhere(namespaces []string) []string {
	if len(namespaces) == 0 {
		return []string{""}
	}
	return namespaces
}
