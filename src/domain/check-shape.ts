import { closestWord } from './closest-word.ts';
import { resourceNamePattern } from './ids.ts';

/** One step into a value: a key or an index. */
export type Path = readonly (string | number)[];

export interface ShapeProblem {
  readonly path: Path;
  readonly message: string;
  /** Whether `path` names a key that should not be there, rather than a value that is wrong. */
  readonly isAboutKey?: boolean;
}

/** The part of JSON Schema that our schemas of things people write are made of. */
export interface WrittenSchema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly WrittenSchema[];
  readonly properties?: Readonly<Record<string, WrittenSchema>>;
  readonly required?: readonly string[] | undefined;
  readonly items?: WrittenSchema;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/**
 * What is wrong with a value that someone wrote, all of it, in words rather than in those of JSON Schema ("must match
 * exactly one schema in oneOf" helps nobody). Objects refuse keys that they do not know.
 */
export function checkShape(schema: WrittenSchema, value: unknown, path: Path = []): ShapeProblem[] {
  const wrong = (message: string): ShapeProblem[] => [{ path, message }];
  if (schema.anyOf !== undefined) return checkUnion(schema, schema.anyOf, value, path);
  if (schema.const !== undefined)
    return value === schema.const ? [] : wrong(`must be ${show(schema.const)}, not ${describe(value)}`);
  if (schema.enum !== undefined) return checkWord(schema.enum, value, path);
  switch (schema.type) {
    case 'object':
      return checkObject(schema, value, path);
    case 'array':
      return checkList(schema, value, path);
    case 'string':
      return checkText(schema, value).flatMap(wrong);
    case 'integer':
      return checkNumber(schema, value).flatMap(wrong);
    case 'boolean':
      return typeof value === 'boolean' ? [] : wrong(`must be true or false, not ${describe(value)}`);
    default:
      throw new TypeError(`schema of type ${schema.type} at ${formatPath(path)}`);
  }
}

function checkObject(schema: WrittenSchema, value: unknown, path: Path): ShapeProblem[] {
  if (!isObject(value))
    return [{ path, message: `must be a set of keys and values, not ${describe(value)}` }];
  const properties = schema.properties ?? {};
  const known = Object.keys(properties);
  const problems: ShapeProblem[] = [];
  for (const [key, member] of Object.entries(value)) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (property === undefined)
      problems.push({ path: [...path, key], message: unknownKey(key, known), isAboutKey: true });
    else problems.push(...checkShape(property, member, [...path, key]));
  }
  for (const key of schema.required ?? [])
    if (!Object.hasOwn(value, key)) {
      const hint = properties[key]?.description;
      problems.push({ path, message: `\`${key}\` is missing${hint === undefined ? '' : ` (${hint})`}` });
    }
  return problems;
}

function unknownKey(key: string, known: readonly string[]): string {
  const shown = `unknown key \`${key.slice(0, 80)}\``;
  const meant = closestWord(key, known);
  return meant === undefined
    ? `${shown}; known are ${known.join(', ')}`
    : `${shown}; did you mean \`${meant}\`?`;
}

function checkList(schema: WrittenSchema, value: unknown, path: Path): ShapeProblem[] {
  if (!Array.isArray(value)) return [{ path, message: `must be a list, not ${describe(value)}` }];
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, items = {} } = schema;
  if (value.length < minItems) return [{ path, message: `needs at least ${minItems} of a list` }];
  if (value.length > maxItems)
    return [{ path, message: `has ${value.length} of a list; ${maxItems} are the most` }];
  return value.flatMap((item: unknown, index) => checkShape(items, item, [...path, index]));
}

function checkText(schema: WrittenSchema, value: unknown): string[] {
  if (typeof value === 'number' || typeof value === 'boolean')
    return [`must be text, not ${describe(value)}: put quotes around it`];
  if (typeof value !== 'string') return [`must be text, not ${describe(value)}`];
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern, description } = schema;
  if (value.length < minLength) return ['must not be empty'];
  if (value.length > maxLength) return [`is ${value.length} characters long; ${maxLength} are the most`];
  if (pattern === undefined || new RegExp(pattern, 'u').test(value)) return [];
  if (pattern === resourceNamePattern)
    return [`${show(value)} is no name: use lower-case letters, digits and hyphens, at most 63`];
  return [`${show(value)} does not fit: ${description ?? `it must match ${pattern}`}`];
}

