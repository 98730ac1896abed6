/**
 * Signing in with a password, and the limits on failed attempts. Three windows count them: the account at one address, the address,
 * and the account. The last two keep guesses in bounds however many addresses or names are tried, and they never shut out whom
 * somebody else's guesses would: the right password is taken from where somebody signed in to the account before.
 */

import { AppError, errorOf } from "../../basics/errors";
import { onceDone, perServer } from "../../basics/once";
import type { Core, Rate, User } from "../../protocols";
import { publicPath } from "../http/address";
import { type AddressSource, addressOf, cookiesOf, cookieText, sessionCookie } from "./session";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface SignedIn {
  readonly user: User;
  readonly token: string;
  /** For the browser: the session's, and the one by which it is known the next time. */
  readonly cookies: readonly string[];
}

/** Throws AppError "unauthenticated", or "limited" after too many failures. */
export async function signIn(
  core: Core,
  request: Request,
  server: AddressSource | null,
  { username, password }: Credentials,
): Promise<SignedIn> {
  const address = addressOf(core, request, server);
  const attempt = { account: accountKey(username), network: networkOf(address) };
  const windows = await windowsOf(core, request, username, attempt);
  const user = await underLimit(core, windows, attempt, () => core.auth.authenticate(username, password));
  if (user) return admit(core, request, server, user);
  core.log.info("A sign-in failed", { address });
  throw new AppError("unauthenticated", "Wrong user name or password.", { reason: "wrongPassword" });
}

/** Opens a session for somebody whose password was right, or was just made. */
export async function admit(core: Core, request: Request, server: AddressSource | null, user: User): Promise<SignedIn> {
  const token = await core.auth.createToken(user);
  const account = accountKey(user.username);
  if (core.config.rateLimitLogin) {
    await rememberAddress(core, { account, network: networkOf(addressOf(core, request, server)) });
  }
  const value = await core.auth.browsers?.mark(user);
  const cookie = {
    name: markCookie(core, account),
    path: `${publicPath(core.config)}/login`,
    maxAgeS: MARK_DAYS * S_PER_DAY,
  };
  const known = value === undefined ? [] : [cookieText(core, request, { ...cookie, value })];
  return { user, token, cookies: [sessionCookie(core, request, token), ...known] };
}

const NAME_MAX = 256; // Of what was typed; a name has 64 characters. Normalising takes time with the square of a run of marks.

/** One for all spellings of a name that a provider may take for the same; coarser than any, so that none has tries of its own. */
export function accountKey(username: string): string {
  const folded = username.slice(0, NAME_MAX).normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
  const seen = folded.replace(/[\s\p{Default_Ignorable_Code_Point}]+/gu, "");
  // As long for any name, and none stands in a store that limits may be shared by.
  return new Bun.CryptoHasher("sha256").update(seen).digest("base64url");
}

const ADDRESS_MAX = 64; // Characters; a proxy may write what it likes.
const MAY_BE_IPV6 = /^[\da-f.]*:[\da-f:.]*$/i;

/** What counts as one address: of IPv6 the /64, which is what one household or one rented server has, of IPv4 the address. */
export function networkOf(address: string): string {
  const bare = address.replace(/^\[([^\]]*)\](?::\d+)?$/, "$1").replace(/^([\d.]+):\d+$/, "$1");
  const [text = ""] = bare.split("%", 1);
  // The parser of addresses writes each in one way.
  const canonical = MAY_BE_IPV6.test(text) ? URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1) : undefined;
  if (canonical === undefined) return bare.slice(0, ADDRESS_MAX);
  // The two points stand for as many zeros as are missing.
  const [head = [], tail = []] = canonical.split("::").map((part) => part.split(":").filter(Boolean));
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail];
  const isMapped = groups.slice(0, 6).join(":") === "0:0:0:0:0:ffff";
  return isMapped ? dotted(groups.slice(6)) : `${groups.slice(0, 4).join(":")}::/64`;
}

function dotted(groups: readonly string[]): string {
  return groups
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join(".");
}

interface Attempt {
  /** Of the name that was typed, whether anybody has it or not. */
  readonly account: string;
  readonly network: string;
}

interface Window {
  readonly key: string;
  readonly rate: Rate;
  /** How many attempts may wait for their outcome at once. */
  readonly atOnce: number;
  /** Whether others can fill it: then it does not count for an address that the account was signed in to from. */
  readonly isShared: boolean;
}

const SHARED = 20; // Times the rate of one account at one address: an office of typists, and still few guesses a day.
const AT_ONCE = 20; // Of one address: a fifth of those who may wait for a password to be hashed.

