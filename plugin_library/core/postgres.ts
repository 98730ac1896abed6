/**
 * Keeps everything in PostgreSQL (14 or later), so that several machines serve the same people: `store` with search, `bus`, `limit` and `file`.
 * A node then needs the database's address, the JWT secret and the same users.yaml; docs/scale.md says how. What was written is written,
 * also when the connection breaks in the middle of a commit: the database is asked how that ended. While it is away calls wait.
 *
 * Settings (plugins.yaml, `postgres`): `url`, such as ${DATABASE_URL}, with `?sslmode=verify-full` for TLS; `password`, when it is not in the
 * address; `ca`, a file with the certificate to trust; `schema` in which all tables lie (skeleton); `connections`, for reads, beside two for
 * writes and messages (8); `wait_s`, how long a call waits for a database that is away (30). Last change: 2026-11-29.
 */

import { type SQL as Connections, type ReservedSQL, SQL } from "bun";
import {
  AppError,
  type BusProtocol,
  type Core,
  type FileProtocol,
  filesIn,
  type Json,
  type LimitProtocol,
  type Owner,
  onceDone,
  type Plugin,
  perServer,
  type RemoteBytes,
  type Static,
  type StoreInfo,
  type StoreProtocol,
  type StoreQuery,
  type StoreRecord,
  type StoreSearch,
  type StoreWhere,
  searchTerms,
  storeRules,
  t,
  within,
} from "skeleton";

const NAME = "postgres";

const settings = t.Object({
  url: t.String({ pattern: "^postgres(ql)?://" }),
  password: t.Optional(t.String()),
  ca: t.Optional(t.String()),
  schema: t.String({ pattern: "^[a-z][a-z0-9_]{0,40}$", default: "skeleton" }),
  connections: t.Integer({ minimum: 1, maximum: 500, default: 8 }),
  wait_s: t.Number({ minimum: 0, default: 30 }),
});

type Settings = Static<typeof settings>;

export default {
  name: NAME,
  settings,
  provide: {
    store: (core, base) => (isKept(core) ? createStore(core, databaseOf(core)) : base),
    bus: (core, base) => (isKept(core) ? createBus(core, databaseOf(core)) : base),
    limit: (core, base) => (isKept(core) ? createLimit(databaseOf(core)) : base),
    file: (core, base) => (isKept(core) ? createFile(core, databaseOf(core)) : base),
  },
  start: (core) => (isKept(core) ? databaseOf(core).ready() : undefined),
} satisfies Plugin;

/** A server that keeps nothing keeps nothing here either. */
function isKept(core: Core): boolean {
  return core.config.mode !== "ephemeral";
}

type Value = string | number | null | Uint8Array;
type Row = Record<string, string | number | boolean | null | Uint8Array>;
type Query = (sql: string, values?: readonly Value[]) => Promise<Row[]>;

interface Database {
  /** Resolves when all tables that are ours are there. Throws an Error that says why not. */
  ready(): Promise<void>;
  /** By any connection, again and again while the database is away. */
  read: Query;
  /**
   * Inside a transaction, with the writes of the same tick, in the order of the calls. `isAlone`: with no other, for what asks several times. The
   * work may be done again, when the connection broke and nothing of it was kept.
   */
  write<T>(work: (query: Query) => Promise<T>, isAlone?: boolean): Promise<T>;
  /** Resolves when what is sent on the channel arrives. `returned`: the connection had been lost for so long, and is back. */
  listen(channel: string, take: (payload: string) => void, returned?: (awayMs: number) => void): Promise<() => void>;
  /** Whether the database answers now. */
  ping(): Promise<void>;
  /** After what was begun. May be called again. */
  close(): Promise<void>;
}

const databaseOf = perServer(createDatabase);

const GROUP = 500; // Writes in one transaction.
const AGAIN_MS = 100; // After a lost connection; a server that restarts is away for about a second.
const SILENT_MS = 10_000; // No answer to a few writes for so long means that none will come.
const CLOSING_S = 1; // Nothing is under way any more but reads that nobody waits for.
const TRIES = 20; // Of a write that the database ended because another one was in its way.

function createDatabase(core: Core): Database {
  const own = core.settings<Settings>(NAME);
  const schema = core.config.scratch ?? own.schema;
  let lostMs = 0;
  let isLost = false;
  const connect = (max: number, onclose = () => {}): Connections =>
    new SQL({
      url: own.url,
      max,
      onclose,
      // A node that stands still in the middle of a transaction must not hold up who takes over its turns.
      connection: {
        search_path: `"${schema}"`,
        application_name: "skeleton",
        idle_in_transaction_session_timeout: String(SILENT_MS),
      },
      ...(own.password !== undefined && { password: own.password }),
      ...(own.ca !== undefined && { tls: { ca: Bun.file(own.ca) } }),
    });
  const reads = connect(own.connections);
  const hearing = connect(1, () => {
    // Each try that fails is told as well.
    if (!isLost) [isLost, lostMs] = [true, performance.now()];
  }) as Connections & Listening;
  let closed: Promise<void> | null = null;

  /** Until it succeeds, fails for another reason than that the database is away, or that has lasted too long. */
  const again = async <T>(work: () => Promise<T>): Promise<T> => {
    const end = performance.now() + own.wait_s * 1000;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (closed || !isAway(error) || performance.now() > end) throw failureOf(error);
        await Bun.sleep(AGAIN_MS);
      }
    }
  };

  const ready = onceDone(() => again(() => prepare(reads, schema)));

  const read: Query = async (sql, values = []) => {
    await ready();
    return again(() => reads.unsafe(sql, values.map(toColumn)));
  };
  const writes = createWrites({ connect: () => connect(1), reads, again, ready });

  return {
    ready,
    read,
    write: writes.write,
    async listen(channel, take, returned) {
      await ready();
      let isFirst = true;
      const listening = await again(() =>
        hearing.listen(channel, take, () => {
          if (!isFirst) returned?.(performance.now() - lostMs);
          [isFirst, isLost] = [false, false];
        }),
      );
      return () => void listening.unlisten().catch(() => {}); // Nobody listens to a connection that is lost.
    },
    async ping() {
      await reads.unsafe("SELECT 1").catch((error) => {
        throw failureOf(error);
      });
    },
    close() {
      closed ??= (async () => {
        await writes.close();
        if (core.config.scratch !== null) await reads.unsafe(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
        await Promise.all([reads, hearing].map((it) => it.close({ timeout: CLOSING_S })));
      })();
      return closed;
    },
  };
}

/** What Bun has and its types do not yet. `heard` is called each time that the channel is listened to, so again after a lost connection. */
interface Listening {
  listen(channel: string, take: (payload: string) => void, heard: () => void): Promise<{ unlisten(): Promise<void> }>;
}

