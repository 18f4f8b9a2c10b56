package settings_test

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/settings"
)

func TestAConfigurationFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	account := types.NamespacedName{Namespace: "team", Name: "waxwing-sync"}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("impersonate: [{namespace: team}]")
	if _, err := settings.OpenFile(path); err == nil {
		t.Fatal("a configuration that is wrong was opened")
	}
	write("impersonate: [{namespace: team, serviceAccount: waxwing-sync}]")
	f, err := settings.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now := func(may, valid bool) {
		t.Helper()
		for range 2 {
			if s, err := f.Now(); s.MayImpersonate(account) != may || (err == nil) != valid {
				t.Errorf("may be impersonated: %t, want %t; %v", !may, may, err)
			}
		}
	}
	now(true, true)
	write("impersonate: [{namespace: team}]")
	now(true, false)
	write("{}")
	now(false, true)
	write("impersonate: [{namespace: team, serviceAccount: waxwing-sync}]")
	now(true, true)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now(true, false)
	write("")
	now(false, true)
}

func TestWithoutAConfigurationFileNobodyMayUseAnything(t *testing.T) {
	f, err := settings.OpenFile("")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Now()
	if err != nil || s.MayImpersonate(types.NamespacedName{Namespace: "a", Name: "b"}) || s.Allow("infra", "team", "https://git.example.com/") == nil {
		t.Errorf("%+v, %v", s, err)
	}
}
