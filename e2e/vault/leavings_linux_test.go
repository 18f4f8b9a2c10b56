package vault_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// confidential is what must be in no file: age identities, signers' keys, tokens of Vault, PEM of private keys, and tokens of ServiceAccounts.
var confidential = regexp.MustCompile(`AGE-SECRET-KEY-[0-9A-Z-]{20}|PRIVATE\+KEY\+\S{20}|\bhv[sbr]\.[A-Za-z0-9_-]{20}|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[A-Za-z0-9_-]{20,}\.eyJ`)

// TestNoKeyAndNoTokenIsLeftAnywhere looks at all that a controller leaves behind that was aborted in the middle of its work, in a place where cores are written and
// everything is asked for: what it printed, its environment, its folders with the audit log, and cores. What it has in memory while it runs is not looked at: keys
// are there.
func TestNoKeyAndNoTokenIsLeftAnywhere(t *testing.T) {
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			s := newScene(t, k)
			s.controller.Kill()
			dir := t.TempDir()
			// A core is written to the working folder here, and where a test may write, if the process lets one be written.
			program := harness.BuildBinary(t, "./cmd/waxwing-controller")
			s.launcher = func(c harness.Command) harness.Command {
				c.Name, c.Path, c.Dir = "waxwing-controller", "/bin/sh", dir
				c.Args = append([]string{"-c", `ulimit -c unlimited && exec "$0" "$@"`, program}, c.Args...)
				c.Env = append(c.Env, "GOTRACEBACK=crash")
				return c
			}
			s.start()
			s.opened("opened", s.holder)
			environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.controller.PID()))
			if err != nil {
				t.Fatal(err)
			}
			// Things go wrong, because more is printed then.
			s.vault.Lock()
			s.look()
			s.put("locked", s.holder)
			if k.remote {
				s.comesTo("locked", unseal.KeySourceUnavailable)
			} else {
				s.comesTo("locked", unseal.Unsealed)
			}
			s.vault.Unlock()
			s.says(keyring.ReasonKeyActive)
			s.controller.Signal(t, syscall.SIGABRT)
			s.controller.Wait(t)
			if !strings.Contains(s.controller.State(), "aborted") || strings.Contains(s.controller.State(), "core dumped") {
				t.Errorf("it ended with: %s", s.controller.State())
			}
			left := map[string][]byte{"its environment": environ, "what it printed": []byte(s.controller.Output())}
			for _, folder := range []string{dir, filepath.Dir(s.log)} {
				read(t, folder, left)
			}
			for where, raw := range left {
				if found := confidential.Find(raw); found != nil {
					t.Errorf("%s has %.16s…", where, found)
				}
			}
		})
	}
}

// read adds all files of a folder.
func read(t *testing.T, folder string, into map[string][]byte) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		into[path] = raw
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