interface Reaching {
  connect(): Connections;
  readonly reads: Connections;
  again<T>(work: () => Promise<T>): Promise<T>;
  ready(): Promise<void>;
}

interface Write {
  readonly isAlone: boolean;
  run(query: Query): Promise<unknown>;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The queue of writes. One transaction is under way at a time, and the next takes all that came meanwhile. */
function createWrites({ connect, reads, again, ready }: Reaching) {
  let connections = connect();
  let waiting: Write[] = [];
  let flushing: Promise<void> | null = null;

  /** All of them or none. Throws when the outcome is known to be none. */
  const transact = (group: readonly Write[]): Promise<unknown[]> => {
    let tries = 0;
    let id: string | null = null;
    let values: unknown[] = [];
    const attempt = async (): Promise<unknown[]> => {
      // The commit may have arrived when its answer did not.
      if (id !== null && (await statusOf(reads, id)) === "committed") return values;
      id = null;
      const late = () => {
        // A network that swallows everything: the connection is of no more use.
        void connections.close({ timeout: 0 }).catch(() => {});
        connections = connect();
        throw Object.assign(new Error(AWAY), { code: "ERR_POSTGRES_CONNECTION_TIMEOUT" });
      };
      const work = inTransaction(connections, group, (transaction, results) => ([id, values] = [transaction, results]));
      // What changes tables takes as long as it takes.
      return group[0]?.isAlone ? work : within(work, { ms: SILENT_MS }, late);
    };
    const patiently = (): Promise<unknown[]> =>
      again(attempt).catch((error) => {
        tries += 1;
        if (!isConflict(error) || tries > TRIES) throw error;
        return patiently();
      });
    return patiently();
  };

  const settle = async (group: readonly Write[]): Promise<void> => {
    try {
      const values = await transact(group);
      for (const [at, { resolve }] of group.entries()) resolve(values[at]);
    } catch (error) {
      const isLast = group.length === 1 || (error instanceof AppError && error.code === "unavailable");
      // Seldom: each by itself, so that a write which fails fails alone.
      if (!isLast) for (const write of group) await settle([write]);
      else for (const { reject } of group) reject(error);
    }
  };

  const flush = async (): Promise<void> => {
    // So that all of this tick go together.
    await new Promise(setImmediate);
    await ready();
    while (waiting.length > 0) {
      const stop = waiting.findIndex(({ isAlone }) => isAlone);
      const group = waiting.slice(0, stop < 0 ? GROUP : Math.max(1, Math.min(stop, GROUP)));
      waiting = waiting.slice(group.length);
      await settle(group);
    }
  };

  const begin = (): void => {
    flushing ??= flush()
      .catch((error) => {
        for (const { reject } of waiting) reject(error);
        waiting = [];
      })
      .finally(() => {
        flushing = null;
        if (waiting.length > 0) begin();
      });
  };

  return {
    write: <T>(run: (query: Query) => Promise<T>, isAlone = false): Promise<T> =>
      new Promise((resolve, reject) => {
        waiting.push({ run, isAlone, resolve: resolve as (value: unknown) => void, reject });
        begin();
      }),
    /** After what was begun. */
    async close(): Promise<void> {
      while (flushing) await flushing;
      await connections.close({ timeout: CLOSING_S });
    },
  };
}

/**
 * One trip for all that the writes do, and one for the commit. `begun` is told the transaction's id, by which the database knows how it ended, and
 * what the writes gave, before the commit is sent.
 */
async function inTransaction(
  connections: Connections,
  group: readonly Write[],
  begun: (id: string, values: unknown[]) => void,
): Promise<unknown[]> {
  const connection = await connections.reserve();
  const query = queryOn(connection);
  try {
    const first = query("BEGIN");
    const id = query("SELECT pg_current_xact_id()::text AS id");
    const [, [transaction], ...values] = await Promise.all([first, id, ...group.map(({ run }) => run(query))]);
    begun(String(transaction?.id), values);
    await query("COMMIT");
    return values;
  } catch (error) {
    await query("ROLLBACK").catch(() => {}); // The connection may be lost, and the first error is the one to tell.
    throw error;
  } finally {
    connection.release();
  }
}

function queryOn(connection: ReservedSQL | Connections): Query {
  // Sent now, so that one waits for no other.
  return (sql, values = []) => connection.unsafe(sql, values.map(toColumn)).execute() as unknown as Promise<Row[]>;
}

async function statusOf(connections: Connections, id: string): Promise<string> {
  for (;;) {
    const [row] = await connections.unsafe("SELECT pg_xact_status($1::text::xid8) AS status", [id]);
    if (row.status !== "in progress") return String(row.status);
    await Bun.sleep(AGAIN_MS);
  }
}

const AWAY = "The database cannot be reached. Try again in some seconds.";

function codeOf(error: unknown): string {
  const { code = "", errno = "" } = (error ?? {}) as { code?: unknown; errno?: unknown };
  return code === "ERR_POSTGRES_SERVER_ERROR" ? String(errno) : String(code);
}

/** The network, a server that ends or starts, or one that has no connection left. */
function isAway(error: unknown): boolean {
  return /^(ERR_POSTGRES_(CONNECTION|IDLE|LIFETIME)|08|57P0|25P03|53300|ECONN|EPIPE|ETIMEDOUT)/.test(codeOf(error));
}

function isConflict(error: unknown): boolean {
  return ["40001", "40P01", "23505"].includes(codeOf((error as Error).cause));
}

/** What a caller and the log are told: never the values that the database names in its details. */
function failureOf(error: unknown): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  if (isAway(error)) return new AppError("unavailable", AWAY, { cause: new Error(error.message), retryAfterS: 5 });
  if (codeOf(error) === "53100")
    return new AppError(
      "unavailable",
      "The database's disk is full, so nothing can be kept. Its owner has to make room.",
    );
  return new Error(`PostgreSQL: ${error.message}`, {
    cause: { errno: codeOf(error), code: "ERR_POSTGRES_SERVER_ERROR" },
  });
}

/** Text in PostgreSQL cannot hold NUL. Written so that texts keep their order, and their length but for the sign before. */
function toText(text: string): string {
  return text.replaceAll("\x01", "\x01\x03").replaceAll("\0", "\x01\x02");
}

function fromText(text: string): string {
  return text.replaceAll("\x01\x02", "\0").replaceAll("\x01\x03", "\x01");
}

function toColumn(value: Value): Value {
  return typeof value === "string" ? toText(value.toWellFormed()) : value;
}

