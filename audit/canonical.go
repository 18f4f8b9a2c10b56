package audit

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf8"
)

// marshal gives r in the form of RFC 8785: names in the order of their bytes, no white space, and of each text one spelling. It is written out by hand because
// encoding/json and a transformation of what it gives take ten times as long; a test holds it against the two of them.
func marshal(r Record) ([]byte, error) {
	if y := r.Time.UTC().Year(); y < 0 || y > 9999 {
		return nil, errors.New("a record's time has a year of more than four digits")
	}
	w := make(canon, 0, 1024)
	w.object(func() {
		if r.ClockOffset != nil {
			w.number("clockOffsetMillis", *r.ClockOffset)
		}
		w.text("id", r.ID)
		if o := r.Omitted; o != nil {
			w.name("omitted")
			w.object(func() { w.count("items", o.Items); w.count("keys", o.Keys); w.count("others", o.Others) })
		}
		if r.Operation != nil {
			w.name("operation")
			w.operation(r.Operation)
		}
		if r.Outcome != nil {
			w.name("outcome")
			w.outcome(r.Outcome)
		}
		w.text("phase", string(r.Phase))
		w.optional("replica", r.Replica)
		if r.Term != nil {
			w.number("term", *r.Term)
		}
		w.name("time")
		w = append(r.Time.UTC().AppendFormat(append(w, '"'), time.RFC3339Nano), '"')
		w.number("v", int64(r.Version))
	})
	return w, nil
}

// canon is a document that is being written. Its methods take the names of an object's members in their order.
type canon []byte

func (w *canon) operation(op *Operation) {
	w.object(func() {
		w.text("action", string(op.Action))
		w.name("actor")
		w.actor(op.Actor)
		w.texts("items", op.Items)
		w.keys(op.Keys)
		if l := op.Log; l != nil {
			w.name("log")
			w.object(func() {
				w.optional("cites", l.Cites)
				w.count("more", l.More)
				w.text("origin", l.Origin)
				w.number("part", int64(l.Part))
				w.texts("unmatched", l.Unmatched)
			})
		}
		w.name("object")
		w.about(op.Object)
		if t := op.Term; t != nil {
			w.name("term")
			w.object(func() { w.text("holder", t.Holder); w.number("number", t.Number); w.texts("others", t.Others) })
		}
	})
}

func (w *canon) outcome(out *Outcome) {
	w.object(func() {
		w.keys(out.Keys)
		w.optional("message", out.Message)
		w.name("ok")
		*w = strconv.AppendBool(*w, out.OK)
		w.optional("reason", out.Reason)
		if out.Secret != nil {
			w.name("secret")
			w.about(*out.Secret)
		}
		w.optional("vaultRequest", out.VaultRequest)
	})
}

func (w *canon) actor(a Actor) {
	w.object(func() {
		if a.Git != nil {
			w.name("git")
			w.object(func() { w.optional("author", a.Git.Author); w.optional("commit", a.Git.Commit) })
		}
		w.optional("manager", a.Manager)
		w.optional("signer", a.Signer)
		w.text("user", a.User)
	})
}

func (w *canon) about(o Object) {
	w.object(func() {
		if o.Generation != 0 {
			w.number("generation", o.Generation)
		}
		w.optional("kind", o.Kind)
		w.optional("name", o.Name)
		w.optional("namespace", o.Namespace)
		w.optional("resourceVersion", o.ResourceVersion)
		w.optional("uid", o.UID)
	})
}

func (w *canon) keys(keys []Key) {
	if len(keys) == 0 {
		return
	}
	w.name("keys")
	w.array(len(keys), func(i int) {
		w.object(func() {
			w.optional("envelope", keys[i].Envelope)
			w.optional("id", keys[i].ID)
			w.optional("keyring", keys[i].Keyring)
		})
	})
}

func (w *canon) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.array(len(list), func(i int) { w.quote(list[i]) })
}

func (w *canon) object(members func()) {
	*w = append(*w, '{')
	members()
	*w = append(*w, '}')
}

func (w *canon) array(n int, element func(i int)) {
	for i := range n {
		*w = append(*w, "[,"[min(i, 1)])
		element(i)
	}
	*w = append(*w, ']')
}

func (w *canon) name(s string) {
	if (*w)[len(*w)-1] != '{' {
		*w = append(*w, ',')
	}
	*w = append(append(append(*w, '"'), s...), '"', ':')
}

func (w *canon) text(name, s string) {
	w.name(name)
	w.quote(s)
}

func (w *canon) optional(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *canon) number(name string, n int64) {
	w.name(name)
	*w = strconv.AppendInt(*w, n, 10)
}

func (w *canon) count(name string, n int) {
	if n != 0 {
		w.number(name, int64(n))
	}
}

// quote writes a text. A byte that is no text becomes U+FFFD, as encoding/json has it.
func (w *canon) quote(s string) {
	b := append(*w, '"')
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = appendControl(b, c)
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		}
		i++
	}
	*w = append(b, '"')
}

func appendControl(b []byte, c byte) []byte {
	const short, hex = "btn\x00fr", "0123456789abcdef"
	if c >= '\b' && c <= '\r' && c != '\v' {
		return append(b, '\\', short[c-'\b'])
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
