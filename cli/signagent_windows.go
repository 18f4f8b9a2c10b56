package cli

// defaultAgent is where the SSH agent is looked for when SSH_AUTH_SOCK is not set: the pipe of OpenSSH's.
const defaultAgent = `\\.\pipe\openssh-ssh-agent`