/** Each is run once, in order, and only ever adds: how many were is in `_version`, and a server that knows fewer does not start. */
const VERSIONS = [
  `
CREATE SEQUENCE _rows;
CREATE TABLE _stores (name text COLLATE "C" PRIMARY KEY, fields text NOT NULL, form int, reindex_to bigint);
CREATE TABLE _items (
  record bigint, field text COLLATE "C", n bigint GENERATED ALWAYS AS IDENTITY, value text NOT NULL, PRIMARY KEY (record, field, n)
);
CREATE FUNCTION _forget() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN DELETE FROM _items WHERE record = OLD._row; RETURN NULL; END $$;
CREATE TABLE _sizes (store text COLLATE "C" NOT NULL, owner text COLLATE "C" NOT NULL, bytes bigint NOT NULL);
CREATE INDEX ON _sizes (store, owner);
CREATE UNLOGGED TABLE _messages (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), body text NOT NULL);
CREATE UNLOGGED TABLE _takes (
  key text COLLATE "C" NOT NULL, n bigint GENERATED ALWAYS AS IDENTITY, at double precision NOT NULL, ends double precision NOT NULL,
  cost double precision NOT NULL
);
CREATE INDEX ON _takes (key, at);
CREATE INDEX ON _takes (ends);
CREATE FUNCTION _take(
  of_key text, most double precision, window_s double precision, cost_now double precision, OUT allowed boolean, OUT figure double precision
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  moment double precision; used double precision; wanted double precision := CASE WHEN cost_now = 0 THEN 1 ELSE cost_now END;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(of_key, 1));
  moment := extract(epoch FROM clock_timestamp());
  DELETE FROM _takes WHERE ctid IN (SELECT ctid FROM _takes WHERE ends < moment LIMIT 20 FOR UPDATE SKIP LOCKED);
  -- A clock that was set back: what is to come counts as long past.
  DELETE FROM _takes WHERE key = of_key AND at > moment + 1;
  SELECT coalesce(sum(cost), 0) INTO used FROM _takes WHERE key = of_key AND at > moment - window_s;
  allowed := used + wanted <= most;
  IF allowed THEN
    figure := most - used - cost_now;
    IF cost_now > 0 THEN
      INSERT INTO _takes (key, at, ends, cost) VALUES (of_key, moment, moment + window_s, cost_now);
    END IF;
    RETURN;
  END IF;
  SELECT min(passed.at) + window_s - moment INTO figure FROM (
    SELECT at, sum(cost) OVER (ORDER BY at, n) AS gone FROM _takes WHERE key = of_key AND at > moment - window_s
  ) AS passed WHERE used - passed.gone + wanted <= most;
  -- More than the maximum at once is never possible, so any time is as good.
  figure := least(coalesce(figure, window_s), window_s);
END $$;
CREATE TABLE _bytes (place text COLLATE "C", piece int, data bytea NOT NULL, PRIMARY KEY (place, piece));
ALTER TABLE _bytes ALTER COLUMN data SET STORAGE EXTERNAL;
`,
];

