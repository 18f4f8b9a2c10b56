package cli

import (
	"strings"
	"testing"
	"time"
)

func TestPatternListsMatchAsOpenSSHsDo(t *testing.T) {
	cases := map[string]bool{
		"object@waxwing.io": true, "*": true, "git,object@*": true, "obj?ct@waxwing.io": true, "*waxwing*": true, "object@waxwing.io*": true,
		"object@waxwing.io,!object@*": false, "!object@waxwing.io,*": false, "!git,*": true, "!git": false,
		"git": false, "object": false, "bject@waxwing.io": false, "object@waxwing.io?": false, "": false, "*x": false,
		strings.Repeat("*o", 12) + "y": false,
	}
	for list, want := range cases {
		if got := matchesList("object@waxwing.io", list); got != want {
			t.Errorf("%q matches: %v", list, got)
		}
	}
}

func TestMatchingAHostilePatternIsFast(t *testing.T) {
	// A matcher that tries all ways would not come back.
	if matches(strings.Repeat("a", 10_000), strings.Repeat("*a", 5_000)+"b") {
		t.Error("matches")
	}
}

func TestTimesOfAllowedSigners(t *testing.T) {
	rome := time.FixedZone("", 3600)
	cases := map[string]string{
		"20260102": "2026-01-01T23:00:00Z", "20260102Z": "2026-01-02T00:00:00Z",
		"202601020304": "2026-01-02T02:04:00Z", "202601020304Z": "2026-01-02T03:04:00Z",
		"20260102030405": "2026-01-02T02:04:05Z", "20260102030405Z": "2026-01-02T03:04:05Z",
		"": "", "Z": "", "2026": "", "20261301": "", "20260102 ": "", "2026010203": "", "20260102030405.5": "", "20260102ZZ": "",
	}
	for text, want := range cases {
		got, err := parseTime(text, rome)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q is %v (%v)", text, got, err)
		}
	}
}

func TestAnAllowedSignerCountsBetweenItsTimes(t *testing.T) {
	from, to := time.Unix(1000, 0), time.Unix(2000, 0)
	s := allowedSigner{from: from, to: to}
	for at, want := range map[int64]bool{999: false, 1000: true, 1500: true, 2000: true, 2001: false} {
		if got := s.refuses(time.Unix(at, 0)) == ""; got != want {
			t.Errorf("at %d it counts: %v", at, got)
		}
	}
}
