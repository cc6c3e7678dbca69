package detect

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"
)

// specialSecrets are named secrets that something in their middle or around them
// gives away.
var specialSecrets = finders{
	"secret-mailchimp-key":          {scanned: true},
	"secret-terraform-token":        {scanned: true},
	"secret-telegram-bot-token":     {scanned: true},
	"secret-discord-bot-token":      {scanned: true},
	"secret-azure-devops-token":     {scanned: true},
	"secret-azure-sas-token":        {scanned: true},
	"secret-azure-cosmos-key":       {scanned: true},
	"secret-azure-iot-key":          {scanned: true},
	"secret-google-service-account": {scanned: true},
	"secret-bearer-token":           {scanned: true},
	"secret-basic-auth":             {scanned: true},
	"secret-curl-credentials":       {scanned: true},
	"secret-netrc":                  {scanned: true},
	"secret-npmrc":                  {scanned: true},
	"secret-pgpass":                 {scanned: true},
	"secret-kubeconfig":             {scanned: true},
	"secret-wireguard-key":          {scanned: true},
	"secret-putty-key":              {scanned: true},
	"secret-maxmind-key":            {scanned: true},
	"secret-connection-string":      {scanned: true},
	"secret-password-hash":          {scanned: true},
}

func init() {
	for c := byte('1'); c <= '9'; c++ {
		on("us"+string(c), false, (*scanner).mailchimp)
	}
	on("mmk", false, (*scanner).maxmind)
	on("atlasv1.", false, (*scanner).terraform)
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") {
		on("AA"+string(c), false, (*scanner).telegram)
	}
	// An id of decimal digits in base64 starts with one of these.
	for _, a := range []string{"MD", "MT", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"} {
		for _, b := range []byte("AEIMQUYcgk") {
			on(a+string(b), false, (*scanner).discord)
		}
	}
	for _, w := range []string{"azure", "devops", "ado_pat", "vsts", "openai", "cognitive"} {
		on(w, true, func(s *scanner, _, _ int) { s.azure = true })
	}
	for _, mark := range []string{"JQQJ99", "AZDO"} { // in keys themselves
		on(mark, false, func(s *scanner, _, _ int) { s.azure = true })
	}
	on("pgpass", true, func(s *scanner, _, _ int) { s.pgpass = true })
	on("sig=", false, (*scanner).sas)
	on("bearer ", true, (*scanner).bearer)
	on("basic ", true, (*scanner).basic)
	on("auth\"", false, (*scanner).registry)
	on("curl ", false, (*scanner).curl)
	on("machine ", false, (*scanner).netrc)
	on("authtoken=", true, (*scanner).npmrc)
	on("auth=", false, (*scanner).npmrc)
	on("client-key-data:", false, (*scanner).kubeconfig)
	on("privatekey", true, (*scanner).wireguard)
	on("presharedkey", true, (*scanner).wireguard)
	on("PuTTY-User-Key-File-", false, (*scanner).putty)
}

// hit adds a named secret that code has found.
func (s *scanner) hit(id string, start, end int, prefix, why string) {
	k := kinds[id]
	s.add(candidate{kind: k, start: start, end: end, level: k.Alone, value: string(s.buf[start:end]), prefix: prefix, why: why})
}

// stretch returns how many of the bytes from i on are of the class; most at most.
func (s *scanner) stretch(i int, class *[256]bool, most int) int {
	n := 0
	for i+n < len(s.buf) && n < most && class[s.buf[i+n]] {
		n++
	}
	s.work += n
	return n
}

var (
	alnumClass  = alphabet("Aa0")
	wideClass   = alphabet("w")
	base64Class = alphabet("b=")
	bearerClass = alphabet("w.~+/=")
	sigClass    = alphabet("w%+/=")
)

