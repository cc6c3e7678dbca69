package detect

import (
	"bytes"
	"cmp"
	"strings"
	"unicode/utf8"
)

// verbs are what joins a value to its word in a sentence.
var verbs = []string{"is", "ist", "lautet", "est", "c'est", "es", "e'", "è", "é", "jest", "to", "är", "on", "er", "este", "este:", "je", "was", "war", "were", "\u2013", "\u2014", "-", "->", "\u2192", "\u27a1", "は", "是", "为", "為", "는", "은"}

// finnic are the verbs that are something else in other languages, and the words
// they belong to.
var finnic = map[string][]string{"on": {"salasana"}, "je": {"heslo", "geslo", "lozinka"}, "er": {"adgangskode", "passord", "kodeord"}, "to": {"hasło", "haslo"}, "es": {"contraseña", "contrasena", "clave"}}

// links are what may stand between a word and its verb or colon: "the password
// for the build server is …".
var links = []string{" for ", " of ", " to ", " für ", " zum ", " zu ", " von ", " vom ", " pour ", " de ", " du ", " para ", " del ", " voor ", " van ", " do ", " till ", " per ", " dla ", " pro ", " na ", " til ", " för ", " pentru ", " untuk ", " за ", " от ", " для ", " до ", " к "}

// common are words that follow "password:" and are none.
var common = set("required", "reset", "wrong", "incorrect", "expired", "invalid", "missing", "protected", "manager", "policy", "below", "above", "here", "none", "null", "nil",
	"true", "false", "empty", "unknown", "string", "hidden", "secret", "password", "pass", "passwd", "pwd", "pw", "the", "and", "not", "see", "ask", "same", "todo", "tbd", "n/a",
	"yes", "no", "please", "must", "should", "will", "has", "was", "for", "with", "optional", "value", "undefined", "default", "stored", "saved", "sent", "changed", "set", "user", "username",
	"mypassword", "yourpassword", "userpassword", "dbpassword", "test", "demo", "admin", "root", "guest", "hunter", "token", "apikey", "key", "changeit", "passwort", "kennwort", "erforderlich", "falsch", "abgelaufen",
	"likewise", "ditto", "added", "removed", "return", "simplify", "new", "top secret", "my secret", "enabled", "disabled", "auto", "prompt", "stdin", "file", "env", "text", "varchar", "redacted", "masked",
	"ok", "bool", "boolean", "int", "integer", "bytes", "object", "array", "any", "self", "this", "super secret", "supersecret", "passphrase", "pa55word", "mot de passe", "wachtwoord", "contraseña", "obligatoire",
	"requis", "obligatoria", "incorrecta", "verplicht", "onjuist", "required.", "number", "unset", "secretkeyref", "valuefrom", "char", "numeric", "field", "input", "type", "label", "name", "email", "login", "credentials", "pass:pass", "pass123?",
	"bắt", "bắt buộc", "derrigorrezkoa", "detyrueshme", "diperlukan", "expirada", "expirata", "gerekli", "geçersiz", "greșită", "gresita", "hatalı", "hibás", "inahitajika", "kedaluwarsa", "kohustuslik", "kötelező", "lejárt", "majburiy",
	"nepareiza", "nepareizs", "neplatné", "nesprávné", "neteisingas", "nieprawidłowe", "obavezna", "obavezno", "obbligatoria", "obligatorie", "obligatorio", "obrigatorio", "obrigatório", "obrigatória", "okerra", "pakollinen", "pogrešna", "povinné", "privalomas",
	"påkrevd", "påkrævet", "scaduta", "vereist", "verkeerd", "verlopen", "väärä", "wajib", "wpa2-psk", "wpa2-psk/aes", "wpa3-sae", "wymagane", "yanlış", "zorunlu")

// assigned looks for a value that is given to the word buf[start:end]: after ':',
// '=', "is" and the like. password tells a password from a key or token, whose
// value must look random.
func (s *scanner) assigned(start, end int, word string, password bool) {
	buf := s.buf
	if start > 0 && wordBefore(buf, start) && !newPart(buf, start) && buf[start] < utf8.RuneSelf && !(buf[start-1] >= utf8.RuneSelf && !latinBefore(buf[:start])) {
		return
	}
	i, longer := nameEnd(buf, end)
	if i < 0 {
		return
	}
	named := i
	for i < len(buf) && i-named < 3 && strings.IndexByte("\"'`]\\*", buf[i]) >= 0 {
		i++
	}
	how := s.joined(start, i, word, password)
	if how.at < 0 || longer && how.how != given && how.how != passed && how.how != inTag {
		return
	}
	most := maxKeyValue
	if password {
		most = maxPassword
	}
	from, to, quoted := value(buf, how.at, most)
	if how.how == inTag {
		if j := bytes.IndexByte(buf[from:to], '<'); j >= 0 {
			to = from + j
		}
	}
	if i := bytes.IndexByte(buf[from:to], '&'); i > 0 && !quoted && inQuery(buf, start) {
		to = from + i
	}
	s.work += to - start
	v := string(buf[from:to])
	id := "secret-generic"
	if password {
		id = "password-assignment"
	}
	k := kinds[id]
	switch {
	case len(v) < 4 || len(v) >= most || strings.IndexByte(v, '\f') >= 0:
		return
	case placeholder(v) || common[strings.ToLower(v)] || repeated(v) || strings.Trim(v, "*•.-_?!#xX") == "" || bracketed(v) || reference(v):
		s.reject(k.ID, from, to, "placeholder")
		return
	case !password && !quoted && bytes.HasPrefix(buf[to:], []byte("...")):
		s.reject(k.ID, from, to, "a value that is cut off")
		return
	case expression(v, quoted, password):
		s.reject(k.ID, from, to, "an expression, not a value")
		return
	case start > 0 && buf[start-1] == '$' && !quoted, strings.EqualFold(word, "pwd") && (v[0] == '/' || v[0] == '~'), !password && (v[0] == '/' || v[0] == '.' || v[0] == '~'):
		s.reject(k.ID, from, to, "a path")
		return
	case strings.Contains(v, "://"), strings.Contains(v, "%20"):
		s.reject(k.ID, from, to, "a URL")
		return
	case inQuery(buf, start) && invites(s.buf[s.lineStart(start, 160):start]):
		s.reject(k.ID, from, to, "part of a link to a meeting")
		return
	}
	if !password {
		if digits, upper, lower := mix(v); (how.how == adjacent || how.how == below || how.how == linked || how.how == described) && (len(v) < 20 || digits < 3 || upper+lower < 3 || digits+upper+lower < len(v)-2 && !isGUID([]byte(v)) || word == "key" && hexadecimal(v) && how.how != linked) {
			return // a fingerprint, or words
		}
		s.key(k, start, from, to, v, word)
		return
	}
	level, why := s.password(start, to, v, word, how.how, quoted)
	if longer && level < k.Printed {
		why = cmp.Or(why, "a word of the sentence")
	}
	if why != "" {
		s.reject(k.ID, from, to, why)
		return
	}
	c := candidate{kind: k, start: from, end: to, level: level, value: v, why: `"` + word + `" is given a value`}
	if how.how == given && s.connection(start, to) {
		c.kind, c.level, c.why = kinds["secret-connection-string"], High, "the password of a connection string"
	}
	s.add(c)
}

