// The bot's job, with a client made by @hey-api/openapi-ts.
import { createClient } from "./client/client/index.js";
import * as cms from "./client/sdk.gen.js";

const client = createClient({ baseUrl: process.env.CMS_URL ?? "", auth: () => process.env.CMS_TOKEN ?? "" });

function check(what: string, got: unknown, want: unknown): void {
  if (got !== want) throw new Error(`${what}: got ${String(got)}, want ${String(want)}`);
}

function present<T>(what: string, value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error(`${what} is missing`);
  return value;
}

const collection = { collection: "consultations" };
const path = { ...collection, slug: "donnees-sante" };

const list = await cms.listEntries({ client, path: collection, query: { where: ["ordre:gte:0", "title:exists:true"], sort: "-ordre", limit: 5 } });
check("entries listed", present("the list", list.data).items.length, 5);

const read = await cms.getEntry({ client, path });
const etag = present("the ETag", present("the answer", read.response).headers.get("ETag"));

const edited = await cms.patchEntry({ client, path, headers: { "If-Match": etag }, body: { fields: { ordre: 41 } } });
check("the edit", edited.response?.status, 200);

const late = await cms.patchEntry({ client, path, headers: { "If-Match": etag }, body: { fields: { ordre: 42 } } });
check("the late edit", late.response?.status, 412);
check("its code", present("the problem", late.error).code, "precondition_failed");

const created = await cms.createEntry({ client, path: collection, body: { fields: { title: "Un client", ordre: 1 }, body: "Corps.\n" } });
check("the creation", created.response?.status, 201);

const batch = await cms.batch({
  client,
  body: {
    message: "Deux à la fois",
    operations: [
      { op: "create", ...collection, slug: "un-lot", fields: { title: "Un lot" } },
      { op: "patch", ...collection, slug: "un-client", if_match: "*", fields: { ordre: 2 } },
    ],
  },
});
check("results of the batch", present("the batch", batch.data).items.length, 2);

const history = await cms.entryHistory({ client, path });
const versions = present("the history", history.data).items;
check("versions", versions.length, 2);

const reverted = await cms.revertEntry({ client, path, headers: { "If-Match": "*" }, body: { to: present("the first version", versions[1]).commit } });
check("the revert", reverted.response?.status, 200);

const uploaded = await cms.putMedia({
  client,
  path: { path: "client.png" },
  headers: { "If-None-Match": "*" },
  body: new Blob([Buffer.from(process.env.CMS_IMAGE ?? "", "base64")]),
});
check("the upload", uploaded.response?.status, 201);
