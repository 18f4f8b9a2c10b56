package seal

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// Limits of section 12. Sizes are in bytes.
const (
	MaxDocument      = 1536 << 10
	MaxValues        = 1 << 20
	WarnDocument     = 256 << 10
	MaxItems         = 4096
	MaxWraps         = 32
	MaxRecipients    = 8
	MaxWrappedBefore = 64

	tagSize  = 16
	minValue = nonceSize + 64 + tagSize
)

var (
	itemRE     = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)
	envelopeRE = regexp.MustCompile(`^[0-7][0-9a-hjkmnp-tv-z]{25}$`)
	holderRE   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$`)
	signerRE   = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)
	keyIDRE    = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// Checked is a Spec that has passed every check that needs no key, with its byte strings decoded. It shares the Spec's maps: change neither while the other is in use.
type Checked struct {
	spec      *Spec
	items     map[string][]byte
	envelopes map[string]checkedEnvelope
	class     Class
}

type checkedEnvelope struct {
	place  place
	commit []byte
	wraps  map[string]ageFile
}

// Spec is what was checked.
func (c *Checked) Spec() *Spec { return c.spec }

// Class is the class of all wraps; empty where there is no envelope.
func (c *Checked) Class() Class { return c.class }

// CheckItemName says whether name can be a key of a Secret's data (section 2).
func CheckItemName(name string) error {
	if !itemRE.MatchString(name) || name == "." || strings.HasPrefix(name, "..") {
		return formatErr("items", "%s cannot be a key of a Secret: use letters, digits, -, _ and ., at most 253", shown(name))
	}
	return nil
}

// shown is a name from a document as errors may quote it: short, and without anything that a terminal or a log would act on.
func shown(name string) string {
	const most = 64
	plain := name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' })
	switch {
	case plain && len(name) <= most:
		return name
	case len(name) <= most:
		return strconv.QuoteToASCII(name)
	}
	return strconv.QuoteToASCII(name[:most]) + "…"
}

// Check applies sections 2 to 7 and 12 to s, without a key. Errors are ErrFormat.
func Check(s *Spec) (*Checked, error) {
	if s.Format != Format {
		return nil, formatErr("format", "is %d; this version reads %d", s.Format, Format)
	}
	if err := s.For.Check(); err != nil {
		return nil, err
	}
	if s.DeletionPolicy != "" && s.DeletionPolicy != DeletionDelete && s.DeletionPolicy != DeletionRetain {
		return nil, formatErr("deletionPolicy", "must be Delete or Retain")
	}
	if s.OnImmutable != "" && s.OnImmutable != OnImmutableRefuse && s.OnImmutable != OnImmutableRecreate {
		return nil, formatErr("onImmutable", "must be Refuse or Recreate")
	}
	if g := s.Signature; g != nil && (!signerRE.MatchString(g.Signer) || g.SSHSig == "" || len(g.SSHSig) > maxSSHSig) {
		return nil, formatErr("signature", "needs signer (SHA256:…) and sshsig of at most 16 KiB")
	}
	if len(s.Items) > MaxItems || len(s.Envelopes) > MaxItems {
		return nil, formatErr("items", "more than %d items or envelopes", MaxItems)
	}
	c := &Checked{spec: s, items: make(map[string][]byte, len(s.Items)), envelopes: make(map[string]checkedEnvelope, len(s.Envelopes))}
	for _, id := range slices.Sorted(maps.Keys(s.Envelopes)) {
		if err := c.checkEnvelope(id); err != nil {
			return nil, err
		}
	}
	room := 0
	for _, name := range slices.Sorted(maps.Keys(s.Items)) {
		if err := c.checkItem(name); err != nil {
			return nil, err
		}
		room += c.Capacity(name)
	}
	if room > MaxValues {
		return nil, tooLarge(room)
	}
	return c, nil
}

// Capacity is the length of the longest value that the item's ciphertext could hold, in bytes: what anybody can see of a value's length. Limits go by it and not by the
// value, so that no outcome tells more. It is 0 for an item that is not there.
func (c *Checked) Capacity(item string) int {
	return max(0, len(c.items[item])-nonceSize-lengthPrefix-tagSize)
}

func (c *Checked) checkItem(name string) error {
	if err := CheckItemName(name); err != nil {
		return err
	}
	item, field := c.spec.Items[name], "items."+name
	if _, ok := c.spec.Envelopes[item.Envelope]; !ok {
		return &Error{Kind: ErrFormat, Field: field + ".envelope", Msg: "names an envelope that is not there",
			Hint: "a merge may have lost lines: take the item together with its envelope"}
	}
	b, err := decodeBase64(item.Value)
	if err != nil || len(b) < minValue {
		return formatErr(field+".value", "is not base64 of a sealed value")
	}
	c.items[name] = b
	return nil
}

func (c *Checked) checkEnvelope(id string) error {
	e, field := c.spec.Envelopes[id], "envelopes."+shown(id)
	if !envelopeRE.MatchString(id) {
		return formatErr(field, "is not a ULID in lower case")
	}
	u, err := ulid.ParseStrict(strings.ToUpper(id))
	if err != nil {
		return formatErr(field, "is not a ULID in lower case")
	}
	if t, ok := sealedAt(u); !ok || t != e.SealedAt {
		return formatErr(field+".sealedAt", "is not the time of the envelope id")
	}
	commit, err := decodeBase64(e.Commit)
	if err != nil || len(commit) != commitSize {
		return formatErr(field+".commit", "is not base64 of %d bytes", sha256.Size)
	}
	if len(e.Wraps) == 0 || len(e.Wraps) > MaxWraps {
		return formatErr(field+".wraps", "must have 1 to %d holders", MaxWraps)
	}
	ce := checkedEnvelope{place: place{f: c.spec.For, id: id, sealedAt: e.SealedAt}, commit: commit, wraps: make(map[string]ageFile, len(e.Wraps))}
	for _, holder := range slices.Sorted(maps.Keys(e.Wraps)) {
		file, err := checkWrap(field+".wraps", holder, e.Wraps[holder])
		if err != nil {
			return err
		}
		if c.class != "" && file.class != c.class {
			return mixes(field + ".wraps." + holder)
		}
		c.class = file.class
		ce.wraps[holder] = file
	}
	c.envelopes[id] = ce
	return nil
}

func mixes(field string) error {
	return &Error{Kind: ErrFormat, Field: field, Msg: "mixes post-quantum and classical wraps in one object", Hint: "seal all values again for recipients of one class"}
}

func checkWrap(field, holder string, w Wrap) (ageFile, error) {
	field += "." + shown(holder)
	if !holderRE.MatchString(holder) {
		return ageFile{}, formatErr(field, "is not a holder's name")
	}
	if err := checkKeyIDs(field+".keys", w.Keys, 1, MaxRecipients); err != nil {
		return ageFile{}, err
	}
	if err := checkKeyIDs(field+".wrappedBefore", w.WrappedBefore, 0, MaxWrappedBefore); err != nil {
		return ageFile{}, err
	}
	return parseAge(field+".age", w.Age, len(w.Keys))
}

func checkKeyIDs(field string, ids []string, least, most int) error {
	if len(ids) < least || len(ids) > most {
		return formatErr(field, "must have %d to %d key ids", least, most)
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !keyIDRE.MatchString(id) || seen[id] {
			return formatErr(field, "must be different key ids of %d hex digits", KeyIDSize)
		}
		seen[id] = true
	}
	return nil
}

// sealedAt is the time of an envelope id in the one form that section 5 allows; false where the year has five digits.
func sealedAt(u ulid.ULID) (string, bool) {
	t := time.UnixMilli(int64(u.Time())).UTC()
	return t.Format("2006-01-02T15:04:05Z"), t.Year() <= 9999
}

// decodeBase64 is section 1's base64: Go's strict decoder still passes line breaks, so they are refused first.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

// CheckWrap applies section 6 to one wrap, without a key, and gives the class of its stanzas. Errors are ErrFormat.
func CheckWrap(holder string, w Wrap) (Class, error) {
	file, err := checkWrap("wraps", holder, w)
	return file.class, err
}
