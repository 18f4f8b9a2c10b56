package controller

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/unseal"
)

// ownVersions is how many of its own writes a shard recognizes in what it is told of its ConfigMap.
const ownVersions = 16

// markShard is one ConfigMap of marks, with what is still to be written to it.
type markShard struct {
	store *markStore
	name  string
	// memory is what the first ConfigMap says of all; nil for the others.
	memory *recollection

	mu      sync.Mutex
	texts   map[string]string
	damaged map[string]bool     // keys of texts that are no marks
	unsaved map[string]uint64   // keys that differ from the ConfigMap, also removed ones, by when they changed, in the order of all of the store
	version string              // the resourceVersion that the rest is stored in; empty: there is no ConfigMap
	own     []string            // the versions that the last writes gave
	seen    string              // the version that the ConfigMap is said to have; empty: no news
	tried   uint64              // when it was written last, or was to be, as in unsaved
	held    map[string]string   // what the ConfigMap has in version
	claims  map[string]claim    // of which object texts have what the wraps claim, by key
	cut     map[string][]string // keys that they claim besides, and the text has no room for; never changed in place
	turns   map[string]uint64   // how often others have changed or removed a text, by key
	waiting []chan error
	busy    bool // a goroutine is at work on the ConfigMap
}

func newMarkShard(s *markStore, name string) *markShard {
	return &markShard{
		store: s, name: name, texts: map[string]string{}, damaged: map[string]bool{}, unsaved: map[string]uint64{}, held: map[string]string{},
		claims: map[string]claim{}, cut: map[string][]string{}, turns: map[string]uint64{},
	}
}

func (sh *markShard) text(key string) (string, bool) {
	text, _, ok := sh.read(key)
	return text, ok
}

// read gives the turn of a text, too.
func (sh *markShard) read(key string) (text string, turn uint64, ok bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	text, ok = sh.texts[key]
	return text, sh.turns[key], ok
}

// note puts a text into memory, to be stored some time, and says whether it is new. What is damaged stays.
func (sh *markShard) note(key, text string) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if old, ok := sh.texts[key]; sh.damaged[key] || (ok && old == text) {
		return false
	}
	sh.set(key, text)
	sh.differs(key)
	return true
}

// replace is note where the text is still the one that it was; claimed says that it had what the wraps of an object claim.
func (sh *markShard) replace(key, was, text string) (claimed, replaced bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if old, ok := sh.texts[key]; sh.damaged[key] || !ok || old != was || old == text {
		return false, false
	}
	sh.set(key, text)
	sh.differs(key)
	_, claimed = sh.claims[key]
	sh.taken(key)
	return claimed, true
}

// set takes a text, and notes whether it is a mark. sh.mu is held, as in the next ones.
func (sh *markShard) set(key, text string) {
	sh.texts[key] = text
	if _, err := unseal.ParseMark(text); err != nil {
		sh.damaged[key] = true
	} else {
		delete(sh.damaged, key)
	}
}

func (sh *markShard) remove(key string) {
	sh.taken(key)
	delete(sh.texts, key)
	delete(sh.damaged, key)
}

func (sh *markShard) differs(key string) {
	sh.unsaved[key] = sh.store.changes.Add(1)
}

// stored waits until the key is as the ConfigMap has it, together with all others who wait for the same ConfigMap.
func (sh *markShard) stored(ctx context.Context, key string) error {
	sh.mu.Lock()
	if _, differs := sh.unsaved[key]; !differs {
		sh.mu.Unlock()
		return nil
	}
	done := sh.enqueue(ctx)
	sh.mu.Unlock()
	return await(ctx, done)
}

// unwritten is how much there is to write. sh.mu is held.
func (sh *markShard) unwritten() int {
	n := len(sh.unsaved)
	if sh.memory != nil && sh.memory.due(sh.store.now()) {
		n++
	}
	return n
}

// flush writes what is unsaved.
func (sh *markShard) flush(ctx context.Context) error {
	sh.mu.Lock()
	if sh.unwritten() == 0 {
		sh.mu.Unlock()
		return nil
	}
	done := sh.enqueue(ctx)
	sh.mu.Unlock()
	return await(ctx, done)
}

func await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// observed is told the version of the ConfigMap by a watch; "0" stands for one that is gone.
func (sh *markShard) observed(ctx context.Context, version string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.seen = version
	if sh.news() && !sh.busy {
		sh.work(ctx)
	}
}

// news says whether somebody else has written the ConfigMap.
func (sh *markShard) news() bool {
	return sh.seen != "" && sh.seen != sh.version && !slices.Contains(sh.own, sh.seen)
}

