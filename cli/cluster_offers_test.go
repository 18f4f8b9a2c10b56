package cli_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// rotated is what makeCluster is asked for.
type rotated struct {
	set, note uint64 // of the offers, and of the keyring's note
	key, open string // identity files: the keyring's new key, and one that opens
	sign      string // the signer key of the offers
	as        string // NAMESPACE/NAME that the offers are made for, in place of the object's
	ready     string // the reason of the condition Ready
	spoil     string // what is wrong with the offered wraps
	offers    int    // how many objects have offers
	away      bool   // the list has no objects
	files     []string
}

// makeCluster is the script command "cluster OUT [OPTION=VALUE]... FILE...": OUT becomes what kubectl get keyrings,gitsecrets -o json prints of a cluster that has the GitSecrets of
// the FILEs, and a keyring prod whose key is that of the identity file "key" now. Objects are added to those that OUT has. The contexts "offers", "offersns" (lists of
// single namespaces only) and "offersprod" (of the namespace prod only) serve cluster.json.
func makeCluster(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: cluster OUT [OPTION=VALUE]... FILE...")
	}
	r := rotated{set: 8, sign: ts.Getenv("SIGNER_KEY"), ready: "Unsealed", offers: 1 << 30}
	for _, arg := range args[1:] {
		ts.Check(r.option(ts, arg))
	}
	r.note = cmp.Or(r.note, r.set)
	path := ts.MkAbs(args[0])
	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{}}
	if b, err := os.ReadFile(path); err == nil {
		ts.Check(json.Unmarshal(b, &list))
	} else if !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	items, err := r.items(ts)
	ts.Check(err)
	list["items"] = append(list["items"].([]any), items...)
	b, err := json.MarshalIndent(list, "", "    ")
	ts.Check(err)
	ts.Check(os.WriteFile(path, b, 0o644))
}

func (r *rotated) option(ts *testscript.TestScript, arg string) (err error) {
	name, value, ok := strings.Cut(arg, "=")
	if !ok {
		r.files = append(r.files, ts.MkAbs(arg))
		return nil
	}
	switch name {
	case "set":
		r.set, err = strconv.ParseUint(value, 10, 64)
	case "note":
		r.note, err = strconv.ParseUint(value, 10, 64)
	case "key":
		r.key = ts.MkAbs(value)
	case "open":
		r.open = ts.MkAbs(value)
	case "sign":
		r.sign = ts.Getenv(value)
	case "as":
		r.as = value
	case "ready":
		r.ready = value
	case "spoil":
		r.spoil = value
	case "offers":
		r.offers, err = strconv.Atoi(value)
	case "away":
		r.away = true
	default:
		err = fmt.Errorf("unknown option %s", name)
	}
	return err
}

// setMade is when all sets were made: those of one number and the same recipients are the same.
func setMade() time.Time { return time.Date(2026, 11, 23, 2, 22, 0, 0, time.UTC) }

// identities reads an identity file without comments of other forms.
func identities(path string) ([]seal.Identity, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var ids []seal.Identity
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "AGE-SECRET-KEY-") {
			id, err := seal.ParseIdentity(line)
			if err != nil {
				return nil, err
			}
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// holder is prod with the recipient that the identity file "key" names in a comment.
func (r *rotated) holder() (seal.Holder, error) {
	b, err := os.ReadFile(r.key)
	if err != nil {
		return seal.Holder{}, err
	}
	_, rest, _ := strings.Cut(string(b), "ublic key: ")
	text, _, _ := strings.Cut(rest, "\n")
	to, err := seal.ParseRecipient(text)
	return seal.Holder{Name: "prod", Recipients: []seal.Recipient{to}}, err
}

// items are the Keyring and the GitSecrets.
func (r *rotated) items(ts *testscript.TestScript) ([]any, error) {
	h, err := r.holder()
	if err != nil {
		return nil, err
	}
	own, err := statement.NewSigner(ts.Getenv("SIGNER_KEY"))
	if err != nil {
		return nil, err
	}
	note, err := statement.Recipients{Holder: h.Name, Set: r.note, At: setMade(), Recipients: h.Recipients}.Sign(own)
	if err != nil {
		return nil, err
	}
	items := []any{map[string]any{"apiVersion": seal.APIVersion, "kind": "Keyring", "metadata": map[string]any{"name": h.Name},
		"status": map[string]any{"recipients": string(note), "statementKey": ts.Getenv("VKEY")}}}
	for _, path := range r.files {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := manifest.Parse(path, b)
		if err != nil {
			return nil, err
		}
		for _, d := range rewrap.Sealed(file) {
			item, err := r.object(d, h)
			if err != nil {
				return nil, err
			}
			if !r.away {
				items = append(items, item)
			}
		}
	}
	return items, nil
}

// object is a GitSecret as the cluster has it.
func (r *rotated) object(d *manifest.Doc, h seal.Holder) (any, error) {
	b, err := d.JSON()
	if err != nil {
		return nil, err
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		return nil, err
	}
	namespace := cmp.Or(doc.Target.Namespace, doc.Spec().For.Namespace, "prod")
	status := map[string]any{"observedGeneration": 3, "conditions": []any{map[string]any{"type": "Ready", "status": map[bool]string{true: "True", false: "False"}[r.ready == "Unsealed"],
		"reason": r.ready, "lastTransitionTime": "2026-11-23T02:22:00Z", "message": ""}}}
	if stale := doc.Spec().Stale(h); len(stale) > 0 && r.offers > 0 {
		r.offers--
		offer, err := r.offer(doc.Spec(), h, stale, namespace+"/"+doc.Target.Name)
		if err != nil {
			return nil, err
		}
		status["rewrap"] = []any{map[string]any{"holder": h.Name, "set": r.set, "note": offer}}
	}
	return map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "spec": doc.Spec(), "status": status,
		"metadata": map[string]any{"name": doc.Target.Name, "namespace": namespace, "generation": 3}}, nil
}

