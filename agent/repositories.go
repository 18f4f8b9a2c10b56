package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	gosync "sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// folderRE is what may be the name of a repository's folder: an object's UID, which comes from the API server.
var folderRE = regexp.MustCompile(`^[0-9A-Za-z][-0-9A-Za-z]{0,63}$`)

// repositories are the caches, one for each SecretSync, so that no namespace reads what another has credentials for. Safe for concurrent use.
type repositories struct {
	dir    string
	root   *os.Root
	limits func() source.Limits
	open   func(dir string, limits source.Limits) (repository, error)
	turn   *pack.Turn

	mu  gosync.Mutex
	all map[types.UID]repository
}

// openRepositories takes a folder for caches, and makes it if need be.
func openRepositories(dir string, limits func() source.Limits, open func(string, source.Limits) (repository, error)) (*repositories, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the folder for repositories: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the folder for repositories: %w", err)
	}
	return &repositories{dir: dir, root: root, limits: limits, open: open, turn: pack.NewTurn(), all: map[types.UID]repository{}}, nil
}

// of gives the repository of a SecretSync.
func (r *repositories) of(uid types.UID) (repository, error) {
	if !folderRE.MatchString(string(uid)) {
		return nil, errors.New("the object has no UID")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.all[uid]; known != nil {
		return known, nil
	}
	limits := r.limits()
	limits.Turn = r.turn
	repo, err := r.open(filepath.Join(r.dir, string(uid)), limits)
	if err != nil {
		return nil, fmt.Errorf("opening the repository's cache: %w", err)
	}
	r.all[uid] = repo
	return repo, nil
}

// forget removes the repository of a SecretSync that is gone.
func (r *repositories) forget(uid types.UID) error {
	if !folderRE.MatchString(string(uid)) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if repo := r.all[uid]; repo != nil {
		err = repo.Close()
		delete(r.all, uid)
	}
	return errors.Join(err, r.root.RemoveAll(string(uid)))
}

// sweep removes what is there of SecretSyncs that are not any more. One that is open is of one that has come since keep was made.
func (r *repositories) sweep(keep map[types.UID]bool) error {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if uid := types.UID(e.Name()); folderRE.MatchString(e.Name()) && e.IsDir() && !keep[uid] {
			err = errors.Join(err, r.drop(uid))
		}
	}
	return err
}

// drop removes a cache that is not open.
func (r *repositories) drop(uid types.UID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[uid] != nil {
		return nil
	}
	return r.root.RemoveAll(string(uid))
}

// Close lets go of all of them.
func (r *repositories) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.root.Close()
	for uid, repo := range r.all {
		err = errors.Join(err, repo.Close())
		delete(r.all, uid)
	}
	return err
}
