package desired

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/scan"
)

const (
	// maxWeight bounds what is kept of one file (content.weight).
	maxWeight = 20_000
	// refusalWeight is what a refusal counts for beside an envelope or a key id.
	refusalWeight = 4
)

// content is what is known of a file's content, whatever its path.
type content struct {
	objects []Object  // without Path and Blob
	refused []Refusal // without Path
	// keys are key ids that refused objects may be wrapped for; more says that there are more, or may be.
	keys []string
	more bool
	// weight is how much of Limits.Entries it takes, count how many objects it has. over says that it was not kept, for want of room.
	weight, count int
	over          bool
}

// span is a piece of a text, of which a parser takes 16 MiB at the most; nothing of it stands for all.
type span struct{ from, to int32 }

func (s span) of(text []byte) []byte {
	if s.to == 0 || int(s.to) > len(text) || s.from > s.to {
		return text
	}
	return text[s.from:s.to]
}

// look reads a file's content. It never fails: what cannot be read is refused.
func look(data []byte, json bool, parse parser) (c *content) {
	defer func() {
		// The parsers are not all ours, and what they are given is hostile.
		if recover() != nil {
			c = &content{more: true}
			c.refuse(0, InvalidYAML, "no parser can read it", false)
			c.weigh()
		}
	}()
	l := &looker{content: &content{}, parse: parse}
	l.look(data, json)
	c = l.content
	if c.weigh(); c.weight > maxWeight {
		c = tooMany(fmt.Sprintf("holds more than %d envelopes, key ids and refusals: split it", maxWeight))
	}
	return c
}

// tooMany refuses a file for the number of things in it.
func tooMany(message string) *content {
	c := &content{more: true}
	c.refuse(0, TooMany, message, false)
	c.weigh()
	return c
}

func (c *content) refuse(document int, reason, message string, known bool) {
	c.refused = append(c.refused, Refusal{Document: document, Reason: reason, Message: message, Known: known})
}

func (c *content) weigh() {
	c.count = len(c.objects)
	c.weight = len(c.keys) + refusalWeight*len(c.refused)
	for _, o := range c.objects {
		c.weight += 1 + len(o.Envelopes) + len(o.Keys)
	}
}

// looker reads one content.
type looker struct {
	*content
	parse  parser
	others passedOver
}

func (l *looker) look(data []byte, json bool) {
	if reason, message := unreadable(data); reason != "" {
		l.refuse(0, reason, message, false)
		return
	}
	found := scan.Bytes(data)
	// What is of this project's group may be a GitSecret that was cut.
	if !found.MayBeSealed() && !bytes.Contains(data, []byte(group+"/v")) {
		l.others.scan(data)
		l.others.refuse(l.content)
		return
	}
	defer func() {
		if slices.ContainsFunc(l.refused, func(r Refusal) bool { return !r.Known }) {
			l.suspect(found)
		}
	}()
	if scan.Nodes(data) > scan.MaxNodes {
		l.refuse(0, TooMany, fmt.Sprintf("holds more than %d values: split it", scan.MaxNodes), false)
		return
	}
	name := "f.yaml"
	if json {
		name = "f.json" // errors are then about JSON
	}
	file, err := l.parse(name, data)
	if err != nil {
		l.refuse(0, InvalidYAML, parseMessage(err), false)
		return
	}
	at := 0
	if bytes.HasPrefix(data, []byte(byteOrderMark)) {
		at = len(byteOrderMark)
	}
	for i, d := range file.Docs() {
		next := at + len(d.Bytes())
		l.document(d, i+1, span{int32(at), int32(next)}, 0)
		at = next
	}
	l.others.refuse(l.content)
}

// suspect notes what looks like a key id in a file that holds what could not be read.
func (l *looker) suspect(found scan.Finding) {
	l.keys, l.more = found.Keys, found.Unsure
	if len(l.keys) > MaxKeys {
		l.keys, l.more = slices.Clone(l.keys[:MaxKeys]), true
	}
}

const byteOrderMark = "\ufeff"

// unreadable says why a content is no text that could be read; empty: it is one.
func unreadable(data []byte) (reason, message string) {
	begins := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	switch {
	case begins("version https://git-lfs.github.com/spec/"), begins("version https://hawser.github.com/spec/"):
		return LFSPointer, "is a pointer of Git LFS: its content is not in the repository; sealed files are small, so keep them out of LFS (.gitattributes)"
	case begins("\x00GITCRYPT\x00"):
		return WrongEncoding, "is encrypted by git-crypt: a sealed file needs no other encryption, so take it out of .gitattributes"
	case begins("\xff\xfe"), begins("\xfe\xff"):
		return WrongEncoding, "is UTF-16: save it as UTF-8"
	case begins("\x1f\x8b"):
		return WrongEncoding, "is compressed by gzip: unpack it"
	case bytes.IndexByte(data, 0) >= 0:
		return WrongEncoding, "has a NUL byte: it is no text in UTF-8"
	case !utf8.Valid(data):
		return WrongEncoding, "is not UTF-8: save it as UTF-8"
	}
	return "", ""
}

// parseMessage is what a parser says, without a file's name: one content may be that of several.
func parseMessage(err error) string {
	var e *manifest.Error
	if !errors.As(err, &e) {
		return "cannot be read"
	}
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString(": " + e.Hint)
	}
	return b.String()
}
