package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/serve"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/audit/verify"
	"github.com/waxwing-io/waxwing/e2e/harness/certs"
)

// peerToken is the agent's own; the gate that asks the API server about it is in e2e.
const peerToken = "not-a-real-token"

// peerName is what the endpoint's certificate is for.
const peerName = "audit.example.org"

// peer is the audit log of a controller, which the real store writes, behind its endpoint.
type peer struct {
	*world
	dir    string
	key    ed25519.PrivateKey
	config Config
	asked  []string
	busy   int // how many requests find the endpoint too busy
}

// newPeer has the world's SecretSync keep the checkpoints of a controller's log in Git.
func newPeer(t *testing.T) *peer {
	p := &peer{dir: audittest.Dir(t), key: audittest.Key(t)}
	p.world = newWorld(t, func(o *v1alpha1.SecretSync) {
		o.Spec.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush, Checkpoints: "audit"}
	})
	authority := certs.New(t)
	cert, key := authority.Issue(t, certs.Certificate{Names: []string{peerName}})
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked = append(p.asked, r.URL.Path)
		if r.Header.Get("Authorization") != "Bearer "+peerToken {
			http.Error(w, "who is that", http.StatusUnauthorized)
			return
		}
		if p.busy > 0 {
			p.busy--
			http.Error(w, "too much to do", http.StatusServiceUnavailable)
			return
		}
		serve.Handler(p.dir, func(context.Context) (audit.Anchor, error) { return audit.Anchor{}, nil }).ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte(authority.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	p.config = Config{REST: &rest.Config{BearerToken: peerToken}, AuditAnchors: peerAnchors{p}, Peers: Peers{URL: server.URL, CAFile: ca, ServerName: peerName}}
	p.around = func(ctx context.Context, checkpoints bool) (in writeback.Cluster, err error) {
		in.Logs, err = auditLogs(ctx, p.config)
		return in, err
	}
	p.write(5)
	p.push(map[string]string{"a.json": p.sealed("a")})
	p.world.look()
	return p
}

// peerAnchors are those of the cluster: the agent has none yet, and the controller's is what its log has published.
type peerAnchors struct{ p *peer }

func (a peerAnchors) Load(context.Context) (audit.Anchor, string, error) {
	return audit.Anchor{}, "", nil
}

func (a peerAnchors) Save(context.Context, audit.Anchor, string) (string, error) {
	return "", audit.ErrConflict
}

func (a peerAnchors) Others(context.Context) ([]audit.Anchor, error) {
	checkpoint, err := os.ReadFile(filepath.Join(a.p.dir, "0001", "checkpoint"))
	if err != nil {
		return nil, err
	}
	key, err := note.NewEd25519VerifierKey(audittest.Origin, a.p.key.Public().(ed25519.PublicKey))
	return []audit.Anchor{{Origin: audittest.Origin, Key: key, Part: 1, Checkpoint: string(checkpoint)}}, err
}

// write adds operations to the log.
func (p *peer) write(n int) {
	p.Helper()
	cfg := audittest.Config(p.T, p.dir)
	cfg.Key = func(context.Context) (ed25519.PrivateKey, error) { return p.key, nil }
	rec := audit.NewRecorder(audit.Config{Store: tiles.New(cfg), Replica: "test", Now: time.Now, Rand: rand.Reader})
	for range n {
		id, err := rec.Intent(p.Context(), audit.Operation{Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Name: "db"}, Actor: audit.Actor{User: audit.Unattributed}})
		if err == nil {
			err = rec.Outcome(p.Context(), id, audit.Outcome{OK: true})
		}
		if err != nil {
			p.Fatal(err)
		}
	}
	if err := rec.Close(); err != nil {
		p.Fatal(err)
	}
}

// again has the log begun anew, by the same key.
func (p *peer) again(records int) {
	p.Helper()
	if err := os.RemoveAll(p.dir); err != nil {
		p.Fatal(err)
	}
	p.write(records)
}

