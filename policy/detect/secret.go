package detect

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

var secrets = finders{
	"secret-private-key":         {scanned: true},
	"secret-aws-secret-key":      {scanned: true},
	"secret-azure-client-secret": {scanned: true},
	"secret-jwt":                 {scanned: true},
	"url-with-credentials":       {scanned: true},
	"secret-generic":             {scanned: true, weak: true},
	"password-assignment":        {scanned: true, weak: true},
}

// listSecrets puts what starts with a token's prefix on the list of triggers, and
// the tokens of services, which have none, on their own.
func listSecrets() {
	for _, k := range builtin {
		if k.byName {
			listService(k)
			continue
		}
		for _, form := range k.Tokens {
			t, err := parseToken(form)
			if err != nil {
				panic(k.ID + ": " + err.Error()) // the catalogue is part of the program
			}
			t.kind, t.test = k, strings.HasPrefix(t.prefix, "sk_test_") || strings.HasPrefix(t.prefix, "rk_test_")
			on(t.prefix, t.anyCase, func(s *scanner, start, end int) { s.token(t, start, end) })
		}
	}
}

func init() {
	on("eyJ", false, (*scanner).jwt)
	for _, w := range []string{"aws", "amazon", "secretaccesskey", "secret_access_key", "secret access key"} {
		on(w, true, func(s *scanner, _, _ int) { s.aws = true })
	}
	for _, w := range []string{"password", "passwort", "passwd", "passphrase", "pass", "pwd", "psk", "jelsz\u00f3", "heslo", "geslo", "lozinka", "\u03ba\u03c9\u03b4\u03b9\u03ba\u03cc\u03c2", "\u0e23\u0e2b\u0e31\u0e2a\u0e1c\u0e48\u0e32\u0e19", "m\u1eadt kh\u1ea9u", "pgpassword", "dbpassword", "dbpasswd", "userpassword", "rootpassword", "adminpassword", "smtppassword", "loginpassword", "wifipassword", "keypass", "storepass", "userpwd", "dbpass", "kennwort", "contrase\u00f1a", "contrasena", "mot de passe", "mdp",
		"wachtwoord", "senha", "has\u0142o", "haslo", "l\u00f6senord", "l\u00f6senordet", "losenord", "losenordet", "parola", "adgangskode", "passord", "salasana", "\u043f\u0430\u0440\u043e\u043b\u044c",
		"\u015fifre", "\u015fifresi", "\u015fifrem", "sifre", "adgangskoden", "passordet", "kodeordet", "parolas\u0131", "kodeord", "senhas", "\ube44\ubc00\ubc88\ud638", "\u30d1\u30b9\u30ef\u30fc\u30c9", "\u5bc6\u7801", "\u5bc6\u78bc",
		"parole", "parool", "salas\u00f5na", "slapta\u017eodis", "lykilor\u00f0", "contrasenya", "contrasinal", "pasahitza", "fjal\u00ebkalimi", "fjalekalimi", "parol\u0103", "kata sandi", "kata laluan", "wagwoord", "nenosiri", "parol", "hesla", "\u043b\u043e\u0437\u0438\u043d\u043a\u0430", "\u043f\u0430\u0440\u043e\u043b\u0430", "\u049b\u04b1\u043f\u0438\u044f\u0441\u04e9\u0437", "\u049b\u04b1\u043f\u0438\u044f \u0441\u04e9\u0437", "\u043d\u0443\u0443\u0446 \u04af\u0433", "\u0441\u044b\u0440\u0441\u04e9\u0437", "\u043f\u0430\u0440\u043e\u043b\u044f", "\u043f\u0430\u0440\u043e\u043b\u0435\u043c", "\u092a\u093e\u0938\u0935\u0930\u094d\u0921", "\u0995\u09c2\u099f\u09b6\u09ac\u09cd\u09a6", "\u09aa\u09be\u09b8\u0993\u09af\u09bc\u09be\u09b0\u09cd\u09a1", "\u0b95\u0b9f\u0bb5\u0bc1\u0b9a\u0bcd\u0b9a\u0bca\u0bb2\u0bcd", "\u0643\u0644\u0645\u0629 \u0627\u0644\u0645\u0631\u0648\u0631", "\u0643\u0644\u0645\u0629 \u0627\u0644\u0633\u0631", "\u0631\u0645\u0632 \u0639\u0628\u0648\u0631", "\u06af\u0630\u0631\u0648\u0627\u0698\u0647", "\u067e\u0627\u0633 \u0648\u0631\u0688", "\u05e1\u05d9\u05e1\u05de\u05d4", "\u05e1\u05d9\u05e1\u05de\u05d0", "\u10de\u10d0\u10e0\u10dd\u10da\u10d8", "\u0563\u0561\u0572\u057f\u0576\u0561\u0562\u0561\u057c", "\u0ea5\u0eb0\u0eab\u0eb1\u0e94\u0e9c\u0ec8\u0eb2\u0e99", "\u1796\u17b6\u1780\u17d2\u1799\u179f\u1798\u17d2\u1784\u17b6\u178f\u17cb", "\u1005\u1000\u102c\u1038\u101d\u103e\u1000\u103a", "\u0db8\u0dd4\u0dbb\u0db4\u0daf\u0dba", "\u53e3\u4ee4"} {
		on(w, true, func(s *scanner, start, end int) { s.assigned(start, end, w, true) })
	}
	for _, w := range []string{"sshpass", "docker login", "podman login", "mysql", "mysqldump", "az login", "ldapsearch"} {
		on(w, false, (*scanner).commanded)
	}
	on("psexec", true, (*scanner).commanded)
	on("net use ", true, (*scanner).mounted)
	for _, w := range []string{"networkcredential(", "httpbasicauth(", "basicauth(", "basic_auth(", "auth=(", "usernamepasswordcredentials(", "usernamepasswordcredential("} {
		on(w, true, (*scanner).arguments)
	}
	for _, w := range []string{"login", "logins", "creds", "credentials", "zugangsdaten", "zugang", "identifiants", "credenciales", "inloggegevens"} {
		on(w, true, (*scanner).credentials)
	}
	// Two letters are too few for the table of three: what may follow is listed.
	for _, w := range []string{"pw:", "pw=", "pw ", "pw\"", "pw'"} {
		on(w, true, func(s *scanner, start, end int) { s.assigned(start, end-1, "pw", true) })
	}
	for _, w := range []string{"api_key", "apikey", "api-key", "secret_key", "secretkey", "secret-key", "client_secret", "clientsecret", "client secret", "client-secret", "access_key", "accesskey", "access-key",
		"access_token", "accesstoken", "access-token", "auth_token", "authtoken", "auth-token", "private_key", "private-token", "credential", "credentials", "auth_key", "authkey", "apitoken", "api_hash", "apihash", "api-hash", "schl\u00fcssel",
		"\u79d8\u5bc6\u9375", "\u5bc6\u94a5", "\u30c8\u30fc\u30af\u30f3", "cl\u00e9", "jeton", "sleutel", "klucz", "nyckel", "chiave", "chave", "anahtar", "clave"} {
		on(w, true, func(s *scanner, start, end int) { s.assigned(start, end, w, false) })
	}
	for _, w := range []string{"token", "secret"} {
		on(w, true, func(s *scanner, start, end int) { s.tokenNamed(start, end, w) })
	}
	on("key", true, (*scanner).keyed)
	for _, w := range []string{"PRIVATE", "ACCESS"} {
		on(w, false, func(s *scanner, start, end int) { s.assigned(start, end, w, false) })
	}
}

