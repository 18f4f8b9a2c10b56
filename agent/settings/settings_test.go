package settings_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/settings"
)

const sample = `
credentials:
  - name: infra
    urls: ["https://git.example.com/team/", "ssh://git@git.example.com:2222/team"]
    namespaces: [team, "prod-*"]
impersonate:
  - {namespace: team, serviceAccount: waxwing-sync}
limits: {packMiB: 64, files: 5000}
`

func parse(t *testing.T, text string) *settings.Settings {
	t.Helper()
	s, err := settings.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCredentialsGoOnlyWhereTheConfigurationLetsThem(t *testing.T) {
	s := parse(t, sample)
	for _, c := range []struct {
		credentials, namespace, address string
		allowed                         bool
	}{
		{"infra", "team", "https://git.example.com/team/app", true},
		{"infra", "prod-eu", "https://git.example.com/team/app.git", true},
		{"infra", "team", "https://GIT.example.com:443/team/app", true},
		{"infra", "team", "ssh://git@git.example.com:2222/team/app", true},
		{"infra", "team", "ssh://root@git.example.com:2222/team/app", false},
		{"infra", "team", "ssh://git@git.example.com/team/app", false},
		{"infra", "team", "https://git.example.com/teamster/app", false},
		{"infra", "team", "https://git.example.com/team/../other/app", false},
		{"infra", "team", "https://git.example.com/team/%2e%2e/other/app", false},
		{"infra", "team", "https://git.example.com//team/app", false},
		{"infra", "team", "https://git.example.com/team/..;/other/app", false},
		{"infra", "team", "https://git.example.com/team/.;x=1/../other/app", false},
		{"infra", "team", "https://git.example.com/team/app;jsessionid=1", false},
		{"infra", "team", "https://git.example.com:8443/team/app", false},
		{"infra", "team", "https://git.example.com.evil.example/team/app", false},
		{"infra", "team", "https://git.example.com@evil.example/team/app", false},
		{"infra", "team", "http://git.example.com/team/app", false},
		{"infra", "team", "https://evil.example/team/app", false},
		{"infra", "team", "https://git.example.com/team/app?x=1", false},
		{"infra", "default", "https://git.example.com/team/app", false},
		{"infra", "team2", "https://git.example.com/team/app", false},
		{"other", "team", "https://git.example.com/team/app", false},
	} {
		if err := s.Allow(c.credentials, c.namespace, c.address); (err == nil) != c.allowed {
			t.Errorf("%s for %s at %s: %v", c.credentials, c.namespace, c.address, err)
		}
	}
}

func TestOnlyNamedAccountsAreImpersonated(t *testing.T) {
	s := parse(t, sample)
	for account, may := range map[types.NamespacedName]bool{
		{Namespace: "team", Name: "waxwing-sync"}:  true,
		{Namespace: "team", Name: "default"}:       false,
		{Namespace: "other", Name: "waxwing-sync"}: false,
	} {
		if s.MayImpersonate(account) != may {
			t.Errorf("%s: want %v", account, may)
		}
	}
}

func TestHTTPIsRefusedUnlessItIsAskedFor(t *testing.T) {
	s := parse(t, sample)
	if s.AllowedHTTP("http://git.example.com/a") == nil || s.AllowedHTTP("https://git.example.com/a") != nil {
		t.Error("http:// went through, or https:// did not")
	}
	if open := parse(t, "insecureHTTP: true"); open.AllowedHTTP("http://git.example.com/a") != nil {
		t.Error("insecureHTTP changes nothing")
	}
}

func TestAConfigurationIsReadStrictly(t *testing.T) {
	for text, want := range map[string]string{
		"credential: []":     "unknown field",
		"proxy: a\nproxy: b": "already set",
		"credentials: [{name: Infra, urls: [x], namespaces: [a]}]":                                                          "credentials[0]: name",
		"credentials: [{name: a, namespaces: [a]}]":                                                                         "credentials[0]: urls",
		"credentials: [{name: a, urls: ['https://h/']}]":                                                                    "credentials[0]: namespaces",
		"credentials: [{name: a, urls: ['h/'], namespaces: [a]}]":                                                           "credentials[0]: urls[0]",
		"credentials: [{name: a, urls: ['https://h/'], namespaces: ['[a']}]":                                                "credentials[0]: namespaces[0]",
		"credentials: [{name: a, urls: ['https://h/'], namespaces: [a]}, {name: a, urls: ['https://h/'], namespaces: [b]}]": "credentials[1]: a is there twice",
		"impersonate: [{namespace: team}]":                                                                                  "impersonate[0]",
		"limits: {packMiB: 1073741825}":                                                                                     "limits: none is below 0 or above 1073741824",
		"impersonate: {}":                                                                                                   "impersonate: has to be a list, and is a map of fields",
		"limits: {packMiB: large}":                                                                                          "limits.packMiB: has to be a whole number, and is a text",
		"limits: {files: 1.5}":                                                                                              "limits.files: has to be a whole number, and is number 1.5",
		"insecureHTTP: [true]":                                                                                              "insecureHTTP: has to be true or false, and is a list",
		"credentials: [{name: a, urls: ['https://h/'], namespaces: a}]":                                                     "credentials.namespaces: has to be a list, and is a text",
		"[]":                             "the file: has to be a map of fields, and is a list",
		"a: b: c":                        "mapping values are not allowed",
		"limits: {files: -1}":            "limits",
		"proxy: http://user:pass@host:1": "proxy",
	} {
		if _, err := settings.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", text, err, want)
		}
	}
	if s := parse(t, sample).SourceLimits(); s.PackBytes != 64<<20 || s.Files != 5000 || s.ObjectBytes != 0 {
		t.Errorf("limits: %+v", s)
	}
}
