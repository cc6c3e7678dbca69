package policy

// truth is a value of Kleene's three-valued logic. It is ordered, so that "and"
// is min, "or" is max and "not" is minus.
type truth int8

const (
	no      truth = -1
	unknown truth = 0
	yes     truth = 1
)

func (t truth) not() truth { return -t }

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}
