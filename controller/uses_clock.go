package controller

import (
	"time"

	"github.com/waxwing-io/waxwing/audit/process"
)

// wrong says for people that this clock and the API server's are far apart; empty: they are not.
func wrong(ahead time.Duration) string {
	switch {
	case ahead > process.MaxOff:
		return "this controller's clock is " + ahead.Round(time.Minute).String() + " behind the API server's"
	case ahead < -process.MaxOff:
		return "this controller's clock is " + (-ahead).Round(time.Minute).String() + " ahead of the API server's"
	}
	return ""
}
