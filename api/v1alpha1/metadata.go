package v1alpha1

import (
	"slices"
	"strings"
)

// TemplateMayCarry says whether a GitSecret's template may set this label or annotation on the Secret. Keys without a prefix are the user's own. A key with a prefix
// belongs to some controller, which may copy, prune or trust the Secret because of it, so only those that say nothing more than what the Secret is are taken.
func TemplateMayCarry(key string) bool {
	switch key {
	case "app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of", "app.kubernetes.io/version",
		"argocd.argoproj.io/secret-type", // Argo CD's declarative repositories and clusters
		"reconcile.fluxcd.io/watch",      // Flux follows the Secret
		"reloader.stakater.com/match":    // Reloader restarts what uses the Secret
		return true
	}
	return !strings.Contains(key, "/")
}

// NeverInTemplate says whether a label or annotation is refused in templates whatever a Keyring grants: the project's own marks, and those that Kubernetes itself or
// kubectl acts upon.
func NeverInTemplate(key string) bool {
	prefix, _, _ := strings.Cut(key, "/")
	switch prefix {
	case GroupName, "kubectl.kubernetes.io", "kubernetes.io", "k8s.io":
		return true
	}
	return key == LabelManagedBy || strings.HasSuffix(prefix, "."+GroupName)
}

// Grants says whether a Keyring's templateMetadata lets templates set a label or annotation.
func Grants(templateMetadata []string, key string) bool {
	prefix, _, prefixed := strings.Cut(key, "/")
	return prefixed && !NeverInTemplate(key) && (slices.Contains(templateMetadata, key) || slices.Contains(templateMetadata, prefix+"/*"))
}
