package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// giveBackEvery is how often it is looked whether Git has all that it should, if nothing has changed; giveBackRetry when it is tried again after a failure.
	giveBackEvery = 10 * time.Minute
	giveBackRetry = 30 * time.Second
)

// written is what is remembered of what is put into Git.
type written struct {
	writer     *writeback.Writer
	memory     *writeback.Memory
	generation int64
	// commit is the one that was looked at last, due when it is to be looked at again.
	commit string
	due    time.Time
}

// surroundings give what write-back goes by: what the cluster has.
type surroundings func(ctx context.Context, checkpoints bool) (writeback.Cluster, error)

// forges gives a repository of a forge: forge.New.
type forges func(kind string, a forge.Access) (forge.Forge, error)

// giveBack puts into Git what rotations have offered, if it is time. wait is when to look again; 0: when something changes.
func (r *syncs) giveBack(ctx context.Context, o *v1alpha1.SecretSync, conf *settings.Settings, st *state, rep *report) (wait time.Duration) {
	w, now := &st.written, r.now()
	if o.Spec.WriteBack == nil {
		*w = written{}
		return 0
	}
	// Nothing is made upon a commit that is not taken.
	if st.failed != nil || rep.reason == AuditUnavailable {
		return 0
	}
	dirty := st.takeOffers()
	if !dirty && w.commit == st.taken.commit.ID && w.generation == o.Generation && now.Before(w.due) {
		return w.due.Sub(now)
	}
	within, cancel := context.WithTimeout(ctx, cmp.Or(r.patience, maxPatience))
	defer cancel()
	report, err := r.runWriter(within, o, conf, st)
	st.slow = st.slow || r.now().Sub(now) >= slowLook
	if ctx.Err() != nil {
		return 0
	}
	w.commit, w.due = st.taken.commit.ID, r.now().Add(giveBackEvery)
	switch {
	case err != nil:
		w.due = r.now().Add(giveBackRetry)
	case report.Wait > 0:
		w.due = r.now().Add(report.Wait)
	case report.Later > 0:
		w.due = r.now().Add(giveBackRetry)
	}
	st.reported(&report, o.Status.WriteBack, r.now(), err)
	r.metrics.pushed(report.Pushed, err)
	if len(report.Pushed) > 0 && report.Branch == o.Spec.Source.Branch {
		st.ask() // so that it is applied at once
		return time.Millisecond
	}
	return w.due.Sub(r.now())
}

// reported has the status be told what came of a run. before is what it says; what it was not told yet is in between.
func (s *state) reported(report *writeback.Report, before *v1alpha1.WriteBackStatus, now time.Time, err error) {
	f := &s.found
	f.writeBack = report.Status(cmp.Or(f.writeBack, before), now, err)
	f.written = writtenBack(report, f.writeBack, err)
	if report.Anchored {
		f.anchored, f.notGrown = true, report.NotGrown
	}
}

// writtenBack is the condition of that name.
func writtenBack(report *writeback.Report, status *v1alpha1.WriteBackStatus, err error) *metav1.Condition {
	c := &metav1.Condition{Type: v1alpha1.ConditionWrittenBack, Status: metav1.ConditionFalse, Reason: Waiting, Message: status.Message}
	switch {
	case err != nil:
		c.Reason = failure(err).reason
	case len(report.Messages) > 0:
		c.Reason = NotWritten
	case status.PullRequest != "":
		c.Reason, c.Message = PullRequestOpen, status.PullRequest+" is to be merged"
	case report.Found != nil && len(report.Found.Due) > 0 && len(report.Pushed) == 0:
		c.Message = "a rotation is under way: what it offers is put into Git once nothing new has come for a while, or its branch is to be merged"
	case report.Later > 0:
		c.Message = fmt.Sprintf("%d objects have offers that there is no room for before others are in Git", report.Later)
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, NothingDue, "Git has all that rotations have offered"
	}
	return c
}

// runWriter has the writer of a SecretSync look and write.
func (r *syncs) runWriter(ctx context.Context, o *v1alpha1.SecretSync, conf *settings.Settings, st *state) (writeback.Report, error) {
	if o.Spec.Verify != nil && o.Spec.WriteBack.Strategy == v1alpha1.WritePush && o.Spec.WriteBack.SigningKey == "" {
		// The next fetch would refuse it, and everything after it.
		return writeback.Report{}, refuse(string(source.CommitNotSigned), "spec.verify would not let an unsigned commit be taken: set spec.writeBack.signingKey, or another strategy")
	}
	w := &st.written
	if w.memory == nil {
		w.memory = writeback.NewMemory(st.turn)
	}
	if w.writer == nil || w.generation != o.Generation {
		w.writer, w.generation = &writeback.Writer{
			Namespace: o.Namespace, Name: o.Name, Source: o.Spec.Source, Spec: *o.Spec.WriteBack, Log: r.audit, Memory: w.memory, Now: r.now,
		}, o.Generation
	}
	g, err := r.remote(o, conf, st)
	if err != nil {
		return writeback.Report{}, err
	}
	// Credentials are read anew each time, for what the writer is given too.
	w.writer.Git = g
	if w.writer.Vouched, err = r.vouched(o, conf, g); err != nil {
		return writeback.Report{}, err
	}
	if w.writer.Forge, err = r.forge(o, conf); err != nil {
		return writeback.Report{}, err
	}
	in, err := r.around(ctx, o.Spec.WriteBack.Checkpoints != "")
	if err != nil {
		return writeback.Report{}, err
	}
	return w.writer.Run(ctx, in)
}

// pushCredentials is the name of those to push with; empty: none.
func pushCredentials(o *v1alpha1.SecretSync) string {
	if name := o.Spec.WriteBack.Credentials; name != "" {
		return name
	}
	return o.Spec.Source.Credentials
}

