package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
)

const (
	// requestPoll is how often the Keyring is asked for.
	requestPoll = time.Second
	// requestTimeout is how long its controller is waited for where the user does not say.
	requestTimeout = 5 * time.Minute
	// maxRequests is how many requests a Keyring takes, and requestTries how often one is written where others write at the same time.
	maxRequests  = 64
	requestTries = 20
	// maxRequestReason bounds a reason, in characters, as the API does.
	maxRequestReason = 1024
)

// requestFlags are those of all commands that ask a keyring's controller for something.
type requestFlags struct {
	keyringFlag
	reason         string
	wait, manifest bool
	timeout        time.Duration
	output         reportFlag
}

func (f *requestFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.wait, "wait", true, "wait until the controller has done it")
	flags.DurationVar(&f.timeout, "timeout", requestTimeout, "wait so long at most")
	flags.BoolVar(&f.manifest, "manifest", false, "print the changed Keyring to commit, and change nothing")
	f.output.addTo(cmd)
	f.keyringFlag.addTo(flags)
}

func (f *requestFlags) addReasonTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.reason, "reason", "", "`TEXT` that says why, for people and the audit log")
}

func (f *requestFlags) check() error {
	if err := errors.Join(f.output.check(), f.keyringFlag.check()); err != nil {
		return split(err)[0]
	}
	switch {
	case f.timeout <= 0:
		return usage("", "--timeout has to be more than 0")
	case utf8.RuneCountInString(f.reason) > maxRequestReason:
		return usage("", "--reason is longer than %d characters", maxRequestReason)
	case strings.ContainsFunc(f.reason, func(r rune) bool { return !unicode.IsPrint(r) }):
		return usage("one line of plain text", "--reason has characters that do not print")
	}
	return nil
}

// keyringTask is one run of a command that has a keyring's controller do something.
type keyringTask struct {
	env    *Env
	o      *requestFlags
	client *cluster.Client
	kr     *v1alpha1.Keyring
}

func (t *keyringTask) say(format string, args ...any) {
	message(t.env.Stderr, "seal: ", fmt.Sprintf(format, args...))
}

// patch makes the operations that ops gives for the Keyring as it is, if any, also where others change it at the same time.
func (t *keyringTask) patch(ctx context.Context, ops func(kr *v1alpha1.Keyring) ([]cluster.PatchOp, error)) error {
	for try := 1; ; try++ {
		todo, err := ops(t.kr)
		if err != nil || len(todo) == 0 {
			return err
		}
		changed, err := unlessDone(ctx, func() (*v1alpha1.Keyring, error) { return t.client.PatchKeyring(ctx, t.kr, todo...) })
		if err == nil {
			t.kr = changed
			return nil
		}
		if !refusedWith(err, http.StatusConflict) || try == requestTries {
			return keyringRefusal(t.kr.Name, err)
		}
		if t.kr, err = readKeyring(ctx, t.client, t.kr.Name); err != nil {
			return err
		}
	}
}

// await asks for the Keyring until done says so, and tells what the controller says of it when that changes. stays says what a person has to know who does not wait for the end.
func (t *keyringTask) await(ctx context.Context, stays string, done func() (bool, string, error)) error {
	ends := time.NewTimer(t.o.timeout)
	defer ends.Stop()
	told, last := "", false
	for {
		ok, text, err := done()
		if ok || err != nil {
			return err
		}
		if text != "" && text != told {
			told = text
			t.say("%s", told)
		}
		if last {
			return failed(stays, "keyring %s: not done within %s: %s", t.kr.Name, t.o.timeout, cmp.Or(told, "the controller has not looked at it; is it running?"))
		}
		select {
		case <-ctx.Done():
		case <-ends.C:
			last = true
		case <-time.After(requestPoll):
		}
		kr, err := readKeyring(ctx, t.client, t.kr.Name)
		if ctx.Err() != nil {
			t.say("%s", stays)
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		t.kr = kr
	}
}

// stalledMessage is what a person has to mend before the controller goes on; empty where nothing is.
func stalledMessage(kr *v1alpha1.Keyring) string {
	c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionStalled)
	if c == nil || c.ObservedGeneration != kr.Generation {
		return ""
	}
	return c.Message
}

// notReadyMessage is what the controller says of a Keyring that is not ready; empty where it is.
func notReadyMessage(kr *v1alpha1.Keyring) string {
	c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil || c.Status == "True" || c.ObservedGeneration != kr.Generation {
		return ""
	}
	return c.Reason + ": " + c.Message
}

// requestOps puts a request into the Keyring, in the place of the one that it has for that key.
func requestOps(kr *v1alpha1.Keyring, request v1alpha1.KeyRequest) ([]cluster.PatchOp, error) {
	all := kr.Spec.Requests
	at := slices.IndexFunc(all, func(r v1alpha1.KeyRequest) bool { return r.Key == request.Key })
	switch {
	case len(all) == 0:
		return []cluster.PatchOp{{Op: "add", Path: "/spec/requests", Value: []v1alpha1.KeyRequest{request}}}, nil
	case at >= 0 && all[at] == request:
		return nil, nil
	case at >= 0:
		return []cluster.PatchOp{{Op: "replace", Path: fmt.Sprintf("/spec/requests/%d", at), Value: request}}, nil
	}
	var ops []cluster.PatchOp
	if len(all) >= maxRequests {
		// One that is done has nothing more to say.
		spent := slices.IndexFunc(all, func(r v1alpha1.KeyRequest) bool {
			s := requestStatus(kr, r)
			return s != nil && s.Outcome == v1alpha1.RequestDone
		})
		if spent < 0 {
			return nil, failed("take those out that are not meant any more: kubectl edit keyring "+kr.Name, "keyring %s has %d requests that are not done, and takes no more", kr.Name, len(all))
		}
		ops = append(ops, cluster.PatchOp{Op: "remove", Path: fmt.Sprintf("/spec/requests/%d", spent)})
	}
	return append(ops, cluster.PatchOp{Op: "add", Path: "/spec/requests/-", Value: request}), nil
}

