package detect

import (
	"bytes"
	"strings"
)

// Names of machines inside a company tell an attacker where to go, and programmers
// write names of that form all day: io.netty.internal, docker-compose.local. So a name
// is worth something only beside a word for machines, and more beside a private address.

// privateTops are the last labels of names that no public server knows (RFC 6762,
// ICANN's resolution on .internal, and what companies use), privateLabels those that
// stand inside a public name, as those of an Active Directory do.
var (
	privateTops   = set("local", "internal", "corp", "lan", "intra", "intranet", "private")
	privateLabels = set("corp", "ad", "int", "internal", "intra", "intranet", "local", "lan")
)

// placeholderLabels are labels of names that stand for any.
var placeholderLabels = set("example", "foo", "bar", "baz", "acme", "test", "yourdomain", "mydomain", "domain", "company", "mycompany", "yourcompany", "hostname", "myhost", "yourhost", "localhost")

// sharedNames are the ends of names that are the same on everybody's machine.
var sharedNames = []string{".cluster.local", "svc.local", "docker.internal", "containers.internal", "google.internal", "localhost.local", "minikube.internal", "k3d.internal", "orb.local", "in-addr.local"}

func init() {
	for _, w := range []string{"local", "internal", "corp", "lan", "intra", "private", "ad.", "int."} {
		on(w, true, (*scanner).hostLabel)
	}
}

// hostByte reports whether c is part of a host's name.
func hostByte(c byte) bool { return isAlnum(c) || c == '-' || c == '.' || c == '_' }

// maxHost bounds a name on each side of the label that tells it.
const maxHost = 80

// hostLabel judges the name of a host around the label at start.
func (s *scanner) hostLabel(start, _ int) {
	buf := s.buf
	if start == 0 || buf[start-1] != '.' {
		return
	}
	from, to := start, start
	for from > 0 && start-from < maxHost && hostByte(buf[from-1]) {
		from--
	}
	for to < len(buf) && to-start < maxHost && hostByte(buf[to]) {
		to++
	}
	s.work += to - from
	for to > start && (buf[to-1] == '.' || buf[to-1] == '-' || buf[to-1] == '_') {
		to--
	}
	if from > 0 && wordBefore(buf, from) || to < len(buf) && (wordAt(buf, to) || buf[to] == '(') {
		return
	}
	name := strings.ToLower(string(buf[from:to]))
	labels := strings.Split(name, ".")
	if len(labels) < 2 || labels[0] == "" || !s.tellsHost(name, labels, start-from) {
		return
	}
	s.host(from, to, name, labels)
}

// tellsHost reports whether the label at off is the first one that makes the name that of
// a machine inside a company.
func (s *scanner) tellsHost(name string, labels []string, off int) bool {
	at, last := 0, len(labels)-1
	inner := last >= 3 && topLevel(labels[last])
	for i, l := range labels {
		if l == "" || l[0] == '_' || placeholderLabels[l] {
			return false // _ipps._tcp.local is a service
		}
		if i > 0 && (i == last && privateTops[l] || i < last && (inner || privateTops[labels[last]]) && privateLabels[l]) {
			if at != off {
				return false
			}
			break
		}
		if at += len(l) + 1; i == last {
			return false
		}
	}
	for _, l := range labels {
		if placeholderLabels[l] {
			return false
		}
	}
	for _, n := range sharedNames {
		if strings.HasSuffix("."+name, n) || strings.HasSuffix(name, n) {
			return false
		}
	}
	return true
}

// topLevel reports whether l may be the last label of a public name.
func topLevel(l string) bool {
	switch l {
	case "com", "net", "org", "biz", "info", "cloud", "group", "global", "bank", "gov", "edu", "mil":
		return true
	}
	return len(l) == 2 && isLower(l[0]) && isLower(l[1]) && l != "js" && l != "ts" && l != "go" && l != "py" && l != "cs" && l != "rb"
}

// machine reports whether a label is that of a machine: it has letters and digits.
func machine(label string) bool {
	letters, digits := 0, 0
	for i := range len(label) {
		switch c := label[i]; {
		case isDigit(c):
			digits++
		case isLetter(c):
			letters++
		}
	}
	return letters > 0 && digits > 0
}

// host judges the name buf[from:to].
func (s *scanner) host(from, to int, name string, labels []string) {
	buf, k := s.buf, kinds["internal-hostname"]
	if from > 0 && buf[from-1] == '@' && len(labels) < 3 {
		return // the domain of somebody's address
	}
	c := candidate{kind: k, start: from, end: to, level: k.Alone, value: name, why: "a name inside a company's network"}
	url := from > 2 && string(buf[from-3:from]) == "://" || to+1 < len(buf) && buf[to] == ':' && isDigit(buf[to+1])
	if s.privateBeside(from, to) {
		c.level, c.evidence = k.WithContext, true
		c.why += "; a private address beside it"
	} else if from > 1 && buf[from-1] == '\\' && buf[from-2] == '\\' && (from == 2 || !wordBefore(buf, from-2)) {
		c.level, c.evidence = k.BareContext, true
		c.why += "; the server of a share"
	} else if ev := s.evidence(k.set, k.Within, from, to); ev.found() && ev.full && (machine(labels[0]) || len(labels) > 2 || url) {
		c.level, c.evidence, c.dist = k.BareContext, true, ev.rank()
		c.why += "; " + s.tell(ev)
	} else {
		c.why += "; no keyword nearby, without which it says too little"
	}
	if c.level < s.floor && !s.explain {
		return
	}
	s.add(c)
}

