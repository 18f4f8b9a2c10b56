package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const crdHint = "apply the CRDs of this version: helm upgrade, or kubectl apply -f with its manifests"

// checkKinds looks at the CRDs. false ends the checks: without them there is nothing else to ask for.
func (c *clusterDoctor) checkKinds(ctx context.Context) bool {
	for _, plural := range []string{"gitsecrets", "keyrings"} {
		kind, err := asked(ctx, c.doctor, func(ctx context.Context) (*cluster.Kind, error) { return c.client.Kind(ctx, plural) })
		switch {
		case errors.Is(err, cluster.ErrNotInstalled):
			c.say("CRDs", healthFail, "install Waxwing there, or name the cluster that is meant with --context", "the cluster does not know %s: there is no CRD %s.%s", plural, plural, v1alpha1.GroupName)
			return false
		case refusedWith(err, http.StatusForbidden):
			return c.checkServed(ctx)
		case err != nil:
			c.away(err)
			return false
		}
		c.results = append(c.results, kindDiagnosis(plural, kind))
	}
	return true
}

// checkServed is checkKinds for those who may not read CRDs: whoever is logged in may ask what is served.
func (c *clusterDoctor) checkServed(ctx context.Context) bool {
	names, err := asked(ctx, c.doctor, c.client.Served)
	switch {
	case errors.Is(err, cluster.ErrNotInstalled):
		c.say("CRDs", healthFail, "install Waxwing there, or name the cluster that is meant with --context", "the cluster does not serve %s", v1alpha1.GroupVersion())
		return false
	case err != nil:
		c.away(err)
		return false
	}
	for _, plural := range []string{"gitsecrets", "keyrings"} {
		if !slices.Contains(names, plural) {
			c.say("CRDs", healthFail, crdHint, "the cluster does not serve %s in %s", plural, v1alpha1.GroupVersion())
			return false
		}
	}
	c.say("CRDs", healthSkip, "", "%s is served; you may not read the CRDs, so that their fields were not compared", v1alpha1.GroupVersion())
	return true
}

// kindDiagnosis judges a CRD; that of GitSecrets has to have all that seal writes.
func kindDiagnosis(plural string, k *cluster.Kind) diagnosis {
	d := diagnosis{Check: "CRDs", State: healthFail, Hint: crdHint}
	version := v1alpha1.GroupVersion().Version
	i := slices.IndexFunc(k.Spec.Versions, func(v cluster.KindVersion) bool { return v.Name == version })
	for _, condition := range k.Status.Conditions {
		if wanted := condition.Type == "Established" || condition.Type == "NamesAccepted"; wanted && condition.Status != "True" {
			d.Message = fmt.Sprintf("%s: the CRD is not %s: %s: %s", plural, condition.Type, condition.Reason, condition.Message)
			d.Hint = "kubectl describe crd " + plural + "." + v1alpha1.GroupName
			return d
		}
	}
	if i < 0 || !k.Spec.Versions[i].Served {
		d.Message = fmt.Sprintf("%s: the CRD does not serve %s", plural, version)
		return d
	}
	if plural == "gitsecrets" {
		spec := k.Spec.Versions[i].Schema.OpenAPI.Properties["spec"]
		missing, more := compareFields(spec, reflect.TypeFor[seal.Spec](), "spec")
		switch {
		case !takesFormat(spec):
			d.Message = fmt.Sprintf("%s: the CRD does not take format %d, which this seal writes", plural, seal.Format)
			return d
		case len(missing) > 0:
			d.Message = fmt.Sprintf("%s: the CRD is older than this seal: it does not know %s, and drops or refuses that", plural, some(missing))
			return d
		case len(more) > 0:
			d.State, d.Hint = healthWarn, "update seal: this one would refuse GitSecrets that use it"
			d.Message = fmt.Sprintf("%s: the CRD is newer than this seal: it knows %s", plural, some(more))
			return d
		}
	}
	return diagnosis{Check: "CRDs", State: healthOK, Message: fmt.Sprintf("%s %s is established and served", plural, version)}
}

// takesFormat says whether spec.format may be what this seal writes.
func takesFormat(spec cluster.Schema) bool {
	enum := spec.Properties["format"].Enum
	return len(enum) == 0 || slices.ContainsFunc(enum, func(v any) bool {
		n, ok := v.(float64)
		return ok && int(n) == seal.Format
	})
}

// compareFields lists the fields of a type that a schema does not have, and those that only the schema has, by their paths.
func compareFields(s cluster.Schema, t reflect.Type, path string) (missing, more []string) {
	below := func(s *cluster.Schema, t reflect.Type, path string) {
		if s == nil {
			return // values of any shape
		}
		m, o := compareFields(*s, t, path)
		missing, more = append(missing, m...), append(more, o...)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return compareFields(s, t.Elem(), path)
	case reflect.Map:
		below(s.Values, t.Elem(), path+".*")
	case reflect.Slice:
		below(s.Items, t.Elem(), path+"[]")
	case reflect.Struct:
		known := map[string]bool{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			known[name] = true
			field, ok := s.Properties[name]
			if !ok {
				missing = append(missing, path+"."+name)
				continue
			}
			below(&field, t.Field(i).Type, path+"."+name)
		}
		for name := range s.Properties {
			if !known[name] {
				more = append(more, path+"."+shown(name))
			}
		}
	}
	slices.Sort(missing)
	slices.Sort(more)
	return missing, more
}

// olderVersion says whether version a is older than b; ok is false where one is no version.
func olderVersion(a, b string) (older, ok bool) {
	canonical := func(v string) string { return "v" + strings.TrimPrefix(v, "v") }
	a, b = canonical(a), canonical(b)
	if !semver.IsValid(a) || !semver.IsValid(b) {
		return false, false
	}
	return semver.Compare(a, b) < 0, true
}
