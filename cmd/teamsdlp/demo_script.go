package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"teamsdlp/actions/review"
	"teamsdlp/test/graphtwin"
)

// line is one thing that is said in the demo, what happens to it, and what Teams
// must show of it in the end.
type line struct {
	what string
	want string // as verdictOf says it
	post graphtwin.Post
	// from is the line that is forwarded; 0: none. Lines count from 1.
	from int
	// then is what people do about it once Teams shows what was expected of the
	// post itself; nil: nothing. It waits by itself for anything else.
	then func(p *player, id string) error
}

// result is what became of a line, as the twin saw it.
type result struct {
	line     line
	got      string
	readable string
}

func (r result) ok() bool { return r.got == r.line.want }

// Said in pieces, so that no scanner takes this file for a leak.
const (
	demoCard = "4111 1111 " + "1111 1111"
	demoIBAN = "DE89 3704 0044 " + "0532 0130 00"
	demoKey  = "AKIA" + "Q3EGR5VXN7WZ2KLM"
	demoSSN  = "536-22-" + "8714"
)

// script is the cast's talk. Who they are is in graphtwin.Contoso; the rules are
// in the sample directory.
func script() []line {
	return []line{
		{what: "Ana asks Li to lunch", want: "readable, not touched",
			post: graphtwin.Post{As: "ana", In: "ana-li", HTML: "<p>Lunch at noon? The place at <b>12</b> Market Street.</p>"}},
		{what: "Li sends a card number in a chat", want: "blocked",
			post: graphtwin.Post{As: "li", In: "li-jo", HTML: "<p>my card is " + demoCard + ", exp 12/27</p>"}},
		{what: "Ana posts an IBAN in a channel's table", want: "blocked",
			post: graphtwin.Post{As: "ana", In: "sales/general", Subject: "Supplier details", HTML: "<table><tr><th>Supplier</th><th>IBAN</th></tr><tr><td>Nordwind GmbH</td><td>" + demoIBAN + "</td></tr></table>"}},
		{what: "Sam pastes an access key in a code block", want: "blocked",
			post: graphtwin.Post{As: "sam", In: "engineering", HTML: "<p>use this:</p><codeblock class=\"Bash\"><code>export AWS_ACCESS_KEY_ID=" + demoKey + "<br>make deploy</code></codeblock>"}},
		{what: "Kim, of another organisation, sends a card number", want: "readable, not touched",
			post: graphtwin.Post{As: "kim", In: "ext-deal", HTML: "<p>put it on my card " + demoCard + "</p>"}},
		{what: "Jo, of the card team, sends a card number", want: "readable, not touched",
			post: graphtwin.Post{As: "jo", In: "standup", HTML: "<p>the customer pays with card " + demoCard + "</p>"}},
		{what: "Li forwards it, with an empty body", want: "blocked", from: 6,
			post: graphtwin.Post{As: "li", In: "ana-li"}},
		{what: "Sam mentions a social security number (shadow rule)", want: "readable, not touched",
			post: graphtwin.Post{As: "sam", In: "sales/general", HTML: "<p>her SSN is " + demoSSN + "</p>"}},
		{what: "Ana sends a card number, then edits it away", want: "readable, 2 PATCHes",
			post: graphtwin.Post{As: "ana", In: "deal", HTML: "<p>charge card " + demoCard + " please</p>"},
			then: func(p *player, id string) error { return p.edit(id, "<p>charge the card on file please</p>") }},
		{what: "Ana sends a card number and overrides with a reason", want: "readable, 1 PATCH, overridden",
			post: graphtwin.Post{As: "ana", In: "sales/board", HTML: "<p>book it on card " + demoCard + " today</p>"},
			then: func(p *player, id string) error { return p.override(id, "The supplier asked for it in writing") }},
		{what: "Li reports a false positive", want: "blocked, reported",
			post: graphtwin.Post{As: "li", In: "standup", HTML: "<p>card no " + demoCard + " is the one from the manual</p>"},
			then: func(p *player, id string) error { return p.report(id) }},
		{what: "Max, whose licence lacks the DLP plan, sends a card number", want: "readable, PATCH refused",
			post: graphtwin.Post{As: "max", In: "max-ana", HTML: "<p>card " + demoCard + "</p>"}},
		{what: "Sam pastes a key and Li reacts to it", want: "blocked",
			post: graphtwin.Post{As: "sam", In: "engineering", HTML: "<p>key id " + demoKey + " works again</p>"},
			then: func(p *player, id string) error { return p.react(id) }},
		{what: "Ana sends a card number and deletes it", want: "deleted after its block",
			post: graphtwin.Post{As: "ana", In: "sales/general", HTML: "<p>card " + demoCard + "</p>"},
			then: func(p *player, id string) error { return p.delete(id) }},
	}
}

