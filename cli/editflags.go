package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/cli/replace"
)

// editFlags say which GitSecret of a file is changed, and where the result goes.
type editFlags struct {
	out, name, namespace string
}

func (o *editFlags) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&o.out, "out", "", "write to `FILE` (- for standard output) instead of in place")
	flags.StringVar(&o.name, "name", "", "the `NAME` of the GitSecret, where the file holds several")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of the GitSecret, where the file holds several of that name")
}

// choose finds the GitSecret to change. One that names no namespace may go to any.
func (o *editFlags) choose(name string, all []object) (object, error) {
	found := selectSealed(all, o.name, o.namespace)
	found = slices.DeleteFunc(found, func(obj object) bool {
		return o.namespace != "" && obj.namespace != "" && obj.namespace != o.namespace
	})
	switch len(found) {
	case 0:
		return object{}, noneSealed(name, strings.Trim(o.namespace+"/"+o.name, "/"), all)
	case 1:
		return found[0], nil
	}
	return object{}, usage("choose one with --name (and -n): it holds "+some(sealedNames(found)), "%s holds several GitSecrets", name)
}

func (o *editFlags) writeSet(ctx context.Context, env *Env, name string, was, now []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.out != "" {
		return env.writeOut(o.out, now, sealedMode)
	}
	return withWayOut(env.update(name, was, now))
}

// update replaces a file that was read as was.
func (e *Env) update(name string, was, now []byte) error {
	var batch replace.Batch
	defer batch.Discard()
	if err := batch.Update(e.path(name), was, now); err != nil {
		return err
	}
	return batch.Commit()
}
