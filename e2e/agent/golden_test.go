package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/giteatest"
)

// golden is a rotation on its way from the cluster into Git and back.
type golden struct {
	*world
	way
	objects   []string
	secrets   []*corev1.Secret
	old, next string           // ids of the keys
	before    string           // the commit that is sealed to the old key
	process   *harness.Process // the agent
}

// way is how the agent gets at the repository, and how a rotation gets back into it.
type way struct {
	ssh         bool
	strategy    string
	protected   bool // the branch that is followed: a person merges
	credentials func(*world) map[string]string
}

// TestARotationGoesThroughGit is the golden loop: a push becomes a Secret, a rotation a pull request; it is merged, synced, and nobody needs the old key. The merge is all that a
// person does, and where the agent may push, not even that.
func TestARotationGoesThroughGit(t *testing.T) {
	token := func(w *world) map[string]string { return w.token("sync") }
	for _, c := range []struct {
		name string
		way
	}{
		{"a pull request, over HTTPS with a token", way{strategy: v1alpha1.WritePullRequest, protected: true, credentials: token}},
		{"a push, over HTTPS with a token", way{strategy: v1alpha1.WritePush, credentials: token}},
		{"a push that becomes a pull request, over SSH with a user's key", way{ssh: true, strategy: v1alpha1.WritePush, protected: true, credentials: (*world).sshKey}},
		{"a push, over SSH with a key of the repository", way{ssh: true, strategy: v1alpha1.WritePush, credentials: (*world).deployKey}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &golden{world: newWorld(t), way: c.way, objects: []string{"api", "db", "web"}}
			g.begin()
			g.pushed()
			g.rotated()
			if g.protected {
				g.merged(g.proposed())
			}
			g.rewrapped()
			g.unneeded()
			g.told()
		})
	}
}

// begin has a repository be followed that has three objects, two of them in one file, sealed for the keyring and others.
func (g *golden) begin(others ...string) {
	g.t.Helper()
	g.initialise(others...)
	g.sealed("prod/db.yaml", "db")
	g.sealed("prod/shop/both.yaml", "api", "web")
	g.before = g.clone.Commit("feat: seal them")
	g.clone.Push()
	files := g.credentials(g.world)
	files["signing-key"] = g.newKey("signing")
	g.configure(files)
	g.process = g.agent()
	g.repo.Webhook("gitea", g.hookURL, hookSecret)
	g.follow(func(s *v1alpha1.SecretSyncSpec) {
		s.WriteBack = &v1alpha1.WriteBack{Strategy: g.strategy, SigningKey: credentials, Author: &v1alpha1.CommitAuthor{Name: "Waxwing", Email: g.bot.Email()}}
		if files["forge-token"] != "" {
			s.WriteBack.Forge = &v1alpha1.Forge{Type: v1alpha1.ForgeGitea}
		}
		if g.ssh {
			s.Source.URL = g.repo.SSHURL()
			if s.WriteBack.Forge != nil {
				s.WriteBack.Forge.URL = g.forge.URL // whose port is another
			}
		}
	})
	g.applied(g.before)
	for _, name := range g.objects {
		g.secrets = append(g.secrets, g.secret(name))
	}
	g.old = g.active().ID
}

// pushed holds that a push is in the cluster by its webhook: the repository is not asked by itself for an hour.
func (g *golden) pushed() {
	g.t.Helper()
	g.sealed("prod/late.yaml", "late")
	g.before = g.clone.Commit("feat: one more")
	g.clone.Push()
	g.objects = append(g.objects, "late")
	g.secrets = append(g.secrets, g.secret("late"))
	g.applied(g.before)
	if g.protected {
		g.repo.Protect("main")
	}
}

// rotated has another key take the place of the first, which is not destroyed while Git needs it. The agent stands still for so long: it may push at once, and not all of it.
func (g *golden) rotated() {
	g.t.Helper()
	g.process.Signal(g.t, syscall.SIGSTOP)
	defer g.process.Signal(g.t, syscall.SIGCONT)
	g.seal("keys", "rotate", "--keyring", g.keyring)
	if g.next = g.active().ID; g.next == g.old || g.key(g.old).State != "Deactivated" {
		g.t.Fatalf("active is %s, and the old key %s is %s", g.next, g.old, g.key(g.old).State)
	}
	g.needed()
	g.offered(g.objects...)
}

// needed holds that the old key is not destroyed while files of the branch are wrapped for it.
func (g *golden) needed() {
	g.t.Helper()
	p := g.try(harness.BuildBinary(g.t, "./cmd/seal"), "keys", "destroy", g.old, "--keyring", g.keyring, "--yes")
	if code := p.Wait(g.t); code != 1 || !strings.Contains(p.Stderr(), "SecretSync "+g.team+"/"+syncName) {
		g.t.Errorf("destroying it ends with %d: %s", code, p.Stderr())
	}
}

