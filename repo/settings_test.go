package repo_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

func recipient(t *testing.T) seal.Recipient {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// write writes files below dir; a name that ends with / is a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheNearestThatSaysAThingWins(t *testing.T) {
	r := recipient(t).String()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		".seal.yaml": "version: 1\nholders: {above: {recipients: [" + r + "]}}\nenvironments: [{name: above, paths: ['**'], holders: [above]}]\n",
		"r/.git/":    "",
		"r/.seal.yaml": fmt.Sprintf(`version: 1
holders:
  prod: {recipients: [%[1]s]}
  dev: {recipients: [%[1]s]}
  glass: {recipients: [%[1]s]}
breakGlass: [glass]
scope: namespace
environments:
- {name: prod, paths: ["clusters/prod/**"], holders: [prod], namespace: prod, signed: true, scope: strict}
- {name: dev, paths: ["clusters/dev/*.yaml", "team/**"], holders: [dev, dev]}
`, r),
		"r/team/.seal.yaml": "version: 1\nscope: cluster\nholders: {team: {recipients: [" + r + "]}}\nbreakGlass: []\nenvironments: [{name: ours, paths: ['own/**'], holders: [team]}]\n",
		"alone/.seal.yaml":  "version: 1\nholders: {alone: {recipients: [" + r + "]}}\nenvironments: [{name: alone, paths: ['**'], holders: [alone]}]\n",
		"empty/.git":        "gitdir: elsewhere\n",
	})
	cases := map[string]struct {
		env, holders, scope, namespace string
		signed                         bool
		err                            error
	}{
		"r/clusters/prod/db.yaml":       {env: "prod", holders: "glass prod", scope: "strict", namespace: "prod", signed: true},
		"r/clusters/prod/a/b/c/db.yaml": {env: "prod", holders: "glass prod", scope: "strict", namespace: "prod", signed: true},
		"r/clusters/dev/db.yaml":        {env: "dev", holders: "dev glass", scope: "namespace"},
		"r/clusters/dev/a/db.yaml":      {err: repo.ErrNoEnvironment},
		"r/team/own/db.yaml":            {env: "ours", holders: "team", scope: "cluster"},
		"r/team/other/db.yaml":          {env: "dev", holders: "dev", scope: "cluster"},
		"alone/db.yaml":                 {env: "alone", holders: "alone", scope: "strict"},
		"alone/below/db.yaml":           {err: repo.ErrNoSettings}, // outside of a repository only the file's own folder is looked at
		"empty/db.yaml":                 {err: repo.ErrNoSettings}, // the search ends at the root
	}
	tree := repo.NewTree("")
	for path, tc := range cases {
		rules, err := tree.Rules(filepath.Join(dir, filepath.FromSlash(path)))
		if !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("%s: the error is %v, not %v", path, err, tc.err)
		}
		if err != nil || tc.err != nil {
			continue
		}
		var holders []string
		for _, h := range rules.Holders {
			holders = append(holders, h.Name)
			if set, err := h.Read(); err != nil || len(set.Recipients) != 1 || set.Recipients[0].String() != r {
				t.Errorf("%s: holder %s reads as %v, %v", path, h.Name, set, err)
			}
		}
		if got := strings.Join(holders, " "); rules.Environment != tc.env || got != tc.holders || rules.Scope != tc.scope || rules.Namespace != tc.namespace || rules.Signed != tc.signed {
			t.Errorf("%s: the rules are %+v", path, rules)
		}
	}
}

