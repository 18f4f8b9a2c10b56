package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// markTries is how often a write that others come in the way of is begun anew.
	markTries = 8
	// maxShard is the size at which a ConfigMap counts as full: the API server takes 1 MiB.
	maxShard = 960 << 10
)

// delta is what a write changes: texts by key, nil to remove; with when they changed.
type delta struct {
	version string
	texts   map[string]*string
	when    map[string]uint64
	// memory are annotations that say what the marks remember, as of at; nil: they stay.
	memory map[string]string
	at     time.Time
}

// sync reads the ConfigMap if there is news of it, and writes what is unsaved. The precondition of a write is the version that is known, so nothing is lost that
// somebody else wrote meanwhile.
func (sh *markShard) sync(ctx context.Context, news bool) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	var err error
	for range markTries {
		if news {
			if err := sh.fetch(ctx); err != nil {
				return sh.failed(ctx, err)
			}
		}
		if err := sh.makeRoom(ctx); err != nil {
			return sh.failed(ctx, err)
		}
		d := sh.unsavedDelta()
		if len(d.texts) == 0 && d.memory == nil {
			return nil
		}
		version := ""
		if version, err = sh.write(ctx, d); err == nil {
			sh.wrote(d, version)
			return nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) {
			break
		}
		news = true
	}
	return sh.failed(ctx, err)
}

func (sh *markShard) failed(ctx context.Context, err error) error {
	sh.store.log.ErrorContext(ctx, "storing marks", "configmap", sh.name, "error", err)
	return err
}

func (sh *markShard) fetch(ctx context.Context) error {
	cm := &corev1.ConfigMap{}
	err := sh.store.reader.Get(ctx, types.NamespacedName{Namespace: sh.store.home, Name: sh.name}, cm)
	switch {
	case apierrors.IsNotFound(err):
		sh.gone()
		return nil
	case err != nil:
		return fmt.Errorf("reading it: %w", err)
	}
	changed := sh.absorb(cm)
	if len(changed) > 0 {
		sh.store.log.InfoContext(ctx, "somebody else has changed marks", "configmap", sh.name, "changed", len(changed), "first", changed[:min(len(changed), 10)])
		sh.complain(ctx)
	}
	sh.store.changedBy(changed)
	return nil
}

// complain tells of entries that are no marks.
func (sh *markShard) complain(ctx context.Context) {
	sh.mu.Lock()
	damaged := slices.Sorted(maps.Keys(sh.damaged))
	sh.mu.Unlock()
	if len(damaged) > 0 {
		sh.store.log.ErrorContext(ctx, "entries are no marks: objects that hang on them are refused until somebody removes them", "configmap", sh.name,
			"entries", len(damaged), "first", damaged[:min(len(damaged), 10)])
	}
}

func (sh *markShard) unsavedDelta() delta {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	d := delta{version: sh.version, texts: map[string]*string{}, when: maps.Clone(sh.unsaved)}
	for key := range sh.unsaved {
		d.texts[key] = nil
		if text, ok := sh.texts[key]; ok {
			d.texts[key] = &text
		}
	}
	if d.at = sh.store.now(); sh.memory != nil && sh.memory.due(d.at) {
		d.memory = sh.memory.annotations(d.at)
	}
	return d
}

// write gives the version of the ConfigMap after it.
func (sh *markShard) write(ctx context.Context, d delta) (string, error) {
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: sh.store.home, Name: sh.name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, labelMarks: "true"}, Annotations: d.memory,
	}}
	if d.version == "" {
		cm.Data = map[string]string{}
		for key, text := range d.texts {
			if text != nil {
				cm.Data[key] = *text
			}
		}
		err := sh.store.writer.Create(ctx, cm, client.FieldOwner(unseal.FieldManager))
		return cm.ResourceVersion, err
	}
	// The labels go along: a ConfigMap without them would not be found at the next start.
	meta := map[string]any{"resourceVersion": d.version, "labels": cm.Labels}
	if d.memory != nil {
		meta["annotations"] = d.memory
	}
	body, err := json.Marshal(map[string]any{"metadata": meta, "data": d.texts})
	if err != nil {
		return "", fmt.Errorf("encoding a patch: %w", err)
	}
	answer := bareMetadata(corev1.SchemeGroupVersion.WithKind("ConfigMap"), types.NamespacedName{Namespace: sh.store.home, Name: sh.name})
	err = sh.store.writer.Patch(ctx, answer, client.RawPatch(types.MergePatchType, body), client.FieldOwner(unseal.FieldManager))
	return answer.ResourceVersion, err
}

