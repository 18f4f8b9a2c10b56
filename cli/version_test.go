package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/cli"
)

func TestTheVersionIsTheBuilders(t *testing.T) {
	for named, want := range map[string]string{"v1.2.3-4-gabc": "seal v1.2.3-4-gabc", "": "seal "} {
		var out, said bytes.Buffer
		env := cli.Env{Stdout: &out, Stderr: &said, Getenv: func(string) string { return "" }, Version: named}
		if code := cli.Main(t.Context(), env, []string{"version"}); code != 0 || said.Len() > 0 || !strings.HasPrefix(out.String(), want) || strings.HasPrefix(out.String(), "seal \n") {
			t.Errorf("with %q: exit code %d, %q, %q", named, code, out.String(), said.String())
		}
	}
}
