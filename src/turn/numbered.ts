/**
 * Arithmetic of numbered events. `seq` is the position just after an event; text is as long as its UTF-16 units and every
 * other event is one long, so that joining neighbours or cutting through a text needs no table of boundaries.
 */

import type { NumberedEvent, TurnEvent } from "../protocols";

export function lengthOf(event: TurnEvent): number {
  return event.type === "text" || event.type === "thinking" ? event.text.length : 1;
}

export function startOf({ seq, event }: NumberedEvent): number {
  return seq - lengthOf(event);
}

/** Whether nothing follows it. */
export function isLast({ event }: NumberedEvent): boolean {
  return event.type === "end" || event.type === "error";
}

/** The same events with neighbouring texts of one kind joined. */
export function joinText(events: readonly NumberedEvent[]): NumberedEvent[] {
  const joined: NumberedEvent[] = [];
  for (let from = 0; from < events.length; ) {
    const to = endOfRun(events, from);
    const last = events[to - 1];
    if (!last) break;
    joined.push(to - from === 1 ? last : { ...last, event: joinedEvent(last.event, events.slice(from, to)) });
    from = to;
  }
  return joined;
}

function endOfRun(events: readonly NumberedEvent[], from: number): number {
  const type = events[from]?.event.type;
  let to = from + 1;
  if (type !== "text" && type !== "thinking") return to;
  while (events[to]?.event.type === type && startOf(events[to] as NumberedEvent) === events[to - 1]?.seq) to++;
  return to;
}

function joinedEvent(event: TurnEvent, run: readonly NumberedEvent[]): TurnEvent {
  if (event.type !== "text" && event.type !== "thinking") return event;
  return { type: event.type, text: run.map((item) => ("text" in item.event ? item.event.text : "")).join("") };
}

/** What lies after `position`: earlier events left out, one that spans it cut. */
export function eventsAfter(events: readonly NumberedEvent[], position: number): readonly NumberedEvent[] {
  const first = events[0];
  if (!first || startOf(first) >= position) return events;
  return events.flatMap((item) => {
    if (item.seq <= position) return [];
    const skip = position - startOf(item);
    if (skip <= 0 || (item.event.type !== "text" && item.event.type !== "thinking")) return item;
    return { ...item, event: { type: item.event.type, text: item.event.text.slice(skip) } };
  });
}

/** Whether a reader at `position` can go on: it is no position that was never given, and none that was lost in a crash. */
export function canContinue(events: readonly NumberedEvent[], position: number): boolean {
  if (position === 0) return true;
  const next = events.find(({ seq }) => seq > position);
  if (!next) return events.at(-1)?.seq === position;
  if (startOf(next) <= position) return true;
  return events.some(({ seq }) => seq === position);
}
