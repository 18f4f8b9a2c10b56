// Package settings reads what the agent is told by the files that are mounted into its pod: its configuration, and credentials.
//
// It guarantees that credentials are given only to a namespace, and for an address, that the configuration names for them: a SecretSync is written by people who may not see
// them, and its address is theirs to choose. Errors never hold what is in a file of credentials.
package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/agent/source"
)

// Settings are the content of the agent's configuration file.
type Settings struct {
	// Credentials says who may use which credentials for what.
	Credentials []Grant `json:"credentials,omitempty"`
	// Impersonate are the ServiceAccounts that objects may be applied as.
	Impersonate []Account `json:"impersonate,omitempty"`
	// Limits bound what a repository may cost.
	Limits Limits `json:"limits,omitzero"`
	// Proxy is the address of the HTTP proxy to Git servers and forges; empty: there is none. The environment says nothing.
	Proxy string `json:"proxy,omitempty"`
	// InsecureHTTP lets repositories be fetched, and credentials be sent, in the clear.
	InsecureHTTP bool `json:"insecureHTTP,omitempty"`
}

// Grant lets the SecretSyncs of some namespaces use credentials for some addresses.
type Grant struct {
	// Name of the folder of credentials.
	Name string `json:"name"`
	// URLs are beginnings of addresses; each ends where a part of a path ends.
	URLs []string `json:"urls"`
	// Namespaces by name, or with * as a wildcard.
	Namespaces []string `json:"namespaces"`
}

// Account is a ServiceAccount.
type Account struct {
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
}

// Limits are source.Limits, as people write them.
type Limits struct {
	PackMiB   int64 `json:"packMiB,omitempty"`
	ObjectMiB int64 `json:"objectMiB,omitempty"`
	TotalMiB  int64 `json:"totalMiB,omitempty"`
	CacheMiB  int64 `json:"cacheMiB,omitempty"`
	Objects   int64 `json:"objects,omitempty"`
	Files     int   `json:"files,omitempty"`
}

// maxLimit bounds each of Limits, so that none has too many bytes for a number.
const maxLimit = 1 << 30

// MaxSettings is the size of a configuration file in bytes.
const MaxSettings = 1 << 20

// Parse reads a configuration file strictly: an unknown or repeated field is an error. An empty file is a configuration.
func Parse(data []byte) (*Settings, error) {
	if len(data) > MaxSettings {
		return nil, fmt.Errorf("it has %d bytes, and at most %d can be", len(data), MaxSettings)
	}
	s := &Settings{}
	if err := yaml.UnmarshalStrict(data, s); err != nil {
		return nil, plain(err)
	}
	return s, s.check()
}

// plain says what is wrong with a file in words of the file, not of this program.
func plain(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		text := err.Error()
		for _, prefix := range []string{"error converting YAML to JSON: ", "error unmarshaling JSON: ", "while decoding JSON: ", "json: ", "yaml: "} {
			text = strings.TrimPrefix(text, prefix)
		}
		return errors.New(text)
	}
	words := map[reflect.Kind]string{
		reflect.Slice: "a list", reflect.Struct: "a map of fields", reflect.String: "a text", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a whole number",
	}
	is := map[string]string{"array": "a list", "object": "a map of fields", "string": "a text", "bool": "true or false"}[kind.Value]
	if is == "" {
		is = kind.Value // such as "number 1.5"
	}
	field := kind.Field
	if field == "" {
		field = "the file"
	}
	return fmt.Errorf("%s: has to be %s, and is %s", field, words[kind.Type.Kind()], is)
}

