package e2e_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/serve"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestTheAuditLogIsServedToAuditorsOnly asks a controller for its log without a token, with one that is none, with that of somebody, and with that of an auditor, whose right the
// API server knows.
func TestTheAuditLogIsServedToAuditorsOnly(t *testing.T) {
	w := newWorld(t)
	address := harness.FreeAddress(t)
	ctl := w.controller(t, "--audit-bind-address", address)
	w.create(t, w.sealed(t, "db", "user"))
	w.seen(t, "db")
	ctl.anchoredFrom(t, 3)
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "auditor-of-" + w.namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "waxwing-auditor"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: "auditor"}},
	}
	w.create(t, binding)
	t.Cleanup(func() {
		if err := w.Delete(context.WithoutCancel(w.ctx), binding); err != nil {
			t.Error(err)
		}
	})
	auditor, somebody := w.ServiceAccountToken(t, w.namespace, "auditor"), w.ServiceAccountToken(t, w.namespace, "somebody")
	ask := func(token, path string) (int, []byte) { return askAudit(t, address, token, path) }
	harness.Eventually(w.ctx, t, "the API server lets the auditor in", func(context.Context) error {
		if code, body := ask(auditor, ""); code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	var list serve.Listing
	if _, body := ask(auditor, ""); json.Unmarshal(body, &list) != nil || len(list.Parts) != 1 || list.Parts[0] != "0001" {
		t.Errorf("the list is %s", body)
	}
	for name, c := range map[string]struct {
		token string
		code  int
	}{
		"no token": {"", http.StatusUnauthorized}, "a token that is none": {auditor + "x", http.StatusUnauthorized}, "somebody's": {somebody, http.StatusForbidden},
	} {
		for _, path := range []string{"", "anchor", "0001/checkpoint", "0001/tile/entries/000.p/1"} {
			if code, body := ask(c.token, path); code != c.code || strings.Contains(string(body), harness.ReplicaOf(ctl.log)) {
				t.Errorf("%s: %q gives %d %s", name, path, code, body)
			}
		}
	}
	code, body := ask(auditor, "anchor")
	var anchor audit.Anchor
	if err := json.Unmarshal(body, &anchor); code != http.StatusOK || err != nil {
		t.Fatalf("the anchor: %d %s %v", code, body, err)
	}
	if err := signedBy(anchor); err != nil {
		t.Errorf("the anchor is not signed by its key: %v", err)
	}
	if code, body := ask(auditor, "log.vkey"); code != http.StatusOK || strings.TrimSpace(string(body)) != anchor.Key {
		t.Errorf("the key: %d %s, the anchor has %s", code, body, anchor.Key)
	}
	if code, body := ask(auditor, "0001/checkpoint"); code != http.StatusOK || sizeOf(string(body)) < sizeOf(anchor.Checkpoint) {
		t.Errorf("the checkpoint: %d %s", code, body)
	}
	newest := newestEntries(t, filepath.Join(ctl.log, "0001", "tile", "entries", "000.p"))
	want, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	if code, body := ask(auditor, "0001/tile/entries/000.p/"+filepath.Base(newest)); code != http.StatusOK || string(body) != string(want) {
		t.Errorf("the entries: %d, %d bytes", code, len(body))
	}
	for _, path := range []string{"lock", "../audit/lock", "0001/.state/treeState", "0001", "0002/checkpoint"} {
		if code, _ := ask(auditor, path); code != http.StatusNotFound {
			t.Errorf("%q gives %d", path, code)
		}
	}
}

// newestEntries gives the path of the longest partial bundle in a folder. What is being written there has a longer name, until it is whole.
func newestEntries(t *testing.T, folder string) string {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	newest := 0
	for _, f := range files {
		if n, err := strconv.Atoi(f.Name()); err == nil && len(f.Name()) <= 3 {
			newest = max(newest, n)
		}
	}
	if newest == 0 {
		t.Fatal("there are no entries")
	}
	return filepath.Join(folder, strconv.Itoa(newest))
}

// askAudit asks over TLS, with a certificate that nobody vouches for.
func askAudit(t *testing.T, address, token, path string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+serve.Prefix+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	anybody := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: anybody}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}
