package cli

import (
	"context"
	"errors"
	"strings"
)

// confirmed asks the person at the terminal a question that y answers. Where nobody can be asked it is a usage error.
func (e *Env) confirmed(ctx context.Context, question string) (bool, error) {
	text, err := e.answer(ctx, question+" [y/N] ")
	text = strings.ToLower(text)
	return text == "y" || text == "yes", err
}

// answer is what the person at the terminal types on one line. Where nobody can be asked it is a usage error.
func (e *Env) answer(ctx context.Context, prompt string) (string, error) {
	answer, err := e.ask(ctx, prompt, true)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, errNoTerminal):
		return "", usage("if it is meant, give --yes", "nobody can be asked here")
	}
	return strings.TrimSpace(string(answer)), err
}
