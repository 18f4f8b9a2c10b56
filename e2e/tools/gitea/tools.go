//go:build tools

// Package gitea pins the version of Gitea, a forge, that the tests run against. It is a module of its own, so that nothing of it is among the dependencies of what ships.
package gitea

import _ "code.gitea.io/gitea"