// mailchimp reads a key whose "usN" is at start.
func (s *scanner) mailchimp(start, end int) {
	buf, from := s.buf, start-33
	if from < 0 || buf[start-1] != '-' || inWord(buf, from) {
		return
	}
	for _, c := range buf[from : start-1] {
		if !isDigit(c) && (c < 'a' || c > 'f') {
			return
		}
	}
	if end < len(buf) && isDigit(buf[end]) {
		end++
	}
	if end < len(buf) && isAlnum(buf[end]) || entropy(string(buf[from:start-1])) < 3 {
		return
	}
	s.hit("secret-mailchimp-key", from, end, "", "32 hexadecimal digits and a data centre")
}

// maxmind reads a key whose "mmk" is at start.
func (s *scanner) maxmind(start, end int) {
	buf, from := s.buf, start-37
	if from < 0 || buf[start-1] != '_' || buf[from+6] != '_' || inWord(buf, from) || end < len(buf) && isAlnum(buf[end]) {
		return
	}
	for i, c := range buf[from : start-1] {
		if i != 6 && !isAlnum(c) {
			return
		}
	}
	if v := string(buf[from : start-1]); !placeholder(v) && entropy(v) >= 3.5 {
		s.hit("secret-maxmind-key", from, end, "", "form and mark")
	}
}

// terraform reads a token whose "atlasv1." is at start.
func (s *scanner) terraform(start, end int) {
	buf, from := s.buf, start-15
	n := s.stretch(end, &wideClass, 80)
	for n > 60 && !isAlnum(buf[end+n-1]) {
		n--
	}
	if from < 0 || buf[start-1] != '.' || inWord(buf, from) || n < 60 || n > 70 {
		return
	}
	for _, c := range buf[from : start-1] {
		if !isAlnum(c) {
			return
		}
	}
	if v := string(buf[end : end+n]); placeholder(v) || entropy(v) < 3.5 {
		s.reject("secret-terraform-token", from, end+n, "placeholder")
		return
	}
	s.hit("secret-terraform-token", from, end+n, "", "mark, length and randomness")
}

// telegram reads a token whose second part, which starts with "AA", is at start.
func (s *scanner) telegram(start, _ int) {
	buf, from := s.buf, start-1
	if from < 0 || buf[from] != ':' {
		return
	}
	for from > 0 && start-from < 18 && isDigit(buf[from-1]) {
		from--
	}
	n := s.stretch(start, &wideClass, 40)
	if digits := start - 1 - from; digits < 6 || digits > 12 || n != 35 || from > 0 && isAlnum(buf[from-1]) && !bytes.HasSuffix(buf[:from], []byte("bot")) {
		return
	}
	if v := string(buf[start : start+n]); placeholder(v) || entropy(v) < 3.5 {
		s.reject("secret-telegram-bot-token", from, start+n, "placeholder")
		return
	}
	s.hit("secret-telegram-bot-token", from, start+n, string(buf[from:start]), "a bot's id, mark and length")
}

// discord reads a token at start: an id, a time and a code.
func (s *scanner) discord(start, _ int) {
	buf := s.buf
	n := s.stretch(start, &alnumClass, 30)
	if n < 23 || n > 28 || inWord(buf, start) || start+n+8 > len(buf) || buf[start+n] != '.' || buf[start+n+7] != '.' {
		return
	}
	id, err := base64.RawStdEncoding.DecodeString(string(buf[start : start+n]))
	if err != nil || strings.Trim(string(id), "0123456789") != "" || s.stretch(start+n+1, &wideClass, 7) != 6 {
		return
	}
	code := start + n + 8
	m := s.stretch(code, &wideClass, 40)
	for m > 27 && !isAlnum(buf[code+m-1]) {
		m--
	}
	if v := string(buf[code : code+m]); m < 27 || m > 38 || placeholder(v) || entropy(v) < 3.5 {
		return
	}
	s.hit("secret-discord-bot-token", start, code+m, "", "an id, a time and a code")
}