// forge gives where pull requests are made; nil: nowhere.
func (r *syncs) forge(o *v1alpha1.SecretSync, conf *settings.Settings) (forge.Forge, error) {
	f, name := o.Spec.WriteBack.Forge, pushCredentials(o)
	if f == nil {
		return nil, nil
	}
	if name == "" {
		return nil, refuse(string(source.CredentialsRefused), "spec.writeBack.forge needs credentials with a forge-token")
	}
	server, repository, err := forgeAddress(o.Spec.Source.URL, f)
	if err != nil {
		return nil, refuse(string(source.CredentialsRefused), err.Error())
	}
	if err := conf.AllowedHTTP(server); err != nil {
		return nil, refuse(string(source.CredentialsRefused), "spec.writeBack.forge.url: "+err.Error())
	}
	// The token goes to this server, for this repository. Where the object names one of them, the configuration has to let the credentials be used there; otherwise they are those that
	// it lets them be used at.
	address := o.Spec.Source.URL
	switch {
	case f.URL != "":
		address = server + "/" + repository
	case f.Repository != "":
		if address, err = beside(o.Spec.Source.URL, repository); err != nil {
			return nil, refuse(string(source.CredentialsRefused), err.Error())
		}
	}
	c, err := r.granted(conf, o.Namespace, name, address)
	if err != nil {
		return nil, err
	}
	a := forge.Access{URL: server, Repository: repository, Token: c.ForgeToken, CA: c.CA, Proxy: conf.Proxy, InsecureHTTP: conf.InsecureHTTP}
	if a.Token == "" {
		a.Token = c.Token
	}
	made, err := r.forges(f.Type, a)
	if err != nil {
		return nil, refuse(string(source.CredentialsRefused), "spec.writeBack.forge: "+err.Error())
	}
	return made, nil
}

// forgeAddress gives the server and the repository of a forge, by the address of the Git repository where the forge does not say them.
func forgeAddress(repository string, f *v1alpha1.Forge) (server, name string, err error) {
	u, err := url.Parse(repository)
	if err != nil || u.Hostname() == "" {
		return "", "", errors.New("spec.source.url is no address")
	}
	if server = strings.TrimRight(f.URL, "/"); server == "" {
		server = "https://" + u.Host
		switch u.Scheme {
		case "http":
			server = "http://" + u.Host
		case "ssh": // whose port is another
			server = "https://" + u.Hostname()
			if strings.Contains(u.Hostname(), ":") {
				server = "https://[" + u.Hostname() + "]"
			}
		}
	}
	if name = strings.Trim(f.Repository, "/"); name == "" {
		name = strings.Trim(u.Path, "/")
		if at, err := url.Parse(server); err == nil && u.Scheme != "ssh" { // the server may be below a path
			name = strings.TrimPrefix(name, strings.Trim(at.Path, "/")+"/")
		}
		name = strings.TrimSuffix(name, ".git")
	}
	return server, name, nil
}

// beside is the address of another repository of the same server, or that of the same one as it is.
func beside(address, repository string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("spec.source.url is no address")
	}
	if strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git") == strings.TrimSuffix(repository, ".git") {
		return address, nil
	}
	u.Path, u.RawPath = "/"+repository, ""
	return u.String(), nil
}

// fresh is how old what was fetched may be to be written upon without asking again: the push finds out in any case.
const fresh = 10 * time.Second

// remote is the repository as the writer has it.
func (r *syncs) remote(o *v1alpha1.SecretSync, conf *settings.Settings, st *state) (*writeback.Remote, error) {
	repo, err := r.repos.of(o.UID)
	if err != nil {
		return nil, err
	}
	read, err := r.auth(conf, o.Namespace, o.Spec.Source.Credentials, o.Spec.Source.URL)
	if err != nil {
		return nil, err
	}
	push, err := r.auth(conf, o.Namespace, pushCredentials(o), o.Spec.Source.URL)
	if err != nil {
		return nil, err
	}
	signer, err := r.signingKey(conf, o)
	if err != nil {
		return nil, err
	}
	place, before := placeOf(o), st.taken.commit.ID
	return &writeback.Remote{
		Repository: &once{repository: repo, place: place, commit: st.taken.commit, fresh: r.now().Sub(st.taken.at) < fresh},
		Place:      place, ReadAuth: read, PushAuth: push, Seen: []string{before}, Author: o.Spec.WriteBack.Author, Signer: signer,
		Take: func(ctx context.Context, c source.Commit) error {
			if _, err := r.verified(ctx, conf, o, repo, c, place, before); err != nil {
				return err
			}
			_, err := descends(o, repo, before, c.ID)
			return err
		},
	}, nil
}

// vouched says which commits of other branches may be built upon; nil where nothing is signed.
func (r *syncs) vouched(o *v1alpha1.SecretSync, conf *settings.Settings, g *writeback.Remote) (func(source.Commit) bool, error) {
	if g.Signer == nil {
		return nil, nil
	}
	repo, err := r.repos.of(o.UID)
	if err != nil {
		return nil, err
	}
	v, err := r.verifier(conf, o, repo, source.Place{URL: g.Place.URL})
	return func(c source.Commit) bool {
		c.Tag = ""
		_, err := v.verify(c)
		return err == nil
	}, err
}

// once is a repository that answers the first question for what is followed with what was fetched a moment ago.
type once struct {
	repository
	place  source.Place
	commit source.Commit
	fresh  bool
}

// Fetch implements writeback.Repository.
func (f *once) Fetch(ctx context.Context, place source.Place, auth source.Auth, seen ...string) (source.Commit, error) {
	if f.fresh && place == f.place {
		f.fresh = false
		return f.commit, nil
	}
	return f.repository.Fetch(ctx, place, auth, seen...)
}
