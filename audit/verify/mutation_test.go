package verify_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/audittest/forge"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// seedVariable gives the seed of an earlier run again.
const seedVariable = "WAXWING_MUTATION_SEED"

// mutant is a log that is being mutated.
type mutant struct {
	*world
	t   testing.TB
	rnd *rand.Rand
	log files
	// all are the log's records, short those of the older copy.
	all   [][]byte
	short int
	// need are the files that a log of this size has to have: those of older sizes may be swept away.
	need []string
}

// mutation changes a log; it may happen to change nothing.
type mutation struct {
	name string
	do   func(m *mutant)
}

// mutations without the key change files; those with it make the log anew, which the anchor alone can tell.
func mutations() []mutation {
	return slices.Concat(onFiles(), onCheckpoints(), onRecords())
}

func onFiles() []mutation {
	return []mutation{
		{"flip a bit", func(m *mutant) {
			m.edit(m.anyFile(), func(b []byte) []byte { b[m.rnd.IntN(len(b))] ^= 1 << m.rnd.IntN(8); return b })
		}},
		{"overwrite some bytes", func(m *mutant) {
			m.edit(m.anyFile(), func(b []byte) []byte {
				for i := m.rnd.IntN(len(b)); i < len(b) && m.rnd.IntN(20) > 0; i++ {
					b[i] = byte(m.rnd.Uint32())
				}
				return b
			})
		}},
		{"truncate a file", func(m *mutant) { m.edit(m.anyFile(), func(b []byte) []byte { return b[:m.rnd.IntN(len(b))] }) }},
		{"append to a file", func(m *mutant) {
			m.edit(m.anyFile(), func(b []byte) []byte { return append(b, b[:1+m.rnd.IntN(min(100, len(b)))]...) })
		}},
		{"cut something out of a file", func(m *mutant) {
			m.edit(m.anyFile(), func(b []byte) []byte {
				at := m.rnd.IntN(len(b))
				return slices.Delete(b, at, min(len(b), at+1+m.rnd.IntN(64)))
			})
		}},
		{"delete a file", func(m *mutant) { delete(m.log, m.pick(m.need)) }},
		{"exchange two files", func(m *mutant) {
			a, b := m.anyFile(), m.anyFile()
			m.log[a], m.log[b] = m.log[b], m.log[a]
		}},
		{"take a file from the older copy", func(m *mutant) {
			name := m.anyFile()
			if b, ok := m.old[name]; ok {
				m.log[name] = b
			} else {
				m.log[name] = m.old[m.pick(slices.Sorted(maps.Keys(m.old)))]
			}
		}},
		{"the older copy as a whole", func(m *mutant) { m.log = m.old.clone() }},
		{"the older copy with the newer checkpoint", func(m *mutant) {
			newer := m.log["0001/checkpoint"]
			m.log = m.old.clone()
			m.log["0001/checkpoint"] = newer
		}},
		{"the part under another number", func(m *mutant) {
			// One that has a part already loses it: which of the two is kept must not hang on the order of a map.
			moved, number := files{}, fmt.Sprintf("%04d/", 2+m.rnd.IntN(9))
			for name, b := range m.log {
				if !strings.HasPrefix(name, number) {
					moved[strings.Replace(name, "0001/", number, 1)] = b
				}
			}
			m.log = moved
		}},
	}
}

