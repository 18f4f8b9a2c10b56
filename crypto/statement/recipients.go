package statement

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const recipientsHeader = "waxwing.io/recipients/v1"

var holderRE = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$`)

// Recipients is a holder's numbered recipient set. A higher Set replaces a lower one.
type Recipients struct {
	Holder     string
	Set        uint64
	At         time.Time // to the second
	Recipients []seal.Recipient
}

// Text is the note's text (docs/statements.md).
func (r Recipients) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nholder: %s\nset: %d\nat: %s\n", recipientsHeader, r.Holder, r.Set, r.At.UTC().Format(time.RFC3339))
	for _, k := range r.Recipients {
		fmt.Fprintf(&b, "recipient: %s\n", k)
	}
	return b.String()
}

// SealHolder is the set as a holder to seal for.
func (r Recipients) SealHolder() seal.Holder {
	return seal.Holder{Name: r.Holder, Recipients: r.Recipients}
}

// Sign gives the signed note.
func (r Recipients) Sign(signer note.Signer) ([]byte, error) {
	if _, err := parseText(r.Text()); err != nil {
		return nil, fmt.Errorf("signing the recipients of %s: %w", r.Holder, err)
	}
	b, err := note.Sign(&note.Note{Text: r.Text()}, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the recipients of %s: %w", r.Holder, err)
	}
	return b, nil
}

// OpenRecipients takes a signed note only if it verifies under verifierKey (a C2SP vkey, such as "prod-eu+4a5b6c7d+AR…") and is about the holder that the key is named after.
func OpenRecipients(signed []byte, verifierKey string) (Recipients, error) {
	text, holder, err := verified(signed, verifierKey)
	if err != nil {
		return Recipients{}, err
	}
	r, err := parseText(text)
	if err != nil {
		return Recipients{}, err
	}
	if r.Holder != holder {
		return Recipients{}, fmt.Errorf("the note is about holder %s but its statement key is named %s", r.Holder, holder)
	}
	return r, nil
}

// ReadRecipients reads a note without verifying it, for a caller who trusts the file itself as one would a list of recipients.
func ReadRecipients(signed []byte) (Recipients, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Recipients{}, malformed(signed)
	}
	return parseText(text + "\n")
}

// IsNote says whether b looks like a note of recipients, so that a caller can tell it from a plain list. It says nothing about whether b can be read.
func IsNote(b []byte) bool {
	first, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(first, "\r") == recipientsHeader
}

// refusal says why a note does not verify under verifierKey, naming both sides.
func refusal(signed []byte, verifierKey string, err error) error {
	var other *note.UnverifiedNoteError
	var changed *note.InvalidSignatureError
	switch {
	case errors.As(err, &other):
		var names []string
		for _, s := range other.Note.UnverifiedSigs[:min(4, len(other.Note.UnverifiedSigs))] {
			names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
		}
		return fmt.Errorf("the note is not signed by the statement key %s: it names %s", verifierKey, strings.Join(names, ", "))
	case errors.As(err, &changed):
		return fmt.Errorf("the note was changed after %s+%08x signed it", changed.Name, changed.Hash)
	}
	return malformed(signed)
}

func malformed(signed []byte) error {
	if strings.Contains(string(signed), "\r\n") {
		return errors.New("malformed note: its lines end with CR LF; Git or an editor has converted it (*.note -text in .gitattributes keeps it)")
	}
	return errors.New("malformed note: no text with a signature below it")
}

func parseText(text string) (r Recipients, err error) {
	rest, ok := strings.CutPrefix(text, recipientsHeader+"\n")
	if !ok {
		return r, errors.New("not a note of recipients (" + recipientsHeader + ")")
	}
	field := func(name string) string {
		line, after, found := strings.Cut(rest, "\n")
		value, has := strings.CutPrefix(line, name+": ")
		if !found || !has {
			err = errors.Join(err, fmt.Errorf("the note has no line %q where it belongs", name))
		}
		rest = after
		return value
	}
	r.Holder = field("holder")
	set, at := field("set"), field("at")
	for err == nil && rest != "" && len(r.Recipients) <= seal.MaxRecipients {
		recipient := field("recipient")
		if err != nil {
			break
		}
		k, perr := seal.ParseRecipient(recipient)
		if perr != nil {
			return Recipients{}, perr
		}
		r.Recipients = append(r.Recipients, k)
	}
	if err != nil {
		return Recipients{}, err
	}
	var serr, terr error
	r.Set, serr = strconv.ParseUint(set, 10, 63)
	r.At, terr = time.Parse(time.RFC3339, at)
	if serr != nil || terr != nil || !r.wellFormed() || r.Text() != text {
		return Recipients{}, errors.New("malformed note of recipients")
	}
	return r, nil
}

// wellFormed holds r against what docs/statements.md demands beyond the form of the lines.
func (r Recipients) wellFormed() bool {
	seen := make(map[string]bool, len(r.Recipients))
	for _, k := range r.Recipients {
		if seen[k.String()] || k.Class() != r.Recipients[0].Class() {
			return false
		}
		seen[k.String()] = true
	}
	return r.Set > 0 && holderRE.MatchString(r.Holder) && len(r.Recipients) > 0 && len(r.Recipients) <= seal.MaxRecipients
}
