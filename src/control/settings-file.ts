import { readFileSync } from 'node:fs';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { Settings } from '../contract/settings.ts';
import { findSinkProblems } from '../flow/sinks/sink-rules.ts';
import { checkShape, formatPath } from '../domain/check-shape.ts';
import type { ShapeProblem } from '../domain/check-shape.ts';
import { findLedgerProblems, findRedisProblems } from './store/ledger-rules.ts';

/** The settings file cannot be used. `problems` are all of them, each as `FILE:LINE: KEY: message`. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

const maxSettingsBytes = 262_144;

/**
 * The settings of one file, frozen through and through. Nothing is filled in: a key that is missing is a problem like
 * one that is unknown, so that the file on disk is always the whole truth. @throws SettingsError with every problem.
 */
export function loadSettings(path: string): Settings {
  return parseSettings(readSettingsFile(path), path);
}

function readSettingsFile(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > maxSettingsBytes) throw new SettingsError([`${path}: too large for a settings file`]);
    return text;
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new SettingsError([
      code === 'ENOENT' ? `${path}: no such file` : `${path}: cannot be read (${code})`,
    ]);
  }
}

/** The same for text at hand; `name` stands where problems name the file. */
export function parseSettings(text: string, name: string): Settings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) {
    throw new SettingsError(
      broken.map(({ message, pos: [start] }) => {
        const sentence =
          message
            .split(/ at line \d+/)[0]
            ?.replaceAll(/\s+/g, ' ')
            .trim() ?? message;
        return `${name}:${lines.linePos(start).line}: ${sentence}`;
      }),
    );
  }
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Aliases that multiply themselves.
    throw new SettingsError([`${name}: ${(error as Error).message}`]);
  }
  const problems = findProblems(value, document, lines, name);
  if (problems.length > 0) throw new SettingsError(problems);
  return deepFreeze(value as Settings);
}

function findProblems(value: unknown, document: Document, lines: LineCounter, name: string): string[] {
  const misshapen = checkShape(Settings, value);
  const wrong =
    misshapen.length > 0
      ? misshapen
      : [
          ...findLedgerProblems(value as Settings),
          ...findTwinGateways(value as Settings),
          ...findScepProblems(value as Settings),
          ...findSinksProblems(value as Settings),
        ];
  const found = wrong.map(({ path, message }) => {
    const { line } = lines.linePos(positionOf(document, path.map(String)));
    return { line, text: `${name}:${line}: ${path.length === 0 ? '' : `${formatPath(path)}: `}${message}` };
  });
  return found.sort((a, b) => a.line - b.line).map(({ text }) => text);
}

/** Two gateways of one id: which of them was meant is not for us to guess. */
function findTwinGateways({ control: { gateways = [] } }: Settings): ShapeProblem[] {
  return gateways.flatMap(({ id }, index) =>
    gateways.findIndex((other) => other.id === id) === index
      ? []
      : [{ path: ['control', 'gateways', index, 'id'], message: `${id} is listed twice` }],
  );
}

function findScepProblems({ scep, managedDevices }: Settings): ShapeProblem[] {
  return scep === true && managedDevices !== true
    ? [{ path: ['scep'], message: 'needs `managedDevices: true`, whose authority it gives certificates of' }]
    : [];
}

const findSinksProblems = ({ sinks = [] }: Settings): ShapeProblem[] =>
  [
    ...findSinkProblems(sinks),
    ...sinks.flatMap((sink, index) =>
      sink.type === 'redis'
        ? findRedisProblems(sink.redis).map((problem) => ({
            ...problem,
            path: [index, 'redis', ...problem.path],
          }))
        : [],
    ),
  ].map((problem) => ({ ...problem, path: ['sinks', ...problem.path] }));

/** Where a key stands, or the nearest thing above it that stands somewhere. */
function positionOf(document: Document, path: readonly string[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    const key = path[depth - 1];
    if (isNode(parent) && 'items' in parent && Array.isArray(parent.items)) {
      for (const [index, item] of (parent.items as unknown[]).entries()) {
        const itemKey = typeof item === 'object' && item !== null && 'key' in item ? item.key : item;
        const matches =
          isNode(itemKey) &&
          (itemKey === item ? String(index) === key : 'value' in itemKey && String(itemKey.value) === key);
        if (matches && itemKey.range) return itemKey.range[0];
      }
    }
  }
  return 0;
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
