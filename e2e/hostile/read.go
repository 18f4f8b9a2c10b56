package hostile

import (
	"context"
	"errors"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/source"
)

// Entries are a commit's files, as package desired takes them.
func Entries(files []source.File) []desired.File {
	kinds := map[source.Kind]desired.Kind{
		source.Regular: desired.Regular, source.Symlink: desired.Link, source.Submodule: desired.Module, source.Folder: desired.Folder,
	}
	out := make([]desired.File, len(files))
	for i, f := range files {
		kind, known := kinds[f.Kind]
		if !known {
			kind = desired.Malformed
		}
		out[i] = desired.File{Path: f.Path, Kind: kind, Size: f.Size, Blob: f.Blob}
	}
	return out
}

// ReadFrom reads contents from a repository, as package desired wants them.
func ReadFrom(r *source.Repository) desired.ReadFunc {
	return func(ctx context.Context, blob string) ([]byte, error) {
		text, err := r.Read(ctx, blob)
		if errors.Is(err, source.ErrTooLarge) {
			return nil, desired.ErrTooLarge
		}
		return text, err
	}
}
