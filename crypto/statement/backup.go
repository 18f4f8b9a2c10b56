package statement

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const backupHeader = "waxwing.io/backup/v1"

const (
	// MaxBackup is the size of a signed backup in bytes: with what is inside, and the newest recipient set, it has to fit into the Secret that asks for a restore, of 1 MiB.
	MaxBackup = 704 << 10
	// MaxBackupKeys is how many keys a backup can have.
	MaxBackupKeys = 256
)

// Where the private half of a key of a backup is.
const (
	Inside    = "inside"    // in the backup
	Elsewhere = "elsewhere" // it cannot leave the place where it is kept
	Gone      = "gone"      // the key was destroyed
)

// Backup is all keys of a keyring: what is public of them as it is, and the private halves as an age file to the keyring's break-glass recipients.
type Backup struct {
	Holder string
	At     time.Time // to the second
	// StatementKey is the verifier key that the backup is signed under, and StatementPrivate where its private half is: Inside or Elsewhere.
	StatementKey, StatementPrivate string
	// Recipients is the signed note of the recipient set of that time; empty before the first.
	Recipients []byte
	// BreakGlass are who can open it.
	BreakGlass []seal.Recipient
	Keys       []BackupKey
	// Age is the age file, in binary form; empty where nothing is inside.
	Age []byte
}

// BackupKey is what is public of one key.
type BackupKey struct {
	Recipient seal.Recipient
	// State is one of those of package keyring.
	State string
	// Created is required; Activated and Since are zero where they are not known. All are to the second.
	Created, Activated, Since time.Time
	WasClear                  bool
	// WasCompromised says of a destroyed key that others knew it.
	WasCompromised bool
	// Private is Inside, Elsewhere or Gone.
	Private string
}

// Text is the note's text (docs/statements.md).
func (b Backup) Text() string {
	var t strings.Builder
	fmt.Fprintf(&t, "%s\nholder: %s\nat: %s\n", backupHeader, b.Holder, stampOf(b.At))
	fmt.Fprintf(&t, "statement-key: %s\nstatement-private: %s\n", b.StatementKey, b.StatementPrivate)
	if len(b.Recipients) > 0 {
		fmt.Fprintf(&t, "recipients: %s\n", base64.StdEncoding.EncodeToString(b.Recipients))
	}
	for _, r := range b.BreakGlass {
		fmt.Fprintf(&t, "break-glass: %s\n", r)
	}
	for _, k := range b.Keys {
		t.WriteString(k.text())
	}
	if len(b.Age) > 0 {
		fmt.Fprintf(&t, "age: %s\n", base64.StdEncoding.EncodeToString(b.Age))
	}
	return t.String()
}

func (k BackupKey) text() string {
	var t strings.Builder
	fmt.Fprintf(&t, "key: %s\nstate: %s\ncreated: %s\n", k.Recipient, k.State, stampOf(k.Created))
	if !k.Activated.IsZero() {
		fmt.Fprintf(&t, "activated: %s\n", stampOf(k.Activated))
	}
	if !k.Since.IsZero() {
		fmt.Fprintf(&t, "since: %s\n", stampOf(k.Since))
	}
	if k.WasClear {
		t.WriteString("was-clear: true\n")
	}
	if k.WasCompromised {
		t.WriteString("was-compromised: true\n")
	}
	fmt.Fprintf(&t, "private: %s\n", k.Private)
	return t.String()
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Says is the text without what differs between two backups of the same.
func (b Backup) Says() string {
	b.At, b.Age = time.Time{}, nil
	return b.Text()
}

// Set is the recipient set of that time; nil before the first.
func (b Backup) Set() (*Recipients, error) {
	if len(b.Recipients) == 0 {
		return nil, nil
	}
	r, err := OpenRecipients(b.Recipients, b.StatementKey)
	if err != nil {
		return nil, fmt.Errorf("the recipient set in the backup: %w", err)
	}
	return &r, nil
}

// Sign gives the signed note, of at most MaxBackup bytes. Lock comes before it.
func (b Backup) Sign(signer note.Signer) ([]byte, error) {
	if n := len(b.Keys); n > MaxBackupKeys {
		return nil, fmt.Errorf("signing a backup of %s: it has %d keys, more than %d", b.Holder, n, MaxBackupKeys)
	}
	text := b.Text()
	if _, err := parseBackup(text); err != nil {
		return nil, fmt.Errorf("signing a backup of %s: %w", b.Holder, err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("signing a backup of %s: %w", b.Holder, err)
	}
	if len(signed) > MaxBackup {
		return nil, fmt.Errorf("signing a backup of %s: it has %d bytes, more than %d", b.Holder, len(signed), MaxBackup)
	}
	return signed, nil
}

// OpenBackup takes a signed note only if it verifies under verifierKey, and is of that key and of the holder that it is named after. What is inside stays locked.
func OpenBackup(signed []byte, verifierKey string) (Backup, error) {
	if len(signed) > MaxBackup {
		return Backup{}, errors.New("the backup is too large")
	}
	text, holder, err := verified(signed, verifierKey)
	if err != nil {
		return Backup{}, err
	}
	b, err := parseBackup(text)
	if err != nil {
		return Backup{}, err
	}
	if b.Holder != holder || b.StatementKey != verifierKey {
		return Backup{}, fmt.Errorf("the backup is of holder %s and of the statement key %s, and it is signed by %s", b.Holder, b.StatementKey, verifierKey)
	}
	if set, err := b.Set(); err != nil || (set != nil && set.Holder != b.Holder) {
		return Backup{}, errors.Join(errors.New("malformed backup: its recipient set is not its own"), err)
	}
	return b, nil
}

// ReadBackup reads a backup without verifying it: to learn which statement key it says that it is signed under, and for who opens with what is inside and trusts it with
// nothing else.
func ReadBackup(signed []byte) (Backup, error) {
	if len(signed) > MaxBackup {
		return Backup{}, errors.New("the backup is too large")
	}
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Backup{}, malformed(signed)
	}
	return parseBackup(text + "\n")
}

// IsBackup says whether b looks like a backup. It says nothing about whether b can be read.
func IsBackup(b []byte) bool {
	first, _, _ := bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimSuffix(first, []byte("\r"))) == backupHeader
}