// newPart reports whether a part of a name starts at buf[start:], as "Token" does in
// apiToken and in APIToken.
func newPart(buf []byte, start int) bool {
	return isUpper(buf[start]) && (isLower(buf[start-1]) || isUpper(buf[start-1]) && start+1 < len(buf) && isLower(buf[start+1]))
}

// harmlessEnds are what a name ends with that has a word for a secret in it and is
// that of something else: token_url, secretName.
var harmlessEnds = set("id", "ids", "name", "names", "path", "file", "filename", "dir", "url", "uri", "link", "endpoint", "host", "type", "kind", "class", "length", "len", "size", "count", "number", "hash", "hashed", "digest",
	"fingerprint", "thumbprint", "checksum", "version", "field", "label", "title", "text", "hint", "placeholder", "arn", "ref", "provider", "policy", "rule", "rules", "expiry", "expires", "expiration", "ttl", "age", "limit", "alias", "index",
	"algorithm", "alg", "format", "vault", "store", "manager", "generator", "encoder", "validator", "handler", "service", "factory", "issuer", "audience", "scope", "scopes", "usage", "used", "budget", "bucket", "input", "output", "form",
	"box", "button", "reset", "change", "changed", "updated", "created", "at", "date", "time", "enabled", "required", "valid", "error", "errors", "message", "status", "state", "prefix", "suffix", "pair", "ring", "code", "board", "word", "words",
	"map", "set", "list", "column", "table", "attribute", "param", "header", "cookie", "salt", "iterations", "rounds", "strength", "env", "var", "variable", "template", "example", "option", "options", "config", "settings", "source", "public")

// nameEnd returns where the name ends that goes on behind the word that ends at end, as
// in SECRET_KEY_BASE and dbPassword2, and whether it does go on; -1 if it is another
// word, or the name of what is no secret.
func nameEnd(buf []byte, end int) (i int, longer bool) {
	i = end
	if i == len(buf) || !isAlnum(buf[i]) && buf[i] != '_' && buf[i] != '-' {
		return i, false
	}
	for i < len(buf) && i-end < 24 && (isAlnum(buf[i]) || buf[i] == '_' || buf[i] == '-' && i+1 < len(buf) && isAlnum(buf[i+1])) {
		i++
	}
	more := buf[end:i]
	switch {
	case len(more) == 0, len(more) == 1 && more[0] == '_':
		return end, false
	case len(more) >= 24, isLower(more[0]), isUpper(more[0]) && !isLower(buf[end-1]), !isASCII(buf[end-1]):
		return -1, false // a longer word
	}
	last := len(more)
	for last > 0 && isDigit(more[last-1]) {
		last--
	}
	from := last
	for from > 0 && isLower(more[from-1]) {
		from--
	}
	if lower := from < last; from > 0 && isUpper(more[from-1]) {
		from--
		for !lower && from > 0 && isUpper(more[from-1]) {
			from--
		}
	}
	if harmlessEnds[strings.ToLower(string(more[from:last]))] {
		return -1, false
	}
	return i, true
}

// reference reports whether v only says where the value is.
func reference(v string) bool {
	bare := strings.Trim(v, "\"'`")
	return bare == "" || bare[0] == '$' && len(bare) > 1 && (isUpper(bare[1]) || bare[1] == '{' || bare[1] == '(') && bare != v || strings.Contains(v, "#{") || strings.HasPrefix(v, "arn:") || strings.HasPrefix(v, "see ") ||
		strings.HasPrefix(v, ",") || strings.HasPrefix(v, ".$") || strings.HasSuffix(v, "...") || strings.HasSuffix(v, "\u2026") || strings.HasPrefix(v, "pk_live_") || strings.HasPrefix(v, "pk_test_") || strings.HasPrefix(v, "ssh-") || strings.HasPrefix(v, "ecdsa-") ||
		strings.HasPrefix(v, "\uffe5") || resource(v)
}

// resource reports whether v is how a cloud names what it has made: subnet-0abc1234def567890.
func resource(v string) bool {
	kind, id, ok := strings.Cut(v, "-")
	return ok && (len(id) == 8 || len(id) == 17) && len(kind) <= len("subnet") && strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") == "" && strings.Trim(id, "0123456789abcdef") == ""
}

// invites reports whether before, the start of a line, ends with the start of a link that
// lets whoever has it into a meeting, its passcode included: zoom.us/j/84512345678?pwd=.
func invites(before []byte) bool {
	link := before[bytes.LastIndexAny(before, " \"'<>()")+1:]
	return bytes.Contains(link, []byte("zoom.us/")) || bytes.Contains(link, []byte("zoomgov.com/")) || bytes.Contains(link, []byte("webex.com/"))
}

