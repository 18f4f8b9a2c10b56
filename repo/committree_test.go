package repo_test

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

// commit is a commit's files by path; those that are nil are no regular files.
type commit map[string][]byte

func (c commit) read(path string) ([]byte, error) {
	b, ok := c[path]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case b == nil:
		return nil, repo.ErrNotRegular
	}
	return b, nil
}

func TestSettingsOfACommitAreThoseOfItsFiles(t *testing.T) {
	signerKey, pin, err := statement.GenerateKey(rand.Reader, "prod")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := statement.NewSigner(signerKey)
	if err != nil {
		t.Fatal(err)
	}
	set := statement.Recipients{Holder: "prod", Set: 3, At: time.Now(), Recipients: []seal.Recipient{recipient(t)}}
	note, err := set.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	c := commit{
		".seal.yaml":                   []byte("version: 1\nholders: {prod: {statementKey: '" + pin + "'}}\nenvironments: [{name: all, paths: ['clusters/**'], holders: [prod], namespace: books}]\n"),
		".seal/prod.note":              note,
		"clusters/elsewhere/.git":      []byte("a file of this name is no root"),
		"clusters/elsewhere/db.yaml":   []byte("x: y\n"),
		"clusters/linked/.seal.yaml":   nil,
		"clusters/invalid/.seal.yaml":  []byte("version: 2\n"),
		"clusters/too/long/.seal.yaml": []byte("version: 1 #" + strings.Repeat("x", 1<<20)),
	}
	tree := repo.NewCommitTree(c.read)
	rules, err := tree.Rules(repo.PlaceOf("clusters/elsewhere/db.yaml"))
	if err != nil || rules.Namespace != "books" || len(rules.Holders) != 1 || rules.File != ".seal.yaml" {
		t.Fatalf("%+v, %v", rules, err)
	}
	h := rules.Holders[0]
	if path := repo.PathOf(h.Note); path != ".seal/prod.note" {
		t.Errorf("the note lies at %q", path)
	}
	if got, err := tree.Set(h); err != nil || got.Statement.Set != 3 {
		t.Errorf("the note: %+v, %v", got, err)
	}
	for path, want := range map[string]string{
		"clusters/linked/db.yaml":   "clusters/linked/.seal.yaml: is not a regular file",
		"clusters/invalid/db.yaml":  "clusters/invalid/.seal.yaml: version must be 1",
		"clusters/too/long/db.yaml": "clusters/too/long/.seal.yaml: is longer than 1024 KiB",
		"elsewhere/db.yaml":         ".seal.yaml: no environment has a path that matches elsewhere/db.yaml",
	} {
		if _, err := tree.Rules(repo.PlaceOf(path)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	delete(c, ".seal.yaml")
	if _, err := repo.NewCommitTree(c.read).Rules(repo.PlaceOf("clusters/elsewhere/db.yaml")); !errors.Is(err, repo.ErrNoSettings) {
		t.Errorf("without settings: %v", err)
	}
}
