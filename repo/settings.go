package repo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/manifest"
)

const (
	// SettingsName is the name of the file of settings.
	SettingsName = ".seal.yaml"
	// NotesDir is the folder of notes, beside the file of settings.
	NotesDir = ".seal"

	// settingsVersion is the version of the file that this package reads.
	settingsVersion = 1
	// maxSettings bounds a file of settings, in bytes.
	maxSettings = 1 << 20
)

// Settings are the content of one .seal.yaml.
type Settings struct {
	Version      int                   `json:"version"`
	Holders      map[string]HolderText `json:"holders,omitempty"`
	BreakGlass   *[]string             `json:"breakGlass,omitempty"`
	Scope        string                `json:"scope,omitempty"`
	Signers      *[]Signer             `json:"signers,omitempty"`
	Environments []Environment         `json:"environments,omitempty"`
	Ignore       []string              `json:"ignore,omitempty"`
}

// HolderText defines a holder: a pinned statement key, or a list of recipients.
type HolderText struct {
	StatementKey string   `json:"statementKey,omitempty"`
	Recipients   []string `json:"recipients,omitempty"`
	// Backup is where the backup of a keyring's keys is kept, below the file's folder.
	Backup string `json:"backup,omitempty"`
}

// Signer is somebody who may sign.
type Signer struct {
	Name string `json:"name,omitempty"`
	Key  string `json:"key"` // in the form of authorized_keys, without options
}

// Environment says what holds for files whose path matches.
type Environment struct {
	Name       string    `json:"name"`
	Paths      []string  `json:"paths"`
	Holders    []string  `json:"holders"`
	BreakGlass *[]string `json:"breakGlass,omitempty"`
	Scope      string    `json:"scope,omitempty"`
	Namespace  string    `json:"namespace,omitempty"`
	Signed     bool      `json:"signed,omitempty"`
}

// Error is a refusal of settings or of a note. It names file and field.
type Error struct {
	File string
	Msg  string // lower case, no full stop
	Hint string // what to do about it; may be empty

	cause error
}

// Error is "FILE: message".
func (e *Error) Error() string { return e.File + ": " + e.Msg }

// Unwrap gives the sentinel behind the refusal, or nil.
func (e *Error) Unwrap() error { return e.cause }

// ParseSettings reads the content of a .seal.yaml strictly; name is its name in errors, which are *Error or *manifest.Error.
func ParseSettings(name string, data []byte) (*Settings, error) {
	file, err := manifest.Parse(name, data)
	if err != nil {
		return nil, err
	}
	if len(file.Docs()) != 1 || file.Docs()[0].Empty() {
		return nil, &Error{File: name, Msg: "must hold one document", Hint: "seal init writes one"}
	}
	doc, err := file.Docs()[0].JSON()
	if err != nil {
		return nil, err
	}
	s := &Settings{}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s); err != nil {
		return nil, &Error{File: name, Msg: decodeMessage(err), Hint: "docs/settings.md lists the fields"}
	}
	if msg := s.check(); msg != "" {
		return nil, &Error{File: name, Msg: msg, Hint: "docs/settings.md describes the file"}
	}
	return s, nil
}