// inQuery reports whether the name that ends with the word at start is one of a
// URL's parameters.
func inQuery(buf []byte, start int) bool {
	for n := 0; start > 0 && n < 32 && (isAlnum(buf[start-1]) || buf[start-1] == '_' || buf[start-1] == '-'); n++ {
		start--
	}
	return start > 0 && (buf[start-1] == '?' || buf[start-1] == '&')
}

// password judges the value of a word for a password, which starts at start. why
// says what it is instead.
func (s *scanner) password(start, to int, v, word string, how manner, quoted bool) (level Level, why string) {
	k := kinds["password-assignment"]
	digits, upper, lower := mix(v)
	signs := len(v) - digits - upper - lower
	classes := 0
	for _, n := range []int{digits, upper, lower, signs} {
		if n > 0 {
			classes++
		}
	}
	sentence := how == said || how == linked
	// A value that a person or a program has made to be a password.
	made := digits > 0 && upper+lower > 0 && len(v) >= 8 && (strings.ContainsAny(v, "!#$%&*?@+^~") && isAlnum(v[0]) || len(v) >= 10 && random(v))
	strong := classes >= 3 && len(v) >= 6 || classes >= 2 && len(v) >= 8 && (digits > 0 || signs > 1)
	level = k.Alone
	if strong {
		level = k.Printed
	}
	switch {
	case upper+lower > 0 && strings.Contains(strings.ToLower(v), "password") && (digits == 0 || digits < 3 && wordy(v) && (lower == 0 && strings.Contains(v, "_") || upper == 0 && strings.Contains(v, "."))), v[0] == '/' && strings.Count(v, "/") > 1:
		return 0, "a name of a password, or the path of one"
	case (how == adjacent || how == described || how == below || how == passed && !s.setting(start)) && (!made || word == "pass" || strings.ContainsAny(v, "()<>[]{}=:/")):
		return 0, "a word of the sentence"
	case how == flagged && v[0] == '-':
		return 0, "another flag"
	case how != given && how != inTag && how != passed && (!strong && !quoted || digits == 0 && signs == 0),
		sentence && digits == 0 && !quoted, how == linked && (digits == 0 || upper+lower == 0):
		return 0, "a word of the sentence"
	case upper+lower == 0 && (signs > 0 || len(v) < 6) && !quoted:
		return 0, "a number"
	case digits == 0 && !quoted && joinedWords(v):
		return 0, "words"
	case strings.Contains(v, " ") && (digits == 0 || strings.Count(v, " ") > 3) && word != "passphrase":
		return 0, "a sentence"
	case strings.Contains(v, " ") && (classes < 3 || how == passed):
		return 0, "a sentence"
	case word == "pass" && (digits == 0 || upper+lower == 0 || !strong || strings.Contains(v, "/") || to < len(s.buf) && s.buf[to] == ':'):
		return 0, "a word of the sentence"
	case how == said && dashed(s.buf, to-len(v)) && (word == "pass" || word == "parole" || ticket(v)):
		return 0, "a note, not a password"
	case digits == 0 && signs == 0:
		// A word. It is one only if nothing else stands on the line, and the name
		// is no function's that a change log speaks of.
		if !quoted && (!lineEnds(s.buf, to) || upper == 1 && lower == len(v)-1 || start > 0 && s.buf[start-1] == '_' && !s.equals(start, to) || len(v) < 5) {
			return 0, "a word of the sentence"
		}
	}
	return level, ""
}

// dashed reports whether a dash stands before the value that starts at from.
func dashed(buf []byte, from int) bool {
	before := bytes.TrimRight(buf[:from], " ")
	return bytes.HasSuffix(before, []byte("-")) || bytes.HasSuffix(before, []byte("\u2013")) || bytes.HasSuffix(before, []byte("\u2014"))
}

// ticket reports whether v is that of a help desk: INC0012345.
func ticket(v string) bool {
	id := strings.TrimLeft(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	return len(id) >= 5 && len(v)-len(id) >= 2 && allDigits([]byte(id))
}

// setting reports whether the name that ends with the word at start is the first
// argument of what sets or defines something.
func (s *scanner) setting(start int) bool {
	before := bytes.ToLower(s.buf[s.lineStart(start, 64):start])
	s.work += len(before)
	i := bytes.LastIndexByte(before, '(')
	if i < 0 {
		return false
	}
	for _, w := range []string{"define", "set", "put", "setproperty", "setenv", "putenv", "add", "setitem", "withenv"} {
		if bytes.HasSuffix(bytes.TrimRight(before[:i], " "), []byte(w)) {
			return true
		}
	}
	return false
}

// equals reports whether '=' stands between start and to.
func (s *scanner) equals(start, to int) bool {
	return bytes.IndexByte(s.buf[start:to], '=') >= 0
}

// key judges the value of a word for a key or token.
func (s *scanner) key(k *kind, start, from, to int, v, word string) {
	if sv := s.serviced(start, from, v); sv != nil {
		s.add(candidate{kind: sv.kind, start: from, end: to, level: sv.kind.Alone, value: v, why: "given to the name of the service, and of its form"})
		return
	}
	if !random(v) || (word == "ACCESS" || word == "PRIVATE") && isGUID([]byte(v)) {
		s.reject(k.ID, from, to, "randomness")
		return
	}
	if named(s.buf[s.lineStart(start, 64):from], v) {
		s.reject(k.ID, from, to, "a name of its own")
		return
	}
	s.add(candidate{kind: k, start: from, end: to, level: k.Alone, value: v, why: `"` + word + `" is given a random value`})
}

// named reports whether the name before a value says the same as the value, or as
// its last part: KEY_MESHING = "id-key-meshing", SealKeys2 = x25519.SealKeys2.
func named(before []byte, v string) bool {
	plain := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf || !isAlnum(byte(r)) {
				return -1
			}
			return r
		}, strings.ToLower(s))
	}
	if parts := strings.ContainsAny(v, "._-"); !parts {
		return false
	}
	last := plain(v[strings.LastIndexByte(v, '.')+1:])
	return len(last) >= 8 && strings.Contains(plain(string(before)), last)
}

