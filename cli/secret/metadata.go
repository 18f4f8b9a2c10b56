package secret

import (
	"bytes"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// isCopy says whether an annotation is one in which a tool keeps the whole object, plaintext included.
func isCopy(annotation string) bool {
	switch annotation {
	case "kubectl.kubernetes.io/last-applied-configuration",
		"kubecfg.ksonnet.io/last-applied-configuration",
		"kopf.zalando.org/last-handled-configuration",
		"kapp.k14s.io/original", "kapp.k14s.io/original-diff", "kapp.k14s.io/original-diff-full",
		"objectset.rio.cattle.io/applied",
		"banzaicloud.com/last-applied":
		return true
	}
	return false
}

// aboutGit says whether an annotation speaks to a delivery tool, or to Waxwing, about the object in Git.
func aboutGit(annotation string) bool {
	domain, _, _ := strings.Cut(annotation, "/")
	for _, d := range []string{"argoproj.io", "fluxcd.io", "config.kubernetes.io", "config.k8s.io", "helm.sh", "kapp.k14s.io", "waxwing.io"} {
		if domain == d || strings.HasSuffix(domain, "."+d) {
			return true
		}
	}
	return false
}

// isTracking says whether Flux or Argo CD know by a label what they applied. Repeated on the Secret it would claim that, too.
func isTracking(label string) bool {
	return strings.HasPrefix(label, "kustomize.toolkit.fluxcd.io/") || strings.HasPrefix(label, "helm.toolkit.fluxcd.io/") || label == "argocd.argoproj.io/instance"
}

// trackingID says where Argo CD applied an object; it is made anew when the GitSecret is applied.
const trackingID = "argocd.argoproj.io/tracking-id"

// splitAnnotations splits the Secret's annotations: own for the GitSecret, template for the Secret.
func (s *source) splitAnnotations() (own, template map[string]string) {
	own, template = map[string]string{}, map[string]string{}
	for key, text := range s.annotations {
		switch {
		case isCopy(key) || key == trackingID:
		case aboutGit(key) || !v1alpha1.TemplateMayCarry(key):
			own[key] = text
		default:
			template[key] = text
		}
	}
	return own, template
}

// templateLabels are the labels that the Secret gets.
func (s *source) templateLabels() map[string]string {
	labels := maps.Clone(s.labels)
	maps.DeleteFunc(labels, func(key, _ string) bool { return !v1alpha1.TemplateMayCarry(key) })
	return labels
}

// minCopy is the length from which a value is looked for in annotations; shorter ones stand there by chance.
const minCopy = 8

// checkCopies refuses annotations that stay readable and repeat a value: its base64 anywhere, its plaintext in one that looks like a copy of an object.
func (s *source) checkCopies() error {
	for _, key := range s.values.Names() {
		plain := s.values[key].Bytes()
		if len(plain) < minCopy {
			continue
		}
		encoded := base64.StdEncoding.EncodeToString(plain)
		for _, annotation := range s.readable() {
			text := s.annotations[annotation]
			inObject := strings.HasPrefix(strings.TrimSpace(text), "{") && strings.Contains(text, string(plain))
			if inObject || strings.Contains(text, encoded) {
				return refuse("annotations are not sealed: remove it", "metadata.annotations[%s] repeats the value of %s", shown(annotation), key)
			}
		}
	}
	return nil
}

// readable lists the annotations that stay.
func (s *source) readable() []string {
	names := slices.Sorted(maps.Keys(s.annotations))
	return slices.DeleteFunc(names, func(name string) bool { return isCopy(name) || name == trackingID })
}

// repeated warns of labels and annotations that have a value in them, which may be chance or meant.
func (s *source) repeated() []string {
	var out []string
	annotations, labels := s.readable(), slices.Sorted(maps.Keys(s.labels))
	for _, key := range s.values.Names() {
		plain := string(bytes.TrimSpace(s.values[key].Bytes()))
		if len(plain) < minCopy {
			continue
		}
		for _, name := range labels {
			if strings.Contains(s.labels[name], plain) {
				out = append(out, "metadata.labels["+shown(name)+"] repeats the value of "+key+", and stays readable")
			}
		}
		for _, name := range annotations {
			if strings.Contains(s.annotations[name], plain) {
				out = append(out, "metadata.annotations["+shown(name)+"] repeats the value of "+key+", and stays readable")
			}
		}
	}
	return out
}

// left warns of labels and annotations that a user may expect on the Secret, and that the controller would refuse there.
func (s *source) left() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.labels)) {
		if !isTracking(name) && !v1alpha1.TemplateMayCarry(name) {
			out = append(out, "metadata.labels["+shown(name)+"] stays on the GitSecret: on the Secret it would speak to another controller")
		}
	}
	for _, name := range s.readable() {
		if !aboutGit(name) && !v1alpha1.TemplateMayCarry(name) {
			out = append(out, "metadata.annotations["+shown(name)+"] stays on the GitSecret: on the Secret it would speak to another controller")
		}
	}
	return out
}
