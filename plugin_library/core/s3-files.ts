/**
 * Keeps the bytes of files in an object storage that speaks S3 (AWS, MinIO, Ceph, R2 …), for what is too large for a database or a disk. Whose
 * they are stays in the store, so several nodes on one PostgreSQL share them: beside `postgres` it is this plugin that has the files. The bucket
 * must be there, and be nobody else's below `prefix`.
 *
 * Settings (plugins.yaml, `s3-files`): `bucket`; `endpoint`, such as http://minio:9000 (AWS); `region`; `access_key_id` and
 * `secret_access_key`, best as ${…}; `prefix` of all names (skeleton/). Last change: 2026-11-29.
 */

import { S3Client } from "bun";
import { type Core, filesIn, type Plugin, type RemoteBytes, type Static, t } from "skeleton";

const NAME = "s3-files";

const settings = t.Object({
  bucket: t.String({ minLength: 1 }),
  endpoint: t.Optional(t.String({ pattern: "^https?://" })),
  region: t.Optional(t.String()),
  access_key_id: t.String({ minLength: 1 }),
  secret_access_key: t.String({ minLength: 1 }),
  prefix: t.String({ default: "skeleton/" }),
});

type Settings = Static<typeof settings>;

/** What a check has left, to be removed when it stops the plugin. */
const scratches = new Set<() => Promise<void>>();

export default {
  name: NAME,
  settings,
  provide: {
    // A server that keeps nothing keeps nothing here either.
    file: (core, base) => (core.config.mode === "ephemeral" ? base : filesIn(core, bucketOf(core))),
  },
  async start(core) {
    if (core.config.mode !== "ephemeral") await bucketOf(core).has("none"); // A key that is wrong should be known now.
  },
  async stop() {
    const all = [...scratches];
    scratches.clear();
    for (const drop of all) await drop();
  },
} satisfies Plugin;

function bucketOf(core: Core): RemoteBytes {
  const { bucket, endpoint, region, access_key_id, secret_access_key, prefix } = core.settings<Settings>(NAME);
  const client = new S3Client({
    bucket,
    accessKeyId: access_key_id,
    secretAccessKey: secret_access_key,
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
  });
  const { scratch } = core.config;
  const start = scratch === null ? prefix : `${prefix}${scratch}/`;
  if (scratch !== null) scratches.add(() => dropAll(client, start));
  const has = (place: string) => client.exists(start + place);
  return {
    has,
    async write(place, data) {
      await client.write(start + place, data);
    },
    async read(place) {
      return (await has(place)) ? client.file(start + place).stream() : null;
    },
    // S3 says nothing of what is not there.
    remove: (place) => client.delete(start + place),
  };
}

async function dropAll(client: S3Client, prefix: string): Promise<void> {
  for (;;) {
    const { contents = [] } = await client.list({ prefix });
    if (contents.length === 0) return;
    for (const { key } of contents) await client.delete(key);
  }
}