// harmless are names that end with key or token and are no secret.
var harmless = []string{"public", "publishable", "primary", "foreign", "cache", "sort", "partition", "hash", "index", "object", "row", "idempotency", "registry", "host", "known", "websocket", "trace", "dedup",
	"translation", "i18n", "next", "page", "continuation", "sync", "cursor", "etag", "csrf", "xsrf", "authenticity", "composite", "unique", "group", "routing", "map", "dictionary", "json", "config", "storage_path", "s3_object", "blob", "encrypted", "sig"}

// keyed looks for a value that is given to a name that ends with "key":
// "ALGOLIA_KEY=…". The word alone is everyday.
func (s *scanner) keyed(start, end int) {
	buf := s.buf
	if start == 0 || !(buf[start-1] == '_' || buf[start-1] == '.' || buf[start-1] == '-' || newPart(buf, start) || buf[start-1] == ' ') {
		return
	}
	name := strings.ToLower(string(buf[s.lineStart(start, 32):start]))
	if i := strings.LastIndexAny(name, " \"'`,;:(){}[]<>/="); i >= 0 && buf[start-1] != ' ' {
		name = name[i+1:]
	}
	s.work += len(name)
	if isHarmless(name) {
		return
	}
	for _, w := range []string{"wifi ", "wi-fi ", "wlan ", "wpa ", "wpa2 ", "hotspot "} {
		if strings.HasSuffix(name, w) {
			s.assigned(start, end, "key", true)
			return
		}
	}
	if buf[start-1] == ' ' {
		known := false
		for _, sv := range services {
			for _, w := range sv.words {
				known = known || strings.Contains(name, w)
			}
		}
		for _, w := range []string{"api ", "access ", "secret ", "service ", "license ", "account ", "signing ", "encryption ", "master ", "unseal "} {
			known = known || strings.HasSuffix(name, w)
		}
		if !known && !s.longKey(end) {
			return
		}
	}
	s.assigned(start, end, "key", false)
}

// longKey reports whether what is given to the word that ends at end is so long and
// random that any name before "key" will do.
func (s *scanner) longKey(end int) bool {
	i := skipQuote(s.buf, end)
	if i >= len(s.buf) || s.buf[i] != '=' && s.buf[i] != ':' && s.buf[i] != ' ' {
		return false
	}
	for n := 0; i < len(s.buf) && n < 4 && strings.IndexByte(" =:", s.buf[i]) >= 0; n++ {
		i++
	}
	from, to, _ := value(s.buf, i, maxPassword)
	s.work += to - end
	v := string(s.buf[from:to])
	digits, upper, lower := mix(v)
	signs := len(v) - digits - upper - lower - strings.Count(v, "+") - strings.Count(v, "/") - strings.Count(v, "=")
	return len(v) >= 20 && digits >= 3 && upper+lower >= 6 && (digits+upper+lower == len(v) || len(v) >= 40 && signs == 0) && random(v)
}

// isHarmless reports whether a name ends with what makes it no secret.
func isHarmless(name string) bool {
	name = strings.TrimRight(name, "_- ")
	for _, h := range harmless {
		if strings.HasSuffix(name, h) {
			return true
		}
	}
	return false
}

// tokenNamed is assigned for "token" and "secret", whose names may be harmless.
func (s *scanner) tokenNamed(start, end int, word string) {
	name := strings.ToLower(string(s.buf[s.lineStart(start, 24):start]))
	s.work += len(name)
	if i := strings.LastIndexAny(name, " \"'`,;:(){}[]<>/=?&"); i >= 0 {
		name = name[i+1:]
	}
	if isHarmless(name) {
		return
	}
	s.assigned(start, end, word, false)
}

// random reports whether v looks like a key: a GUID, hexadecimal digits, or letters
// and digits that no words are made of.
func random(v string) bool {
	digits, upper, lower := mix(v)
	letters, e := upper+lower, entropy(v)
	switch {
	case len(v) == 36 && isGUID([]byte(v)):
		return e >= 2.8
	case len(v) >= 24 && hexadecimal(v):
		return digits >= 2 && letters >= 2 && e >= 2.8
	case wordy(v), strings.Count(v, ":") > 3, strings.Contains(v, ","):
		return false
	case len(v) >= 16:
		return (digits >= 2 && letters >= 2 || digits == 1 && upper >= 3 && lower >= 3) && e >= 3.3
	case len(v) >= 12:
		return digits >= 2 && upper >= 2 && lower >= 2 && e >= 3.2
	}
	return false
}

// hexadecimal reports whether v is nothing but hexadecimal digits.
func hexadecimal(v string) bool {
	for i := range len(v) {
		if !isHex(v[i]) {
			return false
		}
	}
	return true
}

// joinedWords reports whether v is words, parted by signs that words are parted
// by.
func joinedWords(v string) bool {
	n := 0
	for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return strings.ContainsRune("_-/.:@|+,", r) }) {
		for i := range len(part) {
			if !isLetter(part[i]) {
				return false
			}
		}
		n++
	}
	return n >= 2 || strings.ContainsAny(v, "_/:")
}

// wordy reports whether v is put together of words and small numbers.
func wordy(v string) bool {
	parts, plain := 0, 0
	for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return strings.ContainsRune("_-/.:@ ", r) }) {
		parts++
		digits, upper, lower := mix(part)
		switch {
		case digits+upper+lower < len(part):
		case camel(part), digits == 0 && (upper <= 1 || lower == 0) && len(part) <= 14, digits == len(part) && digits <= 4, digits <= 2 && (upper <= 1 || lower == 0) && digits+upper+lower <= 10 && trailing(part, digits):
			plain++
		}
	}
	if parts > 1 {
		return plain == parts
	}
	digits, changes, runs, humps := 0, 0, 0, true // humps: no letter stands alone, as in camelCase
	for i := range len(v) {
		if isDigit(v[i]) {
			digits++
			if i == 0 || !isDigit(v[i-1]) {
				runs++
			}
		}
		humps = humps && !(isLower(v[i]) && (i == 0 || !isLower(v[i-1])) && (i+1 == len(v) || !isLower(v[i+1])))
		if i > 0 && (isUpper(v[i]) && isLower(v[i-1]) || isUpper(v[i-1]) && isLower(v[i])) {
			changes++
		}
	}
	return digits <= 2 && (changes <= len(v)/5 || humps) || runs == 1 && camel(v)
}

