const names = new Map<string, string>();
const maxNames = 1024;
/** RFC 9110, section 5.6.2. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A field name in lower case; undefined where it is none. Names repeat: each is looked at once, its text is kept once. */
export function fieldName(raw: string): string | undefined {
  const known = names.get(raw);
  if (known !== undefined) return known;
  if (!token.test(raw)) return undefined;
  const name = raw.toLowerCase();
  if (names.size < maxNames && raw.length <= 64) names.set(raw, name);
  return name;
}

/** The first value of a name, which is given in lower case, in a flat list of names and values. */
export function valueOf(fields: readonly string[], wanted: string): string | undefined {
  for (let index = 0; index < fields.length; index += 2) {
    const name = fields[index] ?? '';
    if (name.length === wanted.length && name.toLowerCase() === wanted) return fields[index + 1];
  }
  return undefined;
}

/** A flat list of names and values as pairs, for Node's functions that take those. */
export const pairsOf = (fields: readonly string[]): [name: string, value: string][] =>
  fields.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name, fields[index + 1] ?? '']] : [],
  );