async function prepare(connections: Connections, schema: string): Promise<void> {
  await connections.begin(async (connection) => {
    // Several nodes may start at once.
    await connection.unsafe("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", [`skeleton ${schema}`]);
    await connection.unsafe(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    await connection.unsafe("CREATE TABLE IF NOT EXISTS _version (version int NOT NULL)");
    const [row] = await connection.unsafe("SELECT max(version)::int AS version FROM _version");
    const version = Number(row.version ?? 0);
    if (version > VERSIONS.length) {
      throw new Error(
        `The tables in the schema "${schema}" are of version ${version}, made by a later version of this plugin; this one knows ${VERSIONS.length}. ` +
          "Nothing was changed. Start the later version, or restore a dump from before.",
      );
    }
    for (const [at, statements] of VERSIONS.entries()) if (at >= version) await connection.unsafe(statements);
    if (version < VERSIONS.length) await connection.unsafe(`INSERT INTO _version VALUES (${VERSIONS.length})`);
  });
}

const COLUMN = { str: 'text COLLATE "C"', int: "int8", float: "float8", bool: "int2", json: "text" } as const;

function columnType(store: StoreInfo, field: string): string {
  const { type } = storeRules.field(store, field);
  return type === "json_collection" ? "text" : COLUMN[type];
}

/** A value's place in a statement, with the type of the field. */
function place(store: StoreInfo, field: string, n: number): string {
  return `$${n}::${columnType(store, field).split(" ")[0]}`;
}

/** SQL that goes on after the values before, with `$n` for each of its own. */
function conditionOf(store: StoreInfo, where: StoreWhere | undefined, before: number) {
  const { sql, values } = storeRules.condition(store, where);
  let at = 0;
  const numbered = sql.replace(/\?/g, () => {
    const value = values[at++];
    const type = typeof value === "string" ? "::text" : Number.isSafeInteger(value) ? "::int8" : "::float8";
    return `$${before + at}${value === null ? "" : type}`;
  });
  return { sql: numbered, values };
}

function decode(store: StoreInfo, row: Row): StoreRecord {
  const plain = Object.entries(row).map(([field, value]) => {
    const { type } = storeRules.field(store, field);
    if (value === null) return [field, null];
    return [field, type === "str" || type === "json" ? fromText(String(value)) : Number(value)];
  });
  return storeRules.decode(store, Object.fromEntries(plain));
}

const RESULTS = 50; // The default of `fullTextSearch`.
const CANDIDATES = 20_000; // Its bound.
const ADDED_AT_ONCE = 1000; // The bound of `addMany`.
const COMPACTED = 64; // Changes of a size, after which they are added up.

function createStore(core: Core, database: Database): StoreProtocol {
  const { read, write } = database;
  let known = new Map<string, StoreInfo>();

  const load = async (): Promise<void> => {
    const rows = await read("SELECT name, fields FROM _stores ORDER BY name");
    known = new Map(rows.map(({ name, fields }) => [String(name), infoOf(String(name), fields)]));
  };
  /** Another node may know more by now, so what is refused is looked at again. */
  const use = async <T>(name: string, make: (store: StoreInfo) => T): Promise<T> => {
    const store = known.get(name);
    if (store) {
      try {
        return make(store);
      } catch {}
    }
    await load();
    const now = known.get(name);
    if (!now)
      throw new AppError("notFound", `There is no store "${name}". Declare it with createStoreIfNotExists first.`);
    return make(now);
  };
  /** All or none. */
  const addAll: StoreProtocol["addMany"] = async (owner, name, records) => {
    if (records.length > ADDED_AT_ONCE)
      throw new AppError("invalid", `At most ${ADDED_AT_ONCE} records are added at once, not ${records.length}.`);
    const inserts = await use(name, (store) =>
      records.map(({ fields, id = Bun.randomUUIDv7() }) => ({
        id,
        ...insertion(store, owner, id, storeRules.encode(store, fields)),
      })),
    );
    const conflict = (id: string) => new AppError("conflict", `There is a record "${id}" in "${name}" already.`);
    const lost = await write(async (query) => {
      const added = await Promise.all(
        inserts.map(({ sql, values }) => query(`${sql} ON CONFLICT (_owner, id) DO NOTHING RETURNING _row`, values)),
      );
      const isThere = inserts.find((_, at) => added[at]?.length === 0)?.id ?? null;
      // A single one has changed nothing, and need not undo what shares the transaction.
      if (isThere !== null && inserts.length > 1) throw conflict(isThere);
      return isThere;
    });
    if (lost !== null) throw conflict(lost);
    return inserts.map(({ id }) => id);
  };
  const reindexing = createReindexing(core, database, (name) => use(name, (store) => store));

  return {
    async createStoreIfNotExists(name, fields) {
      const declared = storeRules.declared(name, fields);
      const [row] = await read("SELECT fields, form, reindex_to FROM _stores WHERE name = $1::text", [name]);
      const before = row ? infoOf(name, row.fields) : null;
      const isIndexed = storeRules.searched(before ?? declared).length === 0 || row?.form === searchTerms.form;
      const isNew = !before || storeRules.extended(before, declared) !== null || !isIndexed;
      known.set(name, isNew ? await write((query) => declare(query, declared), true) : before);
      if (isNew || row?.reindex_to !== null) reindexing.begin(name);
    },

    async listStores() {
      await load();
      return [...known.values()];
    },

    async findStore(name) {
      await load();
      return known.get(name) ?? null;
    },

    async add(owner, name, fields, id) {
      const [added = ""] = await addAll(owner, name, [{ fields, ...(id !== undefined && { id }) }]);
      return added;
    },

    addMany: addAll,

    async get(owner, name, id) {
      const { store, sql } = await use(name, selecting);
      const [row] = await read(`${sql} AND id = $2::text`, [storeRules.ownerKey(owner), id]);
      return row ? decode(store, row) : null;
    },

    async getMany(owner, name, ids) {
      const found = new Map<string, StoreRecord>();
      for (let from = 0; from < ids.length; from += ADDED_AT_ONCE) {
        const some = JSON.stringify(ids.slice(from, from + ADDED_AT_ONCE).map(toText));
        const { store, sql } = await use(name, selecting);
        const listed = `${sql} AND id IN (SELECT json_array_elements_text($2::text::json))`;
        for (const row of await read(listed, [storeRules.ownerKey(owner), some]))
          found.set(fromText(String(row.id)), decode(store, row));
      }
      return ids.map((id) => found.get(id) ?? null);
    },

    async find(owner, name, query = {}) {
      const { store, sql, values } = await use(name, (store) => finding(store, owner, query));
      return (await read(sql, values)).map((row) => decode(store, row));
    },

    async update(owner, name, id, fields, where) {
      const { store, given, condition } = await use(name, (store) => ({
        store,
        given: storeRules.encode(store, fields),
        condition: conditionOf(store, where, 2),
      }));
      const key = [storeRules.ownerKey(owner), id, ...condition.values];
      const searched = storeRules.searched(store);
      const others = searched.filter((field) => !given.has(field));
      const isSearched = others.length < searched.length;
      // What is searched of a record is one text, of which a change may not have all.
      const asks = isSearched && others.length > 0;
      return write(async (query) => {
        const here = `WHERE _owner = $1::text AND id = $2::text${condition.sql}`;
        const [rest] = asks ? await query(`SELECT ${quoted(others)} FROM "${name}" ${here} FOR UPDATE`, key) : [{}];
        if (!rest) return false;
        const texts = searched.map((field) => String(given.get(field) ?? fromText(String(rest[field] ?? ""))));
        const values: Value[] = [...key, ...given.values()];
        const set = [...given.keys()].map((field, at) => `"${field}" = ${place(store, field, key.length + 1 + at)}`);
        if (isSearched) set.push(`_words = ${wordsAt(values.push(termsOf(owner, texts)))}`);
        return (
          (await query(`UPDATE "${name}" SET ${set.join(", ") || "id = id"} ${here} RETURNING _row`, values)).length > 0
        );
      }, asks);
    },

    async increment(owner, name, id, amounts, fields = {}) {
      const { insert, sums } = await use(name, (store) => {
        const added = storeRules.encodeAmounts(store, amounts);
        const sum = (field: string) => `"${field}" = coalesce("${name}"."${field}", 0) + excluded."${field}"`;
        const given = new Map([...storeRules.encode(store, fields), ...added]);
        return { insert: insertion(store, owner, id, given), sums: [...added.keys()].map(sum) };
      });
      const sql = `${insert.sql} ON CONFLICT (_owner, id) DO UPDATE SET ${sums.join(", ") || "id = excluded.id"}`;
      await write((query) => query(sql, insert.values));
    },

    async delete(owner, name, id, where) {
      const condition = await use(name, (store) => conditionOf(store, where, 2));
      const sql = `DELETE FROM "${name}" WHERE _owner = $1::text AND id = $2::text${condition.sql} RETURNING _row`;
      const values = [storeRules.ownerKey(owner), id, ...condition.values];
      return write(async (query) => (await query(sql, values)).length > 0);
    },

    async count(owner, name, where) {
      const condition = await use(name, (store) => conditionOf(store, where, 1));
      const sql = `SELECT count(*) AS n FROM "${name}" WHERE _owner = $1::text${condition.sql}`;
      return Number((await read(sql, [storeRules.ownerKey(owner), ...condition.values]))[0]?.n);
    },

    async give(from, to, name) {
      if (from === to) return 0;
      const store = await use(name, (it) => it);
      const values = [storeRules.ownerKey(from), storeRules.ownerKey(to), tokenOf(from).length + 1, tokenOf(to)];
      const isSearched = storeRules.searched(store).length > 0;
      const words = `, _words = (SELECT array_to_tsvector(array_agg($4::text || substr(word, $3::int)))
        FROM unnest(tsvector_to_array(_words)) AS word)`;
      const sql = `UPDATE "${name}" AS its SET _owner = $2::text${isSearched ? words : ""} WHERE _row IN (
        SELECT _row FROM "${name}" AS mine WHERE _owner = $1::text
          AND NOT EXISTS (SELECT 1 FROM "${name}" AS yours WHERE yours._owner = $2::text AND yours.id = mine.id)
        ORDER BY _row LIMIT 200) RETURNING 1 AS one`;
      for (let given = 0; ; ) {
        const rows = await write((query) => query(sql, isSearched ? values : values.slice(0, 2)));
        given += rows.length;
        if (rows.length === 0) return given;
      }
    },

    async size(owner, name) {
      const fields = await use(name, storeRules.sized);
      if (fields.length === 0) throw new AppError("invalid", `The store "${name}" has no sized field.`);
      const key = [name, storeRules.ownerKey(owner)];
      const here = "WHERE store = $1::text AND owner = $2::text";
      const [row] = await read(`SELECT count(*) AS n, sum(bytes) AS bytes FROM _sizes ${here}`, key);
      if (Number(row?.n) > COMPACTED) {
        await write((query) =>
          query(
            `WITH gone AS (DELETE FROM _sizes ${here} RETURNING bytes)
             INSERT INTO _sizes SELECT $1::text, $2::text, sum(bytes) FROM gone HAVING count(*) > 0`,
            key,
          ),
        );
      }
      return Number(row?.bytes ?? 0);
    },

    async collectionAppend(owner, name, id, field, items, where) {
      const condition = await use(name, (store) => {
        checkCollection(store, field);
        return conditionOf(store, where, 4);
      });
      const texts = items.map((item) => storeRules.encodeJson(item, `The collection "${field}" of "${name}"`));
      // The lock keeps the record as it was found until the items are kept: a check of an epoch holds for what follows it.
      const sql = `WITH found AS MATERIALIZED (
          SELECT _row, coalesce(TRUE${condition.sql}, FALSE) AS matches FROM "${name}" WHERE _owner = $1::text AND id = $2::text FOR SHARE
        ), kept AS (
          INSERT INTO _items (record, field, value) SELECT _row, $3::text, item.value
          FROM found, json_array_elements_text($4::text::json) WITH ORDINALITY AS item (value, nth) WHERE matches ORDER BY nth
        ) SELECT matches FROM found`;
      const values = [storeRules.ownerKey(owner), id, field, JSON.stringify(texts), ...condition.values];
      const found = await write(async (query) => (await query(sql, values))[0] ?? null);
      if (!found) throw new AppError("notFound", `There is no record "${id}" in "${name}".`);
      return found.matches === true;
    },

    async collectionGet(owner, name, id, field, range = {}) {
      await use(name, (store) => checkCollection(store, field));
      const from = storeRules.count(range.from, "from") ?? 0;
      const limit = storeRules.count(range.limit, "limit") ?? null;
      const rows = await read(
        `SELECT value FROM _items WHERE field = $3::text
          AND record = (SELECT _row FROM "${name}" WHERE _owner = $1::text AND id = $2::text)
          ORDER BY n OFFSET $4::int8 LIMIT $5::int8`,
        [storeRules.ownerKey(owner), id, field, from, limit],
      );
      return rows.map(({ value }) => JSON.parse(String(value)) as Json);
    },

    async fullTextSearch(owner, name, text, options = {}) {
      return use(name, (store) => search(read, store, owner, text, options));
    },

    async ping() {
      await database.ping();
    },

    async close() {
      await reindexing.close();
      await database.close();
    },
  };
}

function infoOf(name: string, fields: unknown): StoreInfo {
  return { name, fields: JSON.parse(String(fields)) };
}

function quoted(fields: readonly string[]): string {
  return fields.map((field) => `"${field}"`).join(", ");
}

function checkCollection(store: StoreInfo, field: string): void {
  if (storeRules.field(store, field).type === "json_collection") return;
  throw new AppError("invalid", `The field "${field}" of "${store.name}" is no collection.`);
}

/** What goes on with the condition. */
function selecting(store: StoreInfo) {
  return { store, sql: `SELECT ${storeRules.selection(store)} FROM "${store.name}" WHERE _owner = $1::text` };
}

function insertion(store: StoreInfo, owner: Owner, id: string, given: ReadonlyMap<string, string | number | null>) {
  const values: Value[] = [storeRules.ownerKey(owner), storeRules.id(id), ...given.values()];
  const columns = ["_owner", "id", ...given.keys()];
  const places = ["$1::text", "$2::text", ...[...given.keys()].map((field, at) => place(store, field, at + 3))];
  const texts = storeRules.searched(store).map((field) => String(given.get(field) ?? ""));
  if (texts.length > 0) {
    columns.push("_words");
    places.push(wordsAt(values.push(termsOf(owner, texts))));
  }
  return { sql: `INSERT INTO "${store.name}" (${quoted(columns)}) VALUES (${places.join(", ")})`, values };
}

function finding(store: StoreInfo, owner: Owner, { where, orderBy, descending, limit, select }: StoreQuery) {
  const condition = conditionOf(store, where, 1);
  const values: Value[] = [storeRules.ownerKey(owner), ...condition.values, storeRules.count(limit, "limit") ?? null];
  const direction = descending ? "DESC" : "ASC";
  if (orderBy !== undefined && /^json/.test(storeRules.field(store, orderBy).type))
    throw new AppError("invalid", `The field "${orderBy}" of "${store.name}" has no order.`);
  const order = orderBy === undefined ? "" : `"${orderBy}" ${direction} NULLS ${descending ? "LAST" : "FIRST"}, `;
  const sql = `SELECT ${storeRules.selection(store, select)} FROM "${store.name}" WHERE _owner = $1::text${condition.sql}
    ORDER BY ${order}_row ${direction} LIMIT $${values.length}::int8`;
  return { store, sql, values };
}

/**
 * Inside a transaction that is alone: makes the tables of a store, or adds to them what is new, and gives the store as it is then. Throws when
 * something else would have to change. Statements go without waiting for each other.
 */
async function declare(query: Query, declared: StoreInfo): Promise<StoreInfo> {
  const { name } = declared;
  const lock = query("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 2))", [name]);
  const found = query("SELECT fields, form FROM _stores WHERE name = $1::text", [name]);
  const [, [row]] = await Promise.all([lock, found]);
  const before = row ? infoOf(name, row.fields) : null;
  const store = storeRules.extended(before, declared) ?? before ?? declared;
  const [searched, sized] = [storeRules.searched(store), storeRules.sized(store)];
  const statements = [...tablesOf(store, before !== null)];
  if (sized.join() !== (before ? storeRules.sized(before).join() : "")) statements.push(...sizesOf(store));
  const isStale = before && (searched.join() !== storeRules.searched(before).join() || row?.form !== searchTerms.form);
  const to = isStale && searched.length > 0 ? `(SELECT max(_row) FROM "${name}")` : "_stores.reindex_to";
  const kept = query(
    `INSERT INTO _stores (name, fields, form) VALUES ($1::text, $2::text, $3::int)
      ON CONFLICT (name) DO UPDATE SET fields = excluded.fields, form = excluded.form, reindex_to = ${to}`,
    [name, JSON.stringify(store.fields), searchTerms.form],
  );
  await Promise.all([...statements.map((statement) => query(statement)), kept]);
  return store;
}

/** What there is already is passed over. */
function* tablesOf(store: StoreInfo, isThere: boolean): Generator<string> {
  const { name, fields } = store;
  const columns = storeRules.columns(store).map((field) => `"${field}" ${columnType(store, field)}`);
  if (isThere) {
    for (const column of columns) yield `ALTER TABLE "${name}" ADD COLUMN IF NOT EXISTS ${column}`;
  } else {
    yield `CREATE TABLE "${name}" (_row int8 PRIMARY KEY DEFAULT nextval('_rows'), _owner text COLLATE "C" NOT NULL,
      id text COLLATE "C" NOT NULL${columns.map((column) => `, ${column}`).join("")}, UNIQUE (_owner, id))`;
    yield `CREATE INDEX ON "${name}" (_owner, _row)`;
  }
  for (const [field, { index }] of Object.entries(fields)) {
    if (!index) continue;
    yield `CREATE INDEX IF NOT EXISTS "${partOf("by", name, field)}" ON "${name}" (_owner, "${field}" NULLS FIRST, _row)`;
  }
  if (storeRules.searched(store).length > 0) {
    yield `ALTER TABLE "${name}" ADD COLUMN IF NOT EXISTS _words tsvector`;
    yield `CREATE INDEX IF NOT EXISTS "${partOf("words", name)}" ON "${name}" USING gin (_words)`;
  }
  if (Object.values(fields).some(({ type }) => type === "json_collection"))
    yield `CREATE OR REPLACE TRIGGER _forget AFTER DELETE ON "${name}" FOR EACH ROW EXECUTE FUNCTION _forget()`;
}

/** A name of a table's part, which PostgreSQL would cut off if it were longer. */
function partOf(...names: readonly string[]): string {
  return `_${names[0]}_${new Bun.CryptoHasher("sha256").update(names.join(".")).digest("hex").slice(0, 24)}`;
}

/**
 * Changes are only ever added to `_sizes`, so that those of two nodes neither wait for each other nor get into each other's way; `size` sums them up. What is
 * there already is counted once, which takes as long as reading the table does and lets others read meanwhile.
 */
function* sizesOf(store: StoreInfo): Generator<string> {
  const { name } = store;
  const bytesOf = (row: string) => {
    const bytes = storeRules.sized(store).map((field) => {
      const column = `${row}"${field}"`;
      if (storeRules.field(store, field).type === "int") return `coalesce(${column}, 0)`;
      return `coalesce(octet_length(replace(${column}, E'\\x01', '')), 0)`;
    });
    return bytes.join(" + ");
  };
  const change = (row: string, sign: string) =>
    `INSERT INTO _sizes VALUES ('${name}', ${row}_owner, ${sign}(${bytesOf(row)}));`;
  const part = partOf("sized", name);
  yield `LOCK TABLE "${name}" IN SHARE ROW EXCLUSIVE MODE`;
  yield `DELETE FROM _sizes WHERE store = '${name}'`;
  yield `INSERT INTO _sizes SELECT '${name}', _owner, sum(${bytesOf("")}) FROM "${name}" GROUP BY _owner`;
  yield `CREATE OR REPLACE FUNCTION "${part}"() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
      IF TG_OP <> 'DELETE' THEN ${change("NEW.", "")} END IF;
      IF TG_OP <> 'INSERT' THEN ${change("OLD.", "-")} END IF;
      RETURN NULL;
    END $$`;
  yield `CREATE OR REPLACE TRIGGER "${part}" AFTER INSERT OR DELETE OR UPDATE OF
    ${quoted(["_owner", ...storeRules.sized(store)])} ON "${name}" FOR EACH ROW EXECUTE FUNCTION "${part}"()`;
}

const WORDS_BYTES = 800_000; // PostgreSQL takes 1 MiB of words of one record: more than any message has.

/** Before each word of a record, so that a search looks at the words of one owner alone. */
function tokenOf(owner: Owner): string {
  return `${new Bun.CryptoHasher("sha256").update(storeRules.ownerKey(owner)).digest("hex").slice(0, 10)}_`;
}

/** The words of the texts as they are bound; null = there is none. */
function termsOf(owner: Owner, texts: readonly string[]): string | null {
  const token = tokenOf(owner);
  let left = WORDS_BYTES;
  const words: string[] = [];
  for (const term of searchTerms.of(texts.join("\n"))) {
    left -= Buffer.byteLength(term) + token.length;
    if (left < 0) break;
    words.push(token + term);
  }
  return words.length === 0 ? null : words.join(" ");
}

function wordsAt(n: number): string {
  return `array_to_tsvector(string_to_array($${n}::text, ' '))`;
}

async function search(
  read: Query,
  store: StoreInfo,
  owner: Owner,
  text: string,
  { where, limit: wanted, select }: StoreSearch,
): Promise<StoreRecord[]> {
  const limit = storeRules.count(wanted, "limit") ?? RESULTS;
  const condition = conditionOf(store, where, 4);
  const columns = storeRules.selection(store, select);
  const searched = storeRules.searched(store);
  const { terms, beginning, together } = searchTerms.asked(text);
  const token = tokenOf(owner);
  const words = [
    ...terms.map((term) => `'${token}${term}'`),
    ...(beginning === null ? [] : [`'${token}${beginning}':*`]),
  ];
  const found: StoreRecord[] = [];
  if (words.length === 0 || searched.length === 0) return found;
  const texts = searched.map((field, at) => `"${field}" AS _text${at}`).join(", ");
  const sql = `SELECT _row, ${texts}, ${columns} FROM "${store.name}" WHERE _row IN (
      SELECT _row FROM "${store.name}" WHERE _owner = $1::text AND _words @@ $2::text::tsquery ORDER BY _row DESC LIMIT ${CANDIDATES}
    ) AND _row < $3::int8${condition.sql} ORDER BY _row DESC LIMIT $4::int8`;
  for (let before = Number.MAX_SAFE_INTEGER; found.length < limit; ) {
    const values = [storeRules.ownerKey(owner), words.join(" & "), before, limit, ...condition.values];
    const rows = await read(sql, values);
    for (const { _row, ...row } of rows) {
      before = Number(_row);
      const its = searched.map((_, at) => String(row[`_text${at}`] ?? ""));
      if (found.length < limit && hasTogether(its, together)) {
        found.push(decode(store, Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith("_")))));
      }
    }
    if (rows.length < limit) break;
  }
  return found;
}

