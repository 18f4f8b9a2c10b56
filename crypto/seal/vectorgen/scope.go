package main

import (
	"fmt"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// placed is a document sealed for f that stands at target.
func (w *world) placed(f seal.For, target seal.Target) forge.Tree {
	return forge.Document(spec(forge.New(f, sealedAt), baseValues, w.prod), target)
}

func scope(w *world) []vector {
	var all []vector
	for _, part := range []func(*world) []vector{scopesThatFit, scopesThatDiffer, scopesThatAreNone} {
		all = append(all, part(w)...)
	}
	return all
}

func scopesThatFit(w *world) []vector {
	var all []vector
	long := strings.Repeat("a", 100) + "." + strings.Repeat("b", 152)
	for _, c := range []struct {
		f  seal.For
		at seal.Target
	}{
		{seal.For{Scope: "strict", Namespace: "prod", Name: "db"}, seal.Target{Namespace: "prod", Name: "db"}},
		{seal.For{Scope: "strict", Namespace: strings.Repeat("n", 63), Name: long}, seal.Target{Namespace: strings.Repeat("n", 63), Name: long}},
		{seal.For{Scope: "strict", Namespace: "0-0", Name: "0.1-1.2"}, seal.Target{Namespace: "0-0", Name: "0.1-1.2"}},
		{seal.For{Scope: "namespace", Namespace: "prod"}, seal.Target{Namespace: "prod", Name: "anything"}},
		{seal.For{Scope: "namespace", Namespace: "prod"}, seal.Target{Namespace: "prod"}},
		{seal.For{Scope: "cluster"}, seal.Target{Namespace: "prod", Name: "db"}},
		{seal.For{Scope: "cluster"}, seal.Target{}},
		{seal.For{Scope: "cluster"}, seal.Target{Namespace: "No Namespace", Name: "ü"}},
		{seal.For{Scope: "match:preview-*", Name: "db"}, seal.Target{Namespace: "preview-17", Name: "db"}},
		{seal.For{Scope: "match:preview-*", Name: "db"}, seal.Target{Namespace: "preview-", Name: "db"}},
		{seal.For{Scope: "match:*", Name: "db"}, seal.Target{Namespace: "x", Name: "db"}},
		{seal.For{Scope: "match:***", Name: "db"}, seal.Target{Namespace: "x", Name: "db"}},
		{seal.For{Scope: "match:prod", Name: "db"}, seal.Target{Namespace: "prod", Name: "db"}},
		{seal.For{Scope: "match:a*b*c", Name: "db"}, seal.Target{Namespace: "abbcbc", Name: "db"}},
		{seal.For{Scope: "match:*-prod", Name: "db"}, seal.Target{Namespace: "eu-prod-prod", Name: "db"}},
		{seal.For{Scope: "match:" + strings.Repeat("*", 63), Name: "db"}, seal.Target{Namespace: "prod", Name: "db"}},
	} {
		all = append(all, w.ok(fmt.Sprintf("sealed for %s, standing at %s/%s", name(c.f), short(c.at.Namespace), short(c.at.Name)), w.placed(c.f, c.at)))
	}
	doc := w.placed(seal.For{Scope: "cluster"}, seal.Target{})
	return append(all,
		w.ok("no metadata at all, for the whole cluster", doc.Delete("metadata")),
		w.ok("empty strings in for count as absent", doc.Set("", "spec", "for", "name").Set("", "spec", "for", "namespace")),
	)
}

func scopesThatDiffer(w *world) []vector {
	strict := seal.For{Scope: "strict", Namespace: "prod", Name: "db"}
	var all []vector
	for _, c := range []struct {
		f  seal.For
		at seal.Target
	}{
		{strict, seal.Target{Namespace: "dev", Name: "db"}},
		{strict, seal.Target{Namespace: "prod", Name: "db2"}},
		{strict, seal.Target{Namespace: "db", Name: "prod"}},
		{strict, seal.Target{Namespace: "prod", Name: "DB"}},
		{strict, seal.Target{Name: "db"}},
		{strict, seal.Target{Namespace: "prod"}},
		{seal.For{Scope: "namespace", Namespace: "prod"}, seal.Target{Namespace: "prod2", Name: "db"}},
		{seal.For{Scope: "namespace", Namespace: "prod"}, seal.Target{Name: "db"}},
		{seal.For{Scope: "match:preview-*", Name: "db"}, seal.Target{Namespace: "preview", Name: "db"}},
		{seal.For{Scope: "match:preview-*", Name: "db"}, seal.Target{Namespace: "my-preview-1", Name: "db"}},
		{seal.For{Scope: "match:preview-*", Name: "db"}, seal.Target{Namespace: "preview-1", Name: "other"}},
		{seal.For{Scope: "match:prod", Name: "db"}, seal.Target{Namespace: "prod-2", Name: "db"}},
		{seal.For{Scope: "match:a*a", Name: "db"}, seal.Target{Namespace: "a", Name: "db"}},
		{seal.For{Scope: "match:a*b*c", Name: "db"}, seal.Target{Namespace: "acb", Name: "db"}},
		{seal.For{Scope: "match:*", Name: "db"}, seal.Target{Name: "db"}},
		{seal.For{Scope: "match:*-prod", Name: "db"}, seal.Target{Namespace: "eu-prod-2", Name: "db"}},
	} {
		all = append(all, w.bad(scopeMismatch, fmt.Sprintf("sealed for %s, standing at %s/%s", name(c.f), c.at.Namespace, c.at.Name), w.placed(c.f, c.at)))
	}
	return append(all, w.bad(scopeMismatch, "no metadata, for one object", w.doc().Delete("metadata")))
}

func scopesThatAreNone(w *world) []vector {
	var all []vector
	for _, f := range []seal.For{
		{Scope: ""},
		{Scope: "Strict", Namespace: "prod", Name: "db"},
		{Scope: "strict", Namespace: "prod"},
		{Scope: "strict", Name: "db"},
		{Scope: "namespace", Namespace: "prod", Name: "db"},
		{Scope: "namespace"},
		{Scope: "cluster", Namespace: "prod"},
		{Scope: "cluster", Name: "db"},
		{Scope: "match:", Name: "db"},
		{Scope: "match", Name: "db"},
		{Scope: "match:prod"},
		{Scope: "match:prod", Namespace: "prod", Name: "db"},
		{Scope: "match:Prod", Name: "db"},
		{Scope: "match:pro?", Name: "db"},
		{Scope: "match:prod\n", Name: "db"},
		{Scope: "match:" + strings.Repeat("a", 64), Name: "db"},
		{Scope: "strict", Namespace: "Prod", Name: "db"},
		{Scope: "strict", Namespace: "pr.od", Name: "db"},
		{Scope: "strict", Namespace: "-prod", Name: "db"},
		{Scope: "strict", Namespace: "prod-", Name: "db"},
		{Scope: "strict", Namespace: "prod\n", Name: "db"},
		{Scope: "strict", Namespace: strings.Repeat("n", 64), Name: "db"},
		{Scope: "strict", Namespace: "prod", Name: "d_b"},
		{Scope: "strict", Namespace: "prod", Name: "db."},
		{Scope: "strict", Namespace: "prod", Name: "d..b"},
		{Scope: "strict", Namespace: "prod", Name: "d.-b"},
		{Scope: "strict", Namespace: "prod", Name: strings.Repeat("n", 254)},
	} {
		all = append(all, w.bad(invalidFormat, "for that is none: "+name(f), w.placed(f, seal.Target{Namespace: f.Namespace, Name: f.Name})))
	}
	return append(all, w.bad(invalidFormat, "for without scope", w.doc().Delete("spec", "for", "scope")))
}

func name(f seal.For) string {
	return quoted(short(f.Scope)) + " " + quoted(short(f.Namespace)) + " " + quoted(short(f.Name))
}

func short(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%s… (%d)", s[:8], len(s))
	}
	return s
}
