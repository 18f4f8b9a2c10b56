//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// Beside a log's folder are its anchor and what its programs did under its intents.
func anchorOf(dir string) string { return dir + ".anchor" }
func actsOf(dir string) string   { return dir + ".acts" }

// partSizeEnv is the number of records of a part.
const partSizeEnv = "WAXWING_AUDIT_PART_SIZE"

// logKey signs all logs of these tests.
func logKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("the key of the logs of the tests"))
}

// config is that of the store in dir.
func config(dir string, out io.Writer) (tiles.Config, error) {
	size, err := strconv.ParseInt(os.Getenv(partSizeEnv), 10, 64)
	return tiles.Config{
		Dir: dir, Origin: audittest.Origin, Key: func(context.Context) (ed25519.PrivateKey, error) { return logKey(), nil },
		Anchors: &fileAnchors{path: anchorOf(dir)}, PartSize: size, Now: time.Now, Log: slog.New(slog.NewTextHandler(out, nil)),
	}, err
}

func openRecorder(dir string) (*audit.Recorder, error) {
	cfg, err := config(dir, os.Stderr)
	if err != nil {
		return nil, err
	}
	return audit.NewRecorder(audit.Config{Store: tiles.New(cfg), Replica: "program", Now: time.Now, Rand: rand.Reader}), nil
}

// fileAnchors is audit.Anchors in a file that outlives the program and is not on the disk that fails; the ones that count are in the cluster.
type fileAnchors struct {
	path string
	mu   sync.Mutex
}

type storedAnchor struct {
	Version int
	Anchor  audit.Anchor
}

func (f *fileAnchors) load() (storedAnchor, error) {
	var s storedAnchor
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

// Load implements audit.Anchors.
func (f *fileAnchors) Load(context.Context) (audit.Anchor, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.load()
	return s.Anchor, strconv.Itoa(s.Version), err
}

// Save implements audit.Anchors.
func (f *fileAnchors) Save(_ context.Context, a audit.Anchor, version string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.load()
	if err != nil {
		return "", err
	}
	if version != strconv.Itoa(s.Version) {
		return "", audit.ErrConflict
	}
	s = storedAnchor{Version: s.Version + 1, Anchor: a}
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(f.path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(f.path+".new", f.path)
	}
	return strconv.Itoa(s.Version), err
}

// Others implements audit.Anchors.
func (f *fileAnchors) Others(context.Context) ([]audit.Anchor, error) { return nil, nil }

func operation() audit.Operation {
	return audit.Operation{
		Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Namespace: "prod", Name: "db"}, Items: []string{"password"}, Actor: audit.Actor{User: audit.Unattributed},
	}
}

func seen() audit.Standing {
	return audit.Standing{Operation: operation(), Outcome: audit.Outcome{OK: true}}
}

// Acknowledgements are lines: the kind of record, and its id.
const (
	ackIntent  = "i "
	ackOutcome = "o "
)

// obey does what the lines of its input say.
//
//	append N  N intents at once: a line for each that was acknowledged, then "done" and an error, if any
//	health    "done" and the Recorder's error
//	close     closes the log
//	reopen    opens it again
func obey(dir string) error { return obeyWith(dir, nil) }

// obeyWith knows more words, that take no argument.
func obeyWith(dir string, more map[string]func() error) error {
	r, err := openRecorder(dir)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word, arg, _ := strings.Cut(lines.Text(), " ")
		var err error
		switch word {
		case "append":
			n, _ := strconv.Atoi(arg)
			err = appendMany(r, n)
		case "health":
			err = r.Err()
		case "close":
			err = r.Close()
		case "reopen":
			r, err = openRecorder(dir)
		default:
			err = more[word]()
		}
		if err != nil {
			fmt.Printf("done %q\n", err)
		} else {
			fmt.Println("done")
		}
	}
	return nil
}

func appendMany(r *audit.Recorder, n int) error {
	failed := make([]error, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			id, err := r.Intent(context.Background(), operation())
			if err == nil {
				_, err = os.Stdout.WriteString(ackIntent + id + "\n")
			}
			failed[i] = err
		})
	}
	wait.Wait()
	for _, err := range failed {
		if err != nil {
			return err // they are alike
		}
	}
	return nil
}

// writers is how many goroutines load the log.
const writers = 32

// load has many writers work until it is killed: an intent, acknowledged; the act, a line in a file; the outcome, acknowledged. It ends when its input does, so that
// it does not outlive the test.
func load(dir string) error {
	acts, err := os.OpenFile(actsOf(dir), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer acts.Close()
	r, err := openRecorder(dir)
	if err != nil {
		return err
	}
	ended := make(chan error)
	for i := range writers {
		go func() {
			for {
				if err := work(r, acts, i); err != nil {
					ended <- err
				}
			}
		}()
	}
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- errors.Join(err, errors.New("the test has ended"))
	}()
	return <-ended
}

// work does one operation. Some writers put a note into the intent's commit.
func work(r *audit.Recorder, acts io.Writer, writer int) error {
	var notes []audit.Standing
	if writer%4 == 0 {
		notes = append(notes, seen())
	}
	id, err := r.Intent(context.Background(), operation(), notes...)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(acts, id+"\n"); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(ackIntent + id + "\n"); err != nil {
		return err
	}
	if err := r.Outcome(context.Background(), id, audit.Outcome{OK: true}); err != nil {
		return err
	}
	_, err = os.Stdout.WriteString(ackOutcome + id + "\n")
	return err
}