// verdictOf says in a few words what Teams shows of a message and how often we
// touched it.
func verdictOf(v graphtwin.View) string {
	refused := len(v.Patches) - v.PatchCount
	var state string
	switch {
	case v.IsDeleted:
		if v.BlockedAt.IsZero() {
			return "deleted, never blocked"
		}
		return "deleted after its block"
	case v.Blocked:
		state = "blocked"
		if v.PatchCount != 1 {
			state += fmt.Sprintf(", %d PATCHes", v.PatchCount)
		}
	case v.PatchCount == 0 && refused > 0:
		return "readable, PATCH refused"
	case v.PatchCount == 0:
		return "readable, not touched"
	case v.PatchCount == 1:
		state = "readable, 1 PATCH"
	default:
		state = fmt.Sprintf("readable, %d PATCHes", v.PatchCount)
	}
	if p := v.PolicyViolation; p != nil {
		switch {
		case hasFlag(p.UserAction, "override"):
			state += ", overridden"
		case hasFlag(p.UserAction, "reportFalsePositive"):
			state += ", reported"
		}
	}
	return state
}

// hasFlag reports whether a flag string of the twin's, which are in canonical
// form, holds flag.
func hasFlag(flags, flag string) bool {
	return slices.Contains(strings.Split(flags, ","), flag)
}

// player plays the script against the twin.
type player struct {
	ctx   context.Context
	twin  *graphtwin.Twin
	out   *ticker
	speed float64
}

// patience is how long a line waits for Teams to show what people react to.
const patience = 30 * time.Second

// script plays all lines, waits until everything has settled, and returns what
// Teams then shows of each.
func (c *demoCmd) script(ctx context.Context, s *service, twin *graphtwin.Twin, out *ticker) ([]result, error) {
	p := &player{ctx, twin, out, c.Speed}
	if err := p.until(s.manager.Ready); err != nil {
		return nil, fmt.Errorf("the subscriptions did not come up: %w", err)
	}
	lines := script()
	ids := make([]string, len(lines))
	for i, l := range lines {
		if err := p.pause(); err != nil {
			return nil, err
		}
		var err error
		if ids[i], err = p.speak(l, ids); err != nil {
			return nil, fmt.Errorf("%s: %w", l.what, err)
		}
	}
	if err := p.settle(s); err != nil {
		return nil, fmt.Errorf("waiting until all has settled: %w", err)
	}
	results := make([]result, len(lines))
	for i, l := range lines {
		v, err := twin.Shown(ids[i])
		if err != nil {
			return nil, err
		}
		results[i] = result{l, verdictOf(v), "-"}
		if !v.BlockedAt.IsZero() {
			results[i].readable = review.Span(v.BlockedAt.Sub(v.Created))
		}
	}
	return results, nil
}

// speak says one line and plays what follows from it.
func (p *player) speak(l line, ids []string) (string, error) {
	p.out.event(l.post.As, "%s", l.what)
	var (
		m   graphtwin.Message
		err error
	)
	if l.from > 0 {
		m, err = p.twin.Forward(ids[l.from-1], l.post)
	} else {
		m, err = p.twin.Say(l.post)
	}
	if err != nil || l.then == nil {
		return m.ID, err
	}
	// People react to what they see; that they see nothing in time shows in the
	// result, and the others go on talking.
	if p.blocked(m.ID) == nil {
		if err = p.pause(); err == nil {
			err = l.then(p, m.ID)
		}
	}
	return m.ID, err
}

func (p *player) blocked(id string) error {
	return p.until(func() bool { v, err := p.twin.Shown(id); return err == nil && v.Blocked })
}

func (p *player) edit(id, html string) error {
	p.out.event("", "  the sender edits it")
	_, err := p.twin.Edit(id, html)
	return err
}

func (p *player) override(id, why string) error {
	p.out.event("", "  the sender overrides")
	_, err := p.twin.Override(id, why)
	return err
}

func (p *player) report(id string) error {
	p.out.event("", "  the sender reports a false positive")
	_, err := p.twin.Report(id)
	return err
}

func (p *player) react(id string) error {
	p.out.event("", "  somebody reacts to it")
	_, err := p.twin.React(id, "li", "like")
	return err
}

func (p *player) delete(id string) error {
	p.out.event("", "  the sender deletes it")
	_, err := p.twin.Delete(id)
	return err
}

// pause waits between two lines, and before somebody reacts to one.
func (p *player) pause() error {
	select {
	case <-p.ctx.Done():
		return p.ctx.Err()
	case <-time.After(time.Duration(float64(600*time.Millisecond) / p.speed)):
		return nil
	}
}

// until waits for cond, for as long as patience lasts.
func (p *player) until(cond func() bool) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	beat := time.NewTicker(10 * time.Millisecond)
	defer beat.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
		}
	}
	return nil
}

// settle waits until the twin has delivered everything and the service has
// worked it off: an action of the service makes the twin deliver again, so both
// must be seen idle with nothing between.
func (p *player) settle(s *service) error {
	idle := 0
	return p.until(func() bool {
		depth, err := s.store.Depth(p.ctx)
		if err != nil || depth.Items > 0 || p.twin.Undelivered() > 0 {
			idle = 0
			return false
		}
		idle++
		return idle > 20
	})
}
