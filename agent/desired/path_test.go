package desired_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/desired"
)

func TestPathsThatNobodyShouldTake(t *testing.T) {
	s := newSealer(t)
	long := strings.Repeat("é", 400) + ".yaml"
	for name, x := range map[string]struct{ path, want string }{
		"up":                   {"a/../x.yaml", "a/../x.yaml 0 PathUnsafe?"},
		"here":                 {"./x.yaml", "./x.yaml 0 PathUnsafe?"},
		"nothing":              {"a//x.yaml", "a//x.yaml 0 PathUnsafe?"},
		"Git's folder":         {".git/x.yaml", ".git/x.yaml 0 PathUnsafe?"},
		"in capitals":          {"a/.GIT/x.yaml", "a/.GIT/x.yaml 0 PathUnsafe?"},
		"as Windows has it":    {"git~1/x.yaml", "git~1/x.yaml 0 PathUnsafe?"},
		"with a dot":           {".git./x.yaml", ".git./x.yaml 0 PathUnsafe?"},
		"no manifest":          {".git/hooks/post-checkout", ".git/hooks/post-checkout 0 PathUnsafe"},
		"a line break":         {"a\nb.yaml", `"a\nb.yaml" 0 PathUnsafe?`},
		"a terminal's":         {"\x1b[31mx.yaml", `"\x1b[31mx.yaml" 0 PathUnsafe?`},
		"right to left":        {"\u202elmay.x.yaml", `"\u202elmay.x.yaml" 0 PathUnsafe?`},
		"no width":             {"a\u200b.yaml", `"a\u200b.yaml" 0 PathUnsafe?`},
		"not UTF-8":            {"a\xff.yaml", `"a\xff.yaml" 0 PathUnsafe?`},
		"long":                 {long, ""},
		"other letters":        {"geheim/größe.yaml", ""},
		"a space":              {"my secrets/x y.yaml", ""},
		"no manifest, strange": {"a\nb.txt", ""},
		"dots":                 {"a/..b/x.yaml", ""},
	} {
		t.Run(name, func(t *testing.T) {
			set := newCommit().with("a.yaml", s.yaml("prod", "other")).with(x.path, s.yaml("prod", "x")).wants(t)
			switch {
			case x.want != "":
				holds(t, set, "prod/other", x.want)
			case strings.HasSuffix(x.path, ".txt"):
				holds(t, set, "prod/other")
			default:
				holds(t, set, "prod/other prod/x")
			}
		})
	}
}

func TestShownPaths(t *testing.T) {
	for path, want := range map[string]string{
		"a/b.yaml":                      "a/b.yaml",
		"":                              `""`,
		`"a"`:                           `"\"a\""`,
		"größe":                         "größe",
		strings.Repeat("é", 400):        strings.Repeat("é", 150) + "…",
		strings.Repeat("\xff", 400):     "\"\ufffd\"…",
		"x" + strings.Repeat("\x00", 2): `"x\x00\x00"`,
	} {
		if got := desired.Shown(path); want != got && !strings.Contains(path, "\xff") || len(got) > 2000 {
			t.Errorf("%q is shown as %q", path, got)
		}
	}
}

func TestNamesThatDifferInCaseOnly(t *testing.T) {
	s := newSealer(t)
	set := newCommit().with("db.yaml", s.yaml("prod", "db")).with("DB.yaml", s.yaml("prod", "db2")).with("App/x.yaml", s.yaml("prod", "x")).with("app/x.yaml", s.yaml("prod", "y")).
		with("web.yaml", s.yaml("prod", "web")).with("readme.md", "").with("README.md", "").wants(t)
	holds(t, set, "prod/web", "App/x.yaml 0 PathUnsafe?", "DB.yaml 0 PathUnsafe?", "app/x.yaml 0 PathUnsafe?", "db.yaml 0 PathUnsafe?")
}

func TestEntriesThatAreNoFiles(t *testing.T) {
	s := newSealer(t)
	set := newCommit().
		with("db.yaml", s.yaml("prod", "db")).
		with("docs/README.md", "").
		entry("link.yaml", desired.Link, "db.yaml").
		entry("folder", desired.Link, "docs").
		entry("outside", desired.Link, "/etc/passwd").
		entry("up", desired.Link, "../../etc/passwd").
		entry("CLICK.md", desired.Link, "docs/README.md").
		entry("docs/up.txt", desired.Link, "../docs/./README.md").
		entry("hidden", desired.Link, "db.yaml").
		entry("readme.yaml", desired.Link, "docs/README.md").
		entry("module", desired.Module, "").
		entry("module.yaml", desired.Module, "").
		entry("deep/down", desired.Folder, "").
		entry("twice.yaml", desired.Malformed, "").
		wants(t)
	holds(t, set, "prod/db",
		"deep/down 0 PathUnsafe?", "folder 0 Symlink?", "hidden 0 Symlink?", "link.yaml 0 Symlink?", "module 0 Submodule?", "module.yaml 0 Submodule?",
		"outside 0 Symlink?", "readme.yaml 0 Symlink?", "twice.yaml 0 PathUnsafe?", "up 0 Symlink?")
	c := newCommit().with("db.yaml", s.yaml("prod", "db")).entry("gone", desired.Link, "README.md")
	c.files[1].Blob = "not there"
	holds(t, c.wants(t), "prod/db", "gone 0 Symlink?")
	c = newCommit().with("README.md", "")
	for i := range 3000 {
		c.entry(fmt.Sprint("link", i), desired.Link, "README.md")
	}
	if set := c.wants(t); len(set.Refused) != 2000 || len(c.reads) != 1000 {
		t.Errorf("%d links are refused, %d were read", len(set.Refused), len(c.reads))
	}
}

func TestOnlyAFolderIsRead(t *testing.T) {
	s := newSealer(t)
	c := newCommit().
		with("db.yaml", s.yaml("prod", "db")).
		with("apps/prod/web.yaml", s.yaml("prod", "web")).
		with("apps/prod/deep/down/x.yaml", s.yaml("prod", "x")).
		with("apps/production/y.yaml", s.yaml("prod", "y")).
		with("apps/broken.yaml", "kind: GitSecret: x").
		entry("link", desired.Link, "apps").
		entry("apps/link", desired.Link, "prod")
	for folder, want := range map[string][]string{
		"apps/prod":        {"prod/web prod/x"},
		"/apps/prod/":      {"prod/web prod/x"},
		"./apps//prod":     {"prod/web prod/x"},
		"apps/prod/deep":   {"prod/x"},
		"apps":             {"prod/web prod/x prod/y", "apps/broken.yaml 0 InvalidYAML?", "apps/link 0 Symlink?"},
		"nowhere":          {"", "nowhere 0 PathNotFound?"},
		"apps/pro":         {"", "apps/pro 0 PathNotFound?"},
		"Apps":             {"", "Apps 0 PathNotFound?"},
		"db.yaml":          {"", "db.yaml 0 PathNotFound?"},
		"db.yaml/x":        {"", "db.yaml 0 PathNotFound?"},
		"link":             {"", "link 0 Symlink?"},
		"link/prod":        {"", "link 0 Symlink?"},
		"apps/link/deep":   {"", "apps/link 0 Symlink?"},
		"../apps/prod/web": {"", "apps/prod/web 0 PathNotFound?"},
	} {
		t.Run(folder, func(t *testing.T) {
			holds(t, c.set(t, folder, desired.NewCache(desired.Limits{})), want[0], want[1:]...)
		})
	}
	holds(t, newCommit().wants(t), "", "/ 0 PathNotFound?")
}
