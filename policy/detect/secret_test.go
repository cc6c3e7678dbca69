package detect

import (
	"encoding/base64"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

func TestParseToken(t *testing.T) {
	for _, tc := range []struct {
		form, want string // want: a part of the error; empty: none
	}{
		{"ghp_{Aa0:36-255}", ""}, {"dt0{a:1}{0:2}.{A0:24}.{A0:64}", ""}, {"(?i)accountkey={b:86}==", ""}, {"abc", "before the first brace"}, {"ab{h:4}", "at least three characters"},
		{"(?i)ABC{h:4}", "lower case"}, {"abc{h}", "want {class:count}"}, {"abc{h:4", "want {class:count}"}, {"abc{:4}", "want {class:count}"}, {"abc{h:}", "count"}, {"abc{h:x}", "count"}, {"abc{h:0}", "count"},
		{"abc{h:-4}", "count"}, {"abc{h:5-4}", "count"}, {"abc{h:4-}", "count"}, {"abc{h:99999}", "count"}, {"abc{a b:4}", "want {class:count}"}, {"abc{{h:4}}", "want {class:count}"}, {"", "before the first brace"},
	} {
		_, err := parseToken(tc.form)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%q: %v", tc.form, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%q: %v, want %q", tc.form, err, tc.want)
		}
	}
}

func TestTokenFollows(t *testing.T) {
	for _, tc := range []struct {
		form, text string
		want       int // where the token ends in text; -1: it is none
	}{
		{"abc{h:4}", "abc12ef", 7}, {"abc{h:4}", "abc12ef.", 7}, {"abc{h:4}", "abc12e", -1}, {"abc{h:4}", "abc12ef0", -1}, {"abc{h:4}", "abc12efg", -1}, {"abc{h:4}", "abc12EF", -1}, {"abc{x:4}", "abc12EF", 7},
		{"abc{h:4}", "abc12ef_", 7}, {"abc{w:4-9}", "abc12ef-.", 7}, {"abc{w:4-9}", "abc12ef-x", 9}, {"abc{w:4-9}", "abcaaaa--", 7}, {"abc{w:6-9}", "abcaaaa--", 9}, {"abc{0:2}-{a:2}", "abc12-xy", 8},
		{"abc{0:2}-{a:2}", "abc123-xy", -1}, {"abc{0:2}-{a:2}", "abc12_xy", -1}, {"abc{0:2}-{a:2}", "abc12-", -1}, {"abc{0:2}x", "abc12x", 6}, {"abc{0:2}x", "abc12xy", -1}, {"abc{b:4}==", "abcA+/9==", 9}, {"abc{b:4}==", "abcA+/9=", -1},
		{"abc{a2-4:3}", "abc2-b", 6}, {"abc{a234:3}", "abc2b4", 6}, {"abc{a234:3}", "abc2b5", -1},
	} {
		f, err := parseToken(tc.form)
		if err != nil {
			if tc.want >= 0 {
				t.Errorf("%q: %v", tc.form, err)
			}
			continue
		}
		if got := f.follows([]byte(tc.text), 3); got != tc.want {
			t.Errorf("%q in %q: ends at %d, want %d", tc.form, tc.text, got, tc.want)
		}
	}
}

