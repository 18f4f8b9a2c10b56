package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// maxReport is how much of a server's answer to a push is read.
const maxReport = mib

// Push has a branch stand at a draft. old is what it stands at now, which the server makes sure of: empty where it is to be new. Errors are *Error: PushRejected says that it stands at something
// else by now. The draft has to be made upon old, unless replace is set: then what old was is thrown away.
func (r *Repository) Push(ctx context.Context, place Place, auth Auth, draft *Draft, old string, replace bool) error {
	r.busy.Lock()
	defer r.busy.Unlock()
	ctx, cancel := context.WithTimeout(ctx, r.limits.Timeout)
	defer cancel()
	if place.Tag != "" {
		return fail(RefNotFound, "tags are not pushed")
	}
	if old != "" && !replace && !slices.Contains(draft.Commit.Parent, old) {
		return fail(PushRejected, "the commit was not made upon %s", clean(old))
	}
	return explain(r.push(ctx, place, auth, draft, old), auth, r.limits)
}

func (r *Repository) push(ctx context.Context, place Place, auth Auth, draft *Draft, old string) error {
	name, err := place.ref()
	if err != nil {
		return err
	}
	s, err := r.dial(ctx, place, auth, receivePack)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if at := s.refs.References[name]; at != plumbing.NewHash(old) {
		return fail(PushRejected, "branch %q has moved on", clean(place.Branch))
	}
	req := packp.NewReferenceUpdateRequest()
	req.Commands = []*packp.Command{{Name: plumbing.ReferenceName(name), Old: plumbing.NewHash(old), New: plumbing.NewHash(draft.Commit.ID)}}
	band, err := s.capabilities(req.Capabilities, capability.ReportStatus)
	if err != nil {
		return err
	}
	var request bytes.Buffer
	if err := errors.Join(req.Encode(&request), pack.Write(&request, draft.objects)); err != nil {
		return err
	}
	body, err := s.ask(ctx, request.Bytes())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	told := &complaint{}
	in := sideband.NewDemuxer(band, io.LimitReader(body, maxReport))
	in.Progress = told
	report := packp.NewReportStatus()
	if err := report.Decode(in); err != nil {
		return rejected(told.text(), said(err), auth)
	}
	if len(report.CommandStatuses) != 1 || report.CommandStatuses[0].ReferenceName != plumbing.ReferenceName(name) {
		return fail(FetchFailed, "it does not say what became of the push")
	}
	if err := report.Error(); err != nil {
		err = rejected(told.text(), err, auth)
		if known := (*Error)(nil); report.UnpackStatus == "ok" && errors.As(err, &known) && known.Reason == FetchFailed {
			known.Err = ErrNotTaken
		}
		return err
	}
	return nil
}

// rejected is the Error for a push that a server does not take: by what it says, because there is nothing else to tell by.
func rejected(told string, err error, auth Auth) error {
	if known := (*Error)(nil); errors.As(err, &known) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	all := strings.ToLower(told + " " + err.Error())
	says := clean(auth.scrub(err.Error() + " " + told))
	has := func(any ...string) bool {
		return slices.ContainsFunc(any, func(s string) bool { return strings.Contains(all, s) })
	}
	switch {
	case has("protected branch", "protected branches", "gh006", "gh013", "not allowed to push", "branch is protected", "push declined due to repository rule"):
		return fail(BranchProtected, "the branch is protected: %s", says)
	case has("non-fast-forward", "fetch first", "stale info", "failed to update ref", "cannot lock ref", "failed to lock", "incorrect old value", "reference already exists",
		"fast-forward"):
		return fail(PushRejected, "somebody else has pushed: %s", says)
	default:
		return fail(FetchFailed, "it does not take the push: %s", says)
	}
}
