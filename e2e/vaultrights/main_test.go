// Package vaultrights_test takes each right of the Vault policies that ship away, and sees Vault refuse what it was for; with all of them, nothing is refused.
package vaultrights_test

import (
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
