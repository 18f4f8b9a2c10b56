package plane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// startAPIServer runs kube-apiserver on the listener and waits until it is ready.
func (p *Plane) startAPIServer(ctx context.Context) error {
	o := options.NewServerRunOptions()
	if err := parseFlags(o.Flags(), append(p.apiServerFlags(), p.cfg.APIServerFlags...)); err != nil {
		return err
	}
	o.SecureServing.Listener = p.listener
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	p.run("kube-apiserver", func(ctx context.Context) error {
		completed, err := o.Complete(ctx)
		if err != nil {
			return err
		}
		if errs := completed.Validate(); len(errs) > 0 {
			return errors.Join(errs...)
		}
		return app.Run(ctx, completed)
	})
	// The port is open before anybody accepts on it, so a server that never starts shows as a time-out.
	client := p.ca.HTTPClient(time.Second)
	defer client.CloseIdleConnections()
	return p.poll(ctx, func() bool { return answers(ctx, client, p.url()+"/readyz") })
}

func (p *Plane) apiServerFlags() []string {
	return []string{
		"--etcd-servers=" + p.etcdURL(),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.listener.Addr().(*net.TCPAddr).Port),
		// Endpoints on loopback are invalid, and no pod is there to use them.
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--tls-cert-file=" + p.ca.Path("apiserver.crt"),
		"--tls-private-key-file=" + p.ca.Path("apiserver.key"),
		"--client-ca-file=" + p.ca.Path("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.ca.Path("sa.key"),
		"--service-account-signing-key-file=" + p.ca.Path("sa.key"),
		"--requestheader-client-ca-file=" + p.ca.Path("ca.crt"),
		"--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + p.ca.Path("front-proxy.crt"),
		"--proxy-client-key-file=" + p.ca.Path("front-proxy.key"),
	}
}

// parseFlags sets a component's options the way its command line does.
func parseFlags(sets cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	all.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, fs := range sets.FlagSets {
		all.AddFlagSet(fs)
	}
	return all.Parse(args)
}
