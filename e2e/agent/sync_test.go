package agent_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// follow makes the SecretSync of the world's repository, changed by change. It asks the forge once an hour, so that what comes sooner comes by webhook or was asked for.
func (w *world) follow(change func(*v1alpha1.SecretSyncSpec)) {
	w.t.Helper()
	s := &v1alpha1.SecretSync{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.team, Name: syncName},
		Spec: v1alpha1.SecretSyncSpec{
			Source:             v1alpha1.SyncSource{URL: w.repo.URL(), Branch: "main", Path: "prod", Credentials: credentials, Interval: &metav1.Duration{Duration: time.Hour}},
			ServiceAccountName: account,
			Prune:              &v1alpha1.SyncPrune{},
		},
	}
	if change != nil {
		change(&s.Spec)
	}
	if err := w.Create(w.ctx, s); err != nil {
		w.t.Fatal(err)
	}
}

// change changes the SecretSync's spec.
func (w *world) change(change func(*v1alpha1.SecretSyncSpec)) {
	w.t.Helper()
	w.eventually("the SecretSync is changed", func(ctx context.Context) error {
		s, err := w.sync(ctx)
		if err != nil {
			return err
		}
		change(&s.Spec)
		return w.Update(ctx, s)
	})
}

func (w *world) sync(ctx context.Context) (*v1alpha1.SecretSync, error) {
	s := &v1alpha1.SecretSync{}
	return s, w.Get(ctx, w.named(syncName), s)
}

// askNow has the repository asked at once, and returns when that was done.
func (w *world) askNow() *v1alpha1.SecretSync {
	w.t.Helper()
	at := time.Now().Format(time.RFC3339Nano)
	w.eventually("it is asked for a look", func(ctx context.Context) error {
		s, err := w.sync(ctx)
		if err != nil {
			return err
		}
		if s.Annotations == nil {
			s.Annotations = map[string]string{}
		}
		s.Annotations[v1alpha1.AnnotationSyncNow] = at
		return w.Update(ctx, s)
	})
	return w.until("the look is done", func(s *v1alpha1.SecretSync) bool { return s.Status.LastHandledSyncAt == at })
}

// until waits for the status of the SecretSync's present generation.
func (w *world) until(what string, holds func(*v1alpha1.SecretSync) bool) *v1alpha1.SecretSync {
	w.t.Helper()
	var s *v1alpha1.SecretSync
	w.eventually(what, func(ctx context.Context) (err error) {
		if s, err = w.sync(ctx); err != nil {
			return err
		}
		if s.Status.ObservedGeneration != s.Generation || !holds(s) {
			return fmt.Errorf("the status of generation %d of %d: %+v", s.Status.ObservedGeneration, s.Generation, s.Status)
		}
		return nil
	})
	return s
}

// comesTo waits until Ready has a reason, and its message has words.
func (w *world) comesTo(reason string, words ...string) *v1alpha1.SecretSync {
	w.t.Helper()
	return w.until("it comes to "+reason, func(s *v1alpha1.SecretSync) bool {
		c := ready(s)
		for _, word := range words {
			if !strings.Contains(c.Message, word) {
				return false
			}
		}
		return c.Reason == reason
	})
}

func ready(s *v1alpha1.SecretSync) metav1.Condition {
	if c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// applied waits until the cluster has a commit.
func (w *world) applied(commit string) *v1alpha1.SecretSync {
	w.t.Helper()
	return w.until("the cluster has "+commit, func(s *v1alpha1.SecretSync) bool {
		return s.Status.Applied != nil && strings.HasSuffix(s.Status.Applied.Revision, "@sha1:"+commit) && ready(s).Status == metav1.ConditionTrue
	})
}

// is says whether a condition is True.
func is(s *v1alpha1.SecretSync, condition string) bool {
	return apimeta.IsStatusConditionTrue(s.Status.Conditions, condition)
}
