package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// golden is a repository whose keyring's first key goes to its end.
type golden struct {
	*world
	source  source
	objects []string
	secrets []*corev1.Secret
	first   string // the id of the first key
	next    string // and of the one in its place
	old     string // the commit that is sealed to the first key
	backup  string // the file with the first key
	process *harness.Process
}

// TestAKeyGoesToItsEnd is the way of a key, for each source.
func TestAKeyGoesToItsEnd(t *testing.T) {
	for _, s := range sources() {
		t.Run(s.name, func(t *testing.T) {
			g := &golden{world: newWorld(t), source: s, objects: []string{"api", "db"}}
			g.begin()
			g.rotate()
			g.neededStill()
			g.rewrap()
			g.unneeded()
			g.destroy()
			g.startsAgain()
			g.goesBack()
			g.told()
		})
	}
}

// begin seals, commits and applies, and keeps a backup of the key elsewhere.
func (g *golden) begin() {
	g.t.Helper()
	var at v1alpha1.VaultConnection
	if g.source.policies != nil {
		at = g.vault(g.source)
	}
	g.process = g.controller()
	g.makeKeyring(g.source.spec(at))
	g.repository(g.source.remote)
	for _, name := range g.objects {
		g.write(name+".yaml", g.manifest(name))
		g.seal("-w", name+".yaml")
	}
	g.old = g.commit("seal")
	for _, name := range g.objects {
		g.apply(name + ".yaml")
		g.comesTo(name, unseal.Unsealed)
		g.secrets = append(g.secrets, g.secret(name))
	}
	g.first = g.activeKey()
	g.backup = filepath.Join(g.safe, "first.backup.note")
	g.seal("keys", "backup", "--keyring", g.keyring, "--out", g.backup)
}

// rotate has another key take the place of the first.
func (g *golden) rotate() {
	g.t.Helper()
	g.seal("keys", "rotate", "--keyring", g.keyring, "--timeout", "50m")
	g.next = g.activeKey()
	if state := g.key(g.first).State; g.next == g.first || state != "Deactivated" {
		g.t.Fatalf("the first key is %s, active is %s", state, g.next)
	}
}

// neededStill holds that the first key cannot be destroyed while all is sealed to it.
func (g *golden) neededStill() {
	g.t.Helper()
	said := g.refused(1, "keys", "destroy", g.first, "--keyring", g.keyring, "--yes")
	for _, name := range g.objects {
		if !strings.Contains(said, g.namespace+"/"+name) {
			g.t.Errorf("it does not name %s: %s", name, said)
		}
	}
	if state := g.key(g.first).State; state != "Deactivated" {
		g.t.Fatalf("the first key is %s", state)
	}
}

// rewrap takes what is offered into Git, and has it synced.
func (g *golden) rewrap() {
	g.t.Helper()
	g.offered(g.objects...)
	g.seal("rewrap", ".")
	g.onlyWraps()
	g.commit("rewrap")
	g.seal("rewrap", "--check", ".")
	for _, name := range g.objects {
		g.apply(name + ".yaml")
		g.openedWithNext(name)
	}
}

// offered waits until wraps are offered for objects.
func (g *golden) offered(names ...string) {
	g.t.Helper()
	for _, name := range names {
		g.eventually("wraps are offered for "+name, func(context.Context) error {
			if o := g.comesTo(name, unseal.Unsealed); len(o.Status.Rewrap) != 1 {
				return fmt.Errorf("there are %d offers", len(o.Status.Rewrap))
			}
			return nil
		})
	}
}

// openedWithNext waits until an object is opened with the next key, and nothing is offered for it any more.
func (g *golden) openedWithNext(name string) {
	g.t.Helper()
	g.eventually(name+" is opened with the next key, and nothing is offered any more", func(context.Context) error {
		o := g.comesTo(name, unseal.Unsealed)
		for _, k := range o.Status.Keys {
			if k.ID != g.next {
				return fmt.Errorf("it was opened with %s", k.ID)
			}
		}
		if len(o.Status.Rewrap) > 0 {
			return errors.New("the offer is still there")
		}
		return nil
	})
}

// wrapLine is a line of a wrap as it stands in a sealed file.
var wrapLine = regexp.MustCompile(`^[-+] +(keys:.*|wrappedBefore:.*|- "?[0-9a-f]{32}"?|age: \|-?|-----(BEGIN|END) AGE ENCRYPTED FILE-----|[A-Za-z0-9+/]+=*)$`)

