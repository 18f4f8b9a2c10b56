package writeback

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// Keyring is what a Keyring of the cluster shows.
type Keyring struct {
	Name string
	rewrap.Published
}

// KeyringOf takes a Keyring.
func KeyringOf(k *v1alpha1.Keyring) Keyring {
	return Keyring{k.Name, rewrap.Published{StatementKey: k.Status.StatementKey, Note: []byte(k.Status.Recipients)}}
}

// Object is a GitSecret of the cluster, as far as it matters for what is put into Git.
type Object struct {
	Namespace, Name string
	Closed          string // why the controller has not opened it; empty where it has
	Opened          []v1alpha1.KeyUse
	Offers          []v1alpha1.RewrapOffer
}

// ObjectOf takes metadata and status of a GitSecret.
func ObjectOf(meta metav1.Object, s *v1alpha1.GitSecretStatus) Object {
	conditions := make([]rewrap.Condition, len(s.Conditions))
	for i, c := range s.Conditions {
		conditions[i] = rewrap.Condition{Type: c.Type, Status: string(c.Status), Reason: c.Reason}
	}
	return Object{
		Namespace: meta.GetNamespace(), Name: meta.GetName(), Opened: s.Keys, Offers: s.Rewrap,
		Closed: rewrap.Closed(meta.GetDeletionTimestamp() != nil, meta.GetGeneration(), s.ObservedGeneration, conditions),
	}
}

// Set is a keyring's set of recipients, as messages name it.
type Set struct {
	Number uint64
	At     time.Time
	Keys   []string // ids, sorted
}

// newsKey tells apart holders of one name that several .seal.yaml define.
type newsKey struct{ note, pin string }

// heard is what is known of a holder whose keyring the cluster has.
type heard struct {
	rewrap.News
	note string // its path in the repository
	err  error  // why nothing is written for it
	set  Set
}

// good says whether wraps are written for it.
func (n *heard) good() bool { return n != nil && n.err == nil && n.Set != nil }

// hear holds a holder of the repository against its keyring, once.
func (l *look) hear(h repo.Holder, k *Keyring) *heard {
	key := newsKey{h.Note, h.StatementKey}
	if n, ok := l.news[key]; ok {
		return n
	}
	n := &heard{News: rewrap.News{Holder: h.Name, Pin: h.StatementKey}, note: repo.PathOf(h.Note)}
	l.news[key] = n
	if n.err = l.here(n); n.err != nil {
		return n
	}
	switch {
	case k.StatementKey == "":
		n.err = fmt.Errorf("keyring %s shows no statement key", k.Name)
	case len(k.Note) == 0:
		n.err = fmt.Errorf("keyring %s shows no recipients", k.Name)
	default:
		n.err = n.Hear(k.Published)
	}
	if n.err == nil {
		n.set = Set{n.Set.Set, n.Set.At, rewrap.KeyIDs(n.Set.SealHolder())}
	}
	return n
}

// here reads the repository's note, and sees that one can be written in its place.
func (l *look) here(n *heard) error {
	if !plain(n.note) {
		return fmt.Errorf("%s: nothing is written to such a path", shown(n.note))
	}
	for dir := path.Dir(n.note); dir != "."; dir = path.Dir(dir) {
		if _, is := l.byPath[dir]; is {
			return fmt.Errorf("%s: %s is no folder", n.note, dir)
		}
	}
	b, err := l.read(n.note)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n.note, err)
	}
	if err := n.Here(b); err != nil {
		return fmt.Errorf("%s: %w: get it back from Git's history, or have seal keys fetch --keyring %s --save write it", n.note, err, n.Holder)
	}
	return nil
}

// judge tells what is wrong with holders. A keyring of another cluster may have the name of one that this one has: then another pin fits.
func (l *look) judge() {
	fits := map[string]bool{}
	for _, n := range l.news {
		fits[n.Holder] = fits[n.Holder] || n.err == nil
	}
	for _, n := range l.news {
		var pin *rewrap.PinError
		var sets *rewrap.SetsError
		switch {
		case n.err == nil && n.Behind > 0:
			l.problem("%s has set %d of holder %s, and the keyring shows set %d: the newer one counts", n.note, n.Set.Set, n.Holder, n.Behind)
		case n.err == nil, errors.As(n.err, &pin) && fits[n.Holder]:
		case errors.As(n.err, &sets):
			l.problem("%s and keyring %s have different sets %d: the statement key was restored from a backup, or copied; find out which of the two is right", n.note, n.Holder, sets.Here.Set)
		default:
			l.problem("%v", n.err)
		}
	}
}

func (l *look) problem(format string, args ...any) {
	l.found.Problems = append(l.found.Problems, fmt.Sprintf(format, args...))
}

// take takes the offers of the cluster's objects, and what tells why there is none.
func (l *look) take() {
	pins := map[string][]string{}
	for _, n := range l.news {
		if n.good() {
			pins[n.Holder] = append(pins[n.Holder], n.Pin)
		}
	}
	l.offers = rewrap.NewOffers(pins)
	for i := range l.in.Objects {
		o := &l.in.Objects[i]
		l.objects[[2]string{o.Namespace, o.Name}] = o
		for _, offer := range o.Offers {
			if err := l.offers.Add(o.Namespace, o.Name, offer.Holder, []byte(offer.Note)); err != nil {
				l.found.RefusedOffers++
			}
		}
		for _, use := range o.Opened {
			if known := l.live[use.Envelope]; known == nil || known.Closed != "" {
				l.live[use.Envelope] = &rewrap.Live{Closed: o.Closed, Keys: map[string][]string{}}
			}
			live := l.live[use.Envelope]
			live.Keys[use.Keyring] = append(live.Keys[use.Keyring], use.ID)
		}
	}
}

// liveOf is what the cluster has of an envelope of an object of Git; nil for nothing.
func (l *look) liveOf(id string, target seal.Target, n *heard) *rewrap.Live {
	if live := l.live[id]; live != nil {
		// It tells which key has opened it, and not which others could.
		for _, key := range live.Keys[n.Holder] {
			for _, now := range n.set.Keys {
				if key == now {
					return &rewrap.Live{Closed: live.Closed, Keys: map[string][]string{n.Holder: n.set.Keys}}
				}
			}
		}
		return live
	}
	if o := l.objects[[2]string{target.Namespace, target.Name}]; o != nil && o.Closed != "" {
		return &rewrap.Live{Closed: o.Closed}
	}
	return nil
}
