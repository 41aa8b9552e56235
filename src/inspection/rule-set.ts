import { RequestCollections } from './collections.ts';
import { operators } from './operators.ts';
import type { Operator } from './operators.ts';
import { readDirectives } from './seclang/directives.ts';
import { readActions, readOperator, readVariables } from './seclang/rule-text.ts';
import type { ActionText, VariableText } from './seclang/rule-text.ts';
import { transformations } from './transformations.ts';
import type { Transformation } from './transformations.ts';

/** The files of a rule set by their names: `*.conf` with rules, `*.data` with phrases. */
export type RuleFiles = Readonly<Record<string, string>>;

/** Transformations in order. Rules that begin with the same ones share what comes of them. */
export interface Pipeline {
  readonly index: number;
  readonly before: Pipeline | undefined;
  readonly apply: Transformation;
}

export interface Rule {
  readonly id: number;
  readonly message: string;
  readonly isLogged: boolean;
  readonly tags: readonly string[];
  /** Variables that do not change during a request have a number, by which their values are found again. */
  readonly targets: { readonly variables: readonly VariableText[]; readonly index: number | undefined };
  readonly pipeline: Pipeline | undefined;
  readonly isMultiMatch: boolean;
  readonly isNegated: boolean;
  /** Of one whose argument depends on the request, made for each argument. */
  readonly operator: (expand: (text: string) => string) => Operator;
  readonly needsGroups: boolean;
  readonly assignments: readonly Assignment[];
  readonly controls: readonly ActionText[];
  readonly skipAfter: string | undefined;
  readonly chained: Rule | undefined;
}

/** `setvar` of the collection TX: others live longer than a request, and there are none here. */
export interface Assignment {
  readonly name: string;
  /** Undefined takes the variable away. */
  readonly value: string | undefined;
  readonly isSum: boolean;
}

export interface RuleSet {
  /** Rules in the order in which they are asked. */
  readonly rules: readonly Rule[];
  /** Where each marker stands among the rules of one phase. */
  readonly markers: ReadonlyMap<string, number>;
  readonly targetCount: number;
  readonly pipelineCount: number;
  /** Rules that ask what is not to be had here, with what it is. */
  readonly notEvaluated: readonly { readonly id: number; readonly why: string }[];
  readonly version: string;
}

/** Phases of a request: its head, its body. What is asked of answers and of the log is left out. */
const phases = ['1', '2'];

/**
 * Makes rules of rule files (OWASP Core Rule Set 3 or 4, in the language of ModSecurity). A rule that cannot be evaluated is
 * left out and named.
 */
export function buildRuleSet(files: RuleFiles): RuleSet {
  return new Builder(files).build();
}

class Builder {
  readonly #files: RuleFiles;
  readonly #targets = new Map<string, number>();
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #notEvaluated: { id: number; why: string }[] = [];
  #version = '';

  constructor(files: RuleFiles) {
    this.#files = files;
  }

  build(): RuleSet {
    const byPhase = phases.map(() => ({ rules: [] as Rule[], markers: new Map<string, number>() }));
    const names = Object.keys(this.#files).filter((name) => name.endsWith('.conf'));
    for (const name of names.toSorted()) {
      const directives = readDirectives(this.#files[name] ?? '');
      for (let at = 0; at < directives.length; at += 1) {
        const directive = directives[at];
        const [first = ''] = directive?.arguments ?? [];
        if (directive?.name === 'SecMarker')
          for (const { rules, markers } of byPhase) markers.set(first, rules.length);
        if (directive?.name === 'SecComponentSignature') this.#version = first;
        if (directive?.name !== 'SecRule' && directive?.name !== 'SecAction') continue;
        const chain = [partOf(directive)];
        while (chain.at(-1)?.isChained === true && at + 1 < directives.length) {
          at += 1;
          const next = directives[at];
          if (next !== undefined) chain.push(partOf(next));
        }
        const head = chain[0]?.actions ?? [];
        const phase = phaseOf(valueOf(head, 'phase') ?? '2');
        const place = byPhase[phases.indexOf(phase)];
        const id = Number(valueOf(head, 'id') ?? 0);
        if (place === undefined) continue;
        try {
          place.rules.push(this.#ruleOf(chain, id));
        } catch (error) {
          this.#notEvaluated.push({ id, why: (error as Error).message });
        }
      }
    }
    const [first, second] = byPhase;
    const offset = first?.rules.length ?? 0;
    const markers = new Map<string, number>();
    for (const [marker, index] of first?.markers ?? []) markers.set(`1 ${marker}`, index);
    for (const [marker, index] of second?.markers ?? []) markers.set(`2 ${marker}`, index + offset);
    const rules = [...(first?.rules ?? []), ...(second?.rules ?? [])].map((rule, index) =>
      rule.skipAfter === undefined
        ? rule
        : { ...rule, skipAfter: `${index < offset ? '1' : '2'} ${rule.skipAfter}` },
    );
    return {
      rules,
      markers,
      targetCount: this.#targets.size,
      pipelineCount: this.#pipelines.size,
      notEvaluated: this.#notEvaluated,
      version: this.#version,
    };
  }

  #ruleOf(parts: readonly RulePart[], id: number): Rule {
    const [part, ...rest] = parts;
    if (part === undefined) throw new TypeError('a chain without an end');
    const { actions } = part;
    const values = (name: string): string[] =>
      actions.filter(([action]) => action === name).map(([, value]) => value);
    const texts = parts.flatMap(({ operator, actions: each }) => [
      operator,
      ...each.filter(([action]) => action === 'setvar').map(([, value]) => value),
    ]);
    return {
      id,
      message: (valueOf(actions, 'msg') ?? '').replace(/\s*\(?%\{[^}]*\}\)?/g, ''),
      isLogged: valueOf(actions, 'nolog') === undefined,
      tags: values('tag'),
      targets: this.#targetsOf(part.variables),
      pipeline: this.#pipelineOf(values('t')),
      isMultiMatch: valueOf(actions, 'multimatch') !== undefined,
      ...this.#operatorOf(part.operator),
      needsGroups:
        valueOf(actions, 'capture') !== undefined &&
        (texts.some((text) => /%\{tx\.[0-9]\}/i.test(text)) ||
          parts.some(({ variables }) => /\bTX:[0-9]\b/i.test(variables))),
      assignments: values('setvar').flatMap(readAssignment),
      controls: values('ctl').map((text): ActionText => {
        const equals = text.indexOf('=');
        return [text.slice(0, equals).toLowerCase(), text.slice(equals + 1)];
      }),
      skipAfter: valueOf(actions, 'skipafter'),
      chained: rest.length === 0 ? undefined : this.#ruleOf(rest, id),
    };
  }

  #targetsOf(text: string): Rule['targets'] {
    const variables = readVariables(text);
    const unknown = variables.find(({ name }) => !changing.has(name) && !RequestCollections.knows(name));
    if (unknown !== undefined) throw new TypeError(unknown.name);
    if (variables.some(({ name, isCount }) => changing.has(name) || isCount))
      return { variables, index: undefined };
    const known = this.#targets.get(text) ?? this.#targets.size;
    this.#targets.set(text, known);
    return { variables, index: known };
  }

