package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// LabelAnchor is on the ConfigMaps with anchors, with the value "true".
	LabelAnchor = "waxwing.io/audit-anchor"
	// LabelKey is on the Secrets with signing keys, with the value "true".
	LabelKey = "waxwing.io/audit-key"
	// KeyType is the type of these Secrets.
	KeyType corev1.SecretType = "waxwing.io/audit-key"
)

const (
	manager = "waxwing-controller"
	// patience bounds one request.
	patience = 10 * time.Second
	// home is the namespace whose UID names the cluster: it is never deleted.
	home = "kube-system"
)

// AnchorName is the name of the ConfigMap with the anchor of a replica's log.
func AnchorName(replica string) string { return "waxwing-audit-" + replica }

// KeySecretName is the name of the Secret with the key of a replica's log.
func KeySecretName(replica string) string { return "waxwing-audit-key-" + replica }

// Namespaces reads Namespaces. client-go's NamespaceInterface implements it.
type Namespaces interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Namespace, error)
}

// Origin names the log of a replica: CLUSTER/REPLICA.
func Origin(ctx context.Context, namespaces Namespaces, replica string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ns, err := namespaces.Get(ctx, home, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading the UID of namespace %s, which names the audit log: %w", home, err)
	}
	if ns.UID == "" {
		return "", fmt.Errorf("namespace %s has no UID to name the audit log by", home)
	}
	return string(ns.UID) + "/" + replica, nil
}
