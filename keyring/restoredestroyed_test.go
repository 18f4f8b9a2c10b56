package keyring_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestARestoreTellsWhichKeysStayDestroyed has a key destroyed by mistake: the backup has it, and what is left of it says that it was wanted. The restore does all else, and says how it comes back.
func TestARestoreTellsWhichKeysStayDestroyed(t *testing.T) {
	b := newGlassBench(t, seal.Classical)
	lost, kept := b.old(keyring.Deactivated, 72*time.Hour), b.old(keyring.Deactivated, 48*time.Hour)
	b.mustEnsure(b.kr)
	before := *b
	before.kept = &memoryBackups{stored: map[string][]byte{"default": slices.Clone(b.kept.stored["default"])}}
	b.kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: lost, Do: v1alpha1.RequestDestroy, Despite: v1alpha1.DespiteAny}}
	if res := b.mustEnsure(b.kr); states(res)[lost] != "Destroyed" {
		t.Fatalf("%v", states(res))
	}
	b.kr.Spec.Requests = nil
	b.src.lose(kept)
	b.ask(&before)
	res := b.mustEnsure(b.kr)
	if res.Restore == nil || !res.Restore.Done || states(res)[lost] != "Destroyed" || b.opens(lost) || !b.opens(kept) {
		t.Errorf("%+v, %v", res.Restore, states(res))
	}
	const want = ": they are destroyed here, and stay so. To have one back, delete what is left of it, and restore again"
	if !strings.Contains(res.Restore.Message, "2 keys of the backup") || !strings.Contains(res.Restore.Message, lost[:16]+" (Place "+lost[:16]+")"+want) {
		t.Errorf("it says: %s", res.Restore.Message)
	}
	delete(b.src.keys, lost)
	b.ask(&before)
	res = b.mustEnsure(b.kr)
	if states(res)[lost] != "Deactivated" || !b.opens(lost) || !strings.Contains(res.Restore.Message, "all 3 keys of the backup") || strings.Contains(res.Restore.Message, "destroyed") {
		t.Errorf("%+v, %v", res.Restore, states(res))
	}
}