// azureTokens looks for keys of Azure in a text that speaks of it: 84 letters and
// digits that carry the mark of keys since 2024, or, of DevOps, 52 of base32.
func (s *scanner) azureTokens() {
	buf := s.buf
	for i := 0; i < len(buf); {
		from := i
		for i < len(buf) && isAlnum(buf[i]) {
			i++
		}
		switch v := buf[from:i]; {
		case i-from == 84 && (bytes.Contains(v[40:], []byte("JQQJ99")) || string(v[76:80]) == "AZDO" && entropy(string(v)) >= 4):
			s.hit("secret-azure-devops-token", from, i, "", "length and mark")
		case i-from == 52 && base32(v) && s.speaks(from, i, "devops", "vsts", "visualstudio", "personal access token", "pat"):
			s.hit("secret-azure-devops-token", from, i, "", "52 characters of base32 beside a word for it")
		}
		i++
	}
	s.work += len(buf)
}

// base32 reports whether v is random lower-case base32.
func base32(v []byte) bool {
	digits := 0
	for _, c := range v {
		if isDigit(c) {
			digits++
		}
		if !isLower(c) && (c < '2' || c > '7') {
			return false
		}
	}
	return digits >= 3 && digits < len(v)/2 && entropy(string(v)) >= 3.5
}

// speaks reports whether one of the words, in lower case, stands in the 100 bytes
// before buf[start:end] or right after.
func (s *scanner) speaks(start, end int, words ...string) bool {
	near := bytes.ToLower(s.buf[max(0, start-100):min(len(s.buf), end+40)])
	s.work += len(near)
	for _, w := range words {
		if i := bytes.Index(near, []byte(w)); i >= 0 && (i == 0 || !isLower(near[i-1])) {
			return true
		}
	}
	return false
}

// sas reads a shared access signature whose "sig=" is at start.
func (s *scanner) sas(start, end int) {
	buf := s.buf
	n := s.stretch(end, &sigClass, 100)
	if n < 43 || start > 0 && isAlnum(buf[start-1]) {
		return
	}
	sig, err := url.PathUnescape(string(buf[end : end+n]))
	sig = strings.TrimRight(sig, "=")
	if err != nil || len(sig) != 43 || placeholder(sig) || entropy(sig) < 4 {
		s.reject("secret-azure-sas-token", start, end+n, "no signature")
		return
	}
	from, to := start, end+n
	for from > 0 && start-from < 600 && !blankByte(buf[from-1]) && buf[from-1] != '?' {
		from--
	}
	for to < len(buf) && to-end < 400 && !blankByte(buf[to]) {
		to++
	}
	s.work += to - from
	for from < start && !utf8.RuneStart(buf[from]) {
		from++
	}
	for to > end+n && !utf8.RuneStart(buf[min(to, len(buf)-1)]) {
		to--
	}
	token := string(buf[from:to])
	for _, mark := range []string{"sv=", "se=", "sp=", "sr="} {
		if strings.Contains(token, mark) {
			s.hit("secret-azure-sas-token", from, to, "", "a signature with its terms")
			return
		}
	}
}

// bearer reads what follows "Bearer " at start.
func (s *scanner) bearer(start, end int) {
	buf := s.buf
	for end < len(buf) && buf[end] == ' ' {
		end++
	}
	n := s.stretch(end, &bearerClass, 2048)
	for n > 0 && strings.IndexByte(".=-", buf[end+n-1]) >= 0 {
		n--
	}
	v := string(buf[end : end+n])
	if n < 16 || start > 0 && isAlnum(buf[start-1]) {
		return
	}
	if digits, upper, lower := mix(v); placeholder(v) || entropy(v) < 3.2 || digits == 0 || upper+lower < 2 || wordy(v) {
		s.reject("secret-bearer-token", end, end+n, "placeholder")
		return
	}
	k := kinds["secret-bearer-token"]
	c := candidate{kind: k, start: end, end: end + n, level: k.Alone, value: v, why: `follows "Bearer"`}
	if s.speaks(start, start, "authorization") {
		c.level, c.why = High, `follows "Authorization: Bearer"`
	}
	s.add(c)
}