func parseBackup(text string) (Backup, error) {
	malformed := errors.New("malformed backup")
	rest, ok := strings.CutPrefix(text, backupHeader+"\n")
	if !ok {
		return Backup{}, errors.New("not a backup of keys (" + backupHeader + ")")
	}
	l := &lines{rest}
	var head [4]string
	for i, name := range []string{"holder", "at", "statement-key", "statement-private"} {
		if head[i], ok = l.next(name); !ok {
			return Backup{}, fmt.Errorf("the backup has no line %q where it belongs", name)
		}
	}
	b := Backup{Holder: head[0], StatementKey: head[2], StatementPrivate: head[3]}
	var err error
	if b.At, err = time.Parse(time.RFC3339, head[1]); err != nil {
		return Backup{}, malformed
	}
	if b.Recipients, ok = l.bytes("recipients"); !ok {
		return Backup{}, malformed
	}
	for len(b.BreakGlass) <= seal.MaxRecipients {
		text, ok := l.next("break-glass")
		if !ok {
			break
		}
		r, err := ageRecipient(text)
		if err != nil {
			return Backup{}, malformed
		}
		b.BreakGlass = append(b.BreakGlass, r)
	}
	for len(b.Keys) <= MaxBackupKeys {
		k, there, ok := l.key()
		if !ok {
			return Backup{}, malformed
		}
		if !there {
			break
		}
		b.Keys = append(b.Keys, k)
	}
	if b.Age, ok = l.bytes("age"); !ok || l.rest != "" || !b.wellFormed() || b.Text() != text {
		return Backup{}, malformed
	}
	return b, nil
}

// bytes gives the value of the next line if it has this name, and nothing if it has another; ok is false where it is no base64.
func (l *lines) bytes(name string) (value []byte, ok bool) {
	text, there := l.next(name)
	if !there {
		return nil, true
	}
	value, err := base64.StdEncoding.Strict().DecodeString(text)
	return value, err == nil && len(value) > 0
}

// key reads the lines of one key. there is false if the next line begins none.
func (l *lines) key() (k BackupKey, there, ok bool) {
	recipient, there := l.next("key")
	if !there {
		return k, false, true
	}
	var err error
	if k.Recipient, err = seal.ParseRecipient(recipient); err != nil {
		return k, true, false
	}
	if k.State, ok = l.next("state"); !ok {
		return k, true, false
	}
	for _, f := range []struct {
		name     string
		into     *time.Time
		required bool
	}{{"created", &k.Created, true}, {"activated", &k.Activated, false}, {"since", &k.Since, false}} {
		text, there := l.next(f.name)
		if !there && !f.required {
			continue
		}
		if *f.into, err = time.Parse(time.RFC3339, text); err != nil {
			return k, true, false
		}
	}
	for _, f := range []struct {
		name string
		into *bool
	}{{"was-clear", &k.WasClear}, {"was-compromised", &k.WasCompromised}} {
		text, there := l.next(f.name)
		if there && text != "true" {
			return k, true, false
		}
		*f.into = there
	}
	k.Private, ok = l.next("private")
	return k, true, ok
}

// wellFormed holds b against what docs/statements.md demands beyond the form of the lines.
func (b Backup) wellFormed() bool {
	inside := b.StatementPrivate == Inside
	if !inside && b.StatementPrivate != Elsewhere {
		return false
	}
	seen := map[string]bool{}
	for _, k := range b.Keys {
		switch {
		case seen[k.Recipient.String()], !stateRE.MatchString(k.State), k.Private != Inside && k.Private != Elsewhere && k.Private != Gone:
			return false
		case k.Private == Inside:
			inside = true
		}
		seen[k.Recipient.String()] = true
	}
	verifier, err := NewVerifier(b.StatementKey)
	return err == nil && verifier.Name() == b.Holder && holderRE.MatchString(b.Holder) && len(b.Keys) <= MaxBackupKeys && len(b.BreakGlass) <= seal.MaxRecipients &&
		inside == (len(b.Age) > 0) && (!inside || len(b.BreakGlass) > 0)
}
