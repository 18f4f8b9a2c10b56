package keysources_test

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/keyringtest"
	"github.com/waxwing-io/waxwing/keyring/vaultkv"
)

// kvKeys are keyrings in folders of one folder of Vault's key/value store.
type kvKeys struct {
	*vaults
	t      testing.TB
	folder string
	vault  vaultkv.Vault
}

func newKVKeys(t testing.TB, v *vaults) *kvKeys {
	k := &kvKeys{vaults: v, t: t, folder: v.folder()}
	k.vault = v.client(t, vaultpolicy.KV, k.place("first"), k.place("second"))
	return k
}

func (k *kvKeys) place(name string) vaultpolicy.Place {
	return vaultpolicy.Place{KV: "kv", Folder: k.folder + "/" + name}
}

func (k *kvKeys) source(name string) keyring.Source {
	return vaultkv.New(vaultkv.Config{Vault: k.vault, Mount: "kv", Path: k.folder + "/" + name, Now: time.Now, Rand: rand.Reader})
}

func (k *kvKeys) path(kind, entry string) string { return "kv/" + kind + "/" + k.folder + "/" + entry }

// data reads an entry as root.
func (k *kvKeys) data(entry string) map[string]any {
	k.t.Helper()
	data, ok := k.Read(k.path("data", entry))["data"].(map[string]any)
	if !ok {
		k.t.Fatalf("no data in %s", entry)
	}
	return data
}

// change writes a new version of an entry as root.
func (k *kvKeys) change(entry string, change func(map[string]any)) {
	k.t.Helper()
	data := k.data(entry)
	change(data)
	k.Write(k.path("data", entry), map[string]any{"data": data})
}

// content is the metadata of all entries.
func (k *kvKeys) content() (all string) {
	k.t.Helper()
	for _, name := range []string{"first", "second"} {
		entries := []string{name + "/statement"}
		list, err := k.Root().Logical().ListWithContext(k.t.Context(), k.path("metadata", name+"/keys"))
		if err != nil {
			k.t.Fatal(err)
		}
		if list != nil {
			for _, id := range list.Data["keys"].([]any) {
				entries = append(entries, name+"/keys/"+id.(string))
			}
		}
		for _, entry := range entries {
			raw, err := json.Marshal(k.Read(k.path("metadata", entry)))
			if err != nil {
				k.t.Fatal(err)
			}
			all += entry + " " + string(raw) + "\n"
		}
	}
	return all
}

func (k *kvKeys) world(class seal.Class) keyringtest.World {
	return keyringtest.World{
		Class:           class,
		Source:          k.source,
		RemoveKey:       func(name, id string) { k.Delete(k.path("metadata", name+"/keys/"+id)) },
		RemoveStatement: func(name string) { k.Delete(k.path("metadata", name+"/statement")) },
		BreakKey: func(name, id string) {
			k.change(name+"/keys/"+id, func(data map[string]any) { data["identity"] = keyringtest.Junk })
		},
		BreakStatement: func(name string) {
			k.change(name+"/statement", func(data map[string]any) { data["signer"] = keyringtest.Junk })
		},
		Away:    k.away,
		Content: k.content,
	}
}

func (k *kvKeys) copy(from, to, id string) {
	k.Write(k.path("data", to+"/keys/"+id), map[string]any{"data": k.data(from + "/keys/" + id)})
}

func TestKeysInVaultKV(t *testing.T) {
	v := newVault(t)
	keyringtest.Run(t, func(t *testing.T) keyringtest.World { return newKVKeys(t, v).world(seal.PostQuantum) })
	keyringtest.RunBound(t, func(t *testing.T) (keyringtest.World, func(from, to, id string)) {
		k := newKVKeys(t, v)
		return k.world(seal.Classical), k.copy
	})
}
