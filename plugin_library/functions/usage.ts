/**
 * Counts tokens and cost by user, model and day, shows them at /_plugin/usage/ (everyone their own, administrators all), and
 * holds each user to a budget: when it is spent, models are refused until the next day or month (UTC) begins. It is looked
 * at before each model call, so the last one may go over it. A call that ends without a count, because somebody stopped it
 * or the endpoint gives none, is reckoned at four characters a token: stopping is no way around a budget.
 *
 * Settings (plugins.yaml, `usage`): `prices`, by model id (a `*` at its end stands for any rest), each with `input` and
 * `output`, the cost of a million tokens; `currency` ("$"); `budget`, of every user, with `per` (`day` or `month`) and at most
 * so many `tokens` or so much `cost`; `budgets`, the same by user name, in the place of `budget`. Default: no limit.
 * Last change: 2026-11-28.
 */

import {
  AppError,
  type Core,
  type Html,
  html,
  type Look,
  type ModelCall,
  type ModelEvent,
  type Plugin,
  type Static,
  type StoreRecord,
  t,
  type Usage,
  type User,
} from "skeleton";

const budget = t.Object({
  per: t.Union([t.Literal("day"), t.Literal("month")], { default: "month" }),
  tokens: t.Optional(t.Integer({ minimum: 0 })),
  cost: t.Optional(t.Number({ minimum: 0 })),
});

const price = t.Object({ input: t.Number({ minimum: 0 }), output: t.Number({ minimum: 0 }) });

const settings = t.Object({
  prices: t.Record(t.String(), price, { default: {} }),
  currency: t.String({ default: "$" }),
  budget: t.Optional(budget),
  budgets: t.Record(t.String(), budget, { default: {} }),
});

type Settings = Static<typeof settings>;
type Budget = Static<typeof budget>;

const STORE = "usage";
const FIELDS = {
  day: { type: "str", index: true },
  user: { type: "str", index: true },
  model: "str",
  calls: "int",
  input_tokens: "int",
  output_tokens: "int",
  cost: "float",
} as const;

const CHARACTERS_PER_TOKEN = 4;
const DAYS = 30; // On the page.
const FRESH_MS = 5000; // How late the calls of other processes may count.
const DAY_MS = 24 * 60 * 60 * 1000;

export default {
  name: "usage",
  required: true,
  // The outermost, so that it counts what every other plugin asks models for.
  priority: 100,
  settings,
  provide: {
    model: (core, base) => ({
      ...base,
      stream: (call, signal) => counted(core, call, base.stream(call, signal), signal),
    }),
    auth: (core, base) => ({
      ...base,
      requestAllowed: async (user, model) =>
        (await base.requestAllowed(user, model)) && (await spentBudget(core, user)) === null,
      async whyRefused(user, model) {
        if (!(await base.requestAllowed(user, model))) return (await base.whyRefused?.(user, model)) ?? null;
        const spent = await spentBudget(core, user);
        return spent && refusal(spent, core.settings<Settings>(STORE));
      },
    }),
  },
  start: (core) => core.store.createStoreIfNotExists(STORE, FIELDS),
  stop: () => writing,
  page: (core) => ({
    handle(request, user, look) {
      if (!user || request.method !== "GET") throw new AppError("notFound", "There is nothing at this address.");
      if (new URL(request.url).pathname.endsWith("/style.css"))
        return new Response(STYLE, { headers: { "content-type": "text/css" } });
      return usagePage(core, user, look);
    },
  }),
} satisfies Plugin;

const COUNTED = ["calls", "input_tokens", "output_tokens", "cost"] as const;

type Counted = (typeof COUNTED)[number];
type Amount = Readonly<Record<Counted, number>>;

function total(parts: readonly (Amount | StoreRecord)[]): Amount {
  const sumOf = (counted: Counted) => parts.reduce((sum, part) => sum + Number(part[counted] ?? 0), 0);
  return Object.fromEntries(COUNTED.map((counted) => [counted, sumOf(counted)])) as Amount;
}

