package giteatest

import "syscall"

// Stop kills Gitea.
func (g *Gitea) Stop() { g.process.Kill() }

// StartAgain starts it with the same data, at the same addresses.
func (g *Gitea) StartAgain() {
	g.t.Helper()
	if g.process.Running() {
		g.t.Fatal("giteatest: it runs already")
	}
	g.run()
}

// Pause stops the process where it is: connections stay open, new ones are accepted by the kernel, and nothing is answered, until Resume.
func (g *Gitea) Pause() {
	g.t.Helper()
	g.process.Signal(g.t, syscall.SIGSTOP)
}

// Resume ends Pause.
func (g *Gitea) Resume() {
	g.t.Helper()
	g.process.Signal(g.t, syscall.SIGCONT)
}
