package hostile

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// FakeServer is a fake of a Git server, over HTTP, for what git itself refuses to serve: it says that the branch is at a commit, and sends the same pack to whoever asks for it.
type FakeServer struct {
	URL string

	mu   sync.Mutex
	tip  string
	pack []byte
}

// StartFake serves until the test ends.
func StartFake(t testing.TB) *FakeServer {
	t.Helper()
	f := &FakeServer{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.URL = server.URL + "/hostile"
	return f
}

// Serve has the branch be at a commit, and the pack be what is sent.
func (f *FakeServer) Serve(tip string, pack []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tip, f.pack = tip, pack
}

// ServeHTTP is Git's smart HTTP protocol, version 0, as far as a fetch needs it.
func (f *FakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	tip, pack := f.tip, f.pack
	f.mu.Unlock()
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = fmt.Fprintf(w, "%s0000%s0000", packet("# service=git-upload-pack\n"), packet(tip+" refs/heads/"+Branch+"\x00side-band-64k ofs-delta shallow\n"))
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	_, _ = io.WriteString(w, "0000"+packet("NAK\n"))
	for len(pack) > 0 {
		n := min(len(pack), 60_000)
		_, _ = io.WriteString(w, packet("\x01"+string(pack[:n])))
		pack = pack[n:]
	}
	_, _ = io.WriteString(w, "0000")
}

// packet is a line of Git's protocol.
func packet(text string) string { return fmt.Sprintf("%04x%s", len(text)+4, text) }
