package cli_test

import (
	"strings"
	"testing"
)

func TestControlCharactersOfNamesDoNotReachTheTerminal(t *testing.T) {
	code, _, stderr := run(t, t.TempDir(), "", "./\x1b[2J\x07name.yaml")
	if code != 1 || strings.ContainsAny(stderr, "\x1b\x07") || !strings.Contains(stderr, "name.yaml: no such file or directory") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestAllErrorsOfAFileAreReportedWithEachHintOnce(t *testing.T) {
	in := "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {a: b}\n"
	code, _, stderr := run(t, "", in, "-r", testRecipient, "-")
	if code != 1 || strings.Count(stderr, "the Secret has no namespace") != 2 || strings.Count(stderr, "hint: give it with -n") != 1 {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestMissingRecipientsAreSaidOnce(t *testing.T) {
	in := "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {a: b}\n"
	code, _, stderr := run(t, "", in, "-")
	if code != 2 || strings.Count(stderr, "no recipients given") != 1 {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
