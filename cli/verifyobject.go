package cli

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

// The results of verifying an object, as JSON has them.
const (
	resultOK       = "ok"
	resultUnsigned = "unsigned"
	resultUnknown  = "unknown-signer"
	resultInvalid  = "invalid"
	resultBad      = "bad-signature"
	resultMoved    = "wrong-place"
)

// verdict is the outcome for one object.
type verdict struct {
	File      string `json:"file"`
	Document  int    `json:"document"` // counted from 1
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Result    string `json:"result"`
	Finding   bool   `json:"finding"`
	Required  bool   `json:"required"`         // a signature is
	Signer    string `json:"signer,omitempty"` // the name of the allowed signer
	Key       string `json:"key,omitempty"`    // the fingerprint of the key that signed
	Message   string `json:"message,omitempty"`

	label string
	hint  string
}

// verify judges what a file holds. A file that was named has to hold a GitSecret. It may be called from several goroutines.
func (s *trustSource) verify(ctx context.Context, f input) ([]verdict, error) {
	if f.err != nil {
		return nil, failed(outHint(s.require), "%s: %v", shownName(f.name), f.err)
	}
	data, err := s.env.read(ctx, f.name, "a manifest", maxManifest)
	if err != nil {
		return nil, err
	}
	_, all, err := parse(shownName(f.name), data)
	if err != nil && f.found {
		return nil, failed(outHint(s.require), "%v", err)
	}
	if err != nil {
		return nil, err
	}
	t, err := s.at(f.name)
	if err != nil {
		return nil, err
	}
	var found []verdict
	for _, obj := range all {
		v := verdict{File: shownName(f.name), Document: obj.index + 1, Namespace: obj.namespace, Name: obj.node.name, Required: t.require, label: obj.label()}
		switch {
		case obj.role == isSealed:
			v.judge(obj, t, s.env.Now())
		case obj.hidesSealed():
			v.set(resultInvalid, "holds a GitSecret that cannot be verified in its place: write it as a document of its own, of apiVersion "+seal.APIVersion)
		default:
			continue
		}
		found = append(found, v)
	}
	if len(found) == 0 && !f.found {
		return nil, noneSealed(shownName(f.name), "", all)
	}
	return found, nil
}

// outHint is the way out where a file that was found cannot be read.
func outHint(required bool) string {
	if required {
		return "if it is no manifest, leave it out with --ignore"
	}
	return "if it is no manifest, list it under ignore in " + repo.SettingsName
}

func (v *verdict) set(result, message string) {
	v.Result, v.Message = result, message
	v.Finding = result != resultOK && (result != resultUnsigned || v.Required)
}

// judge decides about a GitSecret: its form, its place, its signature, its signer.
func (v *verdict) judge(obj object, t trust, now time.Time) {
	doc, err := obj.JSON()
	var d *seal.Document
	if err == nil {
		d, err = seal.ParseDocument(doc)
	}
	if err != nil {
		v.refuse(resultInvalid, err)
		return
	}
	if err := checkStanding(d, ""); err != nil {
		v.refuse(resultMoved, err)
		return
	}
	s := signatureOf(d, t.signers, now)
	if s.key != nil {
		v.Key = ssh.FingerprintSHA256(s.key)
	}
	switch {
	case !s.present && v.Required:
		v.set(resultUnsigned, "a signature is required")
	case !s.present:
		v.set(resultUnsigned, "")
	case s.err != nil:
		v.refuse(resultBad, s.err)
	case s.allowed:
		v.Signer = s.signer
		v.set(resultOK, "")
	case s.why != "":
		v.set(resultUnknown, s.why)
	default:
		v.set(resultUnknown, "signed by "+signedBy(s.key)+", which is not among the allowed signers")
	}
}

func (v *verdict) refuse(result string, err error) {
	var e *seal.Error
	if errors.As(err, &e) {
		v.hint = e.Hint
	}
	v.set(result, err.Error())
}

// hidesSealed says whether n is applied as GitSecrets without being read as such here: a list of another kind, which kubectl takes apart, or a GitSecret of
// another apiVersion.
func (n *node) hidesSealed() bool {
	if strings.EqualFold(strings.TrimSpace(n.kind), seal.Kind) {
		return true
	}
	var items []json.RawMessage
	if json.Unmarshal(n.members["items"], &items) != nil {
		return false
	}
	if strings.EqualFold(n.kind, seal.Kind+"List") {
		return len(items) > 0
	}
	for _, item := range items {
		if newNode(item, nil).hidesSealed() {
			return true
		}
	}
	return false
}
