package cli

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"

	"golang.org/x/crypto/ssh/agent"
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

// errNoSSHAgent says that there is no agent to ask.
var errNoSSHAgent = errors.New("no SSH agent is running")

// checkAgent counts the keys of the SSH agent. It matters where something has to be signed.
func (d *doctor) checkAgent(ctx context.Context) {
	n, err := d.agentKeyCount(ctx)
	state, hint := healthOK, ""
	if d.signed && (err != nil || n == 0) {
		state, hint = healthWarn, "start it and add a key with ssh-add, or sign with --sign-key FILE; an environment of the settings wants signatures"
	}
	if err != nil {
		d.say("SSH agent", state, hint, "%v; seal sign needs --sign-key then", err)
		return
	}
	d.say("SSH agent", state, hint, "holds %s", counted(n, "key"))
}

func (d *doctor) agentKeyCount(ctx context.Context) (int, error) {
	address := d.env.Getenv("SSH_AUTH_SOCK")
	if address == "" {
		return 0, errNoSSHAgent
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.timeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", address)
	if err != nil {
		return 0, errors.New("no SSH agent answers behind SSH_AUTH_SOCK")
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	keys, err := agent.NewClient(conn).List()
	if err != nil {
		return 0, errors.New("the SSH agent does not answer")
	}
	return len(keys), nil
}