// basic reads what follows "Basic " at start, in a header.
func (s *scanner) basic(start, end int) {
	buf := s.buf
	n := s.stretch(end, &base64Class, 400)
	if n < 8 || !bytes.Contains(bytes.ToLower(buf[max(0, start-24):start]), []byte("authorization")) {
		return
	}
	v := strings.TrimRight(string(buf[end:end+n]), "=")
	plain, err := base64.RawStdEncoding.DecodeString(v)
	name, password, ok := strings.Cut(string(plain), ":")
	if err != nil || !ok || !utf8.Valid(plain) || len(password) < 3 {
		s.reject("secret-basic-auth", end, end+n, "no user and password")
		return
	}
	if name == "Aladdin" || placeholder(password) || common[strings.ToLower(password)] {
		s.reject("secret-basic-auth", end, end+n, "placeholder")
		return
	}
	s.hit("secret-basic-auth", end, end+n, "", `user and password, after "Basic"`)
}

// registry reads the credential of a registry in a configuration of Docker, whose
// name is buf[start:end].
func (s *scanner) registry(start, end int) {
	buf := s.buf
	i := blanks(buf, end)
	if start == 0 || buf[start-1] != '"' || i >= len(buf) || buf[i] != ':' {
		return
	}
	from, to, quoted := value(buf, blanks(buf, i+1), maxKeyValue)
	s.work += to - start
	plain, err := base64.StdEncoding.DecodeString(string(buf[from:to]))
	name, password, ok := strings.Cut(string(plain), ":")
	if err != nil || !quoted || !ok || name == "" || len(password) < 3 || !utf8.Valid(plain) || placeholder(password) || common[strings.ToLower(password)] {
		return
	}
	s.hit("secret-basic-auth", from, to, "", "user and password for a registry")
}

// curl looks for user and password in a command that starts at start.
func (s *scanner) curl(start, end int) {
	buf := s.buf
	if start > 0 && isAlnum(buf[start-1]) {
		return
	}
	line := buf[end:min(len(buf), end+400)]
	for i, c := range line {
		if c == '\f' || c == '\n' && (i == 0 || line[i-1] != '\\') {
			line = line[:i]
			break
		}
	}
	s.work += len(line)
	for _, flag := range []string{"-u ", "--user ", "-u=", "--user=", "-u\"", "-u'"} {
		i := bytes.Index(line, []byte(flag))
		if i < 0 || i > 0 && line[i-1] != ' ' && line[i-1] != '\n' {
			continue
		}
		from := end + i + len(flag)
		if flag[len(flag)-1] == '"' || flag[len(flag)-1] == '\'' {
			from--
		}
		a, b, _ := value(buf, blanks(buf, from), maxPassword)
		name, password, ok := strings.Cut(string(buf[a:b]), ":")
		if password == "" && (ok || b < len(buf) && buf[b] == ':') && random(name) {
			password, ok = name, true // "curl -u key:"
		}
		if !ok || len(password) < 3 {
			continue
		}
		if repeated(password) || placeholder(password) || placeholder(name) || common[strings.ToLower(password)] || strings.ContainsAny(password, "<>[]{}") {
			s.reject("secret-curl-credentials", a, b, "placeholder")
			return
		}
		s.hit("secret-curl-credentials", a, b, "", "user and password for curl")
		return
	}
}

