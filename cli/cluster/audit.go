package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

const (
	// anchorSelector picks the ConfigMaps with the anchors of audit logs, anchorPrefix begins their names, and the replica's is the rest.
	anchorSelector = "waxwing.io/audit-anchor=true"
	anchorPrefix   = "waxwing-audit-"
)

// ConfigMap is what is read of one.
type ConfigMap struct {
	Metadata struct {
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
}

// AuditAnchors lists the ConfigMaps with the anchors of audit logs in the controller's namespace.
func (c *Client) AuditAnchors(ctx context.Context, namespace string) (all []ConfigMap, err error) {
	err = c.list(ctx, c.resources(namespace, "configmaps", "api", "v1"), url.Values{"labelSelector": {anchorSelector}}, "application/json", func(item Decode) error {
		var m ConfigMap
		err := item(&m)
		all = append(all, m)
		return err
	})
	return all, err
}

// AuditAnchorName is the name of the ConfigMap with the anchor of a replica's log.
func AuditAnchorName(replica string) string { return anchorPrefix + replica }

// SetData sets keys of a ConfigMap, if it is still as it was read. A *StatusError with code 409 says that it is not.
func (c *Client) SetData(ctx context.Context, namespace string, m *ConfigMap, data map[string]string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": m.Metadata.ResourceVersion}, "data": data})
	if err != nil {
		return err
	}
	to := c.resources(namespace, "configmaps", "api", "v1").JoinPath(m.Metadata.Name)
	to.RawQuery = url.Values{"fieldManager": {"seal"}}.Encode()
	resp, err := c.sendAs(ctx, http.MethodPatch, to, "application/json", "application/merge-patch+json", bytes.NewReader(patch))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return c.answer(resp, m)
}

// PodReady says whether a pod is ready.
func (c *Client) PodReady(ctx context.Context, namespace, name string) (bool, error) {
	var pod struct {
		Status struct {
			Conditions []struct{ Type, Status string } `json:"conditions"`
		} `json:"status"`
	}
	if err := c.get(ctx, &pod, "api", "v1", "namespaces", namespace, "pods", name); err != nil {
		return false, err
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True", nil
		}
	}
	return false, nil
}
