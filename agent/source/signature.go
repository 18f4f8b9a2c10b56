package source

import (
	"bytes"
	"strings"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// signedText is what a signature of a commit or tag is over, and the signature; empty where there is none.
type signedText struct {
	text, signature []byte
}

// ofCommit takes the signature out of a commit: what is signed is the commit without it, byte by byte (Documentation/gitformat-signature).
func ofCommit(commit []byte) (signedText, error) {
	head, body, err := fields(commit)
	if err != nil {
		return signedText{}, err
	}
	var s signedText
	for _, f := range head {
		switch {
		case f.key == "gpgsig" && s.signature != nil:
			return signedText{}, badObject("a commit has two signatures")
		case f.key == "gpgsig":
			s.signature = []byte(f.value)
		case f.key == "gpgsig-sha256":
			// A signature of the same commit, had it SHA-256 ids.
		default:
			s.text = append(s.text, f.raw...)
		}
	}
	s.text = append(append(s.text, '\n'), body...)
	return s, nil
}

// ofTag takes the signature off a tag object: it is what stands behind the last line that begins one.
func ofTag(tag []byte) signedText {
	at := -1
	for _, begin := range []string{beginSSH, beginPGP} {
		if i := bytes.LastIndex(tag, []byte("\n"+begin)); i > at {
			at = i
		}
	}
	if at < 0 {
		return signedText{text: tag}
	}
	return signedText{text: tag[:at+1], signature: tag[at+1:]}
}

const (
	beginSSH = "-----BEGIN SSH SIGNATURE-----"
	endSSH   = "-----END SSH SIGNATURE-----"
	beginPGP = "-----BEGIN PGP SIGNATURE-----"
)

// signatureOf reads what a commit of a place is vouched for by: the tag object where there is one, otherwise the commit.
func (c content) signatureOf(commit Commit, place Place) (signedText, error) {
	if commit.Tag == "" {
		id, err := pack.ParseID(commit.ID)
		if err != nil {
			return signedText{}, err
		}
		text, err := c.object(id, pack.Commit, maxCommit)
		if err != nil {
			return signedText{}, err
		}
		return ofCommit(text)
	}
	id, err := pack.ParseID(commit.Tag)
	if err != nil {
		return signedText{}, err
	}
	text, err := c.object(id, pack.Tag, maxCommit)
	if err != nil {
		return signedText{}, err
	}
	// Otherwise a signed tag could be shown under the name of another one.
	if _, name, err := tagged(text); err != nil || name != place.Tag {
		return signedText{}, fail(CommitNotSigned, "the tag object was made for tag %q", clean(name))
	}
	return ofTag(text), nil
}

func (s signedText) ssh() bool { return strings.HasPrefix(string(s.signature), beginSSH) }
