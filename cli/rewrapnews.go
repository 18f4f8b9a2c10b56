package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// holderNews is what is known of the recipients of a holder whose statement key is pinned: the newest set that verifies under it, of the repository or of the cluster.
type holderNews struct {
	rewrap.News
	holder repo.Holder
	absent string // why this is not the holder's cluster; empty where it is, or could not be asked
}

// newsKey tells apart holders of one name that several repositories, or parts of one, define.
type newsKey struct{ note, pin string }

func newsOf(h repo.Holder) newsKey { return newsKey{h.Note, h.StatementKey} }

// holderOfKey is the holder that a verifier key is named after, for --statement-key.
func holderOfKey(key string) repo.Holder {
	name, _, _ := strings.Cut(key, "+")
	return repo.Holder{Name: name, StatementKey: key, File: "--statement-key"}
}

// keyringAnswer is what the cluster says of one keyring.
type keyringAnswer struct {
	published *cluster.Published
	err       error
}

// hear asks for the recipients of all pinned holders.
func (c *clusterOffers) hear(ctx context.Context) error {
	matched := map[string]bool{} // names of holders one of whose pins is the cluster's
	refusals := map[newsKey]error{}
	var absent []string
	for _, h := range c.pinned {
		n, err := c.local(h)
		if err != nil {
			return err
		}
		c.news[newsOf(h)] = n
		answer := c.keyring(ctx, h.Name)
		switch {
		case answer.published != nil:
			refusal, err := c.compare(n, answer.published)
			if err != nil {
				return err
			}
			if refusals[newsOf(h)] = refusal; refusal == nil {
				matched[h.Name] = true
			}
		case errors.Is(answer.err, cluster.ErrNoKeyring):
			n.absent = "its keyring is in another cluster"
			absent = append(absent, h.Name)
		case errors.Is(answer.err, cluster.ErrForbidden), errors.Is(answer.err, cluster.ErrNotReady):
			c.warnings = append(c.warnings, fmt.Sprintf("the recipients of keyring %s could not be asked for, so the note of the repository counts: %v", h.Name, answer.err))
		case errors.Is(answer.err, cluster.ErrNotInstalled):
			return withClusterHint(answer.err)
		default:
			return withClusterHint(fmt.Errorf("keyring %s: %w", h.Name, answer.err))
		}
	}
	for _, h := range c.pinned {
		refusal := refusals[newsOf(h)]
		if refusal != nil && !matched[h.Name] {
			return refusal
		}
		if refusal != nil {
			c.news[newsOf(h)].absent = "the keyring of this name that the cluster has is another one"
		}
	}
	if len(absent) == len(c.pinned) {
		return failed("--context names another cluster; -i IDENTITY rewraps offline", "the cluster has no keyring %s", some(absent))
	}
	return nil
}

// local is what the repository has.
func (c *clusterOffers) local(h repo.Holder) (*holderNews, error) {
	n := &holderNews{holder: h, News: rewrap.News{Holder: h.Name, Pin: h.StatementKey}}
	if h.Note == "" {
		return n, nil
	}
	if _, err := os.Lstat(h.Note); errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	set, err := c.tree.Set(h)
	if err != nil {
		return nil, err
	}
	n.Set, n.Was = set.Statement, set.Statement.Set
	return n, nil
}

// keyring asks for one keyring, once.
func (c *clusterOffers) keyring(ctx context.Context, name string) keyringAnswer {
	answer, known := c.keyrings[name]
	switch {
	case known && answer.published != nil && len(answer.published.Note) == 0:
		answer = keyringAnswer{err: cluster.ErrNotReady}
	case !known && c.client == nil && len(c.keyrings) == 0:
		answer.err = fmt.Errorf("%w: %s has no Keyrings", cluster.ErrForbidden, shownName(c.o.offers))
	case !known && c.client == nil:
		answer.err = cluster.ErrNoKeyring
	case !known:
		answer.published, answer.err = c.client.Keyring(ctx, name, controllerNamespace)
		c.keyrings[name] = answer
	}
	return answer
}

// controllerNamespace is where the ConfigMaps of keyrings are, unless somebody says otherwise.
const controllerNamespace = "waxwing-system"

// compare holds what the cluster publishes against the pin, which can end in a refusal, and against what the repository has.
func (c *clusterOffers) compare(n *holderNews, p *cluster.Published) (refusal, err error) {
	fetched := fetchOptions{keyring: n.holder.Name, statementKey: n.holder.StatementKey}
	if _, err := fetched.verify(p); err != nil {
		return err, nil
	}
	err = n.Hear(rewrap.Published{StatementKey: p.StatementKey, Note: p.Note})
	if sets := (*rewrap.SetsError)(nil); errors.As(err, &sets) {
		return nil, sameSet(c.shown(n.holder.Note), sets.Here, sets.There)
	}
	if n.Behind > 0 {
		c.warnings = append(c.warnings, fmt.Sprintf("the cluster gives set %d of holder %s, and %s has set %d already: the newer one counts", n.Behind, n.holder.Name, c.shown(n.holder.Note), n.Set.Set))
	}
	return nil, err
}

// shown is a path as messages name it.
func (c *clusterOffers) shown(path string) string {
	from, err := filepath.Abs(c.env.Dir)
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(from, path); err == nil {
		return rel
	}
	return path
}

// set gives the recipients of a holder of the settings.
func (c *clusterOffers) set(h repo.Holder) (repo.Set, error) {
	n := c.news[newsOf(h)]
	if h.StatementKey == "" || n == nil || n.Set == nil {
		return c.tree.Set(h)
	}
	return repo.Set{Holder: n.Set.SealHolder(), Statement: n.Set}, nil
}

// give has the holders of --statement-key be those of all files.
func (c *clusterOffers) give(source *recipientSource) error {
	for _, h := range c.pinned {
		n := c.news[newsOf(h)]
		if n.Set == nil {
			return failed("", "the recipients of holder %s are not known: %s", h.Name, n.absent)
		}
		source.given = append(source.given, n.Set.SealHolder())
	}
	return nil
}

// of is what is known of the holder by this name, for a file in this place; nil where no key of it is pinned.
func (c *clusterOffers) of(at *place, name string) *holderNews {
	holders := c.pinned
	if !c.flags {
		holders = nil
		if at.rules != nil {
			holders = at.rules.Holders
		}
	}
	for _, h := range holders {
		if h.Name == name {
			return c.news[newsOf(h)]
		}
	}
	return nil
}

// renewed are the notes to be written: those of the holders that are asked for.
func (c *clusterOffers) renewed() []*holderNews {
	var all []*holderNews
	for _, h := range c.pinned {
		if n := c.news[newsOf(h)]; h.Note != "" && n.Note != nil && (c.o.holder == "" || c.o.holder == h.Name) {
			all = append(all, n)
		}
	}
	return all
}
