package graphtwin

import (
	"fmt"
	"strings"
)

// PolicyViolation is a message's policyViolation in canonical form: camelCase
// flags, joined by a comma without a space.
type PolicyViolation struct {
	DLPAction         string     `json:"dlpAction"`
	VerdictDetails    string     `json:"verdictDetails"`
	UserAction        string     `json:"userAction"`
	JustificationText *string    `json:"justificationText"`
	PolicyTip         *PolicyTip `json:"policyTip"`
}

// PolicyTip is what the sender is told.
type PolicyTip struct {
	GeneralText                  *string  `json:"generalText"`
	ComplianceURL                *string  `json:"complianceUrl"`
	MatchedConditionDescriptions []string `json:"matchedConditionDescriptions"`
}

// A flagSet is one of Graph's flags enums: its members in the order of their
// values 1, 2, 4; "none" is 0.
// Source: msgraph-metadata, chatMessagePolicyViolation*Types.
type flagSet []string

var (
	dlpActions     = flagSet{"notifySender", "blockAccess", "blockAccessExternal"}
	verdictDetails = flagSet{"allowFalsePositiveOverride", "allowOverrideWithoutJustification", "allowOverrideWithJustification"}
	userActions    = flagSet{"override", "reportFalsePositive"}
)

const (
	notifySender        = 1
	blockAccess         = 2
	blockAccessExternal = 4

	allowFalsePositiveOverride        = 1
	allowOverrideWithoutJustification = 2
	allowOverrideWithJustification    = 4

	userOverride = 1
	userReport   = 2
)

// parse takes any letter case, "a,b" and "a, b".
func (f flagSet) parse(text string) (int, error) {
	value := 0
members:
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if strings.EqualFold(part, "none") {
			continue
		}
		for i, name := range f {
			if strings.EqualFold(part, name) {
				value |= 1 << i
				continue members
			}
		}
		return 0, fmt.Errorf("Requested value '%s' was not found.", part) //nolint:staticcheck,revive // Graph's own text
	}
	return value, nil
}

// format is the wire form: canonical, or PascalCase with ", " if odd.
func (f flagSet) format(value int, odd bool) string {
	var parts []string
	for i, name := range f {
		if value&(1<<i) != 0 {
			parts = append(parts, oddCase(name, odd))
		}
	}
	if len(parts) == 0 {
		return oddCase("none", odd)
	}
	if odd {
		return strings.Join(parts, ", ")
	}
	return strings.Join(parts, ",")
}

// oddCase is name with a capital first letter, if odd.
func oddCase(name string, odd bool) string {
	if !odd || name == "" {
		return name
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// violation is the state behind PolicyViolation.
type violation struct {
	action, details, user int
	justification         *string
	tip                   *PolicyTip
	content               int // the content version it was set on
}

func (v *violation) wire(odd bool) *PolicyViolation {
	if v == nil {
		return nil
	}
	return &PolicyViolation{
		DLPAction:         dlpActions.format(v.action, odd),
		VerdictDetails:    verdictDetails.format(v.details, odd),
		UserAction:        userActions.format(v.user, odd),
		JustificationText: v.justification,
		PolicyTip:         v.tip,
	}
}

// blocks reports whether the flag keeps readers from the text now.
func (v *violation) blocks(flag int) bool {
	return v != nil && v.action&flag != 0 && v.user&userOverride == 0
}
