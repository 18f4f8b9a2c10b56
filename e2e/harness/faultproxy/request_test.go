package faultproxy

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

func TestRequestsAreToldByWhatTheyAskFor(t *testing.T) {
	for _, c := range []struct{ method, url, contentType, body, want string }{
		{"GET", "/api/v1/namespaces/a/secrets/b", "", "", "get secrets a/b"},
		{"GET", "/api/v1/secrets?limit=500", "", "", "list secrets"},
		{"GET", "/api/v1/secrets?watch=true", "", "", "watch secrets"},
		{"GET", "/api/v1/secrets?watch=false", "", "", "list secrets"},
		{"GET", "/api/v1/namespaces/a", "", "", "get namespaces a"},
		{"PUT", "/api/v1/namespaces/a/finalize", "", "", "update namespaces/finalize a"},
		{"POST", "/api/v1/namespaces/a/secrets", "application/json", `{"metadata":{"name":"b"}}`, "create secrets a/b"},
		{"POST", "/api/v1/namespaces/a/secrets?dryRun=All", "application/json", `{"metadata":{"generateName":"b-"}}`, "create secrets (dry run) a"},
		{"PATCH", "/api/v1/namespaces/a/secrets/b?force=true", "application/apply-patch+yaml", "", "apply secrets a/b"},
		{"PATCH", "/apis/waxwing.io/v1alpha1/namespaces/a/gitsecrets/b/status", "application/merge-patch+json", "", "merge gitsecrets/status a/b"},
		{"PATCH", "/apis/waxwing.io/v1alpha1/keyrings/b", "application/json-patch+json", "", "json keyrings b"},
		{"PATCH", "/api/v1/nodes/b", "application/strategic-merge-patch+json", "", "strategic nodes b"},
		{"DELETE", "/api/v1/namespaces/a/secrets/b", "", "", "delete secrets a/b"},
		{"DELETE", "/api/v1/namespaces/a/secrets", "", "", "deletecollection secrets a"},
		{"GET", "/apis/waxwing.io/v1alpha1", "", "", "/apis/waxwing.io/v1alpha1"},
		{"GET", "/healthz", "", "", "/healthz"},
	} {
		req := httptest.NewRequest(c.method, c.url, bytes.NewReader([]byte(c.body)))
		req.Header.Set("Content-Type", c.contentType)
		if got := classify(req).String(); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.method, c.url, got, c.want)
		}
		if body, err := io.ReadAll(req.Body); err != nil || string(body) != c.body {
			t.Errorf("%s %s: the body is now %q (%v)", c.method, c.url, body, err)
		}
	}
}

func TestTheNameOfACreateIsReadFromProtobuf(t *testing.T) {
	info, ok := runtime.SerializerInfoForMediaType(clientscheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	if !ok {
		t.Fatal("no protobuf")
	}
	var body bytes.Buffer
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
	if err := clientscheme.Codecs.EncoderForVersion(info.Serializer, corev1.SchemeGroupVersion).Encode(cm, &body); err != nil {
		t.Fatal(err)
	}
	if got := classify(httptest.NewRequest("POST", "/api/v1/namespaces/a/configmaps", &body)).String(); got != "create configmaps a/b" {
		t.Errorf("got %q", got)
	}
}

func TestWhatIsWrittenIsToldFromWhatIsRead(t *testing.T) {
	for verb, want := range map[string]bool{"get": false, "list": false, "watch": false, "": false, "create": true, "update": true, "patch": true, "delete": true} {
		if got := (Request{Verb: verb}).Write(); got != want {
			t.Errorf("%q: %v", verb, got)
		}
	}
}

// TestDiceFallByTheSeedAlone asks in two orders and with two seeds.
func TestDiceFallByTheSeedAlone(t *testing.T) {
	a, b := Request{Verb: "get", Resource: "secrets", Name: "a"}, Request{Verb: "get", Resource: "secrets", Name: "b"}
	ask := func(seed uint64, order ...Request) map[string]string {
		dice := Dice(seed)
		said := map[string]string{}
		for range 20 {
			for _, r := range order {
				said[r.Name] += strconv.Itoa(dice(r).IntN(10))
			}
		}
		return said
	}
	first, second, other := ask(7, a, b), ask(7, b, a), ask(8, a, b)
	if first["a"] != second["a"] || first["b"] != second["b"] {
		t.Error("the order of two objects' requests changes how the dice fall")
	}
	if first["a"] == other["a"] || first["a"] == first["b"] || strings.Count(first["a"], first["a"][:1]) == 20 {
		t.Errorf("another seed, another object or another request has the same: %v %v", first, other)
	}
}
