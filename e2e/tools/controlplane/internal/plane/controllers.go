package plane

import (
	"context"
	"crypto/x509/pkix"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/kubernetes"
	restclient "k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	genericcontrollermanager "k8s.io/controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	"k8s.io/kubernetes/cmd/kube-controller-manager/names"
)

// startControllers runs kube-controller-manager and waits until its controllers act.
func (p *Plane) startControllers(ctx context.Context) error {
	if p.cfg.Controllers == "" {
		return nil
	}
	kubeconfig, err := p.userKubeconfig("controller-manager", "system:kube-controller-manager")
	if err != nil {
		return err
	}
	o, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	known, off, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	flags := o.Flags(known, off, aliases)
	o.ParsedFlags = &flags
	if err := parseFlags(flags, p.controllerFlags(kubeconfig)); err != nil {
		return err
	}
	cfg, err := o.Config(ctx, known, off, aliases)
	if err != nil {
		return err
	}
	p.run("kube-controller-manager", func(ctx context.Context) error { return app.Run(ctx, cfg.Complete()) })
	if p.enabled(names.GarbageCollectorController) {
		if err := p.startGarbageCollector(); err != nil {
			return err
		}
	}
	if p.enabled(names.ServiceAccountController) {
		return p.waitForServiceAccount(ctx)
	}
	return nil
}

func (p *Plane) controllerFlags(kubeconfig string) []string {
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials",
		// The storage version migrator runs only beside a garbage collector in the same manager.
		"--controllers=" + p.cfg.Controllers + ",-" + names.StorageVersionMigratorController,
		"--service-account-private-key-file=" + p.ca.Path("sa.key"),
		"--root-ca-file=" + p.ca.Path("ca.crt"),
		"--cluster-signing-cert-file=" + p.ca.Path("ca.crt"),
		"--cluster-signing-key-file=" + p.ca.Path("ca.key"),
		// A count that was taken while a Secret was made anew may miss it, and nothing but the next full count, five minutes
		// later by default, notices.
		"--resource-quota-sync-period=10s",
		// Each controller asks for a token of its own at start; at the default rate of 20 a second that
		// alone takes five seconds.
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		// startGarbageCollector runs it instead.
		"--enable-garbage-collector=false",
	}
}

// enabled says whether --controllers asks for a controller; aliases count as in the controller manager.
func (p *Plane) enabled(name string) bool {
	list := strings.Split(p.cfg.Controllers, ",")
	for i, c := range list {
		bare := strings.TrimPrefix(c, "-")
		if full, ok := app.ControllerAliases()[bare]; ok {
			list[i] = strings.TrimSuffix(c, bare) + full
		}
	}
	return genericcontrollermanager.IsControllerEnabled(name, sets.NewString(app.ControllersDisabledByDefault()...), list)
}

// waitForServiceAccount waits for the first thing that a controller does in a new cluster: a pod-like client needs
// the default service account of its namespace.
func (p *Plane) waitForServiceAccount(ctx context.Context) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", p.cfg.Kubeconfig)
	if err != nil {
		return err
	}
	c, err := kubernetes.NewForConfig(restclient.AddUserAgent(cfg, "controlplane"))
	if err != nil {
		return err
	}
	return p.poll(ctx, func() bool {
		_, err := c.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
}

// userKubeconfig writes a kubeconfig for a component in the state folder.
func (p *Plane) userKubeconfig(name, user string) (file string, err error) {
	file = filepath.Join(p.cfg.Dir, name+".kubeconfig")
	return file, p.ca.Kubeconfig(file, p.url(), name, pkix.Name{CommonName: user})
}