  #pipelineOf(names: readonly string[]): Pipeline | undefined {
    let pipeline: Pipeline | undefined;
    let path = '';
    for (const name of names.slice(names.lastIndexOf('none') + 1)) {
      const apply = transformations[name.toLowerCase()];
      if (apply === undefined) throw new TypeError(`t:${name}`);
      path += ` ${name.toLowerCase()}`;
      const known: Pipeline = this.#pipelines.get(path) ?? {
        index: this.#pipelines.size,
        before: pipeline,
        apply,
      };
      this.#pipelines.set(path, known);
      pipeline = known;
    }
    return pipeline;
  }

  #operatorOf(text: string): Pick<Rule, 'operator' | 'isNegated'> {
    const { name, argument, isNegated } = readOperator(text);
    const make = operators[name.toLowerCase()];
    if (make === undefined) throw new TypeError(`@${name}`);
    const dataFile = (file: string): string => {
      const data = this.#files[file];
      if (data === undefined) throw new TypeError(`no file ${file}`);
      return data;
    };
    if (!argument.includes('%{')) {
      const made = make(argument, dataFile);
      return { operator: () => made, isNegated };
    }
    let last: { readonly argument: string; readonly made: Operator } | undefined;
    const operator = (expand: (macro: string) => string): Operator => {
      const expanded = expand(argument);
      if (last?.argument !== expanded) last = { argument: expanded, made: make(expanded, dataFile) };
      return last.made;
    };
    return { operator, isNegated };
  }
}

/** Variables that rules themselves change. */
const changing = new Set(['TX', 'MATCHED_VAR', 'MATCHED_VARS', 'MATCHED_VAR_NAME', 'MATCHED_VARS_NAMES']);

interface RulePart {
  readonly variables: string;
  readonly operator: string;
  readonly actions: readonly ActionText[];
  readonly isChained: boolean;
}

function partOf({ name, arguments: words }: { name: string; arguments: readonly string[] }): RulePart {
  const isAction = name === 'SecAction';
  const actions = readActions((isAction ? words[0] : words[2]) ?? '');
  return {
    variables: isAction ? '' : (words[0] ?? ''),
    operator: isAction ? '@unconditionalMatch' : (words[1] ?? ''),
    actions,
    isChained: valueOf(actions, 'chain') !== undefined,
  };
}

const valueOf = (actions: readonly ActionText[], wanted: string): string | undefined =>
  actions.find(([name]) => name === wanted)?.[1];

const phaseOf = (text: string): string => ({ request: '2', response: '4', logging: '5' })[text] ?? text;

function readAssignment(text: string): Assignment[] {
  const match = /^(!?)tx\.([^=]+?)\s*(?:=(\+?)(.*))?$/is.exec(text);
  if (match === null) return [];
  const [, taken, name = '', sum, value = '1'] = match;
  return [{ name: name.toLowerCase(), value: taken === '!' ? undefined : value, isSum: sum === '+' }];
}
