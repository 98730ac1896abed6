/** The contract suites by protocol: whoever provides one runs them, as the tests and `skeleton check` do. */

import type { ProtocolName } from "../protocols";
import { authContract } from "./auth";
import { busContract } from "./bus";
import { contextContract } from "./context";
import type { ContractCase } from "./contract";
import { fileContract } from "./file";
import { limitContract } from "./limit";
import { messageProcessorContract } from "./message-processor";
import { modelContract } from "./model";
import { storeContract } from "./store";
import { systemPromptContract } from "./system-prompt";
import { threadContract } from "./thread";
import { viewsContract } from "./views";

export const contracts: { readonly [P in ProtocolName]: readonly ContractCase[] } = {
  auth: authContract,
  bus: busContract,
  context: contextContract,
  file: fileContract,
  limit: limitContract,
  messageProcessor: messageProcessorContract,
  model: modelContract,
  store: storeContract,
  systemPrompt: systemPromptContract,
  thread: threadContract,
  views: viewsContract,
};
