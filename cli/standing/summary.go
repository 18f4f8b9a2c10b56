package standing

import (
	"fmt"
	"strings"
)

// Summary counts rows.
type Summary struct {
	Objects int `json:"objects"`
	Ready   int `json:"ready"` // as Git has them, or in no file
	Wrong   int `json:"wrong"`
	Rewrap  int `json:"rewrap"` // that have wraps for keys which are no longer sealed to; these are not wrong
	// By counts all others, by what is to be said of them.
	By map[string]int `json:"by"`
}

// Summarize counts rows.
func Summarize(rows []Row) Summary {
	s := Summary{Objects: len(rows), By: map[string]int{}}
	for i := range rows {
		r := &rows[i]
		if r.NeedsRewrap() {
			s.Rewrap++
		}
		switch {
		case r.Wrong:
			s.Wrong++
			s.By[r.Why]++
		case r.Git == Elsewhere:
			s.By["for another cluster"]++
		case r.Ready == Yes:
			s.Ready++
		case r.Ready == Suspended:
			s.By["suspended"]++
		case r.Ready == Deleting:
			s.By[whyDeleting]++
		default:
			s.By[whyUnknown]++
		}
	}
	return s
}

// Text is the summary as one line, such as "12 objects: 10 ready, 1 not applied, 1 stalled".
func (s Summary) Text() string {
	noun := "objects"
	if s.Objects == 1 {
		noun = "object"
	}
	var parts []string
	if s.Ready > 0 {
		parts = append(parts, fmt.Sprintf("%d ready", s.Ready))
	}
	for _, what := range []string{whyBroken, whyNotApplied, whyDiffers, whyStalled, whyWaiting, whyNotReady, whyUnseen, whyDeleting, whySecret, whyCompromised, whyExposed,
		"suspended", "for another cluster", whyUnknown} {
		if n := s.By[what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	text := fmt.Sprintf("%d %s", s.Objects, noun)
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if s.Rewrap > 0 {
		text += fmt.Sprintf("; %d to rewrap", s.Rewrap)
	}
	return text
}
