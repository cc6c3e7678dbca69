package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph"
	"teamsdlp/cmd/internal/graph/limit"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/config"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// graphs is Microsoft Graph for every tenant: one client each.
type graphs struct {
	clients       map[string]*graph.Client
	apps          map[string]*limit.App // Graph counts an app over all its tenants too
	subscriptions subscriptions.API     // over all of them
}

func openGraphs(cfg *config.Config, keys *actions.Keys, observe graph.Observer, log *zap.Logger) (*graphs, error) {
	endpoints := cfg.Cloud.Resolve()
	g := &graphs{clients: map[string]*graph.Client{}, apps: map[string]*limit.App{}}
	for _, t := range cfg.Tenants {
		credential, err := tenantCredential(t, endpoints, nil)
		if err != nil {
			return nil, fmt.Errorf("credential of tenant %s: %w", t.ID, err)
		}
		if g.apps[t.AppID] == nil {
			g.apps[t.AppID] = limit.NewApp(cfg.Graph.AppRPS)
		}
		g.clients[t.ID], err = graph.New(graph.Options{
			GraphURL: endpoints.Graph, Tenant: t.ID, Credential: credential,
			Limits:  limit.Rates{Conversation: cfg.Graph.ConversationRPS, Team: cfg.Graph.TeamRPS, Tenant: cfg.Graph.TenantRPS},
			App:     g.apps[t.AppID],
			Timeout: cfg.Graph.Timeout, HTTP: spoilTransport(), Observer: observe,
			Fingerprint: func(message []byte) string {
				m, err := webhook.DecodeMessage(message)
				if err != nil {
					return ""
				}
				return pipeline.Fingerprint(keys, m)
			},
			Guard: redis.Guard,
			Log:   log,
		})
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.ID, err)
		}
	}
	g.subscriptions = graph.NewSubscriptions(slices.Collect(maps.Values(g.clients))...)
	return g, nil
}

// waiting is how many calls wait for their turn.
func (g *graphs) waiting() (n int) {
	for _, c := range g.clients {
		n += c.Waiting()
	}
	return n
}

// paused is for how long Graph has asked us to send nothing to a workload.
func (g *graphs) paused() (longest time.Duration) {
	for _, c := range g.clients {
		longest = max(longest, c.Paused())
	}
	return longest
}

// share makes this process one of n that keep to the limits of every tenant
// between them.
func (g *graphs) share(n int) {
	for _, a := range g.apps {
		a.Share(n)
	}
	for _, c := range g.clients {
		c.Share(n)
	}
}

// forPipeline returns the client of a tenant, nil if it is not configured.
func (g *graphs) forPipeline(tenant string) pipeline.Graph {
	if c, ok := g.clients[tenant]; ok {
		return c
	}
	return nil
}

// tenantCredential is how the tenant's app proves who it is. Tokens are asked for
// over carrier; nil: as usual.
func tenantCredential(t config.Tenant, e config.Endpoints, carrier http.RoundTripper) (azcore.TokenCredential, error) {
	return graph.NewCredential(graph.CredentialOptions{
		Kind: t.Credential.Kind, Tenant: t.ID, AppID: t.AppID, Secret: t.Credential.Secret,
		CertificateFile: t.Credential.Certificate, ClientID: t.Credential.ClientID, LoginURL: e.Login, HTTP: carrier,
	})
}
