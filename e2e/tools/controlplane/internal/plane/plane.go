// Package plane runs etcd, kube-apiserver and kube-controller-manager inside this process, each through its own
// upstream options and Run function and none of them changed.
//
// The components keep global state (feature gates, metrics, klog), so a process can start one plane and only once.
package plane

import (
	"cmp"
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	restclient "k8s.io/client-go/rest"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"github.com/waxwing-io/waxwing/e2e/tools/controlplane/internal/pki"
)

const (
	// startLimit bounds the whole start; it takes a few seconds on an idle machine.
	startLimit = 3 * time.Minute
	// pollEvery is short because every test run waits for it.
	pollEvery = 10 * time.Millisecond
)

// Config says what to run. Dir exists; all paths are absolute.
type Config struct {
	// Dir holds keys, certificates and etcd's data. State found in it is used again.
	Dir string
	// Kubeconfig is the file that the admin kubeconfig is written to.
	Kubeconfig string
	// LogFile receives the components' logs.
	LogFile string
	// Port of the API server on 127.0.0.1; 0 takes a free one.
	Port int
	// Controllers is the controller manager's --controllers; empty runs none.
	Controllers string
	// APIServerFlags are added to kube-apiserver's own.
	APIServerFlags []string
}

// Info is the ready line.
type Info struct {
	Server     string  `json:"server"`
	Etcd       string  `json:"etcd"`
	Kubeconfig string  `json:"kubeconfig"`
	Dir        string  `json:"dir"`
	Log        string  `json:"log"`
	Version    string  `json:"version"`
	PID        int     `json:"pid"`
	Seconds    float64 `json:"seconds"`
}

// Plane is a running control plane.
type Plane struct {
	cfg      Config
	ca       *pki.Authority
	listener net.Listener
	etcd     *embed.Etcd
	ended    chan error
	running  []component
	// broken is closed when a component wanted to end the process; nothing waits for it then.
	broken    chan struct{}
	breakOnce sync.Once
}

// component is a running part: cancel asks it to stop, done is closed when it has.
type component struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Start returns when the API server is ready and the controllers work. A plane that it returns together with an
// error must be stopped all the same.
func Start(ctx context.Context, cfg Config) (*Plane, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := logTo(cfg.LogFile); err != nil {
		return nil, err
	}
	restclient.SetDefaultWarningHandler(restclient.NoWarnings{})
	p := &Plane{cfg: cfg, ended: make(chan error, 4), broken: make(chan struct{})}
	klog.OsExit = p.fatal
	steps := []struct {
		doing string
		do    func(context.Context) error
	}{
		{"making keys and certificates", p.prepare},
		{"starting etcd", p.startEtcd},
		{"starting kube-apiserver", p.startAPIServer},
		{"starting kube-controller-manager", p.startControllers},
	}
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return p, fmt.Errorf("%s: %w", s.doing, err)
		}
	}
	return p, nil
}

// Info describes the running plane; PID and Seconds are the caller's to fill in.
func (p *Plane) Info() Info {
	return Info{
		Server:     p.url(),
		Etcd:       p.etcdURL(),
		Kubeconfig: p.cfg.Kubeconfig,
		Dir:        p.cfg.Dir,
		Log:        p.cfg.LogFile,
		Version:    version.Get().GitVersion,
	}
}

// Ended receives an error when a component ends that nobody stopped.
func (p *Plane) Ended() <-chan error { return p.ended }

// Stop stops what runs and waits for it, for the grace at most. etcd's data is whole afterwards.
func (p *Plane) Stop(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	// Last started, first stopped: no component spends its last second on looking for another.
	for _, c := range slices.Backward(p.running) {
		c.cancel()
		select {
		case <-c.done:
		case <-p.broken:
		case <-ctx.Done():
		}
	}
	if p.etcd != nil {
		// Close would first wait for connections that end with this process anyway.
		p.etcd.Server.Stop()
	}
}

func (p *Plane) url() string { return "https://" + p.listener.Addr().String() }

// run starts a component that lasts until it is cancelled.
func (p *Plane) run(name string, f func(context.Context) error) {
	// Not derived from Start's context, which ends when everything has started.
	ctx, cancel := context.WithCancel(context.Background())
	c := component{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		err := f(ctx)
		if ctx.Err() == nil {
			p.ended <- fmt.Errorf("%s ended: %w", name, cmp.Or(err, errors.New("no reason given")))
		}
	}()
	p.running = append(p.running, c)
}

// fatal takes the place of os.Exit in klog.Fatal, so that this process can still tidy up: the API server calls it for
// a hook that failed, which the hooks of a server that is stopped while it starts do. It does not return, as os.Exit
// does not.
func (p *Plane) fatal(code int) {
	p.breakOnce.Do(func() { close(p.broken) })
	select {
	case p.ended <- fmt.Errorf("a component wanted to end the process with code %d", code):
	default: // others have ended before; the first reason is the one that counts
	}
	select {}
}

func (p *Plane) prepare(context.Context) (err error) {
	// Bound here and handed to the API server, so that nobody takes the port in between.
	if p.listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p.cfg.Port)); err != nil {
		return err
	}
	if p.ca, err = pki.Open(filepath.Join(p.cfg.Dir, "pki"), time.Now()); err != nil {
		return err
	}
	hosts := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if err := p.ca.Server("apiserver", hosts, []net.IP{net.IPv4(10, 96, 0, 1)}); err != nil {
		return err
	}
	if _, _, err := p.ca.Client("front-proxy", pkix.Name{CommonName: "front-proxy"}); err != nil {
		return err
	}
	admin := pkix.Name{CommonName: "controlplane-admin", Organization: []string{"system:masters"}}
	return p.ca.Kubeconfig(p.cfg.Kubeconfig, p.url(), "admin", admin)
}

// poll calls ok until it says true.
func (p *Plane) poll(ctx context.Context, ok func() bool) error {
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-p.ended:
			return err
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// answers says whether url answers with 200.
func answers(ctx context.Context, c *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := c.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// logTo sends klog's output, which is the logs of all components but etcd, to file.
func logTo(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	klog.SetLogger(textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(f))))
	return nil
}