func onCheckpoints() []mutation {
	line := func(n int, change func(m *mutant, s string) string) func(m *mutant) {
		return func(m *mutant) {
			m.edit("0001/checkpoint", func(b []byte) []byte {
				lines := strings.Split(string(b), "\n")
				lines[n] = change(m, lines[n])
				return []byte(strings.Join(lines, "\n"))
			})
		}
	}
	return []mutation{
		{"checkpoint: another size", line(1, func(m *mutant, _ string) string { return strconv.FormatUint(m.rnd.Uint64()>>m.rnd.IntN(64), 10) })},
		{"checkpoint: a size near by", line(1, func(m *mutant, _ string) string { return strconv.Itoa(m.size - 5 + m.rnd.IntN(10)) })},
		{"checkpoint: the size in another form", line(1, func(m *mutant, s string) string { return m.pick([]string{"0", "+", " ", "-"}) + s })},
		{"checkpoint: another origin", line(0, func(m *mutant, s string) string {
			return m.pick([]string{s + "0", "x" + s, "", s + "/0001", s[:len(s)-1] + "2"})
		})},
		{"checkpoint: root of the older copy", line(2, func(m *mutant, _ string) string { return strings.Split(string(m.old["0001/checkpoint"]), "\n")[2] })},
		{"checkpoint: an extension line", line(2, func(m *mutant, s string) string { return s + "\n" + m.pick([]string{"extension", " ", "0"}) })},
		{"checkpoint: signature of the older copy", line(4, func(m *mutant, _ string) string { return strings.Split(string(m.old["0001/checkpoint"]), "\n")[4] })},
		{"checkpoint: loose bits of base64", line(4, func(m *mutant, s string) string {
			i := len(s) - 2 // before "="
			return s[:i] + string(s[i]+1+byte(m.rnd.IntN(2))) + "="
		})},
		{"checkpoint: the signature twice", line(4, func(_ *mutant, s string) string { return s + "\n" + s })},
		{"checkpoint: no signature", line(4, func(*mutant, string) string { return "" })},
		{"checkpoint: line ends", func(m *mutant) {
			m.edit("0001/checkpoint", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) })
		}},
		{"checkpoint: signed by another key", func(m *mutant) {
			old, err := verify.ParseCheckpoint(m.log["0001/checkpoint"])
			must(m.t, err)
			m.log["0001/checkpoint"], err = forge.Checkpoint(m.origin, 1, audittest.Key(m.t), old.Size, old.Root)
			must(m.t, err)
		}},
	}
}

// onRecords makes the log anew: with another key, without a key (the checkpoint stays), or with the log's own key, and then no more than what was anchored is known to be good.
func onRecords() []mutation {
	changes := map[string]func(m *mutant, all [][]byte) [][]byte{
		"drop a record": func(m *mutant, all [][]byte) [][]byte {
			at := m.rnd.IntN(len(all))
			return slices.Delete(all, at, at+1)
		},
		"drop several records": func(m *mutant, all [][]byte) [][]byte {
			at := m.rnd.IntN(len(all))
			return slices.Delete(all, at, min(len(all), at+1+m.rnd.IntN(40)))
		},
		"exchange two records": func(m *mutant, all [][]byte) [][]byte {
			a, b := m.rnd.IntN(len(all)), m.rnd.IntN(len(all))
			all[a], all[b] = all[b], all[a]
			return all
		},
		"move a record": func(m *mutant, all [][]byte) [][]byte {
			at := m.rnd.IntN(len(all))
			r := all[at]
			all = slices.Delete(all, at, at+1)
			return slices.Insert(all, m.rnd.IntN(len(all)), r)
		},
		"change a name in a record": func(m *mutant, all [][]byte) [][]byte {
			at := m.rnd.IntN(len(all))
			all[at] = bytes.Replace(all[at], []byte(m.pick([]string{"db-", "prod", "unseal", "pod"})), []byte("else"), 1)
			return all
		},
		"say a record twice": func(m *mutant, all [][]byte) [][]byte {
			return slices.Insert(all, m.rnd.IntN(len(all)-1), all[m.rnd.IntN(len(all))])
		},
		"cut the end off": func(m *mutant, all [][]byte) [][]byte { return all[:m.rnd.IntN(len(all))] },
		"fork from the older copy": func(m *mutant, all [][]byte) [][]byte {
			return append(all[:m.short:m.short], all[m.rnd.IntN(m.short):]...)
		},
	}
	var out []mutation
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		change := changes[name]
		out = append(out,
			mutation{name + ", the checkpoint stays", func(m *mutant) {
				checkpoint := m.log["0001/checkpoint"]
				forged(m.t, m.origin, 1, m.key, change(m, slices.Clone(m.all)), m.log)
				m.log["0001/checkpoint"] = checkpoint
			}},
			mutation{name + ", signed by another key", func(m *mutant) {
				forged(m.t, m.origin, 1, audittest.Key(m.t), change(m, slices.Clone(m.all)), m.log)
			}},
			mutation{name + ", signed by the log's key", func(m *mutant) { forged(m.t, m.origin, 1, m.key, change(m, slices.Clone(m.all)), m.log) }},
			mutation{name + ", tiles stay", func(m *mutant) { m.mix("/tile/entries/", change) }},
			mutation{name + ", bundles stay", func(m *mutant) { m.mix("/tile/0/", change) }},
		)
	}
	return out
}

// mix takes the files that have this in their paths from a forged log, and leaves the others.
func (m *mutant) mix(part string, change func(m *mutant, all [][]byte) [][]byte) {
	other := files{}
	forged(m.t, m.origin, 1, m.key, change(m, slices.Clone(m.all)), other)
	maps.DeleteFunc(m.log, func(name string, _ []byte) bool { return strings.Contains(name, part) })
	for name, b := range other {
		if strings.Contains(name, part) {
			m.log[name] = b
		}
	}
}

