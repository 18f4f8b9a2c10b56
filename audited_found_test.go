package waxwing_test

import (
	"slices"
	"strings"
	"testing"
)

// TestWhatIsNotAuditedIsFound breaks the source, one place at a time, and has the test above look at it.
func TestWhatIsNotAuditedIsFound(t *testing.T) {
	packages := clusterPackages(t)
	for name, c := range map[string]struct{ file, old, new, want string }{
		"the intent to open is gone": {
			"controller/gitsecret.go", "id, err := r.audit.Intent(ctx, r.report.operation(actionOf(p), in.Object, p, d.Signer), r.report.unmet(in, d)...)", `id, err := "", ctx.Err()`,
			"controller.gitSecrets.open touches a key or a value, and can be reached without an intent",
		},
		"its error stops nothing": {
			"controller/gitsecret.go", "if err != nil {\n\t\tr.log.ErrorContext(ctx, \"the audit log takes no intent\"", "if err != nil && p == nil {\n\t\tr.log.ErrorContext(ctx, \"the audit log takes no intent\"",
			"controller.gitSecrets.open touches a key or a value, and can be reached without an intent",
		},
		"the outcome is gone": {
			"controller/gitsecret.go", "r.audit.Outcome(context.WithoutCancel(ctx), id, outcome)", "func(audit.Outcome) error { return nil }(outcome)",
			"controller.gitSecrets.unseal touches a key or a value, and can be reached without an intent",
		},
		"the intent says something else": {"controller/gitsecret.go", "return audit.ActionUnseal", "return audit.ActionExport", `controller.secretWriter.create is covered by "drift.repair export"`},
		"keyrings act without an intent": {
			"keyring/ensure.go", "id, err := r.m.cfg.Audit.Intent(ctx, audit.Operation{Action: action,", "id, err := \"\", ctx.Err()\n\t_ = (audit.Operation{Action: action,",
			"keyring.run.recorded touches a key or a value, and can be reached without an intent",
		},
		"a key is activated on the side": {
			"keyring/ensure.go", "return r.recorded(ctx, audit.ActionKeyActivate, \"Keyring\", r.keys(next.Key), func(ctx context.Context) ([]audit.Key, error) {\n\t\t\treturn nil, r.activate(ctx, next.Key)\n\t\t})",
			"return r.activate(ctx, next.Key)", `keyring.run.activate is covered by "key.load", and listed with "key.activate"`,
		},
		"something opens": {
			"controller/rollback.go", "", "func (r *gitSecrets) peek(p *unseal.Plan) error {\n\t_, err := p.Open(struct{ Namespace, Name string }{})\n\treturn err\n}",
			"controller.gitSecrets.peek touches a key or a value, and can be reached without an intent",
		},
		"something reads Secrets": {
			"controller/watch.go", "", "func (r *gitSecrets) peek(ctx context.Context) error {\n\treturn r.gather.live.Get(ctx, types.NamespacedName{}, &corev1.Secret{})\n}",
			"controller.gitSecrets.peek touches a key or a value, and can be reached without an intent",
		},
		"something deletes Secrets": {
			"controller/replace.go", "", "func (w secretWriter) drop(ctx context.Context, p *unseal.Plan) error {\n\treturn w.client.Delete(ctx, blank(p))\n}",
			"controller.secretWriter.drop touches a key or a value, and can be reached without an intent",
		},
		"something hands a write on": {
			"controller/replace.go", "", "func (w secretWriter) drop() func(context.Context, client.Object, ...client.DeleteOption) error { return w.client.Delete }",
			"controller.secretWriter.drop touches a key or a value, and can be reached without an intent",
		},
		"something uses an identity": {
			"keyring/ring.go", "", "func (r *Ring) Try(id age.Identity) { _, _ = id.Unwrap(nil) }",
			"keyring.Ring.Try touches a key or a value, and can be reached without an intent",
		},
		"something signs": {
			"keyring/publish.go", "", "func (s *Statement) Speak(r statement.Recipients) { _, _ = r.Sign(s.Signer) }",
			"keyring.Statement.Speak touches a key or a value, and can be reached without an intent",
		},
		"a source is asked": {
			"keyring/manager.go", "", "func (m *Manager) count(src Source) { _, _, _ = src.Load(nil, \"\") }",
			"keyring.Manager.count touches a key or a value, and can be reached without an intent",
		},
		"a key Secret is read": {
			"keyring/secretsource/source.go", "", "func (s *Source) Peek(ctx context.Context) { _, _ = s.secrets.List(ctx, metav1.ListOptions{}) }",
			"keyring/secretsource.Source.Peek touches a key or a value, and can be reached without an intent",
		},
		"an audited function does more": {
			"controller/gitsecret.go", "out, conflict := r.unseal(ctx, in, p)", "out, conflict := r.unseal(ctx, in, p)\n\tr.extra(p)",
			"controller.gitSecrets.extra touches a key or a value and is not listed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			done := false
			problems := unaudited(t, load(t, packages, func(path, text string) string {
				if path != c.file {
					return text
				}
				done = c.old == "" || strings.Contains(text, c.old)
				if c.old == "" {
					return text + "\n" + c.new + "\n"
				}
				text = strings.Replace(text, c.old, c.new, 1)
				if strings.Contains(c.new, "r.extra(p)") {
					text += "\nfunc (r *gitSecrets) extra(p *unseal.Plan) { _, _ = p.Open(seal.Target{}) }\n"
				}
				return text
			}))
			if !done {
				t.Fatalf("%s has no %q any more", c.file, c.old)
			}
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, c.want) }) {
				t.Errorf("it was not found; what was: %s", strings.Join(problems, "\n"))
			}
		})
	}
}