function hasTogether(texts: readonly string[], together: readonly string[]): boolean {
  if (together.length === 0) return true;
  const plain = texts.map((text) => searchTerms.plain(fromText(text)));
  return together.every((word) => plain.some((text) => text.includes(word)));
}

const REINDEXED = 20; // Records in one transaction, which other writes wait for.
const REST_MS = 10;
const REINDEX_AGAIN_MS = 10_000;

/** Indexes old records, newest first, beside everything else. Each node may do it: one takes what another has left. */
function createReindexing(core: Core, database: Database, find: (name: string) => Promise<StoreInfo>) {
  const works = new Map<string, Promise<void>>();
  let isClosed = false;

  const step = async (name: string): Promise<boolean> => {
    const store = await find(name);
    const fields = storeRules.searched(store);
    return database.write(async (query) => {
      const [state] = await query("SELECT reindex_to FROM _stores WHERE name = $1::text FOR UPDATE", [name]);
      if (state?.reindex_to == null) return false;
      const rows = await query(
        `SELECT _row, _owner, ${quoted(fields)} FROM "${name}" WHERE _row <= $1::int8 ORDER BY _row DESC LIMIT ${REINDEXED} FOR UPDATE`,
        [Number(state.reindex_to)],
      );
      for (const row of rows) {
        const owner = row._owner === "" ? null : fromText(String(row._owner));
        const texts = fields.map((field) => fromText(String(row[field] ?? "")));
        await query(`UPDATE "${name}" SET _words = ${wordsAt(1)} WHERE _row = $2::int8`, [
          termsOf(owner, texts),
          Number(row._row),
        ]);
      }
      const next = rows.length < REINDEXED ? null : Number(rows.at(-1)?._row) - 1;
      await query("UPDATE _stores SET reindex_to = $2::int8 WHERE name = $1::text", [name, next]);
      return next !== null;
    }, true);
  };

  const work = async (name: string): Promise<void> => {
    while (!isClosed) {
      try {
        if (!(await step(name))) return;
        await Bun.sleep(REST_MS);
      } catch (error) {
        core.log.error("Old records could not be indexed; trying again", { store: name, error: error as Error });
        for (let slept = 0; slept < REINDEX_AGAIN_MS && !isClosed; slept += 100) await Bun.sleep(100);
      }
    }
  };

  return {
    begin(name: string): void {
      works.set(
        name,
        (works.get(name) ?? Promise.resolve()).then(() => work(name)),
      );
    },
    async close(): Promise<void> {
      isClosed = true;
      await Promise.all(works.values());
    },
  };
}