// nextDay looks again when checkpoints are due.
func (p *peer) nextDay() *v1alpha1.SecretSync {
	p.Helper()
	p.pass(writeback.AnchorEvery + time.Minute)
	p.world.look()
	return p.object()
}

// kept is how many records the checkpoint in Git has, and the commit that it is in.
func (p *peer) kept() (size uint64, commit string) {
	p.Helper()
	commit = p.repo.Head("main")
	var k writeback.Kept
	if err := json.Unmarshal([]byte(p.repo.Git("-C", p.repo.Bare, "show", "main:audit/"+audittest.Origin+".json")), &k); err != nil {
		p.Fatal(err)
	}
	c, err := verify.OpenCheckpoint([]byte(k.Checkpoint), k.Key)
	if err != nil {
		p.Fatal(err)
	}
	return c.Size, commit
}

// refused holds whether the status and an event say that the log does not extend what is kept.
func (p *peer) refused(o *v1alpha1.SecretSync, want string) {
	p.Helper()
	c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionCheckpointsRefused)
	told := slices.ContainsFunc(p.told(), func(e string) bool {
		return strings.HasPrefix(e, "Warning "+v1alpha1.ConditionCheckpointsRefused+" ") && want != "" && strings.Contains(e, want)
	})
	switch {
	case want == "" && (c != nil || told):
		p.Errorf("something is refused: %+v, told: %t", c, told)
	case want != "" && (c == nil || !strings.Contains(c.Message, want) || !strings.Contains(c.Message, audittest.Origin) || !told):
		p.Errorf("%+v, told: %t, want %q", c, told, want)
	}
}

func TestTheControllersCheckpointGrowsInGit(t *testing.T) {
	p := newPeer(t)
	first, _ := p.kept()
	p.refused(p.object(), "")
	if first == 0 || len(p.asked) != 0 {
		t.Errorf("the first checkpoint has %d records, and the endpoint was asked for %q", first, p.asked)
	}
	last := first
	for range 3 {
		p.write(40)
		p.refused(p.nextDay(), "")
		now, _ := p.kept()
		if now < last+80 {
			t.Fatalf("the checkpoint in Git has %d records, and had %d", now, last)
		}
		last = now
	}
	if !slices.Contains(p.asked, "/v1/audit/") || !slices.Contains(p.asked, "/v1/audit/0001/checkpoint") {
		t.Errorf("the endpoint was asked for %q", p.asked)
	}
	n := len(p.asked)
	p.write(1)
	p.pass(time.Hour)
	p.world.look()
	if len(p.asked) != n {
		t.Error("the endpoint is asked although nothing is due")
	}
}