async function* counted(core: Core, call: ModelCall, events: AsyncIterable<ModelEvent>, signal: AbortSignal) {
  let usage: Usage | null = null;
  let characters = 0;
  let isCounted = false;
  const count = () => {
    if (isCounted) return;
    isCounted = true;
    // One that failed before its first word cost nothing.
    if (usage || characters > 0) record(core, call, usage ?? reckoned(call, characters));
  };
  // A stopped turn does not always read its stream to the end.
  signal.addEventListener("abort", count, { once: true });
  try {
    for await (const event of events) {
      if (event.type === "usage") usage = event;
      else if (event.type === "toolCall") characters += event.name.length + event.arguments.length;
      else if (event.type === "text" || event.type === "thinking") characters += event.text.length;
      yield event;
    }
  } finally {
    signal.removeEventListener("abort", count);
    count();
  }
}

function reckoned(call: ModelCall, characters: number): Usage {
  const sent = call.messages.reduce((sum, { content }) => sum + content.length, 0);
  return {
    inputTokens: Math.ceil(sent / CHARACTERS_PER_TOKEN),
    outputTokens: Math.ceil(characters / CHARACTERS_PER_TOKEN),
  };
}

/** Until it is done, what is read may lack what was counted last. */
let writing: Promise<void> = Promise.resolve();

function record(core: Core, call: ModelCall, { inputTokens, outputTokens }: Usage): void {
  const { input, output } = priceOf(core.settings<Settings>(STORE), call.model);
  const cost = (inputTokens * input + outputTokens * output) / 1_000_000;
  const used = { calls: 1, input_tokens: inputTokens, output_tokens: outputTokens, cost };
  const user = call.username ?? "";
  const spent = spentBy.get(core)?.get(user);
  if (spent) spent.amount = total([spent.amount, used]);
  const key = { day: today(), user, model: call.model };
  const saved = core.store
    .increment(null, STORE, JSON.stringify(Object.values(key)), used, key)
    .catch((error) => core.log.error("The usage of a model call could not be saved", { plugin: STORE, error }));
  writing = Promise.all([writing, saved]).then(() => {});
}

function priceOf({ prices }: Settings, model: string): Static<typeof price> {
  const names = Object.keys(prices).filter((name) => name === model || isBeginning(name, model));
  const best = names.sort((a, b) => b.length - a.length)[0];
  return (best !== undefined && prices[model]) || prices[best ?? ""] || { input: 0, output: 0 };
}

function isBeginning(name: string, model: string): boolean {
  return name.endsWith("*") && model.startsWith(name.slice(0, -1));
}

const spentBy = new WeakMap<Core, Map<string, { readonly from: string; readonly atMs: number; amount: Amount }>>();

/** The user's budget when it is spent, or null. */
async function spentBudget(core: Core, { username }: User): Promise<Budget | null> {
  const { budgets, budget: everyones } = core.settings<Settings>(STORE);
  const own = (Object.hasOwn(budgets, username) ? budgets[username] : undefined) ?? everyones;
  if (!own) return null;
  const { input_tokens, output_tokens, cost } = await spentSince(
    core,
    username,
    own.per === "day" ? today() : `${today().slice(0, 7)}-01`,
  );
  const isSpent = input_tokens + output_tokens >= (own.tokens ?? Infinity) || cost >= (own.cost ?? Infinity);
  return isSpent ? own : null;
}

async function spentSince(core: Core, user: string, from: string): Promise<Amount> {
  const users = spentBy.get(core) ?? new Map();
  spentBy.set(core, users);
  const known = users.get(user);
  if (known && known.from === from && performance.now() - known.atMs < FRESH_MS) return known.amount;
  await writing;
  const records = await core.store.find(null, STORE, { where: { user, day: { gte: from } } });
  const spent = total(records);
  users.set(user, { from, atMs: performance.now(), amount: spent });
  return spent;
}

