package toolcache

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheProgressOfALongBuild(t *testing.T) {
	cases := map[string]struct {
		terminal bool
		want     string
	}{
		"adds a line every 15 seconds to a log": {
			want: "building it\n" +
				"  modules downloaded: 1, 1 of 3 packages, 15s\n" +
				"  modules downloaded: 1, 3 of 3 packages, 30s\n",
		},
		"writes one line over and over on a terminal": {
			terminal: true,
			want: "\r\x1b[Kbuilding it: 0 of 3 packages, 0s" +
				"\r\x1b[Kbuilding it: modules downloaded: 1, 1 of 3 packages, 1s" +
				"\r\x1b[Kbuilding it: modules downloaded: 1, 3 of 3 packages, 2s" +
				"\r\x1b[K",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				every := everyLine
				if c.terminal {
					every = everyRedraw
				}
				m := newMeter(&out, c.terminal, time.Now, "building it")
				m.expect(3)
				synctest.Wait()
				m.compiling("go: downloading example.test/a v1.0.0")
				m.compiling("example.test/a")
				time.Sleep(every + time.Millisecond)
				m.compiling("example.test/b")
				m.compiling("example.test/c")
				time.Sleep(every)
				m.stop()
				if diff := cmp.Diff(c.want, out.String()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestALineOfTheGoCommand(t *testing.T) {
	for line, progress := range map[string]bool{
		"go: downloading k8s.io/api v0.37.2":   true,
		"k8s.io/kubernetes/pkg/apis/core":      true,
		"go: module lookup disabled":           false,
		"# example.test/hello":                 false,
		"./main.go:7:20: undefined: fmt.Prunt": false,
		"\t/src/fmt (from $GOROOT)":            false,
		"":                                     false,
	} {
		t.Run("is progress or not: "+line, func(t *testing.T) {
			m := newMeter(&bytes.Buffer{}, false, time.Now, "")
			defer m.stop()
			if got := m.compiling(line); got != progress {
				t.Errorf("got %v", got)
			}
		})
	}
}