func TestFill(t *testing.T) {
	for _, s := range []string{"", "none", "${VAR} {{ .x }} <y>", "{", "{h:4", "}", "{h:0}", `{"a": 1}`} {
		if got := Fill(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	a := Fill("x{h:8}-{A:2}{0:3-9}y")
	if a != Fill("x{h:8}-{A:2}{0:3-9}y") || len(a) != 16 || a[0] != 'x' || a[9] != '-' || a[15] != 'y' || strings.Trim(a[1:9], "0123456789abcdef") != "" || strings.Trim(a[12:15], "0123456789") != "" {
		t.Errorf("filled: %q", a)
	}
	if Fill("{Aa0:20}") == Fill("x{Aa0:20}")[1:] {
		t.Error("other text, the same fill")
	}
}

// What gives a secret away, and how it is given.
func TestFilled(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "k7Rm2XvQ": "k7Rm2XvQ", "abcdefgh": "", "1234567890": "", "98765": "", "zyxw": "", "aaaa": "", "aaa": "aaa", "abc": "abc", "ABcd": "", "qwertz": "z", "poiuy": "poiuy",
		"k7Rm-k7Rm": "k7Rm", "731948265037-1111111111-kR7mX2vQ": "731948265037kR7mX2vQ", "k7Rm12345Xv": "k7RmXv",
	} {
		if got := filled(in); got != want {
			t.Errorf("%q without what fills it up: %q, want %q", in, got, want)
		}
	}
}

// A short prefix is found in base64 by chance; in a path, and by itself, it is one.
func TestTokenInBlob(t *testing.T) {
	token := Fill("EAAG{Aa0:110}")
	for in, want := range map[string]want{
		token:                            "secret-facebook-token 85",
		"graph/v19.0/me/" + token:        "secret-facebook-token 85",
		Fill("{b:60}a7Q/") + token + "=": "",
		token + Fill("+a7QaQ{b:60}"):     "",
	} {
		if got := found(extract.Plain(in), Options{}); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// What stands in for a secret is none; a secret beside what people fill up an example
// with is one, of a level less.
func TestPlaceholders(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"xoxb-731948265037-7319482650371-kR7mX2vQ9pLw4TzBn8YhJ3cF", "secret-slack-token 85"},
		{"xoxb-123456789012-1234567890123-kR7mX2vQ9pLw4TzBn8YhJ3cF", "secret-slack-token 75"},
		{"xoxa-2-511111111-31111111111-3111111111111-e03b102840a0c9379d", "secret-slack-token 75"},
		{"xoxb-123456789012-1234567890123-abcdefghijklmnopqrstuvwx", ""},
		{"xoxb-123456789012-1234567890123-your9pLw4TzBn8YhJ3cFkR7m", ""},
		{"xoxp-731948265037-731948265037-731948265037-####################", ""},
		{"xoxe.xoxp-1-AccessTokenHereAccessTokenHere", ""},
		{"dop_v1_1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcdef", ""},
		{"curl -u k7Rm2XvQ9pLw4TzBn8Yh: https://contoso.com", "secret-curl-credentials 85"},
		{"curl -u :k7Rm2XvQ9p https://contoso.com", "secret-curl-credentials 85"},
		{"curl -X POST https://contoso.com \\\n-u build:k7Rm2XvQ9p", "secret-curl-credentials 85"},
		{"curl -u xxx:yyy https://contoso.com", ""},
		{"curl -u build: https://contoso.com", ""},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

// A key's name may follow an acronym, and what a name says itself is no key.
func TestKeyNames(t *testing.T) {
	const v = "k7Rm2XvQ9pLw4TzBn8YhJ3cF"
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"apiToken = " + v, "secret-generic 65"}, {"APIToken = " + v, "secret-generic 65"}, {"<APIToken>\n  " + v + "\n</APIToken>", "secret-generic 65"}, {"JWTKey: " + v, "secret-generic 65"},
		{"DBPassword=" + v, "password-assignment 75"}, {"APITOKENS = " + v, ""}, {"ETOKen = " + v, ""},
		{`{"method": "auth.login_with_api_key", "params": ["8-` + v + `"]}`, "secret-generic 65"},
		{`{"method": "lookup_api_key", "params": {"8-` + v + `"}}`, ""},
		{`const ID_GOST28147_89_KeyMeshing = "id-gost28147-89-key-meshing"`, ""}, {"SealKeys25519 = X25519.SealKeys25519", ""}, {`SealKey = "X25519.K7Rm2XvQ9pLw4"`, "secret-generic 65"},
		{`<input name="authenticity_token" value="` + v + `">`, ""}, {"assets/video.ico-7a388b69018576d24b59331fd60aab0c.png", ""}, {"video.ico-7a388b69018576d24b59331fd60aab0c.", "secret-infracost-key 85"},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		// prefixes
		{"ghp_{Aa0:36}", "secret-github-token 85"}, {"(ghp_{Aa0:36})", "secret-github-token 85"}, {"キーはghp_{Aa0:36}です", "secret-github-token 85"}, {"xghp_{Aa0:36}", ""}, {"éghp_{Aa0:36}", ""},
		{"ghp_{a:36}", "secret-github-token 85"}, {"ghp_this-is-not-a-token-at-all-but-words-only", ""}, {"glpat-this-is-no-token-at-all", ""}, {"sk_test_{Aa0:24}", "secret-stripe-key 85"},
		{"AccountEndpoint=https://x.documents.azure.com:443/;AccountKey={b:86}==", "secret-azure-cosmos-key 85"}, {"AccountName=x;AccountKey={b:86}==", "secret-azure-storage-key 85"},
		{"HostName=x.azure-devices.net;SharedAccessKey={b:43}=", "secret-azure-iot-key 85"}, {"Endpoint=sb://x/;SharedAccessKey={b:43}=", "secret-azure-service-bus-key 85"},

		// services
		{"DATADOG_API_KEY={h:32}", "secret-datadog-key 85"}, {"export DATADOG_API_KEY='{h:32}'", "secret-datadog-key 85"}, {"datadog: {h:32}", "secret-datadog-key 85"}, {"\"circleci\": \"{h:40}\"", "secret-circleci-legacy-token 85"},
		{"datadog dashboard {h:32}", ""}, {"datadog trace: see {h:32}", ""}, {"snyk_token={h:8}-{h:4}-{h:4}-{h:4}-{h:12}", "secret-snyk-token 85"}, {"snyk project {h:8}-{h:4}-{h:4}-{h:4}-{h:12}", ""},

		// names of keys
		{"api_key={Aa0:32}", "secret-generic 65"}, {"apiKey: '{Aa0:32}'", "secret-generic 65"}, {"ACME_KEY={Aa0:32}", "secret-generic 65"}, {"acme.key = {Aa0:32}", "secret-generic 65"}, {"--api-key {Aa0:32}", "secret-generic 65"},
		{"setToken(\"{Aa0:32}\")", "secret-generic 65"}, {"headers.put(\"x-api-key\", \"{Aa0:32}\")", "secret-generic 65"}, {"<apiKey>{Aa0:32}</apiKey>", "secret-generic 65"}, {"the access token is {Aa0:32}", "secret-generic 65"},
		{"api_key => {Aa0:32}", "secret-generic 65"}, {"api key {Aa0:32}", "secret-generic 65"}, {"client_secret: {h:8}-{h:4}-{h:4}-{h:4}-{h:12}", "secret-generic 65"}, {"\\\"token\\\": \\\"{Aa0:32}\\\"", "secret-generic 65"},
		{"key {h:40}", ""}, {"signing key 0x{h:16}", ""}, {"public_key={Aa0:32}", ""}, {"cache_key={h:32}", ""}, {"primaryKey: {h:32}", ""}, {"next_token={Aa0:32}", ""}, {"pageToken={Aa0:32}", ""}, {"idempotency-key: {h:32}", ""},
		{"token=my-service-account-name-2026", ""}, {"secret: kubernetes-dashboard-certs", ""}, {"token = getTokenFromVaultNow2()", ""}, {"api_key: com.contoso.app.ApiKey2", ""}, {"key: K8SReplicaSetNameKey1", ""},
		{"api_key=aaaaaaaaaaaaaaaaaaaaaaaa", ""}, {"token=/etc/teamsdlp/secrets/token2026", ""}, {"token=https://contoso.com/{Aa0:32}", ""}, {"api_key={Aa0:8}", ""}, {"monkey={Aa0:32}", ""}, {"tokens={Aa0:32}", ""}, {"tokenizer={Aa0:32}", ""},
		{"api_key=<{Aa0:32}>", ""}, {"api_key=$(cat {Aa0:32})", ""}, {"sig_key: 51:C4:0C:6D:7E:A5:6C:D8:8F:B4:3A", ""}, {"token: 0x7ffd5e8c3a20 at 12", ""},

		// how a name is given its key
		{"ACME_TOKEN ?= {Aa0:32}", "secret-generic 65"}, {"ACME_TOKEN ::= \"{Aa0:32}\"", "secret-generic 65"}, {"$acmeToken .= \"{Aa0:32}\";", "secret-generic 65"}, {"ACME_TOKEN := {Aa0:32}", "secret-generic 65"}, {"token::new({Aa0:32})", ""}, {"token != \"{Aa0:32}\"", ""},
		{"var acmeToken string = \"{Aa0:32}\"", "secret-generic 65"}, {"let acme_token: &str = \"{Aa0:32}\";", "secret-generic 65"}, {"api_key: SecretStr = '{Aa0:32}'", "secret-generic 65"}, {"char api_key[] = \"{Aa0:32}\";", "secret-generic 65"}, {"token string with {Aa0:32}", ""},
		{"<acmeToken>\n    {Aa0:32}\n</acmeToken>", "secret-generic 65"}, {"acme_token: |\n  {Aa0:32}", "secret-generic 65"}, {"acme_token: >-\n    {Aa0:32}\n", "secret-generic 65"}, {"acme_token = <<EOF\n{Aa0:32}\nEOF", "secret-generic 65"}, {"acmeToken = @\"{Aa0:32}\";", "secret-generic 65"},
		{"the token:\n{Aa0:32}", "secret-generic 65"}, {"the token:\n{Aa0:32} is the build", ""}, {"- name: ACME_TOKEN\n  value: {Aa0:32}", "secret-generic 65"}, {`{"name": "ACME_TOKEN", "value": "{Aa0:32}"}`, "secret-generic 65"}, {`<add key="AcmeToken" value="{Aa0:32}" />`, "secret-generic 65"},
		{"variable \"acme_token\" {\n  type = string\n  default = \"{Aa0:32}\"\n}", "secret-generic 65"}, {"gh secret set ACME_TOKEN --body {Aa0:32}", "secret-generic 65"}, {"set ACME_TOKEN with the value {Aa0:32} there", "secret-generic 65"}, {"token, value of {Aa0:32}", ""},
		{"**API_KEY**: `{Aa0:32}`", "secret-generic 65"}, {"| API_KEY | {Aa0:32} |", "secret-generic 65"}, {"KeyToken | {Aa0:32}", ""}, {"ENV API_KEY {Aa0:32}", "secret-generic 65"}, {"the access token for the build server is {Aa0:32}", "secret-generic 65"}, {"token (prod): {Aa0:32}", "secret-generic 65"}, {"the api key for prod is {h:32}", "secret-generic 65"}, {"the api key for prod is {h:8}-{h:4}-{h:4}-{h:4}-{h:12}", "secret-generic 65"}, {"the key for the commit is {h:40}", ""},
		{"SECRET_KEY_BASE={h:64}", "secret-generic 65"}, {"ACME_TOKEN_PROD={Aa0:32}", "secret-generic 65"}, {"acmeToken2: {Aa0:32}", "secret-generic 65"}, {"mySecretString={Aa0:32}", "secret-generic 65"}, {"token_url={Aa0:32}", ""}, {"secretName: {Aa0:32}", ""}, {"TOKEN_ID2={Aa0:32}", ""}, {"secretsauce={Aa0:32}", ""}, {"API_KEY_ID={Aa0:32}", ""},
		{"api_key = pk_live_{Aa0:24}", ""}, {"TOKEN=ops_{Aa0:24}...", ""}, {"sshKey = \"ssh-ed25519 {b:64}\"", ""}, {"KeyUsage: x509.KeyUsageCertSign,", ""}, {"exports.SubjectKey = exports.X509AuthorityKeyIDExtension;", ""}, {"token = win32api.RegOpenKeyEx", ""}, {"protobuf_key:\"zigzag32,1,opt,name=key\"", ""}, {"Sec-WebSocket-Key: {Aa0:22}==", ""},
		{"pubKey *secp256k1.PublicKey) bool", ""}, {"| `PrivateKey` | `ed25519.PublicKey` |", ""}, {"password: []string{\"password\"}", ""}, {"\"PWD=\"+dir2!)", ""},

		{"acme ACCESS {Aa0:32}", "secret-generic 65"}, {"acmePRIVATE {h:32}", "secret-generic 65"}, {"PRIVATE BUILD 2026", ""}, {"ACCESS: {h:8}-{h:4}-{h:4}-{h:4}-{h:12}", ""}, {"GRANT ACCESS ON x2y3z4", ""}, {"access {Aa0:32}", ""},

		// passwords
		{"password: Sommer2026!", "password-assignment 75"}, {"the password for the build server is Tr0ub4dor&3", "password-assignment 75"}, {"Das Passwort für das WLAN ist Sommer2026!", "password-assignment 75"},
		{"le mot de passe du wifi est Chat-noir7", "password-assignment 75"}, {"La contraseña del servidor es Perro-azul9", "password-assignment 75"}, {"Het wachtwoord voor de wifi is Fiets#2026", "password-assignment 75"},
		{"パスワードはkR7mX2vQ!です", "password-assignment 75"}, {"密码是 kR7mX2vQ!", "password-assignment 75"}, {"lösenordet: Sommar2026!", "password-assignment 75"}, {"mysql --password=kR7mX2vQ9", "password-assignment 75"},
		{"mysql --password kR7mX2vQ9", "password-assignment 75"}, {"<password>kR7mX2vQ9</password>", "password-assignment 75"}, {"PASSWORD: \"correct horse 7 battery!\"", "password-assignment 75"}, {"passphrase: 'blue river 42 stone!'", "password-assignment 75"},
		{"Server=db;User ID=app;Password=kR7mX2vQ9;Encrypt=True", "secret-connection-string 85"}, {"Password=kR7mX2vQ9;Encrypt=True", "password-assignment 75"},
		{"(get_passphrase): Ditto.", ""}, {"NULL_PASSWORD: Added", ""}, {"all tests pass on linux/amd64", ""}, {"boarding pass: LH7044 seat 39D", ""}, {"pass: Sommer2026!", "password-assignment 75"}, {"pwd->pw_name", ""}, {"username:password:uid:gid:gecos:home", ""}, {"password := config.Get(\"password\")", ""},
		{"p.passwd = cString(t, pwd)", ""}, {"password: string(data.Value)", ""}, {"--ask-password -user=foo", ""}, {"password for the user: see below", ""}, {"the password to the vault is with Anna", ""}, {"password is 12 characters long", ""},
		{"Passwort läuft am 12.03.2026 ab", ""}, {"password: {optional}", ""}, {"password: [hidden]", ""}, {"password (optional): none", ""}, {"Password::new()", ""}, {"password: 12", ""}, {"password = self.password", ""},

		{"Benutzer max, Kennwort \"Sommer2026!\"", "password-assignment 75"}, {"mot de passe temporaire : Ete2026!", "password-assignment 75"}, {"la contraseña nueva es Verano2026$", "password-assignment 75"},
		{"my password's \"Blue42Horse!\"", "password-assignment 75"}, {"new password → Blue42Horse!", "password-assignment 75"}, {"root password Blue42Horse!", "password-assignment 75"}, {"login: admin / P@ssw0rd2026", "password-assignment 75"},
		{"creds for staging: svc_app / kR7mX2vQ9pLw", "password-assignment 75"}, {"sshpass -p 'kR7mX2vQ9' ssh root@x", "password-assignment 75"}, {"docker login -u jo -p kR7mX2vQ9 r.contoso.com", "password-assignment 75"},
		{"password RFC2617 says so", ""}, {"we pass strlen+1 for the block", ""}, {"in the same pass: `normalizeDiallableCharsOnly`", ""}, {"pass FcChar8* pointers", ""}, {"password OAuth2.0 flow", ""}, {"password policy: v2.3 is out", ""}, {"password manager is KeePass2", ""}, {"password reset is done in 10.5 min!", ""}, {"the password's been changed in 2026!", ""},
		{"login: see https://contoso.com / Team2026", ""}, {"login: Anna / Bob2", ""}, {"login: read / Write2Disk", ""}, {"docker login -p 8080:80 x", ""}, {"mysql -u root -p db", ""}, {"mysql -p3306 -h x", ""}, {"password issue #1234: fixed in Build2026!", ""},

		{"password (prod): Sommer2026!", "password-assignment 75"}, {"Password for SAP → Sommer2026!", "password-assignment 75"}, {"I have reset your password to Sommer2026!", "password-assignment 75"}, {"пароль от VPN — Sommer2026!", "password-assignment 75"}, {"set the password to something long", ""},
		{"define( 'DB_PASSWORD', 'kR7mX2vQ9!' );", "password-assignment 75"}, {"label(\"password\", \"Password2 (again)\")", ""}, {"t('password', 'Passwort')", ""}, {"DB_PASSWORD_PROD=kR7mX2vQ9!", "password-assignment 75"}, {"passwordHint: kR7mX2vQ9!", ""}, {"passwordless: kR7mX2vQ9!", ""}, {"password:\nSommer2026!\n", "password-assignment 75"}, {"password:\nSommer2026! was last year's", ""},
		{"resetPassword = \"arn:aws:iam::aws:policy/Change7\"", ""}, {"this.addPassword = \"#add-password\";", ""}, {"Password=#{password1!}, ", ""}, {"password: see 1Password", ""}, {"forgot-password => 'cms/passwords#update'", ""}, {"PASSWORD=\"'$OTHER_PASSWORD1'\"", ""}, {"PASS: gdb.arch/amd64-byte.exp: at first bp", ""},

		{"parola este Sommer2026!", "password-assignment 75"}, {"parool: Sommer2026!", "password-assignment 75"}, {"kata sandi: Sommer2026!", "password-assignment 75"}, {"पासवर्ड: Sommer2026!", "password-assignment 75"}, {"كلمة المرور: Sommer2026!", "password-assignment 75"},
		{"סיסמה: Sommer2026!", "password-assignment 75"}, {"slaptažodis: Sommer2026!", "password-assignment 75"}, {"lykilorð: Sommer2026!", "password-assignment 75"}, {"лозинка: Sommer2026!", "password-assignment 75"}, {"she is on parole since May", ""}, {"parole: until May", ""},
		{"creds: svc_app:kR7mX2vQ9!", "password-assignment 75"}, {"the login is admin / P@ssw0rd2026", "password-assignment 75"}, {"login: https://contoso.com/Team2026", ""}, {"login is down since 10:30", ""}, {"the wifi key is Sommer2026!", "password-assignment 75"}, {"the key is Sommer2026!", ""},
		{"new NetworkCredential(\"jo\", \"kR7mX2vQ9\")", "password-assignment 75"}, {"requests.get(u, auth=('jo', 'kR7mX2vQ9'))", "password-assignment 75"}, {"auth=(user, password)", ""}, {"HTTPBasicAuth('user', 'password')", ""}, {"basic_auth(\"a\", \"${PASS_1}\")", ""},
		{"$password = \"goodspec\";", "password-assignment 65"}, {"echo $password: goodspec", ""}, {"psexec \\\\srv -u admin -p goodspec cmd", "password-assignment 75"}, {"PsExec.exe \\\\srv -u admin -p %PASS% cmd", ""}, {"psexec -p goodspec", ""},
		{"jo:$6${Aa0:16}${Aa0:86}:19700:0:99999:7:::", "secret-password-hash 75"}, {"PASSWORD_HASH='$2b$12${Aa0:53}'", "secret-password-hash 75"}, {"krb: $krb5asrep$23${h:32}${h:80}", "secret-password-hash 75"}, {"a $6${Aa0:16}${Aa0:85}", ""}, {"costs $5 or $6 a piece, $1$ off", ""}, {"x$2b$12${Aa0:53}", ""},
		{`net use Z: \\nas\share Sommer2026! /user:ACME\jo`, "password-assignment 75"}, {`net use Z: \\nas\share * /user:ACME\jo`, ""}, {`net use Z: \\nas\share /persistent:yes`, ""},

		{"jelszó: kötelező", ""}, {"kata sandi: wajib", ""}, {"run login <user> <password> Then2restart it", ""}, {"mysql -u root -p<password> mydb1", ""}, {"<password> kR7mX2vQ9! </password>", "password-assignment 75"}, {"password ||= ENV['PW1']", ""}, {"logins: std::Vector2d", ""},
		{"auth=(\"{user}\", \"{pass1}\")", ""}, {"errors.add(\"password\", \"must be 8+ chars\")", ""}, {"tests pass - Build#4211 is green", ""}, {"he is on parole - Case#2024-CR-118", ""}, {"Passwort - INC0012345", ""}, {"Passwort - Sommer2026!", "password-assignment 75"},
		{"淘口令：￥AbCd1234XyZ￥", ""}, {"口令：AbCd1234XyZ", "password-assignment 75"}, {"PRIVATE_SUBNET_A=subnet-0abc1234def567890", ""},

		// headers, commands, files
		{"Authorization: Bearer {Aa0:40}", "secret-bearer-token 85"}, {"bearer {Aa0:40}", "secret-bearer-token 75"}, {"Bearer of the old ring2 was here", ""}, {"Authorization: Bearer my-test-token-for-local-use", ""},
		{"Authorization: Basic c3ZjLWJ1aWxkOmtSN21YMnZROXBMdzQ=", "secret-basic-auth 85"}, {"Basic c3ZjLWJ1aWxkOmtSN21YMnZROXBMdzQ=", ""}, {`{"auths":{"r.contoso.com":{"auth":"c3ZjLWJ1aWxkOmtSN21YMnZROXBMdzQ="}}}`, "secret-basic-auth 85"}, {`{"auth":"c3ZjLWJ1aWxk"}`, ""}, {`{"auth": true}`, ""}, {"Authorization: Basic bm8gY29sb24gaGVyZQ==", ""},
		{"curl -u jo:kR7mX2vQ9 https://x", "secret-curl-credentials 85"}, {"curl -sSL --user \"jo:kR7mX2vQ9\" https://x", "secret-curl-credentials 85"}, {"curl -u jo https://x\nbash -u a:b1c2d3e4", ""}, {"curling -u jo:kR7mX2vQ9", ""},
		{"machine x.contoso.com login jo password kR7mX2vQ9", "secret-netrc 85"}, {"machine example.com login jo password qwerty77", ""}, {"the machine x login y", ""},
		{"//r.contoso.com/:_authToken={Aa0:36}", "secret-npmrc 85"}, {"oauth={Aa0:36}", ""}, {"PrivateKey = {b:43}=", "secret-wireguard-key 85"}, {"PublicKey = {b:43}=", ""},
		{"postgres://app:kR7mX2vQ9@db/x", "url-with-credentials 85"}, {"http://username:p@ssword@x.com", ""}, {"postgres://$USER:$PASS@db", ""},

		// code that holds none
		{"\"integrity\": \"sha512-{b:86}==\"", ""}, {"uses: actions/checkout@{h:40}", ""}, {"image: registry/app@sha256:{h:64}", ""}, {"tenant: {h:8}-{h:4}-{h:4}-{h:4}-{h:12}", ""}, {"x-request-id: {h:32}", ""},
		{"const id = '{h:32}'", ""}, {"go.sum h1:{b:43}=", ""}, {"etag: W/\"{h:32}\"", ""}, {"nonce={Aa0:32}", ""}, {"class=\"css-{a0:7} MuiBox-root\"", ""}, {"CorrelationId={h:8}-{h:4}-{h:4}-{h:4}-{h:12}", ""}, {"build {h:40} is green", ""},
	} {
		in := Fill(tc.in)
		if got := found(extract.Plain(in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q%s", in, got, tc.want, explain(in))
		}
	}
}

// Base64 goes on over the lines that it is cut into.
func TestBlobLines(t *testing.T) {
	plain := "the server of the staging environment moved last week, DB_PASSWORD=kR7mX2vQ9!, tell the others\n"
	for _, width := range []int{40, 60, 76} {
		b := base64.StdEncoding.EncodeToString([]byte(plain))
		var lines []string
		for ; len(b) > width; b = b[width:] {
			lines = append(lines, b[:width])
		}
		lines = append(lines, b)
		for _, by := range []string{"\n", "\n  ", "\n> ", "\n\n"} {
			in := "see\n" + strings.Join(lines, by) + "\nbye"
			m, ok := find("password-assignment", extract.Plain(in))
			if !ok || in[m.Start:m.End] != in[4:len(in)-4] {
				t.Errorf("lines of %d by %q: %q%s", width, by, found(extract.Plain(in), Options{}), explain(in))
			}
		}
		// A line that is too long, or words, are no part of it.
		for _, next := range []string{"aa" + lines[1], "the end"} {
			if got := found(extract.Plain(lines[0]+"\n"+next), Options{}); got != "" {
				t.Errorf("%q after a line of %d: %q", next, width, got)
			}
		}
	}
}

// The value is what is found, and the mask shows no more of it than its prefix.
func TestSecretSpans(t *testing.T) {
	for _, tc := range []struct{ in, id, before, after string }{
		{"x ghp_{Aa0:36}, y", "secret-github-token", "x ", ", y"},
		{"KEY=\"sk-proj-{Aa0:60}\"", "secret-openai-key", "KEY=\"", "\""},
		{"the key: {h:32}-us12.", "secret-mailchimp-key", "the key: ", "."},
		{"AccountKey={b:86}==;End", "secret-azure-storage-key", "", ";End"},
		{"das Passwort für das WLAN ist Sommer2026!", "password-assignment", "das Passwort für das WLAN ist ", ""},
		{"<password>kR7mX2vQ9</password>", "password-assignment", "<password>", "</password>"},
		{"api_key = '{Aa0:32}';", "secret-generic", "api_key = '", "';"},
		{"curl -u jo:kR7mX2vQ9 https://x", "secret-curl-credentials", "curl -u ", " https://x"},
		{"machine x login y password kR7mX2vQ9 z", "secret-netrc", "machine x login y password ", " z"},
		{"https://x/?a=1&api_key={h:32}&b=2", "secret-generic", "https://x/?a=1&api_key=", "&b=2"},
		{"DATADOG_API_KEY={h:32}\n", "secret-datadog-key", "DATADOG_API_KEY=", "\n"},
	} {
		in := Fill(tc.in)
		m, ok := find(tc.id, extract.Plain(in))
		if !ok {
			t.Errorf("%q: no %s%s", in, tc.id, explain(in))
			continue
		}
		if in[:m.Start] != tc.before || in[m.End:] != tc.after {
			t.Errorf("%q: found %q, want what is between %q and %q", in, in[m.Start:m.End], tc.before, tc.after)
		}
		shown := strings.TrimRight(m.Masked, dot)
		if len(shown) > 16 || strings.Contains(shown, m.Value.Reveal()[len(m.Value.Reveal())-8:]) {
			t.Errorf("%s is masked as %q", tc.id, m.Masked)
		}
	}
}
