package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/cli/standing"
	"github.com/waxwing-io/waxwing/repo/scan"
)

const (
	// maxLists is how many namespaces are listed one by one; where there are more, one list of all is cheaper.
	maxLists = 50
	// maxKeyrings is how many holders are asked for. A cluster has a handful.
	maxKeyrings = 64
)

// statusAsk asks the cluster what it has.
type statusAsk struct {
	env   *Env
	o     *statusOptions
	files []standing.File
	rest  bool // objects that no file has are wanted

	client   *cluster.Client
	warnings []string
}

// clusterList is what a namespace holds, or all of them.
type clusterList struct {
	objects    []standing.Live
	secrets    map[standing.Key]standing.Written
	err        error // the GitSecrets cannot be listed
	secretsErr error
}

// look asks for everything. Whatever the error, it gives what is known.
func (a *statusAsk) look(ctx context.Context) (*standing.Look, error) {
	look := &standing.Look{Namespaces: map[string]bool{}, SecretsIn: map[string]bool{}, Secrets: map[standing.Key]standing.Written{},
		Keyrings: map[string]standing.Keyring{}, Rest: a.rest}
	var err error
	if a.client, err = a.o.client(a.env); err != nil {
		return look, err
	}
	// A credential plugin of a kubeconfig may do anything in the meantime.
	asked, err := unlessDone(ctx, func() (*standing.Look, error) {
		err := a.lists(ctx, look)
		if look.All || len(look.Namespaces) > 0 {
			a.keyrings(ctx, look)
		}
		return look, err
	})
	if asked == nil {
		return &standing.Look{}, err
	}
	return asked, err
}

// lists fills in GitSecrets and Secrets.
func (a *statusAsk) lists(ctx context.Context, look *standing.Look) error {
	names := a.namespaces()
	if a.o.all || len(names) > maxLists {
		all := a.list(ctx, "")
		switch {
		case all.err == nil:
			look.All = true
			a.add(look, "", all, names)
			return nil
		case a.o.all || !isForbidden(all.err):
			return a.refused(all.err)
		}
	}
	if len(names) == 0 {
		return nil
	}
	results := make([]clusterList, len(names))
	results[0] = a.list(ctx, names[0])
	if err := results[0].err; err != nil && !isForbidden(err) {
		return a.refused(err) // what is away is away for all
	}
	if err := scan.Parallel(ctx, len(names)-1, func(i int) { results[i+1] = a.list(ctx, names[i+1]) }); err != nil {
		return err
	}
	var errs []error
	for i, r := range results {
		if r.err != nil {
			errs = append(errs, a.refused(r.err))
			continue
		}
		look.Namespaces[names[i]] = true
		a.add(look, names[i], r, nil)
	}
	return someErrors(errs)
}

// namespaces are those to ask for, in byte order.
func (a *statusAsk) namespaces() []string {
	if a.o.namespace != "" {
		return []string{a.o.namespace}
	}
	names := map[string]bool{}
	for _, f := range a.files {
		// What Kubernetes does not allow cannot be there, and must not become part of a URL.
		if f.Place != "" && secret.ValidNamespace(f.Place) {
			names[f.Place] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// list asks for a namespace, or for all for an empty one.
func (a *statusAsk) list(ctx context.Context, namespace string) (l clusterList) {
	l.err = a.client.GitSecrets(ctx, namespace, func(doc []byte) error {
		o, err := standing.ReadLive(doc)
		if err != nil {
			return fmt.Errorf("the API server sends a GitSecret that cannot be read: %w", err)
		}
		l.objects = append(l.objects, o)
		return nil
	})
	if l.err != nil || len(l.objects) == 0 {
		return l
	}
	l.secrets = map[standing.Key]standing.Written{}
	l.secretsErr = a.client.WrittenSecrets(ctx, namespace, func(m *metav1.ObjectMeta) {
		l.secrets[standing.Key{Namespace: m.Namespace, Name: m.Name}] = standing.Written{UID: string(m.UID), ResourceVersion: m.ResourceVersion}
	})
	return l
}

// add takes over what was listed. only, where it is not nil and -A was not given, are the namespaces that are wanted of all.
func (a *statusAsk) add(look *standing.Look, namespace string, l clusterList, only []string) {
	for _, o := range l.objects {
		if namespace != "" || a.o.all || slices.Contains(only, o.Namespace) {
			look.Objects = append(look.Objects, o)
		}
	}
	maps.Copy(look.Secrets, l.secrets)
	switch {
	case l.secretsErr != nil:
		a.warnOnce("the Secrets themselves could not be looked at, so that column is the controller's word: " + l.secretsErr.Error())
	case namespace == "":
		look.AllSecrets = true
	default:
		look.SecretsIn[namespace] = true
	}
}

// keyrings asks for the holders that occur.
func (a *statusAsk) keyrings(ctx context.Context, look *standing.Look) {
	names := map[string]bool{}
	count := func(holders []standing.Holder) {
		for _, h := range holders {
			if secret.ValidName(h.Name) {
				names[h.Name] = true
			}
		}
	}
	for i := range a.files {
		count(a.files[i].Holders)
	}
	for i := range look.Objects {
		count(look.Objects[i].Holders)
	}
	wanted := slices.Sorted(maps.Keys(names))
	if len(wanted) > maxKeyrings {
		a.warnOnce(fmt.Sprintf("there are %d holders; only the first %d were looked for", len(wanted), maxKeyrings))
		wanted = wanted[:maxKeyrings]
	}
	for _, name := range wanted {
		k, err := a.client.KeyringObject(ctx, name)
		switch {
		case err == nil:
			look.Keyrings[name] = standing.NewKeyring(k)
		case errors.Is(err, cluster.ErrNoKeyring):
			look.Keyrings[name] = standing.Keyring{Asked: true}
		default:
			a.warnOnce("keyrings could not be looked at, so that nobody knows here which keys they seal to now: " + err.Error())
			if isForbidden(err) {
				continue // a right may be for some names only
			}
			return
		}
	}
}

// warnOnce keeps a warning, unless it was about the same thing before. What differs, such as a namespace, stands after the first colon.
func (a *statusAsk) warnOnce(text string) {
	about := func(s string) string { before, _, _ := strings.Cut(s, ": "); return before }
	if !slices.ContainsFunc(a.warnings, func(w string) bool { return about(w) == about(text) }) {
		a.warnings = append(a.warnings, text)
	}
}

func (a *statusAsk) refused(err error) error {
	if isForbidden(err) {
		return failed("ask for the right to list gitsecrets.waxwing.io, or name a namespace where you have it with -n", "%v", err)
	}
	return objectsRefusal(err)
}

func isForbidden(err error) bool {
	var refusal *cluster.StatusError
	return errors.As(err, &refusal) && refusal.Code == http.StatusForbidden
}
