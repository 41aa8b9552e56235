import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml';
import type { Alias, Document, Node, Pair } from 'yaml';
import type { Path } from '../../domain/check-shape.ts';

/** A value that stood in a file, and where its parts stand. */
export interface LocatedValue {
  readonly value: unknown;
  /** Line of a part, from 1; of the nearest that exists, where it does not. */
  lineOf(path: Path): number;
  /** Line of the given line (from 1) of a text that stands at `path`. */
  lineWithin(path: Path, line: number): number;
}

export interface YamlProblem {
  readonly line: number;
  readonly key: string;
  readonly message: string;
}

/** Aliases are a convenience for people; a file that multiplies itself by them is none. */
const maxAliases = 100;

const tooDeep = 'is nested too deeply';

/**
 * Reads YAML 1.2 (and so JSON), several documents a text, into plain values. Strict: a key given twice, a tag that
 * means something elsewhere or a text that is not quite YAML is a problem, not a guess.
 */
export function parseYamlDocuments(text: string): { values: LocatedValue[]; problems: YamlProblem[] } {
  const lines = new LineCounter();
  const lineAt = (offset: number): number => lines.linePos(offset).line;
  const problems: YamlProblem[] = [];
  const values: LocatedValue[] = [];
  for (const document of parseDocuments(text, lines, problems)) {
    const faults = [...document.errors, ...document.warnings];
    const told = new Set<string>();
    for (const { message: said, pos } of faults) {
      const message = said === 'Maximum call stack size exceeded' ? tooDeep : said;
      const line = lineAt(pos[0]);
      // One slip with brackets makes as many errors as there are brackets.
      if (!told.has(`${line} ${message}`)) problems.push({ line, key: '', message });
      told.add(`${line} ${message}`);
    }
    if (faults.length > 0 || document.contents === null) continue;
    const root = document.contents;
    const start = lineAt(root.range?.[0] ?? 0);
    if (isScalar(root) && root.value === null) continue;
    const unclear = findUnclear(root, lineAt);
    problems.push(...unclear);
    if (unclear.length > 0) continue;
    try {
      // JSON knows neither cycles nor maps with other keys than text; whatever has them is found by the schema.
      const value: unknown = document.toJS({ maxAliasCount: maxAliases });
      // A list of resources stands for as many documents: what JSON can say.
      if (isSeq<Node>(root) && Array.isArray(value))
        for (const [index, item] of value.entries())
          values.push(locate(item, root.items[index] ?? root, lineAt));
      else values.push(locate(value, root, lineAt));
    } catch (error) {
      problems.push({ line: start, key: '', message: (error as Error).message });
    }
  }
  return { values, problems };
}

function parseDocuments(text: string, lineCounter: LineCounter, problems: YamlProblem[]): Document.Parsed[] {
  try {
    const documents = parseAllDocuments(text, {
      lineCounter,
      prettyErrors: false,
      schema: 'core',
      merge: false,
      stringKeys: true,
      strict: true,
      // Ours names both places, and takes a time that grows with the text and not with its square.
      uniqueKeys: false,
      logLevel: 'silent',
    });
    return Array.isArray(documents) ? documents : [];
  } catch (error) {
    // Brackets in brackets in brackets, until the parser's stack is used up.
    if (!(error instanceof RangeError)) throw error;
    problems.push({ line: 1, key: '', message: tooDeep });
    return [];
  }
}

/** Keys given twice and aliases of nothing: what the parser lets pass here, or names without a place. */
function findUnclear(root: Node, lineAt: (offset: number) => number): YamlProblem[] {
  const problems: YamlProblem[] = [];
  const anchors = new Set<string>();
  const aliases: Alias[] = [];
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const node = pending.pop();
    if (isAlias(node)) aliases.push(node);
    else if (isNode(node) && node.anchor !== undefined) anchors.add(node.anchor);
    if (isSeq(node)) for (const item of node.items) pending.push(item);
    if (!isMap(node)) continue;
    const first = new Map<string, number>();
    for (const pair of node.items) {
      const key = keyText(pair);
      const line = lineAt(keyOffset(pair) ?? 0);
      const earlier = first.get(key);
      if (earlier !== undefined)
        problems.push({ line, key, message: `\`${key}\` is given twice, first on line ${earlier}` });
      else first.set(key, line);
      pending.push(pair.key, pair.value);
    }
  }
  for (const { source, range } of aliases)
    if (!anchors.has(source))
      problems.push({
        line: lineAt(range?.[0] ?? 0),
        key: '',
        message: `nothing has the anchor \`${source}\``,
      });
  return problems.sort((a, b) => a.line - b.line);
}

const keyText = (pair: Pair): string => String(isScalar(pair.key) ? pair.key.value : pair.key);

const keyOffset = (pair: Pair): number | undefined => (pair.key as Node | null)?.range?.[0];

function locate(value: unknown, root: Node, lineAt: (offset: number) => number): LocatedValue {
  const find = (path: Path): { offset: number; node: unknown } => {
    let node: unknown = root;
    let offset = root.range?.[0] ?? 0;
    for (const step of path) {
      if (isSeq(node) && typeof step === 'number') {
        const item = node.items[step];
        if (item === undefined) break;
        node = item;
        offset = (item as Node | null)?.range?.[0] ?? offset;
      } else if (isMap(node)) {
        const pair: Pair | undefined = node.items.find((candidate) => keyText(candidate) === step);
        if (pair === undefined) break;
        node = pair.value;
        offset = keyOffset(pair) ?? offset;
      } else break;
    }
    return { offset, node };
  };
  return {
    value,
    lineOf: (path) => lineAt(find(path).offset),
    lineWithin(path, line) {
      const { offset, node } = find(path);
      const isLiteral = isScalar(node) && node.type === 'BLOCK_LITERAL';
      // The text of a literal block begins on the line after its bar.
      return isLiteral ? lineAt(node.range?.[0] ?? offset) + line : lineAt(offset);
    },
  };
}
