package controller

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

const recipientsPath = "/v1/recipients"

// publishedSets is what a keyring.Manager has in memory to serve.
type publishedSets interface {
	Published() []keyring.Published
}

// publishedInStatus are the recipient sets that the leader has in memory, and on any other replica, or until the leader has loaded them, those that Keyrings
// show in their status. A status may be behind, or written by somebody else: whoever takes a note verifies it.
type publishedInStatus struct {
	memory publishedSets
	cache  client.Reader
}

// Published implements publishedSets.
func (p publishedInStatus) Published() []keyring.Published {
	if all := p.memory.Published(); len(all) > 0 {
		return all
	}
	// A cache answers from memory, but while it is being filled it makes its readers wait.
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var rings v1alpha1.KeyringList
	if p.cache.List(ctx, &rings, client.UnsafeDisableDeepCopy) != nil {
		return nil
	}
	var all []keyring.Published
	for i := range rings.Items {
		if kr := &rings.Items[i]; kr.Status.Recipients != "" && kr.DeletionTimestamp == nil {
			all = append(all, keyring.Published{Keyring: kr.Name, VerifierKey: kr.Status.StatementKey, Note: kr.Status.Recipients})
		}
	}
	slices.SortFunc(all, func(a, b keyring.Published) int { return strings.Compare(a.Keyring, b.Keyring) })
	return all
}

// RecipientsHandler serves the signed recipient sets that m has: GET /v1/recipients/KEYRING, and GET /v1/recipients where there is one keyring only.
// They are public, and whoever takes one verifies it under a pinned statement key.
func RecipientsHandler(m publishedSets) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+recipientsPath, func(w http.ResponseWriter, req *http.Request) {
		all := m.Published()
		switch len(all) {
		case 0:
			notYet(w)
		case 1:
			serveNote(w, req, all[0])
		default:
			// Not 200, so that a script which saves the answer as a note notices.
			var b strings.Builder
			b.WriteString("there are several keyrings; ask for one of them:\n")
			for _, p := range all {
				fmt.Fprintf(&b, "%s/%s\n", recipientsPath, p.Keyring)
			}
			http.Error(w, strings.TrimSuffix(b.String(), "\n"), http.StatusNotFound)
		}
	})
	mux.HandleFunc("GET "+recipientsPath+"/{keyring}", func(w http.ResponseWriter, req *http.Request) {
		all := m.Published()
		for _, p := range all {
			if p.Keyring == req.PathValue("keyring") {
				serveNote(w, req, p)
				return
			}
		}
		if len(all) == 0 {
			notYet(w)
			return
		}
		http.Error(w, "there is no keyring of this name with a recipient set", http.StatusNotFound)
	})
	return mux
}

func notYet(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "no keyring has published its recipients yet", http.StatusServiceUnavailable)
}

func serveNote(w http.ResponseWriter, req *http.Request, p keyring.Published) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(p.Note))))
	// ServeContent answers HEAD and If-None-Match.
	http.ServeContent(w, req, "", time.Time{}, strings.NewReader(p.Note))
}
