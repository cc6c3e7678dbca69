package review

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"teamsdlp/actions"
)

// states are the words of actions.Filter.State.
var states = []string{"open", "overridden", "reported", "released", "edited", "deleted"}

// FilterKeys are the names that ParseFilter knows.
var FilterKeys = []string{
	"tenant", "conversation", "sender", "rule", "detector", "severity", "action", "outcome",
	"kind", "case", "label", "state", "since", "until", "before", "after", "limit",
}

// kinds are the words of actions.Filter.Kind.
var kinds = []string{
	string(actions.KindIntent), string(actions.KindResult), string(actions.KindShadow), string(actions.KindOverride),
	string(actions.KindReport), string(actions.KindEdit), string(actions.KindDeleted), string(actions.KindRelease),
	string(actions.KindLabel), string(actions.KindView), string(actions.KindGap), string(actions.KindRules), string(actions.KindKeys), string(actions.KindForget),
	string(actions.KindInbox),
}

// ParseFilter reads a filter of cases from a query. Unknown names, bad values and
// names given twice are errors, so that a misspelt filter never shows everything;
// so are kind and after, which are of entries. Times are RFC 3339, a date
// (2026-11-24, UTC), or a span back from now (90m, 24h, 7d).
func ParseFilter(q url.Values) (actions.Filter, error) {
	return parseFilter(q, time.Now(), "kind", "after")
}

// ParseEntryFilter is ParseFilter for entries; it refuses state, which is of cases.
func ParseEntryFilter(q url.Values) (actions.Filter, error) {
	return parseFilter(q, time.Now(), "state")
}

func parseFilter(q url.Values, now time.Time, not ...string) (actions.Filter, error) {
	var f actions.Filter
	for name, values := range q {
		switch {
		case !slices.Contains(FilterKeys, name):
			return f, fmt.Errorf("unknown filter %q: known are %s", name, strings.Join(FilterKeys, ", "))
		case len(values) > 1:
			return f, fmt.Errorf("filter %s: it is given twice", name)
		case slices.Contains(not, name) && values[0] != "":
			return f, fmt.Errorf("filter %s: not for this list (kind and after are for entries, state is for cases)", name)
		}
	}
	f.Tenant, f.Conversation, f.Sender = q.Get("tenant"), q.Get("conversation"), q.Get("sender")
	f.Rule, f.Detector, f.Case = q.Get("rule"), q.Get("detector"), q.Get("case")
	var err error
	oneOf := func(name string, known ...string) string {
		v := q.Get(name)
		if v != "" && !slices.Contains(known, v) && err == nil {
			err = fmt.Errorf("filter %s: %q is not one of %s", name, v, strings.Join(known, ", "))
		}
		return v
	}
	f.Kind = actions.Kind(oneOf("kind", kinds...))
	f.Severity = oneOf("severity", "low", "medium", "high", "critical")
	f.Action = actions.Action(oneOf("action", "none", "notify", "block-external", "block"))
	f.Outcome = actions.Outcome(oneOf("outcome", "applied", "shadow", "not_enforceable", "failed", "pending"))
	f.Label = oneOf("label", "true-positive", "false-positive")
	f.State = oneOf("state", states...)
	when := func(name string) time.Time {
		t, e := parseTime(q.Get(name), now)
		if e != nil && err == nil {
			err = fmt.Errorf("filter %s: %w", name, e)
		}
		return t
	}
	f.Since, f.Until = when("since"), when("until")
	number := func(name string, least int64) int64 {
		v := q.Get(name)
		if v == "" {
			return 0
		}
		n, e := strconv.ParseInt(v, 10, 64)
		if (e != nil || n < least) && err == nil {
			err = fmt.Errorf("filter %s: %q is not a whole number from %d", name, v, least)
		}
		return n
	}
	f.Before = number("before", 0)
	f.Limit = int(number("limit", 1))
	if q.Get("after") != "" {
		after := number("after", -1)
		f.After = &after
	}
	if f.Limit > 5000 && err == nil {
		err = fmt.Errorf("filter limit: at most 5000 at once")
	}
	return f, err
}

func parseTime(v string, now time.Time) (time.Time, error) {
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		t, err = time.Parse(time.DateOnly, v)
	}
	if err == nil {
		if t.Year() < 1970 || t.Year() > 2200 { // the log counts nanoseconds in 64 bits
			return time.Time{}, fmt.Errorf("%q is not a time from 1970 to 2200", v)
		}
		return t, nil
	}
	span := v
	times := int64(1)
	if days, ok := strings.CutSuffix(v, "d"); ok {
		span, times = days+"h", 24
	}
	const most = int64(50 * 365 * 24 * time.Hour)
	if d, err := time.ParseDuration(span); err == nil && d >= 0 && int64(d) <= most/times {
		return now.Add(-time.Duration(int64(d) * times)), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: use 2026-11-24T08:00:00Z, 2026-11-24, or a span back from now as 24h or 7d", v)
}
