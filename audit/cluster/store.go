package cluster

import (
	"context"
	"errors"

	"github.com/waxwing-io/waxwing/audit"
)

// Store is an audit.Store whose name the cluster has to tell first: until the API server has answered, it is not Ready. Like any Store it has one user at a time.
type Store struct {
	origin func(context.Context) (string, error)
	open   func(origin string) audit.Store
	store  audit.Store
}

var _ audit.Store = (*Store)(nil)

// NewStore gives the store that open makes for a name, once there is one.
func NewStore(origin func(context.Context) (string, error), open func(origin string) audit.Store) *Store {
	return &Store{origin: origin, open: open}
}

// Ready implements audit.Store.
func (s *Store) Ready(ctx context.Context) ([]audit.Standing, error) {
	if s.store == nil {
		origin, err := s.origin(ctx)
		if err != nil {
			return nil, err
		}
		s.store = s.open(origin)
	}
	return s.store.Ready(ctx)
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, records [][]byte) error {
	if s.store == nil {
		return errors.New("the audit log is not open")
	}
	return s.store.Append(ctx, records)
}

// Close implements audit.Store.
func (s *Store) Close() error {
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}
