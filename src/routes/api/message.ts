/** POST /api/v1/message: starts a turn and answers as its first follower. The forms of the page start theirs by `startWithFiles` as well. */

import { Elysia, type TSchema, t } from "elysia";
import { MODEL_NAME_MAX } from "../../basics/allowed";
import { isForm, readFields, readJson } from "../../basics/body";
import { AppError, isAppError } from "../../basics/errors";
import { LEVELS_MAX, parseJson } from "../../basics/json";
import { MIB } from "../../basics/size";
import type { Core, FileInfo, TurnInfo, TurnRequest, User } from "../../protocols";
import { CONTENT_MAX } from "../../turn/plan";
import { BODY_MAX_BYTES, bounded, given } from "../session/gate";
import { session } from "../session/session";
import { NO_FILE, uploadOf } from "./files";
import { anyObject, TurnEvent } from "./json";
import { answers, Bytes, eventStreamBody, json, takes, uploadBody } from "./openapi";
import { turnStream } from "./turns";

const PARAMETERS_FIELD_MAX = 400_000; // Characters of a form's field: 64,000 are allowed, each of which may be written as six.
export const FILES_MAX = 100; // Of a message. The page shows each, and a model is told of each.
const KEY_MAX = 200; // Characters; a UUID has 36.

const Content = t.String({
  minLength: 1,
  maxLength: CONTENT_MAX,
  pattern: "\\S",
  description: "Not blank, unless there are files.",
});

const Fields = {
  thread_id: t.Optional(t.String({ description: "Absent: a new thread." })),
  parent_id: t.Optional(t.Union([t.String(), t.Null()], { description: "The message to go below; absent: the head." })),
  model: t.Optional(t.String({ maxLength: MODEL_NAME_MAX })),
  system_prompt: t.Optional(t.String()),
  parameters: t.Optional(anyObject({ description: "Sent to the model as they are." })),
  stop_running: t.Optional(
    t.Boolean({ description: "Stop the turn that runs in the thread instead of being refused." }),
  ),
  key: t.Optional(
    t.String({
      maxLength: KEY_MAX,
      description: "Names this send: the same content sent again with it gives the turn that is there already.",
    }),
  ),
};

const MessageBody = t.Object({
  ...Fields,
  content: t.Optional(t.String()),
  regenerate: t.Optional(t.Boolean()),
  files: t.Optional(t.Array(t.Any())),
});

/** What MessageBody stands for: a message, or another answer to one. Files are uploads in a form, and elsewhere ids. */
const described = (file: TSchema) =>
  t.Union([
    t.Object({
      ...Fields,
      content: Content,
      regenerate: t.Optional(t.Literal(false)),
      files: t.Optional(t.Array(file, { maxItems: FILES_MAX })),
    }),
    t.Object({
      ...Fields,
      content: t.String({ maxLength: CONTENT_MAX, pattern: "^\\s*$" }),
      files: t.Array(file, { minItems: 1, maxItems: FILES_MAX }),
    }),
    t.Object({
      ...Fields,
      thread_id: t.String({ minLength: 1 }),
      parent_id: t.String({ minLength: 1, description: "A message of the user, which is answered again." }),
      regenerate: t.Literal(true),
    }),
  ]);

export function messageRoutes(core: Core) {
  return new Elysia().use(session(core)).post(
    "/api/v1/message",
    ({ body, user, request, server }) => {
      if (body.regenerate && body.content) {
        throw new AppError("invalid", "Give content, or ask to regenerate: not both.");
      }
      const { content = "", regenerate, files = [], parent_id: parentId, ...fields } = body;
      const place = parentId === undefined ? {} : { parentId };
      const asked = { ...given(fields), ...place, content: regenerate ? null : content };
      return turnStream(core, { user, request, server }, () => startWithFiles(core, user, asked, files));
    },
    {
      user: true,
      bodyMax: { json: 2 * MIB, form: BODY_MAX_BYTES },
      ...bounded(MessageBody, readMessage),
      detail: {
        description: "Answers with the turn's events.",
        ...takes({ ...json(described(t.String())), ...uploadBody(described(Bytes)) }),
        ...answers(eventStreamBody(TurnEvent), 404, 409, 429),
      },
    },
  );
}

/**
 * Starts a turn of a message with these files, each an upload or the id of one that is there. What was uploaded for a message that is refused goes
 * again: whoever sent it still has it.
 */
export async function startWithFiles(
  core: Core,
  user: User,
  asked: TurnRequest,
  files: readonly unknown[],
): Promise<TurnInfo> {
  if (files.length > FILES_MAX) {
    const sentence = `A message may have ${FILES_MAX} files; these are ${files.length}.`;
    throw new AppError("invalid", sentence, { reason: "manyFiles", figures: [FILES_MAX] });
  }
  const infos: FileInfo[] = [];
  const uploaded: FileInfo[] = [];
  try {
    for (const file of files) {
      if (file instanceof File) {
        const info = await core.file.put(user.username, await uploadOf(file));
        uploaded.push(info);
        infos.push(info);
      } else infos.push(await knownFile(core, user, file));
    }
    return await core.turns.start(user, { ...asked, files: infos });
  } catch (error) {
    // After a failure of another kind the message may be stored, and name them.
    if (isAppError(error)) for (const { id } of uploaded) await core.file.remove(user.username, id);
    throw error;
  }
}

async function knownFile(core: Core, user: User, id: unknown): Promise<FileInfo> {
  const info = typeof id === "string" ? await core.file.get(user.username, id) : null;
  if (!info) throw new AppError("invalid", NO_FILE);
  return info;
}

/** What JSON says by its types, a form can only say as text. */
async function readMessage({ request }: { readonly request: Request }): Promise<unknown> {
  if (!isForm(request)) return readJson(request);
  const form = await readFields(request);
  const fields: Record<string, unknown> = {};
  for (const [name, value] of form) if (name !== "files") fields[name] = value;
  if (form.has("files")) fields.files = form.getAll("files");
  for (const name of ["regenerate", "stop_running"]) {
    // What is neither stays text, which the schema refuses.
    if (fields[name] === "true" || fields[name] === "false") fields[name] = fields[name] === "true";
  }
  if (typeof fields.parameters === "string") fields.parameters = readParameters(fields.parameters);
  return fields;
}

function readParameters(text: string): unknown {
  if (text.length > PARAMETERS_FIELD_MAX) throw new AppError("invalid", "The parameters are too long.");
  try {
    return text.trim() === "" ? undefined : parseJson(text);
  } catch (error) {
    throw new AppError("invalid", `parameters must be a JSON object of at most ${LEVELS_MAX} levels.`, {
      cause: error,
    });
  }
}
