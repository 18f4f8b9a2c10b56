package keysources_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/keyringtest"
	"github.com/waxwing-io/waxwing/keyring/vault"
	"github.com/waxwing-io/waxwing/keyring/vaultkv"
)

// kvKeys are keyrings in folders of one folder of Vault's key/value store.
type kvKeys struct {
	*vaults
	t      testing.TB
	folder string
	vault  *vault.Client
}

func newKVKeys(t testing.TB, v *vaults) *kvKeys {
	k := &kvKeys{vaults: v, t: t, folder: v.folder()}
	k.vault = v.clientWith(t, []string{vaultpolicy.KV, vaultpolicy.KVRemove}, k.place("first"), k.place("second"))
	return k
}

func (k *kvKeys) place(name string) vaultpolicy.Place {
	return vaultpolicy.Place{KV: "kv", Folder: k.folder + "/" + name}
}

func (k *kvKeys) source(name string) keyring.Source { return k.over(name, k.vault) }

func (k *kvKeys) over(name string, vault vaultkv.Vault) keyring.Source {
	return vaultkv.New(vaultkv.Config{Vault: vault, Mount: "kv", Path: k.folder + "/" + name, Now: time.Now, Rand: rand.Reader})
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
		Holds: k.holds,
		Watched: func(name string, at func(func() error) error) keyring.Source {
			return k.over(name, watchedVault{k.vault, at})
		},
		Away:    k.away,
		Content: k.content,
	}
}

// holds looks for the private half in all versions of everything that there is of a key.
func (k *kvKeys) holds(name, id string) bool {
	k.t.Helper()
	for _, entry := range []string{name + "/keys/" + id, name + "/keys/" + id + "-destroyed"} {
		meta := k.Read(k.path("metadata", entry))
		if meta == nil {
			continue
		}
		for version := range meta["versions"].(map[string]any) {
			s, err := k.Root().Logical().ReadWithDataWithContext(k.t.Context(), k.path("data", entry), map[string][]string{"version": {version}})
			if err != nil {
				k.t.Fatal(err)
			}
			if data, ok := s.Data["data"].(map[string]any); ok && data["identity"] != nil {
				return true
			}
		}
	}
	return false
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

// kvController is a running controller of a keyring in a store of its own.
func kvController(t *testing.T, v *vaults) (*kvKeys, *controller, string) {
	t.Helper()
	k := newKVKeys(t, v)
	ctl := newController(t, k.source("first"))
	return k, ctl, ctl.ready().Keys[0].ID
}

func TestKVIsPolledByItsMetadata(t *testing.T) {
	v := newVault(t)
	k, ctl, id := kvController(t, v)
	other := spare(t, k.source("first"))
	cold := newController(t, k.source("first"))
	for _, c := range []*controller{ctl, cold} {
		c.ready()
		mark := v.Mark()
		for range 3 {
			c.ready()
		}
		paths := v.paths(mark)
		want := []string{"read " + k.path("metadata", "first/statement"), "list " + k.path("metadata", "first/keys") + "/", "read " + k.path("metadata", "first/keys/"+min(id, other)), "read " + k.path("metadata", "first/keys/"+max(id, other))}
		if diff := cmp.Diff(slices.Repeat(want, 3), paths); diff != "" {
			t.Errorf("three looks while nothing changes: %s", diff)
		}
	}
	k.change("first/keys/"+other, func(data map[string]any) { data["note of a person"] = "stays" })
	mark := v.Mark()
	ctl.ready()
	reads := v.Requests(mark, vaulttest.To("kv/data/*/*/*/*"))
	if len(reads) != 1 || reads[0].Path != k.path("data", "first/keys/"+other) || reads[0].Operation != "read" || reads[0].Data["version"] == nil {
		t.Errorf("one entry has changed: %+v", reads)
	}
	src := k.source("first")
	keys, faults, err := src.Load(t.Context(), "first")
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	for _, key := range keys {
		if key.ID == other {
			if err := src.SetState(t.Context(), key, keyring.Compromised, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if data := k.data("first/keys/" + other); data["note of a person"] != "stays" || data["state"] != "Compromised" {
		t.Errorf("a field that Waxwing does not know was dropped: %v", slices.Sorted(maps.Keys(data)))
	}
}

// TestVersionsThatWereDeletedAreNotMissing has the commands of the messages carried out as they stand.
func TestVersionsThatWereDeletedAreNotMissing(t *testing.T) {
	v := newVault(t)
	for what, tc := range map[string]struct {
		damage func(k *kvKeys, entry string)
		says   string
		mends  bool // by the commands in the message
	}{
		"deleted": {func(k *kvKeys, entry string) { k.Delete(k.path("data", entry)) }, "was deleted (version ", true},
		"its newest version destroyed": {func(k *kvKeys, entry string) {
			k.Write(k.path("destroy", entry), map[string]any{"versions": []int{k.version(entry)}})
		}, "which was destroyed: version ", true},
		"destroyed": {func(k *kvKeys, entry string) {
			var all []int
			for n := range k.version(entry) {
				all = append(all, n+1)
			}
			k.Write(k.path("destroy", entry), map[string]any{"versions": all})
		}, "restore it from a snapshot of Vault", false},
	} {
		for _, statement := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, the statement key: %t", what, statement), func(t *testing.T) {
				k, running, id := kvController(t, v)
				entry, reason := "first/keys/"+id, keyring.ReasonKeyUnreadable
				if statement {
					entry, reason = "first/statement", keyring.ReasonStatementInvalid
				}
				tc.damage(k, entry)
				before := k.content()
				cold := newController(t, k.source("first"))
				var message string
				for _, ctl := range []*controller{running, cold} {
					message = ctl.stuck(reason, "Vault's kv/"+k.folder+"/"+entry, tc.says).Message
					if ctl.opens(id) != statement {
						t.Errorf("the key opens: %t", !statement)
					}
				}
				if k.content() != before {
					t.Error("something was written")
				}
				if !tc.mends {
					return
				}
				for _, command := range regexp.MustCompile("`vault (kv [^`]+)`").FindAllStringSubmatch(message, -1) {
					cmd := exec.CommandContext(t.Context(), k.Binary(), strings.Fields(command[1])...)
					cmd.Env = k.Env()
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%s: %v\n%s", command[0], err, out)
					}
				}
				for _, ctl := range []*controller{running, cold} {
					if ctl.eventually(); !ctl.opens(id) {
						t.Error("it was mended as the message says, and the key does not open")
					}
				}
			})
		}
	}
}

