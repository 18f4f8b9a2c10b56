package seal

import (
	"fmt"
	"regexp"
	"strings"
)

// Scopes of section 3; the fourth is ScopeMatch followed by a GLOB.
const (
	ScopeStrict    = "strict"
	ScopeNamespace = "namespace"
	ScopeCluster   = "cluster"
	ScopeMatch     = "match:"
)

// Target is the place where an object stands, to be held against its For.
type Target struct{ Namespace, Name string }

const (
	label     = `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
	subdomain = `^` + label + `(\.` + label + `)*$`
)

var (
	labelRE     = regexp.MustCompile(`^` + label + `$`)
	subdomainRE = regexp.MustCompile(subdomain)
	globRE      = regexp.MustCompile(`^[a-z0-9*-]{1,63}$`)
)

// Check says whether f is one of the forms of section 3; the error is ErrFormat.
func (f For) Check() error {
	needNamespace, needName := false, false
	switch glob, isMatch := strings.CutPrefix(f.Scope, ScopeMatch); {
	case f.Scope == ScopeStrict:
		needNamespace, needName = true, true
	case f.Scope == ScopeNamespace:
		needNamespace = true
	case f.Scope == ScopeCluster:
	case isMatch && globRE.MatchString(glob):
		needName = true
	case isMatch:
		return formatErr("for.scope", "match: needs a pattern of a-z, 0-9, - and *, at most 63 long")
	default:
		return formatErr("for.scope", "must be strict, namespace, cluster or match:GLOB")
	}
	if err := checkPart("namespace", f.Namespace, needNamespace, f.Scope, 63, labelRE); err != nil {
		return err
	}
	return checkPart("name", f.Name, needName, f.Scope, 253, subdomainRE)
}

func checkPart(field, value string, need bool, scope string, limit int, form *regexp.Regexp) error {
	switch {
	case !need && value != "":
		return formatErr("for."+field, "must be absent for scope %s", scope)
	case need && value == "":
		return formatErr("for."+field, "is required for scope %s", scope)
	case need && (len(value) > limit || !form.MatchString(value)):
		return formatErr("for."+field, "is not a Kubernetes %s", field)
	}
	return nil
}

// Allows says whether items sealed for f may be opened at t; f must have passed Check.
func (f For) Allows(t Target) bool {
	if glob, ok := strings.CutPrefix(f.Scope, ScopeMatch); ok {
		return t.Namespace != "" && f.Name == t.Name && globMatch(glob, t.Namespace)
	}
	return (f.Namespace == "" || f.Namespace == t.Namespace) && (f.Name == "" || f.Name == t.Name)
}

// globMatch matches all of s, in time proportional to len(glob)*len(s) at worst: only the last star is ever retried.
func globMatch(glob, s string) bool {
	g, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, mark = g, i
			g++
		case g < len(glob) && glob[g] == s[i]:
			g++
			i++
		case star >= 0:
			mark++
			g, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}

// String describes f for a person, such as "strict prod/db" or "match:preview-* db".
func (f For) String() string {
	switch {
	case f.Namespace != "" && f.Name != "":
		return fmt.Sprintf("%s %s/%s", f.Scope, f.Namespace, f.Name)
	case f.Namespace != "" || f.Name != "":
		return f.Scope + " " + f.Namespace + f.Name
	}
	return f.Scope
}

func (f For) mismatch(t Target) error {
	return &Error{Kind: ErrScope, Field: "for", Msg: fmt.Sprintf("sealed for %s, not for %s/%s", f, shown(t.Namespace), shown(t.Name)),
		Hint: "a kustomize namespace, namePrefix or nameSuffix transformer may have renamed it: seal for the final name, or with a wider --scope"}
}
