package rights_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestEveryRightIsNeeded has a controller with all rights do everything that it ever does: each right is used, and nothing else is asked for. Then each right is taken away in
// turn, a controller starts anew, and the API server must refuse what the right was for.
func TestEveryRightIsNeeded(t *testing.T) {
	w := newWorld(t)
	all := shipped(t)
	rights := all.rights(t)
	requests := w.APILog(t)

	var namespaces []string
	t.Run("with all of them", func(t *testing.T) {
		w.afresh(t) // other tests have had controllers
		ctl := w.controller(t)
		w.recipients(t)
		ns := w.prepare(t)
		w.unsealed(t, ns)
		unused := slices.Clone(rights)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		harness.Eventually(ctx, t, "every right has been used", func(ctx context.Context) error {
			if err := w.poke(ctx, t, ns); err != nil {
				return harness.Permanent(err)
			}
			seen, err := requests.Next()
			if err != nil {
				return harness.Permanent(err)
			}
			for _, r := range seen {
				if r.User == user && r.Refused() {
					return harness.Permanent(fmt.Errorf("the controller asked for what it may not: %s", r.Message))
				}
				unused = slices.DeleteFunc(unused, func(right right) bool { return right.usedBy(r) })
			}
			if len(unused) > 0 {
				return fmt.Errorf("not used: %v", unused)
			}
			return nil
		})
		ctl.Kill()
	})
	// What the runs below work on is made by a controller with all rights.
	w.afresh(t)
	ctl := w.controller(t)
	w.recipients(t)
	for range rights {
		namespaces = append(namespaces, w.prepare(t))
	}
	for _, ns := range namespaces {
		w.unsealed(t, ns)
	}
	ctl.Kill()
	rows := table(t)
	for i, r := range rights {
		t.Run(r.String(), func(t *testing.T) {
			w.afresh(t)
			w.grant(t, all.without(r), r, false)
			defer w.grant(t, all, r, true)
			if _, err := requests.Next(); err != nil {
				t.Fatal(err)
			}
			ctl := w.controller(t)
			defer ctl.Kill()
			refused := w.refused(t, requests, rights[max(i-1, 0)], r, namespaces[i])
			t.Logf("without it: %s; refused: %s", rows[r.String()].breaks, refused)
		})
	}
}

// refused pokes until the API server has refused what r is for, and gives its words. What the controller before was refused, for want of another right, may be in the log late.
func (w *world) refused(t *testing.T, requests *harness.APILog, before, r right, ns string) string {
	t.Helper()
	words := ""
	w.calls += every - w.calls%every // the first call pokes
	harness.Eventually(t.Context(), t, "the API server has refused to "+r.String(), func(ctx context.Context) error {
		if err := w.poke(ctx, t, ns); err != nil {
			return harness.Permanent(err)
		}
		seen, err := requests.Next()
		if err != nil {
			return harness.Permanent(err)
		}
		var others []string
		for _, req := range seen {
			if req.User != user || !req.Refused() {
				continue
			}
			if r.missedBy(req) {
				words = req.Message
				return nil
			}
			if !before.missedBy(req) {
				others = append(others, req.Message)
			}
		}
		if len(others) > 0 {
			return harness.Permanent(fmt.Errorf("something else was refused: %s", others))
		}
		return errors.New("nothing was refused")
	})
	return words
}

// usedBy says whether a request was answered because of r.
func (r right) usedBy(req harness.APIRequest) bool {
	resource, sub, _ := strings.Cut(r.resource, "/")
	if req.User != user || req.Code >= 400 && req.Code != 404 && req.Code != 409 || req.Resource != resource || req.Subresource != sub || req.Group != r.group {
		return false
	}
	// An apply makes what is not there, and needs both rights.
	verb := req.Verb == r.verb || (req.Verb == "patch" && req.Code == 201 && r.verb == "create")
	// What is granted in the controller's own namespace too is used by requests there.
	return verb && (!r.home || req.Namespace == home)
}

// missedBy says whether a request was refused for want of r.
func (r right) missedBy(req harness.APIRequest) bool {
	return strings.Contains(req.Message, fmt.Sprintf("cannot %s resource %q in API group %q", r.verb, r.resource, r.group))
}
