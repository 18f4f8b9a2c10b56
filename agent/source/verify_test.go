package source_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// sshKey makes a key with ssh-keygen and gives its file and its public half.
func sshKey(t testing.TB, name string, args ...string) (file, public string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("ssh-keygen", append([]string{"-q", "-N", "", "-C", name, "-f", file}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen (openssh-client): %v\n%s", err, out)
	}
	text, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return file, strings.TrimSpace(string(text))
}

// signing has git sign commits and tags with an SSH key.
func signing(repo *githttp.Repo, key string) {
	repo.Git("config", "gpg.format", "ssh")
	repo.Git("config", "user.signingKey", key)
	repo.Git("config", "commit.gpgSign", "true")
	repo.Git("config", "tag.gpgSign", "true")
}

func TestCommitsSignedBySSH(t *testing.T) {
	for _, kind := range [][]string{{"-t", "ed25519"}, {"-t", "ecdsa"}, {"-t", "rsa", "-b", "2048"}} {
		repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
		file, ann := sshKey(t, "ann", kind...)
		_, bea := sshKey(t, "bea", "-t", "ed25519")
		r, _ := open(t, source.Limits{})
		verify := func(keys ...source.Signer) (string, error) {
			return r.Verify(fetch(t, r, mainOf(repo)), mainOf(repo), source.Signers{SSH: keys, Now: time.Now()})
		}
		commits(repo, "a", 1)
		_, err := verify(source.Signer{Name: "ann", Key: ann})
		refused(t, err, source.CommitNotSigned, "is not signed")
		signing(repo, file)
		commits(repo, "b", 1)
		if name, err := verify(source.Signer{Name: "bea", Key: bea}, source.Signer{Name: "ann", Key: ann}); err != nil || name != "ann" {
			t.Errorf("%v: it is signed by %q (%v)", kind, name, err)
		}
		_, err = verify(source.Signer{Name: "bea", Key: bea})
		refused(t, err, source.CommitNotSigned, "none of the signers")
		_, err = verify()
		refused(t, err, source.CommitNotSigned, "none of the signers")
		_, err = verify(source.Signer{Name: "ann", Key: ann}, source.Signer{Name: "broken", Key: "ssh-ed25519 AAAA"})
		refused(t, err, source.CommitNotSigned, `signer "broken"`)
	}
}

// TestCommitsWithASignatureOfSomethingElse moves signatures around.
func TestCommitsWithASignatureOfSomethingElse(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	file, ann := sshKey(t, "ann", "-t", "ed25519")
	signing(repo, file)
	commits(repo, "a", 1)
	r, _ := open(t, source.Limits{})
	signed := repo.Git("cat-file", "commit", "HEAD") + "\n"
	if !strings.Contains(signed, "\ngpgsig -----BEGIN SSH SIGNATURE-----") {
		t.Fatalf("git made %s", signed)
	}
	from := strings.Index(signed, "gpgsig ")
	to := strings.Index(signed, "-----END SSH SIGNATURE-----\n") + len("-----END SSH SIGNATURE-----\n")
	signature := signed[from:to]
	// What the same key has signed, but not for Git.
	payload := filepath.Join(t.TempDir(), "payload")
	if err := os.WriteFile(payload, []byte(strings.Replace(signed, signature, "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-Y", "sign", "-n", "file", "-f", file, payload).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen -Y sign: %v\n%s", err, out)
	}
	other, err := os.ReadFile(payload + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	notForGit := "gpgsig " + strings.ReplaceAll(strings.TrimSpace(string(other)), "\n", "\n ") + "\n"
	for name, x := range map[string]struct{ text, says string }{
		"as it was":          {signed, ""},
		"not for Git":        {strings.Replace(signed, signature, notForGit, 1), "does not fit"},
		"another message":    {strings.Replace(signed, "a 0", "a 1", 1), "does not fit"},
		"another author":     {strings.Replace(signed, "author Ann", "author Bea", 1), "does not fit"},
		"a field more":       {strings.Replace(signed, "gpgsig ", "encoding latin-1\ngpgsig ", 1), "does not fit"},
		"a line more":        {signed + "more\n", "does not fit"},
		"two signatures":     {strings.Replace(signed, signature, signature+signature, 1), "two signatures"},
		"text before it":     {strings.Replace(signed, "gpgsig -----BEGIN", "gpgsig x\n -----BEGIN", 1), "kind that is not known"},
		"text behind it":     {strings.Replace(signed, "-----END SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n x\n", 1), "cannot be read"},
		"a broken signature": {strings.Replace(signed, "gpgsig -----BEGIN SSH SIGNATURE-----\n U1NI", "gpgsig -----BEGIN SSH SIGNATURE-----\n V1NI", 1), "cannot be read"},
		"it in the message":  {strings.Replace(signed, signature, "", 1) + signature, "is not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			id := repo.GitIn(x.text, "hash-object", "-t", "commit", "-w", "--stdin", "--literally")
			repo.Push("--force", id+":refs/heads/main")
			c, err := r.Fetch(t.Context(), mainOf(repo), plain())
			if err == nil {
				_, err = r.Verify(c, mainOf(repo), source.Signers{SSH: []source.Signer{{Name: "ann", Key: ann}}})
			}
			switch {
			case x.says == "" && err != nil:
				t.Errorf("it is refused: %v", err)
			case x.says != "" && (err == nil || !strings.Contains(err.Error(), x.says)):
				t.Errorf("it is %v, and should be refused with %q", err, x.says)
			}
		})
	}
}

func TestTagsAreSignedForThemselves(t *testing.T) {
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	file, ann := sshKey(t, "ann", "-t", "ed25519")
	commits(repo, "a", 1)
	repo.Git("tag", "-a", "-m", "unsigned", "unsigned")
	repo.Git("tag", "light")
	signing(repo, file)
	repo.Git("tag", "-s", "-m", "signed", "v1")
	repo.Push("--tags")
	// The signed tag object under another name.
	repo.Push(repo.Git("rev-parse", "v1") + ":refs/tags/v2")
	r, _ := open(t, source.Limits{})
	verify := func(tag string) (string, error) {
		place := source.Place{URL: repo.URL, Tag: tag}
		return r.Verify(fetch(t, r, place), place, source.Signers{SSH: []source.Signer{{Name: "ann", Key: ann}}})
	}
	if name, err := verify("v1"); err != nil || name != "ann" {
		t.Errorf("it is signed by %q (%v)", name, err)
	}
	_, err := verify("unsigned")
	refused(t, err, source.CommitNotSigned, "tag unsigned is not signed")
	_, err = verify("light")
	refused(t, err, source.CommitNotSigned, "commit "+repo.Git("rev-parse", "HEAD"))
	_, err = verify("v2")
	refused(t, err, source.CommitNotSigned, `made for tag "v1"`)
}

// person is an OpenPGP key.
func person(t testing.TB, name string, config *packet.Config) (*openpgp.Entity, string) {
	t.Helper()
	e, err := openpgp.NewEntity(name, "", name+"@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return e, out.String()
}

func TestCommitsSignedByOpenPGP(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	config := &packet.Config{Time: func() time.Time { return now }, KeyLifetimeSecs: 3600}
	ann, annKey := person(t, "ann", config)
	_, beaKey := person(t, "bea", config)
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	commits(repo, "a", 1)
	text := repo.Git("cat-file", "commit", "HEAD") + "\n"
	at := strings.Index(text, "\n\n") + 1
	publish := func(signature string) {
		signature = strings.ReplaceAll(strings.TrimSpace(signature), "\n", "\n ")
		id := repo.GitIn(text[:at]+"gpgsig "+signature+"\n"+text[at:], "hash-object", "-t", "commit", "-w", "--stdin")
		repo.Push("--force", id+":refs/heads/main")
	}
	var out bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&out, ann, strings.NewReader(text), config); err != nil {
		t.Fatal(err)
	}
	publish(out.String())
	r, _ := open(t, source.Limits{})
	verify := func(when time.Time, keys ...string) (string, error) {
		return r.Verify(fetch(t, r, mainOf(repo)), mainOf(repo), source.Signers{OpenPGP: keys, Now: when})
	}
	if name, err := verify(now, beaKey, annKey); err != nil || !strings.HasPrefix(name, "OpenPGP ") || len(name) != len("OpenPGP ")+40 {
		t.Errorf("it is signed by %q (%v)", name, err)
	}
	_, err := verify(now, beaKey)
	refused(t, err, source.CommitNotSigned, "none of the signers'")
	_, err = verify(now.Add(2*time.Hour), annKey)
	refused(t, err, source.CommitNotSigned, "expired")
	_, err = verify(now, "none")
	refused(t, err, source.CommitNotSigned, "OpenPGP key 1 cannot be read")
	out.Reset()
	if err := openpgp.ArmoredDetachSign(&out, ann, strings.NewReader(text+"x"), config); err != nil {
		t.Fatal(err)
	}
	publish(out.String())
	_, err = verify(now, annKey)
	refused(t, err, source.CommitNotSigned, "does not fit")
	out.Reset()
	if err := openpgp.ArmoredDetachSignText(&out, ann, strings.NewReader(text), config); err != nil {
		t.Fatal(err)
	}
	publish(out.String())
	_, err = verify(now, annKey)
	refused(t, err, source.CommitNotSigned, "that Git does not make")
	publish("-----BEGIN PGP SIGNATURE-----\n\nnone\n-----END PGP SIGNATURE-----")
	_, err = verify(now, annKey)
	refused(t, err, source.CommitNotSigned, "OpenPGP signature")
}
