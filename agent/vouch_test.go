package agent

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// oneCredentials are the only ones that there are.
type oneCredentials settings.Credentials

func (c oneCredentials) Read(string) (*settings.Credentials, error) {
	got := settings.Credentials(c)
	return &got, nil
}

// TestTheAgentsSignatureCountsForItsOwnSecretSyncAlone holds that a commit which the agent has signed for another SecretSync, which may verify nothing, is not taken for that
// signature.
func TestTheAgentsSignatureCountsForItsOwnSecretSyncAlone(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for by, reason := range map[string]string{"team/infra": Synced, "team/other": string(source.CommitNotSigned)} {
		w := newWorld(t, func(o *v1alpha1.SecretSync) {
			o.Spec.Verify = &v1alpha1.SyncVerify{Signers: []v1alpha1.Signer{{Name: "alice", Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}}
			o.Spec.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush, SigningKey: "infra"}
		})
		w.configure(configuration + fmt.Sprintf("credentials: [{name: infra, urls: [%q], namespaces: [team]}]\n", w.git.URL+"/"))
		w.credentials = oneCredentials{SigningKey: pem.EncodeToMemory(block)}
		w.around = surroundingsOf(w.kube, w.kube, w.store, Config{})
		parent := w.push(map[string]string{"a.json": w.sealed("a")})
		repo, err := openSource(filepath.Join(t.TempDir(), "other"), source.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		place, auth := source.Place{URL: w.repo.URL, Branch: "main"}, source.Auth{InsecureHTTP: true}
		base, err := repo.Fetch(t.Context(), place, auth)
		if err != nil {
			t.Fatal(err)
		}
		when := time.Unix(1_800_000_000, 0)
		mark := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n", by, parent, when.Unix()))
		draft, err := repo.Commit(t.Context(), base, map[string][]byte{"README": []byte("x")}, source.Author{Name: "Waxwing", Email: "a@b.invalid", When: when},
			fmt.Sprintf("chore(seal): x\n\nWaxwing-Sync: %s\nWaxwing-Mark: %s\n", by, hex.EncodeToString(mark[:16])), signer)
		if err != nil {
			t.Fatal(err)
		}
		if err := repo.Push(t.Context(), place, auth, draft, base.ID, false); err != nil {
			t.Fatal(err)
		}
		if err := repo.Close(); err != nil {
			t.Error(err)
		}
		w.look()
		w.ready(w.object(), reason)
	}
}