// enqueue joins those who wait for the next write.
func (sh *markShard) enqueue(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	sh.waiting = append(sh.waiting, done)
	if !sh.busy {
		sh.work(ctx)
	}
	return done
}

// work writes until nobody waits. While one write is under way, those that come gather for the next.
func (sh *markShard) work(ctx context.Context) {
	sh.busy = true
	// Those who gather for the write wait for it longer than the one who began it may.
	ctx = context.WithoutCancel(ctx)
	go func() {
		for {
			sh.mu.Lock()
			waiting, news := sh.waiting, sh.news()
			sh.waiting = nil
			if sh.busy = len(waiting) > 0 || news; !sh.busy {
				sh.mu.Unlock()
				return
			}
			sh.mu.Unlock()
			err := sh.sync(ctx, news)
			for _, done := range waiting {
				done <- err
			}
		}
	}()
}

// waits is since when something has waited to be written, or for how long nothing was tried. sh.mu is held.
func (sh *markShard) waits() uint64 {
	if len(sh.unsaved) == 0 {
		return sh.tried
	}
	return max(sh.tried, slices.Min(slices.Collect(maps.Values(sh.unsaved))))
}

// absorb takes over what the ConfigMap holds, and gives the keys that somebody else has changed. What is unsaved is joined with it, and so is everything if the
// ConfigMap is older than the one that is known, as after etcd was restored from a backup. Otherwise the ConfigMap is right: what a person has removed stays removed.
func (sh *markShard) absorb(cm *corev1.ConfigMap) (changed []string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	restored := sh.version != "" && older(cm.ResourceVersion, sh.version)
	for key, theirs := range cm.Data {
		ours, have := sh.texts[key]
		_, differs := sh.unsaved[key]
		switch {
		case !have && differs: // it is about to be removed
		case have && ours == theirs:
			delete(sh.unsaved, key)
		case !have || (!differs && !restored):
			sh.taken(key)
			sh.set(key, theirs)
			changed = append(changed, key)
		case sh.join(key, ours, theirs):
			changed = append(changed, key)
		}
	}
	for _, key := range slices.Collect(maps.Keys(sh.texts)) {
		_, stored := cm.Data[key]
		_, differs := sh.unsaved[key]
		switch {
		case stored || (differs && !sh.onlyKeys(key)):
		case restored:
			sh.differs(key)
		default:
			sh.remove(key)
			delete(sh.unsaved, key)
			changed = append(changed, key)
		}
	}
	for key := range sh.unsaved {
		_, ours := sh.texts[key]
		if _, theirs := cm.Data[key]; !ours && !theirs {
			delete(sh.unsaved, key) // what was to be removed is
		}
	}
	if sh.memory != nil {
		sh.memory.found(cm.Annotations, sh.store.now())
	}
	sh.version, sh.seen, sh.held = cm.ResourceVersion, "", maps.Clone(cm.Data)
	if sh.held == nil {
		sh.held = map[string]string{}
	}
	return changed
}

// onlyKeys says whether what is unsaved of a mark is of keys alone. The next look notes that again, so it is no reason to keep a mark that a person has removed meanwhile.
func (sh *markShard) onlyKeys(key string) bool {
	was, wasErr := unseal.ParseMark(sh.held[key])
	is, isErr := unseal.ParseMark(sh.texts[key])
	return wasErr == nil && isErr == nil && is.SameOpened(was)
}

// join keeps the newest of both texts. A damaged one is for a person to look at, or that person has put it right: theirs is taken as it is then, and ours has gone.
func (sh *markShard) join(key, ours, theirs string) (taken bool) {
	mine, err := unseal.ParseMark(ours)
	stored, damaged := unseal.ParseMark(theirs)
	if err != nil || damaged != nil {
		sh.taken(key)
		sh.set(key, theirs)
		delete(sh.unsaved, key)
		return true
	}
	sh.set(key, mine.Merge(stored).Text())
	if sh.texts[key] == theirs {
		delete(sh.unsaved, key)
	} else {
		sh.differs(key)
	}
	return false
}

// behind says whether the ConfigMap in this version, empty where there is none, is an older one than is known.
func (sh *markShard) behind(version string) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.version != "" && (version == "" || older(version, sh.version))
}

// gone has everything written anew: somebody has removed the ConfigMap, or it is in none of the backup that etcd was restored from.
func (sh *markShard) gone() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.version, sh.seen, sh.held = "", "", map[string]string{}
	if sh.memory != nil {
		sh.memory.lost()
	}
	for key := range sh.texts {
		sh.differs(key)
	}
}

// syncTimeout bounds one write with what it takes to get there.
const syncTimeout = 20 * time.Second
