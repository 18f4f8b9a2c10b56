package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/cli/trail"
)

// fakeAPI answers as an API server would that has anchors of audit logs; the real one is met in e2e. Here every refusal is wanted at will.
type fakeAPI struct {
	*httptest.Server
	kubeconfig string
	maps       []map[string]any
	pod        any // nil: there is none
	refuse     int // a status for every change
	patches    []string
}

func newFakeAPI(t *testing.T, maps ...map[string]any) *fakeAPI {
	t.Helper()
	f := &fakeAPI{maps: maps}
	const base = "/api/v1/namespaces/waxwing-system/"
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := func(code int, v any) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(v)
		}
		refusal := func(code int, reason, text string) {
			answer(code, map[string]any{"kind": "Status", "code": code, "reason": reason, "message": text})
		}
		switch {
		case r.Method == http.MethodPatch && f.refuse != 0:
			refusal(f.refuse, "Conflict", "the object has been modified")
		case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/merge-patch+json":
			b, _ := io.ReadAll(r.Body)
			f.patches = append(f.patches, r.URL.Path+" "+string(b))
			answer(200, map[string]any{"kind": "ConfigMap"})
		case r.URL.Path == base+"configmaps" && r.URL.Query().Get("labelSelector") == "waxwing.io/audit-anchor=true":
			answer(200, map[string]any{"kind": "ConfigMapList", "items": f.maps})
		case strings.HasPrefix(r.URL.Path, base+"pods/") && f.pod != nil:
			answer(200, f.pod)
		case strings.HasPrefix(r.URL.Path, base+"pods/"):
			refusal(404, "NotFound", `pods "replica-0" not found`)
		default:
			refusal(403, "Forbidden", "configmaps is forbidden")
		}
	}))
	t.Cleanup(f.Close)
	f.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := writeKubeconfig(f.kubeconfig, f.Server); err != nil {
		t.Fatal(err)
	}
	return f
}

// anchorMap is the ConfigMap of a replica.
func anchorMap(t *testing.T, replica string, a audit.Anchor) map[string]any {
	t.Helper()
	m := configMap(t, a)
	m["metadata"] = map[string]any{"name": "waxwing-audit-" + replica, "resourceVersion": "41"}
	if a.Restart != nil {
		m["data"].(map[string]string)["restart"] = asJSON(t, a.Restart)
	}
	return m
}

func podThatIs(ready string) any {
	return map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Initialized", "status": "True"}, map[string]any{"type": "Ready", "status": ready}}}}
}

func TestAuditAnchorGivesWhatVerifyTakes(t *testing.T) {
	l := wholeLog(t, 0)
	a := l.anchor(t)
	broken := anchorMap(t, "replica-9", a)
	broken["data"] = map[string]string{"part": "x"}
	api := newFakeAPI(t, anchorMap(t, "replica-1", audit.Anchor{Origin: "test/replica-1", Key: a.Key, Part: 1}), broken, anchorMap(t, "replica-0", a))
	code, stdout, stderr := run(t, "", "", "audit", "anchor", "--kubeconfig", api.kubeconfig)
	if code != 0 || stderr != "seal: warning: waxwing-audit-replica-9: the ConfigMap is no anchor: its part cannot be read\n" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	wantIn(t, squeezed(stdout), "replica-0\nlog test/replica-0\nkey "+a.Key+"\npart 1 6 records, root ", "replica-1\nlog test/replica-1\n", "part 1 nothing is anchored yet\n")
	code, stdout, stderr = run(t, "", "", "audit", "anchor", "--kubeconfig", api.kubeconfig, "--replica", "replica-0", "-o", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "anchors.json"), stdout)
	if code, stdout, stderr := run(t, l.dir, "", "audit", "verify", "--anchor", file, "."); code != 0 {
		t.Errorf("exit %d: %s%s", code, stderr, stdout)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"another replica":       {[]string{"--replica", "replica-7"}, 1, "there is no anchor of an audit log for replica replica-7 in namespace waxwing-system\nhint: there are anchors of replica-1, replica-0\n"},
		"another namespace":     {[]string{"-n", "elsewhere"}, 1, "configmaps is forbidden\nhint: ask for the Role waxwing-auditor in namespace elsewhere"},
		"a name that is a path": {[]string{"--replica", "../x"}, 2, "no name of a pod"},
		"an empty namespace":    {[]string{"-n", ""}, 2, "--namespace is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, "", "", append([]string{"audit", "anchor", "--kubeconfig", api.kubeconfig}, c.args...)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, not %d, and %q is not in %q", code, c.code, c.want, stderr)
			}
		})
	}
}

