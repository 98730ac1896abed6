/** What the JSON API gives for each thing: snake_case, and absent parts left out. */

import { parseJson } from "../json";
import type { FileInfo, JsonObject, Message, NumberedEvent, Thread, ThreadHit, TurnInfo, Usage } from "../protocols";

export function threadJson(thread: Thread) {
  return {
    id: thread.id,
    title: thread.title,
    created: thread.created,
    updated: thread.updated,
    model: thread.model,
    system_prompt: thread.systemPrompt,
    parameters: thread.parameters,
    head_id: thread.headId,
    archived: thread.archived,
    pinned: thread.pinned,
    tags: thread.tags,
    metadata: thread.metadata,
  };
}

export function messageJson(message: Message) {
  return {
    id: message.id,
    thread_id: message.threadId,
    parent_id: message.parentId,
    role: message.role,
    type: message.type,
    content: message.content,
    timestamp: message.timestamp,
    turn_id: message.turnId,
    step: message.step,
    model: message.model,
    duration_ms: message.durationMs,
    files: message.files?.map(fileJson),
    call_id: message.callId,
    name: message.name,
    arguments: message.arguments === undefined ? undefined : argumentsJson(message.arguments),
    error: message.error,
    approved: message.approved,
    cut: message.cut,
  };
}

export function hitJson({ thread, snippet, messageId }: ThreadHit) {
  const plain = snippet.replaceAll("\u0002", "").replaceAll("\u0003", "");
  return { id: thread.id, title: thread.title, created: thread.created, snippet: plain, message_id: messageId };
}

export function turnJson(turn: TurnInfo) {
  return {
    turn_id: turn.id,
    thread_id: turn.threadId,
    parent_id: turn.parentId,
    status: turn.status,
    model: turn.model,
    system_prompt: turn.systemPrompt,
    started: turn.started,
    error: turn.error,
    usage: turn.usage && usageJson(turn.usage),
  };
}

export function fileJson(file: FileInfo) {
  const { id, name, type, size, sha256, created } = file;
  return { id, name, type, size, sha256, created };
}

/** A turn's event under its name on the wire, or null for one that is not told. */
export function eventJson({ event, timestamp }: NumberedEvent): { event: string; data: JsonObject } | null {
  switch (event.type) {
    case "start":
      return { event: "thread_id", data: { thread_id: event.threadId, turn_id: event.turnId, timestamp } };
    case "text":
      return { event: "message_tokens", data: { content: event.text, timestamp } };
    case "thinking":
      return { event: "thinking_tokens", data: { content: event.text, timestamp } };
    case "toolCall": {
      const call = { call_id: event.callId, name: event.name, arguments: argumentsJson(event.arguments) };
      return { event: "tool_call", data: { ...call, timestamp } };
    }
    case "toolUpdate":
      return {
        event: "tool_update",
        data: { call_id: event.callId, name: event.name, content: event.content, timestamp },
      };
    case "toolResult": {
      const outcome = "error" in event ? { error: event.error } : { result: event.result };
      return { event: "tool_result", data: { call_id: event.callId, name: event.name, ...outcome, timestamp } };
    }
    case "approvalAsked":
      return { event: "approval_asked", data: { call_id: event.callId, name: event.name, timestamp } };
    case "approvalGiven": {
      const answer = { call_id: event.callId, name: event.name, approve: event.approve };
      return { event: "approval_given", data: { ...answer, timestamp } };
    }
    case "file":
      return { event: "file", data: { ...fileJson(event.file), timestamp } };
    case "notice":
      return { event: "notice", data: { content: event.text, timestamp } };
    case "error":
      return { event: "error", data: { message: event.message, timestamp } };
    case "end":
      return {
        event: "stream_end",
        data: { reason: event.reason, usage: event.usage && usageJson(event.usage), timestamp },
      };
    case "reset":
      return { event: "reset", data: { timestamp: new Date().toISOString() } };
    case "step":
      return null;
  }
}

function usageJson({ inputTokens, outputTokens }: Usage) {
  return { input_tokens: inputTokens, output_tokens: outputTokens };
}

/** The object that the model meant, or what it wrote when that is not JSON, or nests too deep. */
function argumentsJson(text: string): JsonObject | string {
  try {
    return text.trim() === "" ? {} : (parseJson(text) as JsonObject);
  } catch {
    return text;
  }
}
