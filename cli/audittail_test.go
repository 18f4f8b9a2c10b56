package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
)

func TestAuditTailShowsALineARecord(t *testing.T) {
	l := newLog(t, 0)
	code, stdout, stderr := run(t, l.dir, "", "audit", "tail")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	got := squeezed(stdout)
	t.Log(stdout)
	wantIn(t, got, "RECORD TIME ACTION OBJECT ACTOR OUTCOME\n",
		"Z unseal GitSecret prod/db unattributed (kustomize-controller) intent\n",
		"Z unseal GitSecret prod/db unattributed (kustomize-controller) ok\n",
		"Z refuse GitSecret prod/moved alice@example.org failed ScopeMismatch: sealed for strict prod/db, not for prod/moved\n",
		"Z unseal GitSecret prod/lost unattributed (kustomize-controller) intent without outcome\n", "log.started", "log.stopped")
	wantNotIn(t, stdout, "\x1b")
}

func TestAuditTailChooses(t *testing.T) {
	l := newLog(t, 0)
	for name, c := range map[string]struct {
		args       []string
		wants, not []string
		lines      int
	}{
		"the newest":                      {[]string{"-n", "2"}, []string{"prod/lost", "log.stopped"}, []string{"ScopeMismatch"}, 3},
		"an action with its outcomes":     {[]string{"--action", "unseal"}, []string{"prod/db", "staging/web", "prod/lost"}, []string{"log.started", "refuse"}, 6},
		"the newest of an action":         {[]string{"--action", "unseal", "-n", "2"}, []string{"staging/web", "ok", "prod/lost"}, []string{"prod/db"}, 3},
		"actions by pattern":              {[]string{"--action", "log.*"}, []string{"log.started", "log.stopped"}, []string{"unseal"}, 3},
		"a namespace":                     {[]string{"--namespace", "staging"}, []string{"staging/web"}, []string{"prod/"}, 3},
		"what is not older":               {[]string{"--since", "2020-01-01T00:00:00Z"}, []string{"log.started", "prod/lost"}, nil, 9},
		"nothing is so new":               {[]string{"--since", "2200-01-01T00:00:00Z"}, nil, []string{"RECORD"}, 0},
		"none":                            {[]string{"-n", "0"}, nil, []string{"RECORD"}, 0},
		"all":                             {[]string{"-n", "-1"}, []string{"log.started", "log.stopped"}, nil, 9},
		"an action of a namespace, by -1": {[]string{"-n", "-1", "--action", "unseal", "--namespace", "prod"}, []string{"prod/db", "prod/lost"}, []string{"staging"}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, "", "", append([]string{"audit", "tail", l.dir}, c.args...)...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			wantIn(t, stdout, c.wants...)
			wantNotIn(t, stdout, c.not...)
			if n := strings.Count(stdout, "\n"); n != c.lines {
				t.Errorf("%d lines, not %d:\n%s", n, c.lines, stdout)
			}
			if empty := c.lines == 0 && name != "none"; empty != strings.Contains(stderr, "seal: no record is chosen; the log has 8 records\n") {
				t.Errorf("standard error says %q", stderr)
			}
		})
	}
}

func TestAuditTailGivesRecordsAsTheyAre(t *testing.T) {
	l := newLog(t, 0)
	code, stdout, stderr := run(t, l.dir, "", "audit", "tail", "-o", "json", "-n", "-1")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var intents, outcomes int
	for line := range strings.Lines(stdout) {
		r, err := audit.Decode([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		switch r.Phase {
		case audit.PhaseIntent:
			intents++
		case audit.PhaseOutcome:
			outcomes++
		}
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if intents != 3 || outcomes != 2 {
		t.Errorf("%d intents and %d outcomes, not 3 and 2", intents, outcomes)
	}
}
