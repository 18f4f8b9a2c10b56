package git

import (
	"context"
	"errors"
	"regexp"
	"strings"
)

// Config reads settings as they hold in the folder dir, which may lie in a repository or not. It maps each of the names that is set to its last value; the
// names of sections and variables are in lower case there. environ is the process's environment.
func Config(ctx context.Context, dir string, environ []string, names ...string) (map[string]string, error) {
	r, err := at(dir, environ)
	if err != nil {
		return nil, err
	}
	patterns := make([]string, len(names))
	for i, name := range names {
		patterns[i] = regexp.QuoteMeta(strings.ToLower(name))
	}
	out, err := r.Output(ctx, "config", "--null", "--get-regexp", "^("+strings.Join(patterns, "|")+")$")
	const noneSet = 1
	var failed *Error
	if errors.As(err, &failed) && failed.Code == noneSet {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		// A variable without "=" has no value at all, which is true for a switch and nothing for a text.
		name, value, _ := strings.Cut(entry, "\n")
		settings[name] = value
	}
	return settings, nil
}
