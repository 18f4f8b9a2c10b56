package agent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness/giteatest"
)

// TestAProtectedBranchGetsAPullRequest has the agent be told to push to a branch that it may not push to: without a forge it says what to do, and with one it makes a pull request.
func TestAProtectedBranchGetsAPullRequest(t *testing.T) {
	w, commit := begun(t, func(s *v1alpha1.SecretSyncSpec) { s.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush} }, "db")
	w.secret("db")
	w.repo.Protect("main")
	old := w.active().ID
	w.seal("keys", "rotate", "--keyring", w.keyring)
	w.until("it says that the branch is protected", func(s *v1alpha1.SecretSync) bool {
		c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionWrittenBack)
		return c != nil && c.Reason == string(source.BranchProtected) && strings.Contains(c.Message, "spec.writeBack.forge") && ready(s).Reason == "Synced"
	})
	if n := w.counted(`waxwing_agent_pushes_total{result="BranchProtected"}`); n < 1 {
		t.Errorf("%g pushes were counted that the branch is protected against", n)
	}
	if head := w.repo.Head("main"); head != commit {
		t.Errorf("main is %s", head)
	}

	w.change(func(s *v1alpha1.SecretSyncSpec) { s.WriteBack.Forge = &v1alpha1.Forge{Type: v1alpha1.ForgeGitea} })
	p := w.repo.AwaitPullRequest(w.ctx, func(p giteatest.PullRequest) error {
		if p.Base.Branch != "main" || p.Head.Branch != "waxwing/"+w.team+"/"+syncName || !p.Mergeable {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	if head := w.repo.Head("main"); head != commit {
		t.Errorf("main is %s before the merge", head)
	}
	w.repo.Merge(w.alice, p, "squash")
	w.askNow()
	w.until("the branch does not name the old key", func(s *v1alpha1.SecretSync) bool {
		return len(s.Status.Keys) > 0 && !slices.Contains(s.Status.Keys, old) && s.Status.WriteBack.PullRequest == ""
	})
	if open := w.repo.PullRequests("open"); len(open) != 0 {
		t.Errorf("%+v", open)
	}
}