function refusal({ per, tokens, cost }: Budget, { currency }: Settings): string {
  const most = [
    ...(tokens === undefined ? [] : [`${format(tokens)} tokens`]),
    ...(cost === undefined ? [] : [money(cost, currency)]),
  ].join(" or ");
  const now = new Date();
  const next =
    per === "day"
      ? new Date(now.getTime() + DAY_MS)
      : new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
  const day = next.toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });
  return `Your budget of ${most} a ${per} is spent. It begins anew on ${day} at 0:00 UTC.`;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

const ENGLISH = {
  usage: "Usage",
  calls: "Model calls",
  sent: "Tokens sent",
  written: "Tokens written",
  cost: "Cost",
  model: "Model",
  user: "User",
  of: (who: string | null, days: number) =>
    `${who === null ? "Of everybody" : `Of ${who}`}, in the last ${days} days (UTC).`,
  most: (from: string, to: string, tokens: string) => `${from} to ${to}, at most ${tokens} tokens a day`,
  kept: (megabytes: string, most: string | null) =>
    `Your files and messages take ${megabytes} MB${most === null ? "" : ` of the ${most} MB that you may use`}.`,
};

const GERMAN: typeof ENGLISH = {
  usage: "Verbrauch",
  calls: "Modellaufrufe",
  sent: "Gesendete Tokens",
  written: "Geschriebene Tokens",
  cost: "Kosten",
  model: "Modell",
  user: "Benutzer",
  of: (who, days) => `${who === null ? "Von allen" : `Von ${who}`}, in den letzten ${days} Tagen (UTC).`,
  most: (from, to, tokens) => `${from} bis ${to}, höchstens ${tokens} Tokens am Tag`,
  kept: (megabytes, most) =>
    `Deine Dateien und Nachrichten belegen ${megabytes} MB${most === null ? "" : ` von ${most} MB, die du nutzen darfst`}.`,
};

/** What the page is written with. */
interface Pen {
  readonly texts: typeof ENGLISH;
  readonly number: (value: number) => string;
  readonly money: (cost: number) => string;
}

async function usagePage(core: Core, user: User, look: Look): Promise<Response> {
  const { currency } = core.settings<Settings>(STORE);
  const { language } = look.words;
  const texts = language.startsWith("de") ? GERMAN : ENGLISH;
  const number = (value: number) => value.toLocaleString(language);
  const pen: Pen = { texts, number, money: (cost) => money(cost, currency, language) };
  const isAdmin = user.role === "admin";
  await writing;
  const days = Array.from({ length: DAYS }, (_, back) => dayBefore(DAYS - 1 - back));
  const where = { day: { gte: days[0] ?? "" }, ...(!isAdmin && { user: user.username }) };
  const records = await core.store.find(null, STORE, { where });
  const byDay = Map.groupBy(records, ({ day }) => day);
  const body = html`<p>${texts.of(isAdmin ? null : user.username, DAYS)}</p>
${chart(
  days.map((day) => ({ day, amount: total(byDay.get(day) ?? []) })),
  pen,
)}
${table(texts.model, groups(records, "model"), pen)}
${isAdmin && table(texts.user, groups(records, "user"), pen)}
<p>${await kept(core, user, pen)}</p>`;
  return look.page({ title: texts.usage, body, head: html`<link rel="stylesheet" href="style.css">` });
}

async function kept(core: Core, { username }: User, { texts, number }: Pen): Promise<string> {
  const [files, threads] = await Promise.all([core.file.size(username), core.thread.size(username)]);
  const most = core.config.quotaBytes;
  const inMegabytes = (bytes: number) => number(Math.round(bytes / 100_000) / 10);
  return texts.kept(inMegabytes(files + threads), most === 0 ? null : inMegabytes(most));
}

function dayBefore(days: number): string {
  return new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
}

const WIDTH = 600;
const HEIGHT = 160;

interface Day {
  readonly day: string;
  readonly amount: Amount;
}

