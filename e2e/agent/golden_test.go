package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/giteatest"
)

// golden is a rotation on its way from the cluster into Git and back.
type golden struct {
	*world
	objects   []string
	secrets   []*corev1.Secret
	old, next string           // ids of the keys
	before    string           // the commit that is sealed to the old key
	process   *harness.Process // the agent
}

// TestARotationGoesThroughGit is the golden loop: a push becomes a Secret, a rotation a pull request; it is merged, synced, and nobody needs the old key. The merge is all that a
// person does, and with the strategy Push not even that.
func TestARotationGoesThroughGit(t *testing.T) {
	for _, strategy := range []string{v1alpha1.WritePullRequest, v1alpha1.WritePush} {
		t.Run(strategy, func(t *testing.T) {
			g := &golden{world: newWorld(t), objects: []string{"api", "db", "web"}}
			g.begin(strategy)
			g.pushed()
			if strategy == v1alpha1.WritePullRequest {
				g.repo.Protect("main")
			}
			g.rotated()
			g.needed()
			if strategy == v1alpha1.WritePullRequest {
				g.merged(g.proposed())
			}
			g.rewrapped(strategy)
			g.unneeded()
			g.told()
		})
	}
}

// begin has a repository be followed that has three objects, two of them in one file.
func (g *golden) begin(strategy string) {
	g.t.Helper()
	g.initialise()
	g.sealed("prod/db.yaml", "db")
	g.sealed("prod/shop/both.yaml", "api", "web")
	g.before = g.clone.Commit("feat: seal them")
	g.clone.Push()
	files := g.token("sync")
	files["signing-key"] = g.signingKey()
	g.configure(files)
	g.process = g.agent()
	g.repo.Webhook("gitea", g.hookURL, hookSecret)
	g.follow(func(s *v1alpha1.SecretSyncSpec) {
		s.WriteBack = &v1alpha1.WriteBack{
			Strategy: strategy, Forge: &v1alpha1.Forge{Type: v1alpha1.ForgeGitea}, SigningKey: credentials,
			Author: &v1alpha1.CommitAuthor{Name: "Waxwing", Email: g.bot.Email()},
		}
	})
	g.applied(g.before)
	for _, name := range g.objects {
		g.secrets = append(g.secrets, g.secret(name))
	}
	g.old = g.active().ID
}