/** A browser that is known has a window of its own, which nobody else can fill. */
async function windowsOf(core: Core, request: Request, username: string, attempt: Attempt): Promise<Window[]> {
  const rate = core.config.rateLimitLogin;
  if (!rate) return [];
  const { account, network } = attempt;
  const own = { rate, atOnce: rate.max, isShared: false };
  const [mark] = cookiesOf(request, markCookie(core, account));
  if (mark !== undefined && (await core.auth.browsers?.isMarked(username, mark))) {
    return [{ key: `login-browser:${account}:${mark}`, ...own }];
  }
  const shared = { rate: { ...rate, max: rate.max * SHARED }, isShared: true };
  return [
    { key: `login:${account}@${network}`, ...own },
    { key: `login-address:${network}`, ...shared, atOnce: AT_ONCE },
    { key: `login-account:${account}`, ...shared, atOnce: shared.rate.max },
  ];
}

/** How many attempts there are whose outcome is not known yet, by the window's key. */
const attemptsUnderWay = perServer(() => new Map<string, number>());

async function underLimit(
  core: Core,
  windows: readonly Window[],
  attempt: Attempt,
  authenticate: () => Promise<User | null>,
): Promise<User | null> {
  // Before anything is awaited: attempts that come at once are as few as attempts that come one by one.
  const underWay = attemptsUnderWay(core);
  const places = windows.map(({ key }) => enter(underWay, key));
  try {
    for (const [at, window] of windows.entries()) {
      const waitS = await waitOf(core, window, places[at] ?? 0);
      if (waitS !== null && !(window.isShared && (await isKnownAddress(core, attempt)))) throw tooMany(waitS);
    }
    const user = await authenticate();
    if (!user) await Promise.all(windows.map(({ key, rate }) => core.limit.take(key, rate.max, rate.windowS)));
    return user;
  } finally {
    for (const { key } of windows) leave(underWay, key);
  }
}

/** Seconds to wait, or null when there is room. */
async function waitOf(core: Core, { key, rate, atOnce }: Window, place: number): Promise<number | null> {
  const looked = await core.limit.take(key, rate.max, rate.windowS, 0);
  if (!looked.allowed) return Math.min(looked.retryAfterS, Math.ceil(rate.windowS));
  return place > Math.min(looked.remaining, atOnce) ? 1 : null;
}

/** How many are under way with this one. */
function enter(underWay: Map<string, number>, key: string): number {
  const attempts = (underWay.get(key) ?? 0) + 1;
  underWay.set(key, attempts);
  return attempts;
}

function leave(underWay: Map<string, number>, key: string): void {
  const attempts = (underWay.get(key) ?? 0) - 1;
  if (attempts > 0) underWay.set(key, attempts);
  else underWay.delete(key);
}

function tooMany(retryAfterS: number): AppError {
  return new AppError("limited", `Too many failed attempts. Try again in ${retryAfterS} seconds.`, {
    retryAfterS,
    reason: "manySignIns",
  });
}

const S_PER_DAY = 86_400;
const MARK_DAYS = 400; // The most that browsers keep a cookie for. The mark itself ends with the password.

/** One for each account and installation, so that people who share a browser, and servers that share a host, do not push each other out. */
function markCookie({ auth }: Core, account: string): string {
  const installation = auth.installation === undefined ? "" : `${auth.installation}_`;
  return `skeleton_known_${installation}${account.slice(0, 12)}`;
}

const ADDRESSES = "sign_in_addresses";
const PER_ACCOUNT = 50; // Addresses; those that were not used for the longest time are forgotten.
const FRESH_MS = S_PER_DAY * 1000; // So often it is noted that an address is still used.

/** At the first need, since only a server that knows passwords needs it. */
const declareAddresses = perServer(({ store }) =>
  onceDone(() => store.createStoreIfNotExists(ADDRESSES, { account: { type: "str", index: true }, used: "int" })),
);

async function isKnownAddress(core: Core, { account, network }: Attempt): Promise<boolean> {
  await declareAddresses(core)();
  return (await core.store.get(null, ADDRESSES, `${account}@${network}`)) !== null;
}

async function rememberAddress(core: Core, { account, network }: Attempt): Promise<void> {
  const id = `${account}@${network}`;
  const used = Date.now();
  try {
    await declareAddresses(core)();
    const known = await core.store.get(null, ADDRESSES, id);
    if (known && used - Number(known.used) < FRESH_MS) return;
    if (known) await core.store.update(null, ADDRESSES, id, { used });
    else await core.store.add(null, ADDRESSES, { account, used }, id);
    const all = await core.store.find(null, ADDRESSES, { where: { account }, orderBy: "used", select: [] });
    for (const old of all.slice(0, -PER_ACCOUNT)) await core.store.delete(null, ADDRESSES, old.id);
  } catch (error) {
    // On a full disk, people can still sign in.
    core.log.warn("Where somebody signed in could not be kept", { error: errorOf(error) });
  }
}