// maxBeside is how far a private address may be from the name of its host.
const maxBeside = 24

// privateBeside reports whether a private IPv4 address stands near buf[from:to], on the
// same line.
func (s *scanner) privateBeside(from, to int) bool {
	lo, hi := max(0, from-maxBeside-len("192.168.100.100")), min(len(s.buf), to+maxBeside+len("192.168.100.100"))
	s.work += hi - lo
	before, after := s.buf[lo:from], s.buf[to:hi]
	if i := bytes.LastIndexByte(before, '\n'); i >= 0 {
		before = before[i+1:]
	}
	if i := bytes.IndexByte(after, '\n'); i >= 0 {
		after = after[:i]
	}
	for _, side := range [][]byte{before, after} {
		for i := 0; i < len(side); i++ {
			if isDigit(side[i]) && (i == 0 || !wordBefore(side, i) && side[i-1] != '.') && privateQuad(side[i:]) > 0 {
				return true
			}
		}
	}
	return false
}

// privateQuad returns how long the private IPv4 address at the start of b is (RFC 1918);
// 0 if there is none.
func privateQuad(b []byte) int {
	var q [4]int
	i := 0
	for g := range q {
		if g > 0 {
			if i >= len(b) || b[i] != '.' {
				return 0
			}
			i++
		}
		n := digitsAt(b, i)
		if n == 0 || n > 3 {
			return 0
		}
		if q[g] = number(b[i : i+n]); q[g] > 255 {
			return 0
		}
		i += n
	}
	if i < len(b) && (isAlnum(b[i]) || b[i] == '.' && i+1 < len(b) && isDigit(b[i+1])) {
		return 0
	}
	if q[0] == 10 || q[0] == 172 && q[1] >= 16 && q[1] < 32 || q[0] == 192 && q[1] == 168 {
		return i
	}
	return 0
}

// joiners are what stands between the name of a host and its private address.
var joiners = set("", "is", "at", "=", "->", "=>", "is at", "ist", "est", "es", "has", "ip", "hat", "auf", "on")

// hostBeside looks for the name of a host beside the private address buf[start:end]:
// print-srv2 is 10.0.8.44. A name without a domain must look like a server's.
func (s *scanner) hostBeside(start, end int) {
	buf := s.buf
	between := func(b []byte) bool {
		return bytes.IndexByte(b, '\n') < 0 && joiners[strings.Trim(strings.ToLower(string(b)), " \t:(),;[]")]
	}
	for i := start; i > 0 && start-i < 12; i-- { // before it
		if c := buf[i-1]; hostByte(c) && i < start && between(buf[i:start]) {
			from := i
			for from > 0 && i-from < maxHost && hostByte(buf[from-1]) {
				from--
			}
			s.work += i - from
			if s.server(from, i) {
				return
			}
		}
	}
	for i := end; i < len(buf) && i-end < 12; i++ { // and behind it
		if i > end && hostByte(buf[i]) && !hostByte(buf[i-1]) && between(buf[end:i]) {
			to := i
			for to < len(buf) && to-i < maxHost && hostByte(buf[to]) {
				to++
			}
			s.work += to - i
			for to > i && buf[to-1] == '.' {
				to--
			}
			if s.server(i, to) {
				return
			}
		}
	}
}

// server judges the name buf[from:to] beside a private address.
func (s *scanner) server(from, to int) bool {
	name := strings.ToLower(string(s.buf[from:to]))
	labels := strings.Split(name, ".")
	if from > 0 && (wordBefore(s.buf, from) || strings.IndexByte("/@=:", s.buf[from-1]) >= 0) || to < len(s.buf) && wordAt(s.buf, to) {
		return false
	}
	digits := 0
	for _, c := range labels[0] {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if !isLetter(name[0]) || !machine(labels[0]) || strings.IndexByte(name, '_') >= 0 || len(labels[0]) > 15 || !(digits > 1 && digits < 4 || digits == 1 && strings.IndexByte(labels[0], '-') > 0) {
		return false
	}
	for i, l := range labels {
		if l == "" || placeholderLabels[l] || i > 0 && !isLetter(l[0]) {
			return false
		}
	}
	k := kinds["internal-hostname"]
	s.add(candidate{kind: k, start: from, end: to, level: k.BareContext, value: name, why: "a private address beside the name of a machine", evidence: true})
	return true
}
