import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';

export type ParsedSettings<Value> =
  | { readonly ok: true; readonly value: Value }
  /** Each with the line and the key, all of them at once. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Settings out of a YAML file, held to their schema; a key that it does not know is a mistake, whatever it says. */
export function parseYamlSettings<Schema extends TSchema>(
  schema: Schema,
  text: string,
): ParsedSettings<Static<Schema>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [broken] = [...document.errors, ...document.warnings];
  if (broken !== undefined)
    return { ok: false, problems: [`line ${lines.linePos(broken.pos[0]).line}: ${broken.message}`] };
  // A file of comments alone says nothing, and where nothing is asked for that is fine.
  const value: unknown = document.toJS({ maxAliasCount: 0 }) ?? {};
  if (Value.Check(schema, value)) return { ok: true, value };
  const problems = Value.Errors(schema, value).flatMap(({ keyword, instancePath, message }) => {
    // It is said of each unknown key by itself.
    if (keyword === 'additionalProperties') return [];
    const key = instancePath.slice(1).replaceAll('/', '.');
    if (key === '') return [message];
    const what = keyword === 'boolean' ? 'unknown key' : message;
    return [`line ${lineOf(document, lines, key)}: ${key}: ${what}`];
  });
  return { ok: false, problems };
}

function lineOf(document: Document, lines: LineCounter, key: string): number {
  if (!isMap(document.contents)) return 1;
  const found = document.contents.items.find(({ key: node }) => isScalar(node) && node.value === key);
  const start = isScalar(found?.key) ? found.key.range?.[0] : undefined;
  return lines.linePos(start ?? 0).line;
}
