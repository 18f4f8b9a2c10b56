package keyring_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

func TestBreakGlassOfAKeyring(t *testing.T) {
	one, private := identity(t, "classical")
	two, _ := identity(t, "classical")
	pq, _ := identity(t, "postquantum")
	for name, c := range map[string]struct {
		recipients []string
		want       []string
		says       string
	}{
		"none":            {nil, nil, ""},
		"two":             {[]string{one.Recipient(), two.Recipient()}, []string{one.KeyID(), two.KeyID()}, ""},
		"malformed":       {[]string{"age1nonsense", one.Recipient()}, []string{one.KeyID()}, "break-glass recipient 1 is malformed"},
		"another class":   {[]string{one.Recipient(), pq.Recipient()}, []string{one.KeyID()}, "break-glass recipient 2 (key " + pq.KeyID()[:16] + ") is of class postquantum, and the keyring of class classical"},
		"a private key":   {[]string{private}, nil, "break-glass recipient 1 is malformed"},
		"a key elsewhere": {[]string{"waxrsa1AAAA"}, nil, "break-glass recipient 1 is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			kr := ring("default")
			if c.recipients != nil {
				kr.Spec.BreakGlass = &v1alpha1.BreakGlass{Recipients: c.recipients}
			}
			got, err := keyring.BreakGlassOf(&kr.Spec)
			var ids []string
			for _, r := range got {
				ids = append(ids, r.KeyID())
			}
			if diff := cmp.Diff(c.want, ids); diff != "" || (err == nil) != (c.says == "") || err != nil && (!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), private)) {
				t.Errorf("%v %s", err, diff)
			}
			b := newBench(t)
			res, rerr := b.m.Ensure(t.Context(), kr)
			if rerr != nil || res.Ready != (c.says == "") || res.Stalled != (c.says != "") || c.says != "" && res.Reason != keyring.ReasonBreakGlassInvalid || !b.opens(res.Keys[0].ID) {
				t.Errorf("%+v, %v", res, rerr)
			}
			if p, _ := b.live.Load().Policy("default"); !cmp.Equal(p.BreakGlass, c.want) {
				t.Errorf("policy %+v", p)
			}
		})
	}
}
