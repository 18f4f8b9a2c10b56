// Package secret turns Secret manifests into GitSecrets and back, as JSON.
//
// It guarantees that every field of a Secret is either carried over, dropped by a rule that is written down here, or refused by name, so that
// nothing is lost by a typo and no plaintext stays behind in metadata; and that no error carries a value. It reads and writes no files and no YAML,
// and it does not decide about recipients.
//
// Where things go:
//
//   - data and stringData (which wins) are sealed into spec.items.
//   - Labels stay on the GitSecret, where selectors of kustomize and Argo CD look for them, and are repeated in spec.template.metadata for the Secret
//     if the controller takes them there (v1alpha1.TemplateMayCarry). Those of other controllers stay on the GitSecret alone.
//   - Annotations go to spec.template.metadata by the same rule. Those that tell a delivery tool how to treat the object in Git (argocd.argoproj.io/sync-wave,
//     kustomize.toolkit.fluxcd.io/prune, config.kubernetes.io/depends-on …) and waxwing.io/… stay on the GitSecret alone.
//   - What the API server sets (uid, resourceVersion, managedFields, ownerReferences, status …) is dropped, and so are annotations in which kubectl
//     and others keep a copy of the whole object: they hold the plaintext.
package secret
