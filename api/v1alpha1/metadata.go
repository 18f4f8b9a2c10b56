package v1alpha1

import "strings"

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