func (sh *markShard) wrote(d delta, version string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for key, when := range d.when {
		if sh.unsaved[key] == when {
			delete(sh.unsaved, key)
		}
	}
	for key, text := range d.texts {
		if text == nil {
			delete(sh.held, key)
		} else {
			sh.held[key] = *text
		}
	}
	if d.memory != nil {
		sh.memory.wrote(d.at)
	}
	sh.version = version
	if sh.own = append(sh.own, version); len(sh.own) > ownVersions {
		sh.own = slices.Delete(sh.own, 0, len(sh.own)-ownVersions)
	}
}

// makeRoom deals with a ConfigMap that would become too large: the items of the longest marks are forgotten, so that the objects of one tenant do not take the
// room of all others, and if that is not enough the marks of objects that are gone, those with the oldest envelopes first.
func (sh *markShard) makeRoom(ctx context.Context) error {
	if sh.size() <= sh.store.limit {
		return nil
	}
	if compacted := sh.compact(); len(compacted) > 0 {
		sh.store.log.WarnContext(ctx, "a ConfigMap of marks is full: of the longest marks only the newest envelope stays, and where going back is refused items that are older are",
			"configmap", sh.name, "compacted", len(compacted), "first", compacted[:min(len(compacted), 10)])
	}
	if sh.size() <= sh.store.limit {
		return nil
	}
	present, err := sh.store.present(ctx)
	if err != nil {
		return fmt.Errorf("listing GitSecrets: %w", err)
	}
	dropped := sh.drop(present)
	if len(dropped) == 0 {
		return nil
	}
	sh.store.changedBy(dropped) // one that came meanwhile is looked at again
	sh.store.log.WarnContext(ctx, "a ConfigMap of marks is full: marks of objects that are gone were removed, and their older versions can be put back",
		"configmap", sh.name, "removed", len(dropped), "first", dropped[:min(len(dropped), 10)])
	return nil // if that is not enough, the API server says so
}

func (sh *markShard) size() int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.bytes()
}

func (sh *markShard) bytes() int {
	n := 0
	for key, text := range sh.texts {
		n += len(key) + len(text)
	}
	return n
}

// longMark is the part of a full ConfigMap beyond which a mark is long.
const longMark = 128

// roomy is the size that a full ConfigMap is brought to: an eighth stays free, so that there need not be made room for each new object.
func (sh *markShard) roomy() int { return sh.store.limit - sh.store.limit/8 }

// compact shortens long marks, the longest first.
func (sh *markShard) compact() (compacted []string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	long := slices.DeleteFunc(slices.Sorted(maps.Keys(sh.texts)), func(key string) bool {
		return key == forgottenKey || len(sh.texts[key]) <= sh.store.limit/longMark
	})
	slices.SortStableFunc(long, func(a, b string) int { return len(sh.texts[b]) - len(sh.texts[a]) })
	size := sh.bytes()
	for _, key := range long {
		if size <= sh.roomy() {
			break
		}
		mark, err := unseal.ParseMark(sh.texts[key])
		if err != nil {
			continue // damaged: for a person to look at
		}
		text := mark.Compact().Text()
		size -= len(sh.texts[key]) - len(text)
		sh.set(key, text)
		sh.differs(key)
		compacted = append(compacted, key)
	}
	return compacted
}

// drop forgets objects that are gone, but for the keys that they need.
func (sh *markShard) drop(present func(markKey string) bool) (dropped []string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	newest, marks := map[string]string{}, map[string]unseal.Mark{}
	for key, text := range sh.texts {
		if mark, err := unseal.ParseMark(text); err == nil && key != forgottenKey && !present(key) {
			newest[key], marks[key] = mark.Newest(), mark
		}
	}
	forgotten, _ := unseal.ParseMark(sh.texts[forgottenKey])
	gone := slices.SortedFunc(maps.Keys(newest), func(a, b string) int {
		return strings.Compare(newest[a]+a, newest[b]+b)
	})
	size := sh.bytes()
	for _, key := range gone {
		if size <= sh.roomy() {
			break
		}
		if sh.damaged[forgottenKey] && len(marks[key].Needed()) > 0 {
			continue // there is no place for its keys
		}
		size -= len(key) + len(sh.texts[key])
		sh.remove(key)
		sh.differs(key)
		dropped = append(dropped, key)
		forgotten = forgotten.Remains(marks[key], sh.store.date())
	}
	if text := forgotten.Text(); !forgotten.Empty() && text != sh.texts[forgottenKey] {
		sh.set(forgottenKey, text)
		sh.differs(forgottenKey)
	}
	return dropped
}
