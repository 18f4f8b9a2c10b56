package audit

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Lengths of texts in bytes, beyond which they are cut. JSON writes a byte as six at worst, so the texts of one record fit into MaxRecord beside empty lists.
const (
	maxText    = 256
	maxMessage = 4 << 10
	// maxItem is that of an item, which has room for NAMESPACE/NAME whatever the two are.
	maxItem = 320
	// maxCheckpoint is that of a signed checkpoint of one line each of origin, size, root and signature; maxOthers how many a record lists.
	maxCheckpoint = 1 << 10
	maxOthers     = 16
	// maxInteger is the greatest number that RFC 8785 can write exactly: its numbers are those of JavaScript.
	maxInteger = 1<<53 - 1
)

// clip copies what r points to, with every text cut to its length and every number within what can be written, so that nothing of the caller's is changed.
func clip(r Record) Record {
	r.ID, r.Replica, r.Phase = cut(r.ID, maxText), cut(r.Replica, maxText), Phase(cut(string(r.Phase), maxText))
	r.ClockOffset, r.Term = clipNumber(r.ClockOffset), clipNumber(r.Term)
	if r.Omitted != nil {
		o := *r.Omitted
		r.Omitted = &o
	}
	if r.Operation != nil {
		op := *r.Operation
		op.Action, op.Actor = Action(cut(string(op.Action), maxText)), clipActor(op.Actor)
		op.Object, op.Keys, op.Items = clipObject(op.Object), clipKeys(op.Keys), cutAll(op.Items, maxItem)
		op.Log = clipLog(op.Log)
		var omitted int
		if op.Term, omitted = clipTerm(op.Term); omitted > 0 {
			r.omitted().Others += omitted
		}
		r.Operation = &op
	}
	if r.Outcome != nil {
		out := *r.Outcome
		out.Reason, out.Message, out.Keys = cut(out.Reason, maxText), cut(out.Message, maxMessage), clipKeys(out.Keys)
		out.VaultRequest = cut(out.VaultRequest, maxText)
		if out.Secret != nil {
			o := clipObject(*out.Secret)
			out.Secret = &o
		}
		r.Outcome = &out
	}
	return r
}

func clipObject(o Object) Object {
	o.Kind, o.Namespace, o.Name = cut(o.Kind, maxText), cut(o.Namespace, maxText), cut(o.Name, maxText)
	o.UID, o.ResourceVersion = cut(o.UID, maxText), cut(o.ResourceVersion, maxText)
	o.Generation = *clipNumber(&o.Generation)
	return o
}

func clipActor(a Actor) Actor {
	a.User, a.Manager, a.Signer = cut(a.User, maxText), cut(a.Manager, maxText), cut(a.Signer, maxText)
	if a.Git != nil {
		a.Git = &Git{Commit: cut(a.Git.Commit, maxText), Author: cut(a.Git.Author, maxText)}
	}
	return a
}

// clipTerm leaves out checkpoints beyond maxOthers, and those that are no checkpoint of ours for their length: a part of one proves nothing.
func clipTerm(t *Term) (clipped *Term, omitted int) {
	if t == nil {
		return nil, 0
	}
	c := Term{Number: *clipNumber(&t.Number), Holder: cut(t.Holder, maxText)}
	for _, other := range t.Others {
		if len(other) > maxCheckpoint || len(c.Others) == maxOthers {
			omitted++
			continue
		}
		c.Others = append(c.Others, valid(other))
	}
	return &c, omitted
}

func clipLog(l *LogState) *LogState {
	if l == nil {
		return nil
	}
	c := *l
	c.Origin, c.Cites = cut(l.Origin, maxText), cut(l.Cites, maxCheckpoint)
	c.Unmatched = cutAll(l.Unmatched[:min(len(l.Unmatched), MaxUnmatched)], maxText)
	c.Part, c.More = int(*clipNumber(new(int64(l.Part)))), int(*clipNumber(new(int64(l.More + len(l.Unmatched) - len(c.Unmatched)))))
	return &c
}

func clipKeys(keys []Key) []Key {
	out := make([]Key, len(keys))
	for i, k := range keys {
		out[i] = Key{Keyring: cut(k.Keyring, maxText), ID: cut(k.ID, maxText), Envelope: cut(k.Envelope, maxText)}
	}
	return out
}

func clipNumber(n *int64) *int64 {
	if n == nil {
		return nil
	}
	return new(max(-maxInteger, min(*n, maxInteger)))
}

func cutAll(texts []string, n int) []string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = cut(s, n)
	}
	return out
}

// cut shortens s to at most n bytes, between characters, and marks that it did.
func cut(s string, n int) string {
	const mark = "…"
	if s = valid(s); len(s) <= n {
		return s
	}
	end := n - len(mark)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// valid has U+FFFD for each byte of s that is no text, as JSON will have it.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}

func (r *Record) omitted() *Omitted {
	if r.Omitted == nil {
		r.Omitted = &Omitted{}
	}
	return r.Omitted
}

// halve drops the second half of the longest list of r, which clip has copied, and counts what it drops; false when there is no list.
func halve(r *Record) bool {
	var texts [3]*[]string // items, checkpoints, intents
	var keys [2]*[]Key
	if op := r.Operation; op != nil {
		texts[0], keys[0] = &op.Items, &op.Keys
		if op.Term != nil {
			texts[1] = &op.Term.Others
		}
		if op.Log != nil {
			texts[2] = &op.Log.Unmatched
		}
	}
	if r.Outcome != nil {
		keys[1] = &r.Outcome.Keys
	}
	lengths := []int{length(texts[0]), length(texts[1]), length(texts[2]), length(keys[0]), length(keys[1])}
	longest := slices.Max(lengths)
	if longest == 0 {
		return false
	}
	switch which := slices.Index(lengths, longest); which {
	case 0:
		r.omitted().Items += shorten(texts[0])
	case 1:
		r.omitted().Others += shorten(texts[1])
	case 2:
		r.Operation.Log.More += shorten(texts[2])
	default:
		r.omitted().Keys += shorten(keys[which-len(texts)])
	}
	return true
}

func length[T any](list *[]T) int {
	if list == nil {
		return 0
	}
	return len(*list)
}

func shorten[T any](list *[]T) (dropped int) {
	n := len(*list) / 2
	dropped = len(*list) - n
	*list = (*list)[:n]
	return dropped
}
