package source_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
)

// token has no spaces, as those of forges.
const token = "correct-horse-battery-staple"

// fakeGit says to each GET and POST what it is given, as Git's HTTP protocol would. It is a fake for what git does not say.
func fakeGit(t testing.TB, service, get, post string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		kind, says := "advertisement", pkt("# service="+service+"\n")+"0000"+get
		if r.Method == http.MethodPost {
			kind, says = "result", post
		}
		w.Header().Set("Content-Type", "application/x-"+service+"-"+kind)
		_, _ = io.WriteString(w, says)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/x"
}

// answering is a server that answers everything with one page.
func answering(t testing.TB, status int, header, value, page string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(header, value)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/x"
}

// TestNoBeginningOfASecretIsLeft has servers that say back what they were sent where their text is cut: some of the secret before, some behind.
func TestNoBeginningOfASecretIsLeft(t *testing.T) {
	const upload, receive = "git-upload-pack", "git-receive-pack"
	r := &raw{}
	place := r.commit(t, r.tree(line{"100644", "f", r.blob("x")}))
	repo, _ := open(t, source.Limits{})
	base := fetch(t, repo, place)
	draft, err := repo.Commit(t.Context(), base, map[string][]byte{"f": []byte("y")}, robot(), "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	main := func(capabilities string) string {
		return pkt(base.ID+" refs/heads/main\x00"+capabilities+"\n") + "0000"
	}
	const fetching, pushing = "side-band-64k shallow", "side-band-64k report-status"
	report := pkt("\x01" + pkt("unpack ok\n") + pkt("ng refs/heads/main no\n") + "0000")
	auth := source.Auth{Username: "robot", Token: token, InsecureHTTP: true}
	for _, sent := range []string{token, base64.StdEncoding.EncodeToString([]byte("robot:" + token))} {
		// What is shown ends after 300 characters; what is read of a page, and of what is said beside a push, after 4 KiB, most of which are spaces here.
		text := strings.Repeat("x", 283) + sent
		page := strings.Repeat(" ", 4096-17) + sent
		for name, x := range map[string]struct {
			url  string
			push bool
		}{
			"instead of its branches": {url: fakeGit(t, upload, pkt("ERR "+text+"\n"), "")},
			"instead of an answer":    {url: fakeGit(t, upload, main(fetching), pkt("ERR "+text+"\n"))},
			"instead of a pack":       {url: fakeGit(t, upload, main(fetching), "0000"+pkt("NAK\n")+pkt("ERR "+text+"\n"))},
			"within a pack":           {url: fakeGit(t, upload, main(fetching), "0000"+pkt("NAK\n")+pkt("\x03"+text))},
			"as a page":               {url: answering(t, http.StatusTeapot, "Content-Type", "text/plain", text)},
			"as a long page":          {url: answering(t, http.StatusTeapot, "Content-Type", "text/plain", page)},
			"as another server":       {url: answering(t, http.StatusFound, "Location", "http://"+text+".example.com/", "")},
			"instead of a report":     {push: true, url: fakeGit(t, receive, main(pushing), pkt("ERR "+text+"\n"))},
			"beside a report":         {push: true, url: fakeGit(t, receive, main(pushing), pkt("\x02"+page)+report+"0000")},
			"beside no report":        {push: true, url: fakeGit(t, receive, main(pushing), pkt("\x02"+page)+pkt("\x01"+pkt("unpack ok\n"))+"0000")},
		} {
			t.Run(fmt.Sprint(name, " ", len(sent)), func(t *testing.T) {
				at := source.Place{URL: x.url, Branch: "main"}
				var err error
				if x.push {
					err = repo.Push(t.Context(), at, auth, draft, base.ID, false)
				} else {
					other, _ := open(t, source.Limits{})
					_, err = other.Fetch(t.Context(), at, auth)
				}
				refused(t, err, source.FetchFailed, "")
				if t.Log(err); strings.Contains(err.Error(), sent[:8]) {
					t.Errorf("the beginning of what was sent is in %q", err)
				}
				if !strings.Contains(err.Error(), "xxx") && !strings.Contains(err.Error(), "teapot") && !x.push {
					t.Errorf("it is not what the server said: %v", err)
				}
			})
		}
	}
}
