package corpus

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// secret draws a token of one of the services that everybody knows. The public
// prefix is written in two parts, so that no scanner of this repository takes the
// source for a leak; what follows it is random.
func secret(g *gen) value {
	d := func(detector, s string) value { return value{groups: []string{s}, detector: detector} }
	switch g.IntN(8) {
	case 0:
		return d("secret-aws-access-key", "AK"+"IA"+g.random(uppers+"234567", 16))
	case 1:
		return d("secret-github-token", g.one("gh"+"p_", "gh"+"o_", "gh"+"s_")+g.random(alnums, 36))
	case 2:
		return d("secret-gitlab-token", "glp"+"at-"+g.random(alnums, 20))
	case 3:
		return d("secret-slack-token", "xox"+"b-"+g.number(12)+"-"+g.number(12)+"-"+g.random(alnums, 24))
	case 4:
		return d("secret-stripe-key", g.one("sk", "rk")+"_live_"+g.random(alnums, 24))
	case 5:
		return d("secret-google-api-key", "AI"+"zaSy"+g.random(alnums, 33))
	case 6:
		return d("secret-azure-storage-key", "Account"+"Key="+g.random(base64s, 86)+"==")
	}
	return d("secret-github-token", "github"+"_pat_11"+g.random(uppers+digits, 20)+"_"+g.random(alnums, 59))
}

// random draws n of alphabet with at least one digit and one letter among them,
// and nothing that reads like a placeholder.
func (g *gen) random(alphabet string, n int) string {
	for {
		s := g.from(alphabet, n)
		if l := strings.ToLower(s); strings.ContainsAny(s, digits) && strings.ContainsAny(l, lowers) &&
			!strings.Contains(l, "xxx") && !strings.Contains(l, "test") && !strings.Contains(l, "fake") && !strings.ContainsAny(s[len(s)-1:], "/+-_") && !strings.ContainsAny(s[:1], "-_") {
			return s
		}
	}
}

// A secretKind is a secret as a service gives it out: text, and in <> a class of
// characters with their number (n letters and digits, h hexadecimal, l lower case
// and digits, u upper case and digits, d digits, w with _ and -, b base64).
type secretKind struct{ detector, form string }

