package giteatest

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
