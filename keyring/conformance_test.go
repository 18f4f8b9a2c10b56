package keyring_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/keyringtest"
)

// TestTheFakeSourceKeepsItsPromises holds the fake that the tests of this package rely on to what the real sources are held to.
func TestTheFakeSourceKeepsItsPromises(t *testing.T) {
	keyringtest.Run(t, func(t *testing.T) keyringtest.World {
		sources := map[string]*memorySource{}
		of := func(name string) *memorySource {
			if sources[name] == nil {
				sources[name] = newMemorySource(t)
			}
			return sources[name]
		}
		return keyringtest.World{
			Class:           seal.Classical,
			Source:          func(name string) keyring.Source { return of(name) },
			RemoveKey:       func(name, id string) { of(name).lose(id) },
			RemoveStatement: func(name string) { delete(of(name).statements, name) },
			BreakKey: func(name, id string) {
				delete(of(name).keys, id)
				of(name).faults = append(of(name).faults, keyring.Problem{Where: "Place " + id, Msg: "is garbled", KeyID: id})
			},
			BreakStatement: func(name string) {
				of(name).problem = &keyring.Problem{Where: "Place of the statement", Msg: "is garbled"}
			},
			Away: func() func() {
				for _, s := range sources {
					s.before = func(string, int) error { return errors.New("connection refused") }
				}
				return func() {
					for _, s := range sources {
						s.before = nil
					}
				}
			},
			Holds: func(name, id string) bool {
				return keyring.Probe(of(name).keys[id].Key, time.Now, rand.Reader) == nil
			},
			Watched: func(name string, at func(write func() error) error) keyring.Source {
				return &watchedMemory{of(name), at}
			},
			Content: func() (all string) {
				for _, name := range slices.Sorted(maps.Keys(sources)) {
					s := sources[name]
					all += fmt.Sprintf("%s %d %d;", name, s.version, len(s.keys))
				}
				return all
			},
		}
	})
}

// watchedMemory is a memorySource whose changes of state go through at.
type watchedMemory struct {
	*memorySource
	at func(write func() error) error
}

func (w *watchedMemory) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	if to == keyring.Destroyed {
		if err := w.at(func() error { return w.bury(k) }); err != nil {
			return err
		}
	}
	return w.at(func() error { return w.memorySource.SetState(ctx, k, to, at) })
}