// placeholders are what stands in for a secret in examples, and rows what fills it
// up.
var (
	placeholders = []string{"example", "xxxx", "your", "placeholder", "changeme", "change_me", "redacted", "dummy", "insert", "sample", "goes-here", "goes_here", "tokenhere", "keyhere", "secrethere", "****", "####", "....", "•••",
		"${", "{{", "<", "%(", "$(", "d41d8cd98f00b204", "e3b0c44298fc1c14", "env.", "environ", "getenv", "secrets.", "vault"}
	rows = []string{"123456789", "abcdefgh", "00000000"}
)

// placeholder reports whether v only stands for a value.
func placeholder(v string) bool {
	return standsIn(v) || holds(strings.ToLower(v), rows)
}

// standsIn reports whether v says of itself that it stands for a value.
func standsIn(v string) bool {
	return holds(strings.ToLower(v), placeholders) || strings.HasPrefix(v, "$") || strings.HasPrefix(v, "%") && strings.HasSuffix(v, "%")
}

func holds(v string, parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(v, p) })
}

// keyboard are the rows of letters that fingers run along.
var keyboard = []string{"qwertyuiop", "asdfghjkl", "zxcvbnm"}

// filled returns what is left of v, letters and digits, without what people fill up
// an example with: four and more characters that count up or down, five of a row of
// the keyboard, and any part of three and more, or four times one character, that
// comes again.
func filled(v string) string {
	l := strings.ToLower(v)
	var left []byte
	for i := 0; i < len(l); {
		n := fillerAt(l, i)
		if n == 0 {
			if isAlnum(l[i]) {
				left = append(left, v[i])
			}
			n = 1
		}
		i += n
	}
	return string(left)
}

