package giteatest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// refused is an answer of the API that says no.
type refused struct {
	status int
	text   string
}

func (r *refused) Error() string { return r.text }

// call asks the API as a user. in is sent as JSON, or as it is if it is bytes; the answer goes into out unless that is nil.
func (u *User) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.gitea.URL+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.SetBasicAuth(u.Name, u.Password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := u.gitea.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return &refused{resp.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, path, resp.Status, raw)}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

// must is call, which has to work.
func (u *User) must(method, path string, in, out any) {
	u.gitea.t.Helper()
	if err := u.call(u.gitea.t.Context(), method, path, in, out); err != nil {
		u.gitea.t.Fatal(err)
	}
}

// soon is call for what Gitea knows a moment later only, such as a branch that was just pushed.
func (u *User) soon(method, path string, in, out any) {
	u.gitea.t.Helper()
	harness.Eventually(u.gitea.t.Context(), u.gitea.t, method+" "+path+" is taken", func(ctx context.Context) error {
		err := u.call(ctx, method, path, in, out)
		if r, ok := err.(*refused); ok && r.status != http.StatusNotFound && r.status != http.StatusMethodNotAllowed && r.status != http.StatusConflict && r.status < 500 {
			return harness.Permanent(err)
		}
		return err
	})
}
