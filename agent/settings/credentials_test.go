package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/settings"
)

func folder(t *testing.T, files map[string]string) (*settings.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		put(t, filepath.Join(dir, name), content)
	}
	f, err := settings.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, dir
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsAreReadAsTheyAreNow(t *testing.T) {
	f, dir := folder(t, map[string]string{"infra/username": "bot\n", "infra/token": "not-a-real-token\n", "infra/expires": "2027-01-31T00:00:00Z\n"})
	c, err := f.Read("infra")
	if err != nil || c.Username != "bot" || c.Token != "not-a-real-token" || !c.Expires.Equal(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)) || c.Identity != nil {
		t.Fatalf("%v", err)
	}
	put(t, filepath.Join(dir, "infra/token"), "not-a-real-token-either")
	if c, err = f.Read("infra"); err != nil || c.Token != "not-a-real-token-either" {
		t.Errorf("a new token was not read: %v", err)
	}
}

// TestMountedSecretsAreRead has the links that the kubelet makes: NAME/token -> ..data/token, ..data -> ..2026.
func TestMountedSecretsAreRead(t *testing.T) {
	f, dir := folder(t, map[string]string{"infra/..2026/token": "not-a-real-token"})
	for link, to := range map[string]string{"infra/..data": "..2026", "infra/token": "..data/token"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := f.Read("infra"); err != nil || c.Token != "not-a-real-token" {
		t.Errorf("%v", err)
	}
}

func TestNoCredentialsComeFromOutsideOfTheFolder(t *testing.T) {
	f, dir := folder(t, map[string]string{"infra/username": "bot"})
	outside := filepath.Join(t.TempDir(), "token")
	put(t, outside, "not-a-real-token")
	if err := os.Symlink(outside, filepath.Join(dir, "infra/token")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read("infra"); err == nil {
		t.Error("a link out of the folder was followed")
	}
	for _, name := range []string{"", ".", "..", "../infra", "other", "infra/username"} {
		if _, err := f.Read(name); err == nil {
			t.Errorf("%q was read", name)
		}
	}
}

func TestErrorsAndPrintsSayNothingOfWhatIsInside(t *testing.T) {
	const secret = "not-a-real-token"
	for _, files := range []map[string]string{
		{"infra/token": secret + "\nsecond line"},
		{"infra/expires": secret},
		{"infra/token": strings.Repeat(secret, 1<<15)},
	} {
		f, _ := folder(t, files)
		if _, err := f.Read("infra"); err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "infra") {
			t.Errorf("%.200v", err)
		}
	}
	c := settings.Credentials{Token: secret, Identity: []byte(secret)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, secret) {
			t.Errorf("%s prints %s", verb, text)
		}
		if text := fmt.Sprintf(verb, &c); strings.Contains(text, secret) {
			t.Errorf("%s of a pointer prints %s", verb, text)
		}
	}
}
