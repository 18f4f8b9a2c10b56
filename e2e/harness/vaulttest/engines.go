package vaulttest

import (
	"context"
	"maps"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// Policy makes or replaces a policy. It holds for tokens that are there already, too.
func (v *Vault) Policy(name, text string) {
	v.t.Helper()
	v.write("sys/policies/acl/"+name, map[string]any{"policy": text})
}

// EnableTransit mounts the Transit engine.
func (v *Vault) EnableTransit(mount string) {
	v.t.Helper()
	v.write("sys/mounts/"+mount, map[string]any{"type": "transit"})
}

// TransitKey makes a key of type aes256-gcm96, or as these parameters of transit/keys/NAME say instead.
func (v *Vault) TransitKey(mount, name string, parameters map[string]any) {
	v.t.Helper()
	data := map[string]any{"type": "aes256-gcm96"}
	maps.Copy(data, parameters)
	v.write(mount+"/keys/"+name, data)
}

// EnableKV mounts a key/value store, version 2, and waits until it serves: it refuses requests for a moment after it was mounted.
func (v *Vault) EnableKV(mount string) {
	v.t.Helper()
	v.write("sys/mounts/"+mount, map[string]any{"type": "kv", "options": map[string]any{"version": "2"}})
	harness.Eventually(v.t.Context(), v.t, "the key/value store serves", func(ctx context.Context) error {
		_, err := v.client.Logical().ReadWithContext(ctx, mount+"/config")
		return err
	})
}
