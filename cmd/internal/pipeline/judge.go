package pipeline

import (
	"context"
	"slices"
	"time"

	"teamsdlp/actions"
	"teamsdlp/policy"
	"teamsdlp/policy/detect"
	"teamsdlp/webhook"
)

// maxMasked bounds how many distinct values of one detector an entry shows.
const maxMasked = 5

// judged is a message with what the rules say of it.
type judged struct {
	*policy.Judging // to be ended once the verdict's rules are not needed any more
	message         *policy.Message
	verdict         policy.Verdict
	known           policy.Context // that the verdict rests on: the entry names the conversation by it
}

// judge judges m, fetching context only where a rule's result hangs on it. What
// cannot be fetched within the time is left out and counts as the answer that
// keeps the rule in force.
func (p *Pipeline) judge(ctx context.Context, m *webhook.Message, target actions.Target) *judged {
	j := &judged{}
	judge := func() { j.verdict = j.Judge(&j.known, p.now()) }
	p.compute(func() {
		j.message = p.message(target, m)
		j.Judging = p.Rules().Begin(j.message)
		judge()
	})
	if !j.verdict.Need.Any() {
		return j
	}
	fetch, cancel := context.WithTimeout(ctx, p.contextTimeout)
	defer cancel()
	failed := map[string]bool{}
	p.fetch(fetch, j.verdict.Need, j.message, target, &j.known, failed)
	if p.compute(judge); j.verdict.Need.Any() { // one answer can open another question
		p.fetch(fetch, j.verdict.Need, j.message, target, &j.known, failed)
	}
	j.known.Final = true
	p.compute(judge)
	return j
}

// fetch fills known with what need names, as far as Graph gives it. What failed is not
// asked for again.
func (p *Pipeline) fetch(ctx context.Context, need policy.Need, m *policy.Message, target actions.Target, known *policy.Context, failed map[string]bool) {
	graph := p.graph(target.Tenant)
	if graph == nil {
		return
	}
	ask := func(what string, get func() error) {
		if failed[what] {
			return
		}
		if err := get(); err != nil {
			failed[what] = true
			p.missing(ctx, target, what, err)
		}
	}
	if need.Conversation && known.Conversation == nil {
		ask("conversation", func() error {
			got, err := graph.Conversation(ctx, target)
			if err == nil {
				known.Conversation = got
			}
			return err
		})
	}
	if m.Sender.ID == "" || m.Sender.Kind == senderApplication {
		return
	}
	if need.Person && known.Person == nil {
		ask("person", func() error {
			got, err := graph.Person(ctx, m.Sender.ID)
			if err == nil {
				known.Person = got
			}
			return err
		})
	}
	if len(need.Groups) > 0 {
		ask("groups", func() error {
			groups, err := graph.Groups(ctx, m.Sender.ID, need.Groups)
			if err != nil {
				return err
			}
			if known.Groups == nil {
				known.Groups = map[string]bool{}
			}
			for _, g := range need.Groups {
				known.Groups[g] = slices.Contains(groups, g)
			}
			return nil
		})
	}
}

// ruleResults is the verdict as the log keeps it: a result and a reason for
// every rule, and for each match its mask and digest, never its value. It is
// nothing where no rule matched, since nothing then is kept of the rules: the log
// has no entry for a clean message, nor rules in that of an edit.
func (p *Pipeline) ruleResults(v policy.Verdict) []actions.RuleResult {
	if !slices.ContainsFunc(v.Rules, func(r policy.RuleVerdict) bool { return r.Result == policy.Matched }) {
		return nil
	}
	results := make([]actions.RuleResult, 0, len(v.Rules))
	for _, r := range v.Rules {
		results = append(results, actions.RuleResult{
			ID:         r.Rule.ID,
			Title:      r.Rule.Title,
			Generation: v.Generation,
			Severity:   string(r.Rule.Severity),
			Mode:       string(r.Rule.Mode),
			Action:     actions.Action(r.Rule.Action),
			Result:     string(r.Result),
			Matched:    p.matches(r.Matches),
			Reason:     r.Reason,
			Assumed:    r.Assumed,
		})
	}
	return results
}

// matches counts findings by detector, in the order in which they were found.
func (p *Pipeline) matches(found []detect.Match) []actions.Match {
	type key struct{ detector, value string }
	var (
		list  []actions.Match
		level []detect.Level
		seen  = map[key]bool{}
	)
	for _, m := range found {
		i := slices.IndexFunc(list, func(have actions.Match) bool { return have.Detector == m.Detector })
		if i < 0 {
			i = len(list)
			list = append(list, actions.Match{Detector: m.Detector})
			level = append(level, 0)
		}
		at := &list[i]
		at.Count++
		at.KnownTest = at.KnownTest || m.KnownTest
		if m.Level > level[i] {
			level[i] = m.Level
			at.Confidence = m.Level.String()
		}
		k := key{m.Detector, m.Value.Reveal()}
		if seen[k] {
			continue
		}
		seen[k] = true
		at.Distinct++
		if len(at.Masked) < maxMasked {
			at.Masked = append(at.Masked, m.Masked)
			at.Digest = append(at.Digest, p.keys.Digest(m.Detector, m.Value.Reveal()))
		}
	}
	return list
}

// conversation is where the message was said, as far as it is known.
func conversation(m *policy.Message, known policy.Context) *actions.Conversation {
	c := &actions.Conversation{ID: m.ConversationID, Kind: "chat"}
	if m.Channel {
		c.Kind = "channel"
	}
	if k := known.Conversation; k != nil {
		c.Kind, c.Name, c.Size = k.Kind, k.Name, len(k.Members)
		external := slices.ContainsFunc(k.Members, func(m policy.Member) bool { return m.External })
		c.External = &external
	}
	return c
}

// notOurs are the kinds of sender whose messages Graph lets no app of this
// tenant act on. Source: "Update chatMessage", which names federation and
// consumer interop.
var notOurs = []string{"federatedUser", "personalMicrosoftAccountUser", "skypeUser", "anonymousGuest"}

// notEnforceable says why an action on the sender's message cannot succeed, or
// nothing if it may.
func (p *Pipeline) notEnforceable(tenant string, s policy.Sender) string {
	switch {
	case !p.canEnforce:
		return "this cloud has no API to act on messages"
	case slices.Contains(notOurs, s.Kind):
		return "the sender is a " + s.Kind + ": only their own organisation can act on the message"
	case s.TenantID != "" && s.TenantID != tenant && s.Kind != senderApplication:
		return "the sender is an account of another tenant: only their own organisation can act on the message"
	}
	return ""
}

func (p *Pipeline) now() time.Time { return p.clock().UTC() }
