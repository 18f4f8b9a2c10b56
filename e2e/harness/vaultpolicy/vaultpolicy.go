// Package vaultpolicy reads the Vault policies that ship with the chart, so that tests run with what people install.
package vaultpolicy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

// Dir is where the policies are, relative to the repository's root.
const Dir = "charts/waxwing/files/vault"

// Names are the files, without .hcl.
const (
	Login         = "login"
	SealedKeys    = "sealed-keys"
	KV            = "kv"
	KVRemove      = "kv-remove"
	Transit       = "transit"
	TransitRemove = "transit-remove"
	Operator      = "operator"
	Auditor       = "auditor"
)

// Names lists all of them.
func Names() []string {
	return []string{Login, SealedKeys, KV, KVRemove, Transit, TransitRemove, Operator, Auditor}
}

// Place is what stands for the words in capitals of the files.
type Place struct {
	Transit string // mount of the Transit engine
	KV      string // mount of the key/value store
	Auth    string // mount of the auth method
	Key     string // name of the key of sealed keys
	Folder  string // in KV
	Prefix  string // of the names of a keyring's keys in Transit
}

// Read gives a policy for a place. A word of it that the place leaves empty is an error if the file has it.
func Read(name string, at Place) (string, error) {
	root, err := toolcache.FindRoot(".")
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(Dir), name+".hcl"))
	if err != nil {
		return "", err
	}
	text := string(b)
	for word, value := range at.words() {
		if value == "" && inPath(text, word) {
			return "", fmt.Errorf("policy %s has %s, and nothing is given for it", name, word)
		}
	}
	return at.Fill(text), nil
}

// Fill puts the names of the place into a text of a policy.
func (p Place) Fill(text string) string {
	for word, value := range p.words() {
		text = strings.ReplaceAll(text, word, value)
	}
	return text
}

func (p Place) words() map[string]string {
	return map[string]string{"TRANSIT": p.Transit, "KV": p.KV, "AUTH": p.Auth, "KEY": p.Key, "FOLDER": p.Folder, "PREFIX": p.Prefix}
}

// inPath says whether the path of a rule has the word.
func inPath(text, word string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "path ") && strings.Contains(line, word) {
			return true
		}
	}
	return false
}
