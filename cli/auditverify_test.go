package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// wholeLog is a log in which every intent has its outcome.
func wholeLog(t *testing.T, partSize int64) *madeLog {
	t.Helper()
	l := emptyLog(t, partSize)
	l.record(t, func(log *audit.Recorder) {
		l.unseal(t, log, "prod", "db")
		l.unseal(t, log, "prod", "web")
	})
	return l
}

// anchor is the log's, as the cluster has it.
func (l *madeLog) anchor(t *testing.T) audit.Anchor {
	t.Helper()
	a, _, err := l.anchors.Load(t.Context())
	if err != nil || a.Checkpoint == "" {
		t.Fatalf("no anchor: %v", err)
	}
	return a
}

// configMap is an anchor as kubectl prints it.
func configMap(t *testing.T, a audit.Anchor) map[string]any {
	t.Helper()
	closed, err := json.Marshal(a.Closed)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "waxwing-audit-replica-0"}, "data": map[string]string{
		"origin": a.Origin, "key": a.Key, "part": "1", "checkpoint": a.Checkpoint, "closed": string(closed),
	}}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// anchorFile is a file with the log's anchor, as seal audit anchor -o json prints it.
func (l *madeLog) anchorFile(t *testing.T) string {
	t.Helper()
	return writeFile(t, filepath.Join(t.TempDir(), "anchors.json"), asJSON(t, []audit.Anchor{l.anchor(t)}))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func TestAuditVerifyTakesAnchorsAsTheyCome(t *testing.T) {
	l := wholeLog(t, 0)
	a := l.anchor(t)
	m := configMap(t, a)
	asYAML, err := yaml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{m}}
	for name, content := range map[string]string{
		"of the endpoint":        asJSON(t, a),
		"of seal audit anchor":   asJSON(t, []audit.Anchor{a}),
		"a ConfigMap":            asJSON(t, m),
		"a ConfigMap as YAML":    string(asYAML),
		"a list of ConfigMaps":   asJSON(t, list),
		"documents":              "---\n" + string(asYAML) + "---\n" + string(asYAML),
		"ConfigMaps in an array": asJSON(t, []any{m}),
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "anchor"), content)
			code, stdout, stderr := run(t, l.dir, "", "audit", "verify", "--anchor", file, ".")
			if code != 0 || stderr != "" || firstLine(stdout) != "ok: 1 log verified" {
				t.Errorf("exit %d: %s%s", code, stderr, stdout)
			}
			wantIn(t, squeezed(stdout), "\nlog test/replica-0\n", "(from the anchor)\n", "part 1 ", "records, 20", ", anchored up to ", "unmatched 0 intents without outcome")
			wantNotIn(t, stdout, "\x1b")
		})
	}
	t.Run("a checkpoint, and the key by itself", func(t *testing.T) {
		file := writeFile(t, filepath.Join(t.TempDir(), "checkpoint"), a.Checkpoint)
		for _, key := range []string{l.vkey(t), filepath.Join(l.dir, "log.vkey")} {
			if code, stdout, stderr := run(t, l.dir, "", "audit", "verify", "--key", key, "--anchor", file, "."); code != 0 {
				t.Errorf("exit %d: %s%s", code, stderr, stdout)
			}
		}
	})
	for name, content := range map[string]string{
		"nothing": "", "text": "hello\n", "a number": "7", "an object of another kind": `{"kind":"Secret","data":{"origin":"x"}}`, "an empty list": "[]", "a ConfigMap of something else": `{"kind":"ConfigMap","data":{"a":"b"}}`,
		"a list in a list": "[[" + asJSON(t, a) + "]]", "bombs": strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "anchor"), content)
			code, stdout, stderr := run(t, l.dir, "", "audit", "verify", "--anchor", file, ".")
			if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "seal: ") {
				t.Errorf("exit %d: %s%s", code, stderr, stdout)
			}
		})
	}
}

