package vaulttransit_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
	"github.com/waxwing-io/waxwing/keyring/vaulttransit"
)

// oneRSAKey is made once: it takes seconds.
var oneRSAKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		panic(err)
	}
	return key
})

// fakeTransit is a fake of Vault's Transit engine, for answers that a real one cannot be brought to give. Package e2e/vault has the real one.
type fakeTransit struct {
	mu    sync.Mutex
	keys  map[string]*fakeKey
	asked []string // requests, as METHOD PATH and how many ciphertexts
	n     int
	late  int // how many keys are made without an answer
	// fail gives the error of a request; spoil changes the results of a batch.
	fail  func(request string) error
	spoil func(results []map[string]any) []map[string]any
}

type fakeKey struct {
	fields  map[string]any
	rsa     *rsa.PrivateKey
	ed25519 ed25519.PrivateKey
}

func newFakeTransit() *fakeTransit { return &fakeTransit{keys: map[string]*fakeKey{}} }

func (f *fakeTransit) custody(t *testing.T) *vaulttransit.Custody {
	t.Helper()
	return f.custodyAt(time.Now)
}

func (f *fakeTransit) custodyAt(now func() time.Time) *vaulttransit.Custody {
	return vaulttransit.New(vaulttransit.Config{Vault: f, Mount: "transit", Prefix: "prod-", Now: now, Rand: rand.Reader})
}

func (f *fakeTransit) note(request string) error {
	f.asked = append(f.asked, request)
	f.n++
	if f.fail != nil {
		return f.fail(request)
	}
	return nil
}

func (f *fakeTransit) answer(data any) (*vault.Answer, error) {
	raw, err := json.Marshal(data)
	return &vault.Answer{Data: raw, RequestID: fmt.Sprintf("request-%d", f.n)}, err
}

// Read implements vaulttransit.Vault.
func (f *fakeTransit) Read(_ context.Context, path string) (*vault.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.note("read " + path); err != nil {
		return nil, err
	}
	k := f.keys[strings.TrimPrefix(path, "transit/keys/")]
	if k == nil {
		return nil, &vault.Error{Kind: vault.Missing, Doing: "reading " + path, Status: 404, Msg: "there is nothing there"}
	}
	return f.answer(k.fields)
}

// Write implements vaulttransit.Vault.
func (f *fakeTransit) Write(_ context.Context, path string, body map[string]any) (*vault.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, rest, _ := strings.Cut(path, "/")
	operation, name, _ := strings.Cut(rest, "/")
	batch, _ := body["batch_input"].([]map[string]any)
	request := "write " + path
	if operation == "decrypt" {
		request += fmt.Sprintf(" %d", len(batch))
	}
	if err := f.note(request); err != nil {
		return nil, err
	}
	name, configured := strings.CutSuffix(name, "/config")
	switch k := f.keys[name]; {
	case operation == "keys" && configured && k != nil:
		maps.Copy(k.fields, body)
		return f.answer(k.fields)
	case operation == "keys" && !configured:
		answer, err := f.create(name, body)
		if f.late > 0 {
			f.late--
			return nil, errAway
		}
		return answer, err
	case k == nil:
		return nil, &vault.Error{Kind: vault.Refused, Doing: "writing " + path, Status: 400, Msg: "encryption key not found"}
	case operation == "sign":
		input, err := base64.StdEncoding.DecodeString(body["input"].(string))
		if err != nil {
			return nil, err
		}
		return f.answer(map[string]any{"signature": "vault:v1:" + base64.StdEncoding.EncodeToString(ed25519.Sign(k.ed25519, input))})
	default:
		return f.decrypt(k, batch)
	}
}

// Delete implements vaulttransit.Vault.
func (f *fakeTransit) Delete(_ context.Context, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.note("delete " + path); err != nil {
		return err
	}
	name := strings.TrimPrefix(path, "transit/keys/")
	switch k := f.keys[name]; {
	case k == nil:
		return &vault.Error{Kind: vault.Missing, Doing: "deleting " + path, Status: 404, Msg: "there is nothing there"}
	case k.fields["deletion_allowed"] != true:
		return &vault.Error{Kind: vault.Refused, Doing: "deleting " + path, Status: 400, Msg: "deletion is not allowed for this key"}
	}
	delete(f.keys, name)
	return nil
}

func (f *fakeTransit) create(name string, body map[string]any) (*vault.Answer, error) {
	if k := f.keys[name]; k != nil {
		return f.answer(k.fields)
	}
	k := &fakeKey{fields: map[string]any{"type": body["type"], "exportable": body["exportable"], "allow_plaintext_backup": body["allow_plaintext_backup"], "min_decryption_version": 1}}
	text := ""
	if body["type"] == "ed25519" {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		k.ed25519, text = private, base64.StdEncoding.EncodeToString(public)
	} else {
		k.rsa = oneRSAKey()
		der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
		if err != nil {
			return nil, err
		}
		text = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	k.fields["keys"] = map[string]any{"1": map[string]any{"public_key": text}}
	f.keys[name] = k
	return f.answer(k.fields)
}

// decrypt answers as Transit does: a batch of which nothing can be decrypted fails as a whole.
func (f *fakeTransit) decrypt(k *fakeKey, batch []map[string]any) (*vault.Answer, error) {
	results, good := make([]map[string]any, len(batch)), 0
	for i, item := range batch {
		results[i] = map[string]any{"reference": item["reference"]}
		ciphertext, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(item["ciphertext"].(string), "vault:v1:"))
		if err != nil {
			return nil, err
		}
		plain, err := rsa.DecryptOAEP(sha256.New(), nil, k.rsa, ciphertext, nil)
		if err != nil {
			results[i]["error"] = "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error"
			continue
		}
		results[i]["plaintext"] = base64.StdEncoding.EncodeToString(plain)
		good++
	}
	if good == 0 {
		return nil, &vault.Error{Kind: vault.Unreachable, Doing: "writing transit/decrypt", Status: 500, Msg: "it answered 500"}
	}
	if f.spoil != nil {
		results = f.spoil(results)
	}
	return f.answer(map[string]any{"batch_results": results})
}

// requests gives those since the last call.
func (f *fakeTransit) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.asked
	f.asked = nil
	return all
}

// change changes what is said of all keys.
func (f *fakeTransit) change(fields map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		maps.Copy(k.fields, fields)
	}
}

var errAway = &vault.Error{Kind: vault.Locked, Doing: "reading x", Status: 503, Msg: "it is locked", Hint: "unlock it"}

func isAway(err error) bool { return errors.Is(err, errAway) }

var _ secretsource.Custody = (*vaulttransit.Custody)(nil)