func (k *kvKeys) version(entry string) int {
	k.t.Helper()
	n, err := k.Read(k.path("metadata", entry))["current_version"].(json.Number).Int64()
	if err != nil {
		k.t.Fatal(err)
	}
	return int(n)
}

// TestAnOlderVaultTakesNothingsPlace restores snapshots of each moment of a keyring's making into a Vault whose keyring is made.
func TestAnOlderVaultTakesNothingsPlace(t *testing.T) {
	v := newVault(t)
	k := newKVKeys(t, v)
	nothing := v.Snapshot()
	src := k.source("first")
	if err := src.CreateStatement(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	statementOnly := v.Snapshot()
	ctl := newController(t, src)
	id := ctl.ready().Keys[0].ID
	whole := v.Snapshot()
	for what, old := range map[string][]byte{"before anything": nothing, "before the first key": statementOnly} {
		v.Restore(old)
		for _, c := range []*controller{ctl, {t: t, dir: ctl.dir, log: ctl.log, live: &keyring.Live{}, shown: ctl.shown}} {
			if c.manager == nil {
				c.manager = keyring.NewManager(keyring.Config{Source: keyring.ClearSecrets(k.source("first")), Audit: c.log, Now: time.Now, Rand: rand.Reader, Live: c.live})
			}
			harness.Eventually(t.Context(), t, what+": the key is missed", func(context.Context) error {
				res, _ := c.ensure()
				if res.Reason != keyring.ReasonKeyMissing || !res.Stalled || !strings.Contains(res.Message, id[:16]) || len(res.Done) > 0 {
					return &notReady{res}
				}
				return nil
			})
		}
		if list, err := k.Root().Logical().ListWithContext(t.Context(), k.path("metadata", "first/keys")); err != nil || list != nil {
			t.Errorf("%s: a key was made: %v, %v", what, list, err)
		}
		v.Restore(whole)
		if ctl.eventually(); !ctl.opens(id) || ctl.shown != id[:16] {
			t.Errorf("%s: the newer snapshot is back, and the key is not", what)
		}
	}
	// Versions that go back and are given anew.
	state := func(src keyring.Source, to keyring.State) error {
		keys, _, err := src.Load(t.Context(), "first")
		if err != nil {
			return err
		}
		return src.SetState(t.Context(), keys[0], to, time.Now())
	}
	if err := state(src, keyring.Suspended); err != nil {
		t.Fatal(err)
	}
	stale, _, err := src.Load(t.Context(), "first") // version 3, suspended
	if err != nil {
		t.Fatal(err)
	}
	v.Restore(whole)
	other := k.source("first")
	harness.Eventually(t.Context(), t, "another controller makes version 3 anew", func(context.Context) error { return state(other, keyring.Compromised) })
	if err := src.SetState(t.Context(), stale[0], keyring.Deactivated, time.Now()); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a version number that was given twice: %v", err)
	}
	if keys, _, err := src.Load(t.Context(), "first"); err != nil || keys[0].State != keyring.Compromised {
		t.Errorf("the version in memory is taken for another of the same number: %v, %v", keys, err)
	}
}