// offer is the signed note.
func (r *rotated) offer(spec *seal.Spec, h seal.Holder, stale []string, object string) (string, error) {
	ids, err := identities(r.open)
	if err != nil {
		return "", err
	}
	wraps, err := rewrap.Make(spec, h, stale, seal.NewIdentities(ids...))
	if err != nil {
		return "", err
	}
	namespace, name, _ := strings.Cut(cmp.Or(r.as, object), "/")
	offer := statement.Offer{Holder: h.Name, Set: r.set, At: time.Now(), Namespace: namespace, Name: name}
	for _, w := range wraps {
		switch r.spoil {
		case "age":
			w.Wrap.Age = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"
		case "keys":
			w.Wrap.Keys = []string{strings.Repeat("0", seal.KeyIDSize)}
		case "commit":
			w.Commit = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
		}
		offer.Wraps = append(offer.Wraps, statement.OfferedWrap{Envelope: w.Envelope, Commit: w.Commit, Wrap: w.Wrap})
	}
	signer, err := statement.NewSigner(r.sign)
	if err != nil {
		return "", err
	}
	signed, err := offer.Sign(signer)
	return string(signed), err
}

// makeNote is the script command "note OUT SET IDENTITY": a note of holder prod, signed with its statement key.
func makeNote(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: note OUT SET IDENTITY")
	}
	set, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	r := rotated{key: ts.MkAbs(args[2])}
	h, err := r.holder()
	ts.Check(err)
	signer, err := statement.NewSigner(ts.Getenv("SIGNER_KEY"))
	ts.Check(err)
	b, err := statement.Recipients{Holder: h.Name, Set: set, At: setMade(), Recipients: h.Recipients}.Sign(signer)
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// serveOffers serves what makeCluster has made, in pages of two objects.
func serveOffers(env *testscript.Env) error {
	allowed := map[string]func(namespace string) bool{
		"offers":     func(string) bool { return true },
		"offersns":   func(namespace string) bool { return namespace != "" },
		"offersprod": func(namespace string) bool { return namespace == "prod" },
		"offersno":   func(string) bool { return false },
	}
	for name, may := range allowed {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			code, body := answerOffers(filepath.Join(env.WorkDir, "cluster.json"), r, may)
			w.WriteHeader(code)
			_ = json.NewEncoder(w).Encode(body)
		}))
		env.Defer(server.Close)
		if err := writeKubeconfig(filepath.Join(env.WorkDir, "keys", name+".kubeconfig"), server); err != nil {
			return err
		}
	}
	return nil
}

func answerOffers(path string, r *http.Request, may func(namespace string) bool) (int, any) {
	const group = "/apis/waxwing.io/v1alpha1/"
	var list struct{ Items []map[string]any }
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return 500, err.Error()
	}
	what := strings.TrimPrefix(r.URL.Path, group)
	if name, ok := strings.CutPrefix(what, "keyrings/"); ok {
		for _, item := range slices.Backward(list.Items) {
			if item["kind"] == "Keyring" && item["metadata"].(map[string]any)["name"] == name {
				return 200, item
			}
		}
		return 404, map[string]any{"kind": "Status", "reason": "NotFound", "code": 404, "message": "not found", "details": map[string]any{"name": name}}
	}
	namespace := ""
	if rest, ok := strings.CutPrefix(what, "namespaces/"); ok {
		namespace, what, _ = strings.Cut(rest, "/")
	}
	if what != "gitsecrets" {
		return 404, "404 page not found"
	}
	if !may(namespace) {
		return 403, map[string]any{"kind": "Status", "reason": "Forbidden", "code": 403,
			"message": `gitsecrets.waxwing.io is forbidden: User "dev" cannot list resource "gitsecrets" in API group "waxwing.io"`}
	}
	var items []any
	for _, item := range list.Items {
		if item["kind"] == seal.Kind && (namespace == "" || item["metadata"].(map[string]any)["namespace"] == namespace) {
			items = append(items, item)
		}
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
	next, until := "", min(from+2, len(items))
	if until < len(items) {
		next = strconv.Itoa(until)
	}
	return 200, map[string]any{"kind": "GitSecretList", "metadata": map[string]any{"continue": next}, "items": items[from:until]}
}