// proposed waits for the pull request.
func (g *golden) proposed() giteatest.PullRequest {
	g.t.Helper()
	p := g.repo.AwaitPullRequest(g.ctx, func(p giteatest.PullRequest) error {
		if p.Base.Branch != "main" || p.Poster.Name != g.bot.Name || !p.Mergeable {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	want := fmt.Sprintf("chore(seal): rewrap %d objects for %s's recipient set", len(g.objects), g.keyring)
	if !strings.HasPrefix(p.Title, want) {
		g.t.Errorf("its title is %q, not %q", p.Title, want)
	}
	if head := g.repo.Head("main"); head != g.before {
		g.t.Errorf("main is %s before the merge", head)
	}
	g.until("the status tells of it", func(s *v1alpha1.SecretSync) bool {
		wb := s.Status.WriteBack
		return wb != nil && wb.PullRequest == p.URL && wb.Commit == p.Head.Commit && wb.Branch == p.Head.Branch
	})
	return p
}

// merged is what a person does.
func (g *golden) merged(p giteatest.PullRequest) {
	g.t.Helper()
	g.repo.Merge(g.alice, p, "merge")
}

// rewrapped waits until the cluster has what write-back has made of the files, and looks at the commit: one, with nothing in it but wraps and the note.
func (g *golden) rewrapped() {
	g.t.Helper()
	g.eventually("main has the rewrap", func(context.Context) error {
		if head := g.repo.Head("main"); head == g.before {
			return errors.New("it is where it was")
		}
		return nil
	})
	head := g.repo.Head("main")
	g.applied(head)
	g.clone.Pull()
	commits := g.clone.Git("log", "--format=%H %an %ae", "--no-merges", g.before+"..HEAD")
	if n := strings.Count(commits, "\n") + 1; n != 1 || !strings.HasSuffix(commits, "Waxwing "+g.bot.Email()) {
		g.t.Fatalf("the commits are %q", commits)
	}
	commit, _, _ := strings.Cut(commits, " ")
	g.trailers(commit)
	if !g.protected && commit != head {
		g.t.Errorf("main is %s, and %s was pushed", head, commit)
	}
	if s := g.commitShown(commit); s.Details.Verification.Signature == "" {
		g.t.Errorf("the commit is not signed: %+v", s)
	}
	g.onlyWraps(commit)
	for i, name := range g.objects {
		g.openedWithNext(name)
		if now := g.secret(name); now.UID != g.secrets[i].UID || now.ResourceVersion != g.secrets[i].ResourceVersion {
			g.t.Errorf("Secret %s was written", name)
		}
	}
}

func (g *golden) commitShown(id string) giteatest.Commit {
	g.t.Helper()
	all := g.repo.Commits("main")
	i := slices.IndexFunc(all, func(c giteatest.Commit) bool { return c.ID == id })
	if i < 0 {
		g.t.Fatalf("main does not show %s", id)
	}
	return all[i]
}

// openedWithNext waits until an object is opened with the next key, and nothing is offered for it any more.
func (g *golden) openedWithNext(name string) {
	g.t.Helper()
	g.eventually(name+" is opened with the next key, and nothing is offered any more", func(ctx context.Context) error {
		o := &v1alpha1.GitSecret{}
		if err := g.Get(ctx, g.named(name), o); err != nil {
			return err
		}
		for _, k := range o.Status.Keys {
			if k.Keyring == g.keyring && k.ID != g.next {
				return fmt.Errorf("it was opened with %s", k.ID)
			}
		}
		if slices.ContainsFunc(o.Status.Rewrap, func(r v1alpha1.RewrapOffer) bool { return r.Holder == g.keyring }) || o.Status.ObservedGeneration != o.Generation {
			return fmt.Errorf("generation %d of %d, with %d offers", o.Status.ObservedGeneration, o.Generation, len(o.Status.Rewrap))
		}
		return nil
	})
}

// unneeded waits until no use of the old key is known, neither in the cluster nor in Git, and has it destroyed.
func (g *golden) unneeded() {
	g.t.Helper()
	g.until("the branch does not name the old key", func(s *v1alpha1.SecretSync) bool {
		return len(s.Status.Keys) > 0 && !slices.Contains(s.Status.Keys, g.old) && slices.Contains(s.Status.Keys, g.next)
	})
	since := metav1.Now()
	g.eventually("no use of the old key is known", func(ctx context.Context) error {
		u := g.key(g.old).Uses
		if u == nil || u.Counted.Before(&since) || u.Objects != 0 || u.Gone != 0 || len(u.Git) != 0 || u.Unseen != "" {
			return errors.Join(fmt.Errorf("it says %+v", u), g.nudge(ctx))
		}
		return nil
	})
	g.seal("keys", "destroy", g.old, "--keyring", g.keyring, "--yes", "--reason", "all is rewrapped")
	if state := g.key(g.old).State; state != "Destroyed" {
		g.t.Errorf("the old key is %s", state)
	}
	for _, name := range g.objects {
		g.secret(name)
	}
}

// nudge has the controller look at the keyring now: its spec changes in something that is of no concern here.
func (g *golden) nudge(ctx context.Context) error {
	kr, err := g.ring(ctx)
	if err != nil {
		return err
	}
	kr.Spec.TemplateMetadata = []string{fmt.Sprintf("example.com/looked-at-%d", kr.Generation)}
	return g.Update(ctx, kr)
}
