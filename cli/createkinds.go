package cli

import (
	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
)

// The types of Secrets that have commands of their own, and the keys that they need.
const (
	typeTLS       = "kubernetes.io/tls"
	typeDocker    = "kubernetes.io/dockerconfigjson"
	typeBasicAuth = "kubernetes.io/basic-auth"
	typeSSHAuth   = "kubernetes.io/ssh-auth"

	keyCert, keyKey          = "tls.crt", "tls.key"
	keyDocker                = ".dockerconfigjson"
	keyUsername, keyPassword = "username", "password"
	keySSH                   = "ssh-privatekey"
)

// kindOptions are the flags that all kinds have beside their own.
type kindOptions struct {
	createFlags
	sourceFlags
}

// kind makes the command of one type. plan adds to the plan of the files what the kind's own flags say.
func kind(env *Env, o *kindOptions, cmd *cobra.Command, typ string, plan func(*sourcePlan) error) *cobra.Command {
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usage(cmd.CommandPath()+" NAME …; for a Secret called "+cmd.Name()+" write seal create generic "+cmd.Name(), "missing NAME")
		case 1:
			return nil
		}
		return usage(helpHint(cmd)+"; other keys are given with --from-file KEY=PATH", "too many arguments: %s takes one NAME", cmd.CommandPath())
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := o.plan(env, nil)
		if err != nil {
			return err
		}
		if err := plan(p); err != nil {
			return err
		}
		return runCreate(cmd.Context(), env, &o.createFlags, secret.Made{Name: args[0], Type: typ}, p)
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.fromFiles, "from-file", nil, "take another value from a file, as `[KEY=]PATH`; repeatable")
	o.createFlags.addTo(cmd)
	return cmd
}

const createTLSLong = `Make a sealed Secret of type kubernetes.io/tls of a certificate (with its chain, if it has one) and
its private key, both in PEM. They are checked to be a pair.`

func newCreateTLSCommand(env *Env) *cobra.Command {
	var o kindOptions
	var cert, key string
	cmd := &cobra.Command{
		Use:     "tls [flags] NAME --cert FILE --key FILE",
		Short:   "Make a sealed Secret of a certificate and its key",
		Long:    createTLSLong,
		Example: "  seal create tls web -n prod -R prod.note --cert web.crt --key web.key --out web.yaml\n  seal create tls web -n prod -R prod.note --cert web.crt --key - --from-file ca.crt",
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&cert, "cert", "", "the certificate's `FILE`, the leaf first")
	cmd.Flags().StringVar(&key, "key", "", "the private key's `FILE` (- for standard input)")
	return kind(env, &o, cmd, typeTLS, func(p *sourcePlan) error {
		if cert == "" || key == "" {
			return usage(helpHint(cmd), "--cert FILE and --key FILE are needed")
		}
		p.finish = checkPair(env.Now(), cert, key)
		if err := p.addFile(keyCert, cert); err != nil {
			return err
		}
		return p.addFile(keyKey, key)
	})
}

const createBasicAuthLong = `Make a sealed Secret of type kubernetes.io/basic-auth. The password is asked for without echo, or
read from standard input, or with --from-file password=PATH from a file.`

func newCreateBasicAuthCommand(env *Env) *cobra.Command {
	var o kindOptions
	var username string
	cmd := &cobra.Command{
		Use:     "basic-auth [flags] NAME --username NAME",
		Short:   "Make a sealed Secret of a user name and a password",
		Long:    createBasicAuthLong,
		Example: "  seal create basic-auth git -n prod -R prod.note --username bot --out git.yaml",
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&username, "username", "", "the user's `NAME`")
	return kind(env, &o, cmd, typeBasicAuth, func(p *sourcePlan) error {
		if username == "" && !p.keys[keyUsername] {
			return usage(helpHint(cmd), "--username NAME is needed")
		}
		if username != "" {
			if err := p.addText(keyUsername, username); err != nil {
				return err
			}
		}
		if p.keys[keyPassword] {
			return nil
		}
		return p.ask(keyPassword)
	})
}

const createSSHLong = `Make a sealed Secret of type kubernetes.io/ssh-auth of a private key. Add known_hosts with
--from-file, where what reads the Secret wants it.`

func newCreateSSHCommand(env *Env) *cobra.Command {
	var o kindOptions
	var key string
	cmd := &cobra.Command{
		Use:     "ssh-auth [flags] NAME --ssh-privatekey FILE",
		Short:   "Make a sealed Secret of an SSH key",
		Long:    createSSHLong,
		Example: "  seal create ssh-auth deploy -n prod -R prod.note --ssh-privatekey id_ed25519 --from-file known_hosts --out deploy.yaml",
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&key, "ssh-privatekey", "", "the private key's `FILE` (- for standard input)")
	return kind(env, &o, cmd, typeSSHAuth, func(p *sourcePlan) error {
		if key == "" && !p.keys[keySSH] {
			return usage(helpHint(cmd), "--ssh-privatekey FILE is needed")
		}
		p.finish = checkSSHKey
		if key == "" {
			return nil
		}
		return p.addFile(keySSH, key)
	})
}

const createDockerLong = `Make a sealed Secret of type kubernetes.io/dockerconfigjson, with which images are pulled. The
password is asked for without echo, or read from standard input with --docker-password-stdin.

--from-file .dockerconfigjson=PATH takes a whole configuration instead, if it holds the credentials
themselves and does not leave them to a helper program.`

const createDockerExample = `  seal create docker-registry pull -n prod -R prod.note --docker-server ghcr.io --docker-username bot --out pull.yaml
  seal create docker-registry pull -n prod -R prod.note --from-file .dockerconfigjson=config.json`

// dockerOptions are the flags of `seal create docker-registry`.
type dockerOptions struct {
	kindOptions
	server, username, email, password string
	stdin                             bool
}

func newCreateDockerCommand(env *Env) *cobra.Command {
	var o dockerOptions
	cmd := &cobra.Command{
		Use:     "docker-registry [flags] NAME --docker-username NAME",
		Short:   "Make a sealed Secret to pull images with",
		Long:    createDockerLong,
		Example: createDockerExample,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.server, "docker-server", "https://index.docker.io/v1/", "the registry's `SERVER`")
	flags.StringVar(&o.username, "docker-username", "", "the user's `NAME` at the registry")
	flags.StringVar(&o.email, "docker-email", "", "the user's `ADDRESS`, which few registries want")
	flags.BoolVar(&o.stdin, "docker-password-stdin", false, "read the password from standard input")
	// kubectl has it, so people type it.
	flags.StringVar(&o.password, "docker-password", "", "")
	_ = flags.MarkHidden("docker-password")
	return kind(env, &o.kindOptions, cmd, typeDocker, func(p *sourcePlan) error { return o.add(env, cmd, p) })
}

// add adds to the plan where the configuration comes from: a file, or the flags and a password.
func (o *dockerOptions) add(env *Env, cmd *cobra.Command, p *sourcePlan) error {
	if cmd.Flags().Changed("docker-password") {
		return usage("leave it out to be asked for it, or pipe it in with --docker-password-stdin", "a password does not belong on the command line")
	}
	if p.keys[keyDocker] {
		if o.username != "" || o.stdin {
			return usage("", "--from-file %s=PATH does not go with the other --docker flags", keyDocker)
		}
		p.finish = checkDockerConfig
		return nil
	}
	if o.username == "" {
		return usage(helpHint(cmd), "--docker-username NAME is needed")
	}
	p.finish = o.config
	if o.stdin || !env.stdinIsTerminal() {
		return p.addFile(keyPassword, stdinArg)
	}
	return p.ask(keyPassword)
}
