package cluster_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/cli/cluster"
)

// fakePages answers lists as an API server does that keeps a version of a list for a few pages only; the real one does so after five minutes.
type fakePages struct {
	items   int
	gone    int // the page at which the version is gone; 0 for none
	body    string
	asked   []string
	accept  string
	query   string
	objects []string
}

func (f *fakePages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f.accept, f.query = r.Header.Get("Accept"), q.Get("labelSelector")
	f.asked = append(f.asked, r.URL.Path+"?continue="+q.Get("continue"))
	if f.body != "" {
		_, _ = w.Write([]byte(f.body))
		return
	}
	from, _ := strconv.Atoi(strings.TrimPrefix(q.Get("continue"), "new-"))
	limit, _ := strconv.Atoi(q.Get("limit"))
	if len(f.asked) == f.gone {
		w.WriteHeader(http.StatusGone)
		_, _ = fmt.Fprintf(w, `{"kind": "Status", "code": 410, "reason": "Expired", "message": "too old", "metadata": {"continue": "new-%d"}}`, from)
		return
	}
	var items []any
	for i := from; i < min(from+limit, f.items); i++ {
		items = append(items, map[string]any{"metadata": map[string]any{"name": fmt.Sprint("o", i)}})
	}
	next := ""
	if from+limit < f.items {
		next = strconv.Itoa(from + limit)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items, "kind": "List", "metadata": map[string]any{"continue": next}})
}

// client is one of the server, which ends with the test.
func (f *fakePages) client(t *testing.T) *cluster.Client {
	t.Helper()
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := map[string]any{"apiVersion": "v1", "kind": "Config", "current-context": "a",
		"clusters": []any{map[string]any{"name": "a", "cluster": map[string]any{"server": server.URL,
			"certificate-authority-data": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})}}},
		"contexts": []any{map[string]any{"name": "a", "context": map[string]any{"cluster": "a"}}}}
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.NewClient(cluster.Config{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fakePages) list(t *testing.T, namespace string, each func(doc []byte) error) error {
	t.Helper()
	return f.client(t).GitSecrets(t.Context(), namespace, func(doc []byte) error {
		f.objects = append(f.objects, string(doc))
		if each != nil {
			return each(doc)
		}
		return nil
	})
}

func TestSecretsAreAskedForWithoutDataAndOnlyOurs(t *testing.T) {
	f := &fakePages{items: 3}
	var names []string
	if err := f.client(t).WrittenSecrets(t.Context(), "prod", func(m *metav1.ObjectMeta) { names = append(names, m.Name) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.accept, "as=PartialObjectMetadataList") || strings.Contains(f.accept, ",") {
		t.Errorf("it accepts %s: the server may send data", f.accept)
	}
	if f.query != "app.kubernetes.io/managed-by=waxwing" {
		t.Errorf("it asks for %s", f.query)
	}
	if strings.Join(names, " ") != "o0 o1 o2" {
		t.Errorf("it finds %s", names)
	}
}

func TestListsAreReadPageByPage(t *testing.T) {
	f := &fakePages{items: 450}
	if err := f.list(t, "", nil); err != nil {
		t.Fatal(err)
	}
	want := "/apis/waxwing.io/v1alpha1/gitsecrets?continue= /apis/waxwing.io/v1alpha1/gitsecrets?continue=200 /apis/waxwing.io/v1alpha1/gitsecrets?continue=400"
	if got := strings.Join(f.asked, " "); got != want {
		t.Errorf("it asks for %s", got)
	}
	if len(f.objects) != 450 || f.objects[449] != `{"metadata":{"name":"o449"}}` {
		t.Errorf("%d objects", len(f.objects))
	}
	f = &fakePages{items: 1}
	if err := f.list(t, "prod", nil); err != nil || f.asked[0] != "/apis/waxwing.io/v1alpha1/namespaces/prod/gitsecrets?continue=" {
		t.Errorf("it asks for %s: %v", f.asked, err)
	}
}

func TestAListGoesOnWhereItsVersionIsGone(t *testing.T) {
	f := &fakePages{items: 450, gone: 2}
	if err := f.list(t, "", nil); err != nil {
		t.Fatal(err)
	}
	if len(f.objects) != 450 || len(f.asked) != 4 {
		t.Errorf("%d objects by %s", len(f.objects), f.asked)
	}
}

func TestAListThatIsNoneIsAnError(t *testing.T) {
	for body, want := range map[string]string{
		`[]`: "not the JSON expected", `{"items": 3}`: "not the JSON expected", `{"items": [{}`: "not the JSON expected", `<html>`: "not the JSON expected",
		`{"metadata": 3}`: "not the JSON expected", `{"items": null}`: "", `{"kind": {"odd": [1]}, "items": []}`: "",
	} {
		err := (&fakePages{body: body}).list(t, "", nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, not %q", body, err, want)
		}
	}
	mine := errors.New("mine")
	f := &fakePages{items: 450}
	if err := f.list(t, "", func([]byte) error { return mine }); !errors.Is(err, mine) || len(f.objects) != 1 {
		t.Errorf("%v after %d objects", err, len(f.objects))
	}
}

func TestObjectsAreDecodedAsTheyCome(t *testing.T) {
	type object struct{ Metadata struct{ Name string } }
	for list, want := range map[string]string{
		`{"items": [{"metadata": {"name": "a"}, "spec": [1]}, {"metadata": {"name": "b"}}]}`: "",
		`{"items": [{"metadata": {"name": "a"}}, {"metadata": {"name": 7}}]}`:                "an object is odd",
		`{"items": [{"metadata": {"name": "a"}}, {"metadata"`:                                "is not a list of objects",
		`{"items": [{"metadata": {"name": "a"}}, {"metadata": ]]}`:                           "invalid character",
	} {
		var names []string
		err := cluster.ReadList(strings.NewReader(list), func(item cluster.Decode) error {
			var o object
			if err := item(&o); err != nil {
				return errors.New("an object is odd")
			}
			names = append(names, o.Metadata.Name)
			return nil
		})
		if want == "" && (err != nil || strings.Join(names, " ") != "a b") || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: %s, %v", list, names, err)
		}
		if names[0] != "a" {
			t.Errorf("%s: %s", list, names)
		}
	}
}
