package secret

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// The types of Secrets that something else makes and keeps.
const (
	typeServiceAccount = "kubernetes.io/service-account-token"
	typeBootstrap      = "bootstrap.kubernetes.io/token"
	typeHelm           = "helm.sh/release.v1"
)

// Types lists the types that Take refuses whatever else a Secret says.
func Types() []string { return []string{typeServiceAccount, typeBootstrap, typeHelm} }

// Taken is a Secret of a cluster, ready to be sealed.
type Taken struct {
	JSON     []byte   // without what the cluster and delivery tools have added; it holds the plaintext
	Owners   []string // what the Secret belongs to, such as "Certificate web"; empty but for allowOwned
	Warnings []string
}

// live is what Take reads of a Secret.
type live struct {
	Type     string `json:"type"`
	Metadata struct {
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
		OwnerReferences   []struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
}

// Take turns the JSON of a Secret in a cluster into one that could stand in a file. A Secret that something else would write again is refused, with an
// *Error; allowOwned takes those that have owners.
func Take(doc []byte, allowOwned bool) (*Taken, error) {
	var s live
	if err := json.Unmarshal(doc, &s); err != nil {
		return nil, refuse("", "the API server's answer is not a Secret")
	}
	switch {
	case s.Type == typeHelm:
		return nil, refuse("it is Helm's own record of a release", "a Secret of type %s is not sealed", s.Type)
	case s.Type == typeServiceAccount || s.Type == typeBootstrap:
		return nil, refusedType(s.Type)
	case strings.HasPrefix(s.Type, v1alpha1.GroupName+"/"):
		return nil, refuse("keys are not kept in Git; back them up with the cluster, or in Vault", "it is a key of Waxwing itself (type %s)", shown(s.Type))
	case s.Metadata.DeletionTimestamp != "":
		return nil, refuse("", "it is being deleted")
	}
	t := &Taken{}
	for _, o := range s.Metadata.OwnerReferences {
		owner := plainName(o.Kind) + " " + plainName(o.Name)
		switch {
		case allowOwned:
			t.Owners = append(t.Owners, owner)
		case o.Kind == seal.Kind && strings.HasPrefix(o.APIVersion, v1alpha1.GroupName+"/"):
			return nil, refuse("change that GitSecret's file: seal set, seal unset", "it is made from %s, which is sealed already", owner)
		default:
			return nil, refuse("its owner makes it again; stop that first, or pass --allow-owned", "it belongs to %s", owner)
		}
	}
	t.Warnings = s.deliveredBy()
	var err error
	t.JSON, err = s.clean(doc)
	return t, err
}

// deliveredBy names what applies the Secret, and would go on doing so.
func (s *live) deliveredBy() []string {
	var out []string
	labels, annotations := s.Metadata.Labels, s.Metadata.Annotations
	if release := annotations["meta.helm.sh/release-name"]; release != "" {
		out = append(out, "it is part of the Helm release "+plainName(release)+": take it out of the chart, which would write it again")
	}
	if name := labels["kustomize.toolkit.fluxcd.io/name"]; name != "" {
		out = append(out, "Flux applies it from the Kustomization "+plainName(name)+": remove it there in the same commit")
	}
	if release := labels["helm.toolkit.fluxcd.io/name"]; release != "" {
		out = append(out, "Flux applies it with the HelmRelease "+plainName(release)+": take it out of the chart, which would write it again")
	}
	app := labels["argocd.argoproj.io/instance"]
	if app == "" {
		app, _, _ = strings.Cut(annotations[trackingID], ":")
	}
	if app != "" {
		out = append(out, "Argo CD applies it from the Application "+plainName(app)+": remove it there in the same commit")
	}
	return out
}

// clean leaves out labels and annotations that say who applied the Secret, or that Waxwing wrote; what the API server added is dropped when it is sealed.
func (s *live) clean(doc []byte) ([]byte, error) {
	top, err := readObject("the Secret", doc)
	if err != nil {
		return nil, err
	}
	m, err := readObject("metadata", top["metadata"])
	if err != nil {
		return nil, err
	}
	for field, from := range map[string]map[string]string{"labels": s.Metadata.Labels, "annotations": s.Metadata.Annotations} {
		for name := range from {
			if appliedMark(name) {
				delete(from, name)
			}
		}
		delete(m, field)
		if len(from) == 0 {
			continue
		}
		if m[field], err = Marshal(from); err != nil {
			return nil, err
		}
	}
	if top["metadata"], err = Marshal(m); err != nil {
		return nil, err
	}
	return Marshal(top)
}

func appliedMark(name string) bool {
	ours := name == v1alpha1.GroupName || strings.HasPrefix(name, v1alpha1.GroupName+"/")
	return ours || isTracking(name) || name == trackingID || name == v1alpha1.LabelManagedBy ||
		slices.Contains([]string{"meta.helm.sh/release-name", "meta.helm.sh/release-namespace"}, name)
}

// plainName is a name of another object for a message: bare where it is one that Kubernetes allows.
func plainName(name string) string {
	if ValidName(strings.ToLower(name)) {
		return name
	}
	return shown(name)
}

func refusedType(t string) error {
	return refuse("the control plane makes and reads these itself; let it, and keep them out of Git", "a Secret of type %s is not sealed", t)
}
