package vaulttest_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

// TestAVaultEndsWithATestProcessThatIsKilled starts this test binary again, with a Vault, and kills it. A plugin of that Vault would end by itself after half a minute.
func TestAVaultEndsWithATestProcessThatIsKilled(t *testing.T) {
	const child = "VAULTTEST_CHILD"
	if os.Getenv(child) != "" {
		vaulttest.Start(t, vaulttest.Options{})
		fmt.Println("Vault runs")
		<-t.Context().Done() // it is killed before that
		return
	}
	p := harness.StartProcess(t, harness.Command{
		Name: "child", Path: os.Args[0], Args: []string{"-test.run=^" + t.Name() + "$", "-test.v"}, Env: []string{child + "=1"},
	})
	p.WaitForLine(t, "^Vault runs$")
	server := childrenOf(t, p.PID(), "vault server")
	if len(server) != 1 {
		t.Fatalf("the child runs %d Vaults", len(server))
	}
	p.Kill()
	harness.Eventually(t.Context(), t, "Vault is gone", func(context.Context) error {
		for _, r := range running(t) {
			if r.pid == server[0] {
				return fmt.Errorf("there is still %+v", r)
			}
		}
		return nil
	})
}

type process struct {
	pid, parent int
	state, args string
}

// running are all processes but those that have ended and that nobody has collected.
func running(t *testing.T) []process {
	t.Helper()
	var all []process
	for line := range strings.Lines(harness.Run(t, harness.Command{Path: "/bin/ps", Args: []string{"-eo", "pid=,ppid=,stat=,args="}})) {
		var r process
		if _, err := fmt.Sscan(line, &r.pid, &r.parent, &r.state); err != nil {
			t.Fatalf("reading %q: %v", line, err)
		}
		if r.args = line; !strings.HasPrefix(r.state, "Z") {
			all = append(all, r)
		}
	}
	return all
}

func childrenOf(t *testing.T, parent int, args string) []int {
	t.Helper()
	var pids []int
	for _, r := range running(t) {
		if r.parent == parent && strings.Contains(r.args, args) {
			pids = append(pids, r.pid)
		}
	}
	return pids
}