func TestAuditVerifyVerdicts(t *testing.T) {
	l := wholeLog(t, 0)
	anchors, key := l.anchorFile(t), l.vkey(t)
	other := wholeLog(t, 0)
	copied := func(t *testing.T) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(l.dir)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	change := func(t *testing.T, dir, pattern, from, to string) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, bytes.ReplaceAll(b, []byte(from), []byte(to)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		args  []string
		spoil func(t *testing.T, dir string)
		code  int
		first string // the first line begins with it
		wants []string
	}{
		"with key and anchor":        {[]string{"--anchor", anchors}, nil, 0, "ok: 1 log verified", nil},
		"without anything":           {nil, nil, 5, "findings: 2; nothing was altered in what was checked", []string{"~ copy: no key was given", "~ copy: no anchor was given"}},
		"without an anchor":          {[]string{"--key", key}, nil, 5, "findings: 1; ", []string{"(given)", "~ copy: no anchor was given"}},
		"with the key of another":    {[]string{"--key", other.vkey(t)}, nil, 4, "altered: copy", nil},
		"with the anchor of another": {[]string{"--key", key, "--anchor", other.anchorFile(t)}, nil, 4, "altered: copy: an anchor names another key", nil},
		"a record is changed": {[]string{"--anchor", anchors}, func(t *testing.T, dir string) { change(t, dir, "0001/tile/entries/*/*", "prod", "test") }, 4,
			"altered: copy part 1 record ", []string{"! copy part 1 record "}},
		"the checkpoint is gone": {[]string{"--anchor", anchors}, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "0001", "checkpoint")); err != nil {
				t.Fatal(err)
			}
		}, 4, "altered: copy part 1", nil},
		"the part is gone": {[]string{"--anchor", anchors}, func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "0001")); err != nil {
				t.Fatal(err)
			}
		}, 4, "altered: copy: there are no records at all", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copied(t)
			if c.spoil != nil {
				c.spoil(t, dir)
			}
			code, stdout, stderr := run(t, filepath.Dir(dir), "", append([]string{"audit", "verify", "copy"}, c.args...)...)
			if code != c.code || !strings.HasPrefix(stdout, c.first) {
				t.Errorf("exit %d, not %d: %s%s", code, c.code, stderr, stdout)
			}
			wantIn(t, stdout, c.wants...)
			if (code == 4) != strings.HasPrefix(stderr, "seal: the log is not what was recorded\nhint: keep it as it is") {
				t.Errorf("standard error says %q", stderr)
			}
			var r struct {
				Verdict  string
				FirstBad *struct{ Text string }
			}
			codeJSON, stdout, _ := run(t, filepath.Dir(dir), "", append([]string{"audit", "verify", "copy", "-o", "json"}, c.args...)...)
			if err := json.Unmarshal([]byte(stdout), &r); err != nil || codeJSON != code || (r.Verdict == "altered") != (code == 4) || (r.FirstBad != nil) != (code == 4) {
				t.Errorf("exit %d, %v: %s", codeJSON, err, stdout)
			}
		})
	}
}

func TestAuditVerifyAPartAndSeveralLogs(t *testing.T) {
	l := wholeLog(t, 4)
	anchors := l.anchorFile(t)
	code, stdout, stderr := run(t, l.dir, "", "audit", "verify", "--anchor", anchors, ".")
	if code != 0 {
		t.Fatalf("exit %d: %s%s", code, stderr, stdout)
	}
	wantIn(t, squeezed(stdout), "\npart 1 ", "\npart 2 ")
	code, stdout, stderr = run(t, l.dir, "", "audit", "verify", "--anchor", anchors, "0001")
	if code != 0 && code != 5 {
		t.Errorf("exit %d: %s%s", code, stderr, stdout)
	}
	wantNotIn(t, stdout, "part 2  ")
	other := wholeLog(t, 0)
	if code, stdout, stderr := run(t, l.dir, "", "audit", "verify", "--key", other.vkey(t), "--anchor", anchors, ".", other.dir); code != 4 {
		t.Errorf("a key of another log of the same name: exit %d: %s%s", code, stderr, stdout)
	}
}

func TestAuditVerifyRefusals(t *testing.T) {
	l := wholeLog(t, 0)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "text.txt"), "hello\n")
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no path":                 {nil, 2, "missing PATH"},
		"a URL":                   {[]string{"https://localhost:8443"}, 2, "hint: copy it first: seal audit fetch"},
		"nothing":                 {[]string{"nowhere/"}, 1, "nowhere/: no such file or directory"},
		"an empty folder":         {[]string{"empty"}, 1, "no audit log"},
		"a file of another kind":  {[]string{"text.txt"}, 1, "neither a folder nor a .tlog-proof file"},
		"no key":                  {[]string{"--key", "text.txt", l.dir}, 1, "has no verifier key"},
		"a key that is not there": {[]string{"--key", "none.vkey", l.dir}, 1, "none.vkey: no such file"},
		"an unknown form":         {[]string{"-o", "yaml", l.dir}, 2, "unknown output yaml"},
		"standard input twice":    {[]string{"--key", "-", "--anchor", "-", l.dir}, 2, "once only"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, dir, "", append([]string{"audit", "verify"}, c.args...)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, not %d, and %q is not in %q", code, c.code, c.want, stderr)
			}
		})
	}
}

