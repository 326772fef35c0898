// Shows the document of this service, whatever address the page is reached by.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#operations",
  deepLinking: true,
  docExpansion: "list",
  validatorUrl: null, // which would tell the document to a site elsewhere
  queryConfigEnabled: false,
});
