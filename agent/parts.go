package agent

import (
	"context"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
)

// repository is one repository as it was fetched last: source.Repository.
type repository interface {
	Fetch(ctx context.Context, place source.Place, auth source.Auth, seen ...string) (source.Commit, error)
	Files(ctx context.Context, c source.Commit) ([]source.File, error)
	Read(ctx context.Context, blob string) ([]byte, error)
	Relation(old, id string) (source.Relation, error)
	Commits(old, id string) ([]source.Commit, error)
	Verify(c source.Commit, place source.Place, by source.Signers) (string, error)
	Commit(ctx context.Context, base source.Commit, changes map[string][]byte, author source.Author, message string, signer ssh.Signer) (*source.Draft, error)
	Push(ctx context.Context, place source.Place, auth source.Auth, draft *source.Draft, old string, replace bool) error
	Close() error
}

// blobs reads contents of a repository by their ids.
type blobs func(ctx context.Context, blob string) ([]byte, error)

// reader says what the files of a commit want to have in the cluster. It is one SecretSync's own, and remembers what it has read.
type reader interface {
	Read(ctx context.Context, folder string, files []source.File, read blobs) (*desired.Set, error)
	// Manifests gives what is applied of the objects of a Set, for one time that a plan is carried out.
	Manifests(read blobs) sync.Manifests
}

// credentials are read from files, as they are now: settings.Folder.
type credentials interface {
	Read(name string) (*settings.Credentials, error)
}

// hands write GitSecrets as one ServiceAccount, for one SecretSync.
type hands interface {
	// TooMuch says what the account may do in namespaces, and in its own, and must not; empty: nothing.
	TooMuch(ctx context.Context, namespaces []string) ([]string, error)
	// Carry carries a plan out. What was written is in the results also where there is an error, which then is that of records, or of ctx.
	Carry(ctx context.Context, p sync.Plan, records sync.Records, manifests sync.Manifests, memory *sync.Memory) ([]sync.Result, error)
	// Prune deletes objects.
	Prune(ctx context.Context, all []sync.Delete, records sync.Records) ([]sync.Result, error)
}

// accounts gives the hands of a SecretSync, NAMESPACE/NAME, as a ServiceAccount.
type accounts func(sync string, account types.NamespacedName) (hands, error)
