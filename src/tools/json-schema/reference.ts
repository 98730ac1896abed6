/** Finds the part of a JSON schema that a `$ref` names: `#/$defs/name`, or the `$id` of a part, as TypeBox writes them. */

const DEPTH_MAX = 100; // Levels that are searched for an `$id`.

/** Undefined when there is no such part; other documents are never fetched. */
export function resolveReference(root: unknown, reference: string): unknown {
  const isPointer = reference === "#" || reference.startsWith("#/");
  return isPointer ? atPointer(root, reference) : withId(root, reference);
}

function atPointer(root: unknown, pointer: string): unknown {
  const keys = pointer.split("/").slice(1);
  const names = keys.map((key) => decoded(key).replaceAll("~1", "/").replaceAll("~0", "~"));
  return names.reduce<unknown>(
    (at, name) => (at !== null && typeof at === "object" ? ownOf(at, name) : undefined),
    root,
  );
}

function withId(node: unknown, id: string, depth = 0): unknown {
  if (node === null || typeof node !== "object" || depth > DEPTH_MAX) return undefined;
  if (ownOf(node, "$id") === id) return node;
  for (const part of Object.values(node)) {
    const found = withId(part, id, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key; // A bare % is what the name has.
  }
}

function ownOf(value: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
