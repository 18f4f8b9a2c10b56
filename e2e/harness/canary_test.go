package harness_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

const canary = "canary-not-a-secret"

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestACanaryIsFound(t *testing.T) {
	secret, err := json.Marshal(map[string][]byte{"k": []byte("user:" + canary)})
	if err != nil {
		t.Fatal(err)
	}
	armored := base64.StdEncoding.EncodeToString([]byte("some text before it " + canary + " and after"))
	cases := map[string]struct {
		data []byte
		form string
	}{
		"as it is":                             {[]byte("x" + canary), "raw"},
		"in the data of a Secret":              {secret, "base64"},
		"in a Secret that is encoded again":    {[]byte(base64.StdEncoding.EncodeToString(secret)), "base64 twice"},
		"in base64 without padding":            {[]byte(base64.RawURLEncoding.EncodeToString([]byte("??>" + canary))), "base64"},
		"in base64 that is broken into lines":  {[]byte(armored[:36] + "\n" + armored[36:]), "base64 over several lines"},
		"in armor inside JSON":                 {[]byte(`{"age":"` + armored[:36] + `\n` + armored[36:] + `"}`), "base64 over several lines"},
		"in hex":                               {[]byte(hex.EncodeToString([]byte("a" + canary))), "hex"},
		"in upper-case hex":                    {[]byte(strings.ToUpper(hex.EncodeToString([]byte(canary)))), "upper-case hex"},
		"in hex with spaces":                   {fmt.Appendf(nil, "% x", canary), "hex over several lines"},
		"in a byte slice that was printed":     {fmt.Append(nil, []byte("a"+canary)), "numbers"},
		"in an array of numbers":               {[]byte("[1," + strings.Join(strings.Fields(strings.Trim(fmt.Sprint([]byte(canary)), "[]")), ",") + "]"), "numbers"},
		"in gzip after other bytes":            {append([]byte("head\x1f\x8b\x08"), zipped(t, secret)...), "base64 in gzip"},
		"in gzip within gzip":                  {zipped(t, zipped(t, []byte(canary))), "raw in gzip in gzip"},
		"in gzip that was cut short":           {zipped(t, []byte(canary+strings.Repeat("0123456789abcdef", 4096)))[:80], "raw in gzip"},
		"among bytes that are no text":         {append(bytes.Repeat([]byte{0xff, 0xfe, 0}, 100), canary...), "raw"},
		"beside the beginning of another form": {[]byte(canary[:10] + canary), "raw"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if form, found := harness.FindCanary(canary, c.data); !found || form != c.form {
				t.Errorf("found %v as %q, want %q", found, form, c.form)
			}
		})
	}
	t.Run("in URL-safe base64 where that differs", func(t *testing.T) {
		const differs = "canary>>>???~~~"
		data := base64.RawURLEncoding.EncodeToString([]byte(differs))
		if form, found := harness.FindCanary(differs, []byte(data)); !found || form != "URL-safe base64" {
			t.Errorf("found %v as %q", found, form)
		}
	})
	t.Run("in base64 wherever it stands", func(t *testing.T) {
		for before := range 9 {
			for after := range 5 {
				text := strings.Repeat("~", before) + canary + strings.Repeat("~", after)
				for name, e := range map[string]*base64.Encoding{"std": base64.StdEncoding, "url": base64.URLEncoding} {
					if _, found := harness.FindCanary(canary, []byte(e.EncodeToString([]byte(text)))); !found {
						t.Errorf("not found in %s base64 with %d bytes before and %d after", name, before, after)
					}
					twice := e.EncodeToString([]byte("{" + e.EncodeToString([]byte(text)) + "}"))
					if _, found := harness.FindCanary(canary, []byte(twice)); !found {
						t.Errorf("not found in %s base64 of base64 with %d bytes before and %d after", name, before, after)
					}
				}
			}
		}
	})
}

func TestACanaryIsNotFound(t *testing.T) {
	for name, data := range map[string][]byte{
		"in nothing":                         nil,
		"in a part of it":                    []byte(canary[1:]),
		"in base64 of a part of it":          []byte(base64.StdEncoding.EncodeToString([]byte("xx" + canary[:len(canary)-1]))),
		"in gzip of other text":              zipped(t, []byte("canary not a secret")),
		"in bytes that only begin like gzip": []byte("\x1f\x8b\x08\x1f\x8b\x08"),
		"in the same bytes in another order": []byte("secret-not-a-canary"),
	} {
		t.Run(name, func(t *testing.T) {
			if form, found := harness.FindCanary(canary, data); found {
				t.Errorf("found as %q", form)
			}
		})
	}
	t.Run("when it is too short to be told from chance", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		harness.FindCanary("short", nil)
	})
}

// TestACanaryIsFoundInWhatHasGrown looks through an output before and after it has the canary: that it was without does not hold for what comes after.
func TestACanaryIsFoundInWhatHasGrown(t *testing.T) {
	c := harness.Start(t)
	const canary = "grown-for-the-search"
	found := func() int {
		spy := &recordingTB{TB: t}
		c.NoCanary(spy, canary)
		return spy.errors
	}
	more := filepath.Join(t.TempDir(), "more")
	p := shell(t, "echo first; until [ -e "+more+" ]; do sleep 0.01; done; printf 'grown-for-%s\\n' the-search; sleep 60")
	p.WaitForLine(t, "^first$")
	for range 2 {
		if n := found(); n != 0 {
			t.Fatalf("%d errors before", n)
		}
	}
	if err := os.WriteFile(more, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.WaitForLine(t, "^grown-for-")
	for range 2 {
		if n := found(); n != 1 {
			t.Errorf("%d errors after, want 1", n)
		}
	}
}
