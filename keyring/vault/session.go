package vault

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	// tokenFileAge is how long a token from a file is used before the file is read again.
	tokenFileAge = time.Minute
	// settled is the age from which on a token that is denied something is taken for outdated: its role may have other policies by now.
	settled = 30 * time.Second
)

// session is one token.
type session struct {
	api     *api.Client
	token   string
	since   time.Time
	revokes bool // it is ours alone
	watcher *api.LifetimeWatcher
	over    atomic.Bool // it is about to end, or was refused
	back    atomic.Bool // it was given back
	// fromFile is when the file was last read, in nanoseconds since 1970; 0 for a token of a login.
	fromFile atomic.Int64
}

func (s *session) logical() *api.Logical { return s.api.Logical() }

// usable says whether s needs no look at its file and no new login.
func (s *session) usable(now time.Time) bool {
	if s == nil || s.over.Load() {
		return false
	}
	read := s.fromFile.Load()
	return read == 0 || now.Sub(time.Unix(0, read)) < tokenFileAge
}

// gone says whether a new token may help against e.
func (s *session) gone(e *Error, now time.Time) bool {
	return e.badToken() || s.fromFile.Load() != 0 || now.Sub(s.since) >= settled
}

// badToken says that Vault does not know the token.
func (e *Error) badToken() bool {
	text := strings.ToLower(e.Msg)
	return strings.Contains(text, "invalid token") || strings.Contains(text, "bad token")
}

func (s *session) stop() {
	if s.watcher != nil {
		s.watcher.Stop()
	}
}

// revoke gives the token back, unless it is over.
func (s *session) revoke() {
	if !s.over.Load() {
		s.giveBack()
	}
}

// giveBack tells Vault that the token is not needed any more. That it fails is of no interest: the token ends by itself. Who still uses it meanwhile is told that it is none.
func (s *session) giveBack() {
	if !s.revokes || !s.back.CompareAndSwap(false, true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), revokeTimeout)
	defer cancel()
	_ = s.api.Auth().Token().RevokeSelfWithContext(ctx, "")
}

// session gives the token that there is, or logs in. One logs in at a time, and all who wait take what comes of it.
func (c *Client) session(ctx context.Context, doing string) (*session, error) {
	if s, err := c.held(doing); s != nil || err != nil {
		return s, err
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, c.noAnswer(ctx, request{doing: doing}, ctx.Err())
	}
	if s, err := c.held(doing); s != nil || err != nil {
		return s, err
	}
	// What a login takes is not gathered for a Vault that is away.
	if err := c.reach.shut(doing); err != nil {
		return nil, err
	}
	if err := c.logins.pass(doing); err != nil {
		return nil, err
	}
	s, err := c.login(ctx, doing)
	c.logins.report(err)
	if err != nil {
		return nil, err
	}
	return s, c.take(s, doing)
}

// held gives the present session if it can be used.
func (c *Client) held(doing string) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, c.error(Unreachable, doing, "it is not used any more: the Keyring has changed", "")
	}
	if c.now.usable(c.cfg.Now()) {
		return c.now, nil
	}
	return nil, nil
}

// take makes s the present session.
func (c *Client) take(s *session, doing string) error {
	c.mu.Lock()
	old, closed := c.now, c.closed
	if !closed {
		c.now = s
	}
	c.mu.Unlock()
	if closed {
		s.revoke()
		s.stop()
		return c.error(Unreachable, doing, "it is not used any more: the Keyring has changed", "")
	}
	if old != nil && old != s {
		old.stop()
	}
	return nil
}

// drop has the next request look for another token than s.
func (c *Client) drop(s *session) {
	s.over.Store(true)
	s.stop()
}

// watch keeps the token of a login alive, and notes when that is over.
func (s *session) watch(secret *api.Secret) error {
	if secret.Auth.LeaseDuration == 0 { // it never ends
		return nil
	}
	w, err := s.api.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: secret})
	if err != nil {
		return err
	}
	s.watcher = w
	go func() {
		w.Start()
		s.over.Store(true)
	}()
	return nil
}
