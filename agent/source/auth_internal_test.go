package source

import (
	"io"
	"strings"
	"testing"
)

// TestWhatIsShownOfATextWithSecrets has texts of which no more than 100 bytes are kept.
func TestWhatIsShownOfATextWithSecrets(t *testing.T) {
	const most = 100
	x := strings.Repeat("x", most)
	auth := Auth{Password: "rosebud", Token: "open sesame"}
	for text, want := range map[string]string{
		"short: open sesame":                          "short: [redacted]",
		"short: open\n sesame":                        "short: [redacted]",
		"short: rosebud and no more":                  "short: [redacted] and no more",
		"rosebuopen sesamed":                          "rosebu[redacted]d",
		x[:10] + "open sesame" + x:                    x[:10] + "[redacted]" + x[:43],
		x[:95] + "open sesame":                        x[:64],
		x[:89] + "open sesame":                        x[:63],
		x[:95] + "rosebud":                            x[:64],
		x[:99]:                                        x[:99],
		"b3BlbiBzZXNhbWU= is no header":               "b3BlbiBzZXNhbWU= is no header",
		"eC1hY2Nlc3MtdG9rZW46b3BlbiBzZXNhbWU= is one": "[redacted] is one",
	} {
		if got := auth.show(auth.whole(text[:min(most, len(text))], most)); got != want {
			t.Errorf("of %q is shown %q, and should be %q", text, got, want)
		}
	}
	if got := (Auth{}).show((Auth{}).whole(x, most)); got != x {
		t.Errorf("without credentials %q is shown", got)
	}
	for secret, auth := range map[string]Auth{
		"open sesame":    {Password: "open", Token: "open sesame"}, // one begins with the other
		"open  \tsesame": {Token: "open  \tsesame"},
	} {
		if got := auth.show("it was " + secret); got != "it was [redacted]" {
			t.Errorf("of %q is shown %q", secret, got)
		}
	}
}

// TestAComplaintThatIsCut has an SSH server write a secret where what is kept of standard error ends, and where what is shown of it does.
func TestAComplaintThatIsCut(t *testing.T) {
	const token = "correct-horse-battery-staple"
	for name, text := range map[string]string{
		"kept":  "no" + strings.Repeat(" ", maxComplaint-20) + token,
		"shown": strings.Repeat("x", maxSaid-15) + token,
	} {
		s := &sshService{auth: Auth{Token: token}, said: &complaint{}}
		for _, b := range []byte(text) {
			_, _ = s.said.Write([]byte{b})
		}
		if err := s.complained(io.EOF); err == io.EOF || strings.Contains(err.Error(), token[:3]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