// TestDeepFoldersAreNoWayOut has a folder so deep that a bounded search for the root might end before it.
func TestDeepFoldersAreNoWayOut(t *testing.T) {
	r, dir := recipient(t).String(), t.TempDir()
	deep := strings.Repeat("d/", 300)
	text := "version: 1\nholders: {prod: {recipients: [" + r + "]}}\nenvironments: [{name: all, paths: ['**'], holders: [prod]}]\n"
	write(t, dir, map[string]string{".git/": "", ".seal.yaml": text, deep: ""})
	file := filepath.Join(dir, filepath.FromSlash(deep), "a.yaml")
	rules, err := repo.NewTree("").Rules(file)
	if err != nil || rules.Root != dir || len(rules.Holders) != 1 {
		t.Fatalf("the rules are %+v (%v)", rules, err)
	}
	write(t, dir, map[string]string{deep + ".seal.yaml": text})
	if _, err := repo.NewTree("").Rules(file); err == nil || !strings.Contains(err.Error(), "holder prod is defined here and in") {
		t.Errorf("with a second definition the error is %v", err)
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	r := recipient(t).String()
	_, vkey, err := statement.GenerateKey(rand.Reader, "prod")
	if err != nil {
		t.Fatal(err)
	}
	good := "version: 1\nholders: {prod: {recipients: [" + r + "]}}\nenvironments: [{name: prod, paths: [\"**\"], holders: [prod]}]\n"
	if _, err := repo.ParseSettings("s", []byte(good)); err != nil {
		t.Fatalf("the settings that the cases change are refused: %v", err)
	}
	cases := map[string]struct{ old, now, want string }{
		"no version":                    {"version: 1", "scope: strict", "version must be 1"},
		"another version":               {"version: 1", "version: 2", "version must be 1"},
		"an unknown field":              {"version: 1", "version: 1\nrecipients: []", `unknown field "recipients"`},
		"a field twice":                 {"version: 1", "version: 1\nversion: 1", "twice"},
		"a list for a mapping":          {"{prod: {recipients: [" + r + "]}}", "[prod]", "holders cannot be a list"},
		"a word for all of it":          {good, "word", "the document cannot be a string"},
		"a number for a name":           {"name: prod", "name: 1", "environments.name cannot be a number"},
		"a pin and recipients":          {"recipients: [", "statementKey: " + vkey + ", recipients: [", "statementKey (a keyring), or recipients"},
		"neither":                       {"recipients: [" + r + "]", "", "statementKey (a keyring), or recipients"},
		"a broken pin":                  {"recipients: [" + r + "]", "statementKey: prod+0", "statementKey"},
		"a backup of people":            {"recipients: [" + r + "]", "recipients: [" + r + "], backup: b.note", "has a backup, which only a keyring"},
		"a backup further up":           {"recipients: [" + r + "]", "statementKey: " + vkey + ", backup: ../b.note", `backup: "../b.note" is no path`},
		"a backup anywhere":             {"recipients: [" + r + "]", "statementKey: " + vkey + ", backup: /etc/b.note", `backup: "/etc/b.note" is no path`},
		"another keyring's pin":         {"{prod: {recipients: [" + r + "]}}", "{dev: {statementKey: " + vkey + "}}", `statementKey is that of "prod"`},
		"a holder that is a path":       {"{prod: {", "{../prod: {", "the name of a holder"},
		"a scope":                       {"version: 1", "version: 1\nscope: everywhere", `scope: "everywhere"`},
		"an environment's scope":        {"name: prod,", "name: prod, scope: 'match:A',", `"match:A"`},
		"no paths":                      {`paths: ["**"], `, "", "paths is missing"},
		"no holders":                    {", holders: [prod]", "", "holders is missing"},
		"no name":                       {"name: prod, ", "", "name is missing"},
		"a path upwards":                {`"**"`, `"../**"`, "paths[0]"},
		"an absolute path":              {`"**"`, `"/etc/**"`, "paths[0]"},
		"a path of Windows":             {`"**"`, `'a\b'`, "paths[0]"},
		"a broken pattern":              {`"**"`, `"[a"`, "paths[0]"},
		"a broken pattern to ignore":    {"version: 1", "version: 1\nignore: ['{a']", "ignore[0]"},
		"a namespace":                   {"name: prod,", "name: prod, namespace: Prod,", "namespace"},
		"the same name twice":           {"environments: [", "environments: [{name: prod, paths: [a], holders: [prod]}, ", "given twice"},
		"a signer without a key":        {"version: 1", "version: 1\nsigners: [{name: a}]", "signers[0].key"},
		"a signer's key with an option": {"version: 1", "version: 1\nsigners: [{key: 'command=\"x\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGcmC2opBiYzQgOIDJuWCeFPR3qkTU3r0GBEzTTOaVEQ'}]", "signers[0].key"},
		"two documents":                 {"version: 1", "version: 1\n---\nversion: 1", "one document"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(good, tc.old, tc.now, 1)
			if text == good {
				t.Fatal("the case changes nothing")
			}
			_, err := repo.ParseSettings("s", []byte(text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "s") {
				t.Errorf("the error is %v; it should name the file and %q", err, tc.want)
			}
		})
	}
}

func TestAHolderHasOneDefinition(t *testing.T) {
	r := recipient(t).String()
	dir := t.TempDir()
	text := "version: 1\nholders: {prod: {recipients: [" + r + "]}}\n"
	write(t, dir, map[string]string{".git/": "", ".seal.yaml": text, "a/.seal.yaml": text})
	_, err := repo.NewTree("").Rules(filepath.Join(dir, "a", "x.yaml"))
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "a", ".seal.yaml")) || !strings.Contains(err.Error(), filepath.Join(dir, ".seal.yaml")) {
		t.Errorf("the error does not name both files: %v", err)
	}
}

