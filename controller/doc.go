// Package controller runs inside the cluster: it turns GitSecrets into Secrets and keeps the keys of Keyrings. Run is its entrance.
//
// The reconcilers are thin: they gather what package unseal or keyring decides by, do what was decided, and report it. For a GitSecret that is: audit
// intent, open, write the Secret by server-side apply, audit outcome, status, event. Guarantees: nothing is opened without a durable intent; a Secret is
// written only if it is still the one (or none) that the decision was made for, whatever the caches say; an owned Secret has exactly the sealed keys; the
// data of Secrets is neither read nor cached; values do not outlive the reconcile and stand in no log, event, status or metric; a restart opens nothing
// that is unchanged; what can heal by itself is tried again for ever.
//
// It does not know where private keys come from (sources are handed to Run), and no endpoint of it opens or re-encrypts anything.
package controller
