package cli

import (
	"context"
	"os/exec"
	"strings"
)

// checkEditor looks for what seal edit needs: an editor, and a place in memory for the text.
func (d *doctor) checkEditor() {
	command, from := "vi", "the fallback"
	for _, name := range []string{"EDITOR", "VISUAL"} {
		if value := strings.TrimSpace(d.env.Getenv(name)); value != "" {
			command, from = value, name
		}
	}
	program := strings.Fields(command)[0]
	if _, err := exec.LookPath(program); err != nil {
		d.say("editor", healthWarn, "set EDITOR to one that is installed", "%s (%s) is not in the PATH: seal edit cannot start it", program, from)
	} else {
		d.say("editor", healthOK, "", "%s (%s)", command, from)
	}
	if folder, ok := memoryFolder(d.env); ok {
		d.say("memory", healthOK, "", "%s is in memory: seal edit writes no plaintext to a disk", folder)
	} else {
		d.say("memory", healthWarn, "mount a tmpfs, such as /dev/shm", "no file system in memory was found for seal edit")
	}
}

// checkAgent counts the keys of the SSH agent. It matters where something has to be signed.
func (d *doctor) checkAgent(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, d.o.timeout)
	defer cancel()
	keys, err := agentKeys(ctx, d.env)
	state, hint := healthOK, ""
	if d.signed && (err != nil || len(keys) == 0) {
		state, hint = healthWarn, "start it and add a key with ssh-add, or sign with --sign-key FILE; an environment of the settings wants signatures"
	}
	if err != nil {
		d.say("SSH agent", state, hint, "%v; seal sign needs --sign-key then", err)
		return
	}
	d.say("SSH agent", state, hint, "holds %s that can sign", countOf(len(keys), "key"))
}
