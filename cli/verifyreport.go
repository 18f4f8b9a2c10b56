package cli

import (
	"fmt"
	"strings"
)

// verifyReport is what `seal verify` found.
type verifyReport struct {
	Objects  []verdict `json:"objects"`
	Findings int       `json:"findings"`
}

func (r *verifyReport) add(v verdict) {
	r.Objects = append(r.Objects, v)
	if v.Finding {
		r.Findings++
	}
}

// text writes a line for each object.
func (r *verifyReport) text(t *reportText) {
	for _, v := range r.Objects {
		code := green
		switch {
		case v.Result == resultBad || v.Result == resultMoved:
			code = red
		case v.Result != resultOK:
			code = yellow
		}
		t.line(0, t.paint(code, fmt.Sprintf("%-15s", words(v.Result)))+" "+styled(strings.Map(visible, v.text())))
	}
}

func words(result string) string { return strings.ReplaceAll(result, "-", " ") }

func (v verdict) text() string {
	switch {
	case v.Result == resultOK:
		return fmt.Sprintf("%s: signed by %s (%s)", v.label, v.Signer, v.Key)
	case v.Message != "":
		return v.label + ": " + v.Message
	}
	return v.label
}

// failure sums the findings up; nil where there is none. What was tampered with decides the exit code, whatever else there is.
func (r *verifyReport) failure() error {
	if r.Findings == 0 {
		return nil
	}
	count := map[string]int{}
	hints := map[string]string{
		resultBad:      "look at what has changed: restore it from Git, or sign it as it is with seal sign",
		resultUnknown:  "allow a signer's key under signers in .seal.yaml, or with --signer or --allowed-signers",
		resultUnsigned: "sign with seal sign FILE",
	}
	for _, v := range r.Objects {
		if v.Finding {
			count[v.Result]++
			if v.hint != "" && hints[v.Result] == "" {
				hints[v.Result] = v.hint
			}
		}
	}
	var parts []string
	hint, code := "", exitFindings
	for _, result := range []string{resultBad, resultMoved, resultInvalid, resultUnknown, resultUnsigned} {
		if count[result] == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s", count[result], words(result)))
		if hint == "" {
			hint = hints[result]
		}
		if result == resultBad || result == resultMoved {
			code = exitTampered
		}
	}
	return &failure{msg: fmt.Sprintf("%d of %d GitSecrets not verified: %s", r.Findings, len(r.Objects), strings.Join(parts, ", ")), hint: hint, code: code}
}
