package tiles

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
)

const testOrigin, testKey = "cluster/waxwing-0", "cluster/waxwing-0+00000000+key"

// anchored is an anchor of a part, with a request to give up a part if there is one.
func anchored(part int, restart ...int) audit.Anchor {
	a := audit.Anchor{Origin: testOrigin, Key: testKey, Part: part, Checkpoint: "signed"}
	for _, p := range restart {
		a.Restart = &audit.Restart{Reason: "the volume is lost", Part: p}
	}
	return a
}

func TestWhatIsDoneWithALog(t *testing.T) {
	bad := errors.New("another tree")
	for name, c := range map[string]struct {
		facts
		want  verdict
		since string // what the refusal says
	}{
		"nothing anywhere":                                  {facts{}, verdict{part: 1}, ""},
		"an anchor object that has only a request":          {facts{anchor: anchored(0, 0)}, verdict{part: 1}, ""},
		"nothing where this process has written":            {facts{local: bad}, verdict{}, "part 0001 cannot be gone on with: another tree"},
		"a log without an anchor":                           {facts{latest: 2}, verdict{part: 2}, ""},
		"a damaged log without an anchor":                   {facts{latest: 2, local: bad}, verdict{}, "part 0002 cannot be gone on with: another tree"},
		"a damaged log without an anchor, given up":         {facts{latest: 2, local: bad, anchor: anchored(0, 0)}, verdict{part: 3, begin: audit.ActionLogRestarted}, ""},
		"the anchored part":                                 {facts{latest: 1, anchor: anchored(1)}, verdict{part: 1}, ""},
		"a part after the anchored one":                     {facts{latest: 2, anchor: anchored(1)}, verdict{part: 2}, ""},
		"a rolled back part":                                {facts{latest: 1, anchored: bad, anchor: anchored(1)}, verdict{}, "part 0001 does not contain what is anchored"},
		"a rolled back part before a good one":              {facts{latest: 2, anchored: bad, anchor: anchored(1)}, verdict{}, "part 0001 does not contain what is anchored"},
		"a rolled back part, given up":                      {facts{latest: 1, anchored: bad, anchor: anchored(1, 1)}, verdict{part: 2, begin: audit.ActionLogRestarted}, ""},
		"a rolled back part, given up once before":          {facts{latest: 2, local: bad, anchor: anchored(2, 1)}, verdict{}, "part 0002 cannot be gone on with"},
		"a request that was granted before a crash":         {facts{latest: 2, granted: true, anchored: bad, anchor: anchored(1, 1)}, verdict{part: 2}, ""},
		"a request that came behind a full part":            {facts{latest: 2, anchored: bad, anchor: anchored(1, 1)}, verdict{part: 3, begin: audit.ActionLogRestarted}, ""},
		"a granted request whose part is damaged":           {facts{latest: 2, granted: true, anchored: bad, local: bad, anchor: anchored(1, 1)}, verdict{part: 3, begin: audit.ActionLogRestarted}, ""},
		"a good part that somebody gives up":                {facts{latest: 1, anchor: anchored(1, 1)}, verdict{part: 2, begin: audit.ActionLogRestarted}, ""},
		"an old request":                                    {facts{latest: 2, anchor: anchored(2, 1)}, verdict{part: 2}, ""},
		"a part with a number that no reader takes":         {facts{latest: 1, anchored: bad, anchor: anchored(9999, 9999)}, verdict{}, "the log has part 9999"},
		"a number that has no successor":                    {facts{latest: 1, anchored: bad, anchor: anchored(math.MaxInt, math.MaxInt)}, verdict{}, "the log has part"},
		"an empty folder":                                   {facts{anchored: bad, anchor: anchored(3)}, verdict{}, "the folder is empty, and part 0003 of this log is anchored"},
		"an empty folder, given up":                         {facts{anchored: bad, anchor: anchored(3, 3)}, verdict{part: 4, begin: audit.ActionLogRestarted}, ""},
		"an empty folder that goes with the pod":            {facts{anchored: bad, anchor: anchored(3), ephemeral: true}, verdict{part: 4, begin: audit.ActionLogRestarted}, ""},
		"a rolled back folder that should go with the pod":  {facts{latest: 3, anchored: bad, anchor: anchored(3), ephemeral: true}, verdict{}, "part 0003 does not contain what is anchored"},
		"a folder from before a part":                       {facts{latest: 1, anchored: bad, anchor: anchored(2)}, verdict{}, "part 0002 does not contain what is anchored"},
		"another key":                                       {facts{latest: 1, key: "other", anchor: anchored(1)}, verdict{}, "the log's key is other, and the anchored log was signed by " + testKey},
		"another key, and the log given up":                 {facts{latest: 1, key: "other", anchor: anchored(1, 1)}, verdict{part: 2, begin: audit.ActionLogRestarted}, ""},
		"another key that did not write the part after it":  {facts{latest: 2, granted: true, key: "other", anchor: anchored(1, 1)}, verdict{part: 3, begin: audit.ActionLogRestarted}, ""},
		"another log's anchor, given up":                    {facts{origin: "cluster/waxwing-1", latest: 1, anchor: anchored(1, 1)}, verdict{}, "the anchor is that of the log " + testOrigin},
		"an anchor that was restored from an older backup":  {facts{latest: 5, anchor: anchored(3)}, verdict{part: 5}, ""},
		"a damaged part that is newer than the anchor's":    {facts{latest: 5, local: bad, anchor: anchored(3)}, verdict{}, "part 0005 cannot be gone on with"},
		"a part that is ahead of the folder, without proof": {facts{latest: 1, anchor: audit.Anchor{Origin: testOrigin, Part: 2}}, verdict{}, "part 0002 is anchored, and the newest in the folder is 0001"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.origin == "" {
				c.origin = testOrigin
			}
			if c.key == "" {
				c.key = testKey
			}
			got := decide(c.facts)
			var refused *RefusedError
			if errors.As(got.refuse, &refused) != (c.since != "") || (refused != nil && !strings.HasPrefix(refused.Reason, c.since)) {
				t.Fatalf("%v, want a refusal that begins with %q", got.refuse, c.since)
			}
			if refused == nil && (got.part != c.want.part || got.begin != c.want.begin) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if refused != nil && c.anchor.Part == 0 && strings.Contains(refused.Reason, "seal audit restart") {
				t.Errorf("a restart is advised, and there is no anchor to ask for it in: %s", refused.Reason)
			}
			if got.begin != "" && got.reason == "" {
				t.Error("a part is given up without a reason")
			}
		})
	}
}

