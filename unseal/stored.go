package unseal

import (
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// What a status needs in bytes: its conditions with their messages, the Secret, the managed fields for all of it, and the store's own; and for each envelope the
// key that has opened it.
const (
	statusRoom = 3 << 10
	useRoom    = 192
)

// checkStored refuses an object that leaves no room for a status, before anything is opened: the outcome could not be written down, and it would be opened
// again and again.
func checkStored(in *Input, _ *Plan) *Refusal {
	if in.NoRoom || (in.Stored > 0 && in.Stored+statusRoom+useRoom*len(in.Object.Spec.Referenced()) > seal.MaxDocument) {
		return refuse(TooLarge, "", "no room for a status").hint("split it")
	}
	return nil
}
