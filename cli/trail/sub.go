package trail

import (
	"io/fs"
	"path"
)

// Sub is the folder dir of fsys. Unlike that of fs.Sub, its Stat opens nothing.
func Sub(fsys fs.FS, dir string) fs.FS { return sub{fsys, dir} }

type sub struct {
	fsys fs.FS
	dir  string
}

// Open implements fs.FS.
func (s sub) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return s.fsys.Open(path.Join(s.dir, name))
}

// Stat implements fs.StatFS.
func (s sub) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	return fs.Stat(s.fsys, path.Join(s.dir, name))
}

// ReadDir implements fs.ReadDirFS.
func (s sub) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	return fs.ReadDir(s.fsys, path.Join(s.dir, name))
}
