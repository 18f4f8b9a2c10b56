package controller

import (
	"errors"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/waxwing-io/waxwing/keyring"
)

func TestASlowLeaderDoesNotWriteOverANewerBackup(t *testing.T) {
	kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).Build()
	b := backups{kube, kube, "waxwing-system"}
	holds := func(want string) string {
		t.Helper()
		signed, version, err := b.Backup(t.Context(), "prod")
		if err != nil || string(signed) != want {
			t.Fatalf("there is %q, not %q (%v)", signed, want, err)
		}
		return version
	}
	save := func(signed, version string) error { return b.SaveBackup(t.Context(), "prod", []byte(signed), version) }
	none := holds("")
	if err := save("first", none); err != nil {
		t.Fatal(err)
	}
	if err := save("of a slow leader", none); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("where there was none: %v", err)
	}
	first := holds("first")
	if err := save("second", first); err != nil {
		t.Fatal(err)
	}
	if err := save("of a slow leader", first); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("where there was another: %v", err)
	}
	holds("second")
}
