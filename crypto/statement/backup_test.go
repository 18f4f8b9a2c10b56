package statement_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// person is a break-glass key.
func person(t testing.TB, class seal.Class) (seal.Identity, seal.Recipient) {
	t.Helper()
	id, err := seal.ParseIdentity(private(t, class))
	if err != nil {
		t.Fatal(err)
	}
	return id, recipients(t, id.Recipient())[0]
}

// private is a new age identity.
func private(t testing.TB, class seal.Class) string {
	t.Helper()
	if class == seal.Classical {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id.String()
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// vault is a backup of three keys of a class: two inside, one that was destroyed.
type vault struct {
	backup   statement.Backup
	contents statement.Contents
	texts    []string // all private halves
	glass    seal.Identity
	signer   note.Signer
	signed   []byte
}

func newVault(t testing.TB, class seal.Class) *vault {
	t.Helper()
	signerKey, verifierKey, err := statement.GenerateKey(strings.NewReader("a test key, which is not a secret"), "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{}
	if v.signer, err = statement.NewSigner(signerKey); err != nil {
		t.Fatal(err)
	}
	var rs []seal.Recipient
	for range 3 {
		text := private(t, class)
		id, err := seal.ParseIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		v.texts, rs = append(v.texts, text), append(rs, recipients(t, id.Recipient())...)
	}
	glass, to := person(t, class)
	set, err := statement.Recipients{Holder: "prod-eu", Set: 2, At: at("2026-11-23T02:22:00Z"), Recipients: rs[1:2]}.Sign(v.signer)
	if err != nil {
		t.Fatal(err)
	}
	day := at("2026-11-23T02:22:00Z")
	v.glass, v.contents = glass, statement.NewContents(signerKey, v.texts[:2])
	v.backup = statement.Backup{
		Holder: "prod-eu", At: day.Add(time.Hour), StatementKey: verifierKey, StatementPrivate: statement.Inside, Recipients: set, BreakGlass: []seal.Recipient{to},
		Keys: []statement.BackupKey{
			{Recipient: rs[0], State: "Deactivated", Created: day, Activated: day, Since: day.Add(time.Minute), WasClear: true, Private: statement.Inside},
			{Recipient: rs[1], State: "Active", Created: day, Activated: day, Private: statement.Inside},
			{Recipient: rs[2], State: "Destroyed", Created: day, WasCompromised: true, Private: statement.Gone},
		},
	}
	v.texts = append(v.texts[:2:2], signerKey)
	locked, err := v.backup.Lock(v.contents)
	if err != nil {
		t.Fatal(err)
	}
	v.backup = locked
	if v.signed, err = locked.Sign(v.signer); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestABackupGivesBackWhatWentIn(t *testing.T) {
	for _, class := range []seal.Class{seal.Classical, seal.PostQuantum} {
		v := newVault(t, class)
		b, err := statement.OpenBackup(v.signed, v.backup.StatementKey)
		if err != nil || b.Text() != v.backup.Text() || !statement.IsBackup(v.signed) || statement.IsNote(v.signed) {
			t.Fatalf("%s: %v", class, err)
		}
		read, err := statement.ReadBackup(v.signed)
		if err != nil || read.Text() != b.Text() || read.Says() != v.backup.Says() {
			t.Errorf("read: %v", err)
		}
		if k := b.Keys[0]; k.State != "Deactivated" || !k.WasClear || !k.Since.Equal(at("2026-11-23T02:23:00Z")) || !k.Activated.Equal(k.Created) {
			t.Errorf("%+v", k)
		}
		if b.Keys[0].WasCompromised || !b.Keys[2].WasCompromised || b.Keys[2].WasClear {
			t.Errorf("which keys others knew: %+v", b.Keys)
		}
		c, err := b.Unlock(seal.NewIdentities(v.glass))
		if err != nil || c.Signer() != v.texts[2] || strings.Join(c.Identities(), " ") != strings.Join(v.texts[:2], " ") {
			t.Fatalf("what is inside: %v", err)
		}
		again, err := statement.ParseContents(b, c.Text(b))
		if err != nil || again.Text(b) != c.Text(b) {
			t.Errorf("parsed: %v", err)
		}
		set, err := b.Set()
		if err != nil || set.Set != 2 {
			t.Errorf("the set: %+v, %v", set, err)
		}
		printed := fmt.Sprintf("%s %v %+v %#v %s", v.signed, c, c, c, b.Text())
		for _, text := range v.texts {
			if strings.Contains(printed, text) {
				t.Error("a private key is in the clear, or is printed")
			}
		}
		// Without this program.
		ids, _ := seal.NewIdentities(v.glass).Identity(v.glass.KeyID())
		r, err := age.Decrypt(bytes.NewReader(b.Age), ids)
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := age.ParseIdentities(r); err != nil || len(parsed) != 2 {
			t.Errorf("what is inside is no identity file of age: %v", err)
		}
	}
}

func TestABackupOfKeysThatCannotLeaveSaysSo(t *testing.T) {
	v := newVault(t, seal.Classical)
	b := v.backup
	b.StatementPrivate, b.Age, b.BreakGlass = statement.Elsewhere, nil, nil
	for i := range b.Keys[:2] {
		b.Keys[i].Private = statement.Elsewhere
	}
	b, err := b.Lock(statement.NewContents("", nil))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := b.Sign(v.signer)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := statement.OpenBackup(signed, b.StatementKey)
	if err != nil || len(opened.Age) > 0 {
		t.Fatal(err)
	}
	if _, err := opened.Unlock(seal.NewIdentities(v.glass)); err == nil || !strings.Contains(err.Error(), "cannot leave") {
		t.Errorf("unlocked: %v", err)
	}
}

func TestABackupThatCannotBeTrustedIsRefused(t *testing.T) {
	v := newVault(t, seal.Classical)
	good, key := string(v.signed), v.backup.StatementKey
	resign := func(old, new string) string {
		b, err := note.Sign(&note.Note{Text: strings.Replace(v.backup.Text(), old, new, 1)}, v.signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_, other, err := statement.GenerateKey(strings.NewReader("another test key, that is no secret"), "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ signed, key, want string }{
		"another key":                      {good, other, "is not signed by"},
		"a state was changed":              {strings.Replace(good, "state: Active", "state: Suspended", 1), key, "changed after"},
		"the age file was changed":         {strings.Replace(good, "age: YWdl", "age: YWdm", 1), key, "changed after"},
		"CR LF":                            {strings.ReplaceAll(good, "\n", "\r\n"), key, "CR LF"},
		"nothing":                          {"", key, "malformed note"},
		"a set, not a backup":              {string(v.backup.Recipients), key, "not a backup"},
		"another holder":                   {resign("holder: prod-eu", "holder: staging"), key, "malformed backup"},
		"another statement key is in it":   {resign("statement-key: "+key, "statement-key: "+other), key, "statement key"},
		"a key twice":                      {resign("age: ", v.key(1)+"age: "), key, "malformed backup"},
		"no age file":                      {resign(v.backup.Text()[strings.Index(v.backup.Text(), "age: "):], ""), key, "malformed backup"},
		"nobody to open it":                {resign("break-glass: "+v.backup.BreakGlass[0].String()+"\n", ""), key, "malformed backup"},
		"lines in another order":           {resign("holder: prod-eu\nat: 2026-11-23T03:22:00Z\n", "at: 2026-11-23T03:22:00Z\nholder: prod-eu\n"), key, `"holder"`},
		"a line more":                      {resign("age: ", "note: hello\nage: "), key, "malformed backup"},
		"a private half that is somewhere": {resign("private: gone", "private: here"), key, "malformed backup"},
		"a recipient set of somebody else": {resign("recipients: ", "recipients: AAAA"), key, ""},
		"too large":                        {good + strings.Repeat("x", statement.MaxBackup), key, "too large"},
	} {
		if b, err := statement.OpenBackup([]byte(c.signed), c.key); err == nil || !strings.Contains(err.Error(), c.want) || b.Holder != "" {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// key is the text of a key of the backup.
func (v *vault) key(i int) string {
	parts := strings.SplitAfter(v.backup.Text(), "\nkey: ")
	text := "key: " + parts[i+1]
	return strings.TrimSuffix(text, "key: ")
}

func TestWhatDoesNotBelongTogetherIsNotLocked(t *testing.T) {
	v := newVault(t, seal.Classical)
	otherSigner, _, err := statement.GenerateKey(strings.NewReader("another test key, that is no secret"), "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]statement.Contents{
		"a private half is missing": statement.NewContents(v.texts[2], v.texts[:1]),
		"in another order":          statement.NewContents(v.texts[2], []string{v.texts[1], v.texts[0]}),
		"another key":               statement.NewContents(v.texts[2], []string{v.texts[0], private(t, seal.Classical)}),
		"another statement key":     statement.NewContents(otherSigner, v.texts[:2]),
		"no statement key":          statement.NewContents("", v.texts[:2]),
		"junk":                      statement.NewContents("canary-not-a-secret", []string{"canary-not-a-secret", "canary-not-a-secret"}),
	} {
		_, err := v.backup.Lock(c)
		_, perr := statement.ParseContents(v.backup, c.Text(v.backup))
		for _, err := range []error{err, perr} {
			if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "AGE-SECRET") || strings.Contains(err.Error(), "PRIVATE+KEY") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	text := v.contents.Text(v.backup)
	for name, text := range map[string]string{
		"of another time": strings.Replace(text, "# at: 2026", "# at: 2025", 1), "a comment more": text + "# hello\n", "empty": "", "without its first line": text[strings.Index(text, "\n")+1:],
	} {
		if _, err := statement.ParseContents(v.backup, text); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestOnlyBreakGlassOpensABackup(t *testing.T) {
	v := newVault(t, seal.PostQuantum)
	stranger, _ := person(t, seal.PostQuantum)
	if _, err := v.backup.Unlock(seal.NewIdentities(stranger)); !errors.Is(err, statement.ErrNotForKey) {
		t.Errorf("a stranger: %v", err)
	}
	liar := seal.Identities{}
	id, _ := seal.NewIdentities(stranger).Identity(stranger.KeyID())
	liar[v.glass.KeyID()] = id
	if _, err := v.backup.Unlock(liar); err == nil || errors.Is(err, statement.ErrNotForKey) {
		t.Errorf("a key under another's id: %v", err)
	}
}

// TestTheBackupIsTheOneInTheDocumentation: nobody has the private keys of the example.
func TestTheBackupIsTheOneInTheDocumentation(t *testing.T) {
	golden, err := os.ReadFile("testdata/prod-eu.backup.note")
	if err != nil {
		t.Fatal(err)
	}
	_, key := testKey(t, "prod-eu")
	b, err := statement.OpenBackup(golden, key)
	if err != nil || len(b.Keys) != 2 || len(b.Age) == 0 {
		t.Fatalf("%+v, %v", b, err)
	}
	page, err := os.ReadFile("../../docs/statements.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), string(golden)) {
		t.Error("docs/statements.md does not show testdata/prod-eu.backup.note")
	}
}

// FuzzBackup holds any bytes against the promise that what is read is exactly what was written.
func FuzzBackup(f *testing.F) {
	v := newVault(f, seal.Classical)
	for _, s := range [][]byte{v.signed, v.signed[:len(v.signed)/2], bytes.ReplaceAll(v.signed, []byte("\n"), []byte("\r\n")), v.backup.Recipients, []byte("waxwing.io/backup/v1\n\n— prod-eu AAAA\n")} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, signed []byte) {
		read, rerr := statement.ReadBackup(signed)
		if rerr == nil && (!strings.HasPrefix(string(signed), read.Text()+"\n") || !statement.IsBackup(signed)) {
			t.Errorf("%q was read as %q", signed, read.Text())
		}
		opened, err := statement.OpenBackup(signed, v.backup.StatementKey)
		if err == nil && (rerr != nil || opened.Text() != v.backup.Text()) {
			t.Errorf("opened %q, which nobody signed", opened.Text())
		}
	})
}

// FuzzContents does the same for what is inside.
func FuzzContents(f *testing.F) {
	v := newVault(f, seal.Classical)
	text := v.contents.Text(v.backup)
	for _, s := range []string{text, text[:len(text)/2], text + text, "# waxwing.io/backup-contents/v1\n# holder: prod-eu\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := statement.ParseContents(v.backup, s); err == nil && c.Text(v.backup) != s {
			t.Errorf("%q was read as something else", s)
		}
	})
}

// A request to restore is one Secret, of at most 1 MiB, with the backup, what is inside, and the newest recipient set.
func TestTheLargestBackupFitsIntoARequestToRestore(t *testing.T) {
	v := newVault(t, seal.PostQuantum)
	b, texts := v.backup, v.contents.Identities()
	b.Keys = b.Keys[:2]
	day := b.At
	for range 150 {
		text := private(t, seal.PostQuantum)
		id, err := seal.ParseIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		b.Keys = append(b.Keys, statement.BackupKey{Recipient: recipients(t, id.Recipient())[0], State: "Deactivated", Created: day, Activated: day, Since: day, Private: statement.Inside})
		texts = append(texts, text)
	}
	const sets = 24 << 10 // more than a recipient set has
	for n := len(b.Keys); ; n-- {
		b.Keys = b.Keys[:n]
		contents := statement.NewContents(v.contents.Signer(), texts[:n])
		locked, err := b.Lock(contents)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := locked.Sign(v.signer)
		if err != nil {
			if n < 130 || !strings.Contains(err.Error(), "more than") {
				t.Fatalf("%d keys: %v", n, err)
			}
			continue
		}
		if size := len(signed) + len(contents.Text(b)) + sets; size > 1<<20 {
			t.Errorf("a backup of %d keys and %d bytes makes a Secret of %d bytes", n, len(signed), size)
		}
		return
	}
}

func TestABackupOfTooManyKeysSaysSo(t *testing.T) {
	v := newVault(t, seal.Classical)
	b := v.backup
	for range statement.MaxBackupKeys {
		_, to := person(t, seal.Classical)
		b.Keys = append(b.Keys, statement.BackupKey{Recipient: to, State: "Destroyed", Created: b.At, Private: statement.Gone})
	}
	if _, err := b.Sign(v.signer); err == nil || !strings.Contains(err.Error(), "259 keys, more than 256") {
		t.Errorf("%v", err)
	}
}