// fillerAt returns how many characters at l[i:], in lower case, fill up an example;
// zero if none.
func fillerAt(l string, i int) int {
	for _, step := range []int{1, -1, 0} {
		n := 1
		for i+n < len(l) && isAlnum(l[i]) && next(l[i+n-1], step) == l[i+n] {
			n++
		}
		if n >= 4 {
			return n
		}
	}
	for _, row := range keyboard {
		if at := strings.IndexByte(row, l[i]); at >= 0 {
			n := 0
			for at+n < len(row) && i+n < len(l) && row[at+n] == l[i+n] {
				n++
			}
			if n >= 5 {
				return n
			}
		}
	}
	// What stood before, as long as it goes on.
	longest := 0
	for from := range i {
		n := 0
		for i+n < len(l) && isAlnum(l[i+n]) && l[from+n] == l[i+n] {
			n++
		}
		longest = max(longest, n)
	}
	if longest >= 4 {
		return longest
	}
	return 0
}

// next returns the character that comes after c when people count in steps: nine is
// followed by zero.
func next(c byte, step int) byte {
	switch {
	case c == '9' && step > 0:
		return '0'
	case c == '0' && step < 0:
		return '9'
	}
	return byte(int(c) + step)
}

// entropy is Shannon's, in bits a character.
func entropy(v string) float64 {
	var n [256]int
	for i := range len(v) {
		n[v[i]]++
	}
	h := 0.0
	for _, c := range n {
		if c > 0 {
			p := float64(c) / float64(len(v))
			h -= p * math.Log2(p)
		}
	}
	return h
}

// maxKey bounds a private key: RSA of 16384 bits has about 12 KB in PEM.
const maxKey = 16 << 10

// pem reads a private key block whose dashes start at i.
func (s *scanner) pem(i int) {
	const begin = "-----BEGIN "
	buf, k := s.buf, kinds["secret-private-key"]
	if !bytes.HasPrefix(buf[i:], []byte(begin)) {
		return
	}
	head := buf[i+len(begin) : min(len(buf), i+len(begin)+40)]
	n := bytes.Index(head, []byte("-----"))
	if n < 0 || !bytes.HasSuffix(head[:n], []byte("PRIVATE KEY")) && !bytes.HasSuffix(head[:n], []byte("PRIVATE KEY BLOCK")) {
		return
	}
	from := i + len(begin) + n + 5
	rest := buf[from:min(len(buf), from+maxKey)]
	if j := bytes.Index(rest, []byte("-----BEGIN ")); j >= 0 {
		rest = rest[:j]
	}
	var end int
	if j := bytes.Index(rest, []byte("-----END ")); j >= 0 {
		end = from + j
		if m := bytes.Index(rest[j+9:], []byte("-----")); m >= 0 && m < 40 {
			end += 9 + m + 5
		}
		rest = rest[:j]
	} else {
		// A key that was cut off ends where base64 does.
		end = from + keyEnd(rest)
		rest = buf[from:end]
	}
	s.work += len(rest)
	run, longest := 0, 0
	for _, c := range rest {
		if run++; !isBase64(c) || c == '-' || c == '_' {
			run = 0
		}
		longest = max(longest, run)
	}
	if longest < 24 {
		s.reject(k.ID, i, end, "no key between the lines")
		return
	}
	if bytes.Contains(buf[max(0, i-600):i], []byte("service_account")) {
		k = kinds["secret-google-service-account"]
	}
	s.add(candidate{kind: k, start: i, end: end, level: k.Alone, value: string(bytes.Join(bytes.Fields(rest), nil)),
		prefix: "-----BEGIN " + string(head[:n]) + "-----", why: "private key block"})
}

