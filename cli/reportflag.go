package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
)

// reportFlag is -o for reports.
type reportFlag struct{ name string }

func (f *reportFlag) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.name, "output", "o", "text", "write `text|json`")
	completeValues(cmd, "output", "text", "json")
}

func (f *reportFlag) check() error {
	if f.name != "text" && f.name != "json" {
		return usage("use text or json", "unknown output %s", shown(f.name))
	}
	return nil
}

// write writes a report to standard output: v as JSON, or what text makes of it. check must have passed.
func (f *reportFlag) write(env *Env, v any, text func(*reportText)) error {
	return env.writeReport(f.name == "json", v, text)
}

// writeReport writes v as JSON that is indented, or what text makes of it.
func (e *Env) writeReport(asJSON bool, v any, text func(*reportText)) error {
	if asJSON {
		b, err := printableJSON(v)
		if err != nil {
			return err
		}
		return e.writeOut(stdinArg, b, 0)
	}
	var out bytes.Buffer
	text(&reportText{out: &out, colour: e.colours()})
	return e.writeOut(stdinArg, out.Bytes(), 0)
}

// writeLine writes v as JSON on one line, or what text makes of it.
func (f *reportFlag) writeLine(env *Env, v any, text func(*bytes.Buffer)) error {
	if f.name == "json" {
		b, err := secret.Marshal(v)
		if err != nil {
			return err
		}
		return env.writeOut(stdinArg, append(b, '\n'), 0)
	}
	var out bytes.Buffer
	text(&out)
	return env.writeOut(stdinArg, out.Bytes(), 0)
}