// netrc reads "machine host login name password value" from start on.
func (s *scanner) netrc(start, _ int) {
	buf := s.buf
	i, words := start, [6][2]int{}
	for n := range words {
		for i < len(buf) && i-start < 300 && (buf[i] == ' ' || buf[i] == '\n') {
			i++
		}
		words[n][0] = i
		for i < len(buf) && i-start < 300 && buf[i] > ' ' {
			i++
		}
		words[n][1] = i
	}
	s.work += i - start
	word := func(n int) string { return string(buf[words[n][0]:words[n][1]]) }
	if word(2) != "login" || word(4) != "password" || len(word(5)) < 4 {
		return
	}
	if v := word(5); placeholder(v) || documentation(word(1)) || common[strings.ToLower(v)] || !utf8.ValidString(v) {
		s.reject("secret-netrc", words[5][0], words[5][1], "placeholder")
		return
	}
	s.hit("secret-netrc", words[5][0], words[5][1], "", "the password of a machine")
}

// npmrc reads the value of "_authToken=" or "_auth=", whose '_' is before start.
func (s *scanner) npmrc(start, end int) {
	buf := s.buf
	if start == 0 || buf[start-1] != '_' || start > 1 && isAlnum(buf[start-2]) {
		return
	}
	from, to, _ := value(buf, end, maxKeyValue)
	if v := string(buf[from:to]); len(v) < 16 || placeholder(v) || entropy(v) < 3 || strings.ContainsAny(v, "{}<>()$") {
		s.reject("secret-npmrc", from, to, "placeholder")
		return
	}
	s.hit("secret-npmrc", from, to, "", "the credential of a registry")
}

// passwordFiles looks for lines of a .pgpass file in a text that speaks of one.
func (s *scanner) passwordFiles() {
	at := 0
	for line := range bytes.SplitSeq(s.buf, []byte("\n")) {
		from := at
		at += len(line) + 1
		f := bytes.Split(bytes.TrimRight(line, " "), []byte(":"))
		if len(line) > 300 || len(f) != 5 || len(f[4]) < 4 || bytes.ContainsAny(line, " \t\f") {
			continue
		}
		port := string(f[1])
		password := string(f[4])
		if port != "*" && (port == "" || strings.Trim(port, "0123456789") != "") || placeholder(password) || common[strings.ToLower(password)] {
			continue
		}
		end := from + len(line)
		s.hit("secret-pgpass", end-len(password), end, "", "the fifth field of a .pgpass line")
	}
	s.work += len(s.buf)
}

// kubeconfig reads the client key whose name is buf[start:end].
func (s *scanner) kubeconfig(start, end int) {
	from, _, _ := value(s.buf, blanks(s.buf, end), 2)
	n := s.stretch(from, &base64Class, maxKey)
	plain, _ := base64.RawStdEncoding.DecodeString(string(s.buf[from : from+min(n, 64)/4*4]))
	if n < 64 || !bytes.Contains(plain, []byte("PRIVATE KEY")) {
		s.reject("secret-kubeconfig", start, from+n, "no private key")
		return
	}
	s.hit("secret-kubeconfig", from, from+n, "", "a private key in base64")
}

// wireguard reads the key whose name is buf[start:end].
func (s *scanner) wireguard(start, end int) {
	buf := s.buf
	i := blanks(buf, end)
	if i >= len(buf) || buf[i] != '=' {
		return
	}
	i = blanks(buf, i+1)
	if n := s.stretch(i, &base64Class, 60); n != 44 || buf[i+43] != '=' || buf[i+42] == '=' {
		return
	}
	if v := string(buf[i : i+43]); placeholder(v) || entropy(v) < 4 {
		s.reject("secret-wireguard-key", i, i+44, "placeholder")
		return
	}
	s.hit("secret-wireguard-key", i, i+44, "", "a key of 32 bytes")
}

