package cli

import (
	"fmt"
	"time"
)

// countOf is "1 file" or "2 files".
func countOf(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// ageWords says how long ago something was.
func ageWords(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < -tooFarAhead:
		return "in the future"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return countOf(int(d/time.Minute), "minute") + " ago"
	case d < day:
		return countOf(int(d/time.Hour), "hour") + " ago"
	case d < 60*day:
		return countOf(int(d/day), "day") + " ago"
	case d < 730*day:
		return countOf(int(d/(30*day)), "month") + " ago"
	}
	return countOf(int(d/(365*day)), "year") + " ago"
}

// sizeWords is a number of bytes for people.
func sizeWords(n int) string {
	switch {
	case n < 1<<10:
		return countOf(n, "byte")
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// spanWords is how long something is, to the nearest unit that people would say.
func spanWords(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*unit.size {
			return countOf(int(d.Round(unit.size)/unit.size), unit.name)
		}
	}
	return countOf(int(d.Round(time.Second)/time.Second), "second")
}
