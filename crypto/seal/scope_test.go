package seal_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

func TestForCheck(t *testing.T) {
	long := strings.Repeat
	for name, c := range map[string]struct {
		f  seal.For
		ok bool
	}{
		"strict has both":                      {strictDB, true},
		"strict without a name":                {seal.For{Scope: "strict", Namespace: "prod"}, false},
		"strict without a namespace":           {seal.For{Scope: "strict", Name: "db"}, false},
		"namespace has a namespace":            {seal.For{Scope: "namespace", Namespace: "prod"}, true},
		"namespace with a name":                {seal.For{Scope: "namespace", Namespace: "prod", Name: "db"}, false},
		"namespace without one":                {seal.For{Scope: "namespace"}, false},
		"cluster has neither":                  {seal.For{Scope: "cluster"}, true},
		"cluster with a name":                  {seal.For{Scope: "cluster", Name: "db"}, false},
		"cluster with a namespace":             {seal.For{Scope: "cluster", Namespace: "prod"}, false},
		"match has a name":                     {seal.For{Scope: "match:prod-*", Name: "db"}, true},
		"match without a name":                 {seal.For{Scope: "match:prod-*"}, false},
		"match with a namespace":               {seal.For{Scope: "match:prod-*", Namespace: "prod", Name: "db"}, false},
		"match without a pattern":              {seal.For{Scope: "match:", Name: "db"}, false},
		"match with a pattern of 63":           {seal.For{Scope: "match:" + long("a", 63), Name: "db"}, true},
		"match with a pattern of 64":           {seal.For{Scope: "match:" + long("a", 64), Name: "db"}, false},
		"match with a bracket":                 {seal.For{Scope: "match:prod-[ab]", Name: "db"}, false},
		"match with a dot":                     {seal.For{Scope: "match:prod.eu", Name: "db"}, false},
		"match in upper case":                  {seal.For{Scope: "Match:prod", Name: "db"}, false},
		"no scope":                             {seal.For{Namespace: "prod", Name: "db"}, false},
		"an unknown scope":                     {seal.For{Scope: "tenant", Namespace: "prod", Name: "db"}, false},
		"a scope with a space":                 {seal.For{Scope: "strict ", Namespace: "prod", Name: "db"}, false},
		"a namespace of 63":                    {seal.For{Scope: "namespace", Namespace: long("n", 63)}, true},
		"a namespace of 64":                    {seal.For{Scope: "namespace", Namespace: long("n", 64)}, false},
		"a namespace with a dot":               {seal.For{Scope: "namespace", Namespace: "a.b"}, false},
		"a namespace with a line feed":         {seal.For{Scope: "namespace", Namespace: "prod\n"}, false},
		"a namespace that begins with a digit": {seal.For{Scope: "namespace", Namespace: "0"}, true},
		"a name of 253 in one part":            {seal.For{Scope: "strict", Namespace: "prod", Name: long("n", 253)}, true},
		"a name of 254":                        {seal.For{Scope: "strict", Namespace: "prod", Name: long("n", 254)}, false},
		"a name with parts":                    {seal.For{Scope: "strict", Namespace: "prod", Name: "a.b-c.0"}, true},
		"a name with an empty part":            {seal.For{Scope: "strict", Namespace: "prod", Name: "a..b"}, false},
		"a name that ends with a dot":          {seal.For{Scope: "strict", Namespace: "prod", Name: "a."}, false},
		"a name with an underscore":            {seal.For{Scope: "strict", Namespace: "prod", Name: "a_b"}, false},
	} {
		want := "InvalidFormat"
		if c.ok {
			want = "ok"
		}
		if got := seal.Outcome(c.f.Check()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestForAllows(t *testing.T) {
	at := func(namespace, name string) seal.Target { return seal.Target{Namespace: namespace, Name: name} }
	match := func(glob string) seal.For { return seal.For{Scope: seal.ScopeMatch + glob, Name: "db"} }
	for name, c := range map[string]struct {
		f    seal.For
		t    seal.Target
		want bool
	}{
		"strict at its place":                       {strictDB, prodDB, true},
		"strict in another namespace":               {strictDB, at("dev", "db"), false},
		"strict under another name":                 {strictDB, at("prod", "db2"), false},
		"strict nowhere":                            {strictDB, at("", ""), false},
		"namespace under any name":                  {seal.For{Scope: "namespace", Namespace: "prod"}, at("prod", "x"), true},
		"namespace elsewhere":                       {seal.For{Scope: "namespace", Namespace: "prod"}, at("prod2", "x"), false},
		"namespace nowhere":                         {seal.For{Scope: "namespace", Namespace: "prod"}, at("", "x"), false},
		"cluster anywhere":                          {seal.For{Scope: "cluster"}, at("x", "y"), true},
		"cluster nowhere":                           {seal.For{Scope: "cluster"}, at("", ""), true},
		"a pattern without a star is the namespace": {match("prod"), at("prod", "db"), true},
		"a pattern matches the whole namespace":     {match("prod"), at("prod-eu", "db"), false},
		"a pattern matches from the start":          {match("prod"), at("my-prod", "db"), false},
		"a star at the end":                         {match("prod-*"), at("prod-eu", "db"), true},
		"a star stands for nothing too":             {match("prod-*"), at("prod-", "db"), true},
		"a star in front":                           {match("*-prod"), at("eu-prod", "db"), true},
		"a star in the middle":                      {match("a*c"), at("abc", "db"), true},
		"a star is not shared by both ends":         {match("a*a"), at("a", "db"), false},
		"two stars go back":                         {match("a*b*c"), at("abxbxc", "db"), true},
		"two stars need their order":                {match("a*b*c"), at("acb", "db"), false},
		"the last piece must end the namespace":     {match("*ab"), at("abab", "db"), true},
		"the last piece does not end it":            {match("*ab"), at("abac", "db"), false},
		"stars only":                                {match("***"), at("x", "db"), true},
		"no pattern matches an empty namespace":     {match("*"), at("", "db"), false},
		"a pattern does not reach the name":         {match("*"), at("prod", "db2"), false},
		"a pattern that asks a naive matcher for years": {
			match(strings.Repeat("a*", 30) + "b"), at(strings.Repeat("a", 63), "db"), false},
	} {
		if got := c.f.Allows(c.t); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestForPrintsItself(t *testing.T) {
	for want, f := range map[string]seal.For{
		"strict prod/db":     strictDB,
		"namespace prod":     {Scope: "namespace", Namespace: "prod"},
		"cluster":            {Scope: "cluster"},
		"match:preview-* db": {Scope: "match:preview-*", Name: "db"},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