// withoutRequest takes a request out of the Keyring, if it is still there.
func withoutRequest(kr *v1alpha1.Keyring, request v1alpha1.KeyRequest) []cluster.PatchOp {
	at := slices.Index(kr.Spec.Requests, request)
	if at < 0 {
		return nil
	}
	return []cluster.PatchOp{{Op: "remove", Path: fmt.Sprintf("/spec/requests/%d", at)}}
}

// requestStatus is what the controller says of a request; nil: nothing.
func requestStatus(kr *v1alpha1.Keyring, request v1alpha1.KeyRequest) *v1alpha1.RequestStatus {
	for i := range kr.Status.Requests {
		if s := &kr.Status.Requests[i]; s.Key == request.Key && s.Do == request.Do {
			return s
		}
	}
	return nil
}

// keyStatusOf is the key with this id as the Keyring shows it; the zero value where it does not.
func keyStatusOf(kr *v1alpha1.Keyring, id string) v1alpha1.KeyStatus {
	for _, key := range kr.Status.Keys {
		if key.ID == id {
			return key
		}
	}
	return v1alpha1.KeyStatus{}
}

// activeKeys are the ids of the keys that are sealed to.
func activeKeys(kr *v1alpha1.Keyring) (ids []string) {
	for _, key := range kr.Status.Keys {
		if key.State == stateActive {
			ids = append(ids, key.ID)
		}
	}
	return ids
}

// requestReport is what a request's command prints with -o json.
type requestReport struct {
	Keyring string `json:"keyring"`
	Key     string `json:"key"`
	Do      string `json:"do"`
	Reason  string `json:"reason,omitempty"`
	State   string `json:"state"`             // of the key, as the Keyring shows it
	Outcome string `json:"outcome,omitempty"` // empty where the controller was not waited for
	Message string `json:"message,omitempty"`
	Active  string `json:"active,omitempty"` // the id of the key to seal to now
}

// carryOut puts a request into the Keyring, and waits for its end. What the controller refuses is taken out again, so that it is not carried out one day when nobody thinks of it.
func (t *keyringTask) carryOut(ctx context.Context, request v1alpha1.KeyRequest, also func() bool) (*requestReport, error) {
	warnOwners(t.env, t.kr, "spec", "requests")
	if err := t.patch(ctx, func(kr *v1alpha1.Keyring) ([]cluster.PatchOp, error) { return requestOps(kr, request) }); err != nil {
		return nil, err
	}
	r := &requestReport{Keyring: t.kr.Name, Key: request.Key, Do: request.Do, Reason: request.Reason, State: keyStatusOf(t.kr, request.Key).State}
	stays := "the request stays in spec.requests of keyring " + t.kr.Name + ", and its controller carries it out when it can"
	if !t.o.wait {
		t.say("%s", stays)
		return r, nil
	}
	generation := t.kr.Generation
	err := t.await(ctx, stays, func() (bool, string, error) {
		s := requestStatus(t.kr, request)
		if s == nil || t.kr.Status.ObservedGeneration < generation {
			return false, cmp.Or(stalledMessage(t.kr), notReadyMessage(t.kr)), nil
		}
		r.Outcome, r.Message, r.State = s.Outcome, s.Message, keyStatusOf(t.kr, request.Key).State
		switch s.Outcome {
		case v1alpha1.RequestRefused:
			return false, "", t.refused(ctx, request, s.Message)
		case v1alpha1.RequestDone:
			return also == nil || also(), cmp.Or(stalledMessage(t.kr), notReadyMessage(t.kr)), nil
		}
		return false, s.Message, nil
	})
	if active := activeKeys(t.kr); len(active) == 1 {
		r.Active = active[0]
	}
	return r, err
}

// refused is the end of a request that the controller refuses.
func (t *keyringTask) refused(ctx context.Context, request v1alpha1.KeyRequest, why string) error {
	hint := "the request is taken out again"
	if request.Do == v1alpha1.RequestDestroy {
		hint += "; seal keys uses " + displayID(request.Key) + " says who needs the key, and --despite gone or any destroys it all the same"
	}
	err := failed(hint, "keyring %s refuses: %s", t.kr.Name, why)
	if undo := t.patch(ctx, func(kr *v1alpha1.Keyring) ([]cluster.PatchOp, error) { return withoutRequest(kr, request), nil }); undo != nil {
		return errors.Join(failed("take it out of spec.requests: it would be carried out when nothing is in its way any more", "keyring %s refuses: %s", t.kr.Name, why), undo)
	}
	return err
}

// printRequested prints the Keyring with a request in it.
func (t *keyringTask) printRequested(request v1alpha1.KeyRequest) error {
	if at := slices.IndexFunc(t.kr.Spec.Requests, func(r v1alpha1.KeyRequest) bool { return r.Key == request.Key }); at >= 0 {
		t.kr.Spec.Requests[at] = request
	} else {
		t.kr.Spec.Requests = append(t.kr.Spec.Requests, request)
	}
	return printKeyring(t.env, t.kr)
}
