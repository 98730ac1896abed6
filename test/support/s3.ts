/** A small S3 over real HTTP: one bucket, addressed by path; only who has the key is let in. Its signatures are taken on trust. */

import { atEnd } from "./at-end";

export interface S3 {
  readonly url: string;
  /** By key. */
  readonly objects: Map<string, Uint8Array>;
  /** Method and key of each request that was let in. */
  readonly requests: readonly string[];
}

export function startS3(bucket: string, accessKeyId: string): S3 {
  const objects = new Map<string, Uint8Array>();
  const requests: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const credential = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/`;
      if (!request.headers.get("authorization")?.startsWith(credential)) return fault(403, "InvalidAccessKeyId");
      const path = decodeURIComponent(pathname);
      if (!path.startsWith(`/${bucket}`)) return fault(404, "NoSuchBucket");
      const key = path.slice(bucket.length + 2);
      requests.push(`${request.method} ${key}`);
      if (searchParams.get("list-type") === "2") return listing(objects, searchParams.get("prefix") ?? "");
      return answer(objects, request, key);
    },
  });
  atEnd(() => server.stop(true));
  return { url: `http://127.0.0.1:${server.port}`, objects, requests };
}

async function answer(objects: Map<string, Uint8Array>, request: Request, key: string): Promise<Response> {
  const object = objects.get(key);
  if (request.method === "PUT") objects.set(key, await request.bytes());
  else if (request.method === "DELETE") objects.delete(key);
  else return object ? new Response(Buffer.from(object)) : fault(404, "NoSuchKey");
  return new Response(null, { status: request.method === "PUT" ? 200 : 204, headers: { etag: '"one"' } });
}

function listing(objects: Map<string, Uint8Array>, prefix: string): Response {
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).slice(0, 2);
  const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`).join("");
  return xml(200, `<ListBucketResult><KeyCount>${keys.length}</KeyCount>${contents}</ListBucketResult>`);
}

function fault(status: number, code: string): Response {
  return xml(status, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}

function xml(status: number, body: string): Response {
  return new Response(`<?xml version="1.0"?>${body}`, { status, headers: { "content-type": "application/xml" } });
}
