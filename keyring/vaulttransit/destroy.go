package vaulttransit

import (
	"context"
	"errors"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

var _ secretsource.Destroyer = (*Custody)(nil)

// Destroy implements secretsource.Destroyer: Vault deletes no key unless it is told before that the key may be.
func (c *Custody) Destroy(ctx context.Context, _ string, held secretsource.Held) error {
	name, err := c.named(held.Kept)
	if err == nil {
		var is string
		if is, err = c.read(ctx, name); err == nil && is != held.Recipient {
			err = &fault{msg: "has another public half than the recipient that is kept with it, and stays"}
		}
	}
	if errors.Is(err, secretsource.ErrGone) {
		c.forget(name)
		return nil
	}
	if refused := (*fault)(nil); errors.As(err, &refused) {
		return &keyring.Problem{Where: c.where(name), Msg: refused.msg, KeyID: held.ID}
	}
	if err != nil {
		return c.problem(err)
	}
	if err := c.remove(ctx, name); err != nil && !c.goneAfter(ctx, err, name) {
		return c.undestroyed(name, held.ID, err)
	}
	c.forget(name)
	return nil
}

// remove has Vault allow the deletion of a key, and delete it.
func (c *Custody) remove(ctx context.Context, name string) error {
	answer, err := c.cfg.Vault.Write(ctx, c.path("keys", name)+"/config", map[string]any{"deletion_allowed": true})
	if err := c.note(ctx, answer, err); err != nil {
		return err
	}
	if err := c.note(ctx, nil, c.cfg.Vault.Delete(ctx, c.path("keys", name))); vault.KindOf(err) != vault.Missing {
		return err
	}
	return nil
}

// goneAfter says whether a removal failed because another controller was faster: Vault refuses it like any other request that makes no sense, and tells why in words alone.
func (c *Custody) goneAfter(ctx context.Context, err error, name string) bool {
	if vault.KindOf(err) != vault.Refused {
		return false
	}
	_, now := c.read(ctx, name)
	return errors.Is(now, secretsource.ErrGone)
}

// undestroyed says what is missing where Vault does not delete a key.
func (c *Custody) undestroyed(name, id string, err error) error {
	if vault.KindOf(err) == vault.Denied {
		return &keyring.Problem{
			Where: c.where(name), KeyID: id,
			Msg: "is to be destroyed, and Vault does not let this controller delete it: give its role the policy transit-remove.hcl while keys are destroyed (" + err.Error() + ")",
		}
	}
	return c.problem(err)
}

// forget drops what is known of a key.
func (c *Custody) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, name)
}
