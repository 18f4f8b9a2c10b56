package keyring

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Policy is what a keyring opens, and on which conditions.
type Policy struct {
	Namespaces []string // names, or patterns with *
	Scopes     []string // strict, namespace, cluster, match
	// Limited says that the Keyring lists signers. Signers are those of them whose keys can be used: a list of unusable ones lets nobody sign.
	Limited bool
	Signers []Signer
	// RequireSignatures refuses unsigned objects, DenyRollback those that go back to older envelopes.
	RequireSignatures, DenyRollback bool
	// TemplateMetadata are the keys, or PREFIX/*, that templates may set besides those that they may set anyway.
	TemplateMetadata []string
	// BreakGlass are the ids of the keys that should open each envelope too.
	BreakGlass []string
}

// Signer may sign objects.
type Signer struct {
	Name string // for people
	Key  string // SSH wire format
}

// PolicyOf reads a Keyring's policy. It can be used, and is no laxer, in case of an error, which is about signers and is for a person to mend. What is wrong with break
// glass BreakGlassOf says.
func PolicyOf(spec *v1alpha1.KeyringSpec) (Policy, error) {
	p := Policy{
		Namespaces: spec.Namespaces, Scopes: spec.Scopes, Limited: len(spec.Signers) > 0, TemplateMetadata: spec.TemplateMetadata,
		RequireSignatures: spec.Signatures == v1alpha1.SignaturesRequired, DenyRollback: spec.Rollback == v1alpha1.RollbackDeny,
	}
	var errs []error
	for _, s := range spec.Signers {
		key, err := signerKey(s.Key)
		if err != nil {
			errs = append(errs, fmt.Errorf("the key of signer %q %w", s.Name, err))
			continue
		}
		p.Signers = append(p.Signers, Signer{Name: s.Name, Key: key})
	}
	glass, _ := BreakGlassOf(spec)
	for _, r := range glass {
		p.BreakGlass = append(p.BreakGlass, r.KeyID())
	}
	return p, errors.Join(errs...)
}

func signerKey(line string) (string, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	switch {
	case err != nil || len(rest) > 0:
		return "", errors.New("is no line of authorized_keys")
	case len(options) > 0:
		return "", errors.New("has options, which are not supported")
	case !seal.CanSign(key):
		return "", fmt.Errorf("is of a type or size that does not sign objects (%s)", key.Type())
	}
	return string(key.Marshal()), nil
}

// Allows says whether the keyring opens objects with f in namespace. An empty list allows nothing.
func (p Policy) Allows(namespace string, f seal.For) (namespaceOK, scopeOK bool) {
	target := seal.Target{Namespace: namespace, Name: "any"}
	namespaceOK = slices.ContainsFunc(p.Namespaces, func(pattern string) bool {
		// The patterns of a keyring are those of the scope match:GLOB, so the sealed format's matcher is the one that counts.
		return seal.For{Scope: seal.ScopeMatch + pattern, Name: target.Name}.Allows(target)
	})
	scope, _, glob := strings.Cut(f.Scope, ":")
	// "match" alone is no scope, and no other scope has a part after a colon.
	scopeOK = slices.Contains(p.Scopes, scope) && glob == (scope == "match")
	return namespaceOK, scopeOK
}

func (p Policy) equal(o Policy) bool {
	return slices.Equal(p.Namespaces, o.Namespaces) && slices.Equal(p.Scopes, o.Scopes) && p.Limited == o.Limited && slices.Equal(p.Signers, o.Signers) &&
		p.RequireSignatures == o.RequireSignatures && p.DenyRollback == o.DenyRollback && slices.Equal(p.TemplateMetadata, o.TemplateMetadata) && slices.Equal(p.BreakGlass, o.BreakGlass)
}

func (p Policy) clone() Policy {
	p.Namespaces, p.Scopes = slices.Clone(p.Namespaces), slices.Clone(p.Scopes)
	p.Signers, p.TemplateMetadata, p.BreakGlass = slices.Clone(p.Signers), slices.Clone(p.TemplateMetadata), slices.Clone(p.BreakGlass)
	return p
}

// Governing gives the policies of all keyrings that open for a namespace, by name. Their rules about signatures and rollback hold for every object of that
// namespace: wraps are not under the signature, so which keyring opens an object is the choice of whoever writes to Git.
func (r *Ring) Governing(namespace string) map[string]Policy {
	all := map[string]Policy{}
	for name, p := range r.policies {
		if ok, _ := p.Allows(namespace, seal.For{}); ok {
			all[name] = p
		}
	}
	return all
}
