package repo_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/repo"
)

func TestSomebodyLeavesSettings(t *testing.T) {
	alice, bob := recipient(t), recipient(t)
	const rest = "environments: [{name: all, paths: ['**'], holders: [team]}]\n"
	cases := map[string]struct {
		before, after string
		drop          string
	}{
		"nobody":             {"version: 1\nholders: {team: {recipients: [BOB]}}\n" + rest, "version: 1\nholders: {team: {recipients: [BOB]}}\n" + rest, ""},
		"the first of a row": {"version: 1\nholders: {team: {recipients: [ALICE, BOB]}}\n" + rest, "version: 1\nholders: {team: {recipients: [BOB]}}\n" + rest, ""},
		"the last of a row":  {"version: 1\nholders: {team: {recipients: [BOB , \"ALICE\" ]}}\n" + rest, "version: 1\nholders: {team: {recipients: [BOB ]}}\n" + rest, ""},
		"twice in a row":     {"version: 1\nholders: {team: {recipients: [ALICE, BOB, ALICE]}}\n" + rest, "version: 1\nholders: {team: {recipients: [BOB]}}\n" + rest, ""},
		"a line with what is said of it": {
			"version: 1\n# who\nholders:\n  team:\n    recipients:\n      - BOB # bob\n      # alice\n      # of the old team\n      - \"ALICE\" # left\n      # nobody yet\n" + rest,
			"version: 1\n# who\nholders:\n  team:\n    recipients:\n      - BOB # bob\n      # nobody yet\n" + rest, ""},
		"a line with CR":   {"version: 1\r\nholders:\r\n  team:\r\n    recipients:\r\n    - ALICE\r\n    - BOB\r\n" + rest, "version: 1\r\nholders:\r\n  team:\r\n    recipients:\r\n    - BOB\r\n" + rest, ""},
		"a row over lines": {"version: 1\nholders:\n  team:\n    recipients: [\n      BOB,\n      ALICE,\n    ]\n" + rest, "version: 1\nholders:\n  team:\n    recipients: [\n      BOB]\n" + rest, ""},
		"JSON":             {`{"version": 1, "holders": {"team": {"recipients": ["ALICE", "BOB"]}}}`, `{"version": 1, "holders": {"team": {"recipients": ["BOB"]}}}`, ""},
		"a scalar of a layout that nobody uses": {
			"version: 1\nholders:\n  team:\n    recipients:\n    - BOB\n    - >-\n      ALICE\n" + rest,
			"version: 1\nholders:\n  team:\n    recipients:\n    - BOB\n" + rest, ""},
		"behind an alias": {"version: 1\nholders: {team: &x {recipients: [ALICE, BOB]}, more: *x}\n", "version: 1\nholders: {team: &x {recipients: [BOB]}, more: *x}\n", ""},
		"a list that two holders use": {"version: 1\nholders: {team: {recipients: &x [ALICE, BOB]}, more: {recipients: *x}}\n",
			"version: 1\nholders: {team: {recipients: &x [BOB]}, more: {recipients: *x}}\n", ""},
		"a holder goes, and its name everywhere": {
			"version: 1\nholders:\n  glass: {recipients: [ALICE]}\n  team: {recipients: [BOB]}\nbreakGlass: [glass] # all\nenvironments:\n- name: all\n  paths: ['**']\n  holders: [glass, team]\n  breakGlass:\n  - glass\n",
			"version: 1\nholders:\n  team: {recipients: [BOB]}\nbreakGlass: [] # all\nenvironments:\n- name: all\n  paths: ['**']\n  holders: [team]\n  breakGlass: []\n", "glass"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			people := strings.NewReplacer("ALICE", alice.String(), "BOB", bob.String())
			got, err := repo.Without("s", []byte(people.Replace(tc.before)), repo.Leaving{KeyID: alice.KeyID(), Drop: map[string]bool{tc.drop: true}})
			if err != nil {
				t.Fatal(err)
			}
			back := strings.NewReplacer(alice.String(), "ALICE", bob.String(), "BOB")
			want := tc.after
			if strings.Contains(name, "nobody uses") { // how a list that is written anew looks is another package's
				got, want = []byte(strings.ReplaceAll(string(got), "      -", "    -")), strings.ReplaceAll(want, "      -", "    -")
			}
			if s := back.Replace(string(got)); s != want {
				t.Errorf("got\n%s\nnot\n%s", s, want)
			}
			if again, err := repo.Without("s", got, repo.Leaving{KeyID: alice.KeyID()}); err != nil || string(again) != string(got) {
				t.Errorf("once more changes it: %v", err)
			}
		})
	}
}

func TestWhoCannotLeaveIsRefused(t *testing.T) {
	alice := recipient(t)
	const head = "version: 1\nholders: {team: {recipients: [ALICE]}}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"the last of a holder":       {head, "s: without them, holders[\"team\"]: must have a statementKey (a keyring), or recipients (people)"},
		"the last of an environment": {head + "environments: [{name: all, paths: ['**'], holders: [team]}]\n", "s: without them, environments[0]: holders is missing"},
		"settings that are no such":  {"version: 2\n", "s: version must be 1"},
	} {
		drop := map[string]bool{}
		if strings.Contains(name, "environment") {
			drop["team"] = true
		}
		text := strings.ReplaceAll(tc.text, "ALICE", alice.String())
		out, err := repo.Without("s", []byte(text), repo.Leaving{KeyID: alice.KeyID(), Drop: drop})
		var refused *repo.Error
		if out != nil || !errors.As(err, &refused) || err.Error() != tc.want {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

func TestHoldersOfARecipientAreFound(t *testing.T) {
	alice, bob := recipient(t), recipient(t)
	text := strings.NewReplacer("ALICE", alice.String(), "BOB", bob.String()).Replace("version: 1\nholders: {c: {recipients: [ALICE]}, a: {recipients: [ALICE, BOB]}, b: {recipients: [BOB]}}\n")
	s, err := repo.ParseSettings("s", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if holders, alone := s.HeldBy(alice.KeyID()); strings.Join(holders, " ") != "a c" || strings.Join(alone, " ") != "c" {
		t.Errorf("%v, %v", holders, alone)
	}
}

func TestReplacedSettingsCount(t *testing.T) {
	dir := t.TempDir()
	alice := recipient(t)
	settings := "version: 1\nholders: {NAME: {recipients: [" + alice.String() + "]}}\nenvironments: [{name: all, paths: ['**'], holders: [NAME]}]\n"
	write(t, dir, map[string]string{".git/": "", ".seal.yaml": strings.ReplaceAll(settings, "NAME", "old")})
	tree := repo.NewTree("")
	tree.Replace(filepath.Join(dir, ".seal.yaml"), []byte(strings.ReplaceAll(settings, "NAME", "new")))
	rules, err := tree.Rules(filepath.Join(dir, "a", "b.yaml"))
	if err != nil || len(rules.Holders) != 1 || rules.Holders[0].Name != "new" {
		t.Errorf("%+v, %v", rules, err)
	}
}