const PAYLOAD_BYTES = 7800; // NOTIFY takes 7,999, with the head.
const KEPT_MS = 30_000; // A listener that was away for longer has its followers ask the store.
const KEPT = 2000; // Messages, of up to 8 kB each.
const ASKED_AFTER_MS = [0, 1500, 5000]; // The connection of whoever is asked may have been lost as well.

interface Topic {
  readonly handlers: Set<{ readonly handle: (message: Json) => void }>;
  /** From each node, so that what is sent again arrives once. */
  readonly heard: Map<string, Heard>;
  /** Until when what is sent again counts, though later ones have been heard. */
  asksUntilMs: number;
  readonly listening: Promise<() => void>;
}

interface Outgoing {
  readonly message: Sent;
  resolve(): void;
  reject(error: unknown): void;
}

interface Sent {
  readonly channel: string;
  readonly n: number;
  readonly atMs: number;
  readonly body: string;
}

/**
 * Here a message is handed over at once; to other nodes it goes by NOTIFY on its topic's own channel, all of a tick in one statement, and by a row where it is
 * too long for that. A node that had lost its connection asks the others to send again what it may have missed.
 */
function createBus(core: Core, database: Database): BusProtocol {
  const node = crypto.randomUUID();
  const asking = channelOf("\0again"); // No topic is named so.
  const topics = new Map<string, Topic>();
  let sent: Sent[] = [];
  const outgoing: Outgoing[] = [];
  let sending: Promise<void> | null = null;
  let arriving: Promise<void> = Promise.resolve();
  let count = 0;
  let isClosed = false;

  const deliver = (topic: Topic | undefined, message: Json): void => {
    for (const handler of [...(topic?.handlers ?? [])])
      if (topic?.handlers.has(handler)) handOver(core, handler.handle, message);
  };

  /** One statement at a time, so that they arrive in order; the next takes all that came meanwhile. */
  const send = async (): Promise<void> => {
    // So that all of this tick go together.
    await new Promise(setImmediate);
    while (outgoing.length > 0) {
      const batch = outgoing.splice(0);
      const sentNow = notify(
        database,
        node,
        batch.map(({ message }) => message),
      );
      await sentNow.then(
        () => batch.forEach(({ resolve }) => void resolve()),
        (error) => batch.forEach(({ reject }) => void reject(error)),
      );
    }
  };

  const begin = (): void => {
    sending ??= send().finally(() => {
      sending = null;
      if (outgoing.length > 0) begin();
    });
  };

  const enqueue = (message: Sent): Promise<void> =>
    new Promise((resolve, reject) => {
      outgoing.push({ message, resolve, reject });
      begin();
    });

  const arrive = (name: string, payload: string): void => {
    const [from = "", n = "", kind = ""] = payload.split(" ", 3);
    const body = payload.slice(from.length + n.length + kind.length + 3);
    const topic = topics.get(name);
    if (from === node || !topic || !isNews(topic, from, Number(n))) return;
    // What has to be fetched holds up what comes after it.
    arriving = arriving
      .then(async () => {
        const text =
          kind === "row"
            ? (await database.read("SELECT body FROM _messages WHERE n = $1::int8", [Number(body)]))[0]?.body
            : body;
        if (text !== undefined) deliver(topics.get(name), JSON.parse(String(text)) as Json);
      })
      .catch((error) => core.log.error("A message from another node was lost", { topic: name, error: error as Error }));
  };

  const sendAgain = (payload: string): void => {
    const { from, channel, heard, awayMs } = JSON.parse(payload) as Again;
    if (from === node) return;
    const since = performance.now() - awayMs;
    const missed = sent.filter((it) => it.channel === channel && it.n > (heard[node] ?? 0) && it.atMs > since);
    for (const it of missed) enqueue(it).catch(() => {}); // Whoever asked asks again.
  };

  const ask = (name: string, awayMs: number): void => {
    const topic = topics.get(name);
    if (!topic) return;
    const heard = Object.fromEntries([...topic.heard].map(([from, { newest }]) => [from, newest]));
    const again: Again = { from: node, channel: channelOf(name), heard, awayMs: awayMs + 2000 };
    topic.asksUntilMs = performance.now() + KEPT_MS;
    const send = () => database.read("SELECT pg_notify($1::text, $2::text)", [asking, JSON.stringify(again)]);
    const failed = (error: Error) =>
      core.log.error("Other nodes could not be asked for what was missed", { topic: name, error });
    for (const ms of ASKED_AFTER_MS)
      setTimeout(() => !isClosed && topics.get(name) === topic && send().catch(failed), ms).unref();
  };

  const asked = onceDone(() => database.listen(asking, sendAgain));

  return {
    async publish(topic, message) {
      if (isClosed) return;
      deliver(topics.get(topic), message);
      await asked();
      count += 1;
      const one = { channel: channelOf(topic), n: count, atMs: performance.now(), body: JSON.stringify(message) };
      sent.push(one);
      if (sent.length > 2 * KEPT) sent = sent.slice(-KEPT).filter(({ atMs }) => atMs > performance.now() - KEPT_MS);
      await enqueue(one);
    },

    async subscribe(name, handle) {
      const handler = { handle };
      const topic = topics.get(name) ?? {
        handlers: new Set(),
        heard: new Map(),
        asksUntilMs: 0,
        listening: database.listen(
          channelOf(name),
          (payload) => arrive(name, payload),
          (awayMs) => ask(name, awayMs),
        ),
      };
      topics.set(name, topic);
      topic.handlers.add(handler);
      const end = (): void => {
        if (!topic.handlers.delete(handler) || topic.handlers.size > 0) return;
        if (topics.get(name) === topic) topics.delete(name);
        topic.listening.then(
          (stop) => stop(),
          () => {},
        );
      };
      await topic.listening.catch((error) => {
        end();
        throw error;
      });
      return end;
    },

    async close() {
      isClosed = true;
      topics.clear();
      while (sending) await sending;
    },
  };
}

