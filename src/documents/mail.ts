/** E-mails that were saved as files. */

import PostalMime, { type Address } from "postal-mime";
import type { Document } from "./document";
import { toMarkdown } from "./html";

export async function readMail(bytes: Uint8Array): Promise<Document> {
  const mail = await PostalMime.parse(bytes);
  const people = (list: readonly Address[] = []) =>
    list.map(({ name, address }) => [name, address && `<${address}>`].filter(Boolean).join(" ")).join(", ");
  const head = [
    ["From", people(mail.from ? [mail.from] : [])],
    ["To", people(mail.to)],
    ["Cc", people(mail.cc)],
    ["Date", mail.date ?? ""],
    ["Subject", mail.subject ?? ""],
    ["Attachments", mail.attachments.map(({ filename }) => filename ?? "without a name").join(", ")],
  ].flatMap(([name, value]) => (value ? [`${name}: ${value}`] : []));
  const body = mail.text?.trim() || (mail.html ? await toMarkdown(mail.html) : "");
  return { kind: "document", text: `${head.join("\n")}\n\n${body}` };
}
