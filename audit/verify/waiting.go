package verify

import (
	"crypto/ed25519"
	"errors"

	"github.com/waxwing-io/waxwing/audit/journal"
)

// waits looks at the journal of the part, which is there while the log is written, or when its process was killed.
func (p *partCheck) waits() error {
	raw, err := readFile(p.dir, journal.Name, journal.MaxSize, nil)
	if missing(err) {
		return nil
	}
	var j journal.Journal
	if err == nil {
		var public ed25519.PublicKey
		if p.log.out.Key != "" {
			_, public, _ = parseKey(p.log.out.Key) // it was parsed before
		}
		j, err = journal.Read(raw, public, p.out.Origin)
	} else if !errors.Is(err, errFormat) {
		return err
	}
	if err == nil && j.Base > maxSize {
		err = errors.New("it goes on from more records than any log holds")
	}
	if err != nil {
		p.report(Finding{Kind: KindJournal, Text: "the journal, with what is not in the tree yet, cannot be read: " + err.Error()})
		return nil
	}
	if all := uint64(j.Base) + uint64(len(j.Records)); all > p.out.Size {
		p.out.Waiting = all - p.out.Size
	}
	return nil
}