const HEARD = 500; // Numbers that are remembered for each node and topic.

interface Heard {
  newest: number;
  readonly recent: Set<number>;
}

/** Remembers it. */
function isNews({ heard, asksUntilMs }: Topic, from: string, n: number): boolean {
  const its = heard.get(from) ?? { newest: 0, recent: new Set() };
  heard.set(from, its);
  if (its.recent.has(n) || (n < its.newest && performance.now() > asksUntilMs)) return false;
  its.newest = Math.max(its.newest, n);
  its.recent.add(n);
  const [oldest = n] = its.recent;
  if (its.recent.size > HEARD) its.recent.delete(oldest);
  return true;
}

interface Again {
  readonly from: string;
  readonly channel: string;
  readonly heard: Readonly<Record<string, number>>;
  readonly awayMs: number;
}

/** A name of 63 bytes at most, in which nothing is syntax. */
function channelOf(topic: string): string {
  return `s_${new Bun.CryptoHasher("sha256").update(topic).digest("hex").slice(0, 40)}`;
}

async function notify({ read }: Database, node: string, messages: readonly Sent[]): Promise<void> {
  const isLong = messages.map(({ body }) => Buffer.byteLength(body) > PAYLOAD_BYTES);
  const long = messages.filter((_, at) => isLong[at]).map(({ body }) => body);
  const rows =
    long.length === 0
      ? []
      : await read(
          `WITH old AS (DELETE FROM _messages WHERE at < now() - interval '2 minutes')
     INSERT INTO _messages (body) SELECT value FROM json_array_elements_text($1::text::json) WITH ORDINALITY AS it (value, nth) ORDER BY nth RETURNING n`,
          [JSON.stringify(long)],
        );
  const numbers = rows.map(({ n }) => Number(n)).sort((a, b) => a - b);
  let at = 0;
  const payloads = messages.map(({ channel, n, body }, which) => {
    const rest = isLong[which] ? `row ${numbers[at++]}` : `text ${body}`;
    return { channel, payload: `${node} ${n} ${rest}` };
  });
  await read(
    "SELECT pg_notify(channel, payload) FROM json_to_recordset($1::text::json) AS it (channel text, payload text)",
    [JSON.stringify(payloads)],
  );
}