var (
	nameRE      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	namespaceRE = regexp.MustCompile(`^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$`)
	accountRE   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

func (s *Settings) check() error {
	seen := map[string]bool{}
	for i, g := range s.Credentials {
		if err := g.check(); err != nil {
			return fmt.Errorf("credentials[%d]: %w", i, err)
		}
		if seen[g.Name] {
			return fmt.Errorf("credentials[%d]: %s is there twice: put its urls and namespaces together, or give it another folder", i, g.Name)
		}
		seen[g.Name] = true
	}
	for i, a := range s.Impersonate {
		if !nameRE.MatchString(a.Namespace) || !accountRE.MatchString(a.ServiceAccount) {
			return fmt.Errorf("impersonate[%d]: needs namespace and serviceAccount, each a name", i)
		}
	}
	for _, n := range []int64{s.Limits.PackMiB, s.Limits.ObjectMiB, s.Limits.TotalMiB, s.Limits.CacheMiB, s.Limits.Objects, int64(s.Limits.Files)} {
		if n < 0 || n > maxLimit {
			return fmt.Errorf("limits: none is below 0 or above %d; leave one out to have its default", maxLimit)
		}
	}
	if s.Proxy != "" {
		if u, err := url.Parse(s.Proxy); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("proxy: is http://HOST:PORT or https://HOST:PORT, without a user")
		}
	}
	return nil
}

func (g Grant) check() error {
	switch {
	case !nameRE.MatchString(g.Name):
		return errors.New("name: is that of a folder, of a-z, 0-9 and -, at most 63")
	case len(g.URLs) == 0:
		return errors.New("urls: name the addresses that these credentials may be sent to")
	case len(g.Namespaces) == 0:
		return errors.New(`namespaces: name those whose SecretSyncs may use them, or "*"`)
	}
	for i, text := range g.URLs {
		if _, err := parseAddress(text); err != nil {
			return fmt.Errorf("urls[%d]: %w", i, err)
		}
	}
	for i, n := range g.Namespaces {
		if !namespaceRE.MatchString(n) {
			return fmt.Errorf("namespaces[%d]: %q is no name of a namespace", i, n)
		}
	}
	return nil
}

// SourceLimits are the limits for package source.
func (s *Settings) SourceLimits() source.Limits {
	const mib = 1 << 20
	return source.Limits{
		PackBytes: s.Limits.PackMiB * mib, ObjectBytes: s.Limits.ObjectMiB * mib, TotalBytes: s.Limits.TotalMiB * mib,
		CacheBytes: s.Limits.CacheMiB * mib, Objects: s.Limits.Objects, Files: s.Limits.Files,
	}
}

// MayImpersonate says whether objects may be applied as a ServiceAccount.
func (s *Settings) MayImpersonate(account types.NamespacedName) bool {
	return slices.Contains(s.Impersonate, Account{Namespace: account.Namespace, ServiceAccount: account.Name})
}

// Allow says whether SecretSyncs of a namespace may use credentials for an address; the error says what the configuration lacks.
func (s *Settings) Allow(credentials, namespace, address string) error {
	i := slices.IndexFunc(s.Credentials, func(g Grant) bool { return g.Name == credentials })
	if i < 0 {
		return fmt.Errorf("the agent's configuration names no credentials %q", credentials)
	}
	g := s.Credentials[i]
	if !slices.ContainsFunc(g.Namespaces, func(glob string) bool { ok, err := path.Match(glob, namespace); return ok && err == nil }) {
		return fmt.Errorf("the agent's configuration does not let namespace %s use credentials %q", namespace, credentials)
	}
	if !slices.ContainsFunc(g.URLs, func(begin string) bool { return covers(begin, address) }) {
		return fmt.Errorf("the agent's configuration does not let credentials %q be used for this address", credentials)
	}
	return nil
}

// AllowedHTTP says whether an address may be asked at all; the error says why not.
func (s *Settings) AllowedHTTP(address string) error {
	a, err := parseAddress(address)
	if err != nil {
		return err
	}
	if a.scheme == "http" && !s.InsecureHTTP {
		return errors.New("http:// sends all in the clear: use https://, or set insecureHTTP in the agent's configuration")
	}
	return nil
}
