// Package scan finds the files of a tree that can hold a Secret or a GitSecret, without parsing any of them.
//
// List walks a folder to work on, and All one in which nothing may be hidden; Bytes classifies content by its words in one pass, and Files does so for many files
// in parallel; an Index tells which files name an envelope or a key. The package guarantees that a file which it gives no flag holds neither a Secret nor a GitSecret, however that is written (quotes, flow style,
// escapes, anchors, tags, UTF-16): where bytes leave a doubt, it says so. It reads nothing that a symbolic link below the folder leads to outside of the repository,
// and holds one file a worker in memory. What it finds are claims of the files: who acts on them parses the file first.
package scan
