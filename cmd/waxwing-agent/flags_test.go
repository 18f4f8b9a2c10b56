package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"the version is one line":             {[]string{"--version"}, "v1.2.3\n"},
		"help shows an example":               {[]string{"--help"}, "--leader-elect=false"},
		"help shows the namespace of the pod": {[]string{"--help"}, `(default "here")`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			cmd := command("v1.2.3", func(name string) string { return map[string]string{"POD_NAMESPACE": "here"}[name] }, &bytes.Buffer{})
			cmd.SetArgs(c.args)
			cmd.SetOut(&out)
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("got %q, want %q in it", out.String(), c.want)
			}
		})
	}
}

func TestMistakesAreToldInOneSentence(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(bad, []byte("impersonate: [{namespace: team}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an argument":                     {[]string{"x"}, `unknown command "x"`},
		"a flag that there is not":        {[]string{"--x"}, "unknown flag"},
		"no audit log":                    {nil, "set --audit-log"},
		"a kubeconfig that there is not":  {[]string{"--audit-log", "a", "--kubeconfig", "/nonexistent/kubeconfig"}, "finding the cluster: stat /nonexistent/kubeconfig"},
		"no configuration file":           {[]string{"--audit-log", "a", "--config", "/nonexistent/agent.yaml"}, "--config: open /nonexistent/agent.yaml"},
		"a configuration that is wrong":   {[]string{"--audit-log", "a", "--config", bad}, "impersonate[0]"},
		"no credentials":                  {[]string{"--audit-log", "a", "--credentials", "/nonexistent/credentials"}, "--credentials: opening the folder"},
		"an empty list of namespaces":     {[]string{"--namespaces="}, "--namespaces is empty"},
		"a level of the log that is none": {[]string{"--log-level", "LOUD"}, "LOUD"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command("v1.2.3", func(string) string { return "" }, &bytes.Buffer{})
			cmd.SetArgs(c.args)
			cmd.SetOut(&bytes.Buffer{})
			err := cmd.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
