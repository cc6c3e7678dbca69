package policy

import (
	"regexp"

	"teamsdlp/policy/detect"
)

// HasLiteral reports whether every match of re holds some fixed text, or digits in
// a match of bounded length, so that most messages need not be searched with re.
func HasLiteral(re *regexp.Regexp) bool { return detect.NewPattern(re).Gated() }