func TestMountsThatKeepNoKeys(t *testing.T) {
	v := newVault(t)
	v.Write("sys/mounts/one", map[string]any{"type": "kv", "options": map[string]any{"version": "1"}})
	source := func(t *testing.T, mount string) keyring.Source {
		client := v.client(t, vaultpolicy.KV, vaultpolicy.Place{KV: mount, Folder: "waxwing/first"})
		return vaultkv.New(vaultkv.Config{Vault: client, Mount: mount, Path: "waxwing/first", Now: time.Now, Rand: rand.Reader})
	}
	at := func(t *testing.T, mount string) *controller { return newController(t, source(t, mount)) }
	t.Run("version 1", func(t *testing.T) {
		at(t, "one").stuck(keyring.ReasonKeySourceUnavailable, "Vault's mount one is a key/value store of version 1", "enable-versioning one")
		if st, err := source(t, "one").LoadStatement(t.Context(), "first"); st != nil || err == nil {
			t.Errorf("a statement key in a store that keeps none: %v, %v", st, err)
		}
		if list, err := v.Root().Logical().ListWithContext(t.Context(), "one"); err != nil || list != nil {
			t.Errorf("something was written: %v, %v", list, err)
		}
	})
	t.Run("another engine", func(t *testing.T) {
		at(t, "transit").stuck(keyring.ReasonKeySourceUnavailable, `Vault's mount transit is no key/value store but of type "transit"`)
	})
	t.Run("none", func(t *testing.T) {
		ctl := at(t, "later")
		for range 2 {
			res, err := ctl.ensure()
			if err == nil || res.Ready || res.Stalled || res.Reason != keyring.ReasonKeySourceUnavailable || !strings.Contains(res.Message, "later/waxwing/first") {
				t.Errorf("%+v, %v", res, err)
			}
		}
		v.EnableKV("later")
		ctl.eventually()
	})
	t.Run("one that deletes by itself", func(t *testing.T) {
		v.EnableKV("short")
		v.Write("short/config", map[string]any{"delete_version_after": "1h"})
		ctl := at(t, "short")
		res, err := ctl.ensure()
		if err != nil || res.Ready || !res.Stalled || !strings.Contains(res.Message, "will be deleted by Vault at") || !strings.Contains(res.Message, "vault write short/config delete_version_after=0s") {
			t.Errorf("%+v, %v", res, err)
		}
		ctl.stuck(keyring.ReasonStatementInvalid, "will be deleted by Vault at")
		if list, err := v.Root().Logical().ListWithContext(t.Context(), "short/metadata/waxwing/first/keys"); err != nil || list != nil {
			t.Errorf("a key was made: %v, %v", list, err)
		}
		v.Write("short/config", map[string]any{"delete_version_after": "0s"})
		v.Delete("short/metadata/waxwing/first/statement")
		id := ctl.eventually().Keys[0].ID
		v.Write("short/config", map[string]any{"delete_version_after": "1h"})
		data := v.Read("short/data/waxwing/first/keys/" + id)["data"]
		v.Write("short/data/waxwing/first/keys/"+id, map[string]any{"data": data})
		if ctl.impaired("first/keys/" + id + " will be deleted by Vault at"); !ctl.opens(id) {
			t.Error("a key that will be deleted does not open any more")
		}
	})
}

func TestAKeyThatMayNotBeReadHindersNoOther(t *testing.T) {
	v := newVault(t)
	k, ctl, id := kvController(t, v)
	bad := spare(t, k.source("first"))
	ctl.ready()
	policy, err := vaultpolicy.Read(vaultpolicy.KV, k.place("first"))
	if err != nil {
		t.Fatal(err)
	}
	name := vaultpolicy.KV + "-" + k.folder + "-first--"
	v.Policy(name, policy+"\npath \"kv/metadata/"+k.folder+"/first/keys/"+bad+"\" { capabilities = [\"deny\"] }\n")
	if res := ctl.impaired("first/keys/"+bad, "cannot be read"); len(res.Keys) != 2 || !ctl.opens(id) {
		t.Errorf("a key in memory is gone because Vault does not let it be read any more: %+v", res)
	}
	cold := newController(t, k.source("first"))
	if res := cold.impaired("first/keys/"+bad, "cannot be read"); len(res.Keys) != 1 || !cold.opens(id) {
		t.Errorf("%+v", res)
	}
	v.Policy(name, `path "kv/metadata/*" { capabilities = ["list"] }`)
	for _, c := range []*controller{ctl, cold} {
		if res, err := c.ensure(); err == nil || res.Reason != keyring.ReasonKeySourceUnavailable || res.Stalled || !c.opens(id) {
			t.Errorf("no key may be read: %+v, %v", res, err)
		}
	}
	v.Policy(name, policy)
	for _, c := range []*controller{ctl, cold} {
		if res := c.eventually(); res.Reason != keyring.ReasonKeyActive || len(res.Keys) != 2 {
			t.Errorf("%+v", res)
		}
	}
}
