// Package agent runs inside the cluster: it keeps the GitSecrets of Git repositories in the cluster, as SecretSyncs ask for it, and puts what key rotations offer back into Git. Run is its entrance.
//
// The reconciler is thin: it gathers (agent/settings says what may be used, agent/source fetches, agent/desired reads), decides (agent/sync, a pure plan), acts (as a ServiceAccount that the
// configuration names, never as itself) and reports. Guarantees: nothing is written to the cluster or to Git without a durable intent in the agent's own audit log; nothing is applied that is not of
// a commit which was fetched whole and, where that is asked for, verified; nothing is applied as an account that can get at Secrets or pods; a failed fetch changes nothing; credentials go only where
// the configuration lets them, and are in no status, event, log, metric or error.
//
// It holds no key that opens anything, is given no plaintext, and knows no Secret.
package agent
