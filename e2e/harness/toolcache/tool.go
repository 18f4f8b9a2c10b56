package toolcache

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// rootModule is the path of the module whose e2e/tools folder holds the tools' modules.
const rootModule = "github.com/waxwing-io/waxwing"

// Tool is a program built from a nested module.
type Tool struct {
	// Name of the program and of its binary.
	Name string
	// Dir is the module's folder, relative to the repository's root, with slashes.
	Dir string
	// Package to build: a relative path such as "." for a main of the module's own, or the import path of a main
	// that the module pins.
	Package string
	// Upstream is the required module whose version is the program's version.
	Upstream string
	// About says what is compiled, for people who wait; the version is added.
	About string
	// Cost says how long a build takes when little of it is in Go's cache.
	Cost string
	// Tags are the build tags, if any.
	Tags []string
	// Cgo builds with a C compiler, which has to be there. Such a tool shares no compiled packages with others.
	Cgo bool
	// LDFlags makes the linker's flags from the upstream version, such as "v1.37.2".
	LDFlags func(version string) string
}

// Catalogue lists the tools there are.
func Catalogue() []Tool {
	const kubernetes, kubeseal = "e2e/tools/controlplane", "e2e/tools/kubeseal"
	return []Tool{
		{
			Name:     "controlplane",
			Dir:      kubernetes,
			Package:  ".",
			Upstream: "k8s.io/kubernetes",
			About:    "etcd, kube-apiserver and kube-controller-manager",
			Cost:     "about 8 minutes on two cores",
			LDFlags:  kubernetesVersion,
		},
		{
			Name:     "kubectl",
			Dir:      kubernetes,
			Package:  "k8s.io/kubernetes/cmd/kubectl",
			Upstream: "k8s.io/kubernetes",
			About:    "kubectl",
			Cost:     "about 4 minutes on two cores",
			LDFlags:  kubernetesVersion,
		},
		{
			Name:     "kubeseal",
			Dir:      kubeseal,
			Package:  "github.com/bitnami/sealed-secrets/cmd/kubeseal",
			Upstream: "github.com/bitnami/sealed-secrets",
			About:    "kubeseal, to measure against",
			Cost:     "about 3 minutes on two cores",
		},
		{
			Name:     "rsabench",
			Dir:      kubeseal,
			Package:  "./rsabench",
			Upstream: "github.com/bitnami/sealed-secrets",
			About:    "the benchmark of kubeseal's cryptography",
			Cost:     "about a minute on two cores",
		},
		{
			Name:     "helm",
			Dir:      "e2e/tools/helm",
			Package:  "helm.sh/helm/v4/cmd/helm",
			Upstream: "helm.sh/helm/v4",
			About:    "helm",
			Cost:     "about 4 minutes on two cores",
			LDFlags:  helmVersion,
		},
		{
			Name:     "helm3",
			Dir:      "e2e/tools/helm3",
			Package:  "helm.sh/helm/v3/cmd/helm",
			Upstream: "helm.sh/helm/v3",
			About:    "the older helm that people still have",
			Cost:     "about 3 minutes on two cores",
			LDFlags:  helm3Version,
		},
		{
			Name:     "image",
			Dir:      "tools/image",
			Package:  ".",
			Upstream: "github.com/google/go-containerregistry",
			About:    "what builds the programs' images, with go-containerregistry",
			Cost:     "a few seconds",
		},
		{
			Name:     "kubeconform",
			Dir:      "e2e/tools/kubeconform",
			Package:  "github.com/yannh/kubeconform/cmd/kubeconform",
			Upstream: "github.com/yannh/kubeconform",
			About:    "kubeconform",
			Cost:     "a few seconds",
		},
		{
			Name:     "tlogcheck",
			Dir:      "e2e/tools/tlogcheck",
			Package:  ".",
			Upstream: "github.com/transparency-dev/tessera",
			About:    "the second verifier of audit logs, with Tessera's fsck",
			Cost:     "a few seconds",
		},
		{
			Name:     "vault",
			Dir:      "e2e/tools/vault",
			Package:  "github.com/hashicorp/vault",
			Upstream: "github.com/hashicorp/vault",
			About:    "a Vault server for the tests",
			Cost:     "about 5 minutes on two cores",
			// Without it, every secrets engine, storage and auth method there is is compiled.
			Tags: []string{"minimal"},
		},
		{
			Name:     "vault-plugin-auth-kubernetes",
			Dir:      "e2e/tools/vaultk8s",
			Package:  "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes",
			Upstream: "github.com/hashicorp/vault-plugin-auth-kubernetes",
			About:    "Vault's Kubernetes auth",
			Cost:     "about 2 minutes on two cores",
		},
		{
			Name:     "sops",
			Dir:      "e2e/tools/sops",
			Package:  "github.com/getsops/sops/v3/cmd/sops",
			Upstream: "github.com/getsops/sops/v3",
			About:    "sops, to measure against",
			Cost:     "about 10 minutes on two cores",
		},
		{
			Name:     "gitea",
			Dir:      "e2e/tools/gitea",
			Package:  "code.gitea.io/gitea",
			Upstream: "code.gitea.io/gitea",
			About:    "Gitea, a forge for the tests",
			Cost:     "about 7 minutes on two cores",
			// Its only database that is no server of its own is SQLite, which is C.
			Tags:    []string{"sqlite", "sqlite_unlock_notify"},
			Cgo:     true,
			LDFlags: giteaVersion,
		},
	}
}

// kubernetesVersion stamps the version that Kubernetes' own build stamps; without it clients cannot read the
// server's version. One set of flags for all programs of the module lets them share compiled packages.
func kubernetesVersion(version string) string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(semver.MajorMinor(version), "v"), ".")
	const pkg = "k8s.io/component-base/version"
	return fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", pkg, version, major, minor)
}

// helmVersion stamps the version that helm's own build stamps; without it helm knows its minor version only.
func helmVersion(version string) string {
	return fmt.Sprintf("-s -w -X helm.sh/helm/%s/internal/version.version=%s", semver.Major(version), version)
}

// helm3Version stamps the version of Kubernetes too, that of the module's k8s.io/client-go: helm 3 takes itself for a client of 1.20 otherwise.
func helm3Version(version string) string {
	const pkg = "helm.sh/helm/v3/pkg/chartutil"
	return helmVersion(version) + fmt.Sprintf(" -X %[1]s.k8sVersionMajor=1 -X %[1]s.k8sVersionMinor=37", pkg)
}

// giteaVersion stamps the version that Gitea's own build stamps, without the v; clients look at it to know what they may ask for.
func giteaVersion(version string) string {
	return "-s -w -X main.Version=" + strings.TrimPrefix(version, "v")
}

// version is the version of the upstream module in the tool's go.mod.
func (t Tool) version(root string) (string, error) {
	file := filepath.Join(root, filepath.FromSlash(t.Dir), "go.mod")
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	mod, err := modfile.ParseLax(file, raw, nil)
	if err != nil {
		return "", fmt.Errorf("reading the version of %s: %w", t.Name, err)
	}
	i := slices.IndexFunc(mod.Require, func(r *modfile.Require) bool { return r.Mod.Path == t.Upstream })
	if i < 0 {
		return "", fmt.Errorf("reading the version of %s: %s does not require %s", t.Name, file, t.Upstream)
	}
	return mod.Require[i].Mod.Version, nil
}

// FindRoot is the folder of the repository's root module at dir or above it.
func FindRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		raw, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && modfile.ModulePath(raw) == rootModule {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("finding the repository: no go.mod of %s in %s or above it", rootModule, dir)
		}
	}
}
