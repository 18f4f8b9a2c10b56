// Command unaudited is the controller without an audit log, for benchmarks alone: what the log costs is measured beside it. It is in no image and no chart.
package main

import (
	"context"
	crand "crypto/rand"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/controller"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// nothing is a store that keeps nothing.
type nothing struct{}

func (nothing) Ready(context.Context) ([]audit.Standing, error) { return nil, nil }
func (nothing) Append(context.Context, [][]byte) error          { return nil }
func (nothing) Close() error                                    { return nil }

// unanchored has no anchors.
type unanchored struct{}

func (unanchored) Load(context.Context) (audit.Anchor, string, error) {
	return audit.Anchor{}, "", nil
}
func (unanchored) Save(context.Context, audit.Anchor, string) (string, error) { return "", nil }
func (unanchored) Others(context.Context) ([]audit.Anchor, error)             { return nil, nil }

func main() {
	debug.SetGCPercent(200) // as cmd/waxwing-controller does
	debug.SetMemoryLimit(192 << 20)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	flags := flag.NewFlagSet("unaudited", flag.ExitOnError) // that of the process has a --kubeconfig of controller-runtime
	kubeconfig := flags.String("kubeconfig", "", "")
	cfg := controller.Config{
		Replica: "unaudited", Version: "bench", HealthAddress: "0", RecipientsAddress: "0", AuditAddress: "0", AuditStore: nothing{}, AuditAnchors: unanchored{},
		AuditStatus: func() tiles.Status { return tiles.Status{} },
		Log:         slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Now: time.Now, Rand: crand.Reader, Jitter: rand.Float64,
	}
	flags.StringVar(&cfg.Namespace, "namespace", "", "")
	flags.StringVar(&cfg.MetricsAddress, "metrics-bind-address", "", "")
	flags.IntVar(&cfg.Workers, "workers", 1, "")
	err := flags.Parse(os.Args[1:])
	if err != nil {
		return err
	}
	if cfg.REST, err = clientcmd.BuildConfigFromFlags("", *kubeconfig); err != nil {
		return err
	}
	cfg.REST.QPS = -1
	clients, err := kubernetes.NewForConfig(cfg.REST)
	if err != nil {
		return err
	}
	cfg.KeySource = keyring.ClearSecrets(secretsource.New(clients.CoreV1().Secrets(cfg.Namespace), cfg.Now, cfg.Rand))
	return controller.Run(ctx, cfg)
}
