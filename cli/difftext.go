package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/repo/change"
)

func markOf(k change.Kind) rune {
	switch k {
	case change.Added:
		return '+'
	case change.Removed:
		return '-'
	}
	return '~'
}

// difference writes what differs in one object.
func (t *reportText) difference(level int, d change.Difference, values []valueDiff) {
	t.mark(level, markOf(d.Change), placeText(d.Namespace, d.Name)+" ("+quotedFor(d.For)+")")
	level++
	if d.Problem != "" {
		t.mark(level, '!', "it does not open as it is: "+d.Problem)
	}
	t.items(level, d, values)
	for _, w := range d.Wraps {
		t.mark(level, markOf(w.Change), wrapText(w))
	}
	for _, f := range d.Fields {
		t.mark(level, markOf(f.Change), fieldText(f))
	}
	if s := d.Signature; s != nil {
		t.mark(level, markOf(s.Change), signatureText(*s))
	}
	if n := len(d.Unchanged); n > 0 && d.Change == change.Changed && len(d.Items) > 0 {
		t.note(level, "  "+count(n, "other item")+" unchanged")
	}
}

// placeText is namespace/name, for people.
func placeText(namespace, name string) string {
	if namespace == "" {
		return shown(name)
	}
	return shown(namespace) + "/" + shown(name)
}

// quotedFor is a place as seal.For describes it, which has a space in it.
func quotedFor(text string) string {
	parts := strings.Split(cut(text, 200), " ")
	for i, part := range parts {
		if scope, glob, ok := strings.Cut(part, ":"); ok && scope == "match" && !strings.ContainsFunc(strings.ReplaceAll(glob, "*", ""), notPlain) {
			continue
		}
		if part != "" {
			parts[i] = shown(part)
		}
	}
	return strings.Join(parts, " ")
}

func notPlain(r rune) bool { return !strings.ContainsRune(plainChars, r) }

// items writes the items, their values if they were asked for, and each new envelope once.
func (t *reportText) items(level int, d change.Difference, values []valueDiff) {
	const widest = 32
	width := 0
	for _, item := range d.Items {
		width = max(width, min(len(shown(item.Name)), widest))
	}
	envelopes := map[string]bool{}
	for i, item := range d.Items {
		t.mark(level, markOf(item.Change), fmt.Sprintf("%-*s  %s", width, shown(item.Name), sealedText(item)))
		if i < len(values) {
			t.value(level+2, values[i])
		}
		if lost, won := holderChanges(item); lost+won != "" {
			t.mark(level+1, '!', strings.TrimPrefix(lost+won, "; "))
		}
		if item.New != nil {
			envelopes[item.New.Envelope] = true
		}
	}
	for _, item := range d.Items {
		if item.New == nil || !envelopes[item.New.Envelope] {
			continue
		}
		envelopes[item.New.Envelope] = false
		t.note(level, "  "+shown(item.New.Envelope)+" opens for "+holdersText(item.New.Holders))
	}
}

func sealedText(item change.Item) string {
	one := func(s *change.Sealing) string { return "sealed " + shownTime(s.SealedAt) + " in " + shown(s.Envelope) }
	switch item.Change {
	case change.Added:
		return one(item.New)
	case change.Removed:
		return "was " + one(item.Old)
	}
	if item.Old.Envelope == item.New.Envelope {
		return one(item.New) + ", the same envelope as before: no tool does that"
	}
	return one(item.New) + ", before " + shownTime(item.Old.SealedAt)
}

// holderChanges says for whom a changed item is sealed that it was not before, and the other way round.
func holderChanges(item change.Item) (lost, won string) {
	if item.Change != change.Changed {
		return "", ""
	}
	only := func(a, b *change.Sealing) string {
		var names []string
		for _, h := range a.Holders {
			if !slices.ContainsFunc(b.Holders, func(o change.Holder) bool { return o.Name == h.Name }) {
				names = append(names, shown(h.Name))
			}
		}
		return strings.Join(names, ", ")
	}
	if names := only(item.Old, item.New); names != "" {
		lost = "no longer sealed for " + names
	}
	if names := only(item.New, item.Old); names != "" {
		won = "; now also sealed for " + names
	}
	return lost, won
}

func holdersText(holders []change.Holder) string {
	if len(holders) == 0 {
		return "nobody"
	}
	texts := make([]string, len(holders))
	for i, h := range holders {
		texts[i] = shown(h.Name) + " (" + shownKeys(h.Keys)
		if len(h.WrappedBefore) > 0 {
			texts[i] += "; earlier " + shownKeys(h.WrappedBefore)
		}
		texts[i] += ")"
	}
	return strings.Join(texts, ", ")
}

func wrapText(w change.Wrap) string {
	var text string
	switch {
	case w.Change == change.Added:
		text = "can be opened by " + shown(w.Holder) + " now (" + shownKeys(w.New) + ")"
	case w.Change == change.Removed:
		text = "has no wrap for " + shown(w.Holder) + " any more (" + shownKeys(w.Old) + ")"
	case slices.Equal(w.Old, w.New):
		text = "rewrapped for " + shown(w.Holder) + " (" + shownKeys(w.New) + ", the same keys)"
	default:
		text = "rewrapped for " + shown(w.Holder) + " (" + shownKeys(w.Old) + " -> " + shownKeys(w.New) + ")"
	}
	if len(w.Items) == 0 {
		return text + ": no item"
	}
	names := make([]string, len(w.Items))
	for i, name := range w.Items {
		names[i] = shown(name)
	}
	return text + ": " + some(names)
}

func fieldText(f change.Field) string {
	show := func(text string) string {
		if text == "" {
			return "none"
		}
		return quotedFor(text)
	}
	path := f.Path
	if strings.ContainsFunc(path, notPlain) {
		path = fmt.Sprintf("%q", cut(path, 200))
	}
	if f.Old == f.New {
		return path
	}
	return path + ": " + show(f.Old) + " -> " + show(f.New)
}

func signatureText(s change.Signature) string {
	who := func(text string) string { return cut(strings.Map(visible, text), 60) }
	switch {
	case s.Change == change.Added:
		return "signed by " + who(s.New)
	case s.Change == change.Removed:
		return "not signed any more; was signed by " + who(s.Old)
	case s.Old == s.New:
		return "signed again by " + who(s.New)
	}
	return "signed by " + who(s.New) + ", before by " + who(s.Old)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