// camel reports whether v is a name of a program: words of small letters that start with
// capitals, and at most one number, as in X509KeyUsage.
func camel(v string) bool {
	digits, upper, lower := mix(v)
	if digits+upper+lower < len(v) || digits > 5 || lower < 5 && (upper > 0 || len(v) > 8) || !isLetter(v[0]) {
		return false
	}
	runs, lone := 0, 0 // lone: small letters that stand alone
	for i := range len(v) {
		switch {
		case isDigit(v[i]):
			if i == 0 || !isDigit(v[i-1]) {
				runs++
			}
		case isLower(v[i]) && (i == 0 || !isLower(v[i-1])) && (i+1 == len(v) || !isLower(v[i+1])):
			lone++
		}
	}
	return runs <= 1 && lone <= 1 && 3*upper <= 2*lower
}

// trailing reports whether the n digits of part are its last characters, as in
// "prod2".
func trailing(part string, n int) bool {
	d, _, _ := mix(part[len(part)-n:])
	return d == n
}

// bracketed reports whether v is in brackets that say it is to be replaced.
func bracketed(v string) bool {
	switch v[0] {
	case '[', '(', '{':
		return strings.IndexByte("])}", v[len(v)-1]) >= 0 || strings.Trim(v[1:], "abcdefghijklmnopqrstuvwxyz") == ""
	case '@':
		return v[len(v)-1] == '@'
	case '_':
		return strings.HasPrefix(v, "__") && strings.HasSuffix(v, "__") // __DbPassword1__
	}
	return false
}

// expression reports whether v is code that yields the value.
func expression(v string, quoted, password bool) bool {
	if quoted {
		return false
	}
	if i := strings.IndexByte(v, '('); i >= 3 && v[len(v)-1] == ')' && strings.Trim(strings.ToLower(v[:i]), "abcdefghijklmnopqrstuvwxyz_.") == "" {
		return true
	}
	if strings.HasSuffix(v, "()") || strings.HasSuffix(v, "(") || strings.HasSuffix(v, "[") || strings.HasPrefix(v, "--") || strings.HasPrefix(v, "&") {
		return true
	}
	if !password {
		return strings.ContainsAny(v, "()[]{}<>*")
	}
	if strings.HasPrefix(v, "[]") || v[0] == '+' {
		return true // a composite literal, a concatenation
	}
	// name(argument, name[0], name.method
	i := strings.IndexAny(v, "([{")
	return i > 0 && strings.Trim(strings.ToLower(v[:i]), "abcdefghijklmnopqrstuvwxyz_.") == "" && strings.ContainsAny(v[:i], "_.") || i > 2 && v[i] == '(' && !strings.ContainsAny(v, "0123456789!?&%$")
}

// connection reports whether the password at start is one of several settings that
// make a connection string.
func (s *scanner) connection(start, to int) bool {
	line := bytes.ToLower(s.buf[s.lineStart(start, 200):min(len(s.buf), to+100)])
	s.work += len(line)
	hits := 0
	for _, w := range []string{"server=", "data source=", "host=", "uid=", "user id=", "userid=", "user=", "username=", "database=", "dbname=", "initial catalog=", "addr="} {
		if bytes.Contains(line, []byte(w)) {
			hits++
		}
	}
	return hits >= 2
}

// A manner is how a value is given to its word.
type manner uint8

const (
	given     manner = iota // by a colon or an equals sign
	said                    // by a verb
	linked                  // by a verb or a colon some words later
	flagged                 // after a flag of a command
	passed                  // as an argument
	inTag                   // between two tags
	adjacent                // by nothing but a blank
	below                   // by a colon, on the next line
	described               // by a verb or a colon one word later: "new", "temporaire"
)

// A joint is where the value starts, -1 if there is none.
type joint struct {
	at  int
	how manner
}

