package faultproxy

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
)

// Request is what a request asks of the API server.
type Request struct {
	// Number counts the requests of a proxy from 1, in the order in which they came.
	Number int
	// Verb is get, list, watch, create, update, patch, delete or deletecollection; empty where no resource is asked for.
	Verb string
	// Patch is the kind of a patch: apply, merge, json or strategic.
	Patch                        string
	Group, Resource, Subresource string
	// Name of a create is that in its body; empty where the API server is to make one up.
	Namespace, Name string
	DryRun          bool
	// Initial says that a watch is to begin with all that there is, in place of a list.
	Initial bool
	// Method is HTTP's, and Path the URL's without its query: what there is to tell requests apart where no resource of Kubernetes is asked for.
	Method, Path string
}

// Write says whether the request would change something.
func (r Request) Write() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb)
}

// Kind says in words what is done to which resource, such as "apply secrets", "merge gitsecrets/status" or "create secrets (dry run)".
func (r Request) Kind() string {
	verb, what := r.Verb, r.Resource
	if r.Patch != "" {
		verb = r.Patch
	}
	if r.Subresource != "" {
		what += "/" + r.Subresource
	}
	if r.DryRun {
		what += " (dry run)"
	}
	return verb + " " + what
}

// String is Kind with the object's name.
func (r Request) String() string {
	if r.Resource == "" {
		return r.Path
	}
	return strings.TrimSpace(r.Kind() + " " + strings.Trim(r.Namespace+"/"+r.Name, "/"))
}

// classify reads a request. The body of a create is read and put back, because its name stands nowhere else.
func classify(req *http.Request) Request {
	r := Request{Method: req.Method, Path: req.URL.Path}
	if !r.parsePath() {
		return r
	}
	query := req.URL.Query()
	r.DryRun = len(query["dryRun"]) > 0
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		switch watch := query.Get("watch"); {
		case watch != "" && watch != "false" && watch != "0":
			r.Verb, r.Initial = "watch", query.Get("sendInitialEvents") == "true"
		case r.Name == "":
			r.Verb = "list"
		default:
			r.Verb = "get"
		}
	case http.MethodPost:
		r.Verb = "create"
		if r.Name == "" {
			r.Name = nameInBody(req)
		}
	case http.MethodPut:
		r.Verb = "update"
	case http.MethodPatch:
		r.Verb, r.Patch = "patch", patchKind(req.Header.Get("Content-Type"))
	case http.MethodDelete:
		r.Verb = "delete"
		if r.Name == "" {
			r.Verb = "deletecollection"
		}
	}
	return r
}

// parsePath takes /api/VERSION/... and /apis/GROUP/VERSION/... apart, and says whether a resource is in it.
func (r *Request) parsePath() bool {
	parts := strings.Split(strings.Trim(r.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		r.Group, parts = parts[1], parts[3:]
	default:
		return false
	}
	if len(parts) > 2 && parts[0] == "namespaces" && parts[2] != "status" && parts[2] != "finalize" {
		r.Namespace, parts = parts[1], parts[2:]
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Subresource = strings.Join(parts[2:], "/")
	}
	return true
}

func patchKind(contentType string) string {
	media, _, _ := mime.ParseMediaType(contentType)
	media = strings.TrimPrefix(media, "application/")
	kind, _, _ := strings.Cut(media, "-") // apply-patch+yaml, merge-patch+json, json-patch+json, strategic-merge-patch+json
	return kind
}

// nameInBody reads metadata.name of an object in JSON or, for the built-in kinds, protobuf.
func nameInBody(req *http.Request) string {
	if req.Body == nil {
		return ""
	}
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close()
	req.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return ""
	}
	var o struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
	}
	if json.Unmarshal(body, &o) == nil {
		return o.Metadata.Name
	}
	decoded, _, err := clientscheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if m, ok := decoded.(metav1.Object); err == nil && ok {
		return m.GetName()
	}
	return ""
}
