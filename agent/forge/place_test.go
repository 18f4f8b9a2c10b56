package forge_test

import (
	"testing"

	"github.com/waxwing-io/waxwing/agent/forge"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func TestWhereTheForgeOfARepositoryIs(t *testing.T) {
	for _, c := range []struct {
		source          string
		named           v1alpha1.Forge
		url, repository string
	}{
		{"https://git.example.com/team/infra.git", v1alpha1.Forge{}, "https://git.example.com", "team/infra"},
		{"https://git.example.com:8443/group/team/infra/", v1alpha1.Forge{}, "https://git.example.com:8443", "group/team/infra"},
		{"http://127.0.0.1:3000/team/infra.git", v1alpha1.Forge{}, "http://127.0.0.1:3000", "team/infra"},
		{"ssh://git@git.example.com:2222/team/infra.git", v1alpha1.Forge{}, "https://git.example.com", "team/infra"},
		{"ssh://git@[::1]:2222/team/infra.git", v1alpha1.Forge{}, "https://[::1]", "team/infra"},
		{"https://example.com/git/team/infra.git", v1alpha1.Forge{URL: "https://example.com/git/"}, "https://example.com/git", "team/infra"},
		{"ssh://git@ssh.example.com/team/infra.git", v1alpha1.Forge{URL: "https://example.com", Repository: "team/other"}, "https://example.com", "team/other"},
	} {
		a, err := forge.At(c.named, c.source)
		if err != nil || a.URL != c.url || a.Repository != c.repository || a.Address() != c.url+"/"+c.repository {
			t.Errorf("%s: %q, %q, %v", c.source, a.URL, a.Repository, err)
		}
	}
	if _, err := forge.At(v1alpha1.Forge{}, "infra"); err == nil {
		t.Error("no address was taken")
	}
}