func TestTemporaryFilesAreToldFromTiles(t *testing.T) {
	for name, want := range map[string]bool{
		"checkpoint": false, "checkpoint1": true, "checkpoint2147483647": true, "checkpoint.bak": false, "log.vkey": false,
		".state/treeState": false, ".state/treeState12": true, ".state/treeState.lock": false, ".state/gcState7": true, ".state/version99": true, ".state/version": false,
		"tile/0/000": false, "tile/0/0001": true, "tile/0/x001/234": false, "tile/0/x001/234987654321": true,
		"tile/entries/999": false, "tile/entries/9991234567890": true,
		"tile/0/000.p/1": false, "tile/0/000.p/255": false, "tile/0/000.p/1123456": true, "tile/entries/000.p/257": true, "tile/entries/000.p/99": false,
		"tile/0/000.p/a1234": false, "tile/0/notes12345": false,
	} {
		if got := temporary(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTilesOfNoTreeAreToldFromThoseOfOne(t *testing.T) {
	for name, sizes := range map[string]struct{ has, hasNot int64 }{
		"tile/entries/000.p/1":           {1, 0},
		"tile/entries/000.p/73":          {73, 72},
		"tile/0/000.p/73":                {73, 72},
		"tile/entries/000":               {256, 255},
		"tile/entries/001.p/9":           {265, 264},
		"tile/0/x001/234":                {1235 * 256, 1235*256 - 1},
		"tile/1/000.p/1":                 {256, 255},
		"tile/1/000":                     {256 * 256, 256*256 - 1},
		"tile/2/000.p/3":                 {3 * 256 * 256, 3*256*256 - 1},
		"tile/7/000.p/1":                 {math.MaxInt64, 1<<56 - 1},
		"tile/entries/x999/x999/999.p/1": {math.MaxInt64, 1 << 30},
	} {
		if beyond(name, sizes.has) {
			t.Errorf("a tree of %d records has no %s", sizes.has, name)
		}
		if !beyond(name, sizes.hasNot) {
			t.Errorf("a tree of %d records has %s", sizes.hasNot, name)
		}
	}
	for _, name := range []string{"checkpoint", ".state/treeState", "tile/entries/notes", "tile/0", "tile/64/000", "tile/0/000.p/1123456"} {
		if beyond(name, 0) {
			t.Errorf("%s counts as a tile", name)
		}
	}
}