// putty reads a key file whose first line starts at start.
func (s *scanner) putty(start, end int) {
	rest := s.buf[end:min(len(s.buf), end+maxKey)]
	if i := bytes.Index(rest, []byte("PuTTY-User-Key-File-")); i >= 0 {
		rest = rest[:i] // another file
	}
	s.work += len(rest)
	i := bytes.Index(rest, []byte("Private-Lines: "))
	if i < 0 {
		return
	}
	from := end + i + len("Private-Lines: ")
	for from < len(s.buf) && isDigit(s.buf[from]) {
		from++
	}
	for from < len(s.buf) && (s.buf[from] == ' ' || s.buf[from] == '\n') {
		from++
	}
	to := from
	for n := s.stretch(to, &base64Class, 70); n >= 16 && to-from < maxKey; n = s.stretch(to, &base64Class, 70) {
		to += n
		if to < len(s.buf) && (s.buf[to] == '\n' || s.buf[to] == ' ') {
			to++
		}
	}
	if to-from < 24 {
		s.reject("secret-putty-key", start, to, "no key between the lines")
		return
	}
	for s.buf[to-1] == '\n' || s.buf[to-1] == ' ' {
		to--
	}
	s.hit("secret-putty-key", from, to, "", "the private lines of a key file")
}

// hashForms are how crypt(3) and its kind write the hash of a password, behind the '$'.
var hashForms = func() (forms []*tokenForm) {
	for _, form := range []string{
		"1${Aa0./:1-8}${Aa0./:22}", "apr1${Aa0./:1-8}${Aa0./:22}", "2a${0:2}${Aa0./:53}", "2b${0:2}${Aa0./:53}", "2y${0:2}${Aa0./:53}", "2x${0:2}${Aa0./:53}",
		"5${Aa0./:1-16}${Aa0./:43}", "5$rounds={0:4-9}${Aa0./:1-16}${Aa0./:43}", "6${Aa0./:1-16}${Aa0./:86}", "6$rounds={0:4-9}${Aa0./:1-16}${Aa0./:86}",
		"8${Aa0./:14}${Aa0./:43}", "9${Aa0./:14}${Aa0./:43}", "y${Aa0./:2-8}${Aa0./:1-86}${Aa0./:43}", "P${Aa0./:31}", "H${Aa0./:31}",
		"argon2id$v={0:2}$m={0:1-8},t={0:1-4},p={0:1-4}${b:11-88}${b:20-120}", "argon2i$v={0:2}$m={0:1-8},t={0:1-4},p={0:1-4}${b:11-88}${b:20-120}", "scrypt$ln={0:1-2},r={0:1-2},p={0:1-2}${b:8-88}${b:20-120}",
		"krb5asrep${0:2}${w.@:3-120}:{x:32}${x:40-4096}", "krb5asrep${0:2}${x:32}${x:40-4096}", "krb5tgs${0:2}$*{w.@*$/:3-200}${x:32}${x:40-4096}",
	} {
		parts, err := parseParts(form)
		if err != nil {
			panic(form + ": " + err.Error()) // the forms are part of the program
		}
		forms = append(forms, &tokenForm{parts: parts})
	}
	return forms
}()

// publicHashes are those that manuals show.
var publicHashes = set("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "$2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW")

// passwordHash reads the hash of a password whose '$' is at i.
func (s *scanner) passwordHash(i int) {
	buf := s.buf
	if i+24 > len(buf) || bytes.IndexByte(buf[i+2:i+11], '$') < 0 || i > 0 && isAlnum(buf[i-1]) {
		return
	}
	for _, f := range hashForms {
		if buf[i+1] != f.parts[0].text[0] {
			continue
		}
		end := f.follows(buf, i+1)
		if end < 0 {
			continue
		}
		s.work += end - i
		if v := string(buf[i:end]); entropy(v[len(v)-20:]) < 3 || placeholder(v[4:]) {
			s.reject("secret-password-hash", i, end, "placeholder")
			return
		}
		k := kinds["secret-password-hash"]
		s.add(candidate{kind: k, start: i, end: end, level: k.Alone, value: string(buf[i:end]), why: "the hash of a password", known: publicHashes[string(buf[i:end])]})
		return
	}
}