// signingKey makes an SSH key.
func (g *golden) signingKey() (private string) {
	g.t.Helper()
	path := filepath.Join(g.safe, "signing")
	harness.Run(g.t, harness.Command{Path: "ssh-keygen", Args: []string{"-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path}})
	b, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(b)
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
}

// rotated has another key take the place of the first, and waits until wraps are offered for all.
func (g *golden) rotated() {
	g.t.Helper()
	g.seal("keys", "rotate", "--keyring", g.keyring)
	if g.next = g.active().ID; g.next == g.old || g.key(g.old).State != "Deactivated" {
		g.t.Fatalf("active is %s, and the old key %s is %s", g.next, g.old, g.key(g.old).State)
	}
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
func (g *golden) rewrapped(strategy string) {
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
	if strategy == v1alpha1.WritePush && commit != head {
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

// trailers holds what the message of the agent's commit says.
func (g *golden) trailers(commit string) {
	g.t.Helper()
	got := g.clone.Git("log", "-1", "--format=%(trailers:only,unfold)", commit)
	for _, want := range []string{
		"Waxwing-Keyring: " + g.keyring, "Waxwing-Set: ", "Waxwing-Keys: " + g.old[:16], "-> " + g.next[:16], "Waxwing-Sync: " + g.team + "/" + syncName,
	} {
		if !strings.Contains(got, want) {
			g.t.Errorf("the commit's trailers have no %q:\n%s", want, got)
		}
	}
}

// wrapLine is a line of a wrap as it stands in a sealed file.
var wrapLine = regexp.MustCompile(`^[-+] +(keys:.*|wrappedBefore:.*|- "?[0-9a-f]{32}"?|age: \|-?|-----(BEGIN|END) AGE ENCRYPTED FILE-----|[A-Za-z0-9+/]+=*)$`)

// onlyWraps holds that the agent's commit changes wraps of the keyring and its note.
func (g *golden) onlyWraps(commit string) {
	g.t.Helper()
	files := strings.Fields(g.clone.Git("diff-tree", "--no-commit-id", "--name-only", "-r", commit))
	want := []string{".seal/" + g.keyring + ".note", "prod/db.yaml", "prod/late.yaml", "prod/shop/both.yaml"}
	if !slices.Equal(files, want) {
		g.t.Errorf("changed are %q, not %q", files, want)
	}
	for _, file := range want {
		if strings.HasPrefix(file, ".seal/") {
			continue
		}
		for line := range strings.Lines(g.clone.Git("diff", "-U0", commit+"^", commit, "--", file)) {
			line = strings.TrimRight(line, "\n")
			if header := regexp.MustCompile(`^(diff |index |--- a/|\+\+\+ b/|@@ )`).MatchString(line); !header && !wrapLine.MatchString(line) {
				g.t.Errorf("a line of %s that is none of a wrap has changed: %s", file, line)
			}
		}
		g.onlyWrapsIn(g.clone.Git("show", commit+"^:"+file), g.clone.Git("show", commit+":"+file))
	}
}

// onlyWrapsIn compares a file's documents.
func (g *golden) onlyWrapsIn(before, now string) {
	g.t.Helper()
	old, present := strings.Split(before, "\n---\n"), strings.Split(now, "\n---\n")
	if len(old) != len(present) {
		g.t.Fatalf("%d documents were %d", len(present), len(old))
	}
	for i := range old {
		a, b := &v1alpha1.GitSecret{}, &v1alpha1.GitSecret{}
		if err := errors.Join(yaml.UnmarshalStrict([]byte(old[i]), a), yaml.UnmarshalStrict([]byte(present[i]), b)); err != nil {
			g.t.Fatal(err)
		}
		for id, e := range b.Spec.Envelopes {
			if w := e.Wraps[g.keyring]; !slices.Equal(w.Keys, []string{g.next}) || !slices.Equal(w.WrappedBefore, []string{g.old}) {
				g.t.Errorf("%s: envelope %s is for %q and was for %q", b.Name, id, w.Keys, w.WrappedBefore)
			}
			e.Wraps[g.keyring] = a.Spec.Envelopes[id].Wraps[g.keyring]
		}
		if !equality.Semantic.DeepEqual(a, b) {
			g.t.Errorf("more than wraps has changed in %s", b.Name)
		}
	}
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
			if k.ID != g.next {
				return fmt.Errorf("it was opened with %s", k.ID)
			}
		}
		if len(o.Status.Rewrap) > 0 || o.Status.ObservedGeneration != o.Generation {
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

// told holds that both audit logs verify against what is anchored in the cluster, and that the agent's has what it did.
func (g *golden) told() {
	g.t.Helper()
	anchors := filepath.Join(g.safe, "anchors.json")
	g.process.Signal(g.t, os.Interrupt) // while it runs, something may be under way, which is a finding
	g.process.Wait(g.t)
	g.ctl.Signal(g.t, os.Interrupt)
	g.ctl.Wait(g.t)
	if err := os.WriteFile(anchors, []byte(g.seal("audit", "anchor", "-o", "json")), 0o600); err != nil {
		g.t.Fatal(err)
	}
	for _, log := range []string{g.agentLog, g.ctlLog} {
		g.seal("audit", "verify", log, "--anchor", anchors)
	}
	done, open := outcomes(g.t, g.agentLog)
	for _, a := range []audit.Action{audit.ActionSyncSynced, audit.ActionSyncApplied, audit.ActionSyncPushed} {
		if !done[a] {
			g.t.Errorf("the agent's audit log has no %s that was done", a)
		}
	}
	if len(open) > 0 {
		g.t.Errorf("intents without an outcome: %s", open)
	}
}

// outcomes are the actions of a log that were done, and intents without an outcome.
func outcomes(t *testing.T, log string) (done map[audit.Action]bool, open []string) {
	t.Helper()
	done = map[audit.Action]bool{}
	intents := map[string]audit.Record{}
	for _, r := range audittest.Records(t, log) {
		switch r.Phase {
		case audit.PhaseIntent:
			intents[r.ID] = r
		case audit.PhaseOutcome:
			if i, ok := intents[r.ID]; ok && r.Outcome.OK {
				done[i.Operation.Action] = true
			}
			delete(intents, r.ID)
		case audit.PhaseNote:
			if r.Operation != nil && (r.Outcome == nil || r.Outcome.OK) {
				done[r.Operation.Action] = true
			}
		}
	}
	for _, r := range intents {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, string(b))
	}
	return done, open
}