// keyEnd returns how far b looks like the lines of a key.
func keyEnd(b []byte) int {
	end, from := 0, 0
	for i := 0; i <= len(b); i++ {
		if i < len(b) && b[i] != '\n' && b[i] != ' ' {
			if b[i] == '\f' {
				break
			}
			continue
		}
		if i-from >= 16 {
			for _, c := range b[from:i] {
				if !isBase64(c) {
					return end
				}
			}
			end = i
		}
		from = i + 1
	}
	return end
}

// jwt reads a token whose "eyJ" is at start.
func (s *scanner) jwt(start, _ int) {
	buf, k := s.buf, kinds["secret-jwt"]
	if start > 0 && wordBefore(buf, start) {
		return
	}
	i, dots := start, [2]int{}
	for n := 0; i < len(buf); i++ {
		c := buf[i]
		if c == '.' && n < 2 {
			dots[n] = i
			n++
		} else if !isAlnum(c) && c != '-' && c != '_' {
			break
		}
	}
	s.work += i - start
	if dots[1] == 0 || dots[1]-dots[0] < 5 || i-dots[1] < 17 || dots[0]-start > 2048 {
		s.reject(k.ID, start, i, "not three parts")
		return
	}
	head, err := base64.RawURLEncoding.DecodeString(string(buf[start:dots[0]]))
	var h map[string]any
	if err != nil || json.Unmarshal(head, &h) != nil || !isHeader(h) {
		s.reject(k.ID, start, i, "no header")
		return
	}
	alg, _ := h["alg"].(string)
	claims, err := base64.RawURLEncoding.DecodeString(string(buf[dots[0]+1 : dots[1]]))
	if err != nil || !json.Valid(claims) || bytes.IndexByte(claims, '{') < 0 {
		s.reject(k.ID, start, i, "no claims")
		return
	}
	c := candidate{kind: k, start: start, end: i, level: k.Alone, value: string(buf[start:i]), prefix: "eyJ", why: "three parts, a header and claims",
		known: bytes.Contains(claims, []byte("1234567890")) || bytes.Contains(claims, []byte("example.com")) || alg == "HS256" && signedInPublic(buf[start:dots[1]], buf[dots[1]+1:i])}
	if ev := s.evidence(k.set, k.Within, start, i); ev.found() && ev.full {
		c.level, c.evidence = k.WithContext, true
		c.why += "; " + s.tell(ev)
	}
	s.add(c)
}

// isHeader reports whether h is what stands before a token: it names an algorithm, or
// what else RFC 7515 and 7516 have there and libraries leave alone.
func isHeader(h map[string]any) bool {
	if alg, ok := h["alg"]; ok {
		name, isText := alg.(string)
		return isText && name != ""
	}
	for _, name := range []string{"typ", "enc", "cty", "kid", "kty", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit", "zip", "b64", "url", "nonce", "apu", "apv", "epk", "iv", "tag", "p2s", "p2c", "key_ops", "use", "ver", "version", "iss", "sub", "aud", "ppt", "svt"} {
		if v, ok := h[name]; ok && v != "" && v != nil {
			return true
		}
	}
	return false
}

// publicKeys are the keys that specifications, debuggers and the manuals of
// libraries sign their examples with: anyone could have made what is signed so.
var publicKeys = [][]byte{
	[]byte("secret"), []byte("your-256-bit-secret"), []byte("a-string-secret-at-least-256-bits-long"), []byte("key"), []byte("test"), []byte("my-secret"), []byte("mysecret"), []byte("my_secret"), []byte("changeme"), []byte("abracadabra"),
	mustDecode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"), // RFC 7515, appendix A.1
}

