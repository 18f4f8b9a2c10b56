package source_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// lyingServer says that main is at a commit, and answers each fetch with what it is given. It is a fake of Git's HTTP protocol for answers that git does not give.
func lyingServer(t testing.TB, tip string, answer func(w io.Writer)) source.Place {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			_, _ = fmt.Fprintf(w, "%s0000%s0000", pkt("# service=git-upload-pack\n"), pkt(tip+" refs/heads/main\x00side-band-64k ofs-delta shallow\n"))
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		answer(w)
	}))
	t.Cleanup(server.Close)
	return source.Place{URL: server.URL + "/x", Branch: "main"}
}

func pkt(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }

// sends is an answer with a pack.
func sends(content []byte) func(io.Writer) {
	return func(w io.Writer) {
		_, _ = io.WriteString(w, "0000"+pkt("NAK\n"))
		for rest := content; len(rest) > 0; {
			n := min(len(rest), 60_000)
			_, _ = io.WriteString(w, pkt("\x01"+string(rest[:n])))
			rest = rest[n:]
		}
		_, _ = io.WriteString(w, "0000")
	}
}

func TestServersThatLie(t *testing.T) {
	blob := pack.Object{Type: pack.Blob, Content: []byte("x")}
	id := blob.ID()
	tree := pack.Object{Type: pack.Tree, Content: append([]byte("100644 file\x00"), id[:]...)}
	commit := pack.Object{Type: pack.Commit, Content: fmt.Appendf(nil, "tree %s\nauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\n\nm\n", tree.ID())}
	tip := commit.ID().String()
	packed := func(objects ...pack.Object) []byte {
		var out bytes.Buffer
		if err := pack.Write(&out, objects); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	all := packed(commit, tree, blob)
	for name, x := range map[string]struct {
		answer func(io.Writer)
		reason source.Reason
		says   string
	}{
		"the truth":          {sends(all), "", ""},
		"no file":            {sends(packed(commit, tree)), source.FetchFailed, `file "file"`},
		"no tree":            {sends(packed(commit, blob)), source.FetchFailed, "not whole"},
		"no commit":          {sends(packed(tree, blob)), source.FetchFailed, "not whole"},
		"an empty pack":      {sends(packed()), source.FetchFailed, "not whole"},
		"no pack":            {sends(nil), source.FetchFailed, "not whole"},
		"half a pack":        {sends(all[:len(all)/2]), source.FetchFailed, "not whole"},
		"no such pack":       {sends([]byte(strings.Repeat("no pack at all, only words. ", 10))), source.FetchFailed, "not whole"},
		"nothing":            {func(io.Writer) {}, source.FetchFailed, ""},
		"another protocol":   {func(w io.Writer) { _, _ = io.WriteString(w, "<html>please log in</html>") }, source.FetchFailed, ""},
		"an error":           {func(w io.Writer) { _, _ = io.WriteString(w, pkt("ERR upload-pack: \x1b[31mnot our ref\n")) }, source.FetchFailed, "not our ref"},
		"an error in a pack": {func(w io.Writer) { _, _ = io.WriteString(w, "0000"+pkt("NAK\n")+pkt("\x03out of\nmemory")) }, source.FetchFailed, "out of memory"},
		"shallows without end": {func(w io.Writer) {
			line := pkt("shallow " + strings.Repeat("1", 40) + "\n")
			for range 100_000 {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}, source.FetchFailed, ""},
		"acknowledgements without end": {func(w io.Writer) {
			line := pkt("ACK " + strings.Repeat("1", 40) + " common\n")
			_, _ = io.WriteString(w, "0000")
			for range 200_000 {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}, source.RepositoryTooLarge, "before it sends anything"},
		"progress without end": {func(w io.Writer) {
			_, _ = io.WriteString(w, "0000"+pkt("NAK\n"))
			for {
				if _, err := io.WriteString(w, pkt("\x02counting\n")); err != nil {
					return
				}
			}
		}, source.TimedOut, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			limits := source.Limits{}
			if x.reason == source.TimedOut {
				limits.Timeout = 300 * time.Millisecond
			}
			r, _ := open(t, limits)
			c, err := r.Fetch(t.Context(), lyingServer(t, tip, x.answer), plain())
			if x.reason != "" {
				refused(t, err, x.reason, x.says)
				return
			}
			if err != nil || c.ID != tip || contents(t, r, c)["file"] != "x" {
				t.Errorf("it is %+v (%v)", c, err)
			}
		})
	}
	r, _ := open(t, source.Limits{PackBytes: 1000})
	_, err := r.Fetch(t.Context(), lyingServer(t, tip, sends(make([]byte, 200_000))), plain())
	refused(t, err, source.RepositoryTooLarge, "larger than")
	// A thin pack, with a delta of something that is elsewhere.
	thin := append(pack.Head(1), pack.EntryHead(7, 4)...)
	thin = append(append(thin, id[:]...), packed(pack.Object{Type: pack.Blob, Content: []byte{1, 1, 1, 'y'}})[13:]...)
	r, _ = open(t, source.Limits{})
	_, err = r.Fetch(t.Context(), lyingServer(t, tip, sends(checked(thin[:len(thin)-20]))), plain())
	refused(t, err, source.RepositoryUnsafe, "not in it")
}

// checked puts the checksum of a pack behind it.
func checked(content []byte) []byte {
	sum := sha1.Sum(content)
	return append(content, sum[:]...)
}
