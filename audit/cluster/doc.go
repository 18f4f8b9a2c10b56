// Package cluster keeps what an audit log has in the Kubernetes cluster, away from its volume: its name, the key that signs its checkpoints, and its anchor.
//
// The name is that of the cluster, the UID of the namespace kube-system, and that of the replica. The key is an immutable Secret of the controller's namespace, made
// once; for a process that must not read Secrets it is a file (KeyFile). The anchor is a ConfigMap there, which is changed by compare-and-swap only. All of it is read from the API server each time. No error carries the content of a Secret.
package cluster
