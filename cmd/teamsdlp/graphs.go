package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph"
	"teamsdlp/cmd/internal/graph/limit"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/config"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// graphs is Microsoft Graph for every tenant: one client each.
type graphs struct {
	clients       map[string]*graph.Client
	subscriptions subscriptions.API // over all of them
}

func openGraphs(cfg *config.Config, keys *actions.Keys, log *zap.Logger) (*graphs, error) {
	endpoints := cfg.Cloud.Resolve()
	g := &graphs{clients: map[string]*graph.Client{}}
	for _, t := range cfg.Tenants {
		credential, err := tenantCredential(t, endpoints)
		if err != nil {
			return nil, fmt.Errorf("credential of tenant %s: %w", t.ID, err)
		}
		g.clients[t.ID], err = graph.New(graph.Options{
			GraphURL: endpoints.Graph, Tenant: t.ID, Credential: credential,
			Limits:  limit.Rates{Conversation: cfg.Graph.ConversationRPS, Team: cfg.Graph.TeamRPS, Tenant: cfg.Graph.TenantRPS},
			Timeout: cfg.Graph.Timeout,
			Fingerprint: func(message []byte) string {
				m, err := webhook.DecodeMessage(message)
				if err != nil {
					return ""
				}
				return pipeline.Fingerprint(keys, m)
			},
			Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", t.ID, err)
		}
	}
	g.subscriptions = graph.NewSubscriptions(slices.Collect(maps.Values(g.clients))...)
	return g, nil
}

// forPipeline returns the client of a tenant, nil if it is not configured.
func (g *graphs) forPipeline(tenant string) pipeline.Graph {
	if c, ok := g.clients[tenant]; ok {
		return c
	}
	return nil
}

// tenantCredential is how the tenant's app proves who it is.
func tenantCredential(t config.Tenant, e config.Endpoints) (azcore.TokenCredential, error) {
	return graph.NewCredential(graph.CredentialOptions{
		Kind: t.Credential.Kind, Tenant: t.ID, AppID: t.AppID, Secret: t.Credential.Secret,
		CertificateFile: t.Credential.Certificate, ClientID: t.Credential.ClientID, LoginURL: e.Login,
	})
}
