package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/waxwing-io/waxwing/cli/wiring"
	"github.com/waxwing-io/waxwing/repo/git"
)

// checkGit finds git and the repository.
func (d *doctor) checkGit(ctx context.Context) {
	r, err := d.env.repository(ctx, "run seal doctor in a clone; git init makes a repository")
	switch {
	case errors.Is(err, git.ErrNoGit), err != nil && strings.Contains(err.Error(), git.ErrNoGit.Error()):
		d.say("git", healthFail, "install git", "%v", err)
		return
	case err != nil:
		d.say("repository", healthFail, hint(err), "%v", err)
		return
	}
	d.repo = r
	out, err := r.Output(ctx, "version")
	if err != nil {
		d.say("git", healthFail, "", "%v", err)
	} else {
		d.say("git", healthOK, "", "%s", bytes.TrimSpace(out))
	}
	d.say("repository", healthOK, "", "%s", r.Root)
}

// checkDrivers holds Git's configuration, wherever it comes from, against the drivers.
func (d *doctor) checkDrivers(ctx context.Context) {
	var missing, other []string
	for _, s := range wiring.Drivers() {
		out, err := d.repo.Output(ctx, "config", "--get", s.Key)
		switch value := strings.TrimRight(string(out), "\r\n"); {
		case err != nil:
			missing = append(missing, s.Key)
		case value != s.Value && s.Key != "merge.seal.name":
			other = append(other, s.Key)
		}
	}
	switch {
	case len(other) > 0:
		d.say("drivers", healthWarn, "seal install sets it", "Git's configuration has something else for %s", strings.Join(other, ", "))
	case len(missing) > 0:
		d.say("drivers", healthWarn, "seal install adds them", "git diff and git merge do not know sealed files in this clone")
	default:
		d.say("drivers", healthOK, "", "git diff and git merge know sealed files")
	}
}

// checkAttributes asks git itself, so that later lines and other files count.
func (d *doctor) checkAttributes(ctx context.Context) {
	ask := func(name string, attributes ...string) map[string]string {
		out, err := d.repo.Output(ctx, append(append([]string{"check-attr", "-z"}, attributes...), "--", name)...)
		if err != nil {
			return nil
		}
		// PATH, ATTRIBUTE, VALUE
		fields := strings.Split(string(out), "\x00")
		values := map[string]string{}
		for i := 0; i+2 < len(fields); i += 3 {
			values[fields[i+1]] = fields[i+2]
		}
		return values
	}
	manifest, note := ask("seal-doctor.yaml", "diff", "merge"), ask("seal-doctor.note", "text")
	switch {
	case note["text"] != "unset":
		d.say("attributes", healthWarn, "seal install adds *.note -text to .gitattributes", "Git may convert line ends of notes, which breaks their signature")
	case manifest["diff"] != "seal" || manifest["merge"] != "seal":
		d.say("attributes", healthWarn, "seal install adds it to .gitattributes; a later line may say something else", "Git does not use the drivers for *.yaml")
	default:
		d.say("attributes", healthOK, "", "the drivers are used for *.yaml, and notes keep their bytes")
	}
}

// checkHook looks for a hook that runs seal check, be it of seal install, of somebody's own, or of pre-commit.com.
func (d *doctor) checkHook(ctx context.Context) {
	out, err := d.repo.Output(ctx, "rev-parse", "--git-path", "hooks/pre-commit")
	if err != nil {
		d.say("hook", healthFail, "", "%v", err)
		return
	}
	path := filepath.FromSlash(strings.TrimRight(string(out), "\r\n"))
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.repo.Root, path)
	}
	info, statErr := os.Stat(path)
	text, _ := readFile(ctx, path, path, maxWired)
	if folder := filepath.Dir(path); filepath.Base(folder) == "_" {
		// husky's own hooks, in .husky/_, run those of .husky.
		theirs := filepath.Join(filepath.Dir(folder), filepath.Base(path))
		more, _ := readFile(ctx, theirs, theirs, maxWired)
		text = append(text, more...)
	}
	config, _ := readFile(ctx, filepath.Join(d.repo.Root, ".pre-commit-config.yaml"), ".pre-commit-config.yaml", maxWired)
	switch {
	case statErr != nil:
		d.say("hook", healthWarn, "seal install adds one", "there is no pre-commit hook: plaintext Secrets can be committed")
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0:
		d.say("hook", healthWarn, "chmod +x "+fileHint(path), "the pre-commit hook is not executable: Git does not run it")
	case bytes.Contains(text, []byte("seal check")):
		d.say("hook", healthOK, "", "the pre-commit hook runs seal check")
	case bytes.Contains(text, []byte("pre-commit")) && bytes.Contains(config, []byte("seal-check")):
		d.say("hook", healthOK, "", "pre-commit runs seal check")
	default:
		d.say("hook", healthWarn, "seal install adds it; with pre-commit.com use the hook seal-check", "the pre-commit hook does not run seal check")
	}
}