func decodeMessage(err error) string {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return fmt.Sprintf("%s cannot be %s", cmp.Or(typ.Field, "the document"), article(typ.Value))
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func article(kind string) string {
	kind, _, _ = strings.Cut(kind, " ")
	switch kind {
	case "array":
		return "a list"
	case "object":
		return "a mapping"
	}
	return "a " + kind
}

var (
	holderRE    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$`)
	namespaceRE = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// check says what is wrong with s; empty where nothing is.
func (s *Settings) check() string {
	if s.Version != settingsVersion {
		return fmt.Sprintf("version must be %d", settingsVersion)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Holders)) {
		if msg := s.Holders[name].check(name); msg != "" {
			return fmt.Sprintf("holders[%q]: %s", name, msg)
		}
	}
	if msg := checkScope(s.Scope); msg != "" {
		return "scope: " + msg
	}
	if s.Signers != nil {
		for i, signer := range *s.Signers {
			if _, err := signer.PublicKey(); err != nil {
				return fmt.Sprintf("signers[%d].key: %v", i, err)
			}
		}
	}
	if msg := checkGlobs("ignore", s.Ignore); msg != "" {
		return msg
	}
	names := map[string]bool{}
	for i, e := range s.Environments {
		msg := e.check()
		if msg == "" && names[e.Name] {
			msg = fmt.Sprintf("the name %q is given twice", e.Name)
		}
		if msg != "" {
			return fmt.Sprintf("environments[%d]: %s", i, msg)
		}
		names[e.Name] = true
	}
	return ""
}

func (h HolderText) check(name string) string {
	switch {
	case !holderRE.MatchString(name):
		return "the name of a holder is of a-z, 0-9, - and ., at most 63"
	case (h.StatementKey == "") == (len(h.Recipients) == 0):
		return "must have a statementKey (a keyring), or recipients (people)"
	case len(h.Recipients) > seal.MaxRecipients:
		return fmt.Sprintf("has %d recipients; at most %d can be", len(h.Recipients), seal.MaxRecipients)
	}
	switch {
	case h.Backup != "" && h.StatementKey == "":
		return "has a backup, which only a keyring (statementKey) has"
	case h.Backup != "" && !isPlace(h.Backup):
		return fmt.Sprintf("backup: %q is no path of a file below this file's folder, such as .seal/%s.backup.note", h.Backup, name)
	case h.StatementKey == "":
		return ""
	}
	v, err := statement.NewVerifier(h.StatementKey)
	if err != nil {
		return "statementKey: " + err.Error()
	}
	if v.Name() != name {
		return fmt.Sprintf("statementKey is that of %q; a keyring's holder has the keyring's name", v.Name())
	}
	return ""
}

func (e Environment) check() string {
	switch {
	case e.Name == "":
		return "name is missing"
	case len(e.Paths) == 0:
		return "paths is missing"
	case len(e.Holders) == 0:
		return "holders is missing"
	case e.Namespace != "" && !namespaceRE.MatchString(e.Namespace):
		return fmt.Sprintf("namespace: %q cannot be the name of a namespace", e.Namespace)
	}
	if msg := checkScope(e.Scope); msg != "" {
		return "scope: " + msg
	}
	return checkGlobs("paths", e.Paths)
}

func checkScope(scope string) string {
	switch scope {
	case "", seal.ScopeStrict, seal.ScopeNamespace, seal.ScopeCluster:
		return ""
	}
	if (seal.For{Scope: scope, Name: "name"}).Check() != nil {
		return fmt.Sprintf("%q is none of strict, namespace, cluster and match:GLOB", scope)
	}
	return ""
}

// checkGlobs wants patterns below the file's folder, with slashes.
func checkGlobs(field string, globs []string) string {
	for i, g := range globs {
		if !isGlob(g) {
			return fmt.Sprintf("%s[%d]: %q is no pattern for paths below this file's folder, such as clusters/prod/**", field, i, g)
		}
	}
	return ""
}

func isGlob(g string) bool {
	return g != "" && !strings.Contains(g, `\`) && !path.IsAbs(g) && !slices.Contains(strings.Split(g, "/"), "..") && doublestar.ValidatePattern(g)
}

// isPlace says whether p is the path of a file below the settings' folder, and none of Git's own.
func isPlace(p string) bool {
	own := func(part string) bool { return part == ".." || strings.EqualFold(part, ".git") }
	return !strings.Contains(p, `\`) && !path.IsAbs(p) && path.Clean(p) == strings.TrimPrefix(p, "./") && path.Clean(p) != "." && !slices.ContainsFunc(strings.Split(p, "/"), own)
}

// PublicKey is the signer's key.
func (s Signer) PublicKey() (ssh.PublicKey, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(s.Key))
	if err != nil || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("is no public SSH key, such as ssh-ed25519 AAAA…")
	}
	return key, nil
}
