package vault

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// TestANameThatCannotBeResolved has a resolver that refuses, and one that has not answered in time.
func TestANameThatCannotBeResolved(t *testing.T) {
	system := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = system })
	for name, failure := range map[string]error{"refused": syscall.ECONNREFUSED, "silent": os.ErrDeadlineExceeded} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{}, 100)
			net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
				asked <- struct{}{}
				return nil, failure
			}}
			c := New(Config{
				Connection: v1alpha1.VaultConnection{
					Address: "https://vault.invalid", Auth: v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Role: "waxwing"}},
				},
				ServiceAccountToken: func(context.Context, string) (string, error) { return "a-token", nil },
				Now:                 time.Now, Jitter: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
			})
			t.Cleanup(c.Close)
			_, err := c.Read(t.Context(), "secret/data/x")
			if KindOf(err) != Unreachable || !strings.Contains(err.Error(), "the name vault.invalid cannot be resolved; "+hintAway) {
				t.Errorf("got %v", err)
			}
			if len(asked) == 0 {
				t.Error("another resolver was asked")
			}
		})
	}
}

func TestWhoWaitsLongerForAnAnswerWaitsLongerForAConnection(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{2 * time.Second: 5 * time.Second, 0: 5 * time.Second, time.Minute: 30 * time.Second} {
		c := New(Config{Connection: v1alpha1.VaultConnection{Address: "https://vault.example"}, Timeout: timeout})
		if got := c.http.Transport.(bounded).next.TLSHandshakeTimeout; got != want {
			t.Errorf("with %s for an answer, a handshake has %s, want %s", timeout, got, want)
		}
	}
}
