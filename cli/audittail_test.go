package cli_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
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

func TestAuditTailOverTheEndpoint(t *testing.T) {
	l := newLog(t, 0)
	e := serveLog(t, l)
	_, want, _ := run(t, l.dir, "", "audit", "tail")
	code, got, stderr := run(t, "", "", "audit", "tail", e.URL, "--token-file", e.token, "--ca-file", e.ca)
	if code != 0 || got != want {
		t.Errorf("exit %d: %s%s", code, stderr, got)
	}
}

func TestAuditTailOfManyRecords(t *testing.T) {
	l := newLog(t, 0)
	l.grow(t, 500)
	l.record(t, func(log *audit.Recorder) { l.unseal(t, log, "staging", "last") })
	code, stdout, stderr := run(t, l.dir, "", "audit", "tail", "--namespace", "staging", "-n", "3")
	if code != 0 || strings.Count(stdout, "\n") != 4 || strings.Count(stdout, "staging/last") != 2 || !strings.Contains(stdout, "staging/web") {
		t.Errorf("exit %d: %s%s", code, stderr, stdout)
	}
	code, stdout, _ = run(t, l.dir, "", "audit", "tail", "-n", "-1", "-o", "json")
	if n := len(audittest.Records(t, l.dir)); code != 0 || strings.Count(stdout, "\n") != n {
		t.Errorf("%d lines of %d records", strings.Count(stdout, "\n"), n)
	}
	if code, stdout, stderr := run(t, l.dir, "", "audit", "tail", "-n", "-1", "0001", "--action", "unseal", "--namespace", "prod"); code != 0 || strings.Count(stdout, "\n") != 1+2+1+1000 || strings.Count(stdout, "intent without outcome") != 1 {
		t.Errorf("exit %d, %d lines: %s", code, strings.Count(stdout, "\n"), stderr)
	}
}

// follower is seal audit tail -f in a process of its own.
func follower(t *testing.T, args ...string) (cmd *exec.Cmd, lines chan string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), "seal", append([]string{"audit", "tail", "-f"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines = make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return cmd, lines
}

// await reads lines until one has all of the texts.
func await(t *testing.T, lines chan string, texts ...string) {
	t.Helper()
next:
	for line := range lines {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		return
	}
	t.Fatalf("there was no line with %q", texts)
}

func TestAuditTailFollows(t *testing.T) {
	l := emptyLog(t, 6)
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd, lines := follower(t, "--action", "unseal", l.dir)
	l.record(t, func(log *audit.Recorder) {
		for _, name := range []string{"one", "two", "three", "four", "five"} { // two parts at least
			l.unseal(t, log, "prod", name)
			await(t, lines, "unseal", "prod/"+name, " intent")
			await(t, lines, "unseal", "prod/"+name, " ok")
		}
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

func TestAuditTailFollowsAnEndpointThatIsAwayForAWhile(t *testing.T) {
	l := newLog(t, 0)
	e := serveLog(t, l)
	var away atomic.Bool
	e.mangle = func(w http.ResponseWriter, r *http.Request) bool {
		if away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
		}
		return away.Load()
	}
	cmd, lines := follower(t, e.URL, "--token-file", e.token, "--ca-file", e.ca)
	await(t, lines, "log.stopped")
	away.Store(true)
	asked := e.asked.Load()
	for e.asked.Load() < asked+5 { // it goes on asking
		time.Sleep(10 * time.Millisecond)
	}
	away.Store(false)
	l.record(t, func(log *audit.Recorder) { l.unseal(t, log, "prod", "after") })
	await(t, lines, "prod/after", " ok")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestAuditTailEndsWithItsReader(t *testing.T) {
	l := newLog(t, 0)
	l.grow(t, 2000)
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `seal audit tail -n -1 "$1" | head -n 2; seal audit tail -f "$1" | head -n 1`, "sh", l.dir).CombinedOutput()
	if err != nil || strings.Count(string(out), "\n") != 3 {
		t.Errorf("%v: %s", err, out)
	}
}

// hostileLog is a log of entries that nobody has signed.
func hostileLog(t *testing.T, entries ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "0001", "tile", "entries", "000.p"), 0o755); err != nil {
		t.Fatal(err)
	}
	var bundle []byte
	for _, e := range entries {
		bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(e)))
		bundle = append(bundle, e...)
	}
	writeFile(t, filepath.Join(dir, "0001", "checkpoint"), fmt.Sprintf("x/y/0001\n%d\n%s=\n\n— x\n", len(entries), strings.Repeat("A", 43)))
	writeFile(t, filepath.Join(dir, "0001", "tile", "entries", "000.p", strconv.Itoa(len(entries))), string(bundle))
	return dir
}

