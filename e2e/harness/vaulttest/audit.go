package vaulttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Request is a request as Vault's audit log has it. Strings in Data and Answer are keyed digests there, numbers and the lengths of lists are not.
type Request struct {
	ID   string
	Time time.Time
	// Operation is read, list, create, update, delete or patch; a Path has no /v1/ before it.
	Operation, Path string
	// Mount is the path of the engine or auth method, with a slash at the end.
	Mount string
	// DisplayName of who asks, such as root; empty where nobody is logged in.
	DisplayName string
	Policies    []string
	Data        map[string]any
	// Answered is false while there is no answer, and for good where Vault was killed over it.
	Answered bool
	// Error is the answer's, empty for a success.
	Error  string
	Answer map[string]any
}

// Batch is how many items a request of the Transit engine has: 0 unless it is one by batch_input.
func (r Request) Batch() int {
	items, _ := r.Data["batch_input"].([]any)
	return len(items)
}

// Mark is a place in the audit log.
type Mark int64

func (v *Vault) auditLog() string { return filepath.Join(v.dir, "audit.jsonl") }

// AuditLog is all of the audit log as it is.
func (v *Vault) AuditLog() []byte {
	v.t.Helper()
	raw, err := os.ReadFile(v.auditLog())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		v.t.Fatal(err)
	}
	return raw
}

// Mark is where the audit log ends now.
func (v *Vault) Mark() Mark {
	v.t.Helper()
	return Mark(bytes.LastIndexByte(v.AuditLog(), '\n') + 1)
}

// Requests are those since the mark, in the order in which they came, of everybody but Root. With matches, only those that all of these choose. Vault writes down
// no request of sys/health, sys/leader and sys/seal-status, and none while it is locked.
func (v *Vault) Requests(since Mark, matches ...func(Request) bool) []Request {
	v.t.Helper()
	requests, err := parseAudit(v.AuditLog()[since:])
	if err != nil {
		v.t.Fatal(err)
	}
	return slices.DeleteFunc(requests, func(r Request) bool {
		return r.DisplayName == "root" || slices.ContainsFunc(matches, func(match func(Request) bool) bool { return !match(r) })
	})
}

// To matches requests for a path, by path.Match's patterns.
func To(pattern string) func(Request) bool {
	return func(r Request) bool { ok, _ := filepath.Match(pattern, r.Path); return ok }
}

type auditLine struct {
	Type  string
	Time  time.Time
	Error string
	Auth  struct {
		DisplayName string   `json:"display_name"`
		Policies    []string `json:"policies"`
	}
	Request struct {
		ID, Operation, Path string
		MountPoint          string `json:"mount_point"`
		Data                map[string]any
	}
	Response struct{ Data map[string]any }
}

// parseAudit makes one Request of the two lines that each has.
func parseAudit(raw []byte) ([]Request, error) {
	var all []Request
	at := map[string]int{}
	for line := range bytes.Lines(raw) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // it is being written
		}
		var l auditLine
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("reading Vault's audit log: %w", err)
		}
		i, known := at[l.Request.ID]
		if !known {
			i = len(all)
			at[l.Request.ID] = i
			all = append(all, Request{
				ID: l.Request.ID, Time: l.Time, Operation: l.Request.Operation, Path: l.Request.Path, Mount: l.Request.MountPoint,
				DisplayName: l.Auth.DisplayName, Policies: l.Auth.Policies, Data: l.Request.Data,
			})
		}
		if l.Type == "response" {
			all[i].Answered, all[i].Error, all[i].Answer = true, l.Error, l.Response.Data
		}
	}
	return all, nil
}
