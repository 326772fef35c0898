// The bot's job, with openapi-fetch and the types of openapi-typescript.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const { CMS_URL, CMS_TOKEN } = process.env;
const cms = createClient<paths>({
  baseUrl: CMS_URL ?? "",
  headers: { Authorization: `Bearer ${CMS_TOKEN}` },
});

function check(what: string, got: unknown, want: unknown): void {
  if (got !== want) throw new Error(`${what}: got ${String(got)}, want ${String(want)}`);
}

function present<T>(what: string, value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error(`${what} is missing`);
  return value;
}

const entry = { collection: "consultations", slug: "donnees-sante" };

const list = await cms.GET("/v1/collections/{collection}/entries", {
  params: { path: { collection: entry.collection }, query: { where: ["ordre:gte:0", "title:exists:true"], sort: "-ordre", limit: 5 } },
});
check("the list", list.response.status, 200);
check("entries listed", present("the list", list.data).items.length, 5);

const read = await cms.GET("/v1/collections/{collection}/entries/{slug}", { params: { path: entry } });
const etag = present("the ETag", read.response.headers.get("ETag"));

const edited = await cms.PATCH("/v1/collections/{collection}/entries/{slug}", {
  params: { path: entry, header: { "If-Match": etag } },
  body: { fields: { ordre: 41 } },
});
check("the edit", edited.response.status, 200);

const late = await cms.PATCH("/v1/collections/{collection}/entries/{slug}", {
  params: { path: entry, header: { "If-Match": etag } },
  body: { fields: { ordre: 42 } },
});
check("the late edit", late.response.status, 412);
check("its code", present("the problem", late.error).code, "precondition_failed");

const created = await cms.POST("/v1/collections/{collection}/entries", {
  params: { path: { collection: entry.collection } },
  body: { fields: { title: "Un client", ordre: 1 }, body: "Corps.\n" },
});
check("the creation", created.response.status, 201);
check("its place", created.response.headers.get("Location"), "/v1/collections/consultations/entries/un-client");

const batch = await cms.POST("/v1/batch", {
  body: {
    message: "Deux à la fois",
    operations: [
      { op: "create", collection: entry.collection, slug: "un-lot", fields: { title: "Un lot" } },
      { op: "patch", collection: entry.collection, slug: "un-client", if_match: "*", fields: { ordre: 2 } },
    ],
  },
});
check("the batch", batch.response.status, 200);
check("its results", present("the batch", batch.data).items.length, 2);

const history = await cms.GET("/v1/collections/{collection}/history/{slug}", { params: { path: entry } });
const versions = present("the history", history.data).items;
check("versions", versions.length, 2);

const reverted = await cms.POST("/v1/collections/{collection}/revert/{slug}", {
  params: { path: entry, header: { "If-Match": "*" } },
  body: { to: present("the first version", versions[1]).commit },
});
check("the revert", reverted.response.status, 200);

const image = Buffer.from(process.env.CMS_IMAGE ?? "", "base64");
const uploaded = await cms.PUT("/v1/media/{path}", {
  params: { path: { path: "client.png" }, header: { "If-None-Match": "*" } },
  body: image as unknown as string,
  bodySerializer: (body) => body as unknown as BodyInit,
  headers: { "Content-Type": "image/png" },
});
check("the upload", uploaded.response.status, 201);