func TestAuditTailOfAHostileLog(t *testing.T) {
	evil := `{"v":1,"id":"01M8BAZBZBPAM79MSQVCRRKR5K","time":"2026-11-26T07:09:02Z","phase":"note","operation":{"action":"refuse","object":{"kind":"GitSecret","namespace":"prod","name":"\u001b[2J\u202ex"},"actor":{"user":"\u001b]0;x\u0007"}},"outcome":{"ok":false,"reason":"\u001b[31m","message":"a\nseal: all is well\u009b"}}`
	t.Run("sequences for the terminal", func(t *testing.T) {
		_, stdout, stderr := run(t, hostileLog(t, evil), "", "audit", "tail")
		if strings.ContainsAny(stdout+stderr, "\x1b\u009b\u202e\x07") || strings.Count(stdout+stderr, "\n") > 4 {
			t.Errorf("%q %q", stdout, stderr)
		}
	})
	t.Run("what is no record", func(t *testing.T) {
		code, stdout, stderr := run(t, hostileLog(t, "no record", `{"v":2}`, `null`, ``), "", "audit", "tail")
		if code != 1 || strings.Count(stdout, "cannot be read: ") != 4 || !strings.HasPrefix(stderr, "seal: 4 records cannot be read\nhint: ") {
			t.Errorf("exit %d: %s%s", code, stderr, stdout)
		}
	})
	t.Run("no JSON as JSON", func(t *testing.T) {
		if code, stdout, stderr := run(t, hostileLog(t, "no record"), "", "audit", "tail", "-o", "json"); code != 1 || stdout != "" || !strings.Contains(stderr, "record 1/0: is not JSON") {
			t.Errorf("exit %d: %s%s", code, stderr, stdout)
		}
	})
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a size of all the world": func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "0001", "checkpoint"), "x/y/0001\n18446744073709551615\n"+strings.Repeat("A", 43)+"=\n\n")
		},
		"a bundle that ends early": func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "0001", "tile", "entries", "000.p", "1"), "\xff\xff")
		},
		"a link out of the log": func(t *testing.T, dir string) {
			name := filepath.Join(dir, "0001", "tile", "entries", "000.p", "1")
			if err := errors.Join(os.Remove(name), os.Symlink("/etc/hostname", name)); err != nil {
				t.Fatal(err)
			}
		},
		"a folder in place of a checkpoint": func(t *testing.T, dir string) {
			name := filepath.Join(dir, "0001", "checkpoint")
			if err := errors.Join(os.Remove(name), os.Mkdir(name, 0o755)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := hostileLog(t, evil)
			spoil(t, dir)
			if code, stdout, stderr := run(t, dir, "", "audit", "tail"); code != 1 || stdout != "" || !strings.HasPrefix(stderr, "seal: .: ") {
				t.Errorf("exit %d: %s%s", code, stderr, stdout)
			}
		})
	}
}

func TestAuditTailRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no log":                 {[]string{"."}, 1, ".: there is no audit log here\nhint: "},
		"nothing":                {[]string{"nowhere/"}, 1, "nowhere/: no such file"},
		"a time that is none":    {[]string{"--since", "yesterday"}, 2, "--since yesterday: neither an age nor a time"},
		"a pattern that is none": {[]string{"--action", "[", "."}, 2, "not a pattern"},
		"less than all":          {[]string{"-n", "-2"}, 2, "-n is less than -1"},
		"two logs":               {[]string{"a", "b"}, 2, "takes one FOLDER"},
		"a token for a folder":   {[]string{"--token-file", "x", "."}, 2, "go with a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, t.TempDir(), "", append([]string{"audit", "tail"}, c.args...)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, not %d, and %q is not in %q", code, c.code, c.want, stderr)
			}
		})
	}
}
