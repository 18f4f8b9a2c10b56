package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// markShards is how many ConfigMaps hold the marks. It must not change: an object's ConfigMap is found by it.
	markShards = 32
	// markPrefix begins the names of these ConfigMaps; two digits follow.
	markPrefix = "waxwing-marks-"
	// labelMarks is on these ConfigMaps.
	labelMarks = "waxwing.io/marks"
	// forgottenKey is the key, in each ConfigMap, of what is remembered of the keys that forgotten marks spoke of. It is no object's.
	forgottenKey = "_forgotten"
	// maxMarkKey is the API server's limit of a key of a ConfigMap.
	maxMarkKey = 253
	// marksReload is how long after a failure the marks are read again at the soonest.
	marksReload = 2 * time.Second
)

// errMarks says that the marks were not read yet.
var errMarks = errors.New("the marks could not be read")

// marks remembers, beyond restarts, what was opened of each object.
type marks interface {
	// of gives what is remembered of an object. At its first call it reads what is stored; whether it could, the answer says.
	of(ctx context.Context, key types.NamespacedName) unseal.Marks
	// keep remembers a mark, or nothing new if it is nil. With durable it returns when all that is remembered of the object is stored, or an error if it is not. What somebody
	// else writes meanwhile can take its place without an error: then the Turn that of gives is another one.
	keep(ctx context.Context, key types.NamespacedName, mark *unseal.Mark, durable bool) error
	// claimed notes that the mark has what the wraps of o claim, but for the keys cut, after a look that went by known. Where somebody else has changed the mark since, it does not,
	// and has the object looked at again. Of more than maxCut keys that the mark has no room for it notes nothing.
	claimed(o *v1alpha1.GitSecret, known unseal.Marks, cut []string) bool
}

// markStore keeps marks in ConfigMaps of the controller's namespace, and a copy in memory. Objects are spread over the ConfigMaps by a hash of their names, so
// that each object's mark can be written with little traffic, and all marks can be read with few requests. Safe for concurrent use.
type markStore struct {
	reader client.Reader // uncached
	writer client.Client
	home   string
	log    *slog.Logger
	now    func() time.Time
	// date is what is noted to have gone with: now, or the API server's clock where that is far ahead.
	date func() time.Time
	// present says of a markKey whether its object is there, or may be.
	present func(ctx context.Context) (func(markKey string) bool, error)
	// limit is the size in bytes beyond which a ConfigMap loses items of the longest marks, and the marks of objects that are gone.
	limit int

	shards  []*markShard
	noted   atomic.Int64  // marks noted since the last turn of flush
	changes atomic.Uint64 // what has changed in all shards
	loaded  atomic.Bool

	mu     sync.Mutex // guards what follows
	failed time.Time  // when reading failed last
	woken  []string   // markKeys whose mark somebody else has changed
	wake   chan struct{}
}

func newMarkStore(reader client.Reader, writer client.Client, home string, now func() time.Time, log *slog.Logger) *markStore {
	s := &markStore{reader: reader, writer: writer, home: home, now: now, date: now, log: log, limit: maxShard, wake: make(chan struct{}, 1)}
	for i := range markShards {
		s.shards = append(s.shards, newMarkShard(s, fmt.Sprintf("%s%02d", markPrefix, i)))
	}
	s.shards[0].memory = &recollection{}
	return s
}

// of implements marks.
func (s *markStore) of(ctx context.Context, object types.NamespacedName) unseal.Marks {
	key := markKey(object)
	sh := s.shardOf(key)
	m := unseal.Marks{Loaded: s.load(ctx) == nil, Date: s.date(), Where: fmt.Sprintf("key %s of ConfigMap %s/%s", key, s.home, sh.name)}
	text, turn, ok := sh.read(key)
	m.Turn = turn
	if !ok {
		return m
	}
	mark, err := unseal.ParseMark(text)
	m.Mark, m.Damaged = mark, err != nil
	return m
}

// keep implements marks.
func (s *markStore) keep(ctx context.Context, object types.NamespacedName, mark *unseal.Mark, durable bool) error {
	key := markKey(object)
	if mark != nil && s.shardOf(key).note(key, mark.Text()) {
		s.noted.Add(1)
	}
	if !durable {
		return nil
	}
	if !s.loaded.Load() {
		return errMarks
	}
	return s.shardOf(key).stored(ctx, key)
}

// noteLeft remembers that an object is gone, unless its mark is another by now.
func (s *markStore) noteLeft(key, was string, left unseal.Mark) {
	sh := s.shardOf(key)
	if claimed, replaced := sh.replace(key, was, left.Text()); replaced {
		s.noted.Add(1)
		if claimed { // it may be on its way back
			s.changedBy([]string{key})
		}
	}
}

// load reads all ConfigMaps once.
func (s *markStore) load(ctx context.Context) error {
	if s.loaded.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded.Load() {
		return nil
	}
	if !s.failed.IsZero() && s.now().Sub(s.failed) < marksReload {
		return errMarks
	}
	var all corev1.ConfigMapList
	if err := s.reader.List(ctx, &all, client.InNamespace(s.home)); err != nil {
		s.failed = s.now()
		s.log.ErrorContext(ctx, "reading the marks of envelopes opened before; objects that hang on them wait", "error", err)
		return errMarks
	}
	// By name: somebody may have taken the label off one.
	for i := range all.Items {
		if sh := s.named(all.Items[i].Name); sh != nil {
			sh.absorb(&all.Items[i])
			sh.complain(ctx)
		}
	}
	if since, _ := s.remembersSince(); since.IsZero() {
		s.shards[0].memory.found(nil, s.now())
	}
	s.loaded.Store(true)
	return nil
}

// named is the shard in a ConfigMap; nil if that is none.
func (s *markStore) named(configMap string) *markShard {
	for _, sh := range s.shards {
		if sh.name == configMap {
			return sh
		}
	}
	return nil
}

func (s *markStore) shardOf(key string) *markShard { return s.shards[s.index(key)] }

func (s *markStore) index(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return int(h.Sum32() % markShards)
}

// markKey is an object's key in its ConfigMap. No namespace has an underscore in its name, and no name begins with one.
func markKey(object types.NamespacedName) string {
	key := object.Namespace + "_" + object.Name
	if len(key) <= maxMarkKey {
		return key
	}
	sum := sha256.Sum256([]byte(object.Name))
	return object.Namespace + "__" + hex.EncodeToString(sum[:16])
}

// objectOf is the object of a markKey; ok is false where only its namespace can be told, which is empty for forgottenKey.
func objectOf(key string) (object types.NamespacedName, ok bool) {
	object.Namespace, object.Name, ok = strings.Cut(key, "_")
	return object, ok && !strings.HasPrefix(object.Name, "_")
}

// changedBy notes that somebody else has changed or removed the marks of some objects.
func (s *markStore) changedBy(others []string) {
	if len(others) == 0 {
		return
	}
	s.mu.Lock()
	s.woken = append(s.woken, others...)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