func TestAuditRestart(t *testing.T) {
	l := wholeLog(t, 0)
	a := l.anchor(t)
	asked := a
	asked.Restart = &audit.Restart{Reason: "volume lost", Part: 1}
	old := a
	old.Restart = &audit.Restart{Reason: "another time", Part: 7}
	for name, c := range map[string]struct {
		anchors []audit.Anchor
		pod     any
		refuse  int
		args    []string
		code    int
		want    string
		patched bool
	}{
		"of a controller that is not ready": {[]audit.Anchor{a}, podThatIs("False"), 0, []string{"--yes"}, 0, "seal: asked for: replica-0 goes on in part 2 within some seconds", true},
		"of one that has not begun":         {[]audit.Anchor{a}, map[string]any{}, 0, []string{"--yes"}, 0, "seal: asked for: ", true},
		"after an old request":              {[]audit.Anchor{old}, podThatIs("False"), 0, []string{"--yes"}, 0, "seal: asked for: ", true},
		"the consequence is told":           {[]audit.Anchor{a}, podThatIs("False"), 0, []string{"--yes"}, 0, "seal: part 1 of the log of replica-0 is given up: 6 records of it are anchored", true},
		"nobody to ask":                     {[]audit.Anchor{a}, podThatIs("False"), 0, nil, 2, "nobody can be asked here\nhint: if it is meant, give --yes", false},
		"of one that is ready":              {[]audit.Anchor{a}, podThatIs("True"), 0, []string{"--yes"}, 1, "replica-0 is ready: it does not refuse its log\nhint: ", false},
		"of one that is ready, by force":    {[]audit.Anchor{a}, podThatIs("True"), 0, []string{"--yes", "--force"}, 0, "asked for", true},
		"without a pod":                     {[]audit.Anchor{a}, nil, 0, []string{"--yes"}, 1, "whether replica-0 refuses its log cannot be seen: pods \"replica-0\" not found\nhint: if you know", false},
		"asked for already":                 {[]audit.Anchor{asked}, podThatIs("False"), 0, []string{"--yes"}, 1, "a restart is asked for already: volume lost", false},
		"an anchor that changes":            {[]audit.Anchor{a}, podThatIs("False"), 409, []string{"--yes"}, 1, "the anchor has changed meanwhile", false},
		"without the right":                 {[]audit.Anchor{a}, podThatIs("False"), 403, []string{"--yes"}, 1, "hint: ask for the right to patch the ConfigMap waxwing-audit-replica-0", false},
		"several logs":                      {[]audit.Anchor{a, a}, podThatIs("False"), 0, []string{"--yes"}, 2, "there are several audit logs: replica-0, replica-1\nhint: name one with --replica", false},
		"no log":                            {nil, podThatIs("False"), 0, []string{"--yes"}, 1, "there is no anchor of an audit log in namespace", false},
		"no reason":                         {[]audit.Anchor{a}, podThatIs("False"), 0, []string{"--yes", "--reason", " "}, 2, "--reason is missing", false},
		"a reason of lines":                 {[]audit.Anchor{a}, podThatIs("False"), 0, []string{"--yes", "--reason", "a\nb"}, 2, "do not print", false},
		"a reason without end":              {[]audit.Anchor{a}, podThatIs("False"), 0, []string{"--yes", "--reason", strings.Repeat("x", 251)}, 2, "longer than 250 bytes", false},
	} {
		t.Run(name, func(t *testing.T) {
			var maps []map[string]any
			for i, a := range c.anchors {
				maps = append(maps, anchorMap(t, []string{"replica-0", "replica-1"}[i], a))
			}
			api := newFakeAPI(t, maps...)
			api.pod, api.refuse = c.pod, c.refuse
			code, stdout, stderr := run(t, "", "", append([]string{"audit", "restart", "--kubeconfig", api.kubeconfig, "--reason", "volume of node 7 lost"}, c.args...)...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, not %d, and %q is not in %q", code, c.code, c.want, stderr)
			}
			if (len(api.patches) == 1) != c.patched {
				t.Fatalf("changes: %q", api.patches)
			}
			if !c.patched {
				return
			}
			path, body, _ := strings.Cut(api.patches[0], " ")
			var patch struct {
				Metadata struct{ ResourceVersion string }
				Data     map[string]string
			}
			if err := json.Unmarshal([]byte(body), &patch); err != nil || path != "/api/v1/namespaces/waxwing-system/configmaps/waxwing-audit-replica-0" || patch.Metadata.ResourceVersion != "41" ||
				len(patch.Data) != 1 || patch.Data[trail.RestartKey] != `{"reason":"volume of node 7 lost","part":1}` {
				t.Errorf("%s is changed by %s (%v)", path, body, err)
			}
		})
	}
}