// joined returns where the value of the word, which ends at i, starts.
func (s *scanner) joined(start, i int, word string, password bool) joint {
	buf := s.buf
	after := i
	if password && (bytes.HasPrefix(buf[i:], []byte("'s ")) || bytes.HasPrefix(buf[i:], []byte("s ")) && i > 0 && buf[i-1] == '\'') {
		j := bytes.IndexByte(buf[i:], ' ')
		return joint{blanks(buf, i+j), said} // the password's …
	}
	i = blanks(buf, i)
	if i < len(buf) && buf[i] == '(' && i > after {
		// "password (prod): …"
		if j := bytes.IndexByte(buf[i:min(len(buf), i+32)], ')'); j > 0 && bytes.IndexByte(buf[i:i+j], '\n') < 0 {
			after, i = i+j+1, blanks(buf, i+j+1)
		}
	}
	if i >= len(buf) {
		return joint{at: -1}
	}
	if j := typed(buf, i); j >= 0 {
		return joint{j, given}
	}
	if j := paired(buf, after); j >= 0 {
		return joint{j, given}
	}
	switch c := buf[i]; {
	case c == '|' && i+1 < len(buf) && buf[i+1] == ' ' && s.cell(start, i):
		return joint{blanks(buf, i+1), passed} // a cell of a table
	case operator(buf, i) > 0:
		i = operator(buf, i)
	case c == '=' || c == ':':
		if i > after && c == ':' && i-after > 1 {
			return joint{at: -1}
		}
		i++
		for i < len(buf) && (buf[i] == '=' || buf[i] == '>') {
			i++
		}
		if i < len(buf) && buf[i] == ':' { // a scope: Password::new
			return joint{at: -1}
		}
	case c == '-' && i > after && i+1 < len(buf) && buf[i+1] == '>':
		i += 2
	case c == '>' && i == after && start > 0 && (buf[start-1] == '<' || buf[start-1] == '_' || buf[start-1] == '-' || isLower(buf[start-1]) || newPart(buf, start)):
		if i++; i < len(buf) && (buf[i] == '\n' || buf[i] == ' ') {
			if i = inside(buf, i); i < 0 {
				return joint{at: -1} // "login <user> <password> [options]"
			}
		}
		return joint{i, inTag}
	case bytes.HasPrefix(buf[i:], []byte("\u2192")), bytes.HasPrefix(buf[i:], []byte("\u27a1")), bytes.HasPrefix(buf[i:], []byte("-->")):
		i += 3
	case bytes.HasPrefix(buf[i:], []byte("\uff1a")): // folded in texts, kept in case
		i += len("\uff1a")
	case c == ',' && i+1 < len(buf):
		if j := blanks(buf, i+1); j < len(buf) && (buf[j] == '"' || buf[j] == '\'') && i-after < 2 {
			return joint{j, passed}
		}
		return joint{at: -1}
	case c == '(' && !password && i == after && i+1 < len(buf) && (buf[i+1] == '"' || buf[i+1] == '\''):
		return joint{i + 1, passed}
	default:
		if i > after && s.flag(start) {
			return joint{i, flagged}
		}
		if j := verb(buf, i, word); j >= 0 && (i > after || buf[i] >= utf8.RuneSelf) {
			return joint{j, said}
		}
		if i == after {
			return joint{at: -1}
		}
		j := s.linked(after, word)
		switch {
		case j.at >= 0 || i != after+1:
			return j
		case s.declared(start):
			return joint{i, given}
		case password && bytes.HasPrefix(buf[i:], []byte("to ")):
			return joint{i + 3, adjacent} // "I have set the password to …"
		}
		return joint{i, adjacent}
	}
	i, how := s.valueAt(i)
	if how == below && (i >= len(buf) || !s.alone(i)) {
		return joint{at: -1}
	}
	return joint{i, how}
}

// inside returns where the text is that stands apart from the tags around it, the first of
// which ends at i; -1 if no tag closes right behind it.
func inside(buf []byte, i int) int {
	for i < len(buf) && (buf[i] == '\n' || buf[i] == ' ') {
		i++
	}
	rest := buf[i:min(len(buf), i+maxKeyValue)]
	if n := bytes.IndexByte(rest, '<'); n <= 0 || n+1 == len(rest) || rest[n+1] != '/' {
		return -1
	}
	return i
}

// cell reports whether the sign at i parts the cell that holds the word at start from the
// next: one stands before or behind the two as well.
func (s *scanner) cell(start, i int) bool {
	from := s.lineStart(start, 64)
	line := s.buf[i+1 : min(len(s.buf), i+maxPassword)]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	s.work += start - from + len(line)
	return bytes.IndexByte(s.buf[from:start], '|') >= 0 || bytes.IndexByte(line, '|') >= 0
}

// operator returns the end of what assigns at i and is more than one sign, as "?=" and
// "::=" do; 0 if there is none.
func operator(buf []byte, i int) int {
	j := i
	for j < len(buf) && j-i < 3 && strings.IndexByte("?.+|~:", buf[j]) >= 0 {
		j++
	}
	if j == i || j == len(buf) || buf[j] != '=' || j+1 < len(buf) && buf[j+1] == '=' {
		return 0
	}
	return j + 1
}

// types are those that a declaration names between a variable and its value.
var types = set("string", "str", "char", "text", "secretstr", "securestring", "nsstring", "any", "object", "optional[str]", "option<string>")

// typed returns where the text starts that is given to a variable with its type, which
// is at i, as in `password string = "…"`; -1 if it is none.
func typed(buf []byte, i int) int {
	if buf[i] == ':' {
		i = blanks(buf, i+1)
	}
	j := i
	for j < len(buf) && j-i < 16 && buf[j] != ' ' && buf[j] != '=' && buf[j] != '\n' {
		j++
	}
	if j == i || !types[strings.ToLower(strings.Trim(string(buf[i:j]), "&*?"))] && string(buf[i:j]) != "[]" {
		return -1
	}
	if j = blanks(buf, j); j+1 >= len(buf) || buf[j] != '=' {
		return -1
	}
	if j = blanks(buf, j+1); j >= len(buf) || buf[j] != '"' && buf[j] != '\'' && buf[j] != '`' {
		return -1
	}
	return j
}

// paired returns where the value is that stands apart from its name, which ends at i,
// as in `name: DB_PASSWORD, value: …` and `variable "db_password" { default = … }`; -1 if
// there is none.
func paired(buf []byte, i int) int {
	const signs = " \n\t\"'`,;{}"
	if i >= len(buf) || strings.IndexByte(signs, buf[i]) < 0 {
		return -1
	}
	rest := buf[i:min(len(buf), i+160)]
	n, lines := 0, 0
	for n < len(rest) && strings.IndexByte(signs, rest[n]) >= 0 {
		n++
	}
	for lines < 3 && (hasPrefixFold(rest[n:], "type") || hasPrefixFold(rest[n:], "desc") || hasPrefixFold(rest[n:], "sens")) && n > 2 {
		j := bytes.IndexByte(rest[n:], '\n')
		if j < 0 {
			return -1
		}
		for n += j; n < len(rest) && strings.IndexByte(signs, rest[n]) >= 0; n++ {
		}
		lines++
	}
	for _, w := range []string{"value", "default", "content", "--body", "-value", "with value", "with the value", "params"} {
		if !hasPrefixFold(rest[n:], w) {
			continue
		}
		j := n + len(w)
		for j < len(rest) && j-n-len(w) < 2 && (rest[j] == '"' || rest[j] == '\'') {
			j++
		}
		k := blanks(rest, j)
		if k < len(rest) && (rest[k] == '=' || rest[k] == ':') {
			if k = blanks(rest, k+1); k < len(rest) && rest[k] == '[' { // "method": "login", "params": ["…"]
				for k++; k < len(rest) && (rest[k] == ' ' || rest[k] == '\n'); k++ {
				}
			}
			return i + k
		}
		if k > j && strings.IndexByte(w, '-') == 0 || k > j && strings.HasPrefix(w, "with") {
			return i + k
		}
	}
	return -1
}