func TestAuditProve(t *testing.T) {
	l := newLog(t, 0)
	key := l.vkey(t)
	dir := t.TempDir()
	code, stdout, stderr := run(t, dir, "", "audit", "prove", "1/1", l.dir, "--key", key, "--out", "r.tlog-proof")
	if code != 0 || stdout != "" || stderr != "" {
		t.Fatalf("exit %d: %s%s", code, stderr, stdout)
	}
	proof, err := os.ReadFile(filepath.Join(dir, "r.tlog-proof"))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"1", l.dir}, {"1", l.dir, "--part", "1"}, {"1", filepath.Join(l.dir, "0001")}, {"1/1", filepath.Join(l.dir, "0001")}} {
		if code, stdout, stderr := run(t, dir, "", append([]string{"audit", "prove"}, args...)...); code != 0 || stdout != string(proof) {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
	e := serveLog(t, l)
	if code, stdout, stderr := run(t, dir, "", "audit", "prove", "1/1", e.URL, "--token-file", e.token, "--ca-file", e.ca); code != 0 || stdout != string(proof) {
		t.Errorf("over the endpoint: exit %d: %s", code, stderr)
	}
	for _, trust := range [][]string{{"--key", key}, {"--anchor", l.anchorFile(t)}} {
		code, stdout, stderr = run(t, dir, "", append([]string{"audit", "verify", "r.tlog-proof"}, trust...)...)
		if code != 0 || stderr != "" {
			t.Fatalf("exit %d: %s%s", code, stderr, stdout)
		}
		wantIn(t, squeezed(stdout), "ok: 1 proof verified\n", "record 1/1, of ", "action unseal\n", "object GitSecret prod/db\n", "actor unattributed (kustomize-controller)\n", "outcome intent\n", `as logged {"id":"`)
	}
	bad := bytes.Replace(proof, []byte("\nindex 1\n"), []byte("\nindex 2\n"), 1)
	writeFile(t, filepath.Join(dir, "bad.tlog-proof"), string(bad))
	code, stdout, stderr = run(t, dir, "", "audit", "verify", "bad.tlog-proof", "r.tlog-proof", "--key", key)
	if code != 4 || !strings.HasPrefix(stdout, "altered: bad.tlog-proof: ") || !strings.HasPrefix(stderr, "seal: a proof proves nothing\n") {
		t.Errorf("exit %d: %s%s", code, stderr, stdout)
	}
	other := wholeLog(t, 0)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"the key of another":     {[]string{"verify", "r.tlog-proof", "--key", other.vkey(t)}, 4, "a proof proves nothing"},
		"without a key":          {[]string{"verify", "r.tlog-proof"}, 1, "hint: give it with --key"},
		"an index that is none":  {[]string{"prove", "x", l.dir}, 2, "x: is no INDEX"},
		"a negative one":         {[]string{"prove", "--", "-1", l.dir}, 2, "is no INDEX"},
		"one that is not there":  {[]string{"prove", "4711", l.dir}, 1, "no record 4711"},
		"a part that is not":     {[]string{"prove", "7/1", l.dir}, 1, "there is no part 7; the log has parts 1 to 1"},
		"two parts":              {[]string{"prove", "1/1", l.dir, "--part", "2"}, 2, "--part 2 does not go with 1/1"},
		"an empty folder":        {[]string{"prove", "1", dir}, 1, "there is no audit log here"},
		"the key of another log": {[]string{"prove", "1", l.dir, "--key", other.vkey(t)}, 1, "signature"},
		"no log":                 {[]string{"prove", "1"}, 2, "missing FOLDER"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := run(t, dir, "", append([]string{"audit"}, c.args...)...)
			if code != c.code || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, not %d, and %q is not in %q", code, c.code, c.want, stderr)
			}
		})
	}
	if _, err := verify.VerifyProof(proof, key); err != nil {
		t.Error(err)
	}
}

func TestAuditProveAsksForThePart(t *testing.T) {
	l := wholeLog(t, 4)
	if code, _, stderr := run(t, l.dir, "", "audit", "prove", "1", "."); code != 2 || !strings.Contains(stderr, "the log has parts 1 to 2, and each has a record 1\nhint: name one with --part") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := run(t, l.dir, "", "audit", "prove", "2/0", "."); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