// secretKinds are secrets that their own form gives away, then those that need the
// name of their service.
var secretKinds = []secretKind{
	{"secret-aws-bedrock-key", "ABSK<b120>"}, {"secret-google-oauth-secret", "GOCSPX-<w28>"}, {"secret-google-access-token", "ya29.<w120>"}, {"secret-digitalocean-token", "dop_v1_<h64>"},
	{"secret-heroku-key", "HRKU-AA<w58>"}, {"secret-fly-token", "fo1_<w43>"}, {"secret-netlify-token", "nfp_<n36>"}, {"secret-atlassian-token", "ATATT3<w185>=<u8>"},
	{"secret-bitbucket-password", "ATBB<n32>"}, {"secret-linear-key", "lin_api_<n40>"}, {"secret-notion-token", "ntn_<d11><n35>"}, {"secret-figma-token", "figd_<w40>"}, {"secret-postman-key", "PMAK-<h24>-<h34>"},
	{"secret-npm-token", "npm_<n36>"}, {"secret-pypi-token", "pypi-AgEIcHlwaS5vcmc<w120>"}, {"secret-rubygems-key", "rubygems_<h48>"}, {"secret-nuget-key", "oy2<l43>"}, {"secret-crates-token", "cio<n32>"},
	{"secret-docker-token", "dckr_pat_<w27>"}, {"secret-databricks-token", "dapi<h32>"}, {"secret-vault-token", "hvs.<w96>"}, {"secret-doppler-token", "dp.pt.<n43>"}, {"secret-pulumi-token", "pul-<h40>"},
	{"secret-newrelic-key", "NRAK-<u27>"}, {"secret-sentry-token", "sntryu_<h64>"}, {"secret-grafana-token", "glsa_<n32>_<h8>"}, {"secret-openai-key", "sk-proj-<w120>"}, {"secret-anthropic-key", "sk-ant-api03-<w93>AA"},
	{"secret-huggingface-token", "hf_<n34>"}, {"secret-perplexity-key", "pplx-<n48>"}, {"secret-groq-key", "gsk_<n52>"}, {"secret-xai-key", "xai-<n80>"}, {"secret-replicate-token", "r8_<n37>"},
	{"secret-square-token", "sq0atp-<w22>"}, {"secret-paypal-token", "access_token$production$<l16>$<h32>"}, {"secret-shopify-token", "shpat_<h32>"}, {"secret-plaid-token", "access-production-<h8>-<h4>-<h4>-<h4>-<h12>"},
	{"secret-sendgrid-key", "SG.<w22>.<w43>"}, {"secret-mailgun-key", "key-<h32>"}, {"secret-brevo-key", "xkeysib-<h64>-<n16>"}, {"secret-dynatrace-token", "dt0c01.<u24>.<u64>"}, {"secret-easypost-key", "EZAK<n54>"},
	{"secret-alibaba-key", "LTAI<n20>"}, {"secret-artifactory-key", "AKCp<n69>"}, {"secret-age-key", "AGE-SECRET-KEY-1<u58>"}, {"secret-planetscale-token", "pscale_tkn_<w43>"}, {"secret-supabase-key", "sbp_<h40>"},
	{"secret-octopus-key", "API-<u26>"}, {"secret-openshift-token", "sha256~<w43>"}, {"secret-typeform-token", "tfp_<w59>"}, {"secret-airtable-token", "pat<n14>.<h64>"}, {"secret-harness-token", "pat.<w22>.<n24>.<n20>"},
	{"secret-hubspot-token", "pat-na1-<h8>-<h4>-<h4>-<h4>-<h12>"}, {"secret-buildkite-token", "bkua_<h40>"}, {"secret-sonar-token", "squ_<h40>"}, {"secret-tailscale-key", "tskey-auth-<n16>-<n32>"},
	{"secret-cloudflare-token", "v1.0-<h24>-<h146>"}, {"secret-contentful-token", "CFPAT-<w43>"}, {"secret-dropbox-token", "sl.<w135>"}, {"secret-sourcegraph-token", "sgp_<h40>"}, {"secret-twilio-key", "SK<h32>"},
	{"secret-mailchimp-key", "<h32>-us12"}, {"secret-terraform-token", "<n14>.atlasv1.<w67>"}, {"secret-telegram-bot-token", "<d9>:AAE<w32>"}, {"secret-discord-webhook", "https://discord.com/api/webhooks/<d18>/<w68>"},
	{"secret-slack-webhook", "https://hooks.slack.com/services/T<u9>/B<u9>/<n24>"}, {"secret-azure-client-secret", "<n3>8Q~<w34>"}, {"secret-teams-webhook", "https://contoso.webhook.office.com/webhookb2/<h8>-<h4>-<h4>-<h4>-<h12>@<h8>-<h4>-<h4>-<h4>-<h12>/IncomingWebhook/<h32>/<h8>-<h4>-<h4>-<h4>-<h12>"},
	{"secret-azure-devops-token", "AZURE_DEVOPS_EXT_PAT=<n52>JQQJ99<n18>AZDO<n4>"},
	{"secret-azure-service-bus-key", "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=<b43>="},
	{"secret-azure-iot-key", "HostName=contoso.azure-devices.net;SharedAccessKeyName=owner;SharedAccessKey=<b43>="},
	{"secret-azure-cosmos-key", "AccountEndpoint=https://contoso.documents.azure.com:443/;AccountKey=<b86>=="},
	{"secret-azure-signalr-key", "Endpoint=https://contoso.service.signalr.net;AccessKey=<b43>=;Version=1.0"},
	{"secret-azure-redis-key", "contoso.redis.cache.windows.net:6380,password=<b43>=,ssl=True"},
	{"secret-azure-sas-token", "https://contoso.blob.core.windows.net/c?sv=2024-11-04&ss=b&sp=rl&se=2026-12-31T00:00:00Z&sig=<n43>%3D"},
	{"secret-azure-app-insights-key", "InstrumentationKey=<h8>-<h4>-<h4>-<h4>-<h12>;IngestionEndpoint=https://westeurope-1.in.applicationinsights.azure.com/"},
	{"secret-connection-string", "Server=tcp:contoso.database.windows.net,1433;Initial Catalog=x;User ID=app;Password=<n14>!;Encrypt=True"},
	{"url-with-credentials", "postgres://app:<n16>@db.contoso.com:5432/x"},
	{"secret-bearer-token", "Authorization: Bearer <n40>"},
	{"secret-curl-credentials", "curl -u svc-build:<n14> https://build.contoso.com/job"},
	{"secret-netrc", "machine build.contoso.com login svc password <n14>"},
	{"secret-npmrc", "//registry.contoso.com/:_authToken=<n36>"},
	{"secret-wireguard-key", "PrivateKey = <b43>="},
	{"secret-datadog-key", "DATADOG_API_KEY=<h32>"}, {"secret-cloudflare-key", "cloudflare_api_token: <n40>"}, {"secret-fastly-token", "FASTLY_API_TOKEN=\"<w32>\""}, {"secret-snyk-token", "SNYK_TOKEN=<h8>-<h4>-<h4>-<h4>-<h12>"},
	{"secret-algolia-key", "ALGOLIA_ADMIN_KEY: '<h32>'"}, {"secret-twitter-key", "twitter_access_secret = <n45>"}, {"secret-jenkins-token", "JENKINS_API_TOKEN=<h34>"}, {"secret-okta-token", "OKTA_API_TOKEN=00<w40>"},
	{"secret-generic", "INTERNAL_API_KEY=<n32>"}, {"secret-generic", "\"client_secret\": \"<n40>\""}, {"secret-generic", "acme_token = '<l36>'"}, {"secret-generic", "--api-key <n30>"}, {"secret-generic", "x-api-key: <h40>"},
	{"secret-generic", "signingKey: <b44>"}, {"secret-generic", "the access token is <n32>"},
}