// hasPrefixFold reports whether b starts with prefix, which is in lower case, in any case.
func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && (b[0]|0x20 == prefix[0] || b[0] == prefix[0]) && strings.EqualFold(string(b[:len(prefix)]), prefix)
}

// declared reports whether the name that ends with the word at start is what a command
// gives the next argument to: ENV, ARG, setx.
func (s *scanner) declared(start int) bool {
	i := start
	for i > 0 && start-i < 32 && (isAlnum(s.buf[i-1]) || s.buf[i-1] == '_') {
		i--
	}
	for _, w := range []string{"ENV ", "setx ", "ARG "} {
		if bytes.HasSuffix(s.buf[:i], []byte(w)) {
			return true
		}
	}
	return false
}

// valueAt returns where the value starts that is given at i: in a block below, or behind
// the mark of a string.
func (s *scanner) valueAt(i int) (int, manner) {
	buf := s.buf
	i = blanks(buf, i)
	if i+1 >= len(buf) {
		return i, given
	}
	switch c := buf[i]; {
	case strings.IndexByte("@bBrRuUNL", c) >= 0 && (buf[i+1] == '"' || buf[i+1] == '\''):
		return i + 1, given
	case c == '|' || c == '>', c == '<' && buf[i+1] == '<':
		j := i + 1
		for j < len(buf) && j-i < 24 && (isAlnum(buf[j]) || strings.IndexByte("<-+~\"'_", buf[j]) >= 0) {
			j++
		}
		if c != '<' && j-i > 2 || j >= len(buf) || buf[j] != '\n' {
			return i, given
		}
		return blanks(buf, j+1), given
	case c == '\n':
		return blanks(buf, i+1), below
	}
	return i, given
}

// alone reports whether one word is all that the line holds that starts at i.
func (s *scanner) alone(i int) bool {
	n := 0
	for i+n < len(s.buf) && n < maxPassword && !blankByte(s.buf[i+n]) {
		n++
	}
	s.work += n
	return n < maxPassword && lineEnds(s.buf, i+n)
}

// flag reports whether the word at start ends the name of a flag: --api-key.
func (s *scanner) flag(start int) bool {
	i := start
	for i > 0 && start-i < 24 && (isAlnum(s.buf[i-1]) || s.buf[i-1] == '-' || s.buf[i-1] == '_') {
		i--
	}
	return i+1 < start && s.buf[i] == '-' && s.buf[i+1] == '-' && (i == 0 || s.buf[i-1] == ' ' || s.buf[i-1] == '\n') || i+2 == start && s.buf[i] == '-' && s.buf[i+1] == '-'
}

// verb returns where the value starts if a verb of the word stands at i, else -1.
func verb(buf []byte, i int, word string) int {
	for _, v := range verbs {
		if !bytes.HasPrefix(buf[i:], []byte(v)) || i+len(v) >= len(buf) {
			continue
		}
		if only, ok := finnic[v]; ok {
			found := false
			for _, w := range only {
				found = found || w == word
			}
			if !found {
				continue
			}
		}
		j := i + len(v)
		if c := buf[j]; c != ' ' && c != ':' && v[0] < utf8.RuneSelf {
			continue
		}
		if buf[j] == ':' {
			j++
		}
		return blanks(buf, j)
	}
	return -1
}

// linked looks for the verb or the colon of "password for the build server is …",
// which goes on at i.
func (s *scanner) linked(i int, word string) joint {
	rest := s.buf[i:min(len(s.buf), i+60)]
	s.work += len(rest)
	how, words := described, 0
	for _, l := range links {
		if bytes.HasPrefix(rest, []byte(l)) {
			how = linked
		}
	}
	for j, c := range rest {
		switch {
		case c == '\n' || c == '\t' || c == '\f' || c == '.' || c == ',' || c == ';' || c == '(':
			return joint{at: -1}
		case c == ':' && j > 3 && j+1 < len(rest) && rest[j+1] == ' ':
			return joint{blanks(s.buf, i+j+1), how}
		case c == ' ' && j > 3:
			if k := verb(s.buf, i+j+1, word); k >= 0 {
				return joint{k, how}
			}
			if words++; how == described && (words > 1 || j+1 == len(rest) || rest[j+1] != ':') {
				return joint{at: -1}
			}
		}
	}
	return joint{at: -1}
}

func blanks(buf []byte, i int) int {
	for n := 0; i < len(buf) && buf[i] == ' ' && n < 16; n++ {
		i++
	}
	return i
}

// maxPassword and maxKeyValue bound what a word may be given.
const maxPassword, maxKeyValue = 130, 1200

// value returns the value at i, of at most most bytes: what is between quotes, or what goes on to the
// next blank, without the end of the sentence.
func value(buf []byte, i, most int) (from, to int, quoted bool) {
	if i < len(buf) && buf[i] == '\\' && i+1 < len(buf) && buf[i+1] == '"' {
		i++ // a quote in a string of a string
	}
	if i < len(buf) && (buf[i] == '"' || buf[i] == '\'' || buf[i] == '`') {
		for j := i + 1; j < len(buf) && j-i <= most && buf[j] != '\n'; j++ {
			if buf[j] == buf[i] {
				if buf[j-1] == '\\' {
					j--
				}
				return i + 1, max(i+1, j), true
			}
		}
		i++
	}
	to = i
	for to < len(buf) && to-i <= most && !blankValue(buf[to]) && !(buf[to] >= 0xe3 && isASCII(buf[i])) {
		to++
	}
	for to > i && strings.IndexByte(".,;:", buf[to-1]) >= 0 {
		to--
	}
	if to > i && buf[to-1] == ')' && bytes.IndexByte(buf[i:to], '(') < 0 {
		to--
	}
	return i, to, false
}

