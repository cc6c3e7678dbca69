package detect

import (
	"bytes"
	"strings"
)

// A service issues keys that only their name gives away: "DATADOG_API_KEY=…".
type service struct {
	kind   *kind
	words  []string // one of which stands before the assignment, in lower case
	shapes []*tokenForm
}

var services []*service

// serviced declares the keys of a service: what calls them, and what they look
// like, as in [Detector.Tokens] but without a prefix.
func serviced(id, name, source string, words []string, shapes ...string) *kind {
	word, shape := words[0], shapes[0]
	d := Detector{ID: id, Name: name, Family: "secret", Tier: "A", Alone: High, WithContext: High, Mask: MaskAll, Words: words, Tokens: shapes, Source: source}
	env := strings.ToUpper(strings.ReplaceAll(word, "-", "_"))
	d.Match = []string{env + "_API_KEY=" + shape, word + "_token: \"" + shapes[len(shapes)-1] + "\"", "the " + word + " api key is " + shape}
	d.NoMatch = []string{env + "_API_KEY=<api-key>", "commit " + shape, word + "_token: \"{h:8}\"", env + "_API_KEY=${" + env + "}"}
	return &kind{Detector: d, named: true}
}

// Twitter's and the others' names are looked for in the words before a value, so
// none of them may be an everyday word.
var serviceSecrets = []*kind{
	serviced("secret-datadog-key", "Datadog key", "docs.datadoghq.com: API and application keys", []string{"datadog", "dd_api", "dd-api", "dd_app"}, "{h:32}", "{h:40}", "{a0:40}"),
	serviced("secret-cloudflare-key", "Cloudflare API key or token", "developers.cloudflare.com: API tokens", []string{"cloudflare", "cf_api"}, "{h:37}", "{w:40}"),
	serviced("secret-fastly-token", "Fastly API token", "docs.fastly.com: API tokens", []string{"fastly"}, "{w:32}"),
	serviced("secret-cohere-key", "Cohere API key", "docs.cohere.com", []string{"cohere", "co_api"}, "{Aa0:40}"),
	serviced("secret-okta-token", "Okta API token", "developer.okta.com: API tokens", []string{"okta"}, "00{w:40}"),
	serviced("secret-postmark-token", "Postmark server token", "postmarkapp.com/developer", []string{"postmark"}, "{x:8}-{x:4}-{x:4}-{x:4}-{x:12}"),
	serviced("secret-snyk-token", "Snyk API token", "docs.snyk.io: authentication", []string{"snyk"}, "{h:8}-{h:4}-{h:4}-{h:4}-{h:12}"),
	serviced("secret-heroku-legacy-key", "Heroku API key of the older form", "devcenter.heroku.com", []string{"heroku"}, "{x:8}-{x:4}-{x:4}-{x:4}-{x:12}"),
	serviced("secret-hubspot-key", "HubSpot API key", "developers.hubspot.com", []string{"hubspot"}, "{x:8}-{x:4}-{x:4}-{x:4}-{x:12}"),
	serviced("secret-pagerduty-key", "PagerDuty API key", "developer.pagerduty.com", []string{"pagerduty", "pager_duty"}, "u+{w:18}", "y_{w:18}", "{w+:20}", "{h:32}"),
	serviced("secret-adyen-key", "Adyen API key", "docs.adyen.com: API credentials", []string{"adyen"}, "AQE{b=-.:60-400}"),
	serviced("secret-algolia-key", "Algolia API key", "algolia.com/doc: API keys", []string{"algolia"}, "{h:32}", "{a0:32}"),
	serviced("secret-asana-token", "Asana token or secret", "developers.asana.com", []string{"asana"}, "{a0:32}", "1/{0:15-17}:{h:32}", "2/{0:15-17}/{0:15-17}:{h:32}", "0/{h:32}"),
	serviced("secret-twitter-key", "X (Twitter) key or token", "developer.x.com: authentication", []string{"twitter"}, "{Aa0:25}", "{Aa0:45}", "{Aa0:50}", "{0:15-25}-{Aa0:20-45}", "AAAAAAAAAA{Aa0%:60-120}"),
	serviced("secret-confluent-key", "Confluent Cloud key or secret", "docs.confluent.io: API keys", []string{"confluent"}, "{Aa0+/:64}", "{A0:16}", "cflt{Aa0+/:60}"),
	serviced("secret-mailgun-signing-key", "Mailgun key", "documentation.mailgun.com", []string{"mailgun"}, "{h:32}-{h:8}-{h:8}", "{h:32}"),
	serviced("secret-travis-token", "Travis CI token", "docs.travis-ci.com", []string{"travis"}, "{w:22}"),
	serviced("secret-jenkins-token", "Jenkins API token", "jenkins.io/doc: API tokens", []string{"jenkins"}, "{h:32-36}"),
	serviced("secret-auth0-secret", "Auth0 client secret or token", "auth0.com/docs", []string{"auth0"}, "{w:64}", "{w:48-86}"),
	serviced("secret-azure-openai-key", "Azure OpenAI or AI services key", "learn.microsoft.com/azure/ai-services", []string{"azure_openai", "azure-openai", "azure openai", "cognitive", "azure_search", "azure search"}, "{h:32}", "{Aa0:52}", "{Aa0:84}"),
	serviced("secret-facebook-secret", "Facebook app secret", "developers.facebook.com", []string{"facebook", "fb_app"}, "{h:32}"),
	serviced("secret-trello-key", "Trello key or token", "developer.atlassian.com/cloud/trello", []string{"trello"}, "{h:32}", "{h:64}"),
	serviced("secret-newrelic-license", "New Relic license key", "docs.newrelic.com: license key", []string{"new_relic", "newrelic", "new-relic", "new relic"}, "{h:40}", "{h:36}NRAL", "eu01xx{h:34}"),
	serviced("secret-sentry-legacy-token", "Sentry token of the older form", "docs.sentry.io", []string{"sentry"}, "{h:64}", "{h:32}"),
	serviced("secret-sonar-legacy-token", "Sonar token of the older form", "docs.sonarsource.com", []string{"sonar"}, "{h:40}"),
	serviced("secret-circleci-legacy-token", "CircleCI token of the older form", "circleci.com/docs", []string{"circleci", "circle_ci"}, "{h:40}"),
	serviced("secret-codecov-token", "Codecov token", "docs.codecov.com", []string{"codecov"}, "{a0:32}", "{h:8}-{h:4}-{h:4}-{h:4}-{h:12}"),
	serviced("secret-zendesk-token", "Zendesk token", "developer.zendesk.com", []string{"zendesk"}, "{Aa0:40}", "{Aa0:64}"),
	serviced("secret-elastic-key", "Elastic API key", "elastic.co/docs: API keys", []string{"elastic"}, "{b=:60}", "{Aa0_-:52-60}"),
	serviced("secret-wandb-key", "Weights & Biases API key", "docs.wandb.ai", []string{"wandb"}, "{h:40}"),
	serviced("secret-bitly-token", "Bitly token", "dev.bitly.com", []string{"bitly"}, "{h:40}"),
	serviced("secret-atlassian-legacy-token", "Atlassian API token of the older form", "support.atlassian.com", []string{"atlassian", "confluence", "jira"}, "{Aa0:24}"),
	serviced("secret-snowflake-token", "Snowflake key or token", "docs.snowflake.com", []string{"snowflake"}, "{w.:60-800}", "{w:32}"),
}

// init compiles the shapes.
func init() {
	for _, k := range serviceSecrets {
		sv := &service{kind: k, words: k.Words}
		for _, shape := range k.Tokens {
			parts, err := parseParts(shape)
			if err != nil {
				panic(k.ID + ": " + err.Error()) // the catalogue is part of the program
			}
			sv.shapes = append(sv.shapes, &tokenForm{parts: parts})
		}
		services = append(services, sv)
	}
}

// serviced returns the service whose key v is, which is given to the words that
// end before end; nil if none.
func (s *scanner) serviced(start, end int, v string) *service {
	before := bytes.ToLower(s.buf[s.lineStart(start, 40):end])
	s.work += len(before) * 4
	for _, sv := range services {
		for _, w := range sv.words {
			if !bytes.Contains(before, []byte(w)) {
				continue
			}
			for _, f := range sv.shapes {
				if f.follows([]byte(v), 0) == len(v) && entropy(v) >= 3 {
					return sv
				}
			}
		}
	}
	return nil
}