// onlyWraps holds that what has changed in the repository are wraps of the keyring and its note.
func (g *golden) onlyWraps() {
	g.t.Helper()
	want := []string{".seal/" + g.keyring + ".note"}
	for _, name := range g.objects {
		want = append(want, name+".yaml")
		before, now := &v1alpha1.GitSecret{}, &v1alpha1.GitSecret{}
		if err := errors.Join(yaml.UnmarshalStrict([]byte(g.git("show", "HEAD:"+name+".yaml")), before), yaml.UnmarshalStrict([]byte(g.read(filepath.Join(g.repo, name+".yaml"))), now)); err != nil {
			g.t.Fatal(err)
		}
		for id, e := range now.Spec.Envelopes {
			if w := e.Wraps[g.keyring]; !slices.Equal(w.Keys, []string{g.next}) || !slices.Equal(w.WrappedBefore, []string{g.first}) {
				g.t.Errorf("%s: envelope %s is for %q and was for %q", name, id, w.Keys, w.WrappedBefore)
			}
			e.Wraps[g.keyring] = before.Spec.Envelopes[id].Wraps[g.keyring]
		}
		if !equality.Semantic.DeepEqual(before, now) {
			g.t.Errorf("more than wraps has changed in %s", name)
		}
		for line := range strings.Lines(g.git("diff", "-U0", "--", name+".yaml")) {
			line = strings.TrimRight(line, "\n")
			if header := regexp.MustCompile(`^(diff |index |--- a/|\+\+\+ b/|@@ )`).MatchString(line); !header && !wrapLine.MatchString(line) {
				g.t.Errorf("a line of %s that is none of a wrap has changed: %s", name, line)
			}
		}
	}
	changed := strings.Fields(g.git("diff", "--name-only", "HEAD"))
	if untracked := g.git("status", "--porcelain", "--untracked-files=all"); strings.Contains(untracked, "??") {
		g.t.Errorf("there are new files: %s", untracked)
	}
	slices.Sort(changed)
	slices.Sort(want)
	if !slices.Equal(changed, want) {
		g.t.Errorf("changed are %q, not %q", changed, want)
	}
}

// unneeded waits until the status says that nobody needs the first key. It is counted once a minute at the most, so only one source waits for it: for all others the count is
// looked at by which the key was destroyed.
func (g *golden) unneeded() {
	g.t.Helper()
	if g.source.policies == nil {
		g.uses(g.first, "none", func(u *v1alpha1.KeyUses) bool { return u.Objects == 0 && u.Gone == 0 && u.Unseen == "" })
	}
}

// destroy has the first key destroyed.
func (g *golden) destroy() {
	g.t.Helper()
	g.seal("keys", "destroy", g.first, "--keyring", g.keyring, "--yes", "--reason", "all is rewrapped")
	key := g.key(g.first)
	if key.State != "Destroyed" {
		g.t.Fatalf("the key is %s", key.State)
	}
	if u := key.Uses; u == nil || u.Objects != 0 || u.Gone != 0 || u.Unseen != "" {
		g.t.Errorf("it was destroyed while its uses were %+v", u)
	}
	g.well()
}

// well holds that all is as it was begun.
func (g *golden) well() {
	g.t.Helper()
	for i, name := range g.objects {
		g.comesTo(name, unseal.Unsealed)
		g.untouched(g.secrets[i])
	}
}

// startsAgain starts the controller anew, which goes by what is stored.
func (g *golden) startsAgain() {
	g.t.Helper()
	g.process.Signal(g.t, os.Interrupt)
	g.process.Wait(g.t)
	g.process = g.controller()
	g.well()
	if now := g.activeKey(); now != g.next || g.key(g.first).State != "Destroyed" {
		g.t.Errorf("after a start %s is active, and the first key is %s", now, g.key(g.first).State)
	}
}

// open opens a file with identities, and says whether it has what was sealed. What it prints is kept from everything that is searched for values.
func (g *golden) open(file string, identities ...string) (code int, ok bool) {
	g.t.Helper()
	args := []string{"open", "--key", "password"}
	for _, i := range identities {
		args = append(args, "-i", i)
	}
	cmd := exec.CommandContext(g.ctx, harness.BuildBinary(g.t, "./cmd/seal"), append(args, file)...)
	cmd.Dir = g.safe
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out) == canary+"-db"
}

const (
	exitOK            = 0
	exitNothingOpened = 3
)

