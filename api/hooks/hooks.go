// Package hooks is the part of the API about what the service is told, and tells others,
// beside its entries: the endpoints of webhooks, which operators look after, what was
// delivered to them, the builds that are reported, and the push hooks of Git hosts.
package hooks

import (
	"cms/api/operation"
	"cms/site"
	"cms/web"
	"cms/webhooks"
	"cms/webhooks/inbound"
)

// API is that part.
type API struct {
	web         *web.Floor
	site        *site.Site
	inbound     *inbound.Receiver
	outbound    *webhooks.Relay
	deployments *webhooks.Deployments
}

// Options are what it is made of. Web and Site are required.
type Options struct {
	Web         *web.Floor
	Site        *site.Site
	Inbound     *inbound.Receiver     // push hooks; nil knows none
	Webhooks    *webhooks.Relay       // nil for none
	Deployments *webhooks.Deployments // nil keeps none
}

// Register adds its operations to all.
func Register(all *operation.Operations, o Options) {
	a := &API{web: o.Web, site: o.Site, inbound: o.Inbound, outbound: o.Webhooks, deployments: o.Deployments}
	r := operation.For(all, a)

	operation.Get(r, "/v1/webhooks", a.listWebhooks, listWebhooksDoc)
	operation.Get(r, "/v1/webhooks/{name}", a.getWebhook, getWebhookDoc)
	operation.Post(r, "/v1/webhooks", a.createWebhook, createWebhookDoc)
	operation.Patch(r, "/v1/webhooks/{name}", a.patchWebhook, patchWebhookDoc)
	operation.Delete(r, "/v1/webhooks/{name}", a.deleteWebhook, deleteWebhookDoc)
	operation.Post(r, "/v1/webhooks/{name}/secret", a.renewSecret, renewSecretDoc)
	operation.Post(r, "/v1/webhooks/{name}/test", a.testWebhook, testWebhookDoc)
	operation.Post(r, "/v1/webhooks/{name}/redeliver", a.redeliverRange, redeliverRangeDoc)
	operation.Get(r, "/v1/deliveries", a.listDeliveries, listDeliveriesDoc)
	operation.Get(r, "/v1/deliveries/{id}", a.getDelivery, getDeliveryDoc)
	operation.Post(r, "/v1/deliveries/{id}/redeliver", a.redeliver, redeliverDoc)

	report := reportDeploymentDoc
	report.Caller = a.reporter
	operation.Post(r, "/v1/deployments", a.reportDeployment, report)
	operation.Post(r, "/hooks/{provider}", a.receiveHook, receiveHookDoc)
}
