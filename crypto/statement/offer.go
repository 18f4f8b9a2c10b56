package statement

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const offerHeader = "waxwing.io/rewrap/v1"

// MaxOffer is the size of a signed offer in bytes.
const MaxOffer = 256 << 10

var (
	envelopeRE = regexp.MustCompile(`^[0-7][0-9a-hjkmnp-tv-z]{25}$`)
	commitRE   = regexp.MustCompile(`^[A-Za-z0-9+/]{43}=$`)
	keyIDRE    = regexp.MustCompile(`^[0-9a-f]{32}$`)
	objectRE   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
)

// Offer is what a keyring offers to whoever keeps a GitSecret in Git: wraps for its present recipients in the place of earlier ones.
type Offer struct {
	Holder string
	// Set is the number of the recipient set that the wraps are for.
	Set uint64
	At  time.Time // to the second
	// Namespace and Name are those of the GitSecret that was opened in the cluster.
	Namespace, Name string
	// Wraps are in byte order of the envelopes.
	Wraps []OfferedWrap
}

// OfferedWrap is a wrap for the envelope with this id and commit.
type OfferedWrap struct {
	Envelope, Commit string
	Wrap             seal.Wrap
}

// Text is the note's text (docs/statements.md).
func (o Offer) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nholder: %s\nset: %d\nat: %s\nnamespace: %s\nname: %s\n", offerHeader, o.Holder, o.Set, o.At.UTC().Format(time.RFC3339), o.Namespace, o.Name)
	for _, w := range o.Wraps {
		fmt.Fprintf(&b, "envelope: %s\ncommit: %s\nkeys: %s\n", w.Envelope, w.Commit, strings.Join(w.Wrap.Keys, " "))
		if len(w.Wrap.WrappedBefore) > 0 {
			fmt.Fprintf(&b, "wrapped-before: %s\n", strings.Join(w.Wrap.WrappedBefore, " "))
		}
		fmt.Fprintf(&b, "age: %s\n", unarmored(w.Wrap.Age))
	}
	return b.String()
}

// Sign gives the signed note, of at most MaxOffer bytes. It has signer sign once.
func (o Offer) Sign(signer note.Signer) ([]byte, error) {
	text := o.Text()
	if _, err := parseOffer(text); err != nil {
		return nil, fmt.Errorf("signing an offer of %s: %w", o.Holder, err)
	}
	b, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("signing an offer of %s: %w", o.Holder, err)
	}
	if len(b) > MaxOffer {
		return nil, fmt.Errorf("signing an offer of %s: it has %d bytes, and at most %d can be offered: seal the object anew, or in parts", o.Holder, len(b), MaxOffer)
	}
	return b, nil
}

// OpenOffer takes a signed note only if it verifies under verifierKey and is about the holder that the key is named after. That the wraps can be used, whoever puts them
// into place has to see.
func OpenOffer(signed []byte, verifierKey string) (Offer, error) {
	if len(signed) > MaxOffer {
		return Offer{}, errors.New("the offer is too large")
	}
	text, holder, err := verified(signed, verifierKey)
	if err != nil {
		return Offer{}, err
	}
	o, err := parseOffer(text)
	if err != nil {
		return Offer{}, err
	}
	if o.Holder != holder {
		return Offer{}, fmt.Errorf("the offer is of holder %s but its statement key is named %s", o.Holder, holder)
	}
	return o, nil
}

// lines reads a text of lines "name: value".
type lines struct{ rest string }

// next gives the value of the next line if it has this name.
func (l *lines) next(name string) (value string, ok bool) {
	line, after, found := strings.Cut(l.rest, "\n")
	value, has := strings.CutPrefix(line, name+": ")
	if !found || !has {
		return "", false
	}
	l.rest = after
	return value, true
}

func parseOffer(text string) (Offer, error) {
	malformed := errors.New("malformed offer of wraps")
	rest, ok := strings.CutPrefix(text, offerHeader+"\n")
	if !ok {
		return Offer{}, errors.New("not an offer of wraps (" + offerHeader + ")")
	}
	l := &lines{rest}
	var head [5]string
	for i, name := range []string{"holder", "set", "at", "namespace", "name"} {
		if head[i], ok = l.next(name); !ok {
			return Offer{}, fmt.Errorf("the offer has no line %q where it belongs", name)
		}
	}
	o := Offer{Holder: head[0], Namespace: head[3], Name: head[4]}
	var serr, terr error
	o.Set, serr = strconv.ParseUint(head[1], 10, 63)
	o.At, terr = time.Parse(time.RFC3339, head[2])
	if serr != nil || terr != nil || o.Set == 0 || !holderRE.MatchString(o.Holder) || !objectRE.MatchString(o.Namespace) || !objectRE.MatchString(o.Name) {
		return Offer{}, malformed
	}
	for l.rest != "" {
		w, ok := l.wrap()
		if !ok || (len(o.Wraps) > 0 && o.Wraps[len(o.Wraps)-1].Envelope >= w.Envelope) {
			return Offer{}, malformed
		}
		o.Wraps = append(o.Wraps, w)
	}
	if len(o.Wraps) == 0 || o.Text() != text {
		return Offer{}, malformed
	}
	return o, nil
}

// wrap reads the lines of one wrap.
func (l *lines) wrap() (w OfferedWrap, ok bool) {
	envelope, ok1 := l.next("envelope")
	commit, ok2 := l.next("commit")
	keys, ok3 := l.next("keys")
	before, rewrapped := l.next("wrapped-before")
	age, ok4 := l.next("age")
	if !ok1 || !ok2 || !ok3 || !ok4 || !envelopeRE.MatchString(envelope) || !commitRE.MatchString(commit) {
		return w, false
	}
	w = OfferedWrap{Envelope: envelope, Commit: commit, Wrap: seal.Wrap{Keys: strings.Split(keys, " "), Age: armored(age)}}
	if rewrapped {
		w.Wrap.WrappedBefore = strings.Split(before, " ")
	}
	for _, id := range append(w.Wrap.Keys[:len(w.Wrap.Keys):len(w.Wrap.Keys)], w.Wrap.WrappedBefore...) {
		if !keyIDRE.MatchString(id) {
			return w, false
		}
	}
	_, err := base64.StdEncoding.Strict().DecodeString(age)
	return w, err == nil && age != ""
}

// The lines of an armored age file (C2SP age, ASCII armor), and how many digits are in one between them.
const (
	armorBegin   = "-----BEGIN AGE ENCRYPTED FILE-----"
	armorEnd     = "-----END AGE ENCRYPTED FILE-----"
	armorColumns = 64
)

// unarmored gives the base64 of an armored age file, in one line.
func unarmored(age string) string {
	age = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(age, armorBegin+"\n"), "\n"), armorEnd)
	return strings.ReplaceAll(age, "\n", "")
}

// armored is the inverse of unarmored.
func armored(text string) string {
	var b strings.Builder
	b.WriteString(armorBegin + "\n")
	for len(text) > 0 {
		n := min(len(text), armorColumns)
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	b.WriteString(armorEnd + "\n")
	return b.String()
}
