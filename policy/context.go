package policy

import (
	"slices"
	"strings"
	"time"

	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// kindApplication is Sender.Kind of a bot or connector.
const kindApplication = "application"

// anonymousGuest is Graph's userIdentityType of somebody who joined a meeting
// without an account.
const anonymousGuest = "anonymousGuest"

// outsideKind reports whether kind is a value of Graph's userIdentityType that no
// account of the home tenant has. Source: "teamworkUserIdentity resource type".
func outsideKind(kind string) bool {
	switch kind {
	case "federatedUser", anonymousGuest, "personalMicrosoftAccountUser", "skypeUser", "phoneUser", "emailUser":
		return true
	}
	return false
}

// scanner finds sensitive data in a text; *detect.Engine is one.
type scanner interface {
	ScanIn(h *detect.Haystack, t *extract.Text, o detect.Options) []detect.Match
}

// Judging is one message being judged by one set: what its text was already
// searched for is kept from one call of Judge to the next, so that a message which
// waits for its context is still searched only once. It belongs to one goroutine.
type Judging struct {
	asked

	// What is set aside for the next message.
	hay      detect.Haystack
	patterns []patternResult // by Regex.index; empty if none could match
	possible []bool          // whether a pattern could match at all
	rules    []RuleVerdict   // of the verdict; used again
	still    bool            // rules are the set's quiet ones, but for those that are open or scoped
	kept     []int           // by scope: the gate that keeps the message out, as rules say if they are still
}

// asked is the message that is judged, and what is known of it.
type asked struct {
	set *Set
	m   *Message
	c   *Context
	now time.Time

	scanned  bool
	found    []detect.Match // sorted by detector, then place
	keyed    bool
	hits     map[int][]detect.Hit // by Keywords.index, by where they end
	sifted   bool                 // hay is of the text
	tried    bool                 // it is known which patterns could match
	heard    uint8                // 1: nothing was found, 2: something; see silent
	answers  [maxShared]truth     // of gates
	answered uint64               // those that are known
}

// maxShared bounds how many gates are answered once for all rules.
const maxShared = 64

// patternResult is what a pattern found.
type patternResult struct {
	at   [][]int
	done bool
}

// maxPlaces bounds how many places of a keyword or pattern are kept; the count
// in a verdict ends there too.
const maxPlaces = 100

// maxMatches bounds how many matches a rule's verdict keeps, so that a message that
// is nothing but matches cannot fill the memory once for every rule. Reasons and
// conditions count them all.
const maxMatches = 1000

// haystack returns the text as what all searches share of it.
func (j *Judging) haystack() *detect.Haystack {
	if !j.sifted {
		j.sifted = true
		j.hay.Sift(j.m.Text.Bytes(), j.set.sieve)
	}
	return &j.hay
}

// matchesAll returns what the detectors found.
func (j *Judging) matchesAll() []detect.Match {
	if !j.scanned {
		j.scanned = true
		if j.m.Text != nil && j.set.scanner != nil {
			o := j.set.options
			o.Now = j.now
			j.found = j.set.scanner.ScanIn(j.haystack(), j.m.Text, o)
			if len(j.found) > 1 {
				slices.SortStableFunc(j.found, func(a, b detect.Match) int { return strings.Compare(a.Detector, b.Detector) })
			}
		}
	}
	return j.found
}

// matchesOf returns the matches of one detector.
func (j *Judging) matchesOf(detector string) []detect.Match {
	if len(j.matchesAll()) == 0 {
		return nil
	}
	from, ok := slices.BinarySearchFunc(j.found, detector, func(m detect.Match, id string) int { return strings.Compare(m.Detector, id) })
	if !ok {
		return nil
	}
	to := from + 1
	for to < len(j.found) && j.found[to].Detector == detector {
		to++
	}
	return j.found[from:to]
}

// search looks for every term of the set at once.
func (j *Judging) search() {
	if j.keyed {
		return
	}
	j.keyed = true
	if j.m.Text == nil || j.set.keywords == nil {
		return
	}
	for _, h := range j.set.keywords.FindIn(j.haystack()) {
		if j.hits == nil {
			j.hits = map[int][]detect.Hit{}
		}
		for _, list := range j.set.terms[h.Term].lists {
			if at := j.hits[list]; len(at) < maxPlaces {
				j.hits[list] = append(at, h)
			}
		}
	}
}

func (j *Judging) occurs(k *Keywords) bool { return len(j.hitsOf(k)) > 0 }

// hitsOf returns where the terms of k occur.
func (j *Judging) hitsOf(k *Keywords) []detect.Hit {
	j.search()
	return j.hits[k.index]
}

// anyHits reports whether a term of any rule occurs.
func (j *Judging) anyHits() bool {
	j.search()
	return len(j.hits) > 0
}

// anyPattern reports whether a pattern of any rule matches.
func (j *Judging) anyPattern() bool {
	if !j.couldMatch() {
		return false
	}
	for i := range j.set.patterns {
		if len(j.placesAt(i)) > 0 {
			return true
		}
	}
	return false
}

func (j *Judging) regexMatches(r *Regex) bool { return len(j.placesOf(r)) > 0 }

// placesOf returns where r matches.
func (j *Judging) placesOf(r *Regex) [][]int { return j.placesAt(r.index) }

// couldMatch reports whether a pattern of any rule could match the text at all.
func (j *Judging) couldMatch() bool {
	if !j.tried && j.m.Text != nil {
		j.tried = true
		var some bool
		if j.possible, some = j.set.needles.Find(j.haystack(), j.possible); some {
			j.patterns = append(j.patterns, j.set.unsearched...)
		}
	}
	return len(j.patterns) > 0
}

func (j *Judging) placesAt(index int) [][]int {
	if !j.couldMatch() {
		return nil
	}
	got := &j.patterns[index]
	if !got.done && j.possible[index] {
		got.at, got.done = j.set.patterns[index].Find(&j.hay, maxPlaces), true
	}
	return got.at
}

func (j *Judging) isApp() bool { return j.m.Sender.Kind == kindApplication }

// senderIsOutsider reports whether what is known already proves that the sender
// is no account of the home tenant, or a guest in it.
func (j *Judging) senderIsOutsider() bool {
	s := j.m.Sender
	return outsideKind(s.Kind) ||
		s.TenantID != "" && j.m.TenantID != "" && !strings.EqualFold(s.TenantID, j.m.TenantID) ||
		j.c.Person != nil && j.c.Person.Guest
}

// outsider reports whether a member is no account of the home tenant, or a guest
// in it.
func (j *Judging) outsider(m Member) bool {
	return m.External || m.Guest || m.TenantID != "" && j.m.TenantID != "" && !strings.EqualFold(m.TenantID, j.m.TenantID)
}

// inDomains compares the sender's domain. An application or an anonymous person
// has none; one of another tenant is looked for among the conversation's members,
// because Graph tells a tenant nothing else of another's users.
func (j *Judging) inDomains(domains []string) truth {
	domain := ""
	switch s := j.m.Sender; {
	case j.isApp() || s.ID == "" || s.Kind == anonymousGuest || s.Kind == "phoneUser":
		return no
	case j.c.Person != nil && j.c.Person.Domain != "":
		domain = j.c.Person.Domain
	case j.c.Conversation != nil:
		at := slices.IndexFunc(j.c.Conversation.Members, func(m Member) bool { return m.ID == s.ID })
		if at >= 0 {
			domain = j.c.Conversation.Members[at].Domain
		}
	}
	if domain == "" {
		return unknown
	}
	return truthOf(slices.Contains(domains, strings.ToLower(domain)))
}

// inGroups: only accounts of the home tenant are in its groups.
func (j *Judging) inGroups(groups []Group) truth {
	if s := j.m.Sender; j.isApp() || s.ID == "" || outsideKind(s.Kind) {
		return no
	}
	t := no
	for _, g := range groups {
		member, known := j.c.Groups[g.ObjectID]
		if !known {
			t = max(t, unknown)
		} else {
			t = max(t, truthOf(member))
		}
	}
	return t
}

// isGuest: an anonymous guest is one; an application or a person of another
// tenant is not; of an account only Graph can tell.
func (j *Judging) isGuest() truth {
	switch s := j.m.Sender; {
	case s.Kind == anonymousGuest:
		return yes
	case j.isApp(), s.ID == "", outsideKind(s.Kind):
		return no
	case j.c.Person != nil:
		return truthOf(j.c.Person.Guest)
	case j.c.Conversation != nil:
		at := slices.IndexFunc(j.c.Conversation.Members, func(m Member) bool { return m.ID == s.ID })
		if at >= 0 {
			return truthOf(j.c.Conversation.Members[at].Guest)
		}
	}
	return unknown
}

// gaps is context that a result hangs on.
type gaps struct {
	need    Need
	assumed []string // the same, for a reader
}

func (g *gaps) name(what string) {
	if !slices.Contains(g.assumed, what) {
		g.assumed = append(g.assumed, what)
	}
}

// gather adds what leaves c unknown. It is only asked where c is unknown.
func (j *Judging) gather(c Condition, g *gaps) {
	switch c := c.(type) {
	case All, Any:
		for _, p := range parts(c) {
			if p.eval(j, unknown) == unknown {
				j.gather(p, g)
			}
		}
	case Not:
		j.gather(c.Condition, g)
	case Audience:
		g.need.Conversation = true
		g.name("members of the conversation")
	case InConversation:
		g.need.Conversation = true
		g.name("kind of conversation")
	case SentBy:
		j.gatherSender(c, g)
	}
}

func (j *Judging) gatherSender(s SentBy, g *gaps) {
	a := s.answers(j)
	if a[senderDomains] == unknown {
		g.name("domain of the sender")
		// Graph tells nothing of another tenant's users but who is a member.
		if outsideKind(j.m.Sender.Kind) {
			g.need.Conversation = true
		} else {
			g.need.Person = true
		}
	}
	if a[senderGuest] == unknown {
		g.need.Person = true
		g.name("whether the sender is a guest")
	}
	if a[senderGroups] != unknown {
		return
	}
	for _, group := range s.Groups {
		if _, known := j.c.Groups[group.ObjectID]; known {
			continue
		}
		g.name("whether the sender is in group " + group.Name)
		if !slices.Contains(g.need.Groups, group.ObjectID) {
			g.need.Groups = append(g.need.Groups, group.ObjectID)
		}
	}
}
