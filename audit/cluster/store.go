package cluster

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/waxwing-io/waxwing/audit"
)

// Store is an audit.Store whose name the cluster has to tell first: until the API server has answered, it is not Ready. Like any Store it has one user at a time, but for Opened.
type Store[S any, P interface {
	*S
	audit.Store
}] struct {
	origin func(context.Context) (string, error)
	open   func(origin string) P
	opened atomic.Pointer[S]
}

// NewStore gives the store that open makes for a name, once there is one.
func NewStore[S any, P interface {
	*S
	audit.Store
}](origin func(context.Context) (string, error), open func(origin string) P) *Store[S, P] {
	return &Store[S, P]{origin: origin, open: open}
}

// Opened is the store that open has made, nil before. It is safe for concurrent use.
func (s *Store[S, P]) Opened() P { return P(s.opened.Load()) }

// Ready implements audit.Store.
func (s *Store[S, P]) Ready(ctx context.Context) ([]audit.Standing, error) {
	if s.opened.Load() == nil {
		origin, err := s.origin(ctx)
		if err != nil {
			return nil, err
		}
		s.opened.Store(s.open(origin))
	}
	return s.Opened().Ready(ctx)
}

// Append implements audit.Store.
func (s *Store[S, P]) Append(ctx context.Context, records [][]byte) error {
	if s.opened.Load() == nil {
		return errors.New("the audit log is not open")
	}
	return s.Opened().Append(ctx, records)
}

// Close implements audit.Store.
func (s *Store[S, P]) Close() error {
	if s.opened.Load() == nil {
		return nil
	}
	return s.Opened().Close()
}
