package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"teamsdlp/policy"
	"teamsdlp/policy/extract"
)

// scanVerdict is what a rule set says of one scanned text. It is embedded in the
// line that scan --rules --json prints.
type scanVerdict struct {
	// Verdict is the action that would be taken: none, notify, block-external or
	// block.
	Verdict string     `json:"verdict"`
	Rules   []scanRule `json:"rules"`
}

// matched reports whether a rule matches, in shadow too; none does without rules.
func (v *scanVerdict) matched() bool {
	return v != nil && slices.ContainsFunc(v.Rules, func(r scanRule) bool { return r.Result == string(policy.Matched) })
}

// scanRule is what one rule says, in file order.
type scanRule struct {
	ID     string `json:"id"`
	Result string `json:"result"`
	Reason string `json:"reason"`
	Action string `json:"action"`
	Mode   string `json:"mode"`
}

// judgeText judges text by itself. Of who says it, and to whom, nothing is known,
// which keeps every rule in force; it is judged as said in a chat and as said in a
// channel, and each rule is shown where it has more to say.
func judgeText(set *policy.Set, text *extract.Text, now time.Time) scanVerdict {
	c := &policy.Context{Final: true}
	chat := set.Judge(&policy.Message{Text: text, Sender: policy.Sender{ID: "unknown", Kind: "aadUser"}}, c, now)
	channel := set.Judge(&policy.Message{Text: text, Sender: policy.Sender{ID: "unknown", Kind: "aadUser"}, Channel: true}, c, now)
	out := scanVerdict{Verdict: string(policy.NoAction), Rules: []scanRule{}}
	for _, a := range []policy.Action{policy.Notify, policy.BlockExternal, policy.Block} {
		if chat.Action == a || channel.Action == a {
			out.Verdict = string(a)
		}
	}
	for i, v := range chat.Rules {
		if other := channel.Rules[i]; v.Result == policy.OutOfScope || other.Result == policy.Matched && v.Result != policy.Matched {
			v = other
		}
		out.Rules = append(out.Rules, scanRule{v.Rule.ID, string(v.Result), v.Reason, string(v.Rule.Action), string(v.Rule.Mode)})
	}
	return out
}

// print writes the verdict for a person: one line a rule, and the outcome.
func (v scanVerdict) print(w io.Writer) error {
	for _, r := range v.Rules {
		mode := ""
		if r.Mode != string(policy.Enforce) {
			mode = " (" + r.Mode + ")"
		}
		if _, err := fmt.Fprintf(w, "  rule %s%s: %s: %s\n", r.ID, mode, r.Result, r.Reason); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "  verdict: %s\n", v.Verdict)
	return err
}
