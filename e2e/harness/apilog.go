package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// apiLogPolicy has every request written down once, when it has been answered; a watch when it has begun.
const apiLogPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
`

// WithAPILog has the API server write down every request that it answers; Cluster.APILog reads it. It is of no use with WAXWING_TEST_KUBECONFIG.
func WithAPILog() Option {
	return func(s *suite) { s.apiLog = filepath.Join(s.dir, "requests.jsonl") }
}

// apiLogFlags are kube-apiserver's flags for it.
func (s *suite) apiLogFlags() ([]string, error) {
	if s.apiLog == "" {
		return nil, nil
	}
	policy := filepath.Join(s.dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(apiLogPolicy), 0o600); err != nil {
		return nil, err
	}
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + s.apiLog}, nil
}

// APIRequest is one request as the API server saw it.
type APIRequest struct {
	User, UserAgent string
	// As is whom the user impersonated; empty: nobody.
	As string
	// Verb is RBAC's.
	Verb                                          string
	Group, Resource, Subresource, Namespace, Name string
	Code                                          int
	// Message is the API server's answer to a request that it refused.
	Message string
}

// Refused says whether RBAC did not let it: of a namespace that is being terminated the API server says 403 too, to whoever makes something there.
func (r APIRequest) Refused() bool {
	return r.Code == http.StatusForbidden && !strings.Contains(r.Message, "because it is being terminated")
}

// APILog reads the API server's requests from where it was opened on. Safe for concurrent use.
type APILog struct {
	mu   sync.Mutex
	path string
	at   int64
}

// APILog begins at the requests that come after this call. The test binary's Main needs WithAPILog.
func (c *Cluster) APILog(t testing.TB) *APILog {
	t.Helper()
	if c.suite.apiLog == "" {
		t.Fatal("harness: APILog needs harness.Main(m, harness.WithAPILog())")
	}
	l := &APILog{path: c.suite.apiLog}
	info, err := os.Stat(l.path)
	if err != nil {
		t.Fatal(err)
	}
	l.at = info.Size()
	return l
}

// Next gives the requests that were answered since the last call.
func (l *APILog) Next() ([]APIRequest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.Open(l.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < l.at {
		return nil, fmt.Errorf("%s became shorter: it was rotated", l.path)
	}
	b := make([]byte, info.Size()-l.at)
	if _, err := f.ReadAt(b, l.at); err != nil {
		return nil, err
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1] // the last line may be being written
	l.at += int64(len(b))
	var all []APIRequest
	for line := range bytes.Lines(b) {
		r, err := parseAPIRequest(line)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func parseAPIRequest(line []byte) (APIRequest, error) {
	var e struct {
		Verb      string
		UserAgent string
		User      struct{ Username string }
		// ImpersonatedUser is absent from most requests.
		ImpersonatedUser struct{ Username string }
		ObjectRef        struct{ Resource, Namespace, Name, APIGroup, Subresource string }
		// The message is absent from most answers.
		ResponseStatus struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return APIRequest{}, fmt.Errorf("reading the API server's audit log: %w", err)
	}
	o := e.ObjectRef
	return APIRequest{
		User: e.User.Username, UserAgent: e.UserAgent, As: e.ImpersonatedUser.Username, Verb: e.Verb,
		Group: o.APIGroup, Resource: o.Resource, Subresource: o.Subresource, Namespace: o.Namespace, Name: o.Name,
		Code: e.ResponseStatus.Code, Message: e.ResponseStatus.Message,
	}, nil
}