function checkNumber(schema: WrittenSchema, value: unknown): string[] {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  if (typeof value !== 'number' || !Number.isInteger(value))
    return [`must be a whole number, not ${describe(value)}`];
  if (value >= minimum && value <= maximum) return [];
  if (maximum === Number.POSITIVE_INFINITY) return [`must be at least ${minimum}, not ${value}`];
  return [`must lie between ${minimum} and ${maximum}, not ${value}`];
}

function checkWord(words: readonly unknown[], value: unknown, path: Path): ShapeProblem[] {
  if (words.includes(value)) return [];
  const meant =
    typeof value === 'string'
      ? closestWord(
          value,
          words.filter((word) => typeof word === 'string'),
        )
      : undefined;
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return [{ path, message: `must be one of ${words.join(', ')}, not ${describe(value)}${hint}` }];
}

/** Complains about the branch that was meant, where that can be told; about all of them otherwise. */
function checkUnion(
  schema: WrittenSchema,
  branches: readonly WrittenSchema[],
  value: unknown,
  path: Path,
): ShapeProblem[] {
  if (branches.every((branch) => branch.const !== undefined))
    return checkWord(
      branches.map((branch) => branch.const),
      value,
      path,
    );
  const tag = tagOf(branches);
  if (tag !== undefined && isObject(value)) return checkTagged(tag, branches, value, path);
  const keysOf = (branch: WrittenSchema): string[] => Object.keys(branch.properties ?? {});
  const meant = branches.filter((branch) =>
    isObject(value)
      ? keysOf(branch).some((key) => Object.hasOwn(value, key))
      : branch.type === jsonType(value),
  );
  const [only, another] = meant;
  if (only !== undefined && another === undefined) return checkShape(only, value, path);
  if (only !== undefined && meant.some((branch) => checkShape(branch, value, path).length === 0)) return [];
  const choices = branches.map((branch) => sketch(branch)).join(', ');
  const hint = schema.description === undefined ? '' : ` (${schema.description})`;
  const not = isObject(value)
    ? ` and not { ${Object.keys(value).join(', ').slice(0, 80)} }`
    : `, not ${describe(value)}`;
  return [{ path, message: `must be exactly one of ${choices}${not}${hint}` }];
}

/** The key by whose constant all branches can be told apart, such as `type`. */
function tagOf(branches: readonly WrittenSchema[]): string | undefined {
  const [first] = branches;
  return Object.keys(first?.properties ?? {}).find(
    (key) =>
      new Set(branches.map(({ properties }) => properties?.[key]?.const)).size === branches.length &&
      branches.every(({ properties }) => properties?.[key]?.const !== undefined),
  );
}

function checkTagged(
  tag: string,
  branches: readonly WrittenSchema[],
  value: Readonly<Record<string, unknown>>,
  path: Path,
): ShapeProblem[] {
  const constants = branches.map(({ properties }) => properties?.[tag]?.const);
  if (!Object.hasOwn(value, tag))
    return [{ path, message: `\`${tag}\` is missing (one of ${constants.join(', ')})` }];
  const meant = branches[constants.indexOf(value[tag])];
  return meant === undefined
    ? checkWord(constants, value[tag], [...path, tag])
    : checkShape(meant, value, path);
}

/** How a branch looks, in a word. */
function sketch(branch: WrittenSchema): string {
  if (branch.type === 'array') return 'a list';
  if (branch.properties === undefined) return branch.type ?? 'a value';
  const keys = Object.entries(branch.properties).map(([key, property]) =>
    property.const === undefined ? key : `${key}: ${show(property.const)}`,
  );
  return `{ ${keys.join(', ')} }`;
}

const jsonType = (value: unknown): string =>
  Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
};

function describe(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a set of keys and values';
  return `${typeof value === 'string' ? 'text' : typeof value === 'number' ? 'the number' : 'the value'} ${show(value)}`;
}

/** `upstreams[0]`, `attach.netns`: how people name a place in a resource. */
export function formatPath(path: Path): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join('');
}