/** A bar for each day: what was sent below, what was written on top of it. */
function chart(days: readonly Day[], { texts, number }: Pen): Html {
  const most = Math.max(1, ...days.map(({ amount }) => tokensOf(amount)));
  const step = WIDTH / days.length;
  const bars = days.map(({ day, amount }, at) => {
    const [sent, written] = [(amount.input_tokens / most) * HEIGHT, (amount.output_tokens / most) * HEIGHT];
    const x = (at * step + 1).toFixed(1);
    const bar = (name: string, top: number, height: number) =>
      html`<rect class="${name}" x="${x}" y="${top.toFixed(1)}" width="${(step - 2).toFixed(1)}" height="${height.toFixed(1)}"/>`;
    return html`<g><title>${day}: ${texts.sent} ${number(amount.input_tokens)}, ${texts.written} ${number(amount.output_tokens)}</title>
${bar("usage-day", 0, HEIGHT)}${bar("usage-sent", HEIGHT - sent, sent)}${bar("usage-written", HEIGHT - sent - written, written)}</g>`;
  });
  const label = texts.most(days[0]?.day ?? "", days.at(-1)?.day ?? "", number(most));
  return html`<figure class="usage"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">${bars}</svg>
<figcaption><span class="usage-sent">${texts.sent}</span> <span class="usage-written">${texts.written}</span> ${label}</figcaption></figure>`;
}

function tokensOf({ input_tokens, output_tokens }: Amount): number {
  return input_tokens + output_tokens;
}

function groups(records: readonly StoreRecord[], field: string): [name: string, amount: Amount][] {
  const byName = Map.groupBy(records, (record) => String(record[field]));
  const list = [...byName].map(([name, own]): [string, Amount] => [name, total(own)]);
  return list.sort(([, a], [, b]) => b.cost - a.cost || tokensOf(b) - tokensOf(a));
}

function table(heading: string, rows: readonly [name: string, amount: Amount][], { texts, number, money }: Pen): Html {
  const all = total(rows.map(([, amount]) => amount));
  const heads = [texts.calls, texts.sent, texts.written, texts.cost].map(
    (head) => html`<th scope="col" class="right">${head}</th>`,
  );
  const line = ([name, { calls, input_tokens, output_tokens, cost }]: readonly [
    string,
    Amount,
  ]) => html`<tr><th scope="row">${name || "–"}</th>
${[number(calls), number(input_tokens), number(output_tokens), money(cost)].map((value) => html`<td class="right">${value}</td>`)}</tr>`;
  return html`<div class="table" role="group" tabindex="0" aria-label="${heading}"><table>
<thead><tr><th scope="col">${heading}</th>${heads}</tr></thead>
<tbody>${rows.map(line)}${line(["Σ", all])}</tbody></table></div>`;
}

function format(number: number): string {
  return number.toLocaleString("en");
}

/** Small sums with the figures that matter. */
function money(cost: number, currency: string, language = "en"): string {
  const digits = cost === 0 || cost >= 1 ? 2 : 4;
  const amount = cost.toLocaleString(language, { minimumFractionDigits: 2, maximumFractionDigits: digits });
  return `${currency}${/\p{L}$/u.test(currency) ? " " : ""}${amount}`;
}

/** A file of its own, because the policy of the page allows no style inside it. */
const STYLE = `.usage { --sent: light-dark(#9aa2e8, #5560c8); --written: light-dark(#3d48c9, #a3adff); margin: 1.5rem 0; }
.usage svg { display: block; width: 100%; border-bottom: 1px solid var(--edge); }
.usage figcaption { color: var(--quiet); font-size: 0.875rem; margin-top: 0.5rem; }
.usage-day { fill: transparent; } g:hover .usage-day { fill: var(--hover); }
.usage-sent { fill: var(--sent); } .usage-written { fill: var(--written); }
figcaption span { margin-right: 1rem; }
figcaption span::before { content: ""; display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.4em; }
figcaption .usage-sent::before { background: var(--sent); } figcaption .usage-written::before { background: var(--written); }`;