func TestNotesVerifyUnderThePinAlone(t *testing.T) {
	skey, vkey, err1 := statement.GenerateKey(rand.Reader, "prod")
	otherKey, _, err2 := statement.GenerateKey(rand.Reader, "prod")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	sign := func(key string, r seal.Recipient) string {
		signer, err := statement.NewSigner(key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := statement.Recipients{Holder: "prod", Set: 3, At: time.Unix(1e9, 0).UTC(), Recipients: []seal.Recipient{r}}.Sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r := recipient(t)
	settings := "version: 1\nholders: {prod: {statementKey: " + vkey + "}}\nenvironments: [{name: prod, paths: ['**'], holders: [prod]}]\n"
	cases := map[string]struct{ note, want string }{
		"its own":        {sign(skey, r), ""},
		"another key's":  {sign(otherKey, r), "is not signed by the statement key prod+"},
		"changed":        {strings.Replace(sign(skey, r), "set: 3", "set: 4", 1), "was changed"},
		"no note":        {"age1…\n", "malformed"},
		"missing":        {"", "is missing"},
		"much too large": {strings.Repeat("x", 2<<20), "longer than"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{".git/": "", ".seal.yaml": settings})
			if tc.note != "" {
				write(t, dir, map[string]string{".seal/prod.note": tc.note})
			}
			holders, err := repo.NewTree("").Holders(dir)
			if err != nil || len(holders) != 1 {
				t.Fatal(holders, err)
			}
			set, err := holders[0].Read()
			if tc.want != "" {
				var e *repo.Error
				if !errors.As(err, &e) || !strings.Contains(err.Error(), tc.want) || !strings.HasSuffix(e.File, "prod.note") || e.Hint == "" && tc.want != "longer than" {
					t.Errorf("the error is %v, and should say %q", err, tc.want)
				}
				return
			}
			if err != nil || set.Statement.Set != 3 || set.Recipients[0].String() != r.String() {
				t.Errorf("the set is %+v, %v", set, err)
			}
		})
	}
}

func TestABackupLiesBelowItsSettings(t *testing.T) {
	_, vkey, err := statement.GenerateKey(rand.Reader, "prod")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	settings := "version: 1\nholders: {prod: {statementKey: " + vkey + ", backup: .seal/prod.backup.note}}\nenvironments: [{name: prod, paths: ['**'], holders: [prod]}]\n"
	if err := os.WriteFile(filepath.Join(dir, ".seal.yaml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	holders, err := repo.NewTree("").Holders(dir)
	if err != nil || len(holders) != 1 || holders[0].Backup != filepath.Join(dir, ".seal", "prod.backup.note") || holders[0].Dir() != dir {
		t.Errorf("%+v, %v", holders, err)
	}
	for _, place := range []string{".git/commondir", "./.git/x", ".GIT/x", "sub/.git/x", "../x", "/x", "."} {
		if _, err := repo.ParseSettings("s", []byte(strings.Replace(settings, ".seal/prod.backup.note", place, 1))); err == nil || !strings.Contains(err.Error(), "is no path of a file below") {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func TestIgnoredPathsAddUp(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{".git/": "", ".seal.yaml": "version: 1\nignore: ['charts/**', '*.tmpl.yaml']\n", "a/.seal.yaml": "version: 1\nignore: [b.yaml]\n"})
	tree := repo.NewTree("")
	var got []string
	for _, path := range []string{"charts/x/y.yaml", "x.tmpl.yaml", "a/b.yaml", "a/c.yaml", "a/x.tmpl.yaml", "b.yaml"} {
		ignored, err := tree.Ignored(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		if ignored {
			got = append(got, path)
		}
	}
	if want := []string{"charts/x/y.yaml", "x.tmpl.yaml", "a/b.yaml"}; !slices.Equal(got, want) {
		t.Errorf("ignored are %v, not %v", got, want)
	}
}