func mustDecode(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// signedInPublic reports whether signature, in base64, is that of signed by one of
// publicKeys.
func signedInPublic(signed, signature []byte) bool {
	want, err := base64.RawURLEncoding.DecodeString(string(signature))
	if err != nil || len(want) != sha256.Size {
		return false
	}
	for _, key := range publicKeys {
		h := hmac.New(sha256.New, key)
		h.Write(signed)
		if hmac.Equal(h.Sum(nil), want) {
			return true
		}
	}
	return false
}

var azureAlphabet = alphabet("w~.")

// azureSecret reads a client secret whose '~' after the Q is at i.
func (s *scanner) azureSecret(i int) {
	buf, k := s.buf, kinds["secret-azure-client-secret"]
	if i < 5 || buf[i-1] != 'Q' || !isDigit(buf[i-2]) {
		return
	}
	from, to := i-5, i+1
	for j := from; j < i; j++ {
		if !azureAlphabet[buf[j]] {
			return
		}
	}
	for to < len(buf) && to-i <= 36 && azureAlphabet[buf[to]] {
		to++
	}
	for to-i-1 > 31 && buf[to-1] == '.' {
		to--
	}
	n := to - i - 1
	if n < 31 || n > 34 || from > 0 && wordBefore(buf, from) {
		s.reject(k.ID, from, to, "length")
		return
	}
	v := string(buf[i+1 : to])
	if placeholder(v) || entropy(v) < 3.5 {
		s.reject(k.ID, from, to, "placeholder")
		return
	}
	s.add(candidate{kind: k, start: from, end: to, level: k.Alone, value: string(buf[from:to]), why: "mark, length and randomness"})
}

// awsSecrets looks for secret access keys in a text that speaks of AWS: runs of
// exactly 40 characters of base64.
func (s *scanner) awsSecrets() {
	buf, k := s.buf, kinds["secret-aws-secret-key"]
	for i := 0; i < len(buf); {
		from := i
		for i < len(buf) && (isAlnum(buf[i]) || buf[i] == '/' || buf[i] == '+') {
			i++
		}
		if i-from == 40 {
			s.awsSecret(k, from, i)
		}
		i++
	}
	s.work += len(buf)
}

func (s *scanner) awsSecret(k *kind, from, to int) {
	v := string(s.buf[from:to])
	digits, upper, lower := mix(v)
	switch {
	case placeholder(v):
		s.reject(k.ID, from, to, "placeholder")
	case digits == 0 || upper == 0 || lower == 0 || entropy(v) < 4:
		s.reject(k.ID, from, to, "randomness")
	default:
		ev := s.evidence(k.set, k.Within, from, to)
		if !ev.found() {
			s.reject(k.ID, from, to, "no keyword nearby")
			return
		}
		c := candidate{kind: k, start: from, end: to, level: k.WithContext, evidence: true, value: v, why: "40 random characters; " + s.tell(ev)}
		if !ev.full {
			c.level = c.level.lower()
		}
		s.add(c)
	}
}

// mix counts kinds of characters.
func mix(v string) (digits, upper, lower int) {
	for i := range len(v) {
		switch c := v[i]; {
		case isDigit(c):
			digits++
		case isUpper(c):
			upper++
		case isLower(c):
			lower++
		}
	}
	return digits, upper, lower
}

// url looks at what follows the "://" at i for credentials.
func (s *scanner) url(i int) {
	buf, k := s.buf, kinds["url-with-credentials"]
	from := i
	for from > 0 && i-from < 24 && (isAlnum(buf[from-1]) || buf[from-1] == '+') {
		from--
	}
	user := i + 3
	end, at, colon := user, -1, -1
	for ; end < len(buf) && end-user < maxToken*2; end++ {
		c := buf[end]
		if c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '"' || c == '\'' || c == '`' {
			break
		}
		if c == '/' || c == '?' || c == '#' {
			break
		}
		if c == '@' {
			at = end
		} else if c == ':' && colon < 0 {
			colon = end
		}
	}
	s.work += end - from
	for end < len(buf) && end > user && !utf8.RuneStart(buf[end]) {
		end-- // cut in two by the limit
	}
	if from == i || at < 0 || colon < 0 || colon > at || at-colon-1 < 4 || end == at+1 {
		return
	}
	name, password := string(buf[user:colon]), string(buf[colon+1:at])
	if placeholder(password) || common[strings.ToLower(password)] || strings.EqualFold(password, name) || name == "username" || password[0] == ':' || strings.HasPrefix(name, "$") {
		s.reject(k.ID, from, end, "placeholder")
		return
	}
	s.add(candidate{kind: k, start: from, end: end, level: k.Alone, value: string(buf[from:end]), prefix: string(buf[from:user]), why: "user and password in a URL",
		known: documentation(strings.ToLower(string(buf[at+1 : end])))})
}