func isASCII(c byte) bool { return c < utf8.RuneSelf }

func blankValue(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '"' || c == '\'' || c == '`' || c == ',' || c == ';' || c == '|'
}

// repeated reports whether v is one character over and over.
func repeated(v string) bool { return strings.Trim(v, v[:1]) == "" }

func lineEnds(buf []byte, i int) bool {
	for ; i < len(buf); i++ {
		switch buf[i] {
		case '\n', '\f', '\t':
			return true
		case ' ', '.', '!', '"', '\'', ';', ',', '`', '}':
		default:
			return false
		}
	}
	return true
}

// commanded looks for the password of a command that takes it after -p, as "sshpass
// -p …".
func (s *scanner) commanded(start, end int) {
	buf := s.buf
	if inWord(buf, start) {
		return
	}
	line := s.before(end, 160, "\n\f\t|;")
	i := bytes.Index(line, []byte(" -p"))
	if i < 0 || i+3 >= len(line) {
		return
	}
	from, to, quoted := value(buf, blanks(buf, end+i+3), maxPassword)
	v := string(buf[from:to])
	digits, upper, lower := mix(v)
	// psexec takes nothing else after -p.
	sure := hasPrefixFold(buf[start:], "psexec") && len(v) >= 4 && !common[strings.ToLower(v)] && bytes.Contains(line[:i], []byte(" -u "))
	if !sure && (len(v) < 6 || digits == 0 || upper+lower < 2) || placeholder(v) || expression(v, quoted, true) || strings.ContainsAny(v, ":/") {
		return
	}
	k := kinds["password-assignment"]
	s.add(candidate{kind: k, start: from, end: to, level: k.Printed, value: v, why: "the password of a command"})
}

// before is the text that starts at i, up to the first of the bytes in ends and no longer
// than size.
func (s *scanner) before(i, size int, ends string) []byte {
	text := s.buf[i:min(len(s.buf), i+size)]
	if n := bytes.IndexAny(text, ends); n >= 0 {
		text = text[:n]
	}
	s.work += len(text)
	return text
}

// credentials looks for "login: name / password" and "creds: name:password" after the
// word buf[start:end].
func (s *scanner) credentials(start, end int) {
	buf := s.buf
	if inWord(buf, start) {
		return
	}
	line := s.before(end, 120, "\n\f\t")
	colon := bytes.IndexByte(line, ':')
	if bytes.HasPrefix(line, []byte(" is ")) {
		colon = 3
	}
	if colon < 0 {
		return
	}
	at := -1
	if slash := bytes.Index(line, []byte(" / ")); slash >= colon+3 && bytes.IndexByte(bytes.TrimSpace(line[colon+1:slash]), ' ') < 0 {
		at = slash + 3
	} else if from := blanks(line, colon+1); colon < 3 && from < len(line) {
		n := bytes.IndexAny(line[from:], ":/ ")
		if n < 2 || line[from+n] == ' ' || from+n+1 == len(line) || strings.IndexByte("/: ", line[from+n+1]) >= 0 {
			return
		}
		at = from + n + 1
	}
	if at < 0 {
		return
	}
	from, to, _ := value(buf, blanks(buf, end+at), maxPassword)
	v := string(buf[from:to])
	digits, upper, lower := mix(v)
	if len(v) < 8 || digits == 0 || upper == 0 || lower == 0 || placeholder(v) || strings.ContainsAny(v, "/<>()[]{}") || wordy(v) && digits+upper+lower == len(v) {
		return
	}
	k := kinds["password-assignment"]
	s.add(candidate{kind: k, start: from, end: to, level: k.Printed, value: v, why: "a name and a password"})
}

// arguments looks for a password that is the second argument of what starts at start.
func (s *scanner) arguments(_, end int) {
	buf := s.buf
	var from, to int
	at := end
	for n := range 2 {
		for at < len(buf) && at-end < maxPassword && (buf[at] == ' ' || buf[at] == '\n' || n > 0 && buf[at] == ',') {
			at++
		}
		if at >= len(buf) || buf[at] != '"' && buf[at] != '\'' {
			return
		}
		var quoted bool
		if from, to, quoted = value(buf, at, maxPassword); !quoted {
			return
		}
		at = to + 1
	}
	s.work += to - end
	v, k := string(buf[from:to]), kinds["password-assignment"]
	digits, upper, lower := mix(v)
	if len(v) < 6 || placeholder(v) || common[strings.ToLower(v)] || repeated(v) || reference(v) || bracketed(v) || upper+lower == 0 || digits == 0 && len(v) < 12 {
		s.reject(k.ID, from, to, "placeholder")
		return
	}
	s.add(candidate{kind: k, start: from, end: to, level: k.Printed, value: v, why: "the password among arguments"})
}

// mounted looks for the password of "net use Z: \\host\share password /user:name".
func (s *scanner) mounted(start, end int) {
	buf := s.buf
	if inWord(buf, start) {
		return
	}
	line := s.before(end, 200, "\n\f")
	at, unc := 0, false
	for range 4 {
		at = blanks(line, at)
		n := bytes.IndexByte(line[at:], ' ')
		if n < 0 {
			n = len(line) - at
		}
		word := line[at : at+n]
		if unc && n >= 4 && word[0] != '/' {
			v := string(word)
			digits, upper, lower := mix(v)
			if k := kinds["password-assignment"]; digits+upper+lower > 0 && digits < n && !placeholder(v) && !common[strings.ToLower(v)] && v != "*" && bytes.Contains(bytes.ToLower(line), []byte("/u")) {
				s.add(candidate{kind: k, start: end + at, end: end + at + n, level: k.Printed, value: v, why: "the password of a command"})
			}
			return
		}
		unc = unc || bytes.HasPrefix(word, []byte(`\\`))
		at += n
	}
}
