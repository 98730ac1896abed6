/**
 * The defaults of all protocols, as plugins of priority 0: what a plugin can do is all that they do. The order is that of
 * starting; the store comes first because the others declare what they keep.
 */

import { runtimeFolder, secretVariable } from "../config";
import { createAuth } from "../core/auth";
import { createBus } from "../core/bus";
import { createContext, declareContextStores } from "../core/context";
import { demo, isEndpointNamed } from "../core/demo";
import { createFile } from "../core/file";
import { createLimit } from "../core/limit";
import { createMessageProcessor } from "../core/message-processor";
import { createModel } from "../core/model";
import { createLazyStore } from "../core/store";
import { createSystemPrompt } from "../core/system-prompt";
import { createThread, declareThreadStores } from "../core/thread";
import { createViews } from "../core/views";
import { admin } from "../pages/plugins";
import type { Config, Plugin } from "../protocols";

const BUILT_INS: readonly Plugin[] = [
  { name: "store", provide: { store: createLazyStore } },
  { name: "bus", provide: { bus: (core) => createBus(core, runtimeFolder()) } },
  { name: "limit", provide: { limit: (core) => createLimit(core) } },
  { name: "auth", provide: { auth: createAuth } },
  { name: "file", provide: { file: createFile } },
  { name: "system-prompt", provide: { systemPrompt: createSystemPrompt } },
  { name: "model", provide: { model: (core) => createModel(core, { secret: secretVariable }) } },
  demo,
  { name: "thread", provide: { thread: createThread }, start: declareThreadStores },
  { name: "context", provide: { context: createContext }, start: declareContextStores },
  { name: "message-processor", provide: { messageProcessor: createMessageProcessor } },
  { name: "views", provide: { views: createViews } },
  admin,
];

export function builtInsFor(config: Config): readonly Plugin[] {
  return BUILT_INS.filter((plugin) => plugin !== demo || !isEndpointNamed(config));
}
