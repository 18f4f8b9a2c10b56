package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/waxwing-io/waxwing/audit/verify"
)

// proofHeader begins every proof file (C2SP tlog-proof).
const proofHeader = "c2sp.org/tlog-proof@v1\n"

// provedRecord is what a proof file proves, or why it proves nothing.
type provedRecord struct {
	File   string `json:"file"`
	Proved bool   `json:"proved"`
	// Message says why not.
	Message string          `json:"message,omitempty"`
	Origin  string          `json:"origin,omitempty"`
	Part    int             `json:"part,omitempty"`
	Index   uint64          `json:"index"`
	Size    uint64          `json:"size,omitempty"`
	Record  json.RawMessage `json:"record,omitempty"`

	proof verify.Proof
}

// proof verifies a proof file.
func (f *auditTrust) proof(ctx context.Context, env *Env, name string) (provedRecord, error) {
	b, err := env.read(ctx, name, "a proof", verify.MaxProof)
	if err != nil {
		return provedRecord{}, err
	}
	if !bytes.HasPrefix(b, []byte(proofHeader)) {
		return provedRecord{}, failed("seal audit prove writes one; a log is named by its folder", "%s: is neither a folder nor a .tlog-proof file", name)
	}
	key := f.proofKey(b)
	if key == "" {
		return provedRecord{}, failed("give it with --key, or with --anchor", "%s: a proof is worth nothing without the log's key from elsewhere", name)
	}
	p, err := verify.VerifyProof(b, key)
	if err != nil {
		return provedRecord{File: name, Message: err.Error()}, nil
	}
	return provedRecord{File: name, Proved: true, Origin: p.Origin, Part: p.Part, Index: p.Index, Size: p.Size, Record: p.Raw, proof: p}, nil
}

// proofKey is the key for a proof: of that log, from the flags.
func (f *auditTrust) proofKey(file []byte) string {
	origin := ""
	if _, checkpoint, ok := bytes.Cut(file, []byte("\n\n")); ok {
		if c, err := verify.ParseCheckpoint(checkpoint); err == nil {
			origin = c.Origin[:strings.LastIndexByte(c.Origin, '/')]
		}
	}
	if key := f.keyFor(origin); key != "" {
		return key
	}
	key := ""
	for _, a := range f.anchors {
		if a.Key != "" && (key == "" || a.Origin == origin) {
			key = a.Key
		}
	}
	return key
}
