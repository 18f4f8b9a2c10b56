package keyring_test

import (
	"context"
	"crypto/rand"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// memorySource is a fake source: it keeps the promises of keyring.Source in memory, and fails where it is told to. The real ones are tested on a real API server.
type memorySource struct {
	t    testing.TB
	name string // stands in Where

	mu         sync.Mutex
	version    int
	keys       map[string]*keyring.Stored // by id
	faults     []keyring.Problem
	statements map[string]*keyring.Statement // by keyring
	signers    map[string]string             // their private halves
	problem    error                         // of the statement
	saved      []string                      // every note that was ever stored
	ops        int

	// before and after may be nil; they are asked for an error with the operation's name and number.
	before, after func(op string, n int) error
	trace         func(string)
	// now dates new keys.
	now func() time.Time
}

func newMemorySource(t testing.TB) *memorySource {
	return &memorySource{t: t, name: "Place", keys: map[string]*keyring.Stored{}, statements: map[string]*keyring.Statement{}, signers: map[string]string{}, now: func() time.Time { return noon }}
}

// do runs an operation under the lock, with the failures around it.
func (m *memorySource) do(ctx context.Context, op string, f func() error) error {
	runtime.Gosched()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ops++
	n := m.ops
	if m.trace != nil {
		m.trace(op)
	}
	if m.before != nil {
		if err := m.before(op, n); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	if m.after != nil {
		return m.after(op, n)
	}
	return nil
}

func (m *memorySource) next() string {
	m.version++
	return m.name + " " + strconv.Itoa(m.version)
}

// put adds a key as somebody with a backup would.
func (m *memorySource) put(k keyring.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[k.ID] = &keyring.Stored{Key: k, Where: m.name + " " + k.ID[:16], Version: m.next()}
}

// change edits a key as somebody with access would.
func (m *memorySource) change(id string, f func(*keyring.Key)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.keys[id].Key)
	m.keys[id].Version = m.next()
}

func (m *memorySource) Load(ctx context.Context, name string) (keys []keyring.Stored, faults []keyring.Problem, err error) {
	err = m.do(ctx, "load", func() error {
		for _, k := range m.keys {
			if k.Keyring == name {
				keys = append(keys, *k)
			}
		}
		faults = append(faults, m.faults...)
		return nil
	})
	return keys, faults, err
}

func (m *memorySource) Create(ctx context.Context, name string, class seal.Class) (string, error) {
	id, _ := identity(m.t, class)
	return id.KeyID(), m.do(ctx, "create", func() error {
		k := keyring.NewKey(name, id, keyring.PreActive, m.now(), time.Time{})
		k.Since = k.Created
		m.keys[id.KeyID()] = &keyring.Stored{Key: k, Where: m.name + " " + id.KeyID()[:16], Version: m.next()}
		return nil
	})
}

func (m *memorySource) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	return m.do(ctx, "set state", func() error {
		now, ok := m.keys[k.ID]
		if !ok || now.Version != k.Version {
			return keyring.ErrConflict
		}
		if err := keyring.Step(now.State, to); err != nil {
			return err
		}
		if to == keyring.Active && now.Activated.IsZero() {
			now.Activated = at
		}
		if to == keyring.Destroyed {
			now.Key, now.Buried = now.Destroyed(at), false
		}
		now.State, now.Since, now.Version = to, at, m.next()
		return nil
	})
}

// bury begins a destruction that does not come to its end.
func (m *memorySource) bury(k keyring.Stored) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := m.keys[k.ID]; now == nil || now.Version != k.Version || keyring.Step(now.State, keyring.Destroyed) != nil {
		return keyring.ErrConflict
	}
	m.keys[k.ID].Buried = true
	return nil
}

func (m *memorySource) Unbury(ctx context.Context, k keyring.Stored) error {
	return m.do(ctx, "unbury", func() error {
		now, ok := m.keys[k.ID]
		if !ok || now.Version != k.Version {
			return keyring.ErrConflict
		}
		now.Buried, now.Version = false, m.next()
		return nil
	})
}

// lose deletes a key as somebody with access would.
func (m *memorySource) lose(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.keys[id]; k.Buried {
		k.Key, k.Buried, k.Version = k.Destroyed(k.Since), false, m.next()
		return
	}
	delete(m.keys, id)
}

func (m *memorySource) LoadStatement(ctx context.Context, name string) (st *keyring.Statement, err error) {
	err = m.do(ctx, "load statement", func() error {
		if s, ok := m.statements[name]; ok {
			c := *s
			st = &c
		}
		return m.problem
	})
	return st, err
}

func (m *memorySource) CreateStatement(ctx context.Context, name string) error {
	return m.do(ctx, "create statement", func() error {
		if m.statements[name] != nil {
			return keyring.ErrConflict
		}
		signerKey, verifierKey, err := statement.GenerateKey(rand.Reader, name)
		if err != nil {
			return err
		}
		signer, err := statement.NewSigner(signerKey)
		m.signers[name] = signerKey
		m.statements[name] = &keyring.Statement{Keyring: name, VerifierKey: verifierKey, Signer: signer, Where: m.name + " of the statement", Version: m.next()}
		return err
	})
}

func (m *memorySource) SaveStatement(ctx context.Context, s *keyring.Statement) error {
	return m.do(ctx, "save statement", func() error {
		now := m.statements[s.Keyring]
		if now == nil || now.Version != s.Version {
			return keyring.ErrConflict
		}
		if string(s.Note) != string(now.Note) {
			m.saved = append(m.saved, string(s.Note))
		}
		now.Note, now.Claim, now.Version = s.Note, s.Claim, m.next()
		return nil
	})
}

func (m *memorySource) inState(state keyring.State) (ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, k := range m.keys {
		if k.State == state {
			ids = append(ids, id)
		}
	}
	return ids
}
