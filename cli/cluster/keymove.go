package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// PatchOp is one operation of a JSON Patch (RFC 6902).
type PatchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// PatchKeyring changes a Keyring, if it is still as it was read, and gives what it is then. A *StatusError with code 409 says that it is not.
func (c *Client) PatchKeyring(ctx context.Context, kr *v1alpha1.Keyring, ops ...PatchOp) (*v1alpha1.Keyring, error) {
	// The API server takes a resource version in a patch for a condition.
	patch, err := json.Marshal(append([]PatchOp{{"replace", "/metadata/resourceVersion", kr.ResourceVersion}}, ops...))
	if err != nil {
		return nil, err
	}
	to := c.resources("", "keyrings", "apis", v1alpha1.GroupName, v1alpha1.GroupVersion().Version).JoinPath(kr.Name)
	to.RawQuery = url.Values{"fieldManager": {"seal"}}.Encode()
	resp, err := c.sendAs(ctx, http.MethodPatch, to, "application/json", "application/json-patch+json", bytes.NewReader(patch))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	changed := &v1alpha1.Keyring{}
	return changed, c.answer(resp, changed)
}
