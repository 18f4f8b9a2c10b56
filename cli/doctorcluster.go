package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/repo"
)

const (
	// clockSlack is how far two clocks may be apart without a word: a newer value must not look older than the one that it replaces, and few people change
	// one value on two machines within that time.
	clockSlack = 30 * time.Second
	// clockBlur is how much less is known of the server's clock than of ours: its header has whole seconds.
	clockBlur = time.Second
)

// clusterDoctor looks at the cluster.
type clusterDoctor struct {
	*doctor
	client  *cluster.Client
	home    string // the controller's namespace
	server  *cluster.Server
	version string // of the controller, once it is known
	leads   bool   // somebody holds the Lease
}

// checkCluster looks at everything in the cluster. What cannot be seen without a right is said to be so, and is no failure.
func (d *doctor) checkCluster(ctx context.Context, holders []repo.Holder) {
	client, err := d.o.fetch.client(d.env)
	if err != nil {
		d.away(err)
		return
	}
	c := &clusterDoctor{doctor: d, client: client, home: d.o.fetch.namespace}
	if !c.checkServer(ctx) || !c.checkKinds(ctx) {
		return
	}
	c.checkRights(ctx)
	if !c.checkKeyrings(ctx, holders) {
		return
	}
	c.checkController(ctx)
	c.checkVersions()
}

// asked gives what ask gives, in the time that the user allows.
func asked[T any](ctx context.Context, d *doctor, ask func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d.o.timeout)
	defer cancel()
	// A credential plugin of a kubeconfig may do anything in the meantime.
	got, err := unlessDone(ctx, func() (T, error) { return ask(ctx) })
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return got, err
}

// away reports a cluster that cannot be reached, or one that answers nothing.
func (d *doctor) away(err error) {
	if errors.Is(err, context.DeadlineExceeded) {
		d.say("cluster", healthFail, "is the cluster up, and does the network lead there? --timeout waits longer", "the cluster does not answer within %s", d.o.timeout)
		return
	}
	d.say("cluster", healthFail, hint(withClusterHint(err)), "%v", err)
}

// refusedWith says whether err is the API server's refusal with one of these codes.
func refusedWith(err error, codes ...int) bool {
	var refusal *cluster.StatusError
	if !errors.As(err, &refusal) {
		return false
	}
	for _, code := range codes {
		if refusal.Code == code {
			return true
		}
	}
	return false
}

// checkServer asks who answers, and compares the clocks. false ends the checks.
func (c *clusterDoctor) checkServer(ctx context.Context) bool {
	server, err := asked(ctx, c.doctor, func(ctx context.Context) (*cluster.Server, error) { return c.client.Server(ctx, c.env.Now) })
	if refusedWith(err, http.StatusForbidden, http.StatusNotFound) {
		c.server = &cluster.Server{} // a proxy may let through only what is needed
		c.say("cluster", healthSkip, "", "the API server does not say its version: %v", err)
		return true
	}
	if err != nil {
		c.away(err)
		return false
	}
	c.server = server
	c.say("cluster", healthOK, "", "Kubernetes %s answers", shown(server.Version))
	c.results = append(c.results, clockDiagnosis(server))
	return true
}

// clockDiagnosis compares the clocks of this machine and of the API server.
func clockDiagnosis(s *cluster.Server) diagnosis {
	d := diagnosis{Check: "clock", State: healthOK}
	if s.Date.IsZero() {
		d.State, d.Message = healthSkip, "the API server does not say what time it is"
		return d
	}
	// The answer was made at some time between Before and After, and up to a second after its Date.
	ahead, behind := s.Before.Sub(s.Date.Add(clockBlur)), s.Date.Sub(s.After)
	skew := max(ahead, behind, 0)
	d.Hint = "set the clock here, with NTP for example"
	switch {
	case ahead > tooFarAhead:
		d.State = healthFail
		d.Message = fmt.Sprintf("the clock here is %s ahead of the API server's, and the controller refuses what is dated more than %s ahead", spanWords(skew), spanWords(tooFarAhead))
	case ahead > clockSlack:
		d.State, d.Message = healthWarn, fmt.Sprintf("the clock here is %s ahead of the API server's; from %s on, the controller refuses what is sealed here", spanWords(skew), spanWords(tooFarAhead))
	case behind > clockSlack:
		d.State = healthWarn
		d.Message = fmt.Sprintf("the clock here is %s behind the API server's: what is sealed here may look older than the value that it replaces", spanWords(skew))
	default:
		d.Message, d.Hint = "the clocks here and of the API server agree", ""
	}
	return d
}

// checkVersions compares what runs with this program.
func (c *clusterDoctor) checkVersions() {
	c.results = append(c.results, versionDiagnosis(buildVersion(c.env.Version).Version, c.version))
}

func versionDiagnosis(mine, controller string) diagnosis {
	d := diagnosis{Check: "versions", State: healthOK, Message: fmt.Sprintf("seal %s, controller %s", shown(mine), shown(cmp.Or(controller, "unknown")))}
	older, comparable := olderVersion(controller, mine)
	switch {
	case controller == "":
		d.State = healthSkip
		d.Message += ": it is not in a StatefulSet that can be seen"
	case !comparable:
		d.State = healthSkip
		d.Message += ": these cannot be compared"
	case older:
		d.State, d.Hint = healthWarn, "upgrade the controller, with its CRDs, before you use what this seal has new; helm upgrade does both"
		d.Message += ": the controller is older"
	}
	return d
}

// imageVersion is the tag of an image; empty where it has none, or only a digest.
func imageVersion(image string) string {
	image, _, _ = strings.Cut(image, "@")
	i := strings.LastIndexByte(image, ':')
	if i < 0 || strings.Contains(image[i:], "/") {
		return ""
	}
	return image[i+1:]
}