// draw fills the form.
func (k secretKind) draw(g *gen) string {
	var b strings.Builder
	for rest := k.form; ; {
		before, after, ok := strings.Cut(rest, "<")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		class, after, _ := strings.Cut(after, ">")
		n, err := strconv.Atoi(class[1:])
		if err != nil {
			panic("corpus: " + k.form)
		}
		alphabet := map[byte]string{'n': alnums, 'h': hexes, 'l': lowers + digits, 'u': uppers + digits, 'd': digits, 'w': alnums + "_-", 'b': base64s}[class[0]]
		if n < 8 || class[0] == 'd' {
			b.WriteString(g.from(alphabet, n))
		} else {
			b.WriteString(g.random(alphabet, n))
		}
		rest = after
	}
}

// secretTypes are the detectors of secretKinds, once each.
var secretTypes = func() []*baseType {
	var all []*baseType
	for _, k := range secretKinds {
		id := k.detector
		if slices.ContainsFunc(all, func(t *baseType) bool { return t.id == id }) {
			continue
		}
		var of []secretKind
		for _, o := range secretKinds {
			if o.detector == id {
				of = append(of, o)
			}
		}
		all = append(all, &baseType{id: id, make: func(g *gen) value { return single(of[g.IntN(len(of))].draw(g)) }})
	}
	return all
}()

// passwords are sentences that give one away; %P is the password.
var passwords = map[string][]string{
	"en": {"the password is %P", "password: %P", "pw: %P", "user admin, password %q", "The password for the build server is %P", "my new pwd is %P, keep it safe", "login with jo / password: %P", "Passwd = %P"},
	"de": {"das Passwort ist %P", "Passwort: %P", "Kennwort lautet %P", "Das Passwort für das WLAN ist %P", "mein neues Kennwort: %P"},
	"fr": {"le mot de passe est %P", "mot de passe : %P", "Le mot de passe pour le wifi est %P", "mdp : %P"},
	"es": {"la contraseña es %P", "contraseña: %P", "La contraseña del servidor es %P"},
	"nl": {"het wachtwoord is %P", "wachtwoord: %P", "Het wachtwoord voor de wifi is %P"},
	"it": {"la password è %P", "password: %P"},
	"pt": {"a senha é %P", "senha: %P"},
	"pl": {"hasło to %P", "hasło: %P"},
	"sv": {"lösenordet: %P", "lösenord: %P", "mitt lösenord är %P"},
	"tr": {"şifre: %P", "parola: %P"},
	"ja": {"パスワード: %P", "パスワードは%Pです"},
	"zh": {"密码：%P", "密码是 %P"},
	"":   {"DB_PASSWORD=%P", "\"password\": \"%P\"", "password: '%P'", "mysql -h db -u app --password=%P", "PGPASSWORD=%P psql", "<password>%P</password>", "spring.datasource.password=%P"},
}

// password draws one that people make up or a program does.
func (g *gen) password() string {
	switch g.IntN(4) {
	case 0:
		return g.one("Sommer", "Winter", "Berlin", "Madrid", "Dragon", "Coffee", "Monkey") + g.one("2024", "2025", "2026", "77", "123") + g.one("!", "?", "#", "$", "*")
	case 1:
		return g.one("blue", "Red", "happy", "Quiet") + g.one("-", ".", "_", "") + g.one("Horse", "River", "train", "Lamp") + g.from(digits, 2) + g.one("!", "%", "", "&")
	case 2:
		return g.random(alnums, g.some(8, 16))
	}
	return g.random(alnums, 6) + g.one("!", "#", "@", "%", "&") + g.random(alnums, 4)
}

