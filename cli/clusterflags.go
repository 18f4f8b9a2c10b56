package cli

import (
	"errors"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/cli/cluster"
)

// clusterFlags say which cluster is asked.
type clusterFlags struct{ kubeconfig, context string }

func (f *clusterFlags) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "the kubeconfig `FILE`")
	flags.StringVar(&f.context, "context", "", "the `CONTEXT` of the kubeconfig")
}

// client reads the kubeconfig and makes no request.
func (f *clusterFlags) client(env *Env) (*cluster.Client, error) {
	client, err := cluster.NewClient(cluster.Config{
		Kubeconfig: env.optionalPath(f.kubeconfig), Paths: kubeconfigs(env), Context: f.context, UserAgent: "seal",
	})
	if err != nil {
		return nil, withClusterHint(err)
	}
	return client, nil
}

func kubeconfigs(env *Env) []string {
	if list := filepath.SplitList(env.Getenv(envKubeconfig)); len(list) > 0 {
		return list
	}
	home := env.Getenv("HOME")
	if home == "" {
		home = env.Getenv("USERPROFILE")
	}
	if home == "" {
		return nil
	}
	return []string{filepath.Join(home, ".kube", "config")}
}

func withClusterHint(err error) error {
	hint := ""
	var status *cluster.StatusError
	switch {
	case errors.Is(err, cluster.ErrNoCluster):
		hint = "set KUBECONFIG, or pass --kubeconfig"
	case errors.Is(err, cluster.ErrNotInstalled):
		hint = "is Waxwing installed there? kubectl get crd keyrings.waxwing.io"
	case errors.Is(err, cluster.ErrNoKeyring):
		hint = "name it with --keyring"
	case errors.Is(err, cluster.ErrNotReady):
		hint = "look at kubectl get keyrings, and try again"
	case errors.Is(err, cluster.ErrForbidden):
		hint = "ask for the right to get keyrings.waxwing.io, or the ConfigMap waxwing-recipients-NAME in the controller's namespace (--namespace)"
	case errors.As(err, &status) && status.Code == 401:
		hint = "log in to the cluster again"
	default:
		return err
	}
	return failed(hint, "%s", err)
}
