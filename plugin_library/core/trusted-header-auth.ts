/**
 * Signs people in by a header that a reverse proxy sets (Authelia, Authentik, oauth2-proxy, Tailscale …). The header counts
 * only on connections from the proxy itself; from anyone else it is as if it were not there, so the proxy must replace
 * what a browser sends under that name, and under `groups_header` when there are `admin_groups`. Accounts of users.yaml
 * keep their role and model mask, and their passwords work.
 *
 * Settings (plugins.yaml, `trusted-header-auth`): `proxies`, addresses and networks such as 127.0.0.1 or 10.0.0.0/8;
 * `header` (Remote-User); `users`, names in the header to names here; `create`, whether people without an account are let in
 * (true), and `model_mask` for them; administrators by `admins` (names here) or by `admin_groups` in `groups_header`
 * (Remote-Groups); `sign_out_url` of the proxy. Last change: 2026-11-22.
 */

import { BlockList, isIP } from "node:net";
import { type AuthProtocol, type Core, type Plugin, type Static, t, type User } from "skeleton";

const NAME = "trusted-header-auth";
const names = t.Array(t.String(), { default: [] });

const settings = t.Object({
  proxies: t.Array(t.String(), { minItems: 1 }),
  header: t.String({ pattern: "^[\\w-]+$", default: "Remote-User" }),
  users: t.Record(t.String(), t.String(), { default: {} }),
  create: t.Boolean({ default: true }),
  model_mask: t.Optional(t.String()),
  admins: names,
  admin_groups: names,
  groups_header: t.String({ pattern: "^[\\w-]+$", default: "Remote-Groups" }),
  sign_out_url: t.Optional(t.String({ pattern: "^(?:/|/[!-.0-~][!-~]*|https?://[!-~]*)$" })),
});

type Settings = Static<typeof settings>;

export default {
  name: NAME,
  settings,
  provide: { auth: createAuth },
  start(core) {
    networksOf(core.settings<Settings>(NAME)); // A network that is none should leave the plugin out, and not every person.
  },
} satisfies Plugin;

function createAuth(core: Core, base: AuthProtocol): AuthProtocol {
  const strangers = new Set<string>();
  // No set-up: the first administrator comes from the proxy as well.
  const { setup: _, ...others } = base;
  return {
    ...others,
    async identify(request, address) {
      const own = core.settings<Settings>(NAME);
      const value = request.headers.get(own.header);
      if (value === null) return (await base.identify?.(request, address)) ?? null;
      if (address === null || !networksOf(own).check(address, isIP(address) === 6 ? "ipv6" : "ipv4")) {
        warnOnce(core, strangers, address ?? "unknown");
        return null;
      }
      const name = nameOf(value, own);
      return name === null ? null : findUser(base, name, groupsOf(request, own), own);
    },
    signOutUrl: () => core.settings<Settings>(NAME).sign_out_url ?? base.signOutUrl?.() ?? null,
  };
}

const networks = new WeakMap<Settings, BlockList>();

/** Read once per settings, because every request asks. */
function networksOf(own: Settings): BlockList {
  const known = networks.get(own);
  if (known) return known;
  const list = new BlockList();
  for (const network of own.proxies) {
    const [, address = "", bits] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(network) ?? [];
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    if (family === 0 || Number(bits ?? 0) > most) throw new Error(`proxies: ${network} is no address and no network.`);
    list.addSubnet(address, Number(bits ?? most), family === 6 ? "ipv6" : "ipv4");
  }
  networks.set(own, list);
  return list;
}

const STRANGERS_MAX = 100;

/** Whoever sends the header and is no proxy tries something, or `proxies` lacks one; one line tells of either. */
function warnOnce(core: Core, strangers: Set<string>, address: string): void {
  if (strangers.has(address) || strangers.size >= STRANGERS_MAX) return;
  strangers.add(address);
  core.log.warn("The header to sign in with came from an address that is not among proxies, and is ignored", {
    address,
  });
}

const NAME_MAX = 64; // Characters, as of every user name.

/** Null when it can be no name. A comma means that the header came twice: a browser's own, and then the proxy's. */
function nameOf(value: string, { users }: Settings): string | null {
  const sent = asUtf8(value).trim();
  // Normalising a run of marks takes time with its square, and no letter is written as more than four.
  const text = sent.length > 4 * NAME_MAX ? sent : sent.normalize("NFC");
  const name = Object.hasOwn(users, text) ? (users[text] ?? "") : text;
  const isName = name !== "" && [...name].length <= NAME_MAX && !/[,\p{Cc}\p{Cs}\u2028\u2029\ufffd]/u.test(name);
  return isName ? name : null;
}

function groupsOf(request: Request, { groups_header }: Settings): string[] {
  return asUtf8(request.headers.get(groups_header) ?? "")
    .split(/[,;|]/)
    .map((group) => group.trim());
}

/** Headers arrive as one character per byte, and proxies send names in UTF-8. */
function asUtf8(value: string): string {
  return /[^\x20-\xff]/.test(value) ? value : Buffer.from(value, "latin1").toString("utf8");
}

async function findUser(
  base: AuthProtocol,
  username: string,
  groups: readonly string[],
  own: Settings,
): Promise<User | null> {
  const account = (await base.find?.(username)) ?? null;
  if (!account && !own.create) return null;
  const modelMask = account ? account.modelMask : own.model_mask;
  const isAdmin = own.admins.includes(username) || own.admin_groups.some((group) => groups.includes(group));
  return {
    username,
    role: isAdmin ? "admin" : (account?.role ?? "user"),
    ...(modelMask === undefined ? {} : { modelMask }),
  };
}
