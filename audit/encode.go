package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
)

// MaxRecord is the greatest length of a record in bytes: what a C2SP tlog-tiles entry bundle can hold as one entry.
const MaxRecord = 1<<16 - 1

// Lengths of texts in bytes, beyond which they are cut. JSON writes a byte as six at worst, so the texts of one record fit into MaxRecord beside empty lists.
const (
	maxText    = 256
	maxMessage = 4 << 10
	// maxCheckpoint is that of a signed checkpoint of one line each of origin, size, root and signature; maxOthers how many a record lists.
	maxCheckpoint = 1 << 10
	maxOthers     = 16
)

// encode gives the record in the form of RFC 8785, which has one form of each record and no line ends. Lists that are too long lose their tails, which the record counts.
func encode(r Record) ([]byte, error) {
	r = clip(r)
	line, err := marshal(r)
	for err == nil && len(line) > MaxRecord {
		if !halve(&r) {
			break
		}
		line, err = marshal(r)
	}
	return line, err
}

// Decode reads a record. One of another version is an error that says so.
func Decode(b []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("not a record: %w", err)
	}
	if r.Version != Version {
		return Record{}, fmt.Errorf("a record of version %d; this program reads %d", r.Version, Version)
	}
	return r, nil
}

func marshal(r Record) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(b)
}

// clip copies what r points to, with every text cut to its length, so that nothing of the caller's is changed.
func clip(r Record) Record {
	r.Replica = cut(r.Replica, maxText)
	if r.Operation != nil {
		op := *r.Operation
		op.Action, op.Actor = Action(cut(string(op.Action), maxText)), clipActor(op.Actor)
		op.Term, op.Log = clipTerm(op.Term), clipLog(op.Log)
		op.Object, op.Keys = clipObject(op.Object), clipKeys(op.Keys)
		op.Items = make([]string, len(r.Operation.Items))
		for i, item := range r.Operation.Items {
			op.Items[i] = cut(item, maxText)
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
	return o
}

func clipActor(a Actor) Actor {
	a.User, a.Manager, a.Signer = cut(a.User, maxText), cut(a.Manager, maxText), cut(a.Signer, maxText)
	if a.Git != nil {
		a.Git = &Git{Commit: cut(a.Git.Commit, maxText), Author: cut(a.Git.Author, maxText)}
	}
	return a
}

func clipTerm(t *Term) *Term {
	if t == nil {
		return nil
	}
	c := Term{Number: t.Number, Holder: cut(t.Holder, maxText), Others: make([]string, min(len(t.Others), maxOthers))}
	for i := range c.Others {
		c.Others[i] = cut(t.Others[i], maxCheckpoint)
	}
	return &c
}

func clipLog(l *LogState) *LogState {
	if l == nil {
		return nil
	}
	c := *l
	c.Origin, c.Cites = cut(l.Origin, maxText), cut(l.Cites, maxCheckpoint)
	c.Unmatched = make([]string, min(len(l.Unmatched), MaxUnmatched))
	c.More += len(l.Unmatched) - len(c.Unmatched)
	for i := range c.Unmatched {
		c.Unmatched[i] = cut(l.Unmatched[i], maxText)
	}
	return &c
}

func clipKeys(keys []Key) []Key {
	out := make([]Key, len(keys))
	for i, k := range keys {
		out[i] = Key{Keyring: cut(k.Keyring, maxText), ID: cut(k.ID, maxText), Envelope: cut(k.Envelope, maxText)}
	}
	return out
}

// cut shortens s to at most n bytes, between characters, and marks that it did.
func cut(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return s
	}
	s = s[:n-len(mark)]
	// At most utf8.UTFMax-1 bytes of a broken character can stand at the end.
	for range utf8.UTFMax - 1 {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + mark
}

// halve drops the second half of the longest list of r; false when there is none.
func halve(r *Record) bool {
	var items *[]string
	var keys []*[]Key
	if r.Operation != nil {
		items, keys = &r.Operation.Items, append(keys, &r.Operation.Keys)
	}
	if r.Outcome != nil {
		keys = append(keys, &r.Outcome.Keys)
	}
	longest := slices.MaxFunc(append(keys, &[]Key{}), func(a, b *[]Key) int { return len(*a) - len(*b) })
	if r.Omitted == nil {
		r.Omitted = &Omitted{}
	}
	before := *r.Omitted
	if items != nil && len(*items) >= len(*longest) {
		r.Omitted.Items += shorten(items)
	} else {
		r.Omitted.Keys += shorten(longest)
	}
	return *r.Omitted != before
}

func shorten[T any](list *[]T) (dropped int) {
	n := len(*list) / 2
	dropped = len(*list) - n
	*list = (*list)[:n]
	return dropped
}