func (m *mutant) edit(name string, change func(b []byte) []byte) {
	m.log[name] = change(slices.Clone(m.log[name]))
}

func (m *mutant) pick(from []string) string { return from[m.rnd.IntN(len(from))] }

func (m *mutant) anyFile() string { return m.pick(slices.Sorted(maps.Keys(m.log))) }

// differs says whether a mutation has changed anything that matters: not files of older sizes that are gone.
func (m *mutant) differs() bool {
	for name, b := range m.log {
		if !bytes.Equal(b, m.world.log[name]) {
			return true
		}
	}
	return slices.ContainsFunc(m.need, func(name string) bool { _, ok := m.log[name]; return !ok })
}

const (
	manyMutations = 10_000
	shards        = 4
)

func TestTenThousandMutationsAreDetected(t *testing.T) {
	w := newWorld(t, audittest.Origin, 116)
	all := records(t, w.log)
	need := files{}
	forged(t, w.origin, 1, w.key, all, need)
	mutate(t, mutant{world: w, all: all, short: len(records(t, w.old)), need: slices.Sorted(maps.Keys(need))}, mutations(), mutationCount)
}

func TestMutationsOfALogOfPartsAreDetected(t *testing.T) {
	w := newParts(t)
	byPart, need := map[int][][]byte{}, files{}
	for e, err := range verify.Entries(w.log.dir(), verify.Position{}) {
		must(t, err)
		byPart[e.Part] = append(byPart[e.Part], slices.Clone(e.Raw))
	}
	for part, all := range byPart {
		forged(t, w.origin, part, w.key, all, need)
	}
	mutate(t, mutant{world: w, need: slices.Sorted(maps.Keys(need))}, append(onFiles(), onParts(len(byPart))...), mutationCount/10)
}

// onParts changes whole parts. The first ones may be missing: somebody may have put them away.
func onParts(n int) []mutation {
	dir := func(part int) string { return fmt.Sprintf("%04d/", part) }
	return []mutation{
		{"drop a part", func(m *mutant) { drop(m.log, dir(2+m.rnd.IntN(n-1))) }},
		{"drop the last parts", func(m *mutant) {
			for part := 2 + m.rnd.IntN(n-1); part <= n; part++ {
				drop(m.log, dir(part))
			}
		}},
		{"exchange two parts", func(m *mutant) {
			a, b := dir(1+m.rnd.IntN(n)), dir(1+m.rnd.IntN(n))
			rename(m.log, a, "aside/")
			rename(m.log, b, a)
			rename(m.log, "aside/", b)
		}},
		{"a part in place of another", func(m *mutant) {
			a, b := dir(1+m.rnd.IntN(n)), dir(1+m.rnd.IntN(n))
			drop(m.log, a)
			for name, raw := range m.world.log {
				if rest, ok := strings.CutPrefix(name, b); ok {
					m.log[a+rest] = raw
				}
			}
		}},
	}
}

// mutate makes that many mutations of a log, of all kinds in turn, and has each verified.
func mutate(t *testing.T, of mutant, list []mutation, count int) {
	t.Helper()
	if r := of.verify(t, of.world.log); r.Verdict != verify.OK {
		t.Fatalf("the log itself: %v", r.Findings)
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(seedVariable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d gives the same %d mutations of %d kinds again", seedVariable, seed, count, len(list))
	for shard := range shards {
		t.Run(fmt.Sprintf("shard %d", shard), func(t *testing.T) {
			t.Parallel()
			for i := shard; i < count && !t.Failed(); i += shards {
				m := of
				m.t, m.rnd = t, rand.New(rand.NewPCG(seed, uint64(i)))
				m.try(i, list[i%len(list)])
			}
		})
	}
}

// try mutates the log until something is different, and verifies it.
func (m *mutant) try(i int, kind mutation) {
	for range 1000 {
		m.log = m.world.log.clone()
		if kind.do(m); !m.differs() {
			continue
		}
		if r := m.verify(m.t, m.log); r.Verdict != verify.Altered || r.FirstBad == nil {
			m.t.Errorf("mutation %d (%s): %s %v", i, kind.name, r.Verdict, r.Findings)
		}
		return
	}
	m.t.Errorf("mutation %d (%s) changes nothing", i, kind.name)
}
