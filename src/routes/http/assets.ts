/**
 * /static/*: the files of public/, each replaceable by one of the same name in plugins/html/, which is looked up per
 * request; an index.html there is the front page. `page.js` is several of them joined, because scripts that load apart can start in the wrong order. A URL that
 * carries the content's hash (`assetPath`) may be kept for ever; a plain one is asked about each time.
 */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { staticPlugin } from "@elysiajs/static";
import { Elysia } from "elysia";
import type { Core, PageData, User } from "../../protocols";
import { urlOf } from "./address";
import { takesGzip } from "./respond";

const PREFIX = "/static/";
const NO_ADDRESS = new URL("http://localhost/");

export function assetRoutes(core: Core) {
  return (
    new Elysia({ name: "assets" })
      // The plugin below registers its files at start, so what may differ per request is served before it is asked.
      .onRequest(({ request }) => {
        const { pathname, searchParams } = urlOf(request) ?? NO_ADDRESS;
        if (request.method !== "GET" && request.method !== "HEAD") return;
        if (pathname === "/") return ownersPage(core);
        if (!pathname.startsWith(PREFIX)) return;
        const name = pathname.slice(PREFIX.length);
        const version = searchParams.get("v");
        if (version === null && bundleOf(name) === null && !ownersFile(core, name)) return;
        const asset = readAsset(core, name);
        return asset ? assetResponse(request, asset, version) : undefined;
      })
      .use(
        staticPlugin({
          assets: PUBLIC,
          prefix: PREFIX.slice(0, -1),
          alwaysStatic: true,
          indexHTML: false,
          ignorePatterns: [/(?:^|[/\\])\./],
          directive: "no-cache",
          maxAge: null,
        }),
      )
  );
}

/** URL path of a public file with the hash of its content; changes whenever the content does. */
export function assetPath(core: Core, name: string): string {
  const asset = readAsset(core, name);
  return asset ? `${PREFIX}${name}?v=${asset.hash}` : PREFIX + name;
}

/** The owner's own front page in the place of ours, for whoever comes: it brings its own way to sign in. */
function ownersPage(core: Core): Response | undefined {
  const path = ownersFile(core, "index.html");
  return path === null ? undefined : new Response(Bun.file(path), { headers: { "cache-control": "no-cache" } });
}

const PUBLIC = join(Bun.isStandaloneExecutable ? import.meta.dir : join(import.meta.dir, "../../.."), "public");

const BUNDLES: Readonly<Record<string, readonly string[]>> = {
  "page.js": ["htmx.min.js", "hx-sse.min.js", "copy.js", "chat.js", "reading.js"],
};

/** Of what was named so here, and not of what every object has. */
function bundleOf(name: string): readonly string[] | null {
  return Object.hasOwn(BUNDLES, name) ? (BUNDLES[name] ?? null) : null;
}

interface Asset {
  readonly name: string;
  readonly bytes: Buffer<ArrayBuffer>;
  readonly hash: string;
  /** Null when packing saves nothing. */
  readonly packed: Uint8Array<ArrayBuffer> | null;
}

/** By name and the files it is made of with their times of change, so that an edit shows at once. */
const cache = new Map<string, { readonly key: string; readonly asset: Asset }>();

function readAsset(core: Core, name: string): Asset | null {
  const own = ownersFile(core, name);
  const files = own ? [own] : (bundleOf(name) ?? [name]).map((it) => ownersFile(core, it) ?? fileIn(PUBLIC, it));
  const paths = files.filter((path) => path !== null);
  if (paths.length < files.length) return null;
  const key = paths.map((path) => `${path} ${statSync(path).mtimeMs} ${statSync(path).size}`).join("\n");
  const known = cache.get(name);
  if (known?.key === key) return known.asset;
  const [first = Buffer.alloc(0), ...others] = paths.map((path) => readFileSync(path));
  // A semicolon, because a file may end without one.
  const bytes = Buffer.concat([first, ...others.flatMap((it) => [Buffer.from("\n;"), it])]);
  const packed = Bun.gzipSync(bytes, { level: 9 });
  const asset = {
    name,
    bytes,
    hash: Bun.hash(bytes).toString(36),
    packed: packed.length < 0.9 * bytes.length ? packed : null,
  };
  cache.set(name, { key, asset });
  return asset;
}

const [NAME_MAX, PATH_MAX] = [255, 1000]; // Characters; here each is one byte.

function ownersFile(core: Core, name: string): string | null {
  return fileIn(join(core.config.pluginsPath, "html"), name);
}

/** Plain names alone: nothing encoded, hidden, or leading out. A link that the owner put there is followed. */
function fileIn(folder: string, name: string): string | null {
  if (!/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(name)) return null;
  const path = join(folder, name);
  // No file system has longer ones, and each says so in its own way.
  if (path.length > PATH_MAX || name.split("/").some((part) => part.length > NAME_MAX)) return null;
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? path : null;
}

function assetResponse(request: Request, { name, bytes, hash, packed }: Asset, version: string | null): Response {
  const isPacked = packed !== null && takesGzip(request);
  const etag = isPacked ? `"${hash}-gzip"` : `"${hash}"`;
  const headers = {
    "content-type": Bun.file(name).type,
    "cache-control": version === hash ? "public, max-age=31536000, immutable" : "no-cache",
    etag,
    ...(packed && { vary: "accept-encoding" }),
    ...(isPacked && { "content-encoding": "gzip" }),
  };
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  return new Response(isPacked ? packed : bytes, { headers });
}

export function pageData(core: Core, user: User | null): PageData {
  return { user, asset: (name) => assetPath(core, name), ephemeral: core.config.mode === "ephemeral" };
}