// passwordTalk is what people say of passwords without giving one away.
var passwordTalk = []string{
	"I forgot my password again", "the password is wrong, can you reset it?", "your password expires in 14 days", "password must have 12 characters, 1 digit and 1 sign", "Password reset link sent to the user",
	"passwords are stored in the vault", "please change your password at https://contoso.com/reset", "password policy v2.3 is out", "is the password still the same as in 2024?", "the password has been changed on 12.03.2026",
	"Passwort vergessen?", "das Passwort ist abgelaufen", "das Passwort läuft am 12.03.2026 ab", "Kennwort bitte bis Freitag ändern", "Passwort: siehe Tresor",
	"mot de passe oublié", "le mot de passe est expiré depuis hier", "le mot de passe doit contenir 12 caractères", "changez votre mot de passe avant le 31/12",
	"he olvidado la contraseña", "la contraseña es incorrecta", "la contraseña caduca en 30 días", "wachtwoord vergeten", "het wachtwoord is verlopen", "wachtwoord wijzigen voor 1 mei",
	"all tests pass on linux/amd64 and go1.26", "the token expired at 10:32", "the api key is missing in the config", "token: see 1Password", "access token lifetime is 3600 s", "secret santa is on 2026-12-18",
	"the key is under the mat", "the secret is to keep going", "which token do I need for the API?", "key: value pairs, 3 of them", "rotate the client secret before 2026-06-30", "password=<your password>", "token = getToken()",
	"primary_key: order_id_2026_v2", "public_key: ssh-ed25519 in the repo", "page_token=CAEQAhoMMTIzNDU2Nzg5", "cache_key = user_profile_2026_v12_en",
}

// secretRows are the rows of secrets: as their services give them out, as
// passwords people tell one another, and talk of them.
func secretRows() []Row {
	var ids []string
	for _, t := range secretTypes {
		ids = append(ids, t.id)
	}
	contexts := []string{"%V", "here you are: %V", "export X_VALUE=%V", "x: %V", "Anna, use this for now:\n%V", "{\"v\": \"%V\"}", "- %V # prod", "it was %V, I think"}
	return []Row{
		{Name: "secrets", Kind: Plain, About: "keys and tokens as services give them out, in chat and code", types: ids, build: func(g *gen, t *baseType, i int) Case {
			v, html := t.make(g), g.coin()
			s := v.compact()
			c := contexts[i%len(contexts)]
			if strings.ContainsAny(s, " \"'=:{") { // it comes with its own context
				c = g.one("%V", "see here:\n%V", "try this:\n%V\nand tell me")
			}
			c = strings.Replace(escape(c, html), "%V", mark(escape(s, html)), 1)
			if html {
				c = strings.ReplaceAll(c, "\n", "<br>")
			}
			return Case{HTML: html, Body: g.chat(c, html), Want: []Span{{Detector: t.id, Least: 65, Most: 85, Inside: strings.ContainsAny(s, " \"'=:{/")}}, Reason: "the form of the service, or its name before a random value"}
		}},
		{Name: "passwords", Kind: Plain, About: "the password is …, in twelve languages and in code", types: []string{"password-assignment"}, times: 5, build: func(g *gen, t *baseType, i int) Case {
			of := passwords[g.lang.code]
			if i%3 == 2 {
				of = passwords[""]
			}
			html := g.coin()
			p := mark(escape(g.password(), html))
			s := escape(of[g.IntN(len(of))], html)
			s = strings.NewReplacer("%P", p, "%q", "'"+p+"'").Replace(s)
			return Case{HTML: html, Body: g.chat(s, html), Want: []Span{{Detector: t.id, Least: 65, Most: 75}}, Reason: "a word for a password is given a value"}
		}},
		{Name: "basic-auth", Kind: Plain, About: "Authorization: Basic …", types: []string{"secret-basic-auth"}, build: func(g *gen, _ *baseType, i int) Case {
			v := base64.StdEncoding.EncodeToString([]byte("svc-" + g.from(lowers, 4) + ":" + g.password()))
			s := g.one("Authorization: Basic ", "curl https://x -H 'Authorization: Basic ", "authorization: basic ") + mark(v)
			return Case{Body: g.chat(s+strings.Repeat("'", strings.Count(s, "'")), false), Want: []Span{{Detector: "secret-basic-auth", Least: 85, Most: 85}}, Reason: "user and password in base64"}
		}},
		{Name: "secret-talk", Kind: Noise, About: "talk of passwords, keys and tokens that gives none away", types: []string{"password-assignment"}, times: 3, build: func(g *gen, _ *baseType, i int) Case {
			return g.silent(passwordTalk[(i*3+g.IntN(3))%len(passwordTalk)], "no value is given")
		}},
	}
}
