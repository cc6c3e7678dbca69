package detect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"
)

var secrets = []*kind{
	{Detector: Detector{
		ID: "secret-private-key", Name: "Private key", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Source: "RFC 7468, OpenSSH, RFC 4880",
		Match: []string{
			"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq0Xk2vR9sT4uYwZ1cN8mL5jH3gF6dS\nqW2eR5tY8uI0oP3aS6dF9gH1jK4lZ7xC\n-----END RSA PRIVATE KEY-----",
			"-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz",
			"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\nlQOYBF9xKzABCADGq7mZ2pW8vR4tN6yB1cX3dE5fG7hJ9kL0mQ2wS4uT6",
		},
		NoMatch: []string{
			"-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA7bq0Xk2vR9sT4uYwZ1cN8mL5jH3gF6dS\n", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
			"a file that starts with -----BEGIN PRIVATE KEY----- is a key", "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA7bq0",
		},
	}},
	{Detector: Detector{
		ID: "secret-aws-access-key", Name: "AWS access key id", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens:  []string{"AKIA{A0:16}", "ASIA{A0:16}", "ABIA{A0:16}", "ACCA{A0:16}"},
		Source:  "docs.aws.amazon.com/IAM: unique identifiers",
		Match:   []string{"AKIAZ7QW4NTPL2XKVB5M", "key=ASIAQX3YTR6MZ2LBW7JN", "aws AKIA2OGYBAH6UNBZPCVK."},
		NoMatch: []string{"AKIAIOSFODNN7EXAMPLE", "AKIAZ7QW4NTPL2XKVB5", "AKIAAAAAAAAAAAAAAAAA", "akiaz7qw4ntpl2xkvb5m", "XAKIAZ7QW4NTPL2XKVB5M"},
	}},
	{Detector: Detector{
		ID: "secret-aws-secret-key", Name: "AWS secret access key", Family: "secret", Tier: "A",
		Words:       []string{"aws", "amazon", "aws secret", "secret access key", "aws secret access key", "secretaccesskey", "iam"},
		WithContext: High, Mask: MaskPrefix, Source: "docs.aws.amazon.com/IAM: 40 characters of base64",
		Match: []string{"aws_secret_access_key = k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wo+/i", "aws key k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wo+/i", "AWS: \"P9d/3kLmQz7WvX2rT5yB8nHc4JfGs1Ae6Uo0ViKE\""},
		NoMatch: []string{"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY aws", "k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wo+/i",
			"aws commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "aws k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wo+/i9"},
	}},
	{Detector: Detector{
		ID: "secret-github-token", Name: "GitHub token", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens:  []string{"ghp_{Aa0:36-255}", "gho_{Aa0:36-255}", "ghu_{Aa0:36-255}", "ghs_{Aa0:36-255}", "ghr_{Aa0:36-255}", "github_pat_{Aa0_:60-255}"},
		Source:  "docs.github.com: about authentication, token formats",
		Match:   []string{"ghp_k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "token: gho_P9d3kLmQz7WvX2rT5yB8nHc4JfGs1Ae6Uo0V", "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"},
		NoMatch: []string{"ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ghp_short", "ghp_your_token_here", "the ghp_ prefix"},
	}},
	{Detector: Detector{
		ID: "secret-gitlab-token", Name: "GitLab token", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens:  []string{"glpat-{w.:20-300}", "gldt-{w:20-64}", "glrt-{w.:20-300}", "glptt-{h:40}", "glcbt-{w:20-64}", "glft-{w:20-64}", "glimt-{w:25-64}", "glagent-{w:50-64}", "gloas-{w:64}", "glsoat-{w:20-64}", "glffct-{w:20-64}", "GR1348941{w:20}", "gitlab_session={h:32}"},
		Source:  "docs.gitlab.com: token overview, prefixes",
		Match:   []string{"glpat-k7Rm2XvQ9pLw4TzBn8Yh", "use glrt-P9d3kLmQz7WvX2rT5yB8 here", "TOKEN=gldt-a1B2c3D4e5F6g7H8i9J0"},
		NoMatch: []string{"glpat-xxxxxxxxxxxxxxxxxxxx", "glpat-", "glpat-your-token-goes-here1"},
	}},
	{Detector: Detector{
		ID: "secret-azure-storage-key", Name: "Azure storage account key", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens: []string{"(?i)accountkey={b:86}==", "(?i)accountkey = {b:86}=="},
		Source: "learn.microsoft.com: configure Azure Storage connection strings; 64 bytes of base64",
		Match: []string{
			"AccountKey=pTyGJMuHbEL31IeL2HPcHyGcFRl1SPnXNYvMIHa/2o76umfXfKm/r5kJP1VrT+1FJors/6ILi8IHn5kxsC7tVO==",
			"DefaultEndpointsProtocol=https;AccountName=contoso;AccountKey=/HbkQfyy/KV5zjR3j1twdTKWTddB+XhkAS1voQG6yyzyN9zHYIa4UOrGNATMuDJawTgsu8PO+799nKSNrh9UCa==;EndpointSuffix=core.windows.net",
			"accountkey = uSDmLhuVtcqcYezdZ/tDDj8hYs5suKcNd8Zra9A9sKPxZ9W3qLy7zKUVQDT7S8sTQCBNR3YbDgbleph1QHt61Q==",
		},
		NoMatch: []string{"AccountKey=<your key>", "AccountKey=abc", "AccountKey=${KEY}"},
	}},
	{Detector: Detector{
		ID: "secret-azure-client-secret", Name: "Microsoft Entra client secret", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskAll,
		Source:  "form of secrets issued since 2021: three characters, a digit, Q~",
		Match:   []string{"kR78Q~mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wx", "secret=a.b1Q~P9d3kLmQz7WvX2rT5yB8nHc4JfGs1Ae6Uo", "the app's is Zx_9Q~h7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5U."},
		NoMatch: []string{"abc8Q~short", "kR7xQ~mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "abc8Q~xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
	}},
	{Detector: Detector{
		ID: "secret-slack-token", Name: "Slack token", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens:  []string{"xoxb-{Aa0-:24-120}", "xoxp-{Aa0-:24-160}", "xoxa-{Aa0-:24-160}", "xoxr-{Aa0-:24-160}", "xoxs-{Aa0-:24-160}", "xoxo-{Aa0-:24-160}", "xoxc-{Aa0-:24-160}", "xoxd-{Aa0%:24-300}", "xoxe-{Aa0-:24-200}", "xoxe.xoxp-{Aa0-:24-200}", "xoxe.xoxb-{Aa0-:24-200}", "xapp-{Aa0-:24-160}"},
		Source:  "api.slack.com: token types",
		Match:   []string{"xoxb-" + "731948265037-7319482650371-kR7mX2vQ9pLw4TzBn8YhJ3cF", "xoxp-" + "731948265037-731948265037-731948265037-a1b2c3d4e5f60718293a4b5c6d7e8f90", "xapp-" + "1-A02BCD3EF4G-7319482650371-9f8e7d6c5b4a39281706f5e4d3c2b1a0"},
		NoMatch: []string{"xoxb-your-token-here", "xoxb-" + "xxxxxxxxxxxx-xxxxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx", "xoxb-123"},
	}},
	{Detector: Detector{
		ID: "secret-slack-webhook", Name: "Slack incoming webhook", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens:  []string{"hooks.slack.com/services/{w/:36-100}", "hooks.slack.com/workflows/{w/:36-120}", "hooks.slack.com/triggers/{w/:36-120}"},
		Source:  "api.slack.com: incoming webhooks",
		Match:   []string{"https://hooks.slack.com/services/" + "T02BCD3EF/B02GHJ4KL/kR7mX2vQ9pLw4TzBn8YhJ3cF", "hooks.slack.com/services/" + "T7R2XVQ9P/B4TZN8YHJ/P9d3kLmQz7WvX2rT5yB8nHc4", "post to https://hooks.slack.com/workflows/" + "T02BCD3EF/A02GHJ4KL/731948265037/kR7mX2vQ9pLw4TzBn8YhJ3cF"},
		NoMatch: []string{"https://hooks.slack.com/services/" + "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "https://hooks.slack.com/services/", "https://api.slack.com/docs"},
	}},
	{Detector: Detector{
		ID: "secret-stripe-key", Name: "Stripe key", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens:  []string{"sk_live_{Aa0:20-247}", "rk_live_{Aa0:20-247}", "sk_test_{Aa0:20-247}", "rk_test_{Aa0:20-247}", "sk_prod_{Aa0:20-247}", "whsec_{Aa0+/=:32-100}"},
		Source:  "docs.stripe.com: API keys",
		Match:   []string{"sk_live_" + "k7Rm2XvQ9pLw4TzBn8YhJ3cF", "rk_live_" + "P9d3kLmQz7WvX2rT5yB8nHc4", "whsec_" + "k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5"},
		NoMatch: []string{"sk_live_" + "xxxxxxxxxxxxxxxxxxxxxxxx", "pk_live_" + "k7Rm2XvQ9pLw4TzBn8YhJ3cF", "sk_live_short"},
	}},
	{Detector: Detector{
		ID: "secret-google-api-key", Name: "Google API key", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Tokens:  []string{"AIza{w:35}"},
		Source:  "cloud.google.com: API keys; AIza and 35 characters",
		Match:   []string{"AIzaSyK7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5U", "key=AIzaP9d3kLmQz7WvX2rT5yB8nHc4JfGs1Ae6Uo-", "AIzaSyB_a9K3kLmQz7WvX2rT5yB8nHc4JfGs1Ae."},
		NoMatch: []string{"AIzaSyXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "AIzaShort", "AIzaSyK7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Uabc"},
	}},
	{Detector: Detector{
		ID: "secret-jwt", Name: "JSON web token", Family: "secret", Tier: "A",
		Words: []string{"token", "jwt", "bearer", "authorization", "auth", "access token", "access_token", "id token", "cookie", "session"},
		Alone: Medium, WithContext: High, Mask: MaskPrefix, Source: "RFC 7519",
		Match: []string{
			"eyJhbGciOiJIUzI1NiIsImtpZCI6IjcifQ.eyJzdWIiOiJhbmEiLCJleHAiOjE3NjE5OTk5OTl9.kR7mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5",
			"Authorization: Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjb250b3NvIn0.P9d3kLmQz7WvX2rT5yB8nHc4JfGs1Ae6",
			"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLnRlc3QifQ.mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W",
		},
		NoMatch: []string{"eyJhbGciOiJIUzI1NiJ9", "eyJub3QiOiJhIGp3dCJ9.eyJzdWIiOiJhIn0.kR7mX2vQ9pLw4TzBn8YhJ3cF", "eyJ.eyJ.x"},
	}},
	{Detector: Detector{
		ID: "url-with-credentials", Name: "Password in a URL", Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskPrefix,
		Source:  "RFC 3986, section 3.2.1",
		Match:   []string{"postgres://app:kR7mX2vQ@db.contoso.com:5432/x", "https://jo:Tr0ub4dor3@build.contoso.com/", "redis://:s3cr3tV4lue@10.1.2.3:6379"},
		NoMatch: []string{"https://user:password@host/", "https://contoso.com:8080/a@b", "postgres://app:${DB_PASSWORD}@db/x", "https://jo@contoso.com/", "ftp://user:<password>@host"},
	}},
	{Detector: Detector{
		ID: "secret-generic", Name: "Assigned key or token", Family: "secret", Tier: "A", Alone: Low, WithContext: Low, Mask: MaskAll,
		Source:  "a word for a secret, an assignment, a value that looks random",
		Match:   []string{"api_key = \"k7Rm2XvQ9pLw4TzBn8Yh\"", "CLIENT_SECRET: P9d3kLmQz7WvX2rT5yB8nHc4", "\"apiKey\": \"a9K3kLmQz7WvX2rT5yB8\""},
		NoMatch: []string{"api_key = your-api-key-here", "token: ${TOKEN}", "secret: the-quarterly-numbers-are-out", "api_key = os.environ[\"KEY\"]", "token = get_token_from_vault_now()"},
	}, weak: true},
	{Detector: Detector{
		ID: "password-assignment", Name: "Password", Family: "secret", Tier: "A", Alone: Low, Printed: Medium, WithContext: Medium, Mask: MaskAll,
		Source:  "a word for a password, an assignment, a value that is no placeholder",
		Match:   []string{"pw: hunter2!", "password=Tr0ub4dor&3", "das Passwort ist Sommer2026!", "mot de passe : Chat-noir7", "\"password\": \"xK9-mP2q\"", "DB_PASSWORD=correct7horse"},
		NoMatch: []string{"password: ********", "password is required", "password = ${PW}", "password: <password>", "Password: xxxxx", "password reset link", "the password is wrong", "passwords: see the vault"},
	}, weak: true},
}

func init() {
	for _, k := range catalogue {
		if k.named {
			continue // its tokens have no prefix
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
	on("eyJ", false, (*scanner).jwt)
	for _, w := range []string{"aws", "amazon", "secretaccesskey", "secret_access_key", "secret access key"} {
		on(w, true, func(s *scanner, _, _ int) { s.aws = true })
	}
	for _, w := range []string{"password", "passwort", "passwd", "passphrase", "pass", "pwd", "kennwort", "contrase\u00f1a", "contrasena", "mot de passe", "mdp",
		"wachtwoord", "senha", "has\u0142o", "haslo", "l\u00f6senord", "losenord", "parola", "adgangskode", "passord", "salasana", "\u043f\u0430\u0440\u043e\u043b\u044c",
		"\u015fifre", "sifre", "kodeord", "senhas", "\ube44\ubc00\ubc88\ud638", "\u30d1\u30b9\u30ef\u30fc\u30c9", "\u5bc6\u7801", "\u5bc6\u78bc"} {
		on(w, true, func(s *scanner, start, end int) { s.assigned(start, end, w, true) })
	}
	// Two letters are too few for the table of three: what may follow is listed.
	for _, w := range []string{"pw:", "pw=", "pw ", "pw\"", "pw'"} {
		on(w, true, func(s *scanner, start, end int) { s.assigned(start, end-1, "pw", true) })
	}
	for _, w := range []string{"api_key", "apikey", "api-key", "secret_key", "secretkey", "secret-key", "client_secret", "clientsecret", "client secret", "client-secret", "access_key", "accesskey", "access-key",
		"access_token", "accesstoken", "access-token", "auth_token", "authtoken", "auth-token", "private_key", "private-token", "credential", "credentials", "auth_key", "authkey", "apitoken", "schl\u00fcssel",
		"\u79d8\u5bc6\u9375", "\u5bc6\u94a5", "\u30c8\u30fc\u30af\u30f3", "cl\u00e9", "jeton", "sleutel", "klucz", "nyckel", "chiave", "chave", "anahtar", "clave"} {
		on(w, true, func(s *scanner, start, end int) { s.assigned(start, end, w, false) })
	}
	for _, w := range []string{"token", "secret"} {
		on(w, true, func(s *scanner, start, end int) { s.tokenNamed(start, end, w) })
	}
	on("key", true, (*scanner).keyed)
}

// placeholders are what stands in for a secret in examples.
var placeholders = []string{"example", "xxxx", "your", "placeholder", "changeme", "change_me", "redacted", "dummy", "insert", "sample", "goes-here", "goes_here", "****", "....", "•••",
	"${", "{{", "<", "%(", "$(", "123456789", "abcdefgh", "00000000", "env.", "environ", "getenv", "secrets.", "vault"}

// placeholder reports whether v only stands for a value.
func placeholder(v string) bool {
	l := strings.ToLower(v)
	for _, p := range placeholders {
		if strings.Contains(l, p) {
			return true
		}
	}
	return strings.HasPrefix(v, "$") || strings.HasPrefix(v, "%") && strings.HasSuffix(v, "%")
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
	end := from + len(rest)
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
	if start > 0 && isWordByte(buf[start-1]) {
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
	var h struct {
		Alg string `json:"alg"`
	}
	if err != nil || json.Unmarshal(head, &h) != nil || h.Alg == "" {
		s.reject(k.ID, start, i, "no header that names an algorithm")
		return
	}
	c := candidate{kind: k, start: start, end: i, level: k.Alone, value: string(buf[start:i]), prefix: "eyJ", why: "three parts, the first a header"}
	if ev := s.evidence(k.set, k.Within, start, i); ev.found() && ev.full {
		c.level, c.evidence = k.WithContext, true
		c.why += "; " + s.tell(ev)
	}
	s.add(c)
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
	if n < 31 || n > 34 || from > 0 && isWordByte(buf[from-1]) {
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
	if placeholder(password) || common[strings.ToLower(password)] || strings.EqualFold(password, name) {
		s.reject(k.ID, from, end, "placeholder")
		return
	}
	s.add(candidate{kind: k, start: from, end: end, level: k.Alone, value: string(buf[from:end]), prefix: string(buf[from:user]), why: "user and password in a URL",
		known: documentation(strings.ToLower(string(buf[at+1 : end])))})
}