function handOver(core: Core, handle: (message: Json) => void, message: Json): void {
  const failed = (error: unknown) => core.log.error("A subscriber of the bus failed", { error: error as Error });
  try {
    const result: unknown = handle(message);
    // TypeScript lets an async function pass as a handler, and its rejection would end the process.
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}

/** By the clock of the database, which is one for all nodes. */
function createLimit({ read }: Database): LimitProtocol {
  return {
    async take(key, max, windowS, cost = 1) {
      if (!(max >= 0 && windowS > 0 && cost >= 0)) {
        throw new AppError("invalid", "A limit needs a maximum and a cost of 0 or more, and a window over 0 seconds.");
      }
      const sql = "SELECT allowed, figure FROM _take($1::text, $2::float8, $3::float8, $4::float8)";
      const [taken] = await read(sql, [key, max, windowS, cost]);
      const figure = Number(taken?.figure);
      if (taken?.allowed) return { allowed: true, remaining: figure };
      return { allowed: false, retryAfterS: Math.max(1, Math.ceil(figure)) };
    },
  };
}

const PIECE_BYTES = 256 * 1024;

/** The bytes alone: whose they are is in the store, as with every other place for them. */
function createFile(core: Core, { read, write }: Database): FileProtocol {
  const remove = (place: string) => write((query) => query("DELETE FROM _bytes WHERE place = $1::text", [place]));
  const bytes: RemoteBytes = {
    async write(place, data) {
      try {
        // The last piece first: `has` asks for the one with the number 0.
        for (let piece = Math.max(0, Math.ceil(data.size / PIECE_BYTES) - 1); piece >= 0; piece -= 1) {
          const part = new Uint8Array(await data.slice(piece * PIECE_BYTES, (piece + 1) * PIECE_BYTES).arrayBuffer());
          const sql = "INSERT INTO _bytes VALUES ($1::text, $2::int, $3::bytea) ON CONFLICT (place, piece) DO NOTHING";
          await write((query) => query(sql, [place, piece, part]));
        }
      } catch (error) {
        await remove(place).catch(() => {}); // A place without its first piece is none.
        throw error;
      }
    },
    has: async (place) => (await read("SELECT 1 FROM _bytes WHERE place = $1::text AND piece = 0", [place])).length > 0,
    async read(place) {
      return (await bytes.has(place)) ? piecesOf(read, place) : null;
    },
    async remove(place) {
      await remove(place);
    },
  };
  return filesIn(core, bytes);
}

async function* piecesOf(read: Query, place: string): AsyncGenerator<Uint8Array> {
  for (let piece = 0; ; piece += 1) {
    const [row] = await read("SELECT data FROM _bytes WHERE place = $1::text AND piece = $2::int", [place, piece]);
    if (!row) return;
    yield row.data as Uint8Array;
  }
}
