package cli_test

import "testing"

func TestAuditRestartAsks(t *testing.T) {
	l := wholeLog(t, 0)
	for answer, changes := range map[string]int{"y\n": 1, "\n": 0, "no\n": 0} {
		api := newFakeAPI(t, anchorMap(t, "replica-0", l.anchor(t)))
		api.pod = podThatIs("False")
		c := newConsole(t)
		cmd := c.start(t, "", "audit", "restart", "--kubeconfig", api.kubeconfig, "--reason", "volume lost")
		c.waitFor(t, "Give up part 1 of the log of replica-0? [y/N] ")
		c.typing(t, answer)
		if err := cmd.Wait(); (err == nil) != (changes == 1) {
			t.Errorf("answered %q: %v", answer, err)
		}
		if len(api.patches) != changes {
			t.Errorf("answered %q: %q", answer, api.patches)
		}
	}
}
