package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// BenchmarkOneOfTenThousand is a fetch, the list of files and one file read, after one of 10,000 has changed.
func BenchmarkOneOfTenThousand(b *testing.B) {
	repo, r := tenThousand(b)
	fetch(b, r, mainOf(repo))
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		repo.Write(map[string]string{"apps/42/4242.yaml": fmt.Sprint(i)})
		repo.Git("commit", "--quiet", "-m", "one", "apps/42/4242.yaml")
		repo.Push()
		b.StartTimer()
		files, err := r.Files(b.Context(), fetch(b, r, mainOf(repo)))
		if err != nil || len(files) != 10_000 {
			b.Fatalf("%d files (%v)", len(files), err)
		}
	}
}

// BenchmarkNothingNew is a fetch where nothing has changed.
func BenchmarkNothingNew(b *testing.B) {
	repo, r := tenThousand(b)
	fetch(b, r, mainOf(repo))
	for b.Loop() {
		fetch(b, r, mainOf(repo))
	}
}

// BenchmarkFirstOfTenThousand is the first fetch of 10,000 files of 4 KiB that cannot be compressed well, and all of them read.
func BenchmarkFirstOfTenThousand(b *testing.B) {
	repo, _ := tenThousand(b)
	for b.Loop() {
		r, _ := open(b, source.Limits{})
		if all := contents(b, r, fetch(b, r, mainOf(repo))); len(all) != 10_000 {
			b.Fatalf("%d files", len(all))
		}
	}
}

func tenThousand(b *testing.B) (*githttp.Repo, *source.Repository) {
	b.Helper()
	repo := githttp.Start(b, githttp.Options{}).Repo(b, "infra")
	files := map[string]string{}
	for i := range 10_000 {
		var text strings.Builder
		for n := i; text.Len() < 4096; n = n*6364136223846793005 + 1442695040888963407 {
			fmt.Fprintf(&text, "%x\n", n)
		}
		files[fmt.Sprintf("apps/%d/%d.yaml", i/100, i)] = text.String()
	}
	repo.Write(files)
	repo.Commit("begin")
	repo.Push()
	r, _ := open(b, source.Limits{})
	return repo, r
}
