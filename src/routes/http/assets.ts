/**
 * /static/*: the files of public/, each replaceable by one of the same name in plugins/html/, which is looked up per
 * request; an index.html there is the front page. `page.js` is several of them joined, because scripts that load apart can start in the wrong order. A URL that
 * carries the content's hash (`assetPath`) may be kept for ever; a plain one is asked about each time.
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Elysia } from "elysia";
import { AppError } from "../../basics/errors";
import { perServer } from "../../basics/once";
import type { Core, PageData, User } from "../../protocols";
import { session } from "../session/session";
import { pathOf, urlOf } from "./address";
import { takesGzip } from "./respond";

const PREFIX = "/static/";

export function assetRoutes(core: Core) {
  return new Elysia()
    .use(session(core))
    .onRequest(({ request }) => {
      // Before there is a route for it: what is not the owner's is a page of ours.
      if (["GET", "HEAD"].includes(request.method) && pathOf(request) === "/") return ownersPage(core);
    })
    .get(
      `${PREFIX}*`,
      ({ request }) => {
        const { pathname = "", searchParams } = urlOf(request) ?? {};
        const asset = readAsset(core, pathname.slice(PREFIX.length));
        if (!asset) throw new AppError("notFound", "There is nothing at this address.", { reason: "noPage" });
        return assetResponse(request, asset, searchParams?.get("v") ?? null);
      },
      { public: true },
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

/** The files of a bundle; null for other names, such as those of members that every object has. */
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
const assetsKept = perServer(() => new Map<string, { readonly key: string; readonly asset: Asset }>());

function readAsset(core: Core, name: string): Asset | null {
  const own = ownersFile(core, name);
  const files = own ? [own] : (bundleOf(name) ?? [name]).map((it) => ownersFile(core, it) ?? fileIn(PUBLIC, it));
  const paths = files.filter((path) => path !== null);
  if (paths.length < files.length) return null;
  const key = paths.map((path) => `${path} ${statSync(path).mtimeMs} ${statSync(path).size}`).join("\n");
  const cache = assetsKept(core);
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

function ownersFile(core: Core, name: string): string | null {
  return fileIn(join(core.config.pluginsPath, "html"), name);
}

/** Plain names alone: nothing encoded, hidden, or leading out. A link that the owner put there is followed. */
function fileIn(folder: string, name: string): string | null {
  if (!/^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/.test(name)) return null;
  const path = join(folder, name);
  // Asked first, since of a name that is too long, or that goes on below a file, only this does not throw.
  return existsSync(path) && statSync(path).isFile() ? path : null;
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
