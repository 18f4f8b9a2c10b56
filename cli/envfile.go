package cli

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// parseEnvFile reads lines of KEY=VALUE as kubectl create secret --from-env-file does: blank lines and comments are left out, white space before KEY
// too, and the value is kept as it stands, quotes and spaces included. KEY alone takes the value of that variable of the environment; one that is
// empty or not set there is refused, because a line without = is as often the second line of a value. Errors name lines and never quote them.
func parseEnvFile(name string, b []byte, getenv func(string) string) (seal.Values, []string, error) {
	values := seal.Values{}
	quoted := map[string]bool{}
	n := 0
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	for line := range bytes.Lines(b) {
		n++
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return nil, nil, failed("write it again as UTF-8, in PowerShell with | Out-File -Encoding utf8; for bytes use --from-file KEY=PATH", "%s:%d: is no UTF-8", name, n)
		}
		line = bytes.TrimLeftFunc(line, unicode.IsSpace)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		raw, value, assigned := bytes.Cut(line, []byte("="))
		key := string(raw)
		if len(validation.IsEnvVarName(key)) > 0 || seal.CheckItemName(key) != nil {
			return nil, nil, failed("a line is KEY=VALUE, KEY of letters, digits, -, _ and . and not beginning with a digit; a value of several lines goes with --from-file KEY=PATH",
				"%s:%d: does not begin with a KEY", name, n)
		}
		if _, there := values[key]; there {
			return nil, nil, failed("", "%s:%d: the key is in an earlier line already", name, n)
		}
		if !assigned {
			if value = []byte(getenv(key)); len(value) == 0 {
				return nil, nil, failed("write KEY=VALUE, or KEY= for an empty value", "%s:%d: has no =, and the environment has no such variable", name, n)
			}
		}
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			quoted[key] = true
		}
		values[key] = seal.NewValue(bytes.Clone(value))
	}
	if len(quoted) == 0 {
		return values, nil, nil
	}
	return values, []string{fmt.Sprintf("%s: quotes are part of the value of %s, as in kubectl", name, some(slices.Sorted(maps.Keys(quoted))))}, nil
}
