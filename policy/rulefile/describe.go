package rulefile

import (
	"strconv"
	"strings"

	"teamsdlp/policy"
)

// Describe writes a condition on one line, in the words of rule files. Equal
// conditions have equal descriptions.
func Describe(c policy.Condition) string {
	switch c := c.(type) {
	case policy.All:
		return "all[" + describeList(c) + "]"
	case policy.Any:
		return "any[" + describeList(c) + "]"
	case policy.Not:
		return "not(" + Describe(c.Condition) + ")"
	case *policy.Detect:
		return describeDetect(c)
	case *policy.Keywords:
		if c.List != "" {
			return "list " + c.List
		}
		return "keyword " + quoted(c.Terms)
	case *policy.Regex:
		return "regex " + strconv.Quote(c.Pattern.String())
	case policy.Audience:
		return "audience " + string(c)
	case policy.InConversation:
		return "conversation " + strings.Join(c, "|")
	case policy.SentBy:
		return "sender " + describeSender(c)
	}
	return "nothing"
}

func describeList(list []policy.Condition) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = Describe(c)
	}
	return strings.Join(parts, ", ")
}

func quoted(list []string) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = strconv.Quote(s)
	}
	return strings.Join(parts, "|")
}

func describeDetect(d *policy.Detect) string {
	s := "detect " + d.Detector + " at " + d.Level.String() + " or higher"
	if d.Count != (policy.Range{}) {
		s += ", count " + d.Count.String()
	}
	if d.Distinct != (policy.Range{}) {
		s += ", distinct " + d.Distinct.String()
	}
	if d.IgnoreKnownTest {
		s += ", known test values ignored"
	}
	return s
}

func describeSender(s policy.SentBy) string {
	var parts []string
	if s.Users != nil {
		parts = append(parts, "user "+strings.Join(s.Users, "|"))
	}
	if s.Domains != nil {
		parts = append(parts, "domain "+strings.Join(s.Domains, "|"))
	}
	if s.Groups != nil {
		names := make([]string, len(s.Groups))
		for i, g := range s.Groups {
			names[i] = g.Name
		}
		parts = append(parts, "group "+strings.Join(names, "|"))
	}
	if s.Guest != nil {
		parts = append(parts, "guest "+strconv.FormatBool(*s.Guest))
	}
	if s.App != nil {
		parts = append(parts, "app "+strconv.FormatBool(*s.App))
	}
	return strings.Join(parts, " and ")
}
