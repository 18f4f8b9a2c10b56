package agent

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func TestWhatIsSaidOfWriteBack(t *testing.T) {
	due := &writeback.Found{Due: []writeback.Due{{Holder: "prod"}}}
	for name, c := range map[string]struct {
		report writeback.Report
		status v1alpha1.WriteBackStatus
		err    error
		is     metav1.ConditionStatus
		reason string
	}{
		"nothing is due":      {writeback.Report{Found: &writeback.Found{}}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionTrue, "NothingDue"},
		"it waits":            {writeback.Report{Found: due, Wait: time.Second}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionFalse, "Waiting"},
		"it is to be merged":  {writeback.Report{Found: due}, v1alpha1.WriteBackStatus{PullRequest: "https://git.example.com/team/app/pulls/1"}, nil, metav1.ConditionFalse, "PullRequestOpen"},
		"something is wrong":  {writeback.Report{Found: due, Messages: []string{"pins differ"}}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionFalse, "NotWritten"},
		"the branch is not":   {writeback.Report{}, v1alpha1.WriteBackStatus{}, &source.Error{Reason: source.BranchProtected, Msg: "protected"}, metav1.ConditionFalse, "BranchProtected"},
		"others push always":  {writeback.Report{Found: due}, v1alpha1.WriteBackStatus{}, fmt.Errorf("main: %w", writeback.ErrBusy), metav1.ConditionFalse, "PushRejected"},
		"something else":      {writeback.Report{}, v1alpha1.WriteBackStatus{}, errors.New("x"), metav1.ConditionFalse, "FetchFailed"},
		"it was pushed":       {writeback.Report{Found: due, Pushed: []source.Commit{{}}}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionTrue, "NothingDue"},
		"nothing was read":    {writeback.Report{}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionTrue, "NothingDue"},
		"a person closed it":  {writeback.Report{Found: due, Messages: []string{"closed"}}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionFalse, "NotWritten"},
		"all, but a problem":  {writeback.Report{Found: &writeback.Found{}, Messages: []string{"x"}}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionFalse, "NotWritten"},
		"offers have no room": {writeback.Report{Found: &writeback.Found{}, Later: 3}, v1alpha1.WriteBackStatus{}, nil, metav1.ConditionFalse, "Waiting"},
		"credentials refused": {writeback.Report{}, v1alpha1.WriteBackStatus{}, refuse("CredentialsRefused", "x"), metav1.ConditionFalse, "CredentialsRefused"},
	} {
		if got := writtenBack(&c.report, &c.status, c.err); got.Status != c.is || got.Reason != c.reason {
			t.Errorf("%s: %s %s, want %s %s", name, got.Status, got.Reason, c.is, c.reason)
		}
	}
}

func TestAnUnsignedCommitIsNotPushedWhereOnlySignedOnesAreTaken(t *testing.T) {
	w := newWorld(t, func(o *v1alpha1.SecretSync) {
		o.Spec.Verify = &v1alpha1.SyncVerify{OpenPGP: []string{"x"}}
		o.Spec.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush}
	})
	conf, err := w.settings.Now()
	if err != nil {
		t.Fatal(err)
	}
	o := w.object()
	_, err = w.runWriter(t.Context(), o, conf, w.memory.of(w.key, o.UID))
	if err == nil || failure(err).reason != "CommitNotSigned" || !strings.Contains(err.Error(), "signingKey") {
		t.Errorf("%v", err)
	}
}

func TestWhichCommitCameBefore(t *testing.T) {
	place := source.Place{URL: "https://git.example.com/team/app", Branch: "main"}
	object := func(revision string, generation, observed int64) *v1alpha1.SecretSync {
		o := &v1alpha1.SecretSync{}
		o.Generation, o.Status.ObservedGeneration = generation, observed
		o.Status.Applied = &v1alpha1.SyncRevision{Revision: revision}
		return o
	}
	took := func(url string) *state {
		return &state{taken: &taken{place: source.Place{URL: url, Branch: "main"}, commit: source.Commit{ID: "b"}}}
	}
	for name, c := range map[string]struct {
		st   *state
		o    *v1alpha1.SecretSync
		want string
	}{
		"after a start":                         {&state{}, object("main@sha1:a", 1, 1), "a"},
		"after a start, of another branch":      {&state{}, object("live@sha1:a", 1, 1), ""},
		"after a start, with another spec":      {&state{}, object("main@sha1:a", 2, 1), ""},
		"after a start, without any":            {&state{}, &v1alpha1.SecretSync{}, ""},
		"after a fetch":                         {took(place.URL), object("main@sha1:a", 2, 1), "b"},
		"after a fetch of another repository":   {took("https://git.example.com/team/other"), object("main@sha1:a", 1, 1), ""},
		"after a start, with something else in": {&state{}, object("main", 1, 1), ""},
	} {
		if got := c.st.before(c.o, place); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