// TestALogThatDoesNotExtendWhatGitHasIsRefused has the log be begun anew, with fewer and with more records than the one in Git: Git keeps what it has, and it is told until it is
// right again.
func TestALogThatDoesNotExtendWhatGitHasIsRefused(t *testing.T) {
	p := newPeer(t)
	good := audittest.Dir(t)
	if err := os.CopyFS(good, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	size, commit := p.kept()
	for records, want := range map[int]string{1: "they were cut off, or this is an older copy", 60: "is another log than the one"} {
		p.again(records)
		p.refused(p.nextDay(), want)
		if now, at := p.kept(); now != size || at != commit {
			t.Errorf("%d records: Git has %d now, and had %d", records, now, size)
		}
	}
	p.nextDay()
	if c := apimeta.FindStatusCondition(p.object().Status.Conditions, v1alpha1.ConditionCheckpointsRefused); c == nil {
		t.Error("it is forgotten")
	}
	p.dir = good
	p.write(3)
	p.refused(p.nextDay(), "")
	if now, _ := p.kept(); now <= size {
		t.Errorf("Git has %d records, and had %d", now, size)
	}
}

// TestAnEndpointThatDoesNotAnswerIsLeftAloneForAWhile holds that not every look waits for it.
func TestAnEndpointThatDoesNotAnswerIsLeftAloneForAWhile(t *testing.T) {
	p := newPeer(t)
	size, _ := p.kept()
	p.write(20)
	good := p.config.REST
	p.config.REST = &rest.Config{BearerToken: "another"}
	p.nextDay()
	asked := len(p.asked)
	if asked == 0 {
		t.Fatal("the endpoint was not asked")
	}
	p.config.REST = good
	for range 3 {
		p.memory.known(p.world.key).offered()
		p.world.look()
	}
	if len(p.asked) != asked {
		t.Errorf("it was asked for %q", p.asked[asked:])
	}
	p.pass(writeback.UnreadRest)
	p.memory.known(p.world.key).offered()
	p.world.look()
	if now, _ := p.kept(); now <= size {
		t.Errorf("Git has %d records, and had %d", now, size)
	}
}

// TestAnEndpointThatIsBusyForAMomentIsAskedAgain holds that one request which fails does not have the log be left alone.
func TestAnEndpointThatIsBusyForAMomentIsAskedAgain(t *testing.T) {
	p := newPeer(t)
	size, _ := p.kept()
	p.write(20)
	p.busy = 1
	p.refused(p.nextDay(), "")
	if now, _ := p.kept(); now <= size || p.busy != 0 {
		t.Errorf("Git has %d records, and had %d; asked: %q", now, size, p.asked)
	}
}

// TestATilesServerThatCannotBeTrustedIsNotAsked holds that the agent's token goes only to whom the authority vouches for, and that what cannot be read is no refusal.
func TestATilesServerThatCannotBeTrustedIsNotAsked(t *testing.T) {
	other := certs.New(t)
	otherCA := filepath.Join(t.TempDir(), "other.crt")
	if err := os.WriteFile(otherCA, []byte(other.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
		asked  bool
	}{
		"another authority":         {func(c *Config) { c.Peers.CAFile = otherCA }, "certificate", false},
		"another name":              {func(c *Config) { c.Peers.ServerName = "other.example.org" }, "other.example.org", false},
		"no authority":              {func(c *Config) { c.Peers.CAFile = otherCA + ".no" }, "authorities cannot be read", false},
		"no token":                  {func(c *Config) { c.REST = &rest.Config{} }, "has no token", false},
		"a token that is not known": {func(c *Config) { c.REST = &rest.Config{BearerToken: "another"} }, "401", true},
		"nobody is there":           {func(c *Config) { c.Peers.URL = "https://127.0.0.1:1" }, "127.0.0.1:1", false},
		"no endpoint is named":      {func(c *Config) { c.Peers = Peers{} }, "tiles cannot be read", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			size, _ := p.kept()
			p.write(20)
			c.change(&p.config)
			o := p.nextDay()
			p.refused(o, "")
			w := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionWrittenBack)
			if w == nil || w.Reason != "NotWritten" || !strings.Contains(w.Message, c.want) || strings.Contains(w.Message, peerToken) {
				t.Errorf("%+v, want %q", w, c.want)
			}
			if now, _ := p.kept(); now != size || (len(p.asked) > 0) != c.asked {
				t.Errorf("Git has %d records, and had %d; asked: %q", now, size, p.asked)
			}
		})
	}
}

func TestWhereAPeerIs(t *testing.T) {
	p := Peers{URL: "https://{replica}.{set}.waxwing-system.svc:8443", CAFile: "ca.crt"}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	for replica, want := range map[string]string{
		"waxwing-controller-12": "https://waxwing-controller-12.waxwing-controller.waxwing-system.svc:8443/v1/audit/",
		"alone":                 "https://alone.alone.waxwing-system.svc:8443/v1/audit/",
		"evil.example/a":        "", "evil.example": "", "a@b": "", "": "", "a/b": "",
	} {
		u, err := p.at(replica)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%q: %v, %v, want %q", replica, u, err, want)
		}
	}
	for name, bad := range map[string]Peers{
		"no authority": {URL: p.URL}, "in the clear": {URL: "http://{replica}", CAFile: "ca.crt"}, "a user": {URL: "https://a@{replica}", CAFile: "ca.crt"},
	} {
		if bad.check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
