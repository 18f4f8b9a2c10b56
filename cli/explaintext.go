package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// explainText writes explanations for people.
type explainText struct{ out *bytes.Buffer }

// line writes one line; what a file brings cannot pass for another one.
func (t *explainText) line(format string, args ...any) {
	message(t.out, "", fmt.Sprintf(format, args...))
}

func (t *explainText) field(name, format string, args ...any) {
	t.line("  %-12s"+format, append([]any{name}, args...)...)
}

// object writes the verdict first: most people want nothing else.
func (t *explainText) object(x *explanation) {
	verdict := map[string]string{"yes": "would open where it stands", "no": "would not open", "unknown": "cannot say whether it would open where it goes"}[x.Opens]
	if x.Scope == nil {
		verdict = "breaks the format"
	}
	t.line("%s: %s", x.label, verdict)
	for _, p := range x.Problems {
		t.line("  %-12s%s", p.Severity, p.Message)
		if p.Hint != "" {
			t.line("  %-12s%s", "  hint", p.Hint)
		}
	}
	if x.Scope == nil {
		return
	}
	t.field("opens", "%s (scope %s)", x.Scope.Words, shown(x.Scope.Scope))
	t.holders(x)
	t.secret(x)
	t.signature(x)
	if x.RollbackFrom != "" {
		t.field("rollback", "asks to go back from envelope %s", shown(x.RollbackFrom))
	}
	t.items(x)
	t.envelopes(x)
}

func (t *explainText) holders(x *explanation) {
	by := "nobody: it holds nothing"
	switch {
	case len(x.Holders) > 0:
		by = strings.Join(x.Holders, ", ")
	case len(x.Items) > 0:
		by = "nobody can open all of it"
	}
	if x.Environment != "" {
		by += " (environment " + shown(x.Environment) + ")"
	}
	t.field("opened by", "%s", by)
	if x.identitySaid != "" {
		t.field("your keys", "%s", x.identitySaid)
	}
	if x.Class != "" {
		t.field("class", "%s", x.Class)
	}
}

func (t *explainText) secret(x *explanation) {
	becomes := "type " + shown(x.Type)
	if x.Immutable {
		becomes += ", immutable"
		if x.OnImmutable == "Recreate" {
			becomes += " (made anew when it changes)"
		}
	}
	if x.Deletion == "Retain" {
		becomes += ", stays when the GitSecret is deleted"
	} else {
		becomes += ", deleted with the GitSecret"
	}
	t.field("Secret", "%s", becomes)
	if x.Template != nil {
		for _, part := range []struct {
			name string
			keys []string
		}{{"labels", x.Template.Labels}, {"annotations", x.Template.Annotations}, {"rendered", x.Template.Data}} {
			if len(part.keys) > 0 {
				t.field(part.name, "%s", shownNames(part.keys))
			}
		}
	}
	t.field("size", "%s as JSON", sizeWords(x.Size))
}

func (t *explainText) signature(x *explanation) {
	s := x.Signature
	if s == nil {
		t.field("signature", "none")
		return
	}
	by := s.Signer
	if s.Name != "" && s.Name != by {
		by = shown(s.Name) + " (" + by + ")"
	}
	state := "valid"
	switch {
	case !s.Valid:
		state = "not valid"
	case s.Allowed != nil && *s.Allowed:
		state += ", an allowed signer"
	case s.Allowed != nil:
		state += ", no allowed signer"
	}
	t.field("signature", "by %s: %s", by, state)
}

func (t *explainText) items(x *explanation) {
	width := 0
	for _, item := range x.Items {
		width = max(width, len(item.Name))
	}
	t.field("items", "%d", len(x.Items))
	for _, item := range x.Items {
		t.line("    %-*s  at most %s, envelope %s", min(width, 40), item.Name, sizeWords(item.AtMost), item.Envelope)
	}
}

func (t *explainText) envelopes(x *explanation) {
	for _, e := range x.Envelopes {
		used := ""
		if !e.Used {
			used = "; no item names it"
		}
		t.line("  envelope %s, sealed %s (%s)%s", e.ID, e.SealedAt, e.Age, used)
		for _, w := range e.Wraps {
			state := map[wrapState]string{
				wrapCurrent: ", current", wrapStale: ", stale: it has other keys now", wrapExtra: ", no holder of the environment", wrapUnknown: "",
			}[w.State]
			if w.Yours {
				state += ", fits your key"
			}
			t.line("    %s: key %s%s", shown(w.Holder), strings.Join(w.Keys, ", "), state)
			if len(w.WrappedBefore) > 0 {
				before := slices.Clone(w.WrappedBefore)
				t.line("      before: %s", some(before))
			}
		}
	}
}