// goesBack holds that the commit before the rewrap opens with a backup of the first key and without it does not: neither here nor in the cluster.
func (g *golden) goesBack() {
	g.t.Helper()
	old, now := filepath.Join(g.safe, "old.yaml"), filepath.Join(g.repo, "db.yaml")
	if err := os.WriteFile(old, []byte(g.git("show", g.old+":db.yaml")), 0o600); err != nil {
		g.t.Fatal(err)
	}
	newest, stranger := filepath.Join(g.safe, "newest.backup.note"), filepath.Join(g.safe, "stranger.txt")
	g.eventually("the newest backup is without the first key", func(context.Context) error {
		_ = os.Remove(newest)
		g.seal("keys", "backup", "--keyring", g.keyring, "--out", newest)
		if b := g.read(newest); strings.Count(b, "\nkey: ") < 2 || (!strings.Contains(b, "\nstate: Destroyed\n")) {
			return errors.New("it says nothing of a destroyed key")
		}
		return nil
	})
	g.seal("keys", "generate", "--out", stranger)
	g.seal("keys", "backup", "--verify", g.backup, "-i", g.breakGlass())
	type try struct {
		what       string
		file       string
		identities []string
		code       int
	}
	tries := []try{{"a stranger", old, []string{stranger}, exitNothingOpened}}
	if g.source.remote {
		tries = append(tries, try{"break glass, of the commit before", old, []string{g.breakGlass()}, exitOK}, try{"break glass, of the newest commit", now, []string{g.breakGlass()}, exitOK})
	} else {
		tries = append(tries,
			try{"a backup of the first key", old, []string{g.backup, g.breakGlass()}, exitOK},
			try{"no backup", old, []string{g.breakGlass()}, exitNothingOpened},
			try{"the newest backup", old, []string{newest, g.breakGlass()}, exitNothingOpened},
			try{"the newest backup, of the newest commit", now, []string{newest, g.breakGlass()}, exitOK},
			try{"a backup of the first key, of the newest commit", now, []string{g.backup, g.breakGlass()}, exitNothingOpened})
	}
	for _, c := range tries {
		if code, ok := g.open(c.file, c.identities...); code != c.code || ok != (c.code == exitOK) {
			g.t.Errorf("opened with %s: exit code %d, the value: %v", c.what, code, ok)
		}
	}
	g.git("checkout", "-q", g.old, "--", "db.yaml")
	g.apply("db.yaml")
	g.comesTo("db", unseal.KeyDestroyed)
	g.untouched(g.secrets[slices.Index(g.objects, "db")])
	g.git("checkout", "-q", "HEAD", "--", "db.yaml")
	g.apply("db.yaml")
	g.well()
}

// told holds that the audit log holds, and has all of it.
func (g *golden) told() {
	g.t.Helper()
	anchors := filepath.Join(g.safe, "anchors.json")
	g.eventually("the log is anchored", func(context.Context) error {
		if err := os.WriteFile(anchors, []byte(g.seal("audit", "anchor", "-o", "json")), 0o600); err != nil {
			return harness.Permanent(err)
		}
		if said := g.seal("audit", "anchor"); !strings.Contains(said, "records, root") {
			return errors.New(said)
		}
		return nil
	})
	g.process.Signal(g.t, os.Interrupt) // while it runs, something may be under way, which is a finding
	g.process.Wait(g.t)
	g.seal("audit", "verify", g.log, "--anchor", anchors)
	done := map[audit.Action]bool{}
	intents := map[string]audit.Record{}
	for _, r := range audittest.Records(g.t, g.log) {
		switch r.Phase {
		case audit.PhaseIntent:
			intents[r.ID] = r
		case audit.PhaseOutcome:
			if i, ok := intents[r.ID]; ok && r.Outcome.OK {
				done[i.Operation.Action] = true
			}
		case audit.PhaseNote:
			if r.Outcome != nil && r.Outcome.OK {
				done[r.Operation.Action] = true
			}
		}
	}
	for _, a := range []audit.Action{
		audit.ActionKeyGenerate, audit.ActionKeyActivate, audit.ActionPublish, audit.ActionKeyDeactivate, audit.ActionRewrapOffered, audit.ActionRewrapSeen, audit.ActionKeyDestroy, audit.ActionKeyBackup,
	} {
		if !done[a] {
			g.t.Errorf("the audit log has no %s that was done", a)
		}
	}
}
