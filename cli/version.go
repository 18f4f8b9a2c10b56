package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// version is what a build says about itself.
type version struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Format   int    `json:"format"`
}

func newVersionCommand(env *Env) *cobra.Command {
	var output reportFlag
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Long:              "Print the version of this program, what it was built from, and the version of the sealed format.",
		Example:           "  seal version\n  seal version -o json",
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			return runVersion(env, &output)
		},
	}
	output.addTo(cmd)
	return cmd
}

func runVersion(env *Env, output *reportFlag) error {
	if err := output.check(); err != nil {
		return err
	}
	v := buildVersion(env.Version)
	return output.writeLine(env, v, func(out *bytes.Buffer) { out.WriteString(v.text()) })
}

// buildVersion reads what the Go tool has written into the binary; named is the version that the builder gave, if any.
func buildVersion(named string) version {
	v := version{Version: cmp.Or(named, "unknown"), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Format: seal.Format}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Version = cmp.Or(named, strings.Trim(info.Main.Version, "()")); v.Version == "" {
		v.Version = "unknown"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (v version) text() string {
	from := ""
	if v.Commit != "" {
		from = fmt.Sprintf(" (commit %.12s, %s)", v.Commit, v.Time)
	}
	return fmt.Sprintf("seal %s%s\n%s %s, sealed format %d\n", v.Version, from, v.Go, v.Platform, v.Format)
}
