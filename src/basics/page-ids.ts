/**
 * Ids of the page's elements, made and taken apart here alone: a fragment has one, the live channel finds it by that, and addresses lead to
 * it. What a page has one of, such as `#status`, has its name as its id.
 */

export const pageIds = {
  /** A message of the user's; and where the address of any message leads. */
  message: (messageId: string): string => `m-${messageId}`,
  /** The reply to a message of the user's. */
  reply: (questionId: string): string => `r-${questionId}`,
  /** A message of a turn: a part of a reply. */
  part: (messageId: string): string => `p-${messageId}`,
  /** An entry in the list of all chats that are not archived, or in another list. */
  entry: (threadId: string, isOfAll: boolean): string => `${isOfAll ? "c" : "f"}-${threadId}`,
  entryForm: (threadId: string): string => `e-${threadId}`,
  group: (name: string): string => `g-${name}`,
  chip: (fileId: string): string => `file-${fileId}`,

  /** What is inside of an element, by that one's id. */
  parts: (reply: string): string => `${reply}-parts`,
  foot: (message: string): string => `${message}-foot`,
  tail: (part: string): string => `${part}-tail`,
  summary: (part: string): string => `${part}-summary`,
  report: (chip: string): string => `${chip}-report`,
};

/** The id of the record that an element shows. */
export function recordOf(elementId: string): string {
  return elementId.slice(elementId.indexOf("-") + 1);
}
