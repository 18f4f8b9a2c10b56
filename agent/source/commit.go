package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// Author is who a commit says it is of.
type Author struct {
	Name, Email string
	When        time.Time
}

// Draft is a commit that was made here, and is nowhere else until it is pushed.
type Draft struct {
	Commit  Commit
	objects []pack.Object
}

// Commit makes a commit upon base, one that Fetch has given. changes are the new contents of files by path; nil removes one. Files keep their modes, new ones are ordinary; everything else stays
// byte for byte. It does not take the place of anything but files. signer may be nil. ErrNothingChanged says that base has all that already.
func (r *Repository) Commit(ctx context.Context, base Commit, changes map[string][]byte, author Author, message string, signer ssh.Signer) (*Draft, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := pack.ParseID(base.Tree)
	if err != nil {
		return nil, err
	}
	want, err := sorted(changes)
	if err != nil {
		return nil, err
	}
	r.reading.RLock()
	defer r.reading.RUnlock()
	e := &editor{from: r.content, limit: r.limits.ObjectBytes, ids: map[pack.ID]bool{}}
	tree, err := e.folder(&root, want, "")
	if err != nil {
		return nil, err
	}
	if tree == nil {
		// A repository without files still has a tree.
		tree = &pack.ID{}
		*tree = e.add(pack.Tree, nil)
	}
	if *tree == root {
		return nil, ErrNothingChanged
	}
	text, err := write(*tree, base.ID, author, message, signer)
	if err != nil {
		return nil, err
	}
	id := e.add(pack.Commit, text)
	commit, err := parseCommit(id, text)
	if err != nil {
		return nil, err
	}
	return &Draft{Commit: commit, objects: e.made}, nil
}

// write is the text of a commit, with a signature if there is a signer.
func write(tree pack.ID, parent string, author Author, message string, signer ssh.Signer) ([]byte, error) {
	if strings.ContainsAny(author.Name+author.Email, "<>\n\r\x00") || author.Name == "" || author.Email == "" || strings.Contains(message, "\x00") {
		return nil, errors.New("an author or a message has characters that cannot be in a commit")
	}
	who := fmt.Sprintf("%s <%s> %d +0000", author.Name, author.Email, author.When.Unix())
	head := fmt.Sprintf("tree %s\nparent %s\nauthor %s\ncommitter %s\n", tree, parent, who, who)
	body := "\n" + strings.TrimRight(message, "\n") + "\n"
	if signer == nil {
		return []byte(head + body), nil
	}
	sig, err := sshsig.Sign(strings.NewReader(head+body), signer, sshsig.HashSHA512, signatureNamespace)
	if err != nil {
		return nil, fmt.Errorf("signing the commit: %w", err)
	}
	armored := bytes.TrimRight(sshsig.Armor(sig), "\n")
	return []byte(head + "gpgsig " + strings.ReplaceAll(string(armored), "\n", "\n ") + "\n" + body), nil
}
