const names = new Map<string, string>();
const maxNames = 1024;

/** Field names repeat, their texts need not. */
function nameOf(raw: string): string {
  const known = names.get(raw);
  if (known !== undefined) return known;
  const name = raw.toLowerCase();
  if (names.size < maxNames && raw.length <= 64) names.set(raw, name);
  return name;
}

/** Flat list of names, in lower case, and values. Bytes are read one character each, as they will be written. */
export function toFields(raw: readonly (Buffer | string)[]): string[] {
  const fields: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    fields.push(nameOf(textOf(raw[index])), textOf(raw[index + 1]));
  }
  return fields;
}

const textOf = (value: Buffer | string | undefined): string =>
  typeof value === 'string' ? value : (value?.toString('latin1') ?? '');

/** The same list as pairs, for Node's functions that take those. */
export const pairsOf = (fields: readonly string[]): [name: string, value: string][] =>
  fields.flatMap((name, index): [string, string][] =>
    index % 2 === 0 ? [[name, fields[index + 1] ?? '']] : [],
  );
